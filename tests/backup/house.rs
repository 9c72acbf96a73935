//! A server with something of everything, and a way to look at all of it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::common::{Client, LOCK_EXCLUSIVE, Server, run};
use crate::receiver::{Manner, Message, Receiver};

pub struct House {
    pub server: Server,
    receiver: Receiver,
    /// Of alice: path and token.
    locks: Vec<(String, String)>,
    key: String,
    last_event: String,
}

const PATIENT: &str = "[webhooks]\nretry_seconds_min = 3600\n";
const LARGE_BYTES: usize = 3_000_000;
const FILES: [&str; 9] = [
    "/team/empty.txt",
    "/team/small.txt",
    "/team/large.bin",
    "/team/copy.bin",
    "/team/J%C3%B6rg%20%26%20Co%20(1)%20%23%25.txt",
    "/team/deep/er/file.txt",
    "/team/history.txt",
    "/team/frozen.txt",
    "/team/out.odt",
];

/// So many bytes that no other seed has.
pub fn content(seed: usize, bytes: usize) -> Vec<u8> {
    let mut dice = crate::support::Dice(seed as u64);
    let words = std::iter::repeat_with(|| dice.roll(usize::MAX).to_le_bytes());
    words.flatten().take(bytes).collect()
}

impl House {
    pub fn build() -> Self {
        let server = Server::start_configured(PATIENT);
        let receiver = Receiver::start(Manner::Answer(503, "X-A: b"));
        let (alice, bob) = (server.user("alice"), server.user("bob"));
        command(
            &server,
            &["user", "set", "bob", "--email", "bob@example.org"],
        );
        let url = receiver.url();
        let since = ["--user", "alice", "--since", "start"];
        command(&server, &[&["webhook", "add", &url][..], &since].concat());
        for folder in ["/team", "/team/deep", "/team/deep/er", "/team/none"] {
            alice.mkcol(folder).status(201);
        }
        let sizes = [0, 100, LARGE_BYTES, 0, 17, 4096, 5000, 6000, 70_000];
        for (n, (file, size)) in FILES.iter().zip(sizes).enumerate() {
            if *file != "/team/copy.bin" {
                alice.put(file, content(n, size)).status(201);
            }
        }
        alice.copy("/team/large.bin", "/team/copy.bin").status(201);
        properties(&alice);
        for n in 10..14 {
            bob.put("/team/history.txt", content(n, n * 1000))
                .status(204);
        }
        let history = "/team/history.txt";
        let label = [
            "version",
            "label",
            history,
            "2",
            "the good one",
            "--as",
            "bob",
        ];
        command(&server, &label);
        people(&server);
        let key = command(
            &server,
            &["token", "add", "alice", "--name", "robot", "--json"],
        );
        let mut house = Self {
            locks: locks(&server, &alice),
            key: secret_in(&key),
            server,
            receiver,
            last_event: String::new(),
        };
        let before = house.content_files();
        alice.put("/team/gone.txt", content(20, 9000)).status(201);
        alice.delete("/team/gone.txt").status(204);
        house.wait_for_the_sweep(before);
        alice.rename("/team/none", "/team/renamed").status(201);
        // Refused by a lock, which is an event as well.
        bob.put("/team/small.txt", "no").status(423);
        house.last_event = Self::events(&house.server).pop().unwrap();
        house
    }

    fn content_files(&self) -> usize {
        crate::files_in(&self.server.data().join("content")).len()
    }

    /// Afterwards nothing changes by itself.
    fn wait_for_the_sweep(&self, files: usize) {
        for _ in 0..300 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            if self.content_files() == files {
                // Behind the file goes its row.
                std::thread::sleep(std::time::Duration::from_millis(300));
                return;
            }
        }
        panic!("the sweep did not come by");
    }

    fn events(server: &Server) -> Vec<String> {
        // Refusals are written down a moment later.
        let mut told = String::new();
        for _ in 0..100 {
            told = command(server, &["events", "--no-follow", "--json"]);
            if told.contains("refused") || told.contains("denied") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        told.lines().map(str::to_owned).collect()
    }

    /// Everything that can be seen, a text for each look.
    pub fn look(&self) -> Vec<String> {
        self.look_at(&self.server)
    }

    pub fn look_at(&self, server: &Server) -> Vec<String> {
        let mut seen = Vec::new();
        for list in ["user", "group", "grant", "token", "lock"] {
            seen.push(command(server, &[list, "list", "--json"]));
        }
        seen.push(command(server, &["group", "show", "builders", "--json"]));
        let hooks: Value = json(&command(server, &["webhook", "list", "--json"]));
        seen.push(format!("{} {}", hooks[0]["url"], hooks[0]["user"]));
        seen.extend(Self::events(server));
        for name in ["alice", "bob", "rita"] {
            let client = server.client(name, &format!("{name}-password"));
            seen.push(tree(&client));
            for file in FILES {
                let answer = client.get(file);
                let mut told = format!("{name} {file} {}", answer.status);
                for header in ["etag", "last-modified", "content-type"] {
                    let _ = write!(told, " {:?}", answer.header(header));
                }
                let sum = crc32fast::hash(&answer.body);
                let _ = write!(told, " {} bytes, sum {sum:08x}", answer.body.len());
                seen.push(told);
                seen.push(command(
                    server,
                    &["version", "list", &decoded(file), "--json"],
                ));
            }
        }
        let key = server
            .anonymous()
            .authorized(&format!("Bearer {}", self.key));
        seen.push(tree(&key));
        seen
    }

    /// Old tokens still hold, what is new comes behind what was there, and the webhook goes on.
    pub fn goes_on(&self, server: &Server) {
        let alice = server.client("alice", "alice-password");
        let bob = server.client("bob", "bob-password");
        for (path, token) in &self.locks {
            let held = format!("(<{token}>)");
            let refreshed = alice.send("LOCK", path, &[("If", &held)], "");
            refreshed.status(200);
        }
        bob.put("/team/small.txt", "no").status(423);
        bob.put("/team/frozen.txt", "no").status(423);
        let (path, token) = &self.locks[0];
        let held = [("If", &*format!("(<{token}>)"))];
        alice.send("PUT", path, &held, "after").status(204);
        alice
            .put("/team/after.bin", content(30, 50_000))
            .status(201);
        assert_eq!(alice.get("/team/after.bin").body, content(30, 50_000));
        let events = Self::events(server);
        let last = events.iter().position(|event| *event == self.last_event);
        let last = last.expect("what was last is still there");
        let (old, new) = (&events[..=last], &events[last + 1..]);
        assert!(
            new.iter().any(|event| event.contains("after.bin")),
            "{new:?}"
        );
        assert!(!old.iter().any(|event| event.contains("after.bin")));

        let before = self.receiver.messages().len();
        self.receiver.behave(Manner::Take);
        let hooks: Value = json(&command(server, &["webhook", "list", "--json"]));
        let id = hooks[0]["id"].as_str().map(str::to_owned);
        let id = id.unwrap_or_else(|| hooks[0]["id"].to_string());
        command(server, &["webhook", "retry", &id]);
        let new = "resource.created /team/after.bin";
        let messages = self.receiver.wait_for("the latest event", |messages| {
            let mut told = messages[before..].iter().flat_map(Message::events);
            told.any(|event| event == new)
        });
        let told: Vec<String> = messages[before..]
            .iter()
            .flat_map(Message::event_ids)
            .collect();
        let mut once = told.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), told.len(), "each once");
        assert!(told.len() > 30, "from the start: {}", told.len());
        self.receiver.behave(Manner::Answer(503, "X-A: b"));
    }
}

fn properties(alice: &Client) {
    let long = "x".repeat(20_000);
    for (file, value) in [("/team/small.txt", "blue"), ("/team/deep", &*long)] {
        let body = format!(
            "<propertyupdate xmlns='DAV:'><set><prop><color xmlns='urn:x' a='1'>{value}</color>\
             </prop></set></propertyupdate>"
        );
        alice.proppatch(file, &body).status(207).containing("200");
    }
}

fn people(server: &Server) {
    server.user("rita");
    let more: [&[&str]; 4] = [
        &["group", "add", "builders"],
        &["group", "add-member", "builders", "bob"],
        &["grant", "set", "/team", "manager", "--group", "builders"],
        &["grant", "set", "/team/deep", "none", "--user", "rita"],
    ];
    for arguments in more {
        command(server, arguments);
    }
}

/// Locks of every kind, scope and depth.
fn locks(server: &Server, alice: &Client) -> Vec<(String, String)> {
    let shared = LOCK_EXCLUSIVE.replace("exclusive", "shared");
    let mut locks = Vec::new();
    let asked = [
        ("/team/small.txt", LOCK_EXCLUSIVE, "0", "Second-3600"),
        ("/team/large.bin", &*shared, "0", "Infinite"),
        ("/team/deep", LOCK_EXCLUSIVE, "infinity", "Second-86400"),
    ];
    for (path, body, depth, timeout) in asked {
        let headers = [("Depth", depth), ("Timeout", timeout)];
        let answer = alice.send("LOCK", path, &headers, body).status(200);
        locks.push((path.to_owned(), answer.lock_token()));
    }
    command(
        server,
        &["lock", "freeze", "/team/frozen.txt", "--as", "alice"],
    );
    command(
        server,
        &["lock", "check-out", "/team/out.odt", "--as", "bob"],
    );
    locks
}

/// All properties of all resources.
fn tree(client: &Client) -> String {
    let mut told = String::new();
    let mut left = vec!["/".to_owned()];
    while let Some(path) = left.pop() {
        let answer = client.propfind(&path, "1", "");
        told += &without_countdowns(&answer.text());
        let all = crate::programs::elements(&answer, "href");
        let below = all.iter().filter(|href| {
            href.ends_with('/') && href.len() > path.len() && href.starts_with(&path)
        });
        left.extend(below.cloned());
    }
    told
}

/// A lock's timeout is told as the seconds that are left.
fn without_countdowns(text: &str) -> String {
    let mut parts = text.split("Second-");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        told += "Second-N";
        told += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    told
}

#[track_caller]
fn command(server: &Server, arguments: &[&str]) -> String {
    let output = run(&mut server.command(arguments), "");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn secret_in(reply: &str) -> String {
    let reply = json(reply);
    let object = reply.as_object().unwrap();
    let secret = object
        .iter()
        .find(|(name, _)| *name == "key" || *name == "secret");
    secret.unwrap().1.as_str().unwrap().to_owned()
}

fn decoded(path: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8();
    decoded.unwrap().into_owned()
}
