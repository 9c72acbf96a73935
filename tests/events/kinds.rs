//! Every kind of event through each face that can do it, as it is told. That every operation tells
//! the right thing is tried in `ops/events/tests.rs`; here is what programs read.

use serde_json::{Value, json};

use crate::common::{Client, run};
use crate::{Site, page, short, text, until};

/// Somebody who reads what each step has done.
struct Watch<'a> {
    site: &'a Site,
    face: &'static str,
    next: String,
}

impl<'a> Watch<'a> {
    fn new(site: &'a Site, face: &'static str) -> Self {
        let next = text(&page(&site.admin, "?since=now")["next"]).to_owned();
        Self { site, face, next }
    }

    /// The events of one step: type, path and user of each. Gives the last one.
    #[track_caller]
    fn sees(&mut self, expect: &[&str]) -> Value {
        let query = format!("?since={}", self.next);
        let page = until(|| {
            let page = page(&self.site.admin, &query);
            let told = page["events"].as_array().map_or(0, Vec::len);
            (told >= expect.len()).then_some(page)
        });
        text(&page["next"]).clone_into(&mut self.next);
        let events = page["events"].as_array().expect("events");
        let users = events.iter().map(|event| text(&event["user"]["name"]));
        let told = short(&page["events"]).into_iter().zip(users);
        let told: Vec<String> = told.map(|(what, user)| format!("{what} {user}")).collect();
        assert_eq!(told, expect);
        for event in events {
            assert_eq!(event["face"], self.face, "{event}");
            assert_ne!(event["program"], "", "{event}");
        }
        events.last().expect("an event").clone()
    }
}

fn form(client: &Client, method: &str, path: &str) {
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nnew\r\n\
        --b--\r\n";
    let form = [("Content-Type", "multipart/form-data; boundary=b")];
    client.send(method, path, &form, body).status(200);
}

fn post(client: &Client, method: &str, path: &str, body: &Value) {
    let headers = [("Content-Type", "application/json")];
    client
        .send(method, path, &headers, body.to_string())
        .status(200);
}

#[test]
fn over_webdav() {
    let site = &Site::start();
    let Site {
        alice, bob, admin, ..
    } = site;
    let mut watch = Watch::new(site, "webdav");
    alice.mkcol("/a").status(201);
    let made = watch.sees(&["resource.created /a alice"]);
    assert_eq!(
        (&made["isCollection"], made.get("version")),
        (&json!(true), None)
    );
    let etag = alice.put("/a/f", "one").status(201).etag();
    let made = watch.sees(&["resource.created /a/f alice"]);
    assert_eq!(
        made["version"],
        json!({ "number": 1, "size": 3, "etag": etag })
    );
    let etag = alice.put("/a/f", "second").status(204).etag();
    let written = watch.sees(&["version.uploaded /a/f alice"]);
    assert_eq!(
        written["version"],
        json!({ "number": 2, "size": 6, "etag": etag })
    );
    assert_eq!(written["resource"], made["resource"]);

    alice.copy("/a/f", "/a/g").status(201);
    let copied = watch.sees(&["resource.created /a/g alice"]);
    assert_eq!(
        copied["from"],
        json!({ "path": "/a/f", "resource": made["resource"] })
    );
    alice.copy("/a/f", "/a/g").status(204);
    assert_eq!(
        watch.sees(&["version.uploaded /a/g alice"])["from"]["path"],
        "/a/f"
    );
    alice.rename("/a/g", "/h").status(201);
    assert_eq!(
        watch.sees(&["resource.moved /h alice"])["from"]["path"],
        "/a/g"
    );
    let set = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='y:'>1</x></prop></set>\
        </propertyupdate>";
    alice.proppatch("/h", set).status(207);
    watch.sees(&["resource.changed /h alice"]);
    alice.delete("/h").status(204);
    watch.sees(&["resource.deleted /h alice"]);

    let token = alice.lock("/a/f", "Second-600").status(200).lock_token();
    let taken = watch.sees(&["lock.taken /a/f alice"]);
    let lock = &taken["lock"];
    let said = ["kind", "scope", "depth", "holder", "token"].map(|name| text(&lock[name]));
    assert_eq!(said, ["transient", "exclusive", "0", "alice", &token]);
    assert_eq!(
        (&lock["since"], lock["expires"].is_string()),
        (&taken["at"], true)
    );
    let shown = format!("(<{token}>)");
    alice
        .send("LOCK", "/a/f", &[("If", &shown)], "")
        .status(200);
    watch.sees(&["lock.refreshed /a/f alice"]);
    bob.put("/a/f", "x").status(423);
    let refused = watch.sees(&["lock.refused /a/f bob"]);
    let root = json!({ "path": "/a/f", "resource": made["resource"] });
    assert_eq!(
        refused["refusedBy"],
        json!([{ "kind": "transient", "holder": "alice", "root": root }])
    );
    assert_eq!(refused["times"], 1);
    alice.unlock("/a/f", &token).status(204);
    let mut ended = watch.sees(&["lock.released /a/f alice"]);
    assert_eq!(ended["lock"]["token"].take(), token.as_str());
    let token = bob.lock("/a/f", "Infinite").status(200).lock_token();
    watch.sees(&["lock.taken /a/f bob"]);
    admin.unlock("/a/f", &token).status(204);
    assert_eq!(
        watch.sees(&["lock.forced /a/f admin"])["lock"]["holder"],
        "bob"
    );
}

#[test]
fn over_the_check_out_api() {
    let site = &Site::start();
    let Site {
        alice, bob, admin, ..
    } = site;
    alice.mkcol("/p").status(201);
    alice.put("/p/f", "1").status(201);
    let id = |path: &str| {
        let page = page(alice, &format!("?about={path}&limit=1"));
        text(&page["events"][0]["resource"]).to_owned()
    };
    let (project, inode) = (id("/p"), id("/p/f"));
    let at = |what: &str| format!("/api/project/{project}/inode/{inode}/{what}");
    let mut watch = Watch::new(site, "checkout");
    post(
        alice,
        "POST",
        &at("checkout"),
        &json!({ "comment": "mine" }),
    );
    let taken = watch.sees(&["lock.taken /p/f alice"]);
    assert_eq!(
        (&taken["lock"]["kind"], &taken["lock"]["comment"]),
        (&json!("persistent"), &json!("mine"))
    );
    assert_eq!(taken["lock"]["expires"], Value::Null);
    let json = [("Content-Type", "application/json")];
    bob.send("POST", &at("checkout"), &json, "{}").status(401);
    watch.sees(&["lock.refused /p/f bob"]);
    post(admin, "POST", &at("steallock"), &json!({}));
    let stolen = watch.sees(&["lock.stolen /p/f admin"]);
    assert_eq!(stolen["lock"]["holder"], "admin");
    assert_eq!(stolen["lost"][0]["holder"], "alice");
    post(admin, "POST", &at("checkin"), &json!({}));
    watch.sees(&["lock.released /p/f admin"]);
    post(
        alice,
        "POST",
        &at("checkout"),
        &json!({ "type": "transient", "timeout": 600 }),
    );
    let lock = watch.sees(&["lock.taken /p/f alice"])["lock"]["token"].clone();
    post(
        alice,
        "POST",
        &at("refreshlock"),
        &json!({ "lockId": lock }),
    );
    watch.sees(&["lock.refreshed /p/f alice"]);
    post(admin, "POST", &at("checkin"), &json!({ "lockId": lock }));
    watch.sees(&["lock.forced /p/f admin"]);
    let path = format!("/api/project/{project}/folder/{project}/inode/{inode}");
    form(alice, "POST", &format!("{path}/version"));
    watch.sees(&["version.uploaded /p/f alice"]);
}

#[test]
fn over_the_docspace_api() {
    let site = &Site::start();
    let Site {
        alice, bob, admin, ..
    } = site;
    alice.put("/f.txt", "1").status(201);
    let id = text(&page(alice, "?about=/f.txt")["events"][0]["resource"]).to_owned();
    let file = u64::from_str_radix(&id, 16).expect("hexadecimal");
    let at = |what: &str| format!("/api/2.0/files/file/{file}{what}");
    let mut watch = Watch::new(site, "docspace");
    post(
        alice,
        "POST",
        "/api/2.0/files/folder/1",
        &json!({ "title": "d" }),
    );
    watch.sees(&["resource.created /d alice"]);
    post(alice, "PUT", &at("/lock"), &json!({ "lockFile": true }));
    watch.sees(&["lock.taken /f.txt alice"]);
    let json = [("Content-Type", "application/json")];
    bob.send("PUT", &at(""), &json, "{\"title\":\"g\"}")
        .status(403);
    watch.sees(&["lock.refused /f.txt bob"]);
    post(admin, "PUT", &at("/lock"), &json!({ "lockFile": false }));
    watch.sees(&["lock.forced /f.txt admin"]);
    form(alice, "PUT", &format!("/api/2.0/files/{file}/update"));
    assert_eq!(
        watch.sees(&["version.uploaded /f.txt alice"])["version"]["number"],
        2
    );
    post(
        alice,
        "POST",
        &at("/restoreversion"),
        &json!({ "version": 1 }),
    );
    let restored = watch.sees(&["version.restored /f.txt alice"]);
    assert_eq!(
        (&restored["source"], &restored["version"]["number"]),
        (&json!(1), &json!(3))
    );
    post(alice, "PUT", &at(""), &json!({ "title": "g" }));
    watch.sees(&["resource.moved /g.txt alice"]);
    alice.send("DELETE", &at(""), &json, "{}").status(200);
    watch.sees(&["resource.deleted /g.txt alice"]);
}

#[test]
fn on_the_command_line() {
    let site = &Site::start();
    site.alice.put("/f", "1").status(201);
    let mut watch = Watch::new(site, "command-line");
    site.command(&[
        "lock",
        "check-out",
        "/f",
        "--as",
        "alice",
        "--comment",
        "hers",
    ]);
    watch.sees(&["lock.taken /f alice"]);
    site.command(&["lock", "steal", "/f", "--as", "bob"]);
    watch.sees(&["lock.stolen /f bob"]);
    let freeze = ["lock", "freeze", "/f", "--as", "alice"];
    assert_eq!(
        run(&mut site.server.command(&freeze), "").status.code(),
        Some(4)
    );
    watch.sees(&["lock.refused /f alice"]);
    site.command(&["lock", "release", "/f"]);
    watch.sees(&["lock.forced /f the command line"]);
}
