//! Listing, downloading, and uploading new versions.

use crate::common::{Client, LOCK_EXCLUSIVE, Server};
use crate::contract::Answer;
use crate::{Site, code};

const BOUNDARY: &str = "----lockkeeper-test";
const MULTIPART: (&str, &str) = (
    "Content-Type",
    "multipart/form-data; boundary=----lockkeeper-test",
);

/// A form: `(name, file name, content)`.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, file, content) in parts {
        form.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        form.extend_from_slice(head.as_bytes());
        if let Some(file) = file {
            form.extend_from_slice(format!("; filename=\"{file}\"").as_bytes());
        }
        form.extend_from_slice(b"\r\n\r\n");
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

fn file(content: &[u8]) -> (&'static str, Option<&'static str>, &[u8]) {
    ("file", Some("a.txt"), content)
}

fn field<'a>(name: &'a str, value: &'a str) -> (&'a str, Option<&'a str>, &'a [u8]) {
    (name, None, value.as_bytes())
}

impl Site {
    fn version_path(&self) -> String {
        let Self { project, inode, .. } = self;
        format!("/api/project/{project}/folder/{project}/inode/{inode}/version")
    }

    #[track_caller]
    fn upload(&self, client: &Client, body: impl AsRef<[u8]>) -> Answer {
        let path = self.version_path();
        self.contract
            .send(client, ("POST", &path), &[MULTIPART], body)
    }

    #[track_caller]
    fn content(&self) -> String {
        self.alice.get("/plans/a.txt").status(200).text()
    }
}

#[test]
fn a_new_version_is_uploaded_by_whoever_may() {
    let site = Site::start();
    let before = site.get(&site.alice, "").text("etag");
    let answer = site
        .upload(&site.alice, form(&[file(b"two")]))
        .is(200, code::NONE);
    assert_eq!(site.content(), "two");
    assert_eq!(answer.json["Result"]["inodeId"], site.inode.as_str());
    assert_eq!(answer.json["Result"]["size"], 3);
    assert_ne!(answer.text("etag"), before);

    site.post(&site.alice, "/checkout", "").is(200, code::NONE);
    site.upload(&site.bob, form(&[file(b"bob")]))
        .is(401, code::FILE_ALREADY_LOCK);
    site.upload(&site.admin, form(&[file(b"admin")]))
        .is(401, code::FILE_ALREADY_LOCK);
    assert_eq!(site.content(), "two");
    let answer = site
        .upload(&site.alice, form(&[file(b"three")]))
        .is(200, code::NONE);
    assert_eq!(answer.json["Result"]["locks"][0]["username"], "alice");
    site.post(&site.alice, "/checkin", "").is(200, code::NONE);

    site.post(&site.alice, "/checkout", "{\"type\": \"readonly\"}")
        .is(200, code::NONE);
    site.upload(&site.alice, form(&[file(b"four")]))
        .is(401, code::FILE_ALREADY_LOCK);
    assert_eq!(site.content(), "three");
}

#[test]
fn who_is_kept_out_hears_of_it_before_the_file_is_sent() {
    let site = Site::start();
    let path = site.version_path();
    let send = |client: &Client| {
        let body = form(&[file(b"two")]);
        let response = client.send_expecting("POST", &path, &[MULTIPART], body);
        site.contract.check(("POST", &path), response)
    };
    site.post(&site.alice, "/checkout", "").is(200, code::NONE);
    let refused = send(&site.bob).is(401, code::FILE_ALREADY_LOCK);
    assert!(
        refused.response.interim.is_empty(),
        "{:?}",
        refused.response.interim
    );
    let refused = send(&site.server.anonymous()).is(401, code::UNAUTHORIZED);
    assert!(refused.response.interim.is_empty());
    send(&site.alice).is(200, code::NONE);
}

#[test]
fn an_upload_may_check_in_with_the_same_step() {
    let site = Site::start();
    let check_in = form(&[field("checkIn", "true"), file(b"two")]);
    site.upload(&site.alice, &check_in)
        .is(500, code::FILE_NOT_LOCK);
    assert_eq!(site.content(), "one", "nothing was done by half");
    site.post(&site.alice, "/checkout", "").is(200, code::NONE);
    let answer = site.upload(&site.alice, &check_in).is(200, code::NONE);
    assert!(
        answer.json["Result"]["locks"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(site.content(), "two");
    assert!(site.lock().is_null());
    let odd = form(&[field("checkIn", "perhaps"), file(b"three")]);
    site.upload(&site.alice, odd).is(400, code::BAD_REQUEST);
}

#[test]
fn a_transient_lock_must_be_named_before_or_behind_the_file() {
    let site = Site::start();
    let taken = site.post(&site.alice, "/checkout", "{\"type\": \"transient\"}");
    let id = taken.text("lockId");
    let named = || field("lockId", &id);
    site.upload(&site.alice, form(&[file(b"two")]))
        .is(401, code::FILE_ALREADY_LOCK);
    site.upload(&site.bob, form(&[named(), file(b"bob")]))
        .is(401, code::FILE_ALREADY_LOCK);
    assert_eq!(site.content(), "one");
    site.upload(&site.alice, form(&[named(), file(b"two")]))
        .is(200, code::NONE);
    site.upload(&site.alice, form(&[file(b"three"), named()]))
        .is(200, code::NONE);
    assert_eq!(site.content(), "three");
    let last = form(&[file(b"four"), named(), field("checkIn", "true")]);
    site.upload(&site.alice, last).is(200, code::NONE);
    assert!(site.lock().is_null());
}

/// RFC 4918 §6.2: those who share a lock do not keep each other out, if they say that they have it.
#[test]
fn a_shared_lock_is_named_beside_those_of_others() {
    let site = Site::start();
    let shared = LOCK_EXCLUSIVE.replace("exclusive", "shared");
    let lock = |client: &Client| {
        let headers = [("Depth", "0"), ("Timeout", "Second-600")];
        let taken = client.send("LOCK", "/plans/a.txt", &headers, &shared);
        let token = taken.status(200).lock_token();
        token.trim_start_matches("urn:uuid:").to_owned()
    };
    let (of_alice, of_bob) = (lock(&site.alice), lock(&site.bob));
    let named = |id: &str| form(&[field("lockId", id), file(b"two")]);
    site.upload(&site.alice, form(&[file(b"two")]))
        .is(401, code::FILE_ALREADY_LOCK);
    site.upload(&site.alice, named(&of_bob))
        .is(401, code::FILE_ALREADY_LOCK);
    assert_eq!(site.content(), "one");
    site.upload(&site.alice, named(&of_alice))
        .is(200, code::NONE);
    assert_eq!(site.content(), "two");
}

/// Whoever held it may have written since.
#[test]
fn nothing_is_uploaded_under_a_lock_that_has_ended() {
    let site = Site::start();
    let check_out = |client| site.post(client, "/checkout", "{}").text("lockId");
    let ended = check_out(&site.alice);
    site.post(&site.alice, "/checkin", "").is(200, code::NONE);
    let late = || form(&[field("lockId", &ended), file(b"late")]);
    site.upload(&site.alice, late())
        .is(500, code::LOCK_CONFLICT);
    let standing = check_out(&site.alice);
    site.upload(&site.alice, late())
        .is(500, code::LOCK_CONFLICT);
    assert_eq!(site.content(), "one");
    let under = form(&[field("lockId", &standing), file(b"two")]);
    site.upload(&site.alice, under).is(200, code::NONE);
    assert_eq!(site.content(), "two");
}

#[test]
fn forms_that_are_wrong_change_nothing() {
    let site = Site::start();
    let check = |body: &[u8], status: u16, error: u64| {
        site.upload(&site.alice, body).is(status, error);
        assert_eq!(site.content(), "one");
    };
    check(b"", 400, code::BAD_REQUEST);
    check(b"nonsense", 400, code::BAD_REQUEST);
    check(&form(&[]), 400, code::BAD_REQUEST);
    check(&form(&[field("lockId", "")]), 400, code::BAD_REQUEST);
    check(
        &form(&[file(b"two"), file(b"three")]),
        400,
        code::BAD_REQUEST,
    );
    check(
        &form(&[field("lockId", "x"), file(b"two")]),
        400,
        code::BAD_REQUEST,
    );
    check(
        &form(&[field("a", "1"), field("a", "2"), file(b"two")]),
        400,
        code::BAD_REQUEST,
    );
    check(
        &form(&[("a", None, b"\xff"), file(b"two")]),
        400,
        code::BAD_REQUEST,
    );
    let whole = form(&[file(b"two")]);
    check(&whole[..whole.len() - 8], 400, code::BAD_REQUEST);
    let long = "x".repeat(70_000);
    check(
        &form(&[field("a", &long), file(b"two")]),
        413,
        code::TOO_LARGE,
    );
    let names: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    let mut many: Vec<_> = names.iter().map(|name| field(name, "")).collect();
    many.push(file(b"two"));
    check(&form(&many), 413, code::TOO_LARGE);
    // A part whose head does not end.
    let mut endless = format!("--{BOUNDARY}\r\nX: ").into_bytes();
    endless.resize(2 << 20, b'x');
    check(&endless, 400, code::BAD_REQUEST);

    let path = site.version_path();
    let send = |media_type: &str| {
        let headers = [("Content-Type", media_type)];
        site.contract.send(
            &site.alice,
            ("POST", &path),
            &headers,
            form(&[file(b"two")]),
        )
    };
    send("application/json").is(415, code::UNSUPPORTED_MEDIA_TYPE);
    send("multipart/form-data").is(415, code::UNSUPPORTED_MEDIA_TYPE);
    send("multipart/form-data; boundary=other").is(400, code::BAD_REQUEST);
    assert_eq!(site.content(), "one");
}

#[test]
fn the_folder_must_be_the_one_that_holds_the_file() {
    let site = Site::start();
    site.alice.mkcol("/plans/inner").status(201);
    let inner = site.inode_named(&site.project, "inner");
    let Site { project, inode, .. } = &site;
    let send = |folder: &str, inode: &str| {
        let path = format!("/api/project/{project}/folder/{folder}/inode/{inode}/version");
        let body = form(&[file(b"two")]);
        site.contract
            .send(&site.alice, ("POST", &path), &[MULTIPART], body)
    };
    send(&inner, inode).is(404, code::NOT_FOUND);
    send(inode, inode).is(404, code::NOT_FOUND);
    send("x", inode).is(400, code::BAD_REQUEST);
    send(project, &inner).is(400, code::BAD_REQUEST);
    // The file keeps its id on its way.
    site.alice
        .rename("/plans/a.txt", "/plans/inner/b.txt")
        .status(201);
    send(&inner, inode).is(200, code::NONE);
    assert_eq!(site.get(&site.alice, "").text("folderId"), inner);
}

#[test]
fn large_files_go_through_whole() {
    let site = Site::on(Server::start());
    let content: Vec<u8> = (0..5_000_000_u32)
        .flat_map(|n| (n % 251).to_le_bytes())
        .collect();
    site.upload(&site.alice, form(&[file(&content)]))
        .is(200, code::NONE);
    let back = site.get(&site.alice, "/content");
    assert_eq!(back.response.status, 200);
    assert!(back.response.body == content);
    // Something that looks like a boundary is none.
    let tricky = format!("\r\n--{}\r\n--\r\n--{BOUNDARY}", &BOUNDARY[1..]);
    let tricky = tricky.trim_end_matches('t').to_owned();
    site.upload(&site.alice, form(&[file(tricky.as_bytes())]))
        .is(200, code::NONE);
    assert_eq!(site.content(), tricky);
}

#[test]
fn a_download_is_as_any_get() {
    let site = Site::start();
    let path = site.path("/content");
    let get = |headers: &[(&str, &str)]| {
        site.contract
            .send(&site.alice, ("GET", &path), headers, "")
            .response
    };
    let whole = get(&[]).status(200);
    assert_eq!(whole.text(), "one");
    let name = whole.expect_header("content-disposition");
    assert_eq!(name, "attachment; filename*=UTF-8''a%2Etxt");
    let etag = whole.etag();
    get(&[("If-None-Match", &etag)]).status(304);
    get(&[("If-Match", "\"other\"")]).status(412);
    assert_eq!(get(&[("Range", "bytes=1-")]).status(206).text(), "ne");
    get(&[("Range", "bytes=9-")]).status(416);
    let folder = format!("/api/project/{0}/inode/{0}/content", site.project);
    site.contract
        .send(&site.alice, ("GET", &folder), &[], "")
        .is(400, code::BAD_REQUEST);

    let version = site.version_path();
    let headers = [MULTIPART, ("If-Match", "\"other\"")];
    let body = form(&[file(b"two")]);
    let stale = site
        .contract
        .send(&site.alice, ("POST", &version), &headers, body);
    stale.is(412, code::PRECONDITION_FAILED);
    assert_eq!(site.content(), "one");
}

#[test]
fn listings_come_in_pages() {
    let site = Site::start();
    for number in 0..7 {
        site.alice.put(&format!("/plans/b{number}"), "").status(201);
        site.alice.mkcol(&format!("/p{number}")).status(201);
        site.alice.put(&format!("/q{number}"), "").status(201);
    }
    let walk = |path: &str, limit: usize| {
        let mut names = Vec::new();
        let mut after = String::new();
        loop {
            let page = format!("{path}?limit={limit}{after}");
            let page = site.contract.send(&site.alice, ("GET", &page), &[], "");
            let page = &page.is(200, code::NONE).json["Result"];
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            names.extend(
                items
                    .iter()
                    .map(|item| item["name"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return names,
            }
        }
    };
    let folder = format!("/api/project/{0}/folder/{0}", site.project);
    let members = ["a.txt", "b0", "b1", "b2", "b3", "b4", "b5", "b6"];
    let projects = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "plans"];
    for limit in [1, 2, 3, 7, 8, 9, 1000] {
        assert_eq!(walk(&folder, limit), members);
        assert_eq!(walk("/api/project", limit), projects);
    }
    for limit in ["0", "1001", "-1", "x", ""] {
        let path = format!("{folder}?limit={limit}");
        site.contract
            .send(&site.alice, ("GET", &path), &[], "")
            .is(400, code::BAD_REQUEST);
    }
    let file = site.path("").replace("/inode/", "/folder/");
    site.contract
        .send(&site.alice, ("GET", &file), &[], "")
        .is(400, code::BAD_REQUEST);
    let path = format!("/api/project/{}", site.project);
    let project = site
        .contract
        .send(&site.alice, ("GET", &path), &[], "")
        .is(200, code::NONE);
    assert_eq!(project.text("name"), "plans");
}
