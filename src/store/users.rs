//! Rows of users. Knows nothing of passwords but the hash.

use serde::{Deserialize, Serialize};

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::lock::UserId;
use crate::protocol::time::Timestamp;

/// Most users. They are listed, and the admins among them counted, in one go.
pub const USERS_MAX: usize = 10_000;

/// Someone who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Never given twice, so that a new user of an old name does not inherit locks.
    pub id: UserId,
    /// In NFC; unique.
    pub name: String,
    /// Whether this user may release other people's locks and read the metrics.
    pub admin: bool,
    /// A PHC string.
    pub password_hash: String,
    /// When the user was added.
    pub created: Timestamp,
}

impl Tx<'_> {
    /// The user of this name (NFC).
    pub async fn user(&mut self, name: &str) -> Result<Option<User>, StoreError> {
        self.row(keys::user(name)).await
    }

    /// All users by name.
    pub async fn users(&mut self) -> Result<Vec<User>, StoreError> {
        self.scan_rows(keys::users(), USERS_MAX).await
    }

    /// Writes a user, over the one of the same name if there is one.
    pub fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.put(keys::user(&user.name), user)
    }

    /// Removes the user of this name (NFC).
    pub fn remove_user(&mut self, name: &str) {
        self.delete(keys::user(name));
    }
}
