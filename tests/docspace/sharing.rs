//! Roles: told of files and folders, given on folders.

use serde_json::{Value, json};

use super::common::Server;
use super::{ROOT, call, get, make_folder, refusal, upload};

const EVERYONE: &str = "c5cc67d1-c3e8-43c0-a3ad-3928ae3e5b5e";

#[test]
fn roles() {
    let server = Server::start();
    let (alice, bob, admin) = (server.user("alice"), server.user("bob"), server.admin());
    let folder = make_folder(&admin, ROOT, "plans");
    let file = upload(&admin, folder, "a.txt", "x");
    let id = |client| get(client, "/people/@self")["id"].clone();
    let (alice_id, bob_id) = (id(&alice), id(&bob));
    let path = format!("/files/folder/{folder}/share");
    let share = |entries: Value| call(&admin, "PUT", &path, &json!({ "share": entries }));
    let access_of = |shares: &Value, id: &Value| {
        let shares = shares.as_array().expect("a list").iter();
        let mut of = shares.filter(|share| {
            share["sharedToUser"]["id"] == *id || share["sharedToGroup"]["id"] == *id
        });
        of.next()
            .map(|share| (share["access"].as_u64(), share["isLocked"].as_bool()))
    };
    let everyone = Value::from(EVERYONE);

    // A new server lets everybody work everywhere.
    let shares = get(&admin, &path);
    assert_eq!(
        access_of(&shares, &everyone),
        Some((Some(11), Some(true))),
        "inherited"
    );
    assert_eq!(shares[0]["canEditAccess"], true);
    assert_eq!(shares[0]["subjectType"], 2);

    let shares = share(json!([
        { "shareTo": EVERYONE, "access": 2 },
        { "shareTo": alice_id, "access": 9 },
        { "shareTo": bob_id, "access": 3 },
    ]));
    assert_eq!(access_of(&shares, &everyone), Some((Some(2), Some(false))));
    assert_eq!(access_of(&shares, &alice_id), Some((Some(9), Some(false))));
    assert_eq!(access_of(&shares, &bob_id), Some((Some(3), Some(false))));
    refusal(&bob, "GET", &path, &Value::Null, 404);
    bob.get("/plans/a.txt").status(404);
    let of_file = get(&alice, &format!("/files/file/{file}/share"));
    assert_eq!(access_of(&of_file, &alice_id), Some((Some(9), Some(true))));
    assert_eq!(of_file[0]["canEditAccess"], false);

    // A manager of the folder gives roles there, and takes them away again.
    let back = json!({ "share": [{ "shareTo": bob_id, "access": 0 }] });
    call(&alice, "PUT", &path, &back);
    assert_eq!(get(&bob, &format!("/files/file/{file}"))["access"], 2);
    refusal(&bob, "PUT", &path, &back, 403);
    refusal(&alice, "PUT", "/files/folder/1/share", &back, 403);
    assert_eq!(
        get(&alice, &format!("/files/folder/{folder}"))["canShare"],
        true
    );
    assert_eq!(
        get(&bob, &format!("/files/folder/{folder}"))["canShare"],
        false
    );

    for (entry, word) in [
        (json!({ "shareTo": bob_id, "access": 7 }), "access"),
        (json!({ "access": 2 }), "shareTo"),
        (json!({ "shareTo": "x", "access": 2 }), "UUID"),
        (
            json!({ "email": "nobody@example.org", "access": 2 }),
            "nobody@example.org",
        ),
        (
            json!({ "shareTo": "00000000-0000-4000-8000-000000000000", "access": 2 }),
            "exists",
        ),
    ] {
        // One that cannot be: none is given.
        let good = json!({ "shareTo": alice_id, "access": 2 });
        let body = json!({ "share": [good, entry] });
        let why = refusal(&admin, "PUT", &path, &body, 400);
        assert!(why.contains(word), "{entry}: {why}");
    }
    assert_eq!(
        access_of(&get(&admin, &path), &alice_id),
        Some((Some(9), Some(false)))
    );

    let why = refusal(
        &admin,
        "PUT",
        &format!("/files/file/{file}/share"),
        &back,
        400,
    );
    assert!(why.contains("folder"), "{why}");
    refusal(&admin, "PUT", "/files/file/999999/share", &back, 404);
    refusal(
        &admin,
        "GET",
        "/files/folder/999999/share",
        &Value::Null,
        404,
    );
    refusal(
        &admin,
        "GET",
        &format!("/files/folder/{file}/share"),
        &Value::Null,
        404,
    );
}

/// It is done, so it is no refusal, although nothing of it can be told any more.
#[test]
fn a_manager_may_leave() {
    let server = Server::start();
    let (alice, admin) = (server.user("alice"), server.admin());
    let folder = make_folder(&admin, ROOT, "plans");
    let path = format!("/files/folder/{folder}/share");
    let me = get(&alice, "/people/@self")["id"].clone();
    for (who, access) in [(&admin, 9), (&alice, 3)] {
        let body = json!({ "share": [{ "shareTo": me, "access": access }] });
        let told = call(who, "PUT", &path, &body);
        assert_eq!(
            told.as_array().map(Vec::is_empty),
            Some(access == 3),
            "{told}"
        );
    }
    refusal(&alice, "GET", &path, &Value::Null, 404);
}
