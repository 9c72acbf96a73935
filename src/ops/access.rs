//! Who somebody is: users, groups, and what they sign in with. How a request presents credentials,
//! and how often somebody may guess, is the business of `web::auth`.

pub mod api_keys;
pub mod groups;
mod secret;
pub mod sessions;
pub mod users;

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::Dav;
use super::password::PasswordError;
use crate::lock::UserId;
use crate::protocol::path::PathError;
use crate::protocol::time::Timestamp;
use crate::rights::Scope;
use crate::store::credentials::CredentialKind;
use crate::store::engine::{Mode, StoreError, Txn};
use crate::store::transact::transact;
use crate::store::tx::Tx;

pub use secret::{Secret, SecretKind};
pub(super) use users::load;
pub use users::{
    NewUser, USERS_MAX, User, UserChange, Verified, add, change, find, find_all, find_by_id, list,
    remove, set_password, verify_password,
};

/// Longest name of a user, a group or an API key in characters.
const NAME_CHARS_MAX: usize = 64;

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Unchanged for life; what locks remember.
    pub id: UserId,
    /// For people to read.
    pub name: String,
    /// Whether this user may do everything everywhere.
    pub admin: bool,
    /// What the credential of this request allows.
    pub scope: Scope,
}

impl Principal {
    /// Whoever may open the control socket.
    pub(super) fn command_line() -> Self {
        Self {
            id: UserId::NOBODY,
            name: "the command line".to_owned(),
            admin: true,
            scope: Scope::default(),
        }
    }

    /// Whether this request may see and do what concerns the whole server: an administrator's key
    /// that is confined to something does not open everything else.
    pub fn is_administrator(&self) -> bool {
        self.admin && self.scope.is_whole()
    }
}

impl From<&User> for Principal {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            name: user.name.clone(),
            admin: user.admin,
            scope: Scope::default(),
        }
    }
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// Somebody who may sign in.
    User,
    /// Users who get roles together.
    Group,
    /// A key of a user.
    ApiKey,
}

impl Noun {
    const fn article(self) -> &'static str {
        match self {
            Self::User | Self::Group => "a",
            Self::ApiKey => "an",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
            Self::ApiKey => "API key",
        })
    }
}

/// Why a change of users, groups or credentials did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// The name cannot be one.
    #[error(
        "{1:?} cannot be the name of {article} {0}: 1 to {NAME_CHARS_MAX} characters, no colon, \
         no control characters, no space at either end",
        article = .0.article()
    )]
    Name(Noun, String),
    /// The display name cannot be one.
    #[error(
        "{0:?} cannot be a display name: 1 to {max} characters, no control characters, no space \
         at either end",
        max = users::DISPLAY_NAME_CHARS_MAX
    )]
    DisplayName(String),
    /// The address cannot be one.
    #[error(
        "{0:?} cannot be an e-mail address: something, one @, something, at most {max} bytes, no \
         spaces",
        max = users::EMAIL_BYTES_MAX
    )]
    Email(String),
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// It would never be worth anything.
    #[error("{0} has passed; choose a time in the future at which the API key ends")]
    Expired(Timestamp),
    /// The path of a collection is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// There is one already.
    #[error("there is already {article} {0} {1:?}", article = .0.article())]
    Exists(Noun, String),
    /// There is none.
    #[error("there is no {0} {1:?}")]
    NoSuch(Noun, String),
    /// The user is in the group already.
    #[error("{user:?} is in the group {group:?} already")]
    Member {
        /// The user's name.
        user: String,
        /// The group's name.
        group: String,
    },
    /// The user is not in the group.
    #[error("{user:?} is not in the group {group:?}")]
    NotMember {
        /// The user's name.
        user: String,
        /// The group's name.
        group: String,
    },
    /// An API key was to be confined to a place that does not exist.
    #[error("there is nothing at {0}")]
    NothingAt(String),
    /// An API key was to be confined to a file.
    #[error("{0} is a file; an API key can be confined to a collection")]
    NotACollection(String),
    /// Then nobody could grant roles at the top or read the metrics.
    #[error("{0:?} is the only admin; make another one first (user add NAME --admin)")]
    LastAdmin(String),
    /// No room.
    #[error("there are {max} {what} already, which is the most there can be; remove one first")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The answer would be too long.
    #[error("there are more than {0} API keys; name a user to list only theirs")]
    TooManyToList(usize),
    /// The password was checked, and then it changed.
    #[error("the password was changed at this moment; sign in again")]
    PasswordChanged,
    /// The operating system gave no randomness.
    #[error("the system gave no random numbers: {0}")]
    NoRandomness(String),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom a presented API key or access token stands for. Nothing is remembered between two calls:
/// what was revoked is worth nothing from then on.
pub async fn by_secret(
    dav: &Dav,
    secret: &str,
    now: Timestamp,
) -> Result<Option<Principal>, AccessError> {
    if !matches!(
        Secret::kind_of(secret),
        Some(SecretKind::ApiKey | SecretKind::Access)
    ) {
        return Ok(None);
    }
    let presented = (secret::hash(secret), now);
    transact(dav.engine(), Mode::Read, &presented, |txn, (hash, now)| {
        Box::pin(async move {
            let mut tx = Tx::new(txn, *now);
            let Some(credential) = tx.credential(hash).await? else {
                return Ok(None);
            };
            let scope = match credential.kind {
                CredentialKind::ApiKey { scope, .. } if credential.stands_at(*now) => scope,
                CredentialKind::Access if credential.stands_at(*now) => Scope::default(),
                _ => return Ok(None),
            };
            let user = tx.user_by_id(credential.user).await?;
            Ok(user.map(|user| Principal {
                scope,
                ..Principal::from(&user)
            }))
        })
    })
    .await
}

/// A name in the form in which it is kept and looked up (NFC), if it can be one. A colon would end
/// it in Basic authentication (RFC 7617 §2).
pub(super) fn plain_name(of: Noun, text: &str) -> Result<String, AccessError> {
    let name: String = text.nfc().take(NAME_CHARS_MAX + 1).collect();
    let length = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    let plain = !name.chars().any(|c| c == ':' || c.is_control());
    if length && plain && name.trim() == name {
        Ok(name)
    } else {
        Err(AccessError::Name(of, excerpt(text)))
    }
}

/// So much of a text as an error may repeat.
fn excerpt(text: &str) -> String {
    text.chars().take(2 * NAME_CHARS_MAX).collect()
}

/// Rows of users and groups do not expire, so the moment makes no difference.
fn timeless(txn: &mut dyn Txn) -> Tx<'_> {
    Tx::new(txn, Timestamp(0))
}

#[cfg(test)]
mod tests;
