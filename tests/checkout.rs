//! The check-out API of the real binary, over a socket. Every answer is held against the published
//! description.

mod common;

#[path = "checkout/contract.rs"]
mod contract;
#[path = "checkout/files.rs"]
mod files;
#[path = "checkout/sign_in.rs"]
mod sign_in;
#[path = "checkout/versions.rs"]
mod versions;

use std::sync::Barrier;

use common::{Client, Server};
use contract::{Answer, Contract};
use serde_json::Value;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// ErrorCode, as it is published.
mod code {
    pub(crate) const NONE: u64 = 0;
    pub(crate) const BAD_REQUEST: u64 = 1;
    pub(crate) const UNAUTHORIZED: u64 = 2;
    pub(crate) const FORBIDDEN: u64 = 3;
    pub(crate) const NOT_FOUND: u64 = 4;
    pub(crate) const PRECONDITION_FAILED: u64 = 6;
    pub(crate) const TOO_LARGE: u64 = 7;
    pub(crate) const UNSUPPORTED_MEDIA_TYPE: u64 = 8;
    pub(crate) const FILE_ALREADY_LOCK: u64 = 22;
    pub(crate) const FILE_NOT_LOCK: u64 = 23;
    pub(crate) const LOCK_CONFLICT: u64 = 24;
}

/// A server with a project `/plans` that holds `a.txt`, and its users.
struct Site {
    server: Server,
    contract: Contract,
    admin: Client,
    alice: Client,
    bob: Client,
    project: String,
    inode: String,
}

impl Site {
    fn start() -> Self {
        Self::on(Server::start_with(&["--memory"]))
    }

    fn on(server: Server) -> Self {
        let (alice, bob) = (server.user("alice"), server.user("bob"));
        alice.mkcol("/plans").status(201);
        alice.put("/plans/a.txt", "one").status(201);
        let contract = Contract::of(&server);
        let mut site = Self {
            admin: server.admin(),
            alice,
            bob,
            project: String::new(),
            inode: String::new(),
            contract,
            server,
        };
        site.project = site.project_named("plans");
        site.inode = site.inode_named(&site.project.clone(), "a.txt");
        site
    }

    fn project_named(&self, name: &str) -> String {
        let all = self
            .contract
            .send(&self.alice, ("GET", "/api/project"), &[], "");
        id_named(&all, name, "projectId")
    }

    /// A member of the project's top folder.
    fn inode_named(&self, project: &str, name: &str) -> String {
        let path = format!("/api/project/{project}/folder/{project}");
        let all = self.contract.send(&self.alice, ("GET", &path), &[], "");
        id_named(&all, name, "inodeId")
    }

    fn path(&self, what: &str) -> String {
        format!("/api/project/{}/inode/{}{what}", self.project, self.inode)
    }

    /// A POST to the file with a JSON body, or with none.
    #[track_caller]
    fn post(&self, client: &Client, what: &str, body: &str) -> Answer {
        let headers: &[_] = if body.is_empty() { &[] } else { &[JSON] };
        self.contract
            .send(client, ("POST", &self.path(what)), headers, body)
    }

    #[track_caller]
    fn get(&self, client: &Client, what: &str) -> Answer {
        self.contract
            .send(client, ("GET", &self.path(what)), &[], "")
    }

    /// The lock that stands on the file.
    #[track_caller]
    fn lock(&self) -> Value {
        self.get(&self.alice, "/lock").is(200, code::NONE).json["Result"].clone()
    }
}

#[track_caller]
fn id_named(listing: &Answer, name: &str, id: &str) -> String {
    let items = listing.json["Result"]["items"].as_array().expect("items");
    let item = items.iter().find(|item| item["name"] == name);
    let item = item.unwrap_or_else(|| panic!("no {name} in {}", listing.response));
    item[id].as_str().expect("an id").to_owned()
}

#[test]
fn a_file_is_checked_out_and_in() {
    let site = Site::start();
    let comment = "until <Monday> & not later";
    let body = format!("{{\"comment\": \"{comment}\"}}");
    let taken = site
        .post(&site.alice, "/checkout", &body)
        .is(200, code::NONE);
    let lock = &taken.json["Result"];
    assert_eq!(lock["projectId"], site.project.as_str());
    assert_eq!(lock["inodeId"], site.inode.as_str());
    assert_eq!(lock["lockType"], "persistent");
    assert_eq!(lock["username"], "alice");
    assert_eq!(lock["comment"], comment);
    assert!(lock["expiresAt"].is_null());
    assert_eq!(site.lock(), *lock);

    // The others see it, but not its name.
    let seen = site.get(&site.bob, "/lock").is(200, code::NONE);
    assert_eq!(seen.json["Result"]["username"], "alice");
    assert!(seen.json["Result"]["lockId"].is_null());
    let seen = site.get(&site.admin, "/lock").is(200, code::NONE);
    assert_eq!(seen.json["Result"]["lockId"], lock["lockId"]);

    // WebDAV sees the same lock.
    site.bob
        .put("/plans/a.txt", "two")
        .status(423)
        .containing("alice");
    site.bob
        .propfind("/plans/a.txt", "0", "")
        .status(207)
        .containing("<L:comment>until &lt;Monday&gt; &amp; not later</L:comment>");
    site.alice.put("/plans/a.txt", "two").status(204);

    let ended = site.post(&site.alice, "/checkin", "").is(200, code::NONE);
    assert_eq!(ended.json["Result"]["lockId"], lock["lockId"]);
    assert!(site.lock().is_null());
    site.bob.put("/plans/a.txt", "three").status(204);
}

#[test]
fn what_is_locked_cannot_be_checked_out() {
    let site = Site::start();
    for kind in ["persistent", "transient", "readonly"] {
        let body = format!("{{\"type\": \"{kind}\"}}");
        let taken = site
            .post(&site.alice, "/checkout", &body)
            .is(200, code::NONE);
        assert_eq!(taken.json["Result"]["lockType"], kind);
        assert_eq!(
            taken.json["Result"]["expiresAt"].is_null(),
            kind != "transient"
        );
        for client in [&site.alice, &site.bob, &site.admin] {
            let refused = site
                .post(client, "/checkout", "")
                .is(401, code::FILE_ALREADY_LOCK);
            assert!(refused.json["Message"].as_str().unwrap().contains("alice"));
            assert_eq!(refused.response.header("www-authenticate"), None);
        }
        let id = taken.text("lockId");
        let named = format!("{{\"lockId\": \"{id}\"}}");
        site.post(&site.bob, "/checkin", "")
            .is(401, code::FILE_ALREADY_LOCK);
        site.post(&site.bob, "/checkin", &named)
            .is(401, code::FILE_ALREADY_LOCK);
        site.post(&site.alice, "/checkin", &named)
            .is(200, code::NONE);
    }
    // A lock from WebDAV is one, too.
    let token = site
        .alice
        .lock("/plans/a.txt", "Second-600")
        .status(200)
        .lock_token();
    site.post(&site.alice, "/checkout", "")
        .is(401, code::FILE_ALREADY_LOCK);
    let bare = token.trim_start_matches("urn:uuid:");
    site.post(
        &site.alice,
        "/checkin",
        &format!("{{\"lockId\": \"{bare}\"}}"),
    )
    .is(200, code::NONE);
}

#[test]
fn what_is_not_locked_cannot_be_checked_in() {
    let site = Site::start();
    site.post(&site.alice, "/checkin", "")
        .is(500, code::FILE_NOT_LOCK);
    let unknown = "{\"lockId\": \"00000000-0000-4000-8000-000000000000\"}";
    site.post(&site.alice, "/checkin", unknown)
        .is(500, code::LOCK_CONFLICT);
    site.post(&site.alice, "/refreshlock", unknown)
        .is(500, code::FILE_NOT_LOCK);
    site.post(&site.admin, "/steallock", "")
        .is(500, code::FILE_NOT_LOCK);
    site.post(&site.admin, "/steallock", unknown)
        .is(500, code::FILE_NOT_LOCK);
}

#[test]
fn an_admin_checks_in_for_others() {
    let site = Site::start();
    for kind in ["persistent", "transient", "readonly"] {
        let body = format!("{{\"type\": \"{kind}\"}}");
        site.post(&site.alice, "/checkout", &body)
            .is(200, code::NONE);
        site.post(&site.admin, "/checkin", "").is(200, code::NONE);
        assert!(site.lock().is_null());
    }
}

#[test]
fn only_check_outs_are_stolen_and_only_by_those_who_may() {
    let site = Site::start();
    for kind in ["transient", "readonly"] {
        let body = format!("{{\"type\": \"{kind}\"}}");
        let id = site.post(&site.alice, "/checkout", &body).text("lockId");
        let named = format!("{{\"lockId\": \"{id}\"}}");
        site.post(&site.admin, "/steallock", "")
            .is(500, code::LOCK_CONFLICT);
        site.post(&site.admin, "/steallock", &named)
            .is(500, code::LOCK_CONFLICT);
        assert_eq!(site.lock()["username"], "alice");
        site.post(&site.alice, "/checkin", &named)
            .is(200, code::NONE);
    }
    let first = site.post(&site.alice, "/checkout", "").text("lockId");
    let refused = site
        .post(&site.bob, "/steallock", "")
        .is(403, code::FORBIDDEN);
    assert!(
        refused.json["Message"]
            .as_str()
            .unwrap()
            .contains("super-check-in")
    );
    let stolen = site.post(&site.admin, "/steallock", "").is(200, code::NONE);
    assert_eq!(stolen.json["Result"]["username"], "admin");
    assert_ne!(stolen.text("lockId"), first);
    let late = format!("{{\"lockId\": \"{first}\"}}");
    site.post(&site.admin, "/steallock", &late)
        .is(500, code::LOCK_CONFLICT);
    site.post(&site.alice, "/checkin", "")
        .is(401, code::FILE_ALREADY_LOCK);
    site.alice.put("/plans/a.txt", "two").status(423);
}

#[test]
fn of_fifty_thieves_one_wins() {
    const THIEVES: usize = 50;
    let site = Site::start();
    let first = site.post(&site.alice, "/checkout", "").text("lockId");
    let body = format!("{{\"lockId\": \"{first}\"}}");
    // Everybody is known before the race, so that no password is hashed in it.
    let thieves: Vec<Client> = (0..4)
        .map(|number| site.server.admin_user(&format!("thief{number}")))
        .inspect(|thief| drop(thief.get("/api/project").status(200)))
        .collect();
    let start = Barrier::new(THIEVES);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let run = |number: usize| {
            let (thief, start, body, site) = (&thieves[number % 4], &start, &body, &site);
            scope.spawn(move || {
                start.wait();
                site.post(thief, "/steallock", body)
            })
        };
        let running: Vec<_> = (0..THIEVES).map(run).collect();
        running
            .into_iter()
            .map(|thief| thief.join().unwrap())
            .collect()
    });
    let (won, lost): (Vec<Answer>, Vec<Answer>) = answers
        .into_iter()
        .partition(|answer| answer.response.status == 200);
    assert_eq!((won.len(), lost.len()), (1, THIEVES - 1));
    for answer in lost {
        answer.is(500, code::LOCK_CONFLICT);
    }
    let inode = site.get(&site.admin, "").is(200, code::NONE);
    let locks = inode.json["Result"]["locks"].as_array().unwrap();
    assert_eq!(locks.len(), 1);
    assert_eq!(locks[0]["lockType"], "persistent");
    assert_eq!(locks[0]["lockId"].as_str().unwrap(), won[0].text("lockId"));
}

#[test]
fn a_transient_lock_is_refreshed_by_its_holder() {
    let site = Site::start();
    let short = "{\"type\": \"transient\", \"timeout\": 200}";
    let taken = site
        .post(&site.alice, "/checkout", short)
        .is(200, code::NONE);
    let named = format!("{{\"lockId\": \"{}\"}}", taken.text("lockId"));
    let later = site
        .post(&site.alice, "/refreshlock", &named)
        .is(200, code::NONE);
    assert!(later.text("expiresAt") > taken.text("expiresAt"));
    assert_eq!(later.text("lockId"), taken.text("lockId"));
    site.post(&site.bob, "/refreshlock", &named)
        .is(401, code::FILE_ALREADY_LOCK);
    let unknown = "{\"lockId\": \"00000000-0000-4000-8000-000000000000\"}";
    site.post(&site.alice, "/refreshlock", unknown)
        .is(500, code::LOCK_CONFLICT);
    site.post(&site.alice, "/refreshlock", "{}")
        .is(400, code::BAD_REQUEST);
    site.post(&site.alice, "/refreshlock", "")
        .is(400, code::BAD_REQUEST);
}

#[test]
fn a_folder_is_checked_out_with_everything_in_it() {
    let site = Site::start();
    let folder = format!("/api/project/{0}/inode/{0}", site.project);
    let post = |client: &Client, what: &str| {
        let path = format!("{folder}{what}");
        site.contract.send(client, ("POST", &path), &[], "")
    };
    let lock = site.post(&site.bob, "/checkout", "").text("lockId");
    post(&site.alice, "/checkout").is(500, code::LOCK_CONFLICT);
    site.post(
        &site.bob,
        "/checkin",
        &format!("{{\"lockId\": \"{lock}\"}}"),
    );
    post(&site.alice, "/checkout").is(200, code::NONE);
    site.bob.put("/plans/a.txt", "two").status(423);
    site.post(&site.bob, "/checkout", "")
        .is(401, code::FILE_ALREADY_LOCK);
    // The lock is told of the file, with the folder on which it was taken.
    assert_eq!(site.lock()["inodeId"], site.project.as_str());
    site.post(&site.alice, "/checkin", "")
        .is(500, code::FILE_NOT_LOCK);
    site.post(&site.admin, "/steallock", "")
        .is(500, code::LOCK_CONFLICT);
    post(&site.alice, "/checkin").is(200, code::NONE);
}

#[test]
fn ids_are_32_digits_of_something_in_that_project() {
    let site = Site::start();
    site.alice.mkcol("/other").status(201);
    site.alice.put("/loose.txt", "x").status(201);
    let other = site.project_named("other");
    let check = |project: &str, inode: &str, status: u16, code: u64| {
        for (method, what) in [
            ("GET", ""),
            ("GET", "/lock"),
            ("GET", "/content"),
            ("POST", "/checkout"),
            ("POST", "/checkin"),
            ("POST", "/steallock"),
        ] {
            let path = format!("/api/project/{project}/inode/{inode}{what}");
            site.contract
                .send(&site.alice, (method, &path), &[], "")
                .is(status, code);
        }
        let path = format!("/api/project/{project}/folder/{inode}");
        site.contract
            .send(&site.alice, ("GET", &path), &[], "")
            .is(status, code);
    };
    let unknown = "000000000000000000000000000fffff";
    check(&site.project, unknown, 404, code::NOT_FOUND);
    check(unknown, &site.inode, 404, code::NOT_FOUND);
    check(&other, &site.inode, 404, code::NOT_FOUND);
    check(&site.inode, &site.inode, 404, code::NOT_FOUND);
    check(&site.project, &"f".repeat(32), 404, code::NOT_FOUND);
    check(&site.project, &"0".repeat(32), 404, code::NOT_FOUND);
    let root = format!("{:032x}", 1);
    check(&root, &site.inode, 404, code::NOT_FOUND);
    check(&root, &root, 404, code::NOT_FOUND);
    check(&site.project, "4", 400, code::BAD_REQUEST);
    check("x", &site.inode, 400, code::BAD_REQUEST);
    check(&site.project, &"g".repeat(32), 400, code::BAD_REQUEST);
    check(&site.project, "%00", 400, code::BAD_REQUEST);
    let upper = site.path("").to_uppercase();
    let upper = upper
        .replace("/API/PROJECT/", "/api/project/")
        .replace("/INODE/", "/inode/");
    site.contract
        .send(&site.alice, ("GET", &upper), &[], "")
        .is(200, code::NONE);
}

#[test]
fn bodies_are_json_objects_of_the_right_members() {
    let site = Site::start();
    let check = |body: &str, status: u16, error: u64| {
        site.post(&site.alice, "/checkout", body).is(status, error);
        assert!(site.lock().is_null(), "{body}");
    };
    check("{", 400, code::BAD_REQUEST);
    check("[]", 400, code::BAD_REQUEST);
    check("\"persistent\"", 400, code::BAD_REQUEST);
    check("{\"type\": \"exclusive\"}", 400, code::BAD_REQUEST);
    check("{\"type\": 1}", 400, code::BAD_REQUEST);
    check("{\"timeout\": 0}", 400, code::BAD_REQUEST);
    check("{\"timeout\": -1}", 400, code::BAD_REQUEST);
    check("{\"timeout\": 1.5}", 400, code::BAD_REQUEST);
    check("{\"timeout\": 1e300}", 400, code::BAD_REQUEST);
    check("{\"timeout\": \"10\"}", 400, code::BAD_REQUEST);
    check(
        "{\"type\": \"persistent\", \"type\": \"transient\"}",
        400,
        code::BAD_REQUEST,
    );
    check(
        &format!("{{\"comment\": \"{}\"}}", "ä".repeat(1001)),
        400,
        code::BAD_REQUEST,
    );
    check(
        &format!("{{\"comment\": \"{}\"}}", "x".repeat(70_000)),
        413,
        code::TOO_LARGE,
    );
    check("\u{feff}{}", 400, code::BAD_REQUEST);
    let deep = format!("{{\"comment\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    check(&deep, 400, code::BAD_REQUEST);

    let send = |media_type: &str, status: u16, error: u64| {
        let headers = [("Content-Type", media_type)];
        let path = site.path("/checkout");
        let answer = site
            .contract
            .send(&site.alice, ("POST", &path), &headers, "{}");
        answer.is(status, error);
    };
    send("text/xml", 415, code::UNSUPPORTED_MEDIA_TYPE);
    send(
        "application/x-www-form-urlencoded",
        415,
        code::UNSUPPORTED_MEDIA_TYPE,
    );
    send("application/json; charset=utf-8", 200, code::NONE);
    site.post(&site.alice, "/checkin", "{\"lockId\": \"urn:x\"}")
        .is(400, code::BAD_REQUEST);
    site.post(&site.alice, "/checkin", "{\"lockId\": null}")
        .is(200, code::NONE);
    send("application/vnd.bimfm+json", 200, code::NONE);
    site.post(&site.alice, "/checkin", "{\"unknown\": 1}")
        .is(200, code::NONE);
    site.post(&site.alice, "/checkout", "{\"timeout\": 60.0}")
        .is(200, code::NONE);
    site.post(&site.alice, "/checkin", "").is(200, code::NONE);
    let longest = format!("{{\"comment\": \"{}\"}}", "ä".repeat(1000));
    site.post(&site.alice, "/checkout", &longest)
        .is(200, code::NONE);
}
