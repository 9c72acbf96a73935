use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::event::{Event, Face, LockChange};
use crate::lock::{LockKind, LockScope, LockToken};
use crate::resource::ResourceId;

const ALICE: UserId = UserId(Uuid::from_u128(0xa));
const BOB: UserId = UserId(Uuid::from_u128(0xb));
const ID: &str = "AQEBAQEBAQEBAQEBAQEBAQ";
const TOKEN: &str = "urn:uuid:00000000-0000-0000-0000-000000000007";
const AT: &str = "1970-01-01T00:00:07.008Z";

fn who(id: UserId, name: &str) -> Who {
    Who {
        id,
        name: name.to_owned(),
    }
}

fn place(path: &str, id: u64) -> Place {
    Place {
        way: vec![ResourceId::ROOT, ResourceId(id)],
        path: path.to_owned(),
        is_collection: false,
    }
}

fn lock() -> LockFact {
    LockFact {
        token: LockToken(Uuid::from_u128(7)),
        kind: LockKind::Persistent,
        scope: LockScope::Exclusive,
        depth: LockDepth::Infinity,
        owner: who(ALICE, "alice"),
        since: Timestamp(7008),
        deadline: None,
        comment: Some("mine".to_owned()),
    }
}

fn lock_json(token: bool) -> Value {
    let mut told = json!({
        "kind": "persistent", "scope": "exclusive", "depth": "infinity", "holder": "alice",
        "owner": ALICE.0.to_string(), "since": AT, "expires": null, "comment": "mine",
    });
    if token {
        told["token"] = TOKEN.into();
    }
    told
}

fn view(what: What, shows_token: bool) -> EventView {
    EventView {
        id: ID.parse().expect("a cursor"),
        event: Event {
            at: Timestamp(7008),
            by: Some(who(BOB, "bob")),
            face: Face::CheckOut,
            program: "curl/8".to_owned(),
            place: place("/a", 10),
            what,
        },
        shows_token,
    }
}

/// What beside the members of every event is told to bob.
fn told(what: What) -> (String, Value) {
    let name = what.as_str();
    let told = view(what, false).told(BOB);
    let value = serde_json::to_value(&told).expect("JSON");
    let again: ToldEvent = serde_json::from_value(value.clone()).expect("it is read again");
    assert_eq!(again, told);
    let Value::Object(mut members) = value else {
        panic!("an object")
    };
    let usual = json!({
        "id": ID, "at": AT, "type": name, "user": { "id": BOB.0.to_string(), "name": "bob" },
        "face": "checkout", "program": "curl/8", "path": "/a",
        "resource": "0000000000000000000000000000000a", "isCollection": false,
    });
    for (member, expect) in usual.as_object().expect("an object") {
        assert_eq!(members.remove(member).as_ref(), Some(expect), "{member}");
    }
    (name.to_owned(), members.into())
}

#[test]
fn every_event_has_its_members() {
    let version = VersionFact {
        number: 2,
        size: 11,
        version: 0xabc,
    };
    let version_json = json!({ "number": 2, "size": 11, "etag": "\"0000000000000abc\"" });
    let from = json!({ "path": "/b", "resource": "0000000000000000000000000000000b" });
    let of_lock = |change| {
        (
            What::Lock(change, lock()),
            json!({ "lock": lock_json(false) }),
        )
    };
    let table = [
        (
            What::Created {
                version: None,
                from: None,
            },
            json!({}),
        ),
        (
            What::Uploaded {
                version: version.clone(),
                from: Some(place("/b", 11)),
            },
            json!({ "version": version_json, "from": from }),
        ),
        (
            What::Restored { version, source: 1 },
            json!({ "version": version_json, "source": 1 }),
        ),
        (
            What::Labelled {
                number: 2,
                label: Some("final".to_owned()),
            },
            json!({ "version": { "number": 2 }, "label": "final" }),
        ),
        (What::Changed, json!({})),
        (
            What::Moved {
                from: Some(place("/b", 11)),
            },
            json!({ "from": from }),
        ),
        (What::Deleted, json!({})),
        of_lock(LockChange::Taken),
        of_lock(LockChange::Refreshed),
        of_lock(LockChange::Released),
        of_lock(LockChange::Forced),
        of_lock(LockChange::Expired),
        (
            What::Stolen {
                lock: lock(),
                lost: vec![lock()],
            },
            json!({ "lock": lock_json(false), "lost": [lock_json(false)] }),
        ),
        (
            What::Refused {
                by: vec![Obstacle {
                    root: place("/b", 11),
                    kind: LockKind::ReadOnly,
                    holder: "alice".to_owned(),
                }],
                times: 3,
            },
            json!({
                "refusedBy": [{ "kind": "read-only", "holder": "alice", "root": from }],
                "times": 3,
            }),
        ),
    ];
    let mut names: Vec<String> = Vec::new();
    for (what, expect) in table {
        let (name, members) = told(what);
        assert_eq!(members, expect, "{name}");
        names.push(name);
    }
    names.sort_unstable();
    let mut all = What::NAMES.map(str::to_owned).to_vec();
    all.sort_unstable();
    assert_eq!(names, all);
}

#[test]
fn the_token_is_told_to_its_owner_and_to_whom_it_is_shown_anyway() {
    for (reader, shows_token, expect) in [
        (BOB, false, None),
        (ALICE, false, Some(TOKEN)),
        (BOB, true, Some(TOKEN)),
    ] {
        let stolen = What::Stolen {
            lock: lock(),
            lost: vec![lock()],
        };
        let told = view(stolen, shows_token).told(reader);
        for lock in told.lock.iter().chain(&told.lost) {
            assert_eq!(lock.token.as_deref(), expect);
        }
    }
}

#[test]
fn what_nobody_did() {
    let mut view = view(What::Deleted, false);
    (view.event.by, view.event.face) = (None, Face::Server);
    let told = serde_json::to_value(view.told(BOB)).expect("JSON");
    assert_eq!(
        (&told["user"], &told["face"]),
        (&Value::Null, &json!("server"))
    );
}
