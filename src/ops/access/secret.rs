//! Secrets that the server makes: API keys, tokens, keys of webhooks. Their first letters say what
//! they are, also to scanners that look for leaked ones.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::AccessError;
use crate::lock::UserId;
use crate::store::credentials::{CredentialId, SecretHash};

/// No secret of ours is longer.
const BYTES_MAX: usize = 128;
/// 256 bits.
const RANDOM_BYTES: usize = 32;
const UUID_BYTES: usize = 16;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// `sk-…`: a program or a mount signs in with it.
    ApiKey,
    /// `at-…`: opens the door during a session.
    Access,
    /// `rt-…`: good for one renewal of a session.
    Refresh,
}

impl SecretKind {
    const ALL: [Self; 3] = [Self::ApiKey, Self::Access, Self::Refresh];

    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "sk-",
            Self::Access => "at-",
            Self::Refresh => "rt-",
        }
    }
}

/// A secret in the clear. Never shown by `{:?}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one that nobody can guess.
    pub(super) fn random(kind: SecretKind) -> Result<Self, AccessError> {
        Ok(Self::of(kind, &random_bytes()?))
    }

    /// A new refresh token. It names its session, so that one that was used up can be told from
    /// one that never was, although nothing of it is kept.
    pub(super) fn random_refresh(user: UserId, session: CredentialId) -> Result<Self, AccessError> {
        let random = random_bytes()?;
        let parts = [user.0.as_bytes(), session.0.as_bytes(), random.as_slice()];
        Ok(Self::of(SecretKind::Refresh, &parts.concat()))
    }

    fn of(kind: SecretKind, bytes: &[u8]) -> Self {
        Self(format!(
            "{}{}",
            kind.prefix(),
            URL_SAFE_NO_PAD.encode(bytes)
        ))
    }

    /// The spelling of a key that webhooks are signed with, as Standard Webhooks wants it.
    pub(in crate::ops) fn of_webhook(key: &[u8]) -> Self {
        Self(format!("whsec_{}", STANDARD.encode(key)))
    }

    /// The characters.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> SecretHash {
        hash(&self.0)
    }

    /// What a presented text could be; `None` if this server never gives out such a thing.
    pub fn kind_of(text: &str) -> Option<SecretKind> {
        let known = |kind: &SecretKind| text.starts_with(kind.prefix());
        let kind = SecretKind::ALL.into_iter().find(known);
        kind.filter(|_| text.len() <= BYTES_MAX)
    }
}

/// The hash under which a presented secret is looked up.
pub(super) fn hash(text: &str) -> SecretHash {
    SecretHash(Sha256::digest(text).into())
}

/// The session that a presented refresh token names.
pub(super) fn session_named_by(refresh: &str) -> Option<(UserId, CredentialId)> {
    let encoded = refresh.strip_prefix(SecretKind::Refresh.prefix())?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let (user, rest) = bytes.split_first_chunk::<UUID_BYTES>()?;
    let (session, random) = rest.split_first_chunk::<UUID_BYTES>()?;
    (random.len() == RANDOM_BYTES).then_some((
        UserId(Uuid::from_bytes(*user)),
        CredentialId(Uuid::from_bytes(*session)),
    ))
}

fn random_bytes() -> Result<[u8; RANDOM_BYTES], AccessError> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| AccessError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_say_what_they_are_and_nothing_more() {
        let (user, session) = (UserId(Uuid::new_v4()), CredentialId(Uuid::new_v4()));
        let key = Secret::random(SecretKind::ApiKey).unwrap();
        let refresh = Secret::random_refresh(user, session).unwrap();
        assert_eq!(Secret::kind_of(key.reveal()), Some(SecretKind::ApiKey));
        assert_eq!(Secret::kind_of(refresh.reveal()), Some(SecretKind::Refresh));
        assert_eq!(key.reveal().len(), "sk-".len() + 43);
        assert_ne!(key, Secret::random(SecretKind::ApiKey).unwrap());
        assert_eq!(
            format!("{key:?} {:?}", key.hash()),
            "Secret(…) SecretHash(…)"
        );
        assert_eq!(session_named_by(refresh.reveal()), Some((user, session)));
        assert_eq!(session_named_by(key.reveal()), None);
    }

    #[test]
    fn what_is_none_of_ours() {
        fn check(text: &str, expect: Option<SecretKind>) {
            assert_eq!(Secret::kind_of(text), expect, "{text:?}");
        }
        check("", None);
        check("eyJhbGciOiJIUzI1NiJ9.e30.x", None);
        check("SK-abc", None);
        check("sk-abc", Some(SecretKind::ApiKey));
        check("at-", Some(SecretKind::Access));
        check(&format!("sk-{}", "a".repeat(126)), None);
        for cut in ["rt-", "rt-AAAA", "rt-!!!!", "at-AAAA"] {
            assert_eq!(session_named_by(cut), None, "{cut}");
        }
    }
}
