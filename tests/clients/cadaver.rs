//! cadaver: a person at a prompt. Its `lock` asks for `Timeout: Infinite`, which is a check-out here,
//! and its `steal` takes over a token by reading it, which must not help another user.

use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::Server;
use crate::programs::{assert_no_lock_left, elements, installed, locks_below, told};

#[test]
fn lock_put_steal_and_unlock() {
    if !installed(&["cadaver"]) {
        return;
    }
    let mut server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    alice.put("/plan.txt", "one\n").status(201);

    // cadaver forgets its tokens when it ends; the check-out stays.
    let said = cadaver(
        &server,
        "alice",
        "lock plan.txt\nput two plan.txt\ndiscover plan.txt\n",
    );
    assert!(said.contains("succeeded"), "{said}");
    alice.get("/plan.txt").status(200).containing("two\n");
    let discovery = "<propfind xmlns='DAV:'><prop><lockdiscovery/></prop></propfind>";
    let seen = bob.propfind("/plan.txt", "0", discovery).status(207);
    assert_eq!(elements(&seen, "timeout"), ["Infinite"], "{seen}");
    assert_eq!(elements(&seen, "kind"), ["persistent"], "{seen}");
    assert_eq!(elements(&seen, "holder"), ["alice"], "{seen}");

    for refused in [
        "put three plan.txt\n",
        "lock plan.txt\n",
        "delete plan.txt\n",
        "move plan.txt his.txt\n",
        "steal plan.txt\nput three plan.txt\ndelete plan.txt\nunlock plan.txt\n",
    ] {
        let said = cadaver(&server, "bob", refused);
        assert!(!said.contains("succeeded"), "bob could {refused}{said}");
        bob.get("/plan.txt").status(200).containing("two\n");
        assert_eq!(locks_below(&alice, "/").len(), 1, "after {refused}");
    }

    // Another session of alice: the check-out is hers whatever the token, and freed by its own.
    cadaver(
        &server,
        "alice",
        "steal plan.txt\nput three plan.txt\ndelete plan.txt\nunlock plan.txt\n",
    );
    alice.get("/plan.txt").status(200).containing("three\n");
    assert_no_lock_left(&alice);
    let said = cadaver(&server, "bob", "put two plan.txt\ndelete plan.txt\n");
    assert!(!said.contains("failed"), "{said}");
    bob.get("/plan.txt").status(404);
    assert!(server.stop().success());
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
