//! `lockkeeper export` and `import` as their users type them, while a server runs and while none
//! does.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure how long something took"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use common::{Server, run};
use serde_json::Value;

/// Runs a command with this exit code: what it printed, and what it remarked.
#[track_caller]
fn ends(server: &Server, code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(&mut server.command(arguments), "");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let told = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told:?}");
    told
}

#[track_caller]
fn numbers(server: &Server, code: i32, arguments: &[&str]) -> (Value, String) {
    let (printed, remarks) = ends(server, code, &[arguments, &["--json"]].concat());
    (serde_json::from_str(&printed).unwrap(), remarks)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + second)
}

fn write(folder: &Path, path: &str, bytes: &[u8], second: u64) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(at(second)).unwrap();
}

/// What is below a folder: of files the bytes and the time, of folders nothing.
fn look(folder: &Path) -> BTreeMap<String, Option<(Vec<u8>, SystemTime)>> {
    let mut seen = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let (path, found) = (entry.path(), entry.metadata().unwrap());
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if found.is_dir() {
                seen.insert(name, None);
                left.push(path);
            } else {
                let bytes = fs::read(path).unwrap();
                seen.insert(name, Some((bytes, found.modified().unwrap())));
            }
        }
    }
    seen
}

/// A thousand files, and all that a folder may have.
fn odd_folder(folder: &Path) {
    for n in 0..1000_u32 {
        let bytes = n.to_le_bytes().repeat(n as usize % 50);
        write(
            folder,
            &format!("many/{:02}/{n}", n % 20),
            &bytes,
            u64::from(n),
        );
    }
    let large: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    write(folder, "large.bin", &large, 1);
    write(folder, "inline limit", &[7; 4096], 2);
    let names = [
        "Jörg & Co (1) #%.txt",
        "a\\b",
        "new\nline",
        " space ",
        "*?<>|\"'",
        "%2F",
        "...",
        "\u{202e}gpj.exe",
        ".hidden",
        "日本語",
        "e\u{301}",
    ];
    for name in names {
        write(folder, &format!("odd/{name}"), name.as_bytes(), 3);
    }
    fs::create_dir_all(folder.join("empty/er")).unwrap();
}

#[test]
fn a_folder_goes_in_and_comes_out_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    odd_folder(&source);
    let expected = look(&source);
    let mut server = Server::start();
    let alice = server.user("alice");

    let started = Instant::now();
    let command = ["import", text(&source), "/served", "--as", "alice"];
    let (done, remarks) = numbers(&server, 0, &command);
    println!("with a server: {done} in {:?}", started.elapsed());
    assert_eq!((done["files"].as_u64(), &*remarks), (Some(1013), ""));
    let answer = alice.get("/served/large.bin").status(200);
    assert_eq!(
        answer.header("last-modified"),
        Some("Sun, 09 Sep 2001 01:46:41 GMT")
    );
    let (done, _) = numbers(&server, 0, &command);
    assert_eq!(done["already_there"].as_u64(), Some(1013), "left alone");

    let served = folder.path().join("served");
    ends(&server, 0, &["export", "/served", text(&served)]);
    assert!(look(&served) == expected);
    assert!(server.stop().success());
    let started = Instant::now();
    let command = ["import", text(&source), "/alone", "--as", "alice"];
    let (done, _) = numbers(&server, 0, &command);
    println!("without one: {done} in {:?}", started.elapsed());
    let both = folder.path().join("both");
    let (done, _) = numbers(&server, 0, &["export", text(&both)]);
    assert_eq!(done["files"].as_u64(), Some(2 * 1013));
    for part in ["served", "alone"] {
        assert!(look(&both.join(part)) == expected, "{part}");
    }
    let one = folder.path().join("one");
    ends(&server, 0, &["export", "/alone/odd/%2F", text(&one)]);
    assert_eq!(look(&one).keys().collect::<Vec<_>>(), ["%2F"]);
}

#[test]
fn what_is_refused_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    for path in [
        "a",
        "locked/b",
        "hidden/c",
        "read/d",
        "api/e",
        "there",
        "was-folder",
    ] {
        write(&source, path, b"new", 1);
    }
    let not_utf8 = source.join(OsStr::from_bytes(b"\xff.txt"));
    fs::write(not_utf8, "x").unwrap();
    symlink("a", source.join("link")).unwrap();
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    for folder in ["/locked", "/hidden", "/read", "/was-folder"] {
        alice.mkcol(folder).status(201);
    }
    alice.put("/there", "old").status(201);
    let lock = alice.lock("/locked", "Infinite").status(200).lock_token();
    for (path, role) in [("/hidden", "none"), ("/read", "reader")] {
        ends(&server, 0, &["grant", "set", path, role, "--user", "bob"]);
    }
    let command = ["import", text(&source), "--as", "bob"];
    let (done, remarks) = numbers(&server, 4, &command);
    let told = |part: &str| {
        remarks
            .lines()
            .find(|line| line.contains(part))
            .unwrap_or("")
    };
    for (part, why) in [
        ("locked/b", "alice"),
        ("hidden", ""),
        ("read/d", "read"),
        ("source/api", "server itself"),
        ("was-folder", "collection"),
        ("link", "symbolic link"),
        (".txt", "UTF-8"),
    ] {
        let line = told(part);
        assert!(
            line.contains(part) && line.contains(why),
            "{part}: {remarks}"
        );
    }
    let count = |name: &str| done[name].as_u64().unwrap();
    let counted = ["files", "already_there", "skipped", "refused"].map(count);
    assert_eq!(counted, [1, 1, 1, 6], "{remarks}");
    bob.get("/a").status(200).containing("new");
    bob.get("/there").status(200).containing("old");
    alice.get("/locked/b").status(404);
    alice.get("/hidden/c").status(404);

    alice.unlock("/locked", &lock).status(204);
    let (done, _) = numbers(&server, 4, &[&command[..], &["--overwrite"]].concat());
    let count = |name: &str| done[name].as_u64().unwrap();
    assert_eq!(["files", "replaced"].map(count), [1, 2]);
    bob.get("/there").status(200).containing("new");
    bob.get("/locked/b").status(200);
}

#[test]
fn what_cannot_be_meant_is_said() {
    let server = Server::start();
    server.user("alice");
    let folder = tempfile::tempdir().unwrap();
    let (here, nowhere) = (text(folder.path()), folder.path().join("nowhere"));
    write(folder.path(), "file", b"x", 1);
    let check = |code, arguments: &[&str], says: &str| {
        let (_, remarks) = ends(&server, code, arguments);
        assert!(remarks.contains(says), "{arguments:?}: {remarks}");
    };
    check(3, &["import", here, "--as", "nobody"], "no user \"nobody\"");
    check(
        3,
        &["import", text(&nowhere), "--as", "alice"],
        "is no folder",
    );
    check(
        4,
        &["import", here, "/x/y", "--as", "alice"],
        "nothing in it was imported",
    );
    check(4, &["export", here], "not empty");
    check(3, &["export", "/nowhere", text(&nowhere)], "");
    check(2, &["export", "nowhere", text(&nowhere)], "begin with '/'");
    assert!(!nowhere.exists());
}
