//! Rows of groups.

use super::engine::StoreError;
use super::tx::Tx;
use crate::lock::UserId;
use crate::rights::GroupId;

impl Tx<'_> {
    /// The groups that `user` is in.
    #[allow(clippy::unused_async)]
    pub async fn groups_of(&mut self, _user: UserId) -> Result<Vec<GroupId>, StoreError> {
        Ok(Vec::new())
    }

    /// The group with this id.
    #[allow(clippy::unused_async)]
    pub async fn group_by_id(&mut self, _id: GroupId) -> Result<Option<()>, StoreError> {
        Ok(Some(()))
    }

    /// The user with this id.
    #[allow(clippy::unused_async)]
    pub async fn user_by_id(&mut self, _id: UserId) -> Result<Option<()>, StoreError> {
        Ok(Some(()))
    }
}
