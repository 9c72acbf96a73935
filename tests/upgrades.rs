//! Data folders of earlier releases are opened by this one with everything in them, and one of a
//! later release is refused, untouched. `tests/fixtures/format-N` has a folder that the release
//! wrote which began with that format, and what was in it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and speak to people"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod support;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::{Client, LOCK_EXCLUSIVE, Server, lockkeeper, run};
use lockkeeper::config::Config;
use lockkeeper::ops::Dav;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::store::NoObserver;
use serde_json::{Value, json};
use tempfile::TempDir;
use told::{Detail, told};

/// The formats of released versions.
const FORMATS: [u64; 2] = [2, 3];

/// What can be known of a folder only from outside: passwords, keys, tokens, the time.
type Known = BTreeMap<String, String>;

/// The files of one format.
struct Fixture {
    dir: PathBuf,
}

impl Fixture {
    fn of(format: u64) -> Self {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let dir = all.join(format!("format-{format}"));
        Self { dir }
    }

    /// A copy of the data folder, with the folder that holds it.
    fn unpacked(&self) -> (TempDir, PathBuf) {
        let aside = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(self.dir.join("data.tar.gz"));
        assert!(tar.current_dir(&aside).status().unwrap().success());
        let data = aside.path().join("data");
        (aside, data)
    }

    fn known(&self) -> Known {
        serde_json::from_slice(&fs::read(self.dir.join("known.json")).unwrap()).unwrap()
    }

    /// Everything that the folder tells, a line each.
    fn told(&self) -> Vec<String> {
        let told = fs::read_to_string(self.dir.join("told.txt")).unwrap();
        told.lines().map(str::to_owned).collect()
    }
}

/// Everything that a data folder tells, a line each.
async fn lines(data: &Path, now: Timestamp) -> Vec<String> {
    let mut config = Config::default();
    config.store.data = data.to_owned();
    let dav = Dav::open(&config, now, || Duration::ZERO, Arc::new(NoObserver)).await;
    let dav = dav.unwrap();
    let told = told(&dav, now, Detail::All).await;
    dav.close().await.unwrap();
    let line = |((section, place), what)| json!([section, place, what]).to_string();
    told.into_iter().map(line).collect()
}

/// Whether a folder tells what is expected and nothing else.
fn compare(found: &[String], expected: &[String]) -> Result<(), String> {
    let only_in = |one: &[String], other: &[String]| {
        let mut lines = one.iter().filter(|line| !other.contains(line));
        lines.next().cloned()
    };
    match (only_in(expected, found), only_in(found, expected)) {
        (None, None) => Ok(()),
        (lacks, has) => Err(format!("it lacks {lacks:?} and has {has:?}")),
    }
}

fn now_of(known: &Known) -> Timestamp {
    Timestamp(known["now"].parse().unwrap())
}

fn checked(data: &Path) {
    let mut check = lockkeeper();
    let checked = run(check.arg("check").arg("--data").arg(data), "");
    assert!(checked.status.success(), "{checked:?}");
}

#[tokio::test]
async fn everything_in_the_folders_of_earlier_releases_is_there() {
    for format in FORMATS {
        let fixture = Fixture::of(format);
        let (_aside, data) = fixture.unpacked();
        checked(&data);
        let (found, expected) = (lines(&data, now_of(&fixture.known())).await, fixture.told());
        compare(&found, &expected).unwrap();
        assert!(found.len() > 60, "{} lines", found.len());
        checked(&data);
    }
}

/// The test of the test: whatever content file is lost is missed.
#[tokio::test]
async fn a_folder_that_lacks_something_is_not_the_same() {
    let fixture = Fixture::of(2);
    let (_aside, data) = fixture.unpacked();
    let now = now_of(&fixture.known());
    let contents = bytes_of(&data.join("content"));
    assert!(contents.len() > 2);
    for (lost, bytes) in contents {
        fs::remove_file(&lost).unwrap();
        compare(&lines(&data, now).await, &fixture.told()).unwrap_err();
        fs::write(&lost, bytes).unwrap();
    }
    compare(&lines(&data, now).await, &fixture.told()).unwrap();
}

#[test]
fn whoever_could_sign_in_before_an_upgrade_can_after_it() {
    for format in FORMATS {
        let fixture = Fixture::of(format);
        let (_aside, data) = fixture.unpacked();
        let known = fixture.known();
        let server = Server::start_at(&data);
        let alice = server.client("alice", "alice-password");
        alice.get("/docs/small").status(200).containing("third");
        server
            .client("alice", "wrong")
            .get("/docs/small")
            .status(401);
        let key = server.client("alice", &known["key"]);
        key.get("/docs/small").status(200);
        key.put("/docs/small", "refused: the key can only read")
            .status(403);
        // The check-out stands, and its token opens it for its owner alone.
        let bob = server.client("bob", "bob-password");
        bob.put("/docs/large", "x").status(423);
        let token = format!("(<{}>)", known["check-out"]);
        let with_token = [("If", token.as_str())];
        bob.send("PUT", "/docs/large", &with_token, "x").status(423);
        alice
            .send("PUT", "/docs/large", &with_token, "x")
            .status(204);
        alice.unlock("/docs/large", &known["check-out"]).status(204);
        bob.put("/docs/large", "y").status(204);
        bob.put("/docs/frozen", "x").status(423);
    }
}

/// What `lockkeeper` says to a folder.
fn said(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(lockkeeper().args(arguments).arg("--data").arg(data), "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// Every file with its bytes.
fn bytes_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes_of(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn a_folder_of_a_later_release_is_refused_and_left_alone() {
    let (_aside, data) = Fixture::of(2).unpacked();
    let note = (u128::from(4_u64) << 64 | u128::from(!4_u64)).to_be_bytes();
    fs::write(data.join("meta/format"), note).unwrap();
    let before = bytes_of(&data);
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["check"],
        &["user", "list"],
    ] {
        let (code, said) = said(&data, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        let newer = "was made by a newer Lockkeeper (format 4; this one knows formats up to 3); \
                     use that version or a later one";
        assert!(said.contains(newer), "{arguments:?}: {said}");
        let after = bytes_of(&data);
        let changed = |(path, bytes): &(&PathBuf, &Vec<u8>)| after.get(*path) != Some(*bytes);
        let changed: Vec<_> = before
            .iter()
            .filter(changed)
            .map(|(path, _)| path)
            .collect();
        assert!(changed.is_empty(), "{arguments:?} changed {changed:?}");
        assert_eq!(before.len(), after.len(), "{arguments:?} left a file");
    }
}

/// Run once for a format, with the first release that has it. What is there stays: remove the
/// folder of a format that no release has yet to have it made anew.
#[tokio::test]
#[ignore = "writes tests/fixtures"]
async fn make_the_fixture() {
    let fixture = Fixture::of(*FORMATS.last().unwrap());
    if fixture.dir.exists() {
        println!("{} is there already", fixture.dir.display());
        return;
    }
    fs::create_dir_all(&fixture.dir).unwrap();
    let mut server = Server::start();
    let mut known = furnish(&server);
    // So the journal has what sled does not have yet.
    server.kill();
    let data = server.data();
    // As the last lock was taken: transient ones stand for a while.
    let taken = fs::metadata(data.join("meta/journal-0"))
        .unwrap()
        .modified()
        .unwrap();
    let taken = taken.duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp(u64::try_from(taken.as_millis()).unwrap());
    known.insert("now".to_owned(), now.0.to_string());
    let mut tar = Command::new("tar");
    tar.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--exclude=*.sock",
        "-czf",
    ])
    .arg(fixture.dir.join("data.tar.gz"))
    .arg("-C")
    .arg(data.parent().unwrap())
    .arg("data");
    assert!(tar.status().unwrap().success());
    let told = lines(&data, now).await;
    fs::write(fixture.dir.join("told.txt"), told.join("\n") + "\n").unwrap();
    let known = serde_json::to_string_pretty(&known).unwrap();
    fs::write(fixture.dir.join("known.json"), known + "\n").unwrap();
    println!("{} lines", told.len());
}

/// Something of every kind.
fn furnish(server: &Server) -> Known {
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    command(server, &["group", "add", "staff"]);
    command(server, &["group", "add-member", "staff", "bob"]);
    for folder in ["/docs", "/docs/deep", "/docs/deep/inner", "/gone"] {
        alice.mkcol(folder).status(201);
    }
    write_files(&alice);
    command(
        server,
        &["grant", "set", "/docs/deep", "reader", "--group", "staff"],
    );
    command(
        server,
        &["grant", "set", "/docs/deep", "manager", "--user", "alice"],
    );
    let label = [
        "version",
        "label",
        "/docs/small",
        "1",
        "the first",
        "--as",
        "alice",
    ];
    command(server, &label);
    command(
        server,
        &["version", "restore", "/docs/restored", "1", "--as", "alice"],
    );
    alice.lock("/docs/deep", "Second-100000").status(200);
    bob.lock("/docs/new", "Second-100000").status(201);
    let shared = LOCK_EXCLUSIVE.replace("exclusive", "shared");
    for client in [&alice, &bob] {
        client
            .send("LOCK", "/docs/empty", &[], shared.as_str())
            .status(200);
    }
    let check_out = alice
        .lock("/docs/large", "Infinite")
        .status(200)
        .lock_token();
    command(
        server,
        &[
            "lock",
            "freeze",
            "/docs/frozen",
            "--as",
            "alice",
            "--comment",
            "done",
        ],
    );
    bob.put("/docs/large", "refused").status(423);
    let key = [
        "token", "add", "alice", "--name", "mount", "--scope", "read", "--json",
    ];
    let key = command(server, &key);
    let key: Value = serde_json::from_str(&key).unwrap();
    let signing_in = json!({"userName": "alice", "password": "alice-password"}).to_string();
    let json = [("Content-Type", "application/json")];
    let sign_in = server.anonymous();
    let signed_in = sign_in.send(
        "POST",
        "/api/2.0/authentication",
        &json,
        signing_in.as_str(),
    );
    assert!(signed_in.status < 300, "{}", signed_in.text());
    let hook = [
        "webhook",
        "add",
        "http://127.0.0.1:9/hook",
        "--user",
        "alice",
    ];
    command(server, &hook);
    Known::from([
        ("check-out".to_owned(), check_out),
        ("key".to_owned(), key["key"].as_str().unwrap().to_owned()),
    ])
}

fn write_files(alice: &Client) {
    for text in ["first", "second", "third"] {
        alice.put("/docs/small", text);
        alice.put("/docs/restored", text.repeat(1_000));
    }
    alice.put("/docs/large", "l".repeat(9_000)).status(201);
    alice.put("/docs/large", "L".repeat(20_000)).status(204);
    alice.put("/docs/empty", "").status(201);
    alice.put("/docs/frozen", "cold").status(201);
    alice
        .put("/docs/deep/inner/na%C3%AFve%20name", "deep")
        .status(201);
    alice.put("/gone/file", "g".repeat(6_000)).status(201);
    alice.copy("/docs/deep/inner", "/copy").status(201);
    alice.rename("/copy", "/moved").status(201);
    let patch = |value: &str| {
        format!(
            "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:x=\"urn:x\"><D:set><D:prop>\
             <x:note>{value}</x:note></D:prop></D:set></D:propertyupdate>"
        )
    };
    alice.proppatch("/docs/small", &patch("short")).status(207);
    alice
        .proppatch("/docs", &patch(&"long ".repeat(1_200)))
        .status(207);
    alice.delete("/gone").status(204);
}

fn command(server: &Server, arguments: &[&str]) -> String {
    let output = run(&mut server.command(arguments), "");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
