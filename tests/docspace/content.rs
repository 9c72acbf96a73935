//! One file: seeing and renaming it, its bytes and its versions.

use serde_json::{Value, json};

use super::common::Server;
use super::{JSON, ROOT, call, form, get, make_folder, refusal, upload, upload_to};

#[test]
fn a_file() {
    let server = Server::start();
    let alice = server.user("alice");
    let folder = make_folder(&alice, ROOT, "plän");
    let id = upload(&alice, folder, "Plan.DOCX", &"x".repeat(1536));
    let path = format!("/files/file/{id}");
    let file = get(&alice, &path);
    for (member, expect) in [
        ("id", json!(id)),
        ("title", "Plan.DOCX".into()),
        ("folderId", folder.into()),
        ("rootFolderId", 1.into()),
        ("version", 1.into()),
        ("versionGroup", 1.into()),
        ("contentLength", "1.5 KB".into()),
        ("pureContentLength", 1536.into()),
        ("fileStatus", 0.into()),
        ("fileType", 7.into()),
        ("fileExst", ".docx".into()),
        ("fileEntryType", 2.into()),
        ("access", 11.into()),
        ("webUrl", server.url("/pl%C3%A4n/Plan.DOCX").into()),
    ] {
        assert_eq!(file[member], expect, "{member}");
    }
    for absent in ["locked", "lockedBy", "lockkeeper", "editingBy"] {
        assert_eq!(file.get(absent), None, "{absent}");
    }
    let empty = upload(&alice, folder, "empty.txt", "");
    assert_eq!(
        get(&alice, &format!("/files/file/{empty}")).get("pureContentLength"),
        None
    );

    // The extension stays what it was.
    let rename = |title: &str| call(&alice, "PUT", &path, &json!({ "title": title }));
    assert_eq!(rename("report")["title"], "report.DOCX");
    assert_eq!(rename("plan.docx")["title"], "plan.docx");
    assert_eq!(rename("plan.pdf")["title"], "plan.pdf.docx");
    assert_eq!(rename("plan.pdf.docx")["title"], "plan.pdf.docx");
    alice.get("/pl%C3%A4n/plan.pdf.docx").status(200);
    let why = refusal(&alice, "PUT", &path, &json!({ "title": "a/b" }), 400);
    assert!(why.contains("title"), "{why}");
    upload(&alice, folder, "taken.docx", "y");
    refusal(&alice, "PUT", &path, &json!({ "title": "taken" }), 403);
    refusal(&alice, "PUT", &path, &Value::Null, 400);
    assert_eq!(
        call(&alice, "PUT", &path, &json!({}))["title"],
        "plan.pdf.docx"
    );

    let gone = call(&alice, "DELETE", &path, &Value::Null);
    assert_eq!(
        (&gone[0]["Operation"], &gone[0]["finished"]),
        (&2.into(), &true.into())
    );
    let why = refusal(&alice, "GET", &path, &Value::Null, 404);
    assert_eq!(why, "The required file was not found");
    refusal(&alice, "DELETE", &path, &Value::Null, 404);
    let folder_as_file = format!("/files/file/{folder}");
    refusal(&alice, "DELETE", &folder_as_file, &Value::Null, 404);
}

#[test]
fn uploads() {
    let server = Server::start();
    let alice = server.user("alice");
    let id = upload(&alice, ROOT, "a.txt", "one");
    assert_eq!(
        upload(&alice, ROOT, "a.txt", "two"),
        id,
        "the next version of the same file"
    );
    assert_eq!(alice.get("/a.txt").status(200).text(), "two");
    let fresh = "/files/1/upload?createNewIfExist=true";
    for expect in ["a (1).txt", "a (2).txt"] {
        let told = super::json(&upload_to(&alice, "POST", fresh, "a.txt", "new").status(200));
        assert_eq!(told["response"][0]["title"], expect);
    }
    let mine = upload_to(&alice, "POST", "/files/@my/upload", "m.txt", "mine").status(200);
    assert_eq!(super::json(&mine)["response"][0]["folderId"], 1);
    let next = upload_to(
        &alice,
        "PUT",
        &format!("/files/{id}/update"),
        "other.txt",
        "three",
    );
    let next = super::json(&next.status(200));
    assert_eq!(
        (&next["response"]["title"], &next["response"]["version"]),
        (&"a.txt".into(), &3.into())
    );

    // More than fits into one piece, and in chunks.
    let large = "0123456789".repeat(200_000);
    let (media_type, body) = form("large.bin", &large);
    let (first, second) = body.as_bytes().split_at(body.len() / 3);
    let sent = alice.send_chunked(
        "POST",
        "/api/2.0/files/1/upload",
        &[("Content-Type", media_type)],
        &[first, second],
    );
    assert_eq!(
        super::json(&sent.status(200))["response"][0]["pureContentLength"],
        2_000_000
    );
    assert_eq!(alice.get("/large.bin").status(200).text(), large);

    for (path, title, status) in [
        ("/files/999999/upload", "a.txt", 404),
        ("/files/1/upload", "", 400),
        ("/files/1/upload", "a/b", 400),
        ("/files/1/upload?createNewIfExist=null", "a.txt", 400),
        ("/files/1/upload?createNewIfExist=", "a.txt", 400),
        ("/files/1/upload?createNewIfExist=False", "a.txt", 200),
    ] {
        super::json(&upload_to(&alice, "POST", path, title, "x").status(status));
    }
    let plain = alice
        .send("POST", "/api/2.0/files/1/upload", &[JSON], "{}")
        .status(415);
    super::json(&plain);
    let no_file = "--sep\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--sep--\r\n";
    let broken = "--sep\r\nContent-Disposition: form-data; name=\"File\"; filename=\"b\"\r\n\r\ny";
    for body in [no_file, broken] {
        let headers = [("Content-Type", media_type)];
        super::json(
            &alice
                .send("POST", "/api/2.0/files/1/upload", &headers, body)
                .status(400),
        );
    }
    alice.get("/b").status(404);
    make_folder(&alice, ROOT, "folder");
    super::json(&upload_to(&alice, "POST", "/files/1/upload", "folder", "x").status(403));
    super::json(&upload_to(&alice, "PUT", "/files/1/update", "x", "x").status(404));
}

#[test]
fn downloads() {
    let server = Server::start();
    let alice = server.user("alice");
    let id = upload(&alice, ROOT, "ä 'b'.txt", "0123456789");
    let file = get(&alice, &format!("/files/file/{id}"));
    let view = file["viewUrl"]
        .as_str()
        .expect("a URL")
        .strip_prefix(&server.url(""))
        .expect("ours");
    let whole = alice.get(view).status(200);
    assert_eq!(whole.text(), "0123456789");
    let disposition = whole.expect_header("content-disposition");
    assert_eq!(
        disposition,
        "attachment; filename*=UTF-8''%C3%A4%20%27b%27%2Etxt"
    );
    assert_eq!(whole.expect_header("x-content-type-options"), "nosniff");
    let part = alice
        .send("GET", view, &[("Range", "bytes=2-4")], "")
        .status(206);
    assert_eq!(part.text(), "234");
    let etag = whole.etag();
    alice
        .send("GET", view, &[("If-None-Match", &etag)], "")
        .status(304);
    let beyond = alice
        .send("GET", view, &[("Range", "bytes=20-")], "")
        .status(416);
    assert_eq!(super::json(&beyond)["status"], 1);
    let head = alice.head(view).status(200);
    assert_eq!(head.expect_header("content-length"), "10");
    assert_eq!(
        get(&alice, &format!("/files/file/{id}/presigneduri")),
        file["viewUrl"]
    );

    upload(&alice, ROOT, "ä 'b'.txt", "new");
    let download = format!("/api/2.0/files/file/{id}/download");
    assert_eq!(alice.get(&download).status(200).text(), "new");
    assert_eq!(
        alice
            .get(&format!("{download}?version=1"))
            .status(200)
            .text(),
        "0123456789"
    );
    // Of the old version, not of the present one.
    let unchanged = alice.send("GET", view, &[("If-None-Match", &etag)], "");
    assert_eq!(unchanged.status(304).etag(), etag);
    assert_eq!(
        alice
            .get(&format!("{download}?version=-1"))
            .status(200)
            .text(),
        "new"
    );
    super::json(&alice.get(&format!("{download}?version=9")).status(404));
    super::json(&server.anonymous().get(&download).status(401));
}

#[test]
fn versions() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let id = upload(&alice, ROOT, "a.txt", "one");
    upload(&bob, ROOT, "a.txt", "second");
    let path = format!("/files/file/{id}");
    let history = get(&alice, &format!("{path}/history"));
    let told = |list: &Value| -> Vec<(u64, u64, String)> {
        let rows = list.as_array().expect("a list").iter();
        rows.map(|row| {
            let author = row["updatedBy"]["displayName"].as_str().unwrap().to_owned();
            (
                row["version"].as_u64().unwrap(),
                row["pureContentLength"].as_u64().unwrap(),
                author,
            )
        })
        .collect()
    };
    assert_eq!(
        told(&history),
        [(2, 6, "bob".to_owned()), (1, 3, "alice".to_owned())]
    );
    let first = get(&alice, &format!("{path}?version=1"));
    assert_eq!(
        (&first["version"], &first["pureContentLength"]),
        (&1.into(), &3.into())
    );
    let view = first["viewUrl"]
        .as_str()
        .unwrap()
        .replace(&server.url(""), "");
    assert_eq!(alice.get(&view).status(200).text(), "one");
    assert_eq!(get(&alice, &format!("{path}?version=-1"))["version"], 2);
    refusal(
        &alice,
        "GET",
        &format!("{path}?version=9"),
        &Value::Null,
        404,
    );
    refusal(
        &alice,
        "GET",
        &format!("{path}?version=x"),
        &Value::Null,
        400,
    );

    let restored = call(
        &alice,
        "POST",
        &format!("{path}/restoreversion?version=1"),
        &Value::Null,
    );
    assert_eq!(
        (&restored[0]["version"], &restored[0]["user"]["name"]),
        (&3.into(), &"alice".into())
    );
    assert_eq!(alice.get("/a.txt").status(200).text(), "one");
    let body = json!({ "version": 2 });
    call(&alice, "POST", &format!("{path}/restoreversion"), &body);
    assert_eq!(alice.get("/a.txt").status(200).text(), "second");
    let both = call(
        &alice,
        "PUT",
        &path,
        &json!({ "title": "b", "lastVersion": 1 }),
    );
    assert_eq!(
        (&both["title"], &both["version"]),
        (&"b.txt".into(), &5.into())
    );
    assert_eq!(alice.get("/b.txt").status(200).text(), "one");
    let edits = get(&alice, &format!("{path}/edit/history"));
    assert_eq!(edits.as_array().map(Vec::len), Some(5), "{edits}");

    refusal(
        &alice,
        "POST",
        &format!("{path}/restoreversion?version=77"),
        &Value::Null,
        404,
    );
    refusal(
        &alice,
        "POST",
        &format!("{path}/restoreversion"),
        &Value::Null,
        400,
    );
    refusal(&alice, "PUT", &path, &json!({ "lastVersion": 77 }), 404);
}

#[test]
fn comments() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let id = upload(&alice, ROOT, "a.txt", "one");
    let path = format!("/files/file/{id}");
    let at = format!("{path}/comment");
    let body = |version: u32, comment: &str| json!({ "version": version, "comment": comment });
    assert_eq!(call(&alice, "PUT", &at, &body(1, " sent ")), "sent");
    upload(&bob, ROOT, "a.txt", "two");
    assert_eq!(call(&bob, "PUT", &at, &body(2, "draft")), "draft");
    assert_eq!(get(&alice, &path)["comment"], "draft");
    assert_eq!(get(&alice, &format!("{path}?version=1"))["comment"], "sent");
    let history = get(&alice, &format!("{path}/history"));
    let told = |member: &str| [&history[0][member], &history[1][member]];
    assert_eq!(told("comment"), ["draft", "sent"]);
    assert_eq!(told("versionGroup"), [2, 1]);

    // A comment goes neither with a restored version nor with the next one.
    let restore = format!("{path}/restoreversion?version=1");
    call(&alice, "POST", &restore, &Value::Null);
    assert_eq!(get(&alice, &path).get("comment"), None);
    for off in [body(1, ""), json!({ "version": 1 })] {
        assert_eq!(call(&alice, "PUT", &at, &off), "");
        let first = get(&alice, &format!("{path}?version=1"));
        assert_eq!(first.get("comment"), None);
    }

    for (wrong, status) in [
        (body(9, "x"), 404),
        (body(0, "x"), 404),
        (json!({ "comment": "x" }), 400),
        (body(1, "a\tb"), 400),
        (body(1, &"x".repeat(101)), 400),
    ] {
        refusal(&alice, "PUT", &at, &wrong, status);
    }
    call(
        &alice,
        "PUT",
        &format!("{path}/lock"),
        &json!({ "lockFile": true }),
    );
    let why = refusal(&bob, "PUT", &at, &body(1, "mine"), 403);
    assert!(why.contains("checked out by alice"), "{why}");
    assert_eq!(call(&alice, "PUT", &at, &body(1, "mine")), "mine");
}

/// One check-out is one version, and the numbers that are told stay true.
#[test]
fn versions_of_one_lock() {
    let server = Server::start();
    let alice = server.user("alice");
    let id = upload(&alice, ROOT, "a.txt", "one");
    let path = format!("/files/file/{id}");
    let lock = |locked: bool| {
        let body = json!({ "lockFile": locked });
        call(&alice, "PUT", &format!("{path}/lock"), &body)
    };
    let saved = |content: &str| {
        upload(&alice, ROOT, "a.txt", content);
        let file = get(&alice, &path);
        let view = file["viewUrl"]
            .as_str()
            .unwrap()
            .replace(&server.url(""), "");
        assert_eq!(alice.get(&view).status(200).text(), content);
        (file["version"].clone(), file["versionGroup"].clone())
    };
    lock(true);
    for content in ["two", "three", "four"] {
        assert_eq!(saved(content), (2.into(), 2.into()));
    }
    lock(false);
    assert_eq!(saved("five"), (3.into(), 3.into()));
    let history = get(&alice, &format!("{path}/history"));
    let sizes = |number: usize| history[number]["pureContentLength"].as_u64();
    assert_eq!([0, 1, 2].map(sizes), [Some(4), Some(4), Some(3)]);
    assert_eq!(history.as_array().map(Vec::len), Some(3), "{history}");
}
