//! Rows of users. Knows nothing of passwords but the hash.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::lock::UserId;
use crate::protocol::time::Timestamp;
use crate::rights::Grantee;

/// Most users. They are listed, and the admins among them counted, in one go.
pub const USERS_MAX: usize = 10_000;

/// Someone who may sign in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Never given twice, so that a new user of an old name does not inherit locks.
    pub id: UserId,
    /// In NFC; unique.
    pub name: String,
    /// What people call this user.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Whether this user may do everything everywhere, and read the metrics.
    pub admin: bool,
    /// A PHC string.
    pub password_hash: String,
    /// When the user was added.
    pub created: Timestamp,
}

impl fmt::Debug for User {
    /// Without the hash of the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

impl Tx<'_> {
    /// The user of this name (NFC).
    pub async fn user(&mut self, name: &str) -> Result<Option<User>, StoreError> {
        self.row(keys::user(name)).await
    }

    /// The user with this id.
    pub async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        match self.row::<String>(keys::user_by_id(id)).await? {
            Some(name) => self.user(&name).await,
            None => Ok(None),
        }
    }

    /// The names of these users, without those who are gone.
    pub async fn user_names(&mut self, ids: &[UserId]) -> Result<Vec<String>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| keys::user_by_id(*id)).collect();
        Ok(self.rows(&keys).await?.into_iter().flatten().collect())
    }

    /// All users by name.
    pub async fn users(&mut self) -> Result<Vec<User>, StoreError> {
        self.scan_rows(keys::users(), USERS_MAX).await
    }

    /// Writes a user, over the one of the same name if there is one.
    pub fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.put(keys::user_by_id(user.id), &user.name)?;
        self.put(keys::user(&user.name), user)
    }

    /// Removes a user with everything that exists only for them: credentials, memberships, grants
    /// and webhooks.
    pub async fn remove_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.end_all_credentials(user.id).await?;
        for group in self.groups_of(user.id).await? {
            self.remove_member(group, user.id).await?;
        }
        self.drop_grants_to(Grantee::User(user.id)).await?;
        self.remove_webhooks_of(user.id).await?;
        self.delete(keys::user_by_id(user.id));
        self.delete(keys::user(&user.name));
        Ok(())
    }
}
