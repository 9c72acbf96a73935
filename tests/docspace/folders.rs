//! Folders and listings; moving, copying and deleting several things at once.

use serde_json::{Value, json};

use super::common::Server;
use super::{ROOT, call, get, make_folder, refusal, upload};

fn titles(list: &Value) -> Vec<&str> {
    let entries = list.as_array().expect("a list");
    entries
        .iter()
        .map(|entry| entry["title"].as_str().expect("a title"))
        .collect()
}

#[test]
fn listings() {
    let server = Server::start();
    let alice = server.user("alice");
    let folder = make_folder(&alice, ROOT, "plans");
    for (title, content) in [("b.docx", "22"), ("a.xlsx", "1"), ("C.pdf", "333")] {
        upload(&alice, folder, title, content);
    }
    make_folder(&alice, folder, "zz");
    let list = |query: &str| get(&alice, &format!("/files/{folder}{query}"));

    let all = list("");
    assert_eq!(titles(&all["files"]), ["a.xlsx", "b.docx", "C.pdf"]);
    assert_eq!(titles(&all["folders"]), ["zz"]);
    assert_eq!(
        (&all["total"], &all["count"], &all["startIndex"]),
        (&4.into(), &4.into(), &0.into())
    );
    assert_eq!(
        (
            &all["current"]["filesCount"],
            &all["current"]["foldersCount"]
        ),
        (&3.into(), &1.into())
    );
    assert_eq!(titles(&all["pathParts"]), ["Documents", "plans"]);
    let types: Vec<_> = all["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["fileType"])
        .collect();
    assert_eq!(types, [5, 7, 10]);

    // Folders come first, then files; a page may have some of each.
    let page = list("?startIndex=0&count=2");
    assert_eq!(
        (titles(&page["folders"]), titles(&page["files"])),
        (vec!["zz"], vec!["a.xlsx"])
    );
    assert_eq!((&page["total"], &page["count"]), (&4.into(), &2.into()));
    let page = list("?startIndex=3&count=2");
    assert_eq!(titles(&page["files"]), ["C.pdf"]);
    assert_eq!(list("?startIndex=10")["count"], 0);

    let by_size = list("?sortBy=Size&sortOrder=descending");
    assert_eq!(titles(&by_size["files"]), ["C.pdf", "b.docx", "a.xlsx"]);
    let unsorted = list("?sortBy=&sortOrder=");
    assert_eq!(unsorted, list(""), "what is empty is not chosen");
    let by_type = list("?sortBy=type&sortOrder=0&filterType=1");
    assert_eq!(titles(&by_type["files"]), ["b.docx", "C.pdf", "a.xlsx"]);
    assert_eq!(
        (&by_type["total"], titles(&by_type["folders"])),
        (&3.into(), vec![])
    );
    assert_eq!(titles(&list("?filterType=2")["folders"]), ["zz"]);
    assert_eq!(titles(&list("?filterType=5")["files"]), ["a.xlsx"]);
    let found = list("?filterValue=C");
    assert_eq!(titles(&found["files"]), ["b.docx", "C.pdf"]);
    assert_eq!(found["total"], 2);
    for bad in [
        "count=0",
        "count=101",
        "count=x",
        "startIndex=-1",
        "sortBy=Mood",
        "sortOrder=2",
        "filterType=6",
    ] {
        let name = bad.split('=').next().unwrap();
        let why = refusal(
            &alice,
            "GET",
            &format!("/files/{folder}?{bad}"),
            &Value::Null,
            400,
        );
        assert!(why.contains(name), "{bad}: {why}");
    }
}

#[test]
fn the_root() {
    let server = Server::start();
    let (alice, admin) = (server.user("alice"), server.admin());
    let hidden = make_folder(&admin, ROOT, "hidden");
    make_folder(&admin, ROOT, "open");
    let me = get(&alice, "/people/@self")["id"].clone();
    let body = json!({ "share": [{ "shareTo": me, "access": 3 }] });
    call(
        &admin,
        "PUT",
        &format!("/files/folder/{hidden}/share"),
        &body,
    );
    let mine = get(&alice, "/files/@my");
    assert_eq!(
        (&mine["current"]["id"], &mine["current"]["rootFolderType"]),
        (&1.into(), &5.into())
    );
    assert_eq!(
        (titles(&mine["folders"]), &mine["total"]),
        (vec!["open"], &1.into())
    );
    assert_eq!(get(&alice, "/files/@root"), json!([mine]));
    assert_eq!(
        titles(&get(&admin, "/files/@my")["folders"]),
        ["hidden", "open"]
    );
    refusal(
        &alice,
        "GET",
        &format!("/files/{hidden}"),
        &Value::Null,
        404,
    );
    // A name that is taken by something hidden is refused without saying by what.
    let body = json!({ "title": "hidden" });
    let why = refusal(&alice, "POST", "/files/folder/1", &body, 403);
    assert!(why.contains("choose another"), "{why}");
    refusal(&admin, "DELETE", "/files/folder/1", &Value::Null, 403);
    refusal(
        &admin,
        "PUT",
        "/files/folder/1",
        &json!({ "title": "x" }),
        403,
    );
}

#[test]
fn making_renaming_and_removing() {
    let server = Server::start();
    let alice = server.user("alice");
    let folder = make_folder(&alice, ROOT, "plans");
    let path = format!("/files/folder/{folder}");
    let told = get(&alice, &path);
    assert_eq!(
        (&told["title"], &told["parentId"], &told["fileEntryType"]),
        (&"plans".into(), &1.into(), &1.into())
    );
    assert_eq!(told["createdBy"]["displayName"], "alice");
    let inner = make_folder(&alice, folder, "v1.2");
    let way = get(&alice, &format!("/files/folder/{inner}/path"));
    assert_eq!(titles(&way), ["Documents", "plans", "v1.2"]);
    refusal(
        &alice,
        "POST",
        "/files/folder/1",
        &json!({ "title": "plans" }),
        403,
    );
    for title in ["", "a/b", "..", &"x".repeat(256)] {
        refusal(
            &alice,
            "POST",
            "/files/folder/1",
            &json!({ "title": title }),
            400,
        );
    }
    let renamed = call(&alice, "PUT", &path, &json!({ "title": "old" }));
    assert_eq!(
        (&renamed["title"], &renamed["id"]),
        (&"old".into(), &folder.into())
    );
    call(&alice, "PUT", &path, &json!({ "title": "old" }));
    make_folder(&alice, ROOT, "taken");
    let why = refusal(&alice, "PUT", &path, &json!({ "title": "taken" }), 403);
    assert!(why.contains("choose another"), "{why}");
    let file = upload(&alice, folder, "a.txt", "x");
    let why = refusal(&alice, "GET", &format!("/files/{file}"), &Value::Null, 404);
    assert_eq!(why, "The required folder was not found");
    let gone = call(
        &alice,
        "DELETE",
        &path,
        &json!({ "deleteAfter": true, "immediately": true }),
    );
    assert_eq!(
        (&gone[0]["Operation"], &gone[0]["progress"]),
        (&2.into(), &100.into())
    );
    assert_eq!(
        (&gone[0]["finished"], &gone[0]["error"]),
        (&true.into(), &"".into())
    );
    for (method, path) in [("GET", path.as_str()), ("DELETE", path.as_str())] {
        refusal(&alice, method, path, &Value::Null, 404);
    }
    alice.get("/old/").status(404);
    assert_eq!(get(&alice, "/files/fileops"), json!([]));
}

#[test]
fn moving_and_copying() {
    let server = Server::start();
    let alice = server.user("alice");
    let (from, to) = (
        make_folder(&alice, ROOT, "from"),
        make_folder(&alice, ROOT, "to"),
    );
    let file = upload(&alice, from, "a.txt", "one");
    let batch = |operation: &str, into: u64, conflict: Value| {
        let body = json!({
            "fileIds": [file], "folderIds": [], "destFolderId": into,
            "conflictResolveType": conflict, "deleteAfter": true,
        });
        let told = call(&alice, "PUT", &format!("/files/fileops/{operation}"), &body);
        assert_eq!(told[0]["finished"], true);
        let (done, why) = (told[0]["processed"].as_str(), told[0]["error"].as_str());
        (
            done.unwrap().to_owned(),
            why.unwrap().to_owned(),
            told[0]["files"].clone(),
        )
    };
    let names = |folder: u64| {
        let listed = get(&alice, &format!("/files/{folder}"));
        titles(&listed["files"]).join(" ")
    };
    let (done, why, files) = batch("copy", to, "Skip".into());
    assert_eq!((done.as_str(), why.as_str()), ("1", ""));
    assert_eq!(
        (&files[0]["title"], &files[0]["folderId"]),
        (&"a.txt".into(), &to.into())
    );
    assert_eq!(batch("copy", to, "Skip".into()).0, "0");
    assert_eq!(batch("copy", to, Value::Null).0, "0");
    assert_eq!(batch("copy", to, "Duplicate".into()).0, "1");
    assert_eq!(batch("copy", to, 2.into()).0, "1");
    assert_eq!(names(to), "a (1).txt a (2).txt a.txt");
    assert_eq!(batch("copy", from, "Duplicate".into()).0, "1");
    assert_eq!(names(from), "a (1).txt a.txt");
    // Overwriting is the next version of what is there.
    let (done, _, files) = batch("move", to, 1.into());
    assert_eq!((done.as_str(), &files[0]["version"]), ("1", &2.into()));
    assert_eq!(
        (names(from), names(to)),
        (
            "a (1).txt".to_owned(),
            "a (1).txt a (2).txt a.txt".to_owned()
        )
    );
    // The file is gone now; of a batch, the rest is done all the same.
    let (done, why, _) = batch("move", to, "Skip".into());
    assert_eq!(
        (done.as_str(), why.as_str()),
        ("0", "The required file was not found")
    );

    let body = json!({ "folderIds": [to.to_string(), 999_999], "destFolderId": from });
    let told = call(&alice, "PUT", "/files/fileops/move", &body);
    assert_eq!(
        (&told[0]["processed"], &told[0]["folders"][0]["id"]),
        (&"1".into(), &to.into())
    );
    assert_eq!(told[0]["error"], "The required folder was not found");
    let into_itself = json!({ "folderIds": [from], "destFolderId": to });
    let told = call(&alice, "PUT", "/files/fileops/move", &into_itself);
    assert!(
        told[0]["error"].as_str().unwrap().contains("into itself"),
        "{told}"
    );

    let gone = call(
        &alice,
        "PUT",
        "/files/fileops/delete",
        &json!({ "folderIds": [from, 999_999] }),
    );
    assert_eq!(
        (&gone[0]["Operation"], &gone[0]["processed"]),
        (&2.into(), &"1".into())
    );
    for (body, status) in [
        (json!({ "destFolderId": ROOT }), 400),
        (json!({ "fileIds": ["x"], "destFolderId": ROOT }), 400),
        (json!({ "fileIds": [1] }), 400),
        (json!({ "fileIds": [1], "destFolderId": 999_999 }), 404),
        (
            json!({ "fileIds": [1], "destFolderId": ROOT, "conflictResolveType": 3 }),
            400,
        ),
        (
            json!({ "fileIds": vec![1; 1001], "destFolderId": ROOT }),
            400,
        ),
    ] {
        refusal(&alice, "PUT", "/files/fileops/copy", &body, status);
    }
}
