//! Webhooks from outside: a real server, a real receiver, and everything that can go wrong between
//! them. Nothing may be missed, doubled events have the same ids, and nobody is told what their
//! user may not see.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure how long something took"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

#[path = "webhooks/commands.rs"]
mod commands;
#[path = "webhooks/hook.rs"]
mod hook;
#[path = "webhooks/receiver.rs"]
mod receiver;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::Server;
use hook::{Hook, ends};
use receiver::{Manner, Receiver, taken_once};
use serde_json::Value;

/// Everything as fast as it can be set.
const QUICK: &str = "[webhooks]\nanswer_seconds_max = 1\nretry_seconds_min = 1\n\
                     retry_seconds_max = 1\n";
/// A failed page stays failed until somebody says so.
const PATIENT: &str = "[webhooks]\nanswer_seconds_max = 1\nretry_seconds_min = 3600\n";

fn created(paths: impl IntoIterator<Item = String>) -> Vec<String> {
    let told = |path| format!("resource.created {path}");
    paths.into_iter().map(told).collect()
}

#[test]
fn everything_comes_in_order_and_signed() {
    let server = Server::start_configured(QUICK);
    let alice = server.user("alice");
    let receiver = Receiver::start(Manner::Take);
    for n in 0..130 {
        alice.put(&format!("/before-{n}"), "x").status(201);
    }
    let hook = Hook::add(
        &server,
        &receiver.url(),
        &["--user", "alice", "--since", "start"],
    );
    let late = Hook::add(&server, &receiver.url(), &["--user", "alice"]);
    let before = created((0..130).map(|n| format!("/before-{n}")));
    assert_eq!(receiver.wait_for_events(130), before);
    alice.put("/after", "x").status(201);
    let both = |messages: &[receiver::Message]| {
        let after = |message: &&receiver::Message| {
            message
                .events()
                .contains(&"resource.created /after".to_owned())
        };
        messages.iter().filter(after).count() == 2
    };
    let messages = receiver.wait_for("the last event, twice", both);
    let (mine, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| {
        let expected = std::panic::catch_unwind(|| message.verify(&hook.secret));
        expected.is_ok()
    });
    assert!(mine.len() >= 3, "pages of at most a hundred");
    assert!(mine.iter().all(|message| message.events().len() <= 100));
    assert_eq!(
        taken_once(&mine),
        [before, created(["/after".to_owned()])].concat()
    );
    assert_eq!(others.len(), 1, "one was added later");
    others[0].verify(&late.secret);
    for message in mine.iter().chain(&others) {
        assert!(
            message.head.starts_with("POST /hook HTTP/1.1\r\n"),
            "{}",
            message.head
        );
        assert!(message.head.contains("content-type: application/json\r\n"));
        assert!(message.head.contains("user-agent: lockkeeper/"));
        assert!(message.id.starts_with("msg_"), "{}", message.id);
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs();
        assert!(now.abs_diff(message.timestamp) < 60);
        assert_eq!(message.page()["missed"], false);
    }
    let working = hook.wait_for(&server, |entry| entry["backlog"] == 0);
    assert_eq!(working["state"], "working");
    let metrics = server
        .admin()
        .get("/.lockkeeper/metrics")
        .status(200)
        .text();
    assert!(metrics.contains(&format!(
        "lockkeeper_webhook_backlog{{webhook=\"{}\"}} 0",
        hook.id
    )));
    assert!(
        metrics.contains("lockkeeper_webhook_pages_total{result=\"delivered\"}"),
        "{metrics}"
    );
}

#[test]
fn a_receiver_that_was_down_misses_nothing() {
    let server = Server::start_configured(PATIENT);
    let alice = server.user("alice");
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/hook?token=sesame");
    let hook = Hook::add(&server, &url, &["--user", "alice"]);
    alice.put("/first", "x").status(201);
    let failing = hook.wait_for(&server, |entry| entry["state"] == "failing");
    let error = failing["last_error"].as_str().unwrap();
    assert!(error.contains("onnection refused"), "{error}");
    assert_eq!(failing["failures"], 1);
    for n in 0..20 {
        alice.put(&format!("/f{n}"), "x").status(201);
    }
    assert_eq!(hook.entry(&server)["backlog"], 21);
    let table = ends(&server, 0, &["webhook", "list"]);
    assert!(table.contains("failing") && table.contains("21"), "{table}");
    for told in [table, server.log(), failing.to_string()] {
        assert!(
            !told.contains("sesame") && !told.contains("whsec_"),
            "{told}"
        );
    }
    let receiver = Receiver::start_at(port);
    hook.retry(&server);
    let all = ["/first".to_owned()]
        .into_iter()
        .chain((0..20).map(|n| format!("/f{n}")));
    assert_eq!(receiver.wait_for_events(21), created(all));
    let messages = receiver.messages();
    assert_eq!(
        messages[0].events().len(),
        1,
        "what had failed comes as it was"
    );
    assert!(messages[0].head.starts_with("POST /hook?token=sesame "));
    let working = hook.wait_for(&server, |entry| entry["backlog"] == 0);
    assert_eq!(working["state"], "working");
    assert!(
        working["last_error"].is_null() && working["next_try"].is_null(),
        "{working}"
    );
}

#[test]
fn what_is_not_taken_comes_again_as_the_same_message() {
    fn check(manner: Manner, error: &str) {
        let server = Server::start_configured(QUICK);
        let alice = server.user("alice");
        let receiver = Receiver::start(manner);
        let hook = Hook::add(&server, &receiver.url(), &["--user", "alice"]);
        alice.put("/a", "x").status(201);
        receiver.wait_for("a try", |messages| !messages.is_empty());
        alice.put("/b", "x").status(201);
        let failing = hook.wait_for(&server, |entry| entry["state"] == "failing");
        let said = failing["last_error"].as_str().unwrap();
        assert!(said.contains(error), "{manner:?}: {said}");
        receiver.wait_for("another try", |messages| messages.len() >= 2);
        receiver.behave(Manner::Take);
        assert_eq!(
            receiver.wait_for_events(2),
            created(["/a".to_owned(), "/b".to_owned()])
        );
        let messages = receiver.messages();
        let (last, tries) = messages.split_last().unwrap();
        assert!(tries.len() >= 3 || manner == Manner::Hang, "{tries:?}");
        for message in tries {
            message.verify(&hook.secret);
            assert_eq!(message.id, messages[0].id);
            assert_eq!(message.events(), created(["/a".to_owned()]));
        }
        assert_ne!(last.id, messages[0].id);
    }
    check(
        Manner::Answer(500, "X-A: b"),
        "answered 500 Internal Server Error: no thanks",
    );
    check(
        Manner::Answer(302, "Location: http://127.0.0.1:1/"),
        "redirects are not followed",
    );
    check(Manner::Hang, "did not answer within 1 s");
    check(Manner::Close, "connection closed before message completed");
}

#[test]
fn a_receiver_that_is_gone_is_left_alone_until_it_is_wanted() {
    let server = Server::start_configured(QUICK);
    let alice = server.user("alice");
    let receiver = Receiver::start(Manner::Answer(410, "X-A: b"));
    let hook = Hook::add(&server, &receiver.url(), &["--user", "alice"]);
    alice.put("/a", "x").status(201);
    let gone = hook.wait_for(&server, |entry| entry["state"] == "gone");
    assert_eq!(gone["last_error"], "the receiver answered 410 Gone");
    receiver.behave(Manner::Take);
    alice.put("/b", "x").status(201);
    let server = server.restart();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(receiver.messages().len(), 1);
    hook.retry(&server);
    assert_eq!(
        receiver.wait_for_events(2),
        created(["/a".to_owned(), "/b".to_owned()])
    );
}

#[test]
fn nothing_is_lost_by_kill_9() {
    let mut server = Server::start_configured(QUICK);
    let mut alice = server.user("alice");
    let receiver = Receiver::start(Manner::Take);
    let hook = Hook::add(&server, &receiver.url(), &["--user", "alice"]);
    let mut expected = Vec::new();
    for round in 0..4 {
        let manner = match round {
            0 => Manner::Hang,
            1 => Manner::Answer(503, "X-A: b"),
            _ => Manner::Take,
        };
        receiver.behave(manner);
        for n in 0..15 {
            let path = format!("/{round}-{n}");
            alice.put(&path, "x").status(201);
            expected.push(path);
            if n == 7 + round {
                let seen = receiver.messages().len();
                receiver.wait_for("anything", |messages| !messages.is_empty() || seen > 0);
            }
        }
        server.kill();
        receiver.behave(Manner::Take);
        server = server.restart();
        alice = server.client("alice", "alice-password");
    }
    let expected = created(expected);
    assert_eq!(receiver.wait_for_events(expected.len()), expected);
    receiver
        .messages()
        .iter()
        .for_each(|message| message.verify(&hook.secret));
    hook.wait_for(&server, |entry| {
        entry["backlog"] == 0 && entry["state"] == "working"
    });
}

#[test]
fn nobody_is_told_what_their_user_may_not_see() {
    let server = Server::start_configured(QUICK);
    let alice = server.user("alice");
    server.user("bob");
    for folder in ["/open", "/private"] {
        alice.mkcol(folder).status(201);
    }
    ends(
        &server,
        0,
        &["grant", "set", "/private", "editor", "--user", "alice"],
    );
    ends(
        &server,
        0,
        &["grant", "set", "/private", "none", "--everyone"],
    );
    let receiver = Receiver::start(Manner::Take);
    Hook::add(&server, &receiver.url(), &["--user", "bob"]);
    for n in 0..30 {
        alice.put(&format!("/private/secret-{n}"), "x").status(201);
    }
    alice.put("/open/a", "x").status(201);
    assert_eq!(receiver.wait_for_events(1), created(["/open/a".to_owned()]));
    alice.rename("/open/a", "/private/a").status(201);
    alice.put("/private/a", "y").status(204);
    alice.put("/open/b", "x").status(201);
    let seen = receiver.wait_for_events(3);
    assert_eq!(
        seen[1..],
        ["resource.deleted /open/a", "resource.created /open/b"]
    );
    ends(&server, 0, &["grant", "set", "/open", "none", "--everyone"]);
    alice.mkcol("/free").status(201);
    assert_eq!(receiver.wait_for_events(4)[3], "resource.created /free");
    for message in receiver.messages() {
        let body = String::from_utf8(message.body).unwrap();
        assert!(
            !body.contains("private") && !body.contains("secret"),
            "{body}"
        );
        assert_ne!(body, "", "nothing is posted where there is nothing to tell");
    }
    assert!(
        receiver
            .messages()
            .iter()
            .all(|message| !message.events().is_empty())
    );
}

#[test]
fn a_removed_user_takes_the_webhooks_along() {
    let server = Server::start_configured(QUICK);
    let alice = server.user("alice");
    server.user("bob");
    let receiver = Receiver::start(Manner::Take);
    Hook::add(&server, &receiver.url(), &["--user", "bob"]);
    let hers = Hook::add(&server, &receiver.url(), &["--user", "alice"]);
    ends(&server, 0, &["user", "remove", "bob"]);
    alice.put("/a", "x").status(201);
    receiver.wait_for_events(1);
    std::thread::sleep(Duration::from_millis(500));
    let messages = receiver.messages();
    assert_eq!(messages.len(), 1);
    messages[0].verify(&hers.secret);
    let left: Vec<Value> =
        serde_json::from_str(&ends(&server, 0, &["webhook", "list", "--json"])).unwrap();
    assert_eq!(left.len(), 1);
    ends(&server, 0, &["webhook", "remove", &hers.id]);
    alice.put("/b", "x").status(201);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(receiver.messages().len(), 1);
}

#[test]
fn long_pages_are_split() {
    let deep = "[limits]\npath_bytes_max = 65536\n";
    let server = Server::start_configured(deep);
    let alice = server.user("alice");
    let receiver = Receiver::start(Manner::Take);
    // Each of these characters takes two in JSON.
    let plain = |path: &str| path.replace("%22", "\"");
    let mut folder = String::new();
    let mut paths = Vec::new();
    for _ in 0..30 {
        folder += &format!("/{}", "%22".repeat(250));
        alice.mkcol(&folder).status(201);
        paths.push(plain(&folder));
    }
    for n in 0..110 {
        let path = format!("{folder}/{n}");
        alice.put(&path, "x").status(201);
        paths.push(plain(&path));
    }
    let from_the_start = &["--user", "alice", "--since", "start"];
    let hook = Hook::add(&server, &receiver.url(), from_the_start);
    assert_eq!(receiver.wait_for_events(140), created(paths));
    let messages = receiver.messages();
    let longest = messages.iter().map(|message| message.body.len()).max();
    assert!(
        (500_000..=1 << 20).contains(&longest.unwrap()),
        "{longest:?}"
    );
    messages
        .iter()
        .for_each(|message| message.verify(&hook.secret));
}

#[test]
fn a_dead_receiver_is_in_nobodys_way() {
    let slow = "[webhooks]\nanswer_seconds_max = 60\n[server]\nshutdown_seconds_max = 5\n";
    let mut server = Server::start_configured(slow);
    let alice = server.user("alice");
    let (dead, alive) = (Receiver::start(Manner::Hang), Receiver::start(Manner::Take));
    for _ in 0..5 {
        Hook::add(&server, &dead.url(), &["--user", "alice"]);
        Hook::add(&server, &alive.url(), &["--user", "alice"]);
    }
    let start = Instant::now();
    for n in 0..10 {
        alice.put(&format!("/{n}"), "x").status(201);
        let what = "five times the event";
        let last = format!("resource.created /{n}");
        let told = |message: &&receiver::Message| message.events().contains(&last);
        alive.wait_for(what, |messages| messages.iter().filter(told).count() == 5);
    }
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(dead.messages().len(), 5);
    let start = Instant::now();
    assert!(server.stop().success());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_webhook_may_be_confined_to_a_folder() {
    let server = Server::start_configured(QUICK);
    let alice = server.user("alice");
    alice.mkcol("/team").status(201);
    let receiver = Receiver::start(Manner::Take);
    let hook = Hook::add(
        &server,
        &receiver.url(),
        &["--user", "alice", "--path", "/team"],
    );
    alice.put("/team/a", "x").status(201);
    alice.put("/elsewhere", "x").status(201);
    alice.rename("/team", "/crew").status(201);
    alice.put("/crew/b", "x").status(201);
    assert_eq!(hook.entry(&server)["about"]["path"], "/crew");
    alice.delete("/crew").status(204);
    alice.put("/last", "x").status(201);
    let seen = receiver.wait_for_events(4);
    assert_eq!(seen[0], "resource.created /team/a");
    assert_eq!(seen[1], "resource.moved /crew");
    assert_eq!(seen[2], "resource.created /crew/b");
    assert_eq!(seen[3], "resource.deleted /crew");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.wait_for_events(4).len(), 4);
    assert!(hook.entry(&server)["about"]["path"].is_null());
}
