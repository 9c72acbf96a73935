//! Users: adding, listing, changing and removing them, and checking their passwords.

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use super::{AccessError, Noun, Principal, excerpt, plain_name, timeless};
use crate::lock::UserId;
use crate::ops::Dav;
use crate::ops::password::{Password, PasswordError};
use crate::protocol::time::Timestamp;
use crate::store::engine::Mode;
use crate::store::transact::transact;
use crate::store::tx::Tx;

pub use crate::store::users::{USERS_MAX, User};

/// Longest display name in characters.
pub(super) const DISPLAY_NAME_CHARS_MAX: usize = 128;
/// Longest address (RFC 5321 §4.5.3.1.3, without the angle brackets).
pub(super) const EMAIL_BYTES_MAX: usize = 254;

/// A user to be.
#[derive(Debug)]
pub struct NewUser {
    /// What the user signs in with.
    pub name: String,
    /// What people call this user; `None`: by the name.
    pub display_name: Option<String>,
    /// May be empty.
    pub email: String,
    /// In the clear.
    pub password: Password,
    /// Whether this user may release other people's locks.
    pub admin: bool,
}

impl NewUser {
    /// One without extras.
    pub fn new(name: &str, password: Password) -> Self {
        Self {
            name: name.to_owned(),
            display_name: None,
            email: String::new(),
            password,
            admin: false,
        }
    }
}

/// What is to change about a user; `None` stays.
#[derive(Debug, Default)]
pub struct UserChange {
    /// What people call this user.
    pub display_name: Option<String>,
    /// May be empty.
    pub email: Option<String>,
    /// Whether this user may release other people's locks.
    pub admin: Option<bool>,
}

/// Somebody who just gave the right password. Only a check of it makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who it is.
    pub principal: Principal,
    /// Of the password's hash, so that it can be seen that the password is still the same.
    password_mark: [u8; 32],
}

impl Verified {
    fn new(user: &User) -> Self {
        Self {
            principal: Principal::from(user),
            password_mark: password_mark(user),
        }
    }

    /// Whether `user` is this one and still has the password that was checked.
    pub(super) fn still_holds_for(&self, user: &User) -> bool {
        user.id == self.principal.id && password_mark(user) == self.password_mark
    }
}

fn password_mark(user: &User) -> [u8; 32] {
    Sha256::digest(&user.password_hash).into()
}

/// The user of this name.
pub async fn find(dav: &Dav, name: &str) -> Result<Option<User>, AccessError> {
    let Ok(name) = plain_name(Noun::User, name) else {
        return Ok(None);
    };
    transact(dav.engine(), Mode::Read, &name, |txn, name| {
        Box::pin(async move { Ok(timeless(txn).user(name).await?) })
    })
    .await
}

/// The user with this id.
pub async fn find_by_id(dav: &Dav, id: UserId) -> Result<Option<User>, AccessError> {
    transact(dav.engine(), Mode::Read, &id, |txn, id| {
        Box::pin(async move { Ok(timeless(txn).user_by_id(*id).await?) })
    })
    .await
}

/// The users with these ids, without those who are gone.
pub async fn find_all(dav: &Dav, ids: &[UserId]) -> Result<Vec<User>, AccessError> {
    transact(dav.engine(), Mode::Read, ids, |txn, ids| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(tx.user_by_id(*id).await?);
            }
            Ok(found)
        })
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

/// Whether this is the password of the user of this name. `dummy_hash` is of a password that nobody
/// has: unknown users cost as much time as known ones.
pub async fn verify_password(
    dav: &Dav,
    name: &str,
    password: Password,
    dummy_hash: &str,
) -> Result<Option<Verified>, AccessError> {
    let user = find(dav, name).await?;
    let hash = user.as_ref().map_or(dummy_hash, |user| &user.password_hash);
    let hash = hash.to_owned();
    let matches = tokio::task::spawn_blocking(move || password.matches(&hash)).await;
    let matches = matches.map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(user.filter(|_| matches).as_ref().map(Verified::new))
}

/// Adds a user. The password is hashed on a thread where that blocks nobody.
pub async fn add(dav: &Dav, new: NewUser, now: Timestamp) -> Result<(), AccessError> {
    let name = plain_name(Noun::User, &new.name)?;
    let user = User {
        id: UserId(Uuid::new_v4()),
        display_name: display_name(new.display_name.as_deref().unwrap_or(&name))?,
        name,
        email: email(&new.email)?,
        admin: new.admin,
        password_hash: hash(new.password).await?,
        created: now,
    };
    transact(dav.engine(), Mode::Write, &user, |txn, user| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            if tx.user(&user.name).await?.is_some() {
                return Err(AccessError::Exists(Noun::User, user.name.clone()));
            }
            if tx.users().await?.len() >= USERS_MAX {
                let (what, max) = ("users", USERS_MAX);
                return Err(AccessError::TooMany { what, max });
            }
            Ok(tx.put_user(user)?)
        })
    })
    .await
}

/// Changes what is known about a user.
pub async fn change(dav: &Dav, name: &str, change: UserChange) -> Result<(), AccessError> {
    let name = plain_name(Noun::User, name)?;
    let change = UserChange {
        display_name: change
            .display_name
            .as_deref()
            .map(display_name)
            .transpose()?,
        email: change.email.as_deref().map(email).transpose()?,
        admin: change.admin,
    };
    transact(
        dav.engine(),
        Mode::Write,
        &(name, change),
        |txn, (name, change)| {
            Box::pin(async move {
                let mut tx = timeless(txn);
                let old = load(&mut tx, name).await?;
                if change.admin == Some(false) {
                    keep_an_admin(&mut tx, &old).await?;
                }
                Ok(tx.put_user(&User {
                    display_name: change.display_name.clone().unwrap_or(old.display_name),
                    email: change.email.clone().unwrap_or(old.email),
                    admin: change.admin.unwrap_or(old.admin),
                    ..old
                })?)
            })
        },
    )
    .await
}

/// Gives a user another password and ends the user's sessions: whoever knew the old one is out.
/// API keys stay; mounts and programs go on.
pub async fn set_password(dav: &Dav, name: &str, password: Password) -> Result<(), AccessError> {
    let change = (plain_name(Noun::User, name)?, hash(password).await?);
    transact(dav.engine(), Mode::Write, &change, |txn, (name, hash)| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let mut user = load(&mut tx, name).await?;
            user.password_hash.clone_from(hash);
            tx.end_sessions(user.id).await?;
            Ok(tx.put_user(&user)?)
        })
    })
    .await
}

/// Removes a user, with credentials, memberships, grants and webhooks. The locks stay; a holder of
/// SuperCheckIn can release them.
pub async fn remove(dav: &Dav, name: &str) -> Result<(), AccessError> {
    let name = plain_name(Noun::User, name)?;
    transact(dav.engine(), Mode::Write, &name, |txn, name| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let user = load(&mut tx, name).await?;
            keep_an_admin(&mut tx, &user).await?;
            Ok(tx.remove_user(&user).await?)
        })
    })
    .await
}

/// The user of this name (NFC), who must exist.
pub(in crate::ops) async fn load(tx: &mut Tx<'_>, name: &str) -> Result<User, AccessError> {
    let user = tx.user(name).await?;
    user.ok_or_else(|| AccessError::NoSuch(Noun::User, name.to_owned()))
}

/// Refuses to lose `user` as an admin when there is no other.
async fn keep_an_admin(tx: &mut Tx<'_>, user: &User) -> Result<(), AccessError> {
    let others = |other: &User| other.admin && other.id != user.id;
    if user.admin && !tx.users().await?.iter().any(others) {
        return Err(AccessError::LastAdmin(user.name.clone()));
    }
    Ok(())
}

fn display_name(text: &str) -> Result<String, AccessError> {
    let name: String = text.nfc().take(DISPLAY_NAME_CHARS_MAX + 1).collect();
    let length = (1..=DISPLAY_NAME_CHARS_MAX).contains(&name.chars().count());
    if length && !name.chars().any(char::is_control) && name.trim() == name {
        Ok(name)
    } else {
        Err(AccessError::DisplayName(excerpt(text)))
    }
}

/// Whether mail could reach it shows only when one is sent; here it is enough that it cannot break
/// a header or a list.
fn email(text: &str) -> Result<String, AccessError> {
    let plausible = text.split_once('@').is_some_and(|(person, host)| {
        !person.is_empty() && !host.is_empty() && !host.contains('@')
    });
    let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if text.is_empty() || (plausible && plain && text.len() <= EMAIL_BYTES_MAX) {
        Ok(text.to_owned())
    } else {
        Err(AccessError::Email(excerpt(text)))
    }
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
    fn addresses() {
        fn check(text: &str, expect: bool) {
            assert_eq!(email(text).is_ok(), expect, "{text:?}");
        }
        check("", true);
        check("a@b", true);
        check("jörg.müller+x@example.org", true);
        check("alice", false);
        check("@example.org", false);
        check("alice@", false);
        check("a@b@c", false);
        check("a b@c", false);
        check("a@b\r\nBcc: c@d", false);
        check(&format!("{}@b", "a".repeat(252)), true);
        check(&format!("{}@b", "a".repeat(253)), false);
    }

    #[test]
    fn display_names() {
        fn check(text: &str, expect: Option<&str>) {
            assert_eq!(display_name(text).ok().as_deref(), expect, "{text:?}");
        }
        check("Müller: Jo\u{308}rg", Some("Müller: Jörg"));
        check("", None);
        check(" a", None);
        check("a\tb", None);
        check(&"x".repeat(128), Some(&"x".repeat(128)));
        check(&"x".repeat(129), None);
    }
}
