//! Users: adding, listing, changing and removing them. Who is signing in is the business of
//! `web::auth`; it asks [`find`] for the hash.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use super::Dav;
use super::password::{Password, PasswordError};
use crate::lock::UserId;
use crate::protocol::time::Timestamp;
use crate::rights::Scope;
use crate::store::engine::{Mode, StoreError, Txn};
use crate::store::transact::transact;
use crate::store::tx::Tx;

pub use crate::store::users::{USERS_MAX, User};

/// Longest user name in characters.
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
    /// Whether this request may do everything everywhere: an admin with a whole credential.
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

/// Why a change of the users did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// The name cannot be one.
    #[error(
        "{0:?} cannot be a user name: 1 to {NAME_CHARS_MAX} characters, no colon, no control \
         characters, no space at either end"
    )]
    Name(String),
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is one already.
    #[error("there is already a user {0:?}")]
    Exists(String),
    /// There is none.
    #[error("there is no user {0:?}")]
    NoSuchUser(String),
    /// Then nobody could release the locks of others.
    #[error("{0:?} is the only admin; add another one first (user add NAME --admin)")]
    LastAdmin(String),
    /// No room.
    #[error("there are {USERS_MAX} users already, which is the most there can be")]
    TooMany,
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user to be.
#[derive(Debug)]
pub struct NewUser {
    /// What the user signs in with.
    pub name: String,
    /// In the clear.
    pub password: Password,
    /// Whether this user may release other people's locks.
    pub admin: bool,
}

/// The name in the form in which it is kept and looked up (NFC), if it can be a name. A colon
/// would end it in Basic authentication (RFC 7617 §2).
pub fn user_name(text: &str) -> Result<String, AccessError> {
    let name: String = text.nfc().take(NAME_CHARS_MAX + 1).collect();
    let length = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    let plain = !name.chars().any(|c| c == ':' || c.is_control());
    if length && plain && name.trim() == name {
        Ok(name)
    } else {
        Err(AccessError::Name(
            text.chars().take(2 * NAME_CHARS_MAX).collect(),
        ))
    }
}

/// The user of this name.
pub async fn find(dav: &Dav, name: &str) -> Result<Option<User>, AccessError> {
    let Ok(name) = user_name(name) else {
        return Ok(None);
    };
    transact(dav.engine(), Mode::Read, &name, |txn, name| {
        Box::pin(async move { Ok(timeless(txn).user(name).await?) })
    })
    .await
}

/// All users by name.
pub async fn list(dav: &Dav) -> Result<Vec<User>, AccessError> {
    transact(dav.engine(), Mode::Read, &(), |txn, ()| {
        Box::pin(async move { Ok(timeless(txn).users().await?) })
    })
    .await
}

/// Adds a user. The password is hashed on a thread where that blocks nobody.
pub async fn add(dav: &Dav, new: NewUser, now: Timestamp) -> Result<(), AccessError> {
    let name = user_name(&new.name)?;
    let user = User {
        id: UserId(Uuid::new_v4()),
        name,
        admin: new.admin,
        password_hash: hash(new.password).await?,
        created: now,
    };
    transact(dav.engine(), Mode::Write, &user, |txn, user| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            if tx.user(&user.name).await?.is_some() {
                return Err(AccessError::Exists(user.name.clone()));
            }
            if tx.users().await?.len() >= USERS_MAX {
                return Err(AccessError::TooMany);
            }
            Ok(tx.put_user(user)?)
        })
    })
    .await
}

/// Gives a user another password.
pub async fn set_password(dav: &Dav, name: &str, password: Password) -> Result<(), AccessError> {
    let change = (user_name(name)?, hash(password).await?);
    transact(dav.engine(), Mode::Write, &change, |txn, (name, hash)| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let user = tx.user(name).await?;
            let mut user = user.ok_or_else(|| AccessError::NoSuchUser(name.clone()))?;
            user.password_hash.clone_from(hash);
            Ok(tx.put_user(&user)?)
        })
    })
    .await
}

/// Removes a user. The locks stay; an admin can release them.
pub async fn remove(dav: &Dav, name: &str) -> Result<(), AccessError> {
    let name = user_name(name)?;
    transact(dav.engine(), Mode::Write, &name, |txn, name| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let everybody = tx.users().await?;
            let Some(user) = everybody.iter().find(|user| user.name == *name) else {
                return Err(AccessError::NoSuchUser(name.clone()));
            };
            let admins = everybody.iter().filter(|user| user.admin).count();
            if user.admin && admins == 1 {
                return Err(AccessError::LastAdmin(name.clone()));
            }
            tx.remove_user(name);
            Ok(())
        })
    })
    .await
}

/// Rows of users do not expire, so the moment makes no difference.
fn timeless(txn: &mut dyn Txn) -> Tx<'_> {
    Tx::new(txn, Timestamp(0))
}

async fn hash(password: Password) -> Result<String, PasswordError> {
    password.check()?;
    let hash = tokio::task::spawn_blocking(move || password.hash()).await;
    hash.map_err(|error| PasswordError::Failed(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        fn check(text: &str, expect: Option<&str>) {
            assert_eq!(user_name(text).ok().as_deref(), expect, "{text:?}");
        }
        check("alice", Some("alice"));
        check("Jörg Müller", Some("Jörg Müller"));
        check("Jo\u{308}rg", Some("Jörg"));
        check("alice@example.org", Some("alice@example.org"));
        check("", None);
        check(" ", None);
        check("alice ", None);
        check("a:b", None);
        check("a\nb", None);
        check(&"ä".repeat(64), Some(&"ä".repeat(64)));
        check(&"ä".repeat(65), None);
        check(&"a\u{308}".repeat(64), Some(&"ä".repeat(64)));
    }

    fn new_user(name: &str, admin: bool) -> NewUser {
        NewUser {
            name: name.to_owned(),
            password: "correct horse".to_owned().into(),
            admin,
        }
    }

    #[tokio::test]
    async fn users_come_change_and_go() {
        let dav = Dav::memory(Timestamp(1)).await;
        add(&dav, new_user("zoe", true), Timestamp(7))
            .await
            .unwrap();
        add(&dav, new_user("bob", false), Timestamp(8))
            .await
            .unwrap();
        let names = |users: Vec<User>| users.into_iter().map(|u| u.name).collect::<Vec<_>>();
        assert_eq!(names(list(&dav).await.unwrap()), ["bob", "zoe"]);

        let again = add(&dav, new_user("bob", false), Timestamp(9)).await;
        assert_eq!(again, Err(AccessError::Exists("bob".to_owned())));
        let bob = find(&dav, "bob").await.unwrap().unwrap();
        assert_eq!(bob.created, Timestamp(8));

        set_password(&dav, "bob", "battery staple".to_owned().into())
            .await
            .unwrap();
        let changed = find(&dav, "bob").await.unwrap().unwrap();
        assert_eq!(changed.id, bob.id);
        assert!(Password::from("battery staple".to_owned()).matches(&changed.password_hash));

        assert_eq!(
            remove(&dav, "zoe").await,
            Err(AccessError::LastAdmin("zoe".to_owned()))
        );
        remove(&dav, "bob").await.unwrap();
        assert_eq!(
            remove(&dav, "bob").await,
            Err(AccessError::NoSuchUser("bob".to_owned()))
        );
        assert_eq!(find(&dav, "bob").await, Ok(None));
        assert_eq!(find(&dav, "b:ob").await, Ok(None));
    }
}
