//! `lockkeeper version …` as its users type it, while a server runs and while none does.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

use common::{Server, run};
use serde_json::Value;

/// Runs a command: its exit code, and what it says somewhere. Gives what it printed.
#[track_caller]
fn check(server: &Server, arguments: &[&str], code: i32, says: &str) -> String {
    let output = run(&mut server.command(arguments), "");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let told = format!("{out}{err}");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert!(told.contains(says), "{arguments:?}: {told}");
    out
}

#[track_caller]
fn listed(server: &Server) -> Vec<Value> {
    let json = check(server, &["version", "list", "/a/f", "--json"], 0, "");
    serde_json::from_str(&json).expect("JSON")
}

fn server() -> Server {
    let server = Server::start();
    for name in ["alice", "bob", "rita", "nemo"] {
        server.user(name);
    }
    let alice = server.client("alice", "alice-password");
    alice.mkcol("/a").status(201);
    alice.put("/a/f", "one").status(201);
    alice.put("/a/f", "second").status(204);
    for (user, role) in [("rita", "reader"), ("nemo", "none")] {
        check(
            &server,
            &["grant", "set", "/a", role, "--user", user],
            0,
            "",
        );
    }
    server
}

#[test]
fn versions_are_listed_restored_and_labelled() {
    let mut server = server();
    let table = check(&server, &["version", "list", "/a/f"], 0, "");
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    let titles = ["VERSION", "SIZE", "AUTHOR", "UPLOADED", "UNDER", "LABEL"];
    assert_eq!(lines[0], titles);
    assert_eq!((lines[1][0], lines[1][1], lines[1][2]), ("2", "6", "alice"));
    assert_eq!((lines[2][0], lines[2][4], lines[2][5]), ("1", "-", "-"));

    let label = ["version", "label", "/a/f", "1", "as sent", "--as", "bob"];
    check(&server, &label, 0, "as sent");
    check(
        &server,
        &["version", "restore", "/a/f", "1", "--as", "bob"],
        0,
        "bob",
    );
    let versions = listed(&server);
    let members = |name: &str| versions.iter().map(|v| v[name].clone()).collect::<Vec<_>>();
    assert_eq!(members("number"), [3, 2, 1]);
    assert_eq!(members("current"), [true, false, false]);
    assert_eq!(members("size"), [3, 6, 3]);
    assert_eq!(members("author"), ["bob", "alice", "alice"]);
    assert_eq!(
        members("label"),
        [Value::Null, Value::Null, "as sent".into()]
    );
    let alice = server.client("alice", "alice-password");
    assert_eq!(alice.get("/a/f").status(200).text(), "one");

    // The same without a server.
    assert!(server.stop().success());
    assert_eq!(listed(&server), versions);
    check(
        &server,
        &["version", "unlabel", "/a/f", "1", "--as", "alice"],
        0,
        "",
    );
    check(
        &server,
        &["version", "restore", "/a/f", "2", "--as", "alice"],
        0,
        "",
    );
    let versions = listed(&server);
    assert_eq!(
        (&versions[0]["number"], &versions[0]["size"]),
        (&4.into(), &6.into())
    );
    assert_eq!(versions[3]["label"], Value::Null);
}

#[test]
fn what_cannot_be_done_is_said() {
    let server = server();
    let server = &server;
    let restore = |path: &'static str, number: &'static str, user: &'static str| {
        ["version", "restore", path, number, "--as", user]
    };
    check(server, &["version", "restore", "/a/f", "1"], 2, "--as");
    check(server, &restore("a/f", "1", "alice"), 2, "begin with '/'");
    check(server, &restore("/a/f", "x", "alice"), 2, "invalid value");
    check(server, &restore("/a/f", "1", "nobody"), 3, "nobody");
    check(server, &restore("/a/gap", "1", "alice"), 3, "nothing");
    check(server, &restore("/a/f", "7", "alice"), 3, "no version 7");
    check(
        server,
        &restore("/a", "1", "alice"),
        4,
        "only files have versions",
    );
    check(
        server,
        &restore("/a/f", "1", "rita"),
        4,
        "rita lacks the privilege write",
    );
    check(
        server,
        &restore("/a/f", "1", "nemo"),
        4,
        "nemo lacks the privilege write",
    );
    check(server, &["version", "list", "/a/gap"], 3, "nothing");
    check(
        server,
        &["version", "list", "/a"],
        4,
        "only files have versions",
    );
    let label = |number: &'static str, label: &'static str| {
        ["version", "label", "/a/f", number, label, "--as", "alice"]
    };
    check(server, &label("1", " "), 2, "a label has 1 to 100");
    check(server, &label("7", "x"), 3, "no version 7");
    check(server, &["lock", "check-out", "/a/f", "--as", "bob"], 0, "");
    check(
        server,
        &restore("/a/f", "1", "alice"),
        4,
        "checked out by bob",
    );
    check(
        server,
        &restore("/a/f", "1", "admin"),
        4,
        "checked out by bob",
    );
    check(server, &label("1", "x"), 4, "checked out by bob");
    assert_eq!(listed(server).len(), 2);
    check(server, &restore("/a/f", "1", "bob"), 0, "persistent");
}
