//! The program from outside: starting, stopping, users, and doors that stay shut.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use common::{Server, lockkeeper, run};

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_first_start_makes_an_admin_and_the_second_does_not() {
    let server = Server::start();
    let greeting = server.greeting.join("\n");
    let (url, password) = (server.url("/"), server.admin_password());
    for line in [
        format!("curl -u admin:{password} {url}"),
        format!("mount -t davfs {url} /mnt -o username=admin"),
    ] {
        assert!(greeting.contains(&line), "no {line:?} in\n{greeting}");
    }
    server.admin().get("/.lockkeeper/metrics").status(200);

    let server = server.restart();
    assert_eq!(server.greeting, Vec::<String>::new());
    server
        .client("admin", &password)
        .get("/.lockkeeper/metrics")
        .status(200);
}

#[test]
fn whoever_does_not_sign_in_gets_nothing_but_the_health() {
    let server = Server::start();
    let nobody = server.anonymous();
    let answer = nobody.get("/").status(401);
    let challenge = "Basic realm=\"Lockkeeper\", charset=\"UTF-8\"";
    assert_eq!(answer.expect_header("www-authenticate"), challenge);
    nobody
        .send("PROPFIND", "/", &[("Depth", "1")], "")
        .status(401);
    nobody.put("/a.txt", "x").status(401);
    nobody.options("/").status(401);
    nobody.get("/.lockkeeper/metrics").status(401);
    nobody
        .send("POST", "/.lockkeeper/health", &[], "")
        .status(401);
    assert_eq!(nobody.get("/.lockkeeper/health").status(200).text(), "ok\n");
    nobody.head("/.lockkeeper/health").status(200);
    server
        .client("admin", "wrong password")
        .get("/")
        .status(401);
    server
        .client("nobody", "wrong password")
        .get("/")
        .status(401);
    server.log_line("wrong user name or password peer=127.0.0.1");
    let metrics = server.admin().get("/.lockkeeper/metrics").status(200);
    metrics.containing("lockkeeper_failed_logins_total 2");
}

/// A client that sends its body at once must get the answer, not a reset, and a small body leaves
/// the connection usable (KIO sends its first PUT without credentials).
#[test]
fn a_refused_upload_gets_its_answer() {
    let server = Server::start();
    let nobody = server.anonymous();
    let mut connection = nobody.connect();
    for _ in 0..2 {
        connection.write(nobody.head_of("PUT", "/a", &[], b"12345").as_bytes());
        connection.write(b"12345");
        let answer = connection.read_response("PUT").status(401);
        assert_eq!(answer.header("connection"), None);
    }
    let large = vec![b'x'; 8 << 20];
    let answer = nobody.put("/a", &large).status(401);
    assert_eq!(answer.header("connection"), Some("close"));
    let answer = nobody.send_expecting("PUT", "/a", &[], &large).status(401);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.interim, Vec::<u16>::new());
}

#[test]
fn the_name_space_of_the_server_is_reserved() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.get("/.lockkeeper/other").status(404);
    alice.propfind("/.lockkeeper/other", "0", "").status(404);
    alice.put("/.lockkeeper/a", "x").status(403);
    alice.mkcol("/%2elockkeeper").status(403);
    alice.lock("/.lockkeeper/health", "Second-180").status(403);
    alice.put("/a", "x").status(201);
    alice.rename("/a", "/.lockkeeper/a").status(403);
    alice.rename("/a", "/%2Elockkeeper?query").status(403);
    alice.rename("/a", "/.lockkeeper/ü").status(403);
    alice.get("/.lockkeeper/metrics").status(403);
}

#[test]
fn users_change_while_the_server_runs() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.get("/.lockkeeper/other").status(404);
    let made = run(&mut server.command(&["user", "add", "bob", "--admin"]), "");
    assert!(made.status.success(), "{made:?}");
    let password = said(&made)
        .trim()
        .strip_prefix("password ")
        .expect("printed")
        .to_owned();
    server
        .client("bob", &password)
        .get("/.lockkeeper/metrics")
        .status(200);

    let listed = said(&run(&mut server.command(&["user", "list"]), ""));
    let roles: Vec<_> = listed
        .lines()
        .map(|line| line.split_whitespace().take(2))
        .collect();
    let roles: Vec<Vec<_>> = roles.into_iter().map(Iterator::collect).collect();
    assert_eq!(
        roles,
        [
            ["NAME", "ROLE"],
            ["admin", "admin"],
            ["alice", "user"],
            ["bob", "admin"]
        ]
    );

    // The old password is remembered by now, and must be forgotten at once.
    let changed = run(
        &mut server.command(&["user", "passwd", "alice", "--password-stdin"]),
        "new secret\n",
    );
    assert!(changed.status.success(), "{changed:?}");
    alice.get("/.lockkeeper/other").status(401);
    let alice = server.client("alice", "new secret");
    alice.get("/.lockkeeper/other").status(404);
    let removed = run(&mut server.command(&["user", "remove", "alice"]), "");
    assert!(removed.status.success(), "{removed:?}");
    alice.get("/.lockkeeper/other").status(401);
}

#[test]
fn users_change_while_no_server_runs() {
    let mut server = Server::start();
    assert!(server.stop().success());
    for (arguments, input) in [
        (
            &["user", "add", "alice", "--password-stdin"][..],
            "first secret",
        ),
        (
            &["user", "passwd", "alice", "--password-stdin"],
            "second secret",
        ),
        (&["user", "add", "bob", "--password-stdin"], "bob's secret"),
        (&["user", "remove", "bob"], ""),
    ] {
        let output = run(&mut server.command(arguments), input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    let listed = said(&run(&mut server.command(&["user", "list"]), ""));
    assert!(
        listed.contains("alice") && !listed.contains("bob"),
        "{listed}"
    );
    let server = server.restart();
    server
        .client("alice", "second secret")
        .get("/.lockkeeper/other")
        .status(404);
    server
        .client("alice", "first secret")
        .get("/.lockkeeper/other")
        .status(401);
}

#[test]
fn what_cannot_be_done_to_users_is_said() {
    let server = Server::start();
    let check = |arguments: &[&str], input: &str, code: i32, sentence: &str| {
        let output = run(&mut server.command(arguments), input);
        let exited = output.status.code();
        assert_eq!(exited, Some(code), "{arguments:?}: {output:?}");
        assert!(
            said(&output).contains(sentence),
            "{sentence:?} is not in {output:?}"
        );
    };
    check(&["user", "add", "admin"], "", 4, "already a user \"admin\"");
    check(
        &["user", "add", "a:b"],
        "",
        2,
        "cannot be the name of a user",
    );
    check(
        &["user", "add", "al", "--password-stdin"],
        "short",
        2,
        "8 characters",
    );
    check(&["user", "remove", "nobody"], "", 3, "no user \"nobody\"");
    check(&["user", "passwd", "nobody"], "", 3, "no user \"nobody\"");
    check(&["user", "remove", "admin"], "", 4, "the only admin");
}

#[test]
fn the_control_socket_is_for_this_account_only() {
    let server = Server::start();
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&server.data().join("control.sock")), 0o600);
    assert_eq!(mode(&server.data()), 0o700);
}

#[test]
fn a_socket_that_a_killed_server_left_is_no_obstacle() {
    let mut server = Server::start();
    server.kill();
    assert!(server.data().join("control.sock").exists());
    let added = run(
        &mut server.command(&["user", "add", "alice", "--password-stdin"]),
        "a secret",
    );
    assert!(added.status.success(), "{added:?}");
    let server = server.restart();
    let alice = server.client("alice", "a secret");
    alice.get("/.lockkeeper/other").status(404);
    server.user("bob").get("/.lockkeeper/other").status(404);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let output = run(
        &mut server.command(&["serve", "--listen", "127.0.0.1:0"]),
        "",
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said(&output).contains("in use by another process"),
        "{output:?}"
    );
    server.user("alice").get("/.lockkeeper/other").status(404);
}

#[test]
fn a_long_data_path_still_has_a_control_socket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("d".repeat(120));
    let data = data.to_str().expect("UTF-8");
    let server = Server::start_with(&["--memory"]);
    drop(server);
    let mut add = lockkeeper();
    add.args(["user", "add", "alice", "--password-stdin", "--data", data]);
    let added = run(&mut add, "a long secret");
    assert!(added.status.success(), "{added:?}");
    let server = Server::start_at(data.as_ref());
    server.user("bob").get("/.lockkeeper/other").status(404);
    server
        .client("alice", "a long secret")
        .get("/.lockkeeper/other")
        .status(404);
    assert!(std::path::Path::new(data).join("control.sock").exists());
}

#[test]
fn a_memory_server_forgets_and_can_be_told_users() {
    let server = Server::start_with(&["--memory"]);
    server.user("alice").get("/.lockkeeper/other").status(404);
    assert!(!server.data().join("meta").exists());
    let server = server.restart();
    server
        .client("alice", "alice-password")
        .get("/.lockkeeper/other")
        .status(401);
}

#[test]
fn beyond_loopback_needs_tls_or_a_clear_word() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut serve = lockkeeper();
    serve
        .current_dir(folder.path())
        .args(["serve", "--listen", "0.0.0.0:0"]);
    let output = run(&mut serve, "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for word in ["0.0.0.0:0", "--listen", "--tls-cert", "--insecure"] {
        assert!(said(&output).contains(word), "no {word} in {output:?}");
    }
    assert!(!folder.path().join("lockkeeper-data").exists());
    let server = Server::start_with(&["--insecure"]);
    server.anonymous().get("/.lockkeeper/health").status(200);
}

#[test]
fn the_effective_configuration_is_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("lockkeeper.toml");
    std::fs::write(&file, "[auth]\nrealm = 'Elsewhere'\n").expect("writable");
    let mut config = lockkeeper();
    config
        .current_dir(folder.path())
        .env("LOCKKEEPER_LOCKS_POLICY", "strict");
    let output = run(config.args(["config", "--data", "/srv/files"]), "");
    assert!(output.status.success(), "{output:?}");
    let printed = said(&output);
    for line in [
        "realm = \"Elsewhere\"",
        "policy = \"strict\"",
        "data = \"/srv/files\"",
        "transient_timeout_seconds_max = 1800",
    ] {
        assert!(
            printed.lines().any(|have| have == line),
            "no {line} in\n{printed}"
        );
    }
    std::fs::write(&file, "[auth]\nrelm = 'x'\n").expect("writable");
    let output = run(lockkeeper().current_dir(folder.path()).arg("config"), "");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("auth.relm was set in lockkeeper.toml"),
        "{output:?}"
    );
}

#[test]
fn the_access_log_tells_no_secrets() {
    let server = Server::start();
    let alice = server.user("alice");
    let headers = [
        ("User-Agent", "proge\tler/1.0"),
        ("If", "(<urn:uuid:11111111-2222-4333-8444-555555555555>)"),
        (
            "Lock-Token",
            "<urn:uuid:66666666-2222-4333-8444-555555555555>",
        ),
    ];
    alice
        .send("PUT", "/.lockkeeper/a%20b?secret=1", &headers, "12345")
        .status(403);
    let line = server.log_line("method=\"PUT\"");
    for part in [
        "user=\"alice\"",
        "path=\"/.lockkeeper/a%20b\"",
        "status=403",
        "received=5",
        "duration_ms=",
        "program=\"proge\\tler/1.0\"",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let log = server.log();
    for secret in [
        "secret=1",
        "Basic",
        "YWxpY2U",
        "11111111",
        "66666666",
        "alice-password",
    ] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[test]
fn the_log_can_be_json() {
    let server = Server::start_configured("[log]\nformat = 'json'\n");
    server.anonymous().get("/x").status(401);
    let line = server.log_line("\"method\":\"GET\"");
    assert!(
        line.starts_with('{') && line.contains("\"status\":401"),
        "{line}"
    );
}

#[test]
fn sigterm_lets_the_running_request_finish() {
    let mut server = Server::start();
    let alice = server.user("alice");
    let mut idle = alice.connect();
    let mut running = alice.connect();
    running.write(
        alice
            .head_of("PUT", "/.lockkeeper/a", &[], b"12345")
            .as_bytes(),
    );
    running.write(b"12");
    // Both connections are the server's by now: connections are accepted in their order.
    alice.get("/.lockkeeper/health").status(200);
    server.ask_to_stop();
    server.log_line("stopping");
    running.write(b"345");
    running.read_response("PUT").status(403);
    assert!(idle.is_closed());
    assert!(server.stop_status().success());
    assert!(!server.data().join("control.sock").exists());
}
