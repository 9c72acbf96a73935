//! cadaver: a person at a prompt. Its `lock` sends no `Timeout`, which makes a transient lock, and
//! it forgets its tokens when it ends. Its `steal` takes over a token by reading it, which helps
//! the owner in another session and must not help another user.

use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::{Client, Server};
use crate::programs::{assert_no_lock_left, elements, installed, locks_below, told};

#[test]
fn lock_put_steal_and_unlock() {
    if !installed(&["cadaver"]) {
        return;
    }
    let mut server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    alice.put("/plan.txt", "one\n").status(201);

    let said = cadaver(&server, "alice", "lock plan.txt\nput two plan.txt\n");
    assert!(!said.contains("failed"), "{said}");
    alice.get("/plan.txt").status(200).containing("two\n");
    assert_eq!(lock_seen_by(&bob), ["Second-1800", "transient", "alice"]);
    nothing_helps_bob(&server, &bob);

    let said = cadaver(&server, "alice", "put three plan.txt\n");
    assert!(
        said.contains("423 Locked"),
        "the owner without the token: {said}"
    );
    let said = cadaver(
        &server,
        "alice",
        "steal plan.txt\nput three plan.txt\nunlock plan.txt\n",
    );
    assert!(!said.contains("failed"), "{said}");
    alice.get("/plan.txt").status(200).containing("three\n");
    assert_no_lock_left(&alice);
    let said = cadaver(&server, "bob", "put two plan.txt\ndelete plan.txt\n");
    assert!(!said.contains("failed"), "{said}");
    bob.get("/plan.txt").status(404);
    assert!(server.stop().success());
}

#[test]
fn a_check_out() {
    if !installed(&["cadaver"]) {
        return;
    }
    let mut server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    alice.put("/plan.txt", "one\n").status(201);
    alice.lock("/plan.txt", "Infinite").status(200);
    assert_eq!(lock_seen_by(&bob), ["Infinite", "persistent", "alice"]);

    // It belongs to alice in every session, token or not.
    let said = cadaver(&server, "alice", "put two plan.txt\n");
    assert!(!said.contains("failed"), "{said}");
    nothing_helps_bob(&server, &bob);
    for refused in ["delete plan.txt\n", "move plan.txt other.txt\n"] {
        let said = cadaver(&server, "alice", &format!("steal plan.txt\n{refused}"));
        assert!(said.contains("423 Locked"), "check it in first: {said}");
    }
    let said = cadaver(
        &server,
        "alice",
        "steal plan.txt\nunlock plan.txt\ndelete plan.txt\n",
    );
    assert!(!said.contains("failed"), "{said}");
    alice.get("/plan.txt").status(404);
    assert!(server.stop().success());
}

/// cadaver knows reports: its `history` asks for the versions, in which it can walk about, too.
#[test]
fn old_versions() {
    if !installed(&["cadaver"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    for text in ["one", "two, longer"] {
        alice.put("/plan.txt", text);
    }
    let said = cadaver(&server, "alice", "history plan.txt\n");
    for told in [
        "2 versions in history",
        "plan%20(version%201).txt          3",
        "<1>",
        "<2>",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let first = "plan\\ (version\\ 1).txt";
    let said = cadaver(
        &server,
        "alice",
        &format!("cd .lockkeeper/history/plan.txt\nls\ncat {first}\nput two {first}\nrm {first}\n"),
    );
    for told in ["plan (version 1).txt", "plan (version 2).txt", "one"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(said.matches("403 Forbidden").count(), 2, "{said}");
    assert!(server.stop().success());
}

/// `/plan.txt` holds "two" and is locked: bob can read it, and that is all.
fn nothing_helps_bob(server: &Server, bob: &Client) {
    for refused in [
        "put three plan.txt\n",
        "lock plan.txt\n",
        "delete plan.txt\n",
        "move plan.txt his.txt\n",
        "propset plan.txt colour red\n",
        "steal plan.txt\nput three plan.txt\ndelete plan.txt\nunlock plan.txt\n",
    ] {
        let said = cadaver(server, "bob", refused);
        assert!(!said.contains("succeeded"), "bob could {refused}{said}");
        bob.get("/plan.txt").status(200).containing("two\n");
        assert_eq!(locks_below(bob, "/").len(), 1, "after {refused}");
    }
    let said = cadaver(server, "bob", "get plan.txt copy\n");
    assert!(said.contains("succeeded"), "{said}");
}

/// Timeout, kind and holder of the lock on `/plan.txt`.
fn lock_seen_by(client: &Client) -> Vec<String> {
    let discovery = "<propfind xmlns='DAV:'><prop><lockdiscovery/></prop></propfind>";
    let seen = client.propfind("/plan.txt", "0", discovery).status(207);
    ["timeout", "kind", "holder"]
        .iter()
        .flat_map(|name| elements(&seen, name))
        .collect()
}

/// What cadaver says to these commands, in a folder with the files `two` and `three`.
fn cadaver(server: &Server, user: &str, commands: &str) -> String {
    let folder = TempDir::new().unwrap();
    for name in ["two", "three"] {
        std::fs::write(folder.path().join(name), format!("{name}\n")).unwrap();
    }
    // Without a terminal cadaver takes credentials from .netrc only.
    let credentials = format!("machine 127.0.0.1 login {user} password {user}-password\n");
    std::fs::write(folder.path().join(".netrc"), credentials).unwrap();
    let mut child = Command::new("cadaver")
        .arg(server.url("/"))
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{commands}quit\n").as_bytes())
        .unwrap();
    told(&child.wait_with_output().unwrap())
}
