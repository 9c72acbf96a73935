//! Who somebody is, seen from outside: API keys on the wire, groups and keys on the command line,
//! and secrets that stay secret.

mod common;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Response, Server, run};
use serde_json::{Value, json};

/// Runs a command that must end with this code; what it printed.
fn ends(server: &Server, code: i32, arguments: &[&str]) -> String {
    let output = run(&mut server.command(arguments), "");
    let exited = output.status.code();
    assert_eq!(exited, Some(code), "{arguments:?}: {output:?}");
    let reason = String::from_utf8_lossy(&output.stderr);
    assert_eq!(reason.is_empty(), code == 0, "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn done(server: &Server, arguments: &[&str]) -> String {
    ends(server, 0, arguments)
}

fn told(server: &Server, arguments: &[&str]) -> Value {
    let text = done(server, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).expect("JSON")
}

fn key_of(server: &Server, user: &str, more: &[&str]) -> String {
    let printed = done(server, &[&["token", "add", user], more].concat());
    let key = printed.trim_end().to_owned();
    assert!(key.starts_with("sk-") && key.len() == 46, "{printed:?}");
    key
}

/// A request with nothing but this in `Authorization`.
fn with(server: &Server, authorization: &str, method: &str, path: &str) -> Response {
    let headers = [("Authorization", authorization)];
    server.anonymous().send(method, path, &headers, "new")
}

fn bearer(server: &Server, token: &str) -> Response {
    with(server, &format!("Bearer {token}"), "GET", "/a.txt")
}

#[test]
fn an_api_key_opens_as_bearer_and_as_the_password_of_a_mount() {
    let server = Server::start();
    server.user("alice").put("/a.txt", "hi").status(201);
    let key = key_of(&server, "alice", &["--name", "mount"]);
    bearer(&server, &key).status(200);
    let value = format!("bearer {key}");
    with(&server, &value, "PUT", "/a.txt").status(204);
    let mount = server.client("alice", &key);
    assert_eq!(mount.get("/a.txt").status(200).text(), "new");
    mount.put("/b.txt", "from the mount").status(201);
    server.log_line("user=\"alice\"");

    done(&server, &["token", "revoke", "alice", "mount"]);
    bearer(&server, &key).status(401);
    mount.get("/a.txt").status(401);
}

#[test]
fn what_opens_nothing() {
    let server = Server::start();
    let alice = server.user("alice");
    server.user("bob");
    alice.put("/a.txt", "hi").status(201);
    let key = key_of(&server, "alice", &["--name", "mount"]);
    let forged = format!("sk-{}", "A".repeat(43));
    for token in [&key[..key.len() - 1], &forged] {
        let answer = bearer(&server, token).status(401);
        let challenge = answer.expect_header("www-authenticate");
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        assert!(!answer.text().contains(token));
    }
    server.client("alice", &forged).get("/a.txt").status(401);
    server.client("bob", &key).get("/a.txt").status(401);
    let cookie = format!("asc_auth_key={key}");
    for header in [("Cookie", cookie.as_str()), ("ApiKeyBearer", key.as_str())] {
        let answer = server.anonymous().send("GET", "/a.txt", &[header], "");
        answer.status(401);
    }
    server.log_line("wrong token peer=127.0.0.1");
    bearer(&server, &key).status(200);

    done(&server, &["user", "remove", "alice"]);
    bearer(&server, &key).status(401);
    server.user("alice");
    bearer(&server, &key).status(401);
}

#[test]
fn a_confined_key_of_an_admin_reads_no_metrics() {
    let server = Server::start();
    let metrics = "/.lockkeeper/metrics";
    let status = |more: &[&str]| {
        let key = key_of(&server, "admin", more);
        server.client("admin", &key).get(metrics).status
    };
    assert_eq!(status(&["--name", "all"]), 200);
    assert_eq!(status(&["--name", "read", "--scope", "read"]), 403);
    assert_eq!(status(&["--name", "within", "--within", "/"]), 403);
}

#[test]
fn another_password_leaves_keys_alone() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.put("/a.txt", "hi").status(201);
    let key = key_of(&server, "alice", &["--name", "mount"]);
    done(&server, &["user", "passwd", "alice"]);
    alice.get("/a.txt").status(401);
    bearer(&server, &key).status(200);
}

/// Who becomes an admin, or is one no more, is so at the next request, remembered or not.
#[test]
fn what_is_set_about_a_user_counts_at_once() {
    let server = Server::start();
    let alice = server.user("alice");
    let metrics = "/.lockkeeper/metrics";
    alice.get(metrics).status(403);
    let name = ["--display-name", "Alice A.", "--email", "alice@example.org"];
    done(&server, &[&["user", "set", "alice"], &name[..]].concat());
    done(&server, &["user", "set", "alice", "--admin", "true"]);
    alice.get(metrics).status(200);
    let users = told(&server, &["user", "list"]);
    let expected = json!({
        "id": users[1]["id"], "name": "alice", "display_name": "Alice A.",
        "email": "alice@example.org", "admin": true, "created": users[1]["created"],
    });
    assert_eq!(users[1], expected);
    done(&server, &["user", "set", "alice", "--admin", "false"]);
    alice.get(metrics).status(403);
}

#[test]
fn groups_on_the_command_line() {
    let server = Server::start();
    server.user("alice");
    server.user("bob");
    done(&server, &["group", "add", "team"]);
    done(&server, &["group", "add-member", "team", "bob"]);
    done(&server, &["group", "add-member", "team", "alice"]);
    done(&server, &["group", "rename", "team", "crew"]);
    let crew = told(&server, &["group", "show", "crew"]);
    assert_eq!(crew["members"], json!(["alice", "bob"]));
    let listed = told(&server, &["group", "list"]);
    let (id, created) = (&crew["id"], &crew["created"]);
    assert_eq!(
        listed,
        json!([{"id": id, "name": "crew", "created": created}])
    );
    done(&server, &["user", "remove", "bob"]);
    done(&server, &["group", "remove-member", "crew", "alice"]);
    assert_eq!(
        told(&server, &["group", "show", "crew"])["members"],
        json!([])
    );
    let table = done(&server, &["group", "list"]);
    assert!(table.starts_with("NAME  ADDED"), "{table}");
    assert!(done(&server, &["group", "show", "crew"]).starts_with("name     crew\n"));
    done(&server, &["group", "remove", "crew"]);
    assert_eq!(told(&server, &["group", "list"]), json!([]));
}

#[test]
fn keys_on_the_command_line() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/H%C3%A4user").status(201);
    let add = ["token", "add", "alice", "--name", "m", "--scope", "read"];
    let more = ["--within", "/Häuser/", "--expires", "2999-12-31"];
    let mut made = told(&server, &[&add[..], &more].concat());
    let key = made["key"].take();
    let key = key.as_str().expect("a text");
    server.client("alice", key).get("/").status(200);
    made.as_object_mut().expect("an object").remove("key");
    let expected = json!({
        "id": made["id"], "user": "alice", "name": "m", "scope": "read",
        "within": {"id": made["within"]["id"], "path": "/Häuser"},
        "created": made["created"], "expires": "2999-12-31T00:00:00Z",
    });
    assert_eq!(made, expected);
    assert_eq!(told(&server, &["token", "list"]), json!([made]));
    assert_eq!(told(&server, &["token", "list", "admin"]), json!([]));
    alice.rename("/H%C3%A4user", "/houses").status(201);
    let moved = told(&server, &["token", "list", "alice"]);
    assert_eq!(moved[0]["within"]["path"], "/houses");
    alice.delete("/houses").status(204);
    let gone = told(&server, &["token", "list", "alice"]);
    assert_eq!(gone[0]["within"]["path"], Value::Null);
    let table = done(&server, &["token", "list"]);
    assert!(table.contains("(deleted)"), "{table}");
    let id = made["id"].as_str().expect("a text");
    done(&server, &["token", "revoke", "alice", id]);
    assert_eq!(told(&server, &["token", "list"]), json!([]));
}

#[test]
fn every_refusal_has_its_exit_code() {
    let server = Server::start();
    server.user("alice").put("/a.txt", "hi").status(201);
    done(&server, &["group", "add", "team"]);
    key_of(&server, "alice", &["--name", "mount"]);
    let add_key = ["token", "add", "alice", "--name", "n"];
    let cases: [(i32, &[&str]); 21] = [
        (2, &["token", "add", "alice"]),
        (2, &["user", "set", "alice"]),
        (2, &["user", "set", "alice", "--email", "nowhere"]),
        (2, &["user", "set", "alice", "--admin", "perhaps"]),
        (2, &["group", "add", "a:b"]),
        (2, &[&add_key[..], &["--expires", "soon"]].concat()),
        (2, &[&add_key[..], &["--expires", "2020-01-01"]].concat()),
        (2, &[&add_key[..], &["--within", "team"]].concat()),
        (2, &[&add_key[..], &["--scope", "all"]].concat()),
        (3, &[&add_key[..], &["--within", "/nothing"]].concat()),
        (3, &["token", "add", "nobody", "--name", "n"]),
        (3, &["token", "list", "nobody"]),
        (3, &["token", "revoke", "alice", "nothing"]),
        (3, &["user", "set", "nobody", "--admin", "true"]),
        (3, &["group", "show", "nothing"]),
        (3, &["group", "add-member", "team", "nobody"]),
        (3, &["group", "remove-member", "team", "alice"]),
        (4, &["group", "add", "team"]),
        (4, &["user", "set", "admin", "--admin", "false"]),
        (4, &["token", "add", "alice", "--name", "mount"]),
        (4, &[&add_key[..], &["--within", "/a.txt"]].concat()),
    ];
    for (code, arguments) in cases {
        ends(&server, code, arguments);
    }
    let unreadable = ["token", "list", "--data", "/dev/null/nothing"];
    let failed = run(common::lockkeeper().args(unreadable), "");
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}

#[test]
fn keys_and_groups_survive_a_kill() {
    let mut server = Server::start();
    let alice = server.user("alice");
    alice.put("/a.txt", "hi").status(201);
    done(&server, &["group", "add", "team"]);
    let revoked = key_of(&server, "alice", &["--name", "old"]);
    done(&server, &["token", "revoke", "alice", "old"]);
    let key = key_of(&server, "alice", &["--name", "mount"]);
    done(&server, &["group", "add-member", "team", "alice"]);
    server.kill();
    // Once more without a server, and the next one finds it.
    let offline = key_of(&server, "alice", &["--name", "offline"]);
    let server = server.restart();
    bearer(&server, &key).status(200);
    bearer(&server, &offline).status(200);
    bearer(&server, &revoked).status(401);
    let team = told(&server, &["group", "show", "team"]);
    assert_eq!(team["members"], json!(["alice"]));
}

/// What `/api/token` answers to this form.
fn token(server: &Server, code: u16, form: &str) -> Value {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = server
        .anonymous()
        .send("POST", "/api/token", &headers, form);
    serde_json::from_str(&answer.status(code).text()).expect("JSON")
}

fn sign_in(server: &Server, name: &str, password: &str) -> (String, String) {
    let form =
        format!("grant_type=password&username={name}&password={password}&scope=offline_access");
    tokens_of(&token(server, 200, &form))
}

fn tokens_of(granted: &Value) -> (String, String) {
    let text = |name: &str| granted[name].as_str().expect("a text").to_owned();
    (text("access_token"), text("refresh_token"))
}

#[test]
fn sessions_are_renewed_survive_a_kill_and_end_with_the_password() {
    let mut server = Server::start();
    server.user("alice").put("/a.txt", "hi").status(201);
    let (access, refresh) = sign_in(&server, "alice", "alice-password");
    let (other, _) = sign_in(&server, "alice", "alice-password");
    bearer(&server, &access).status(200);
    bearer(&server, &refresh).status(401);
    server.client("alice", &access).get("/a.txt").status(401);
    let renewal = |refresh: &str| format!("grant_type=refresh_token&refresh_token={refresh}");
    let renewed = token(&server, 200, &renewal(&refresh));
    let (next, next_refresh) = tokens_of(&renewed);
    bearer(&server, &access).status(401);
    server.kill();
    let server = server.restart();
    bearer(&server, &next).status(200);

    // Used before: somebody has stolen it, so the whole session ends, and no other.
    let stolen = token(&server, 400, &renewal(&refresh));
    assert_eq!(stolen["error"], "invalid_grant");
    bearer(&server, &next).status(401);
    token(&server, 400, &renewal(&next_refresh));
    bearer(&server, &other).status(200);
    server.log_line("a used refresh token came back");
    done(&server, &["user", "passwd", "alice"]);
    bearer(&server, &other).status(401);
    let log = server.log();
    for secret in [&access, &refresh, &next, &next_refresh, &other] {
        assert!(!log.contains(&secret[3..]), "{secret} is in\n{log}");
    }
}

/// A session may do all that its user may, so no key that is confined opens one.
#[test]
fn an_api_key_begins_no_session() {
    let server = Server::start();
    server.user("alice");
    let key = key_of(&server, "alice", &["--name", "k", "--scope", "read"]);
    let form = format!("grant_type=password&username=alice&password={key}");
    assert_eq!(token(&server, 400, &form)["error"], "invalid_grant");
    let form = format!("grant_type=refresh_token&refresh_token={key}");
    assert_eq!(token(&server, 400, &form)["error"], "invalid_grant");
}

/// Everything that a thief of files or logs could read.
#[test]
fn secrets_are_told_once_and_nowhere_else() {
    let mut server = Server::start_configured("[log]\nlevel = 'trace'\n");
    let alice = server.user("alice");
    alice.put("/a.txt", "hi").status(201);
    let key = key_of(&server, "alice", &["--name", "name-of-the-key"]);
    bearer(&server, &key).status(200);
    server.client("alice", &key).get("/a.txt").status(200);
    server.client("admin", &key).get("/a.txt").status(401);
    let secret = key.trim_start_matches("sk-");
    let cut = bearer(&server, &key[..45]).status(401);
    assert!(!cut.text().contains(&secret[..40]));
    for command in [
        &["token", "list"][..],
        &["token", "list", "--json"],
        &["config"],
    ] {
        let printed = done(&server, command);
        assert!(!printed.contains(secret), "{command:?}: {printed}");
    }
    assert!(server.stop().success());
    let log = server.log();
    assert!(log.contains("wrong user name or password"), "{log}");
    let basic = STANDARD.encode(format!("alice:{key}"));
    for part in [&secret[..40], &basic[..40], "alice-password"] {
        assert!(!log.contains(part), "{part} is in\n{log}");
    }
    let files = contents_of(&server.data());
    let holds = |text: &str| {
        files
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    };
    assert!(holds("name-of-the-key"), "otherwise this searches in vain");
    for part in [secret, &secret[..16], "alice-password"] {
        assert!(!holds(part), "{part} is in a file");
    }
}

fn contents_of(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            bytes.extend(contents_of(&path));
        } else if path.is_file() {
            bytes.extend(std::fs::read(&path).expect("readable"));
        }
    }
    bytes
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let help = run(common::lockkeeper().arg("--help"), "");
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "0 done",
        "1 not done",
        "2 wrong usage",
        "3 a user",
        "4 refused",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}
