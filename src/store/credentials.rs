//! Credentials other than passwords: API keys, and the tokens of sessions. Of a secret only its
//! SHA-256 is kept; a credential is found by it and in no other way.

mod rows;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lock::UserId;
use crate::protocol::time::Timestamp;
use crate::rights::Scope;

/// The SHA-256 of a secret. Secrets are random, so a fast hash without salt is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// The identity of an API key or of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CredentialId(pub Uuid);

/// What one secret stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Of the API key, or of the session that the token belongs to.
    pub id: CredentialId,
    /// Whose.
    pub user: UserId,
    /// What it may be used for.
    pub kind: CredentialKind,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is worth nothing; `None`: it stays until it is revoked.
    pub expires: Option<Timestamp>,
}

/// What a secret may be used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialKind {
    /// Signing in for a program or a mount.
    ApiKey {
        /// By which its user tells it from others.
        name: String,
        /// How far it reaches.
        scope: Scope,
    },
    /// Signing in during a session.
    Access,
    /// Getting the session's next tokens, once.
    Refresh,
}

impl Credential {
    /// Whether it still counts.
    pub fn stands_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// What a user has under one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// An API key.
    Key(SecretHash),
    /// A session.
    Session(Session),
}

/// The tokens that a session has at present. All earlier ones are worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When these tokens were given out.
    pub renewed: Timestamp,
    /// The access token.
    pub access: SecretHash,
    /// The refresh token, if the session can be renewed.
    pub refresh: Option<SecretHash>,
}

impl Held {
    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretHash> {
        let (first, second) = match self {
            Self::Key(secret) => (*secret, None),
            Self::Session(session) => (session.access, session.refresh),
        };
        std::iter::once(first).chain(second)
    }
}
