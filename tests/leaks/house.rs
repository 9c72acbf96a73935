//! The tree in which Bob may not look everywhere, and what is done there.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;

use crate::common::{Client, Response, Server, run};

/// No version goes before it is asked for.
const ROOMY: &str = "[versions]\nkeep = 1000\n";

pub(crate) struct House {
    pub(crate) server: Server,
    /// Manages the hidden folders, as Carol does.
    pub(crate) alice: Client,
    pub(crate) carol: Client,
    /// Reads everything but them.
    pub(crate) bob: Client,
    tokens: Mutex<HashMap<String, String>>,
}

impl House {
    pub(crate) fn new() -> Self {
        let server = Server::start_configured(ROOMY);
        let house = Self {
            alice: server.user("alice"),
            carol: server.user("carol"),
            bob: server.user("bob"),
            tokens: Mutex::default(),
            server,
        };
        let alice = &house.alice;
        for folder in ["/open", "/vault"] {
            alice.mkcol(folder).status(201);
        }
        house.grant("/open", &["manager", "--user", "alice"]);
        house.hide("/vault");
        house.furnish("/open/hid");
        house.grant("/open/hid/deep/shown", &["reader", "--user", "bob"]);
        for folder in ["/open/side", "/open/side/inner"] {
            alice.mkcol(folder).status(201);
        }
        house.hide("/open/side/inner");
        for file in ["/open/a", "/open/b", "/open/side/s", "/open/side/inner/i"] {
            alice.put(file, "one").status(201);
        }
        house
    }

    /// A hidden folder, in it another one, and in that one a folder.
    fn furnish(&self, at: &str) {
        let deep = format!("{at}/deep");
        for folder in [at, &deep] {
            self.alice.mkcol(folder).status(201);
            self.hide(folder);
        }
        let shown = format!("{deep}/shown");
        self.alice.mkcol(&shown).status(201);
        for file in ["f", "out", "deep/g", "deep/shown/s"] {
            self.alice.put(&format!("{at}/{file}"), "one").status(201);
        }
    }

    fn hide(&self, at: &str) {
        self.grant(at, &["manager", "--user", "alice"]);
        self.grant(at, &["manager", "--user", "carol"]);
        self.grant(at, &["none", "--everyone"]);
    }

    #[track_caller]
    pub(crate) fn grant(&self, at: &str, more: &[&str]) {
        let arguments = [&["grant", "set", at], more].concat();
        let output = run(&mut self.server.command(&arguments), "");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Takes a lock and remembers its token.
    #[track_caller]
    pub(crate) fn lock(&self, client: &Client, at: &str, timeout: &str) {
        let token = client.lock(at, timeout).status(200).lock_token();
        self.tokens.lock().unwrap().insert(at.to_owned(), token);
    }

    pub(crate) fn token(&self, at: &str) -> String {
        self.tokens.lock().unwrap()[at].clone()
    }

    #[track_caller]
    pub(crate) fn unlock(&self, client: &Client, at: &str) {
        client.unlock(at, &self.token(at)).status(204);
    }

    /// The id of what is at a path: the first that is told of it is how it came to be.
    #[track_caller]
    pub(crate) fn id(&self, at: &str) -> String {
        let page = self.alice.get(&format!("/api/events?limit=1&about={at}"));
        let page: Value = serde_json::from_str(&page.status(200).text()).unwrap();
        let id = page["events"][0]["resource"].as_str();
        id.unwrap().to_owned()
    }

    /// A call of the check-out API about something in `/open`.
    #[track_caller]
    pub(crate) fn call(&self, client: &Client, at: &str, (method, what): (&str, &str), body: &str) {
        let (project, inode) = (self.id("/open"), self.id(at));
        let path = format!("/api/project/{project}/inode/{inode}{what}");
        let json = [("Content-Type", "application/json")];
        let headers: &[_] = if body.is_empty() { &[] } else { &json };
        client.send(method, &path, headers, body).status(200);
    }
}

/// An answer as another server would give it.
pub(crate) fn plain(answer: &Response) -> String {
    format!("{} {}", answer.status, answer.text())
}

const PATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\">1</x>\
                     </D:prop></D:set></D:propertyupdate>";

/// Uploads, new files and folders, properties, copies, moves and deletions. What Bob gets to see
/// in the end has always the same length.
pub(crate) fn work(house: &House) {
    let (alice, carol) = (&house.alice, &house.carol);
    for n in 0..5 {
        carol.put("/open/hid/f", format!("{n:03}")).status(204);
        alice
            .put(&format!("/open/hid/deep/new{n}"), "x")
            .status(201);
    }
    alice.mkcol("/open/hid/deep/folder").status(201);
    alice.proppatch("/open/hid/deep/g", PATCH).status(207);
    alice.proppatch("/open/hid", PATCH).status(207);
    carol.copy("/open/hid/f", "/open/hid/deep/new0").status(204);
    carol.copy("/open/hid/deep", "/vault/deep").status(201);
    carol
        .rename("/open/hid/deep/new1", "/open/hid/deep/moved")
        .status(201);
    carol
        .rename("/open/hid/deep/new2", "/open/hid/deep/g")
        .status(204);
    carol
        .rename("/open/hid/deep/new3", "/vault/away")
        .status(201);
    carol.rename("/vault/away", "/open/hid/back").status(201);
    for gone in [
        "deep/new4",
        "deep/new0",
        "deep/moved",
        "deep/folder",
        "back",
    ] {
        carol.delete(&format!("/open/hid/{gone}")).status(204);
    }
    carol.delete("/vault/deep").status(204);
    alice.put("/open/side/inner/i", "two").status(204);
}

/// Locks that are taken, run anew, refuse, lapse, are released, forced and stolen.
pub(crate) fn locks(house: &House) {
    let (alice, carol) = (&house.alice, &house.carol);
    let file = "/open/hid/f";
    house.lock(alice, file, "Second-600");
    let named = format!("(<{}>)", house.token(file));
    alice.send("LOCK", file, &[("If", &named)], "").status(200);
    for _ in 0..3 {
        carol.put(file, "no").status(423);
    }
    carol.delete(file).status(423);
    carol.lock(file, "Infinite").status(423);
    carol.rename("/open/hid/deep/g", file).status(423);
    house.unlock(carol, file);
    house.call(alice, file, ("POST", "/checkout"), "{\"comment\":\"mine\"}");
    house.call(carol, file, ("POST", "/steallock"), "");
    alice.put(file, "no").status(423);
    house.call(carol, file, ("POST", "/checkin"), "");
    house.lock(alice, file, "Second-1");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    carol.put(file, "lap").status(204);
    // The whole of it, which also covers what Bob may read.
    let whole = [("Depth", "infinity"), ("Timeout", "Infinite")];
    let lock = crate::common::LOCK_EXCLUSIVE;
    let token = alice
        .send("LOCK", "/open/hid", &whole, lock)
        .status(200)
        .lock_token();
    carol.put("/open/hid/deep/shown/s", "no").status(423);
    carol.put("/open/hid/deep/g", "no").status(423);
    alice.unlock("/open/hid", &token).status(204);
}

/// Versions are labelled and restored, through both faces.
pub(crate) fn versions(house: &House) {
    let (alice, carol) = (&house.alice, &house.carol);
    let file = "/open/hid/f";
    carol.put(file, "thr").status(204);
    house.call(
        alice,
        file,
        ("PUT", "/version/1/label"),
        "{\"label\":\"secret\"}",
    );
    house.call(carol, file, ("POST", "/version/1/restore"), "");
    house.call(alice, file, ("PUT", "/version/1/label"), "{\"label\":null}");
    let old = "/.lockkeeper/history/open/hid/f/f%20(version%201)";
    alice.copy(old, "/open/hid/old").status(201);
    alice.delete("/open/hid/old").status(204);
}

/// What is refused in the open because of locks that are hidden.
pub(crate) fn refusals(house: &House) {
    house.lock(&house.alice, "/open/hid/deep/g", "Infinite");
    for _ in 0..2 {
        let refused = house.alice.delete("/open");
        assert!([207, 423].contains(&refused.status), "{refused}");
        let refused = house.carol.delete("/open");
        assert!([207, 423].contains(&refused.status), "{refused}");
    }
}

/// The same locks end.
pub(crate) fn releases(house: &House) {
    house.unlock(&house.alice, "/open/hid/deep/g");
    let more = "/open/side/inner/more";
    house.carol.put(more, "x").status(201);
    house.carol.delete(more).status(204);
}

/// Who may do what changes, but never for Bob.
pub(crate) fn grants(house: &House) {
    house.grant("/open/hid/deep", &["none", "--user", "bob"]);
    house.grant("/open/hid", &["editor", "--user", "carol"]);
    house.carol.put("/open/hid/f", "edi").status(204);
    house.grant("/open/hid", &["manager", "--user", "carol"]);
    house.alice.mkcol("/open/hid/own").status(201);
    house.grant("/open/hid/own", &["none", "--user", "carol"]);
    house.carol.put("/open/hid/own/f", "no").status(409);
    house.alice.delete("/open/hid/own").status(204);
}

/// The hidden folder goes, and another one comes in its place, twice.
pub(crate) fn replaced(house: &House) {
    let alice = &house.alice;
    house.lock(alice, "/open/hid/f", "Second-600");
    let named = format!("(<{}>)", house.token("/open/hid/f"));
    house.carol.delete("/open/hid").status(207);
    alice
        .send("DELETE", "/open/hid", &[("If", &named)], "")
        .status(204);
    house.furnish("/vault/one");
    alice.rename("/vault/one", "/open/hid").status(201);
    house.furnish("/vault/two");
    alice.rename("/vault/two", "/open/hid").status(204);
    alice.delete("/open/side/inner").status(204);
    alice.mkcol("/vault/inner").status(201);
    house.hide("/vault/inner");
    alice.rename("/vault/inner", "/open/side/inner").status(201);
    alice.put("/open/side/inner/i", "x").status(201);
}
