//! The key of every row: one byte that says what kind of row, then ids big-endian so that order
//! means something, then text.
//!
//! | row | key | value |
//! |---|---|---|
//! | entry | `e` parent, name (NFC) | [`crate::resource::Resource`] |
//! | whereabouts | `r` id | parent, name (NFC) |
//! | dead property | `p` id, namespace `\0` name `\0`, part | a piece of the element's XML |
//! | inline content | `c` content | the bytes |
//! | use of content | `f` content, id, version number | nothing: unused content goes |
//! | old version | `v` id, version number | [`crate::resource::Version`] |
//! | lock | `l` root, token | [`crate::lock::Lock`] |
//! | lock by token | `t` token | root |
//! | lock by deadline | `x` deadline, token | root |
//! | lock by owner | `o` user, token | root |
//! | lock below a collection | `b` ancestor, token | root |
//! | unused content file | `g` content | nothing |
//! | detached tree | `z` id | nothing: members are removed bit by bit |
//! | user | `u` name (NFC) | the user |
//! | grants | `a` collection | the roles granted on it |
//! | granted | `h` grantee, collection | nothing |
//! | user by id | `i` user | name (NFC) |
//! | group | `q` name (NFC) | the group |
//! | group by id | `w` group | name (NFC) |
//! | groups of a user | `n` user | the ids of the groups |
//! | member of a group | `y` group, user | nothing |
//! | credential | `k` SHA-256 of its secret | the credential |
//! | what a user signs in with | `s` user, credential id | the hashes of its secrets |
//! | credential by expiry | `j` time, SHA-256 of its secret | nothing |
//! | event | `E` place in the record, given by the engine | [`crate::event::Event`], or a part |
//! | webhook | `W` webhook | [`crate::store::webhooks::Webhook`] |
//! | grants of a collection that is gone | `d` collection | they, and when it went |
//! | all grants | `m/grants` | them, while they are few |
//! | pruned events | `m/pruned` | the place up to which events are gone |
//! | how places in the record are told | `m/secret` | a secret |
//! | next free id | `m/next_id` | id |

use std::ops::Range;

use bytes::Bytes;
use uuid::Uuid;

use super::credentials::{CredentialId, SecretHash};
use super::engine::{Key, StoreError};
use crate::event::{Mark, WebhookId};
use crate::lock::{LockToken, UserId};
pub(super) use crate::protocol::path::nfc;
use crate::protocol::time::Timestamp;
use crate::protocol::xml::QName;
use crate::resource::{ContentId, ResourceId};
use crate::rights::{Grantee, GroupId};

fn key(kind: u8, parts: &[&[u8]]) -> Key {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length + 1);
    bytes.push(kind);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Bytes::from(bytes)
}

/// Every key that starts with `prefix`.
fn starting_with(prefix: Key) -> Range<Key> {
    let end = after_prefix(&prefix);
    prefix..end
}

/// The first key behind every key that starts with `prefix`.
pub(super) fn after_prefix(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    Bytes::from(end)
}

pub(super) fn entry(parent: ResourceId, name: &str) -> Key {
    key(b'e', &[&parent.0.to_be_bytes(), nfc(name).as_bytes()])
}

/// The members of `parent` whose name comes behind `after`.
pub(super) fn entries(parent: ResourceId, after: Option<&str>) -> Range<Key> {
    let all = starting_with(key(b'e', &[&parent.0.to_be_bytes()]));
    match after {
        None => all,
        Some(name) => {
            key(
                b'e',
                &[&parent.0.to_be_bytes(), nfc(name).as_bytes(), b"\0"],
            )..all.end
        }
    }
}

pub(super) fn whereabouts(id: ResourceId) -> Key {
    key(b'r', &[&id.0.to_be_bytes()])
}

/// `part` is one byte, or nothing for what the keys of all parts begin with.
fn property_key(id: ResourceId, name: &QName, part: &[u8]) -> Key {
    let (id, ns, name) = (id.0.to_be_bytes(), name.ns.as_bytes(), name.name.as_bytes());
    key(b'p', &[&id, ns, b"\0", name, b"\0", part])
}

pub(super) fn property(id: ResourceId, name: &QName, part: u8) -> Key {
    property_key(id, name, &[part])
}

pub(super) fn property_parts(id: ResourceId, name: &QName) -> Range<Key> {
    starting_with(property_key(id, name, &[]))
}

pub(super) fn properties(id: ResourceId) -> Range<Key> {
    starting_with(key(b'p', &[&id.0.to_be_bytes()]))
}

pub(super) fn inline_content(content: ContentId) -> Key {
    key(b'c', &[&content.0.to_be_bytes()])
}

/// `number` is part of the key because several versions of one file may share content.
pub(super) fn content_use(content: ContentId, file: ResourceId, number: u32) -> Key {
    let (content, file) = (content.0.to_be_bytes(), file.0.to_be_bytes());
    key(b'f', &[&content, &file, &number.to_be_bytes()])
}

pub(super) fn content_uses(content: ContentId) -> Range<Key> {
    starting_with(key(b'f', &[&content.0.to_be_bytes()]))
}

/// The content of a `c` key.
pub(super) fn content_kept_inline(key: &Key) -> Option<ContentId> {
    content_behind(b'c', key)
}

/// The content of an `f` key.
pub(super) fn content_in_use(key: &Key) -> Option<ContentId> {
    content_behind(b'f', key)
}

fn content_behind(kind: u8, key: &Key) -> Option<ContentId> {
    let (found, rest) = key.split_first()?;
    let digits = rest.first_chunk().copied()?;
    (*found == kind).then_some(ContentId(u64::from_be_bytes(digits)))
}

pub(super) fn version(file: ResourceId, number: u32) -> Key {
    key(b'v', &[&file.0.to_be_bytes(), &number.to_be_bytes()])
}

/// The old versions of `file`, the oldest first.
pub(super) fn versions(file: ResourceId) -> Range<Key> {
    starting_with(key(b'v', &[&file.0.to_be_bytes()]))
}

pub(super) fn all_versions() -> Range<Key> {
    starting_with(key(b'v', &[]))
}

/// The versions before the one of this number.
pub(super) fn versions_before(file: ResourceId, number: u32) -> Range<Key> {
    version(file, 0)..version(file, number)
}

pub(super) fn lock(root: ResourceId, token: LockToken) -> Key {
    key(b'l', &[&root.0.to_be_bytes(), token.0.as_bytes()])
}

pub(super) fn locks_on(root: ResourceId) -> Range<Key> {
    starting_with(key(b'l', &[&root.0.to_be_bytes()]))
}

/// All locks, page by page: those behind `after`.
pub(super) fn locks(after: Option<&Key>) -> Range<Key> {
    resumed(starting_with(key(b'l', &[])), after)
}

pub(super) fn token(token: LockToken) -> Key {
    key(b't', &[token.0.as_bytes()])
}

pub(super) fn deadline(deadline: Timestamp, token: LockToken) -> Key {
    key(b'x', &[&deadline.0.to_be_bytes(), token.0.as_bytes()])
}

/// Deadlines up to and including `now`.
pub(super) fn deadlines_until(now: Timestamp) -> Range<Key> {
    key(b'x', &[])..key(b'x', &[&now.0.saturating_add(1).to_be_bytes()])
}

pub(super) fn owned(owner: UserId, token: LockToken) -> Key {
    key(b'o', &[owner.0.as_bytes(), token.0.as_bytes()])
}

pub(super) fn owned_by(owner: UserId) -> Range<Key> {
    starting_with(key(b'o', &[owner.0.as_bytes()]))
}

pub(super) fn below(ancestor: ResourceId, token: LockToken) -> Key {
    key(b'b', &[&ancestor.0.to_be_bytes(), token.0.as_bytes()])
}

pub(super) fn all_below(ancestor: ResourceId) -> Range<Key> {
    starting_with(key(b'b', &[&ancestor.0.to_be_bytes()]))
}

pub(super) fn unused_content(content: ContentId) -> Key {
    key(b'g', &[&content.0.to_be_bytes()])
}

pub(super) fn all_unused_content() -> Range<Key> {
    starting_with(key(b'g', &[]))
}

pub(super) fn detached(id: ResourceId) -> Key {
    key(b'z', &[&id.0.to_be_bytes()])
}

pub(super) fn all_detached() -> Range<Key> {
    starting_with(key(b'z', &[]))
}

pub(super) fn user(name: &str) -> Key {
    key(b'u', &[name.as_bytes()])
}

pub(super) fn users() -> Range<Key> {
    starting_with(key(b'u', &[]))
}

pub(super) fn grants(collection: ResourceId) -> Key {
    key(b'a', &[&collection.0.to_be_bytes()])
}

pub(super) fn all_grants() -> Range<Key> {
    starting_with(key(b'a', &[]))
}

fn granted_key(to: Grantee, collection: &[u8]) -> Key {
    let (tag, id): (&[u8], _) = match &to {
        Grantee::User(user) => (b"u", user.0),
        Grantee::Group(group) => (b"g", group.0),
        Grantee::Everyone => (b"e", uuid::Uuid::nil()),
    };
    key(b'h', &[tag, id.as_bytes(), collection])
}

pub(super) fn granted(to: Grantee, collection: ResourceId) -> Key {
    granted_key(to, &collection.0.to_be_bytes())
}

pub(super) fn all_granted(to: Grantee) -> Range<Key> {
    starting_with(granted_key(to, &[]))
}

pub(super) fn user_by_id(id: UserId) -> Key {
    key(b'i', &[id.0.as_bytes()])
}

pub(super) fn group(name: &str) -> Key {
    key(b'q', &[name.as_bytes()])
}

pub(super) fn groups() -> Range<Key> {
    starting_with(key(b'q', &[]))
}

pub(super) fn group_by_id(id: GroupId) -> Key {
    key(b'w', &[id.0.as_bytes()])
}

pub(super) fn groups_of(user: UserId) -> Key {
    key(b'n', &[user.0.as_bytes()])
}

pub(super) fn member(group: GroupId, user: UserId) -> Key {
    key(b'y', &[group.0.as_bytes(), user.0.as_bytes()])
}

pub(super) fn members_of(group: GroupId) -> Range<Key> {
    starting_with(key(b'y', &[group.0.as_bytes()]))
}

pub(super) fn credential(secret: &SecretHash) -> Key {
    key(b'k', &[&secret.0])
}

pub(super) fn held(user: UserId, id: CredentialId) -> Key {
    key(b's', &[user.0.as_bytes(), id.0.as_bytes()])
}

pub(super) fn all_held(user: UserId) -> Range<Key> {
    starting_with(key(b's', &[user.0.as_bytes()]))
}

pub(super) fn expiry(expires: Timestamp, secret: &SecretHash) -> Key {
    key(b'j', &[&expires.0.to_be_bytes(), &secret.0])
}

/// Expiries up to and including `now`.
pub(super) fn expiries_until(now: Timestamp) -> Range<Key> {
    key(b'j', &[])..key(b'j', &[&now.0.saturating_add(1).to_be_bytes()])
}

pub(super) fn all_events() -> Range<Key> {
    starting_with(key(b'E', &[]))
}

pub(super) fn events_behind(mark: Mark) -> Range<Key> {
    resumed(all_events(), Some(&key(b'E', &[&mark.0])))
}

pub(super) fn gone(collection: ResourceId) -> Key {
    key(b'd', &[&collection.0.to_be_bytes()])
}

pub(super) fn all_gone() -> Range<Key> {
    starting_with(key(b'd', &[]))
}

pub(super) fn webhook(id: WebhookId) -> Key {
    key(b'W', &[id.0.as_bytes()])
}

pub(super) fn all_webhooks() -> Range<Key> {
    starting_with(key(b'W', &[]))
}

pub(super) fn pruned_events() -> Key {
    Bytes::from_static(b"m/pruned")
}

pub(super) fn event_secret() -> Key {
    Bytes::from_static(b"m/secret")
}

pub(super) fn grant_book() -> Key {
    Bytes::from_static(b"m/grants")
}

pub(super) fn next_id() -> Key {
    Bytes::from_static(b"m/next_id")
}

/// What is left of a range when a page of it has ended with the key `after`.
pub(super) fn resumed(range: Range<Key>, after: Option<&Key>) -> Range<Key> {
    match after {
        Some(after) => {
            range
                .start
                .max(Bytes::from([after.as_ref(), b"\0"].concat()))..range.end
        }
        None => range,
    }
}

/// All rows behind `after`.
pub(super) fn all(after: Option<&Key>) -> Range<Key> {
    resumed(key(1, &[])..key(u8::MAX, &[]), after)
}

/// All rows whose key begins with this byte.
pub(super) fn of_kind(kind: u8) -> Range<Key> {
    starting_with(key(kind, &[]))
}

/// The number that begins at this byte of a key.
pub(super) fn id_at(key: &Key, start: usize) -> Option<u64> {
    let digits: [u8; 8] = key.get(start..)?.first_chunk().copied()?;
    Some(u64::from_be_bytes(digits))
}

/// The parent and the name of an `e` key.
pub(super) fn whose_entry(key: &Key) -> Result<(ResourceId, String), StoreError> {
    let damaged = || StoreError::Damaged("a row of the tree has a broken key".to_owned());
    let parent = id_at(key, 1).ok_or_else(damaged)?;
    let name = key.get(9..).unwrap_or_default().to_vec();
    let name = String::from_utf8(name).map_err(|_| damaged())?;
    Ok((ResourceId(parent), name))
}

/// The file and the number of the version of an `f` key.
pub(super) fn user_of_content(key: &Key) -> Result<(ResourceId, u32), StoreError> {
    let [file @ .., a, b, c, d] = bytes_at_end::<12>(key)?;
    let file = ResourceId(u64::from_be_bytes(file));
    Ok((file, u32::from_be_bytes([a, b, c, d])))
}

/// The number at the end of a key: the id of `g`, `z`, `a` and `h` rows.
pub(super) fn id_at_end(key: &Key) -> Option<u64> {
    let digits: [u8; 8] = key.last_chunk().copied()?;
    Some(u64::from_be_bytes(digits))
}

/// The file of a `v` key.
pub(super) fn file_of_version(key: &Key) -> Result<ResourceId, StoreError> {
    Ok(user_of_content(key)?.0)
}

/// The UUID at the end of a key: that of a group, a member or a credential.
pub(super) fn uuid_at_end(key: &Key) -> Result<Uuid, StoreError> {
    Ok(Uuid::from_bytes(bytes_at_end(key)?))
}

/// The hash at the end of a `j` key.
pub(super) fn hash_at_end(key: &Key) -> Result<SecretHash, StoreError> {
    Ok(SecretHash(bytes_at_end(key)?))
}

fn bytes_at_end<const N: usize>(key: &Key) -> Result<[u8; N], StoreError> {
    let bytes = key.last_chunk().copied();
    bytes.ok_or_else(|| StoreError::Damaged("a row of an index has a short key".to_owned()))
}
