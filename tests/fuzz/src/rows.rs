//! Rows of the store as a disk may hand them back: what is read of them is whole, and is written
//! again with the same meaning; everything else is called damaged.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use lockkeeper::event::{Event, Mark, WebhookId};
use lockkeeper::lock::{Lock, UserId};
use lockkeeper::protocol::path::DavPath;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::resource::{ContentId, Resource, ResourceId, Version};
use lockkeeper::rights::{Grant, Grantee, GroupId};
use lockkeeper::store::credentials::{Credential, CredentialId, Held, SecretHash};
use lockkeeper::store::engine::{CommitError, Key, Order, StoreError, Txn};
use lockkeeper::store::grants::GrantBook;
use lockkeeper::store::groups::Group;
use lockkeeper::store::tx::{Tx, decode, encode};
use lockkeeper::store::users::User;
use lockkeeper::store::webhooks::Webhook;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// How each type of row is read; the first byte of `data` chooses.
const TYPES: &[fn(&[u8])] = &[
    read::<Resource>,
    read::<(ResourceId, String)>,
    read::<Version>,
    read::<Lock>,
    read::<ResourceId>,
    read::<User>,
    read::<String>,
    read::<Vec<Grant>>,
    read::<GrantBook>,
    read::<Group>,
    read::<Vec<GroupId>>,
    read::<Credential>,
    read::<Held>,
    read::<Event>,
    read::<Webhook>,
    read::<Mark>,
    read::<u64>,
    read::<[u8; 16]>,
    // Grants of a collection that is gone: when, after what, which.
    read::<(Timestamp, Mark, Vec<Grant>)>,
];

/// A type and a row of it, which all readers of transactions get as well.
pub fn target(data: &[u8]) {
    let Some((kind, row)) = data.split_first() else {
        return;
    };
    TYPES[usize::from(*kind) % TYPES.len()](row);
    in_transactions(row);
}

fn read<T: Serialize + DeserializeOwned>(row: &[u8]) {
    let value: T = match decode(row) {
        Ok(value) => value,
        Err(error) => return damaged(&error),
    };
    let written = encode(&value).expect("what was read can be written");
    assert!(
        written.len() <= row.len(),
        "a number can be spelled longer, and nothing shorter"
    );
    let again: T = decode(&written).expect("what was written can be read");
    assert_eq!(encode(&again).as_ref(), Ok(&written));
    // Nothing that is cut off, or goes on, passes for a row.
    let longer = [&written[..], &[0]].concat();
    assert!(decode::<T>(&longer).is_err());
    for end in 0..written.len() {
        assert!(
            decode::<T>(&written[..end]).is_err(),
            "{end} of {} bytes",
            written.len()
        );
    }
}

fn damaged(error: &StoreError) {
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

/// A store in which every key has the same value.
struct Everywhere(Bytes);

/// Rows that a scan gives before it ends.
const SCANNED: u8 = 3;

#[async_trait]
impl Txn for Everywhere {
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(keys.iter().map(|_| Some(self.0.clone())).collect())
    }

    async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let key = |number: u8| {
            let end: Vec<u8> = self.0.iter().copied().take(20).chain([number]).collect();
            Key::from([&range.start[..], &end].concat())
        };
        let keys = (0..SCANNED).map(key).filter(|key| range.contains(key));
        let mut rows: Vec<_> = keys.map(|key| (key, self.0.clone())).collect();
        rows.sort();
        if order == Order::Descending {
            rows.reverse();
        }
        rows.truncate(limit);
        // The next page of it is empty.
        Ok(rows)
    }

    fn put(&mut self, _: Key, _: Bytes) {}

    fn append(&mut self, _: Key, _: Bytes) {}

    fn delete(&mut self, _: Key) {}

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        Ok(())
    }

    async fn settle(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Everything that reads answers, or says that the store is damaged.
fn in_transactions(row: &[u8]) {
    let mut store = Everywhere(Bytes::copy_from_slice(row));
    let mut tx = Tx::new(&mut store, Timestamp(1_795_314_607_000));
    let path = DavPath::parse("/a/b", 100).expect("a path");
    let id = ResourceId(7);
    let (user, group) = (UserId(Uuid::from_u128(1)), GroupId(Uuid::from_u128(2)));
    let hash = SecretHash([3; 32]);
    macro_rules! ask {
        ($($question:expr),* $(,)?) => {$(
            if let Err(error) = $question.now_or_never().expect("it waits for nobody") {
                acceptable(&error);
            }
        )*};
    }
    ask!(
        tx.walk(&path),
        tx.members(id, None, 10),
        tx.locate(id),
        tx.path_of(id),
        tx.place_at(&path),
        tx.inline_content(ContentId(5)),
        tx.is_content_used(ContentId(5)),
        tx.unused_content(10),
        tx.locks_on(id),
        tx.locks_below(id),
        tx.all_locks(None, 10),
        tx.end_lapsed_locks((None, 10)),
        tx.end_lapsed_on(id),
        tx.grant_book(),
        tx.grants_on(&[id]),
        tx.granted_collections(),
        tx.drop_grants_to(Grantee::Everyone),
        tx.grants_once_on(id),
        tx.forget_gone(10),
        tx.user_by_id(user),
        tx.users(),
        tx.group_by_id(group),
        tx.groups(),
        tx.groups_of(user),
        tx.members_of(group),
        tx.add_member(group, user),
        tx.credential(&hash),
        tx.api_keys(user),
        tx.sessions(user),
        tx.end_credential(user, CredentialId(Uuid::from_u128(4))),
        tx.end_expired_credentials(10),
        tx.webhook(WebhookId(Uuid::from_u128(5))),
        tx.webhooks(),
        tx.events(Mark::START, 300),
        tx.count_events(Mark::START, 10),
        tx.oldest_event(),
        tx.prune_events(Timestamp(0), 1, 300),
        tx.event_secret([0; 16]),
        tx.reserve_ids(1000),
        tx.first_free_id(),
        tx.reap(10, None),
    );
    let resource: Result<Resource, _> = decode(row);
    if let Ok(resource) = resource {
        ask!(
            tx.covering_locks(std::slice::from_ref(&resource)),
            tx.old_versions(&resource),
            tx.version(&resource, 1),
            tx.dead_properties(&resource),
            tx.copy_properties(&resource, ResourceId(8)),
        );
    }
}

fn acceptable(error: &StoreError) {
    let full = matches!(error, StoreError::TooLarge(_));
    assert!(full || matches!(error, StoreError::Damaged(_)), "{error:?}");
}
