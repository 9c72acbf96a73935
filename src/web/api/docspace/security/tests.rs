use uuid::Uuid;

use super::*;
use crate::lock::{Lock, LockDepth, LockScope, LockToken};
use crate::protocol::time::Timestamp;
use crate::resource::{Content, Place};

const ME: UserId = UserId(Uuid::from_u128(1));
const OTHER: UserId = UserId(Uuid::from_u128(2));
const FILE: ResourceId = ResourceId(7);
const ABOVE: ResourceId = ResourceId(5);

fn file() -> Resource {
    let content = Content {
        place: Place::Empty,
        size: 0,
        number: 1,
        version: 1,
        media_type: None,
        author: ME,
        uploaded: Timestamp(0),
        under: None,
        label: None,
    };
    Resource {
        content: Some(content),
        ..folder(FILE)
    }
}

fn folder(id: ResourceId) -> Resource {
    Resource {
        id,
        name: "x".to_owned(),
        content: None,
        made_by: ME,
        created: Timestamp(0),
        modified: Timestamp(0),
        property_count: 0,
    }
}

fn lock(kind: LockKind, owner: UserId, root: ResourceId) -> LockView {
    LockView {
        lock: Lock {
            token: LockToken(Uuid::from_u128(9)),
            kind,
            scope: LockScope::Exclusive,
            depth: LockDepth::Zero,
            root,
            owner,
            holder: "somebody".to_owned(),
            owner_xml: None,
            comment: None,
            since: Timestamp(0),
            deadline: None,
        },
        href: "/x".to_owned(),
        token: None,
    }
}

/// The names of what may be done.
fn allowed(resource: &Resource, role: Role, locks: &[LockView]) -> String {
    let told = security(resource, role.privileges(), locks, ME);
    let names: Vec<&str> = told
        .iter()
        .filter(|(_, may)| **may)
        .map(|(name, _)| *name)
        .collect();
    names.join(" ")
}

const LOOK: &str = "Copy Download Read ReadHistory";
const LOOK_AND_COPY: &str = "Copy Download Duplicate Read ReadHistory";
const MASKED: &str = "Copy Download Duplicate Lock Read ReadHistory";
const WORK: &str =
    "Copy Delete Download Duplicate Edit EditHistory Lock Move Read ReadHistory Rename";
const CHECKED_OUT: &str = "Copy Download Duplicate Edit EditHistory Lock Move Read ReadHistory";

#[test]
fn what_may_be_done_with_a_file() {
    use LockKind::{Persistent, ReadOnly, Transient};
    let check = |role: Role, locks: &[(LockKind, UserId, ResourceId)], expect: &str| {
        let views: Vec<_> = locks.iter().map(|(k, o, r)| lock(*k, *o, *r)).collect();
        assert_eq!(allowed(&file(), role, &views), expect, "{role} {locks:?}");
    };
    check(Role::None, &[], "");
    check(Role::Reader, &[], LOOK);
    check(Role::Editor, &[], WORK);
    check(Role::Manager, &[], WORK);
    // A check-out: its owner works on, but neither renames nor deletes; nobody else changes it.
    check(Role::Editor, &[(Persistent, ME, FILE)], CHECKED_OUT);
    check(Role::Editor, &[(Persistent, OTHER, FILE)], LOOK_AND_COPY);
    check(Role::Manager, &[(Persistent, OTHER, FILE)], MASKED);
    check(Role::Reader, &[(Persistent, OTHER, FILE)], LOOK);
    // Of a folder above: its owner may do everything below.
    check(Role::Editor, &[(Persistent, ME, ABOVE)], WORK);
    check(Role::Editor, &[(Persistent, OTHER, ABOVE)], LOOK_AND_COPY);
    // A program has it open, or it is frozen: this face shows no token.
    check(Role::Editor, &[(Transient, ME, FILE)], MASKED);
    check(Role::Editor, &[(Transient, OTHER, FILE)], LOOK_AND_COPY);
    check(Role::Editor, &[(ReadOnly, ME, FILE)], MASKED);
    check(Role::Manager, &[(ReadOnly, OTHER, FILE)], MASKED);
    check(
        Role::Editor,
        &[(Persistent, ME, FILE), (Transient, ME, FILE)],
        MASKED,
    );
}

#[test]
fn what_may_be_done_with_a_folder() {
    let work = "Copy CopyTo Create Delete Move MoveTo Read Rename";
    let there = folder(FILE);
    assert_eq!(allowed(&there, Role::Reader, &[]), "Copy Read");
    assert_eq!(allowed(&there, Role::Editor, &[]), work);
    let manage = "Copy CopyTo Create Delete EditAccess Move MoveTo Read Rename";
    assert_eq!(allowed(&there, Role::Manager, &[]), manage);
    let foreign = lock(LockKind::Persistent, OTHER, FILE);
    assert_eq!(allowed(&there, Role::Editor, &[foreign]), "Copy Read");
    let root = folder(ResourceId::ROOT);
    assert_eq!(
        allowed(&root, Role::Editor, &[]),
        "CopyTo Create MoveTo Read"
    );
}

#[test]
fn levels() {
    for role in Role::ALL {
        let told = level_of(role.privileges(), false);
        assert_eq!(told, level(role), "{role}");
        assert_eq!(role_of(told), Ok(Some(role)), "{role}");
    }
    assert_eq!(level_of(Role::Manager.privileges(), true), OWNER);
    assert_eq!(level_of(Role::Reader.privileges(), true), READ);
    assert_eq!(role_of(OWNER), Ok(None));
    for other in [READ_WRITE, EDITING] {
        assert_eq!(role_of(other), Ok(Some(Role::Editor)));
    }
    for unknown in [4, 5, 6, 7, 8, 12, 255] {
        assert!(role_of(unknown).is_err(), "{unknown}");
    }
}
