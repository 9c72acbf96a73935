//! `lockkeeper lock …` as scripts use it: what it prints, and its exit codes. What the locks do is
//! tried in `tests/faces.rs`.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

use common::{Server, run};
use serde_json::Value;

/// A server with a file `/a/f`, a reader Rita, and Nemo, for whom `/a` does not exist.
fn server() -> Server {
    let server = Server::start();
    for name in ["alice", "rita", "nemo"] {
        server.user(name);
    }
    let alice = server.client("alice", "alice-password");
    alice.mkcol("/a").status(201);
    alice.put("/a/f", "one").status(201);
    check(
        &server,
        &["grant", "set", "/a", "reader", "--user", "rita"],
        0,
        "",
    );
    check(
        &server,
        &["grant", "set", "/a", "none", "--user", "nemo"],
        0,
        "",
    );
    server
}

/// Runs a command: its exit code, and what it says somewhere. Gives what it printed.
#[track_caller]
fn check(server: &Server, arguments: &[&str], code: i32, says: &str) -> String {
    let output = run(&mut server.command(arguments), "");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {out}{err}"
    );
    assert!(
        format!("{out}{err}").contains(says),
        "{arguments:?}: {out}{err}"
    );
    out
}

#[track_caller]
fn locks(server: &Server, arguments: &[&str]) -> Vec<Value> {
    let json = check(server, arguments, 0, "");
    serde_json::from_str(&json).expect("JSON")
}

#[test]
fn what_cannot_be_taken_is_said() {
    let server = server();
    let server = &server;
    check(server, &["lock", "check-out", "/a/f"], 2, "--as");
    check(
        server,
        &["lock", "check-out", "a/f", "--as", "alice"],
        2,
        "begin with '/'",
    );
    check(
        server,
        &["lock", "check-out", "/a/f", "--as", "nobody"],
        3,
        "nobody",
    );
    check(
        server,
        &["lock", "check-out", "/a/missing", "--as", "alice"],
        3,
        "nothing",
    );
    check(
        server,
        &["lock", "check-out", "/a/f", "--as", "rita"],
        4,
        "rita lacks the privilege lock",
    );
    check(
        server,
        &["lock", "freeze", "/a/f", "--as", "nemo"],
        4,
        "nemo lacks the privilege freeze",
    );
    check(
        server,
        &["lock", "steal", "/a/f", "--as", "alice"],
        3,
        "no persistent lock",
    );
    check(server, &["lock", "thaw", "/a/f"], 3, "no read-only lock");
    check(
        server,
        &["lock", "release", "/a/f"],
        3,
        "nothing is locked here",
    );

    check(
        server,
        &["lock", "check-out", "/a/f", "--as", "alice"],
        0,
        "alice",
    );
    check(
        server,
        &["lock", "check-out", "/a/f", "--as", "alice"],
        4,
        "checked out by alice",
    );
    check(
        server,
        &["lock", "freeze", "/a", "--as", "alice", "--recursive"],
        4,
        "",
    );
    check(
        server,
        &["lock", "steal", "/a/f", "--as", "nemo"],
        4,
        "nemo lacks",
    );
    check(
        server,
        &["lock", "release", "/a/f", "--token", "x"],
        2,
        "no lock token",
    );
    let other = "urn:uuid:00000000-0000-4000-8000-000000000000";
    check(
        server,
        &["lock", "release", "/a/f", "--token", other],
        3,
        "",
    );
    check(
        server,
        &["lock", "steal", "/a/f", "--as", "admin", "--token", other],
        3,
        "",
    );
}

#[test]
fn what_is_listed() {
    let server = server();
    let alice = server.client("alice", "alice-password");
    check(
        &server,
        &[
            "lock",
            "check-out",
            "/a/f",
            "--as",
            "alice",
            "--comment",
            "mine",
        ],
        0,
        "",
    );
    alice.put("/b", "two").status(201);
    alice.lock("/b", "Second-600").status(200);
    check(
        &server,
        &["lock", "freeze", "/", "--as", "admin"],
        0,
        "read-only",
    );

    let all = locks(&server, &["lock", "list", "--json"]);
    let field = |name: &str| -> Vec<&str> {
        all.iter()
            .map(|lock| lock[name].as_str().unwrap_or("-"))
            .collect()
    };
    assert_eq!(field("path"), ["/", "/a/f", "/b"]);
    assert_eq!(field("kind"), ["read-only", "persistent", "transient"]);
    assert_eq!(field("holder"), ["admin", "alice", "alice"]);
    assert_eq!(field("comment"), ["-", "mine", "-"]);
    assert!(all[2]["expires"].is_string() && all[0]["expires"].is_null());
    assert_eq!(
        locks(&server, &["lock", "list", "--json", "--user", "alice"]),
        all[1..]
    );
    assert_eq!(
        locks(&server, &["lock", "list", "--json", "--kind", "read-only"]),
        all[..1]
    );
    assert_eq!(
        locks(&server, &["lock", "show", "/a/f", "--json"]),
        all[1..2]
    );

    let token = all[1]["token"].as_str().expect("a token");
    let stolen = [
        "lock", "steal", "/a/f", "--as", "admin", "--token", token, "--json",
    ];
    let heir = locks(&server, &stolen);
    assert_eq!(heir[0]["holder"], "admin");
    check(&server, &stolen, 3, "");
    assert_eq!(locks(&server, &["lock", "release", "/a/f", "--json"]), heir);
    assert_eq!(
        locks(&server, &["lock", "show", "/a/f", "--json"]),
        [] as [Value; 0]
    );
}
