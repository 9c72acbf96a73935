//! The clients of DocSpace against the built server: the script from its documentation, over TLS,
//! unmodified but for the host, the key and the id of the file, and its official Python library.
//!
//! Both run in a Python of their own with the packages of `tests/python/requirements.txt`. Where
//! there is no Python or no package, the tests are skipped with a line that says so; with
//! `LOCKKEEPER_NO_SKIPS=1`, as in CI, they fail.

#![allow(clippy::print_stdout, reason = "tests of programs speak to people")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use common::Server;
use programs::{python, succeed, told};

/// The interpreter with the packages, made once for all tests of this file.
fn interpreter() -> Option<PathBuf> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(|| python::with_packages("requirements.txt"))
        .clone()
}

/// A certificate for this machine alone, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("writable");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("writable");
    (cert, key)
}

fn api_key(server: &Server, user: &str) -> String {
    let added = succeed(&mut server.command(&["token", "add", user, "--name", "script", "--json"]));
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    added["key"].as_str().expect("a key").to_owned()
}

/// What a few lines of Python print, which may use the packages and trust the certificate.
fn run_python(python: &Path, cert: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(python);
    command.args(arguments).env("REQUESTS_CA_BUNDLE", cert);
    succeed(&mut command)
}

#[test]
fn the_script_from_the_documentation_over_tls() {
    let Some(python) = interpreter() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (cert, key) = certificate(folder.path());
    let (cert_path, key_path) = (cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
    let server = Server::start_with(&["--tls-cert", cert_path, "--tls-key", key_path]);
    server.user("alice");
    server.user("bob");
    let secret = api_key(&server, "alice");

    let ask = |code: &str| {
        let code = format!(
            "import json, requests\nurl = '{}'\nhead = {{'Authorization': 'Bearer {secret}'}}\n\
             {code}",
            server.url("")
        );
        let answer = run_python(&python, &cert, &["-c", &code]);
        serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")
    };
    let uploaded = ask(
        "print(requests.post(url + '/api/2.0/files/@my/upload', headers=head, \
         files={'File': ('plan.txt', b'x')}).text)",
    );
    let id = uploaded["response"][0]["id"]
        .as_u64()
        .expect("an id")
        .to_string();

    let script = std::fs::read_to_string(Path::new(python::SCRIPTS).join("docspace_lock.py"));
    let mut script = script.expect("readable");
    for (placeholder, value) in [
        ("yourportal.onlyoffice.com", server.address.as_str()),
        ("your_api_key", &secret),
        ("'123456'", &format!("'{id}'")),
    ] {
        assert_eq!(script.matches(placeholder).count(), 1, "{placeholder}");
        script = script.replace(placeholder, value);
    }
    let filled = folder.path().join("filled.py");
    std::fs::write(&filled, script).expect("writable");

    // As it stands: it says nothing, so the record tells what it did.
    run_python(&python, &cert, &[filled.to_str().expect("UTF-8")]);
    let events = ["events", "--no-follow", "--json", "--path", "/plan.txt"];
    let events = succeed(&mut server.command(&events));
    let events: Vec<serde_json::Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let types: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(types, ["resource.created", "lock.taken", "lock.released"]);
    let asked = server.log_line("/protectusers");
    assert!(asked.contains("status=200"), "{asked}");
    let info = format!("print(requests.get(url + '/api/2.0/files/file/{id}', headers=head).text)");
    assert_eq!(ask(&info)["response"]["locked"], serde_json::Value::Null);

    // Its steps one by one.
    let step = |call: &str| {
        ask(&format!(
            "import sys\nsys.path.insert(0, '{}')\nimport filled\n\
             print(json.dumps(filled.{call}('{id}')))",
            folder.path().display()
        ))
    };
    let locked = step("lock_file");
    assert_eq!(locked["response"]["locked"], true, "{locked}");
    assert_eq!(locked["links"][0]["action"], "PUT", "{locked}");
    assert_eq!(ask(&info)["response"]["locked"], true);
    let others = step("get_protected_file_users");
    let names = others["response"].as_array().expect("a list").iter();
    let names: Vec<_> = names
        .map(|other| other["name"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, ["admin", "bob"], "{others}");
    assert_eq!(others["count"], 2, "{others}");
    let unlocked = step("unlock_file");
    assert_eq!(
        unlocked["response"]["locked"],
        serde_json::Value::Null,
        "{unlocked}"
    );
    assert_eq!(unlocked["statusCode"], 200, "{unlocked}");
    assert_eq!(ask(&info)["response"]["locked"], serde_json::Value::Null);
    assert!(!server.log().contains(&secret), "the key is in the log");
}

#[test]
fn the_official_library() {
    let Some(python) = interpreter() else { return };
    let server = Server::start();
    server.user("alice");
    server.user("bob");
    let mut passwd = server.command(&["user", "passwd", "admin", "--password-stdin"]);
    let changed = common::run(&mut passwd, "admin-password");
    assert!(changed.status.success(), "{}", told(&changed));
    let script = Path::new(python::SCRIPTS).join("docspace_sdk.py");
    let said = succeed(Command::new(python).arg(script).arg(server.url("")));
    assert_eq!(said.trim(), "all calls answered as they should");
}
