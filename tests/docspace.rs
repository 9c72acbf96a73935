//! The DocSpace-compatible API through the real binary: every call and every refusal, and what
//! the other faces see of it. What DocSpace's own clients make of it is in `docspace_sdk.rs`.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

#[path = "docspace/content.rs"]
mod content;
#[allow(dead_code, reason = "the other API has its own needs")]
#[path = "checkout/contract.rs"]
mod contract;
#[path = "docspace/folders.rs"]
mod folders;
#[path = "docspace/locking.rs"]
mod locking;
#[path = "docspace/sharing.rs"]
mod sharing;

use std::sync::OnceLock;

use common::{Client, Response, Server};
use contract::Contract;
use serde_json::Value;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A JSON call below `/api/2.0`; the whole answer.
#[track_caller]
fn send(client: &Client, method: &str, path: &str, body: &Value) -> Response {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let path = format!("/api/2.0{path}");
    described(
        client,
        method,
        &path,
        client.send(method, &path, &[JSON], body),
    )
}

/// Holds an answer against the published description, which is the same in every test.
#[track_caller]
fn described(client: &Client, method: &str, path: &str, answer: Response) -> Response {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    let contract = CONTRACT.get_or_init(|| Contract::read_by(client));
    let address = path.split('?').next().unwrap_or_default();
    // An address that DocSpace has may look like the id of something.
    let is_served = !matches!(answer.status, 405 | 501);
    if is_served && contract.describes(method, address) {
        contract.check((method, address), answer).response
    } else {
        answer
    }
}

/// What stands in the `response` of a call that succeeds.
#[track_caller]
fn call(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let answer = send(client, method, path, body).status(200);
    let mut envelope = json(&answer);
    assert_eq!(envelope["status"], 0, "{envelope}");
    assert_eq!(envelope["statusCode"], 200, "{envelope}");
    assert_eq!(envelope["links"][0]["action"], method, "{envelope}");
    assert_no_null(&envelope);
    envelope["response"].take()
}

#[track_caller]
fn get(client: &Client, path: &str) -> Value {
    call(client, "GET", path, &Value::Null)
}

/// The message of a call that is refused with this status.
#[track_caller]
fn refusal(client: &Client, method: &str, path: &str, body: &Value, status: u16) -> String {
    let envelope = json(&send(client, method, path, body).status(status));
    assert_eq!(envelope["status"], 1, "{envelope}");
    assert_eq!(envelope["statusCode"], status, "{envelope}");
    assert_no_null(&envelope);
    let message = envelope["error"]["message"].as_str().expect("a message");
    assert!(!message.is_empty());
    message.to_owned()
}

#[track_caller]
fn json(answer: &Response) -> Value {
    assert_eq!(
        answer.expect_header("content-type"),
        "application/json",
        "{answer}"
    );
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn assert_no_null(value: &Value) {
    match value {
        Value::Null => panic!("there is a null"),
        Value::Array(items) => items.iter().for_each(assert_no_null),
        Value::Object(members) => members.values().for_each(assert_no_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A form with one file in it.
fn form(title: &str, content: &str) -> (&'static str, String) {
    let body = format!(
        "--sep\r\nContent-Disposition: form-data; name=\"File\"; filename=\"{title}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{content}\r\n--sep--\r\n"
    );
    ("multipart/form-data; boundary=sep", body)
}

fn upload_to(client: &Client, method: &str, path: &str, title: &str, content: &str) -> Response {
    let (media_type, body) = form(title, content);
    let path = format!("/api/2.0{path}");
    let answer = client.send(method, &path, &[("Content-Type", media_type)], body);
    described(client, method, &path, answer)
}

/// Uploads a file into a folder; its id.
#[track_caller]
fn upload(client: &Client, folder: u64, title: &str, content: &str) -> u64 {
    let path = format!("/files/{folder}/upload");
    let answer = upload_to(client, "POST", &path, title, content).status(200);
    json(&answer)["response"][0]["id"].as_u64().expect("an id")
}

/// Makes a folder; its id.
#[track_caller]
fn make_folder(client: &Client, parent: u64, title: &str) -> u64 {
    let path = format!("/files/folder/{parent}");
    let made = call(
        client,
        "POST",
        &path,
        &serde_json::json!({ "title": title }),
    );
    made["id"].as_u64().expect("an id")
}

/// The id of the root folder.
const ROOT: u64 = 1;

#[test]
fn signing_in() {
    let server = Server::start();
    let alice = server.user("alice");
    let anonymous = server.anonymous();
    let right = serde_json::json!({ "userName": "alice", "password": "alice-password" });
    let session = call(&anonymous, "POST", "/authentication", &right);
    let token = session["token"].as_str().expect("a token");
    assert!(
        session["expires"]
            .as_str()
            .expect("a time")
            .ends_with("+00:00")
    );

    for headers in [
        ("Authorization", format!("Bearer {token}")),
        ("ApiKeyBearer", token.to_owned()),
        ("Cookie", format!("asc_auth_key={token}")),
    ] {
        let headers = [(headers.0, headers.1.as_str())];
        let me = anonymous
            .send("GET", "/api/2.0/people/@self", &headers, "")
            .status(200);
        assert_eq!(json(&me)["response"]["userName"], "alice");
        let signed_in = anonymous.send("GET", "/api/2.0/authentication", &headers, "");
        assert_eq!(json(&signed_in.status(200))["response"], true);
    }
    assert_eq!(get(&anonymous, "/authentication"), false);
    assert_eq!(get(&alice, "/people/@self")["userName"], "alice");

    let wrong = serde_json::json!({ "userName": "alice", "password": "x" });
    refusal(&anonymous, "POST", "/authentication", &wrong, 401);
    let half = serde_json::json!({ "userName": "alice" });
    assert!(refusal(&anonymous, "POST", "/authentication", &half, 400).contains("password"));
    refusal(&anonymous, "GET", "/files/@my", &Value::Null, 401);
    let forged = [("Authorization", "Bearer at-forged")];
    anonymous
        .send("GET", "/api/2.0/files/@my", &forged, "")
        .status(401);
    assert!(!server.log().contains(token), "the token is in the log");
}

#[test]
fn people() {
    let server = Server::start();
    let alice = server.user("alice");
    let ada = [
        "user",
        "add",
        "ada",
        "--password-stdin",
        "--display-name",
        "Ada King Lovelace",
        "--email",
        "ada@example.org",
    ];
    let added = common::run(&mut server.command(&ada), "ada-password");
    assert!(added.status.success(), "{added:?}");
    let ada = get(&alice, "/people/ada");
    assert_eq!(ada["displayName"], "Ada King Lovelace");
    assert_eq!(
        (&ada["firstName"], &ada["lastName"]),
        (&"Ada King".into(), &"Lovelace".into())
    );
    assert_eq!(
        (&ada["status"], &ada["activationStatus"]),
        (&1.into(), &1.into())
    );
    let id = ada["id"].as_str().expect("an id");
    assert_eq!(get(&alice, &format!("/people/{id}")), ada);
    assert_eq!(get(&alice, "/people/email?email=Ada%40example.org"), ada);

    let page = json(&send(
        &alice,
        "GET",
        "/people?count=1&startIndex=1",
        &Value::Null,
    ));
    assert_eq!(
        (&page["total"], &page["count"]),
        (&3.into(), &1.into()),
        "{page}"
    );
    assert_eq!(page["response"][0]["userName"], "admin");
    let found = get(&alice, "/people?filterValue=LOVE");
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");

    let by_email = serde_json::json!({ "userName": "ada@example.org", "password": "ada-password" });
    call(&server.anonymous(), "POST", "/authentication", &by_email);

    let nobody = "/people/00000000-0000-4000-8000-000000000000";
    assert!(refusal(&alice, "GET", nobody, &Value::Null, 404).contains("user"));
    refusal(&alice, "GET", "/people/email", &Value::Null, 404);
    refusal(&alice, "GET", "/people?count=101", &Value::Null, 400);
    refusal(
        &alice,
        "DELETE",
        &format!("/people/{id}"),
        &Value::Null,
        405,
    );
}

/// Whatever is asked below `/api/2.0`, the answer is the envelope.
#[test]
fn what_is_not_served() {
    let server = Server::start();
    let alice = server.user("alice");
    for (method, path, status) in [
        ("GET", "/files/@trash", 501),
        ("GET", "/files/rooms", 501),
        ("POST", "/files/rooms/5/archive", 501),
        ("POST", "/files/5/session", 501),
        ("GET", "/files/file/5/startedit", 501),
        ("GET", "/files/file/5/log", 501),
        ("PUT", "/files/file/5/history", 405),
        ("PUT", "/files/fileops/bulkdownload", 501),
        ("GET", "/settings", 501),
        ("GET", "/portal/info", 501),
        ("POST", "/authentication/setphone", 501),
        ("GET", "/nonsense", 404),
        ("GET", "", 404),
        ("GET", "/files/file/5/nonsense", 404),
        ("GET", "/files/file/5", 404),
        ("GET", "/files/file/five", 400),
        ("GET", "/files/file/-5", 400),
        ("GET", "/files/99999999999999999999", 400),
        ("DELETE", "/files/@my", 405),
        ("PATCH", "/files/file/5", 405),
    ] {
        let message = refusal(&alice, method, path, &Value::Null, status);
        assert!(!message.contains('<'), "{method} {path}: {message}");
    }
    let answer = alice.send("PUT", "/api/2.0/files/file/5", &[JSON], "{");
    assert_eq!(json(&answer.status(404))["status"], 1);
}
