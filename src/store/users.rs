//! Rows of users: `u` and the name (NFC) to a [`User`]. Knows nothing of passwords but the hash.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::{Key, Order, StoreError, Txn};
use crate::lock::UserId;
use crate::protocol::time::Timestamp;

/// The first byte of the keys.
const PREFIX: u8 = b'u';
/// The first byte of the values.
const FORMAT: u8 = 1;

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

/// The user of this name (NFC).
pub async fn find(txn: &mut dyn Txn, name: &str) -> Result<Option<User>, StoreError> {
    let rows = txn.get(&[key(name)]).await?;
    rows.into_iter()
        .flatten()
        .next()
        .map(|row| decode(&row))
        .transpose()
}

/// All users by name.
pub async fn list(txn: &mut dyn Txn) -> Result<Vec<User>, StoreError> {
    let range = Bytes::from_static(&[PREFIX])..Bytes::from_static(&[PREFIX + 1]);
    let rows = txn.scan(range, USERS_MAX, Order::Ascending).await?;
    rows.iter().map(|(_, row)| decode(row)).collect()
}

/// Writes a user, over the one of the same name if there is one.
pub fn put(txn: &mut dyn Txn, user: &User) -> Result<(), StoreError> {
    let row = postcard::to_extend(user, vec![FORMAT])
        .map_err(|error| StoreError::Failed(format!("user {}: {error}", user.name)))?;
    txn.put(key(&user.name), row.into());
    Ok(())
}

/// Removes the user of this name (NFC).
pub fn remove(txn: &mut dyn Txn, name: &str) {
    txn.delete(key(name));
}

fn key(name: &str) -> Key {
    [&[PREFIX], name.as_bytes()].concat().into()
}

fn decode(row: &[u8]) -> Result<User, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a row of a user {what}"));
    match row.split_first() {
        Some((&FORMAT, fields)) => {
            postcard::from_bytes(fields).map_err(|error| damaged(&error.to_string()))
        }
        Some((format, _)) => Err(damaged(&format!("has the unknown format {format}"))),
        None => Err(damaged("is empty")),
    }
}
