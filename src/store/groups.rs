//! Rows of groups and of who is in them. The groups of a user are one row, since every request of
//! the user reads them.

use serde::{Deserialize, Serialize};

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::lock::UserId;
use crate::protocol::time::Timestamp;
use crate::rights::{Grantee, GroupId};

/// Most groups. They are listed in one go.
pub const GROUPS_MAX: usize = 1_000;
/// Most groups that one user is in: they are one row, and rows are short.
pub const GROUPS_PER_USER_MAX: usize = 100;

/// Users who get roles together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Never given twice, so that a new group of an old name does not inherit grants.
    pub id: GroupId,
    /// In NFC; unique.
    pub name: String,
    /// When the group was added.
    pub created: Timestamp,
}

impl Tx<'_> {
    /// The group of this name (NFC).
    pub async fn group(&mut self, name: &str) -> Result<Option<Group>, StoreError> {
        self.row(keys::group(name)).await
    }

    /// The group with this id.
    pub async fn group_by_id(&mut self, id: GroupId) -> Result<Option<Group>, StoreError> {
        match self.row::<String>(keys::group_by_id(id)).await? {
            Some(name) => self.group(&name).await,
            None => Ok(None),
        }
    }

    /// All groups by name.
    pub async fn groups(&mut self) -> Result<Vec<Group>, StoreError> {
        self.scan_rows(keys::groups(), GROUPS_MAX).await
    }

    /// Writes a group, over the one of the same name if there is one.
    pub fn put_group(&mut self, group: &Group) -> Result<(), StoreError> {
        self.put(keys::group_by_id(group.id), &group.name)?;
        self.put(keys::group(&group.name), group)
    }

    /// Gives a group another name, which no group has.
    pub fn rename_group(&mut self, group: &Group, name: &str) -> Result<(), StoreError> {
        self.delete(keys::group(&group.name));
        self.put_group(&Group {
            name: name.to_owned(),
            ..group.clone()
        })
    }

    /// Removes a group with everything that exists only for it: memberships and grants.
    pub async fn remove_group(&mut self, group: &Group) -> Result<(), StoreError> {
        for user in self.members_of(group.id).await? {
            self.remove_member(group.id, user).await?;
        }
        self.drop_grants_to(Grantee::Group(group.id)).await?;
        self.delete(keys::group_by_id(group.id));
        self.delete(keys::group(&group.name));
        Ok(())
    }

    /// The groups that a user is in.
    pub async fn groups_of(&mut self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.row(keys::groups_of(user)).await?.unwrap_or_default())
    }

    /// The users in a group.
    pub async fn members_of(&mut self, group: GroupId) -> Result<Vec<UserId>, StoreError> {
        let rows = self.scan_all(keys::members_of(group)).await?;
        let members = rows.iter().map(|(key, _)| keys::uuid_at_end(key));
        members.map(|id| Ok(UserId(id?))).collect()
    }

    /// Puts a user into a group.
    pub async fn add_member(&mut self, group: GroupId, user: UserId) -> Result<(), StoreError> {
        let mut groups = self.groups_of(user).await?;
        groups.push(group);
        groups.sort();
        groups.dedup();
        self.mark(keys::member(group, user));
        self.put(keys::groups_of(user), &groups)
    }

    /// Takes a user out of a group.
    pub async fn remove_member(&mut self, group: GroupId, user: UserId) -> Result<(), StoreError> {
        let mut groups = self.groups_of(user).await?;
        groups.retain(|id| *id != group);
        self.delete(keys::member(group, user));
        if groups.is_empty() {
            self.delete(keys::groups_of(user));
            return Ok(());
        }
        self.put(keys::groups_of(user), &groups)
    }
}
