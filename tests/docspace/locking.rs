//! Lock, unlock, protectusers; and locks of the other faces.

use serde_json::{Value, json};

use super::common::{Client, Server};
use super::{ROOT, call, get, make_folder, refusal, send, upload};

fn lock(client: &Client, id: u64, locked: bool) -> Value {
    let body = json!({ "lockFile": locked });
    call(client, "PUT", &format!("/files/file/{id}/lock"), &body)
}

fn refused(client: &Client, id: u64, locked: bool) -> String {
    let body = json!({ "lockFile": locked });
    refusal(client, "PUT", &format!("/files/file/{id}/lock"), &body, 403)
}

fn info(client: &Client, id: u64) -> Value {
    get(client, &format!("/files/file/{id}"))
}

#[test]
fn lock_and_unlock() {
    let server = Server::start();
    let (alice, bob, admin) = (server.user("alice"), server.user("bob"), server.admin());
    let id = upload(&alice, ROOT, "plan.docx", "x");

    let mine = lock(&alice, id, true);
    assert_eq!(mine["locked"], true);
    assert_eq!(mine.get("lockedBy"), None, "{mine}");
    assert_eq!(mine["lockkeeper"]["locks"][0]["kind"], "persistent");
    let token = mine["lockkeeper"]["locks"][0]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(
        lock(&alice, id, true),
        mine,
        "locking again changes nothing"
    );

    let seen = info(&bob, id);
    assert_eq!(
        (&seen["locked"], &seen["lockedBy"]),
        (&true.into(), &"alice".into())
    );
    assert_eq!(seen["lockkeeper"]["locks"][0].get("token"), None);
    assert_eq!(
        (&seen["security"]["Edit"], &seen["security"]["Lock"]),
        (&false.into(), &false.into())
    );
    for locked in [true, false] {
        assert!(refused(&bob, id, locked).contains("checked out by alice"));
    }

    // The other face sees the same lock, by the same token.
    bob.put("/plan.docx", "no").status(423);
    alice.put("/plan.docx", "yes").status(204);
    alice.unlock("/plan.docx", &token).status(204);
    assert_eq!(info(&bob, id).get("locked"), None);

    // Unlocking is what a missing flag means, and does no harm where there is no lock.
    lock(&alice, id, true);
    for body in [
        json!({}),
        Value::Null,
        json!({ "lockFile": null }),
        json!({ "lockFile": false }),
    ] {
        let file = call(&alice, "PUT", &format!("/files/file/{id}/lock"), &body);
        assert_eq!(file.get("locked"), None, "{body}");
    }

    lock(&alice, id, true);
    let kept = lock(&admin, id, true);
    assert_eq!(kept["lockedBy"], "alice", "the owner stays");
    assert_eq!(lock(&admin, id, false).get("locked"), None);
    assert_eq!(lock(&bob, id, true)["locked"], true);
}

#[test]
fn what_a_foreign_lock_refuses() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let folder = make_folder(&alice, ROOT, "plans");
    let id = upload(&alice, folder, "plan.docx", "one");
    upload(&alice, folder, "plan.docx", "two");
    lock(&alice, id, true);
    let file = format!("/files/file/{id}");
    for (method, path, body) in [
        ("PUT", file.clone(), json!({ "title": "mine" })),
        ("PUT", file.clone(), json!({ "lastVersion": 1 })),
        (
            "POST",
            format!("{file}/restoreversion"),
            json!({ "version": 1 }),
        ),
        ("DELETE", file.clone(), Value::Null),
        ("DELETE", format!("/files/folder/{folder}"), Value::Null),
    ] {
        let why = refusal(&bob, method, &path, &body, 403);
        assert!(
            why.contains("checked out by alice"),
            "{method} {path}: {why}"
        );
    }
    let envelope: Value =
        serde_json::from_slice(&send(&bob, "DELETE", &file, &Value::Null).body).expect("JSON");
    let told = &envelope["error"]["lockkeeper"]["locks"][0];
    assert_eq!(
        (&told["kind"], &told["holder"]),
        (&"persistent".into(), &"alice".into())
    );
    for path in [
        format!("/files/{folder}/upload"),
        format!("/files/{id}/update"),
    ] {
        let method = if path.ends_with("upload") {
            "POST"
        } else {
            "PUT"
        };
        let answer = super::upload_to(&bob, method, &path, "plan.docx", "no").status(403);
        answer.containing("checked out by alice");
    }
    let batch = json!({ "fileIds": [id] });
    let told = call(&bob, "PUT", "/files/fileops/delete", &batch);
    assert!(
        told[0]["error"]
            .as_str()
            .expect("a text")
            .contains("checked out by alice")
    );
    assert_eq!(told[0]["processed"], "0");
    assert_eq!(info(&alice, id)["version"], 2);
}

#[test]
fn locks_of_other_faces_are_seen_and_respected() {
    let server = Server::start();
    let (alice, bob, admin) = (server.user("alice"), server.user("bob"), server.admin());
    let id = upload(&alice, ROOT, "plan.docx", "x");

    // A program of alice has it open. Her own check-out stands beside that.
    let token = alice
        .lock("/plan.docx", "Second-600")
        .status(200)
        .lock_token();
    let seen = info(&bob, id);
    assert_eq!(
        (&seen["locked"], &seen["lockedBy"]),
        (&true.into(), &"alice".into())
    );
    assert_eq!(seen["fileStatus"], 1);
    assert_eq!(
        seen["editingBy"].as_object().map(serde_json::Map::len),
        Some(1)
    );
    assert!(refused(&bob, id, true).contains("open in a program of alice"));
    assert_eq!(
        lock(&alice, id, true)["lockkeeper"]["locks"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(
        lock(&alice, id, false)["locked"],
        true,
        "the program still has it open"
    );
    assert!(refused(&alice, id, false).contains("open in a program"));
    alice.unlock("/plan.docx", &token).status(204);
    assert_eq!(info(&bob, id).get("locked"), None);

    // A freeze.
    let body = super::common::LOCK_EXCLUSIVE.replace(
        "</D:locktype>",
        "</D:locktype><L:kind xmlns:L=\"urn:lockkeeper:dav\"><L:read-only/></L:kind>",
    );
    alice
        .send("LOCK", "/plan.docx", &[("Depth", "0")], &body)
        .status(200);
    assert!(refused(&bob, id, true).contains("frozen by alice"));
    let frozen = info(&alice, id);
    assert_eq!(
        (&frozen["locked"], &frozen["security"]["Edit"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        lock(&alice, id, true)["lockkeeper"]["locks"][0]["kind"],
        "read-only"
    );
    assert_eq!(lock(&admin, id, false).get("locked"), None);

    // A lock on the folder above covers the file, and is released there.
    let folder = make_folder(&alice, ROOT, "plans");
    let inner = upload(&alice, folder, "a.txt", "x");
    let deep = alice
        .send(
            "LOCK",
            "/plans/",
            &[("Depth", "infinity"), ("Timeout", "Infinite")],
            super::common::LOCK_EXCLUSIVE,
        )
        .status(200);
    assert_eq!(info(&bob, inner)["lockedBy"], "alice");
    assert!(refused(&bob, inner, true).contains("/plans/"));
    assert_eq!(lock(&alice, inner, true)["locked"], true);
    assert!(refused(&alice, inner, false).contains("/plans/"));
    alice.unlock("/plans/", &deep.lock_token()).status(204);
    assert_eq!(info(&bob, inner).get("locked"), None);
}

#[test]
fn who_may_lock() {
    let server = Server::start();
    let (alice, admin) = (server.user("alice"), server.admin());
    let folder = make_folder(&admin, ROOT, "plans");
    let id = upload(&admin, folder, "plan.docx", "x");
    let me = get(&alice, "/people/@self")["id"].clone();
    let share = |access: u8| {
        let body = json!({ "share": [{ "shareTo": me, "access": access }] });
        call(
            &admin,
            "PUT",
            &format!("/files/folder/{folder}/share"),
            &body,
        )
    };
    share(2);
    for locked in [true, false] {
        let why = refused(&alice, id, locked);
        assert!(
            why.starts_with("You do not have enough permissions to edit the file"),
            "{why}"
        );
    }
    assert_eq!(info(&alice, id)["access"], 2);
    // A manager of the folder unlocks what somebody else locked.
    share(9);
    lock(&admin, id, true);
    assert_eq!(lock(&alice, id, false).get("locked"), None);
    assert_eq!(info(&alice, id)["access"], 9);
    // What one may not read does not exist.
    share(3);
    let path = format!("/files/file/{id}/lock");
    let hidden = refusal(&alice, "PUT", &path, &json!({ "lockFile": true }), 404);
    let unknown = "/files/file/999999/lock";
    assert_eq!(
        hidden,
        refusal(&alice, "PUT", unknown, &json!({ "lockFile": true }), 404)
    );
    assert_eq!(hidden, "The required file was not found");
    // A folder is no file.
    refusal(
        &admin,
        "PUT",
        &format!("/files/file/{folder}/lock"),
        &json!({}),
        404,
    );
}

#[test]
fn bad_lock_requests() {
    let server = Server::start();
    let alice = server.user("alice");
    let id = upload(&alice, ROOT, "plan.docx", "x");
    let path = format!("/api/2.0/files/file/{id}/lock");
    for (media_type, body, status) in [
        ("application/json", "{\"lockFile\": \"yes\"}", 400),
        ("application/json", "[true]", 400),
        ("application/json", "{", 400),
        ("text/plain", "lockFile", 415),
    ] {
        let answer = alice.send("PUT", &path, &[("Content-Type", media_type)], body);
        super::json(&answer.status(status));
    }
    assert_eq!(info(&alice, id).get("locked"), None);
}

#[test]
fn protected_users() {
    let server = Server::start();
    let (alice, bob, admin) = (server.user("alice"), server.user("bob"), server.admin());
    server.user("carol");
    let folder = make_folder(&admin, ROOT, "plans");
    let id = upload(&admin, folder, "plan.docx", "x");
    let names = |client: &Client| {
        let users = get(client, &format!("/files/file/{id}/protectusers"));
        let told = users.as_array().expect("a list").iter().map(|user| {
            assert_eq!(user["hasAccess"], true);
            assert_eq!(user["id"], user["user"]["id"]);
            (
                user["name"].as_str().unwrap_or_default().to_owned(),
                user["access"].as_u64(),
            )
        });
        told.collect::<Vec<_>>()
    };
    let editor = |name: &str| (name.to_owned(), Some(11));
    let everything = ("admin".to_owned(), Some(0));
    assert_eq!(
        names(&alice),
        [everything.clone(), editor("bob"), editor("carol")]
    );

    // A group takes carol away; bob only reads.
    for arguments in [
        ["group", "add", "guests", ""],
        ["group", "add-member", "guests", "carol"],
    ] {
        let arguments: Vec<&str> = arguments
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        let done = super::common::run(&mut server.command(&arguments), "");
        assert!(done.status.success(), "{done:?}");
    }
    let share = |to: Value, access: u8| {
        let body = json!({ "share": [{ "shareTo": to, "access": access }] });
        call(
            &admin,
            "PUT",
            &format!("/files/folder/{folder}/share"),
            &body,
        )
    };
    share(get(&bob, "/people/@self")["id"].clone(), 2);
    let listed = succeed_json(&server, &["group", "list", "--json"]);
    let guests = find_id(&listed, "guests");
    let shares = share(guests.into(), 3);
    assert!(shares.to_string().contains("guests"), "{shares}");
    assert_eq!(names(&alice), [everything, ("bob".to_owned(), Some(2))]);

    let path = "/files/file/999999/protectusers";
    refusal(&alice, "GET", path, &Value::Null, 403);
    refusal(&server.anonymous(), "GET", path, &Value::Null, 401);
}

fn succeed_json(server: &Server, arguments: &[&str]) -> Value {
    let output = server.command(arguments).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The id of the entry with this name, however the list is wrapped.
fn find_id(list: &Value, name: &str) -> String {
    let entries = list.as_array().expect("a list");
    let entry = entries
        .iter()
        .find(|entry| entry["name"] == name)
        .expect("it is listed");
    entry["id"].as_str().expect("an id").to_owned()
}
