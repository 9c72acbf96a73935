//! The versions of a file: listed, read, compared, restored and labelled.

use serde_json::{Value, json};

use crate::common::{Client, Server};
use crate::contract::Answer;
use crate::{JSON, Site, code};

impl Site {
    /// The same file after bob's `second` and alice's `third`, the last under a check-out.
    fn with_versions() -> Self {
        let site = Self::start();
        site.bob.put("/plans/a.txt", "second").status(204);
        site.post(&site.alice, "/checkout", "").is(200, code::NONE);
        site.alice.put("/plans/a.txt", "third!").status(204);
        site.post(&site.alice, "/checkin", "").is(200, code::NONE);
        site
    }

    #[track_caller]
    fn versions(&self) -> Vec<Value> {
        let answer = self.get(&self.alice, "/version").is(200, code::NONE);
        assert!(answer.json["Result"]["next"].is_null());
        items(&answer)
    }

    #[track_caller]
    fn label(&self, client: &Client, number: u32, body: &Value) -> Answer {
        let path = self.path(&format!("/version/{number}/label"));
        let body = body.to_string();
        self.contract.send(client, ("PUT", &path), &[JSON], body)
    }
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.json["Result"]["items"]
        .as_array()
        .expect("items")
        .clone()
}

fn members(versions: &[Value], member: &str) -> Vec<Value> {
    let of = |version: &Value| version.pointer(member).expect("a member").clone();
    versions.iter().map(of).collect()
}

#[test]
fn every_version_tells_who_made_it_and_how() {
    let site = Site::with_versions();
    let versions = site.versions();
    assert_eq!(members(&versions, "/number"), [3, 2, 1]);
    assert_eq!(members(&versions, "/size"), [6, 6, 3]);
    assert_eq!(
        members(&versions, "/author/name"),
        ["alice", "bob", "alice"]
    );
    assert_eq!(members(&versions, "/isCurrent"), [true, false, false]);
    let under = [json!("persistent"), Value::Null, Value::Null];
    assert_eq!(members(&versions, "/lockType"), under);
    assert_eq!(members(&versions, "/label"), [(); 3].map(|()| Value::Null));
    let me = site.get(&site.alice, "").is(200, code::NONE);
    assert_eq!(me.json["Result"]["etag"], versions[0]["etag"]);
    assert_eq!(me.json["Result"]["version"], 3);
    for version in &versions {
        let one = format!("/version/{}", version["number"]);
        let told = site.get(&site.bob, &one).is(200, code::NONE);
        assert_eq!(told.json["Result"], *version);
    }

    let page = |query: &str| site.get(&site.alice, &format!("/version?{query}"));
    let first = page("limit=2").is(200, code::NONE);
    assert_eq!(members(&items(&first), "/number"), [3, 2]);
    let rest = page(&format!("limit=2&after={}", first.text("next")));
    assert_eq!(members(&items(&rest), "/number"), [1]);
    assert!(rest.json["Result"]["next"].is_null());
    for wrong in ["limit=0", "limit=1001", "after=0", "after=x"] {
        page(wrong).is(400, code::BAD_REQUEST);
    }
}

#[test]
fn somebody_who_is_gone_has_no_name() {
    let site = Site::with_versions();
    let mut remove = site.server.command(&["user", "remove", "bob"]);
    assert!(crate::common::run(&mut remove, "").status.success());
    let versions = site.versions();
    assert_eq!(versions[1]["author"]["name"], Value::Null);
    assert!(versions[1]["author"]["id"].is_string());
}

#[test]
fn a_version_is_downloaded_as_the_file_is() {
    let site = Site::with_versions();
    let path = site.path("/version/2/content");
    let get = |headers: &[(&str, &str)]| {
        let answer = site.contract.send(&site.alice, ("GET", &path), headers, "");
        answer.response
    };
    let whole = get(&[]).status(200);
    assert_eq!(whole.text(), "second");
    assert!(
        whole
            .expect_header("content-disposition")
            .contains("a%2Etxt")
    );
    assert_eq!(whole.expect_header("cache-control"), "private, no-cache");
    let etag = whole.etag();
    assert_eq!(site.versions()[1]["etag"], etag.as_str());
    let part = get(&[("Range", "bytes=1-3"), ("If-Range", &etag)]).status(206);
    assert_eq!(part.text(), "eco");
    assert_eq!(get(&[("If-None-Match", &etag)]).status(304).etag(), etag);
    get(&[("If-Match", "\"other\"")]).status(412);
    get(&[("Range", "bytes=9-")]).status(416);

    for number in ["4", "77", "4294967295"] {
        let missing = format!("/version/{number}");
        for what in ["", "/content", "/compare/1"] {
            let answer = site.get(&site.alice, &format!("{missing}{what}"));
            let told = answer.is(404, code::NOT_FOUND).json["Message"].clone();
            assert!(told.as_str().unwrap().contains("such a version"), "{told}");
        }
        site.post(&site.alice, &format!("{missing}/restore"), "")
            .is(404, code::NOT_FOUND);
    }
    for wrong in ["0", "-1", "x", "4294967296", "1.5"] {
        let answer = site.get(&site.alice, &format!("/version/{wrong}"));
        answer.is(400, code::BAD_REQUEST);
    }
    let folder = format!("/api/project/{0}/inode/{0}/version", site.project);
    let answer = site.contract.send(&site.alice, ("GET", &folder), &[], "");
    let told = answer.is(400, code::BAD_REQUEST);
    assert!(told.response.text().contains("only files have versions"));
}

#[test]
fn two_versions_are_compared() {
    let site = Site::with_versions();
    let compare = |from: u32, to: u32| {
        let answer = site.get(&site.bob, &format!("/version/{from}/compare/{to}"));
        answer.is(200, code::NONE).json["Result"].clone()
    };
    let compared = compare(1, 2);
    assert_eq!(compared["from"]["author"]["name"], "alice");
    assert_eq!(compared["to"]["author"]["name"], "bob");
    assert_eq!(compared["sizeChange"], 3);
    assert_eq!(compared["sameContent"], false);
    assert!(compared["secondsBetween"].as_i64().unwrap() >= 0);
    assert_eq!(compare(2, 1)["sizeChange"], -3);
    let same_size = compare(2, 3);
    assert_eq!(same_size["sizeChange"], 0);
    assert_eq!(same_size["sameContent"], false);
    site.post(&site.alice, "/version/1/restore", "")
        .is(200, code::NONE);
    assert_eq!(compare(1, 4)["sameContent"], true);
}

#[test]
fn a_restored_version_is_the_next_one() {
    let site = Site::with_versions();
    let answer = site.post(&site.bob, "/version/1/restore", "");
    let file = answer.is(200, code::NONE);
    assert_eq!(file.json["Result"]["version"], 4);
    assert_eq!(file.json["Result"]["size"], 3);
    assert_eq!(site.alice.get("/plans/a.txt").status(200).text(), "one");
    let versions = site.versions();
    assert_eq!(members(&versions, "/number"), [4, 3, 2, 1]);
    assert_eq!(versions[0]["author"]["name"], "bob");
    assert_ne!(versions[0]["etag"], versions[3]["etag"]);

    // Conditions are of the file as it is now.
    let path = site.path("/version/2/restore");
    let stale = [("If-Match", versions[3]["etag"].as_str().unwrap())];
    let answer = site.contract.send(&site.bob, ("POST", &path), &stale, "");
    answer.is(412, code::PRECONDITION_FAILED);
    assert_eq!(site.versions(), versions);

    let lock = site.post(&site.alice, "/checkout", r#"{"type": "transient"}"#);
    let named = json!({ "lockId": lock.text("lockId") }).to_string();
    for (client, body) in [(&site.alice, ""), (&site.bob, ""), (&site.bob, &named)] {
        let refused = site.post(client, "/version/2/restore", body);
        let refused = refused.is(401, code::FILE_ALREADY_LOCK);
        assert!(
            refused
                .response
                .text()
                .contains("open in a program of alice")
        );
    }
    assert_eq!(site.versions(), versions);
    site.post(&site.alice, "/version/2/restore", &named)
        .is(200, code::NONE);
    assert_eq!(site.versions()[0]["lockType"], "transient");
    site.post(&site.alice, "/version/2/restore", r#"{"lockId": "x"}"#)
        .is(400, code::BAD_REQUEST);
}

#[test]
fn a_label_keeps_a_version() {
    let server = Server::start_configured("[versions]\nkeep = 1\n[store]\nmemory = true\n");
    let site = Site::on(server);
    let sent = json!({ "label": " sent to Jörg " });
    let answer = site.label(&site.alice, 1, &sent).is(200, code::NONE);
    assert_eq!(answer.text("label"), "sent to Jörg");
    assert_eq!(answer.json["Result"]["isCurrent"], true);
    for content in ["two", "three", "four"] {
        site.bob.put("/plans/a.txt", content).status(204);
    }
    let kept = |expect: &[u32]| {
        for _ in 0..200 {
            if members(&site.versions(), "/number") == expect {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("{:?}", site.versions());
    };
    kept(&[4, 3, 1]);
    assert_eq!(site.versions()[2]["label"], "sent to Jörg");

    for wrong in [
        json!({}),
        json!({ "label": "" }),
        json!({ "label": "  " }),
        json!({ "label": "a\nb" }),
        json!({ "label": "x".repeat(101) }),
        json!({ "label": 7 }),
    ] {
        site.label(&site.alice, 1, &wrong)
            .is(400, code::BAD_REQUEST);
    }
    site.label(&site.alice, 2, &sent).is(404, code::NOT_FOUND);
    site.post(&site.alice, "/checkout", "").is(200, code::NONE);
    let off = json!({ "label": null });
    site.label(&site.bob, 1, &off)
        .is(401, code::FILE_ALREADY_LOCK);
    let answer = site.label(&site.alice, 1, &off).is(200, code::NONE);
    assert!(answer.json["Result"]["label"].is_null());
    kept(&[4, 3]);
}
