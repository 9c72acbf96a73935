//! Rows that follow from others: there must be one that they follow from. What is left over is
//! reported and never removed: it may be all that tells what was lost.

use super::{Looked, Page, Row, read};
use crate::lock::{Lock, LockToken, UserId};
use crate::resource::{ContentId, Resource, ResourceId};
use crate::rights::{Grant, Grantee, GroupId};
use crate::store::credentials::Credential;
use crate::store::engine::StoreError;
use crate::store::keys;
use crate::store::properties::PART_BYTES_MAX as PROPERTY_PART_BYTES;

impl Page<'_, '_> {
    pub(super) async fn whereabouts(&mut self, row: &Row<'_>) -> Looked {
        let (parent, name): (ResourceId, String) = read(row)?;
        let id = keys::id_at_end(row.key).map(ResourceId);
        let entry = match self.tx.row::<Resource>(keys::entry(parent, &name)).await {
            // The entry is told in its own turn.
            Err(StoreError::DamagedRow(_) | StoreError::Damaged(_)) => return Ok(()),
            entry => entry?,
        };
        let there = entry.map(|resource| resource.id);
        self.unless(
            there.is_some() && there == id,
            row,
            "a resource without an entry",
        )
        .await
    }

    pub(super) async fn property(&mut self, row: &Row<'_>) -> Looked {
        let of = ResourceId(keys::id_at(row.key, 1).unwrap_or_default());
        let there = self.tx.find_by_id(of).await?.is_some();
        self.unless(there, row, "a property of nothing").await?;
        let Some((part @ 1.., before)) = row.key.split_last() else {
            return Ok(());
        };
        let before = [before, &[part - 1]].concat();
        let before = self.tx.bytes(before.into()).await?;
        let full = before.is_some_and(|bytes| bytes.len() == PROPERTY_PART_BYTES);
        self.unless(full, row, "a part of a property is lost").await
    }

    pub(super) async fn inline_content(&mut self, row: &Row<'_>) -> Looked {
        let content = ContentId(keys::id_at_end(row.key).unwrap_or_default());
        let used = self.tx.is_content_used(content).await?;
        self.unless(used, row, "content that no file has").await
    }

    pub(super) async fn content_use(&mut self, row: &Row<'_>) -> Looked {
        let content = ContentId(keys::id_at(row.key, 1).unwrap_or_default());
        let user = keys::user_of_content(row.key)?;
        let used = self.uses(user, content).await?;
        self.unless(used, row, "content is kept for a version that is not there")
            .await
    }

    pub(super) async fn unused_content(&mut self, row: &Row<'_>) -> Looked {
        let content = ContentId(keys::id_at_end(row.key).unwrap_or_default());
        let used = self.tx.is_content_used(content).await?;
        self.unless(!used, row, "content that is to be removed is in use")
            .await
    }

    pub(super) async fn detached(&mut self, row: &Row<'_>) -> Looked {
        let id = ResourceId(keys::id_at_end(row.key).unwrap_or_default());
        let there = self.tx.bytes(keys::whereabouts(id)).await?.is_some();
        self.unless(!there, row, "what is to be removed is in its place")
            .await
    }

    /// The lock with this token, if its row can be read.
    async fn lock_of(&mut self, token: LockToken) -> Result<Option<Lock>, StoreError> {
        match self.found::<ResourceId>(keys::token(token)).await? {
            Some(root) => self.found(keys::lock(root, token)).await,
            None => Ok(None),
        }
    }

    pub(super) async fn token(&mut self, row: &Row<'_>) -> Looked {
        let (root, token): (ResourceId, _) = (read(row)?, token_of(row)?);
        let lock: Option<Lock> = self.found(keys::lock(root, token)).await?;
        self.unless(lock.is_some(), row, "a lock is lost").await
    }

    pub(super) async fn deadline(&mut self, row: &Row<'_>) -> Looked {
        let token = token_of(row)?;
        let deadline = self.lock_of(token).await?.and_then(|lock| lock.deadline);
        let same = deadline.is_some_and(|deadline| keys::deadline(deadline, token) == *row.key);
        self.unless(same, row, "a deadline of no lock").await
    }

    pub(super) async fn owned(&mut self, row: &Row<'_>) -> Looked {
        let token = token_of(row)?;
        let lock = self.lock_of(token).await?;
        let same = lock.is_some_and(|lock| keys::owned(lock.owner, token) == *row.key);
        self.unless(same, row, "a lock of its owner is lost").await
    }

    pub(super) async fn below(&mut self, row: &Row<'_>) -> Looked {
        let ancestor = ResourceId(keys::id_at(row.key, 1).unwrap_or_default());
        let located = match self.lock_of(token_of(row)?).await? {
            Some(lock) => self.tx.locate(lock.root).await?,
            None => None,
        };
        let is_above = located.is_some_and(|(ancestors, _)| ancestors.contains(&ancestor));
        self.unless(is_above, row, "a lock below a collection is lost")
            .await
    }

    pub(super) async fn user_by_id(&mut self, row: &Row<'_>) -> Looked {
        let id = UserId(keys::uuid_at_end(row.key)?);
        let user = self.tx.user_by_id(id).await?;
        self.unless(
            user.is_some_and(|user| user.id == id),
            row,
            "a user is lost",
        )
        .await
    }

    pub(super) async fn group_by_id(&mut self, row: &Row<'_>) -> Looked {
        let id = GroupId(keys::uuid_at_end(row.key)?);
        let group = self.tx.group_by_id(id).await?;
        let same = group.is_some_and(|group| group.id == id);
        self.unless(same, row, "a group is lost").await
    }

    pub(super) async fn member(&mut self, row: &Row<'_>) -> Looked {
        let user = UserId(keys::uuid_at_end(row.key)?);
        let groups: Vec<GroupId> = self.found(keys::groups_of(user)).await?.unwrap_or_default();
        let is_in = |group: &GroupId| keys::member(*group, user) == *row.key;
        self.unless(groups.iter().any(is_in), row, "a membership is lost")
            .await
    }

    pub(super) async fn granted(&mut self, row: &Row<'_>) -> Looked {
        let collection = ResourceId(keys::id_at_end(row.key).unwrap_or_default());
        let grants: Vec<Grant> = self
            .found(keys::grants(collection))
            .await?
            .unwrap_or_default();
        let to = |to: Grantee| keys::granted(to, collection) == *row.key;
        self.unless(
            grants.iter().any(|grant| to(grant.to)),
            row,
            "a grant is lost",
        )
        .await
    }

    pub(super) async fn expiry(&mut self, row: &Row<'_>) -> Looked {
        let secret = keys::hash_at_end(row.key)?;
        let found: Option<Credential> = self.found(keys::credential(&secret)).await?;
        let expires = found.and_then(|credential| credential.expires);
        let same = expires.is_some_and(|expires| keys::expiry(expires, &secret) == *row.key);
        self.unless(same, row, "an expiry of no credential").await
    }
}

fn token_of(row: &Row<'_>) -> Result<LockToken, StoreError> {
    Ok(LockToken(keys::uuid_at_end(row.key)?))
}
