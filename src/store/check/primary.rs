//! Rows that say something by themselves, and the rows that follow from them.

use bytes::Bytes;

use super::{Looked, Page, Row, read};
use crate::event::{Event, Mark};
use crate::lock::{Lock, UserId};
use crate::protocol::xml::DeadProperty;
use crate::resource::{Content, ContentId, Place, Resource, ResourceId, Version};
use crate::rights::{Grant, Grantee, GroupId};
use crate::store::credentials::{Credential, Held};
use crate::store::engine::{Order, StoreError};
use crate::store::grants::GrantBook;
use crate::store::groups::Group;
use crate::store::keys;
use crate::store::tx::decode;
use crate::store::users::User;
use crate::store::webhooks::Webhook;

impl Page<'_, '_> {
    pub(super) async fn entry(&mut self, row: &Row<'_>) -> Looked {
        let resource: Resource = read(row)?;
        let (parent, _) = keys::whose_entry(row.key)?;
        let named = keys::entry(parent, &resource.name) == *row.key;
        self.unless(named, row, "an entry under another name")
            .await?;
        if parent == ResourceId::ABOVE_ROOT {
            let is_root = resource.id == ResourceId::ROOT && resource.is_collection();
            return self.unless(is_root, row, "something above the root").await;
        }
        let there = (parent, keys::nfc(&resource.name));
        self.implies_row(row, keys::whereabouts(resource.id), &there)
            .await?;
        let may_have_members = self.is_collection(parent).await?;
        self.unless(may_have_members, row, "a member of nothing")
            .await?;
        if let Some(content) = &resource.content {
            self.content(row, resource.id, content).await?;
        }
        let any_number = Resource {
            property_count: u32::MAX,
            ..resource.clone()
        };
        let properties = self.tx.dead_properties(&any_number).await?;
        let whole = |property: &DeadProperty| property.xml.ends_with('>');
        self.unless(properties.iter().all(whole), row, "a dead property is cut")
            .await?;
        let properties = properties.len();
        if u32::try_from(properties) != Ok(resource.property_count) {
            let (found, told) = (properties, resource.property_count);
            let what = format!("{found} dead properties, but the entry tells of {told}");
            return self.fault(row.key, what).await;
        }
        Ok(())
    }

    /// Whether it is a collection, in reach or detached.
    async fn is_collection(&mut self, id: ResourceId) -> Result<bool, StoreError> {
        match self.tx.find_by_id(id).await {
            Ok(Some((_, resource))) => Ok(resource.is_collection()),
            Ok(None) => Ok(self.tx.bytes(keys::detached(id)).await?.is_some()),
            // It is told in its own turn.
            Err(StoreError::Damaged(_) | StoreError::DamagedRow(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn content(&mut self, row: &Row<'_>, file: ResourceId, content: &Content) -> Looked {
        let (Place::Inline(id) | Place::File(id)) = content.place else {
            let is_empty = content.size == 0;
            return self.unless(is_empty, row, "content without a place").await;
        };
        self.implies_mark(row, keys::content_use(id, file, content.number))
            .await?;
        if matches!(content.place, Place::File(_)) {
            self.checked.files.push((id, content.size));
            return Ok(());
        }
        let bytes = match self.tx.bytes(keys::inline_content(id)).await {
            Err(StoreError::DamagedRow(_)) => return Ok(()),
            bytes => bytes?,
        };
        let whole = bytes.is_some_and(|bytes| bytes.len() as u64 == content.size);
        self.unless(whole, row, "its content is missing or has another length")
            .await
    }

    pub(super) async fn version(&mut self, row: &Row<'_>) -> Looked {
        let version: Version = read(row)?;
        let file = keys::file_of_version(row.key)?;
        let named = keys::version(file, version.content.number) == *row.key;
        self.unless(named, row, "a version under another number")
            .await?;
        self.content(row, file, &version.content).await
    }

    pub(super) async fn lock(&mut self, row: &Row<'_>) -> Looked {
        let lock: Lock = read(row)?;
        let named = keys::lock(lock.root, lock.token) == *row.key;
        self.unless(named, row, "a lock under another name").await?;
        self.implies_row(row, keys::token(lock.token), &lock.root)
            .await?;
        self.implies_row(row, keys::owned(lock.owner, lock.token), &lock.root)
            .await?;
        if let Some(deadline) = lock.deadline {
            self.implies_row(row, keys::deadline(deadline, lock.token), &lock.root)
                .await?;
        }
        let Some((ancestors, _)) = self.tx.locate(lock.root).await? else {
            return self.fault(row.key, "a lock on nothing".to_owned()).await;
        };
        for ancestor in ancestors {
            self.implies_mark(row, keys::below(ancestor, lock.token))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn user(&mut self, row: &Row<'_>) -> Looked {
        let user: User = read(row)?;
        let named = keys::user(&user.name) == *row.key;
        self.unless(named, row, "a user under another name").await?;
        self.implies_row(row, keys::user_by_id(user.id), &user.name)
            .await
    }

    pub(super) async fn group(&mut self, row: &Row<'_>) -> Looked {
        let group: Group = read(row)?;
        let named = keys::group(&group.name) == *row.key;
        self.unless(named, row, "a group under another name")
            .await?;
        self.implies_row(row, keys::group_by_id(group.id), &group.name)
            .await
    }

    pub(super) async fn groups_of(&mut self, row: &Row<'_>) -> Looked {
        let groups: Vec<GroupId> = read(row)?;
        let user = UserId(keys::uuid_at_end(row.key)?);
        self.exists(row, Grantee::User(user)).await?;
        for group in groups {
            self.exists(row, Grantee::Group(group)).await?;
            self.implies_mark(row, keys::member(group, user)).await?;
        }
        Ok(())
    }

    pub(super) async fn grants(&mut self, row: &Row<'_>) -> Looked {
        let grants: Vec<Grant> = read(row)?;
        let collection = ResourceId(keys::id_at_end(row.key).unwrap_or_default());
        let there = self.is_collection(collection).await?;
        self.unless(there, row, "grants on nothing").await?;
        for grant in grants {
            self.exists(row, grant.to).await?;
            self.implies_mark(row, keys::granted(grant.to, collection))
                .await?;
        }
        Ok(())
    }

    async fn exists(&mut self, row: &Row<'_>, who: Grantee) -> Looked {
        let there = match who {
            Grantee::Everyone => true,
            Grantee::User(id) => self.tx.user_by_id(id).await?.is_some(),
            Grantee::Group(id) => self.tx.group_by_id(id).await?.is_some(),
        };
        self.unless(there, row, "it names a user or group that is not there")
            .await
    }

    pub(super) async fn held(&mut self, row: &Row<'_>) -> Looked {
        let held: Held = read(row)?;
        for secret in held.secrets() {
            let found: Option<Credential> = self.found(keys::credential(&secret)).await?;
            let is_access = |session| matches!(session, &Held::Session(s) if s.access == secret);
            let may_have_ended = is_access(&held);
            self.unless(found.is_some() || may_have_ended, row, "its secret is lost")
                .await?;
        }
        Ok(())
    }

    pub(super) async fn credential(&mut self, row: &Row<'_>) -> Looked {
        let credential: Credential = read(row)?;
        let secret = keys::hash_at_end(row.key)?;
        let Credential { user, id, .. } = credential;
        self.exists(row, Grantee::User(user)).await?;
        let held: Option<Held> = self.found(keys::held(user, id)).await?;
        let is_held = held.is_some_and(|held| held.secrets().any(|other| other == secret));
        self.unless(is_held, row, "a credential that nobody holds")
            .await?;
        match credential.expires {
            Some(expires) => self.implies_mark(row, keys::expiry(expires, &secret)).await,
            None => Ok(()),
        }
    }

    pub(super) async fn webhook(&mut self, row: &Row<'_>) -> Looked {
        let webhook: Webhook = read(row)?;
        let named = keys::webhook(webhook.id) == *row.key;
        self.unless(named, row, "a webhook under another name")
            .await?;
        self.exists(row, Grantee::User(webhook.user)).await
    }

    /// An event is one row, or several of which each says how many follow.
    pub(super) async fn event(&mut self, row: &Row<'_>) -> Looked {
        let Some((following, _)) = row.value.split_first() else {
            return self
                .fault(row.key, "an event without bytes".to_owned())
                .await;
        };
        if *following > 0 {
            let after = keys::resumed(keys::all_events(), Some(row.key));
            let next = self.tx.scan(after, 1).await?.pop();
            let goes_on = next.is_some_and(|(_, next)| next.first() == Some(&(following - 1)));
            return self
                .unless(goes_on, row, "a part of an event is lost")
                .await;
        }
        let mut parts = vec![row.value.clone()];
        let mut end = row.key.clone();
        loop {
            let before = keys::all_events().start..end;
            match self.tx.raw_scan(before, 1, Order::Descending).await?.pop() {
                Some((key, part)) if part.first().is_some_and(|following| *following > 0) => {
                    end = key;
                    parts.push(part);
                }
                _ => break,
            }
        }
        let bytes: Vec<u8> = parts
            .iter()
            .rev()
            .flat_map(|part| &part[1..])
            .copied()
            .collect();
        let _event: Event = decode(&bytes)?;
        Ok(())
    }

    pub(super) async fn meta(&mut self, row: &Row<'_>) -> Looked {
        let key = row.key;
        if *key == keys::next_id() {
            let _next: u64 = read(row)?;
        } else if *key == keys::pruned_events() {
            let _pruned: Mark = read(row)?;
        } else if *key == keys::event_secret() {
            let _secret: [u8; 16] = read(row)?;
        } else if *key == keys::grant_book() {
            let _book: GrantBook = read(row)?;
        } else {
            return self.fault(key, "a row of an unknown kind".to_owned()).await;
        }
        Ok(())
    }

    /// The rows of which there is one in a store.
    pub(super) async fn look_at_the_books(&mut self) -> Looked {
        let next = self
            .found::<u64>(keys::next_id())
            .await?
            .unwrap_or_default();
        let last = |rows: Vec<(_, Bytes)>| rows.first().and_then(|(key, _)| keys::id_at(key, 1));
        let mut highest = 0;
        for kind in *b"rcfgz" {
            let range = keys::of_kind(kind);
            let found = match self.tx.raw_scan(range, 1, Order::Descending).await {
                Err(StoreError::DamagedRow(_)) => continue,
                found => found?,
            };
            highest = highest.max(last(found).unwrap_or_default());
        }
        if highest >= next.max(1) {
            let what = format!("the next free id is {next}, but {highest} is given away");
            self.fault(&keys::next_id(), what).await?;
        }
        let told = self.tx.bytes(keys::grant_book()).await;
        let expected = match self.tx.book_of_grants().await {
            Err(StoreError::Damaged(_) | StoreError::DamagedRow(_)) => return Ok(()),
            expected => expected?,
        };
        let key = keys::all_grants().start;
        let value = told.unwrap_or_default().unwrap_or_default();
        let row = Row {
            key: &key,
            value: &value,
        };
        self.implies_row(&row, keys::grant_book(), &expected).await
    }

    /// Whether a version of this file has this content.
    pub(super) async fn uses(
        &mut self,
        (file, number): (ResourceId, u32),
        content: ContentId,
    ) -> Result<bool, StoreError> {
        let present = self.tx.find_by_id(file).await?;
        let present = present.and_then(|(_, resource)| resource.content);
        let content_of = match present {
            Some(present) if present.number == number => Some(present),
            _ => {
                let old: Option<Version> = self.found(keys::version(file, number)).await?;
                old.map(|version| version.content)
            }
        };
        Ok(content_of.is_some_and(|found| {
            found.place == Place::Inline(content) || found.place == Place::File(content)
        }))
    }
}
