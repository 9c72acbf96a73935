//! Events in plain words, a line each.

use crate::cli::print::shown;
use crate::ops::events::told::{ToldEvent, ToldLock, ToldVersion};

/// When, who, what and where.
pub(super) fn line(event: &ToldEvent) -> String {
    let user = event.user.as_ref().map_or("-", |user| user.name.as_str());
    let cells = [event.at.as_str(), user, &event.path, &what(event)].map(shown);
    cells.join("  ")
}

fn what(event: &ToldEvent) -> String {
    let version = event.version.as_ref().map(version).unwrap_or_default();
    let from = event.from.as_ref().map(|from| from.path.as_str());
    let of_copy = from.map_or_else(String::new, |from| format!(", from {from}"));
    let lock = event.lock.as_ref();
    let kind = lock.map_or("lock", |lock| noun(&lock.kind));
    let of_holder = lock.map_or_else(String::new, |lock| format!(" of {}", lock.holder));
    match event.kind.as_str() {
        "resource.created" if event.is_collection => format!("made the folder{of_copy}"),
        "resource.created" => format!("made the file: {version}{of_copy}"),
        "resource.changed" => "changed properties".to_owned(),
        "resource.deleted" => "deleted".to_owned(),
        "resource.moved" => from.map_or_else(
            || "moved here".to_owned(),
            |from| format!("moved here from {from}"),
        ),
        "version.uploaded" => format!("uploaded {version}{of_copy}"),
        "version.restored" => {
            let source = event.source.unwrap_or_default();
            format!("restored version {source} as {version}")
        }
        "version.labelled" => match &event.label {
            Some(label) => format!("labelled {version} {label:?}"),
            None => format!("took the label off {version}"),
        },
        "lock.taken" => lock.map_or_else(
            || "locked".to_owned(),
            |lock| taken(lock, event.is_collection),
        ),
        "lock.refreshed" => format!("refreshed the {kind}"),
        "lock.released" => format!("ended the {kind}"),
        "lock.forced" => format!("ended the {kind}{of_holder}"),
        "lock.expired" => format!("the {kind}{of_holder} expired"),
        "lock.stolen" => {
            let holders: Vec<&str> = event.lost.iter().map(|lost| &*lost.holder).collect();
            format!("took the check-out over from {}", holders.join(", "))
        }
        "lock.refused" => refused(event),
        // A server of a later version knows more.
        other => other.to_owned(),
    }
}

fn version(version: &ToldVersion) -> String {
    let size = version.size.map(|size| match size {
        1 => " (1 byte)".to_owned(),
        bytes => format!(" ({bytes} bytes)"),
    });
    format!("version {}{}", version.number, size.unwrap_or_default())
}

fn taken(lock: &ToldLock, is_collection: bool) -> String {
    let done = match lock.kind.as_str() {
        "persistent" => "checked out",
        "read-only" => "froze",
        _ => "locked",
    };
    let everything = if is_collection && lock.depth == "infinity" {
        ", with everything in it"
    } else {
        ""
    };
    let comment = lock.comment.as_ref();
    let comment = comment.map_or_else(String::new, |comment| format!(": {comment}"));
    format!("{done}{everything}{comment}")
}

fn refused(event: &ToldEvent) -> String {
    let locks: Vec<String> = event
        .refused_by
        .iter()
        .map(|lock| format!("the {} of {}", noun(&lock.kind), lock.holder))
        .collect();
    let times = match event.times {
        None | Some(1) => String::new(),
        Some(times) => format!(", {times} times"),
    };
    format!("was refused by {}{times}", locks.join(", "))
}

fn noun(kind: &str) -> &'static str {
    match kind {
        "persistent" => "check-out",
        "read-only" => "freeze",
        _ => "lock",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lock(kind: &str) -> Value {
        json!({
            "kind": kind, "scope": "exclusive", "depth": "0", "holder": "alice", "owner": "",
            "since": "", "expires": null, "comment": null,
        })
    }

    #[track_caller]
    fn check(kind: &str, more: &Value, expect: &str) {
        let mut event = json!({
            "id": "", "at": "2026-11-22T10:46:31.007Z", "type": kind, "face": "webdav",
            "user": { "id": "", "name": "bob" }, "program": "", "path": "/a", "resource": "",
            "isCollection": false,
        });
        for (name, value) in more.as_object().expect("members") {
            event[name] = value.clone();
        }
        let event = serde_json::from_value(event).expect("an event");
        let expect = format!("2026-11-22T10:46:31.007Z  {expect}");
        assert_eq!(line(&event), expect);
    }

    #[test]
    fn each_event_in_plain_words() {
        let version = json!({ "number": 2, "size": 11, "etag": "\"a\"" });
        let from = json!({ "path": "/b", "resource": "" });
        let of = |lock: Value| json!({ "lock": lock });
        let folder = json!({ "isCollection": true });
        check("resource.created", &folder, "bob  /a  made the folder");
        check(
            "resource.created",
            &json!({ "version": { "number": 1, "size": 1 }, "from": from }),
            "bob  /a  made the file: version 1 (1 byte), from /b",
        );
        check(
            "resource.changed",
            &json!({}),
            "bob  /a  changed properties",
        );
        check("resource.deleted", &json!({}), "bob  /a  deleted");
        check("resource.moved", &json!({}), "bob  /a  moved here");
        check(
            "resource.moved",
            &json!({ "from": from }),
            "bob  /a  moved here from /b",
        );
        check(
            "version.uploaded",
            &json!({ "version": version }),
            "bob  /a  uploaded version 2 (11 bytes)",
        );
        check(
            "version.restored",
            &json!({ "version": version, "source": 1 }),
            "bob  /a  restored version 1 as version 2 (11 bytes)",
        );
        let labelled = json!({ "version": { "number": 2 }, "label": "fin\nal" });
        check(
            "version.labelled",
            &labelled,
            "bob  /a  labelled version 2 \"fin\\nal\"",
        );
        check(
            "version.labelled",
            &json!({ "version": { "number": 2 } }),
            "bob  /a  took the label off version 2",
        );
        let mut deep = lock("persistent");
        deep["depth"] = "infinity".into();
        deep["comment"] = "mine\u{1b}[2J".into();
        check(
            "lock.taken",
            &json!({ "lock": deep, "isCollection": true }),
            "bob  /a  checked out, with everything in it: mine\\u{1b}[2J",
        );
        check("lock.taken", &of(lock("transient")), "bob  /a  locked");
        check("lock.taken", &of(lock("read-only")), "bob  /a  froze");
        check(
            "lock.refreshed",
            &of(lock("transient")),
            "bob  /a  refreshed the lock",
        );
        check(
            "lock.released",
            &of(lock("read-only")),
            "bob  /a  ended the freeze",
        );
        check(
            "lock.forced",
            &of(lock("persistent")),
            "bob  /a  ended the check-out of alice",
        );
        check(
            "lock.expired",
            &json!({ "user": null, "lock": lock("transient") }),
            "-  /a  the lock of alice expired",
        );
        check(
            "lock.stolen",
            &json!({ "lock": lock("persistent"), "lost": [lock("persistent")] }),
            "bob  /a  took the check-out over from alice",
        );
        let by = json!([{ "kind": "persistent", "holder": "alice", "root": from }]);
        check(
            "lock.refused",
            &json!({ "refusedBy": by, "times": 1 }),
            "bob  /a  was refused by the check-out of alice",
        );
        check(
            "lock.refused",
            &json!({ "refusedBy": by, "times": 7 }),
            "bob  /a  was refused by the check-out of alice, 7 times",
        );
        check("some.thing", &json!({}), "bob  /a  some.thing");
    }
}
