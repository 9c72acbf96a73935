//! Backups through the real binary: taken while everybody goes on writing, interrupted, damaged and
//! restored. What is restored is held against the original row by row and through every face.
//!
//! `LOCKKEEPER_SEED` repeats a campaign, `LOCKKEEPER_FLIPS` sets how many bits the long one flips.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure how long something took"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;
mod support;

#[path = "backup/damage.rs"]
mod damage;
#[path = "backup/house.rs"]
mod house;
#[path = "backup/moments.rs"]
mod moments;
#[path = "backup/pairs.rs"]
mod pairs;
#[path = "webhooks/receiver.rs"]
#[allow(dead_code, reason = "the tests of webhooks use all of it")]
mod receiver;
#[path = "backup/trouble.rs"]
mod trouble;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use bytes::Bytes;
use common::{Server, lockkeeper, run};
use lockkeeper::backup::rows::{Decoder, Record};
use lockkeeper::store::engine::Key;
use serde_json::Value;

/// Runs a command with this exit code; what it said.
#[track_caller]
fn ends(code: i32, arguments: &[&str], data: &Path) -> String {
    let output = try_run(arguments, data);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    told
}

fn try_run(arguments: &[&str], data: &Path) -> Output {
    run(lockkeeper().args(arguments).arg("--data").arg(data), "")
}

/// Makes a backup; what it says about itself.
#[track_caller]
fn back_up(to: &Path, data: &Path, more: &[&str]) -> Value {
    let arguments = [&["backup", text(to), "--json"], more].concat();
    serde_json::from_str(&ends(0, &arguments, data)).unwrap()
}

#[track_caller]
fn restore(from: &Path, data: &Path) {
    ends(0, &["restore", text(from)], data);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The rows of the last moment in a folder of backups.
fn rows_in(backup: &Path) -> BTreeMap<Key, Bytes> {
    let moments = fs::read_dir(backup.join("moments")).unwrap();
    let mut moments: Vec<_> = moments.map(|moment| moment.unwrap().path()).collect();
    moments.sort();
    let mut decoder = Decoder::default();
    decoder.push(&fs::read(moments.last().unwrap().join("rows")).unwrap());
    let mut rows = BTreeMap::new();
    while let Some(record) = decoder.read().unwrap() {
        if let Record::Row(key, value) = record {
            assert!(rows.insert(key, value).is_none());
        }
    }
    assert!(decoder.is_complete());
    rows
}

#[track_caller]
fn assert_same_rows(one: &Path, other: &Path) {
    let (one, other) = (rows_in(one), rows_in(other));
    let keys = one.keys().chain(other.keys());
    let differ: Vec<_> = keys
        .filter(|key| one.get(*key) != other.get(*key))
        .collect();
    assert!(differ.is_empty(), "{differ:?}");
}

/// Every file below a folder: path and bytes.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

/// The whole tree, its people and its past are the same in the restored store, through every face.
#[test]
fn everything_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, tar, new) = (
        folder.path().join("backups"),
        folder.path().join("one.tar"),
        folder.path().join("new"),
    );
    let mut house = house::House::build();
    let taken = back_up(&dir, &house.server.data(), &[]);
    assert_eq!(taken["contents"], taken["contents_copied"]);
    let again = back_up(&tar, &house.server.data(), &[]);
    assert_eq!(again["rows"], taken["rows"], "nothing happened in between");
    let seen = house.look();
    assert!(house.server.stop().success());
    let stopped = folder.path().join("stopped");
    back_up(&stopped, &house.server.data(), &[]);
    assert_same_rows(&stopped, &dir);

    for source in [&dir, &tar] {
        restore(source, &new);
        let once_more = folder.path().join("once-more");
        back_up(&once_more, &new, &[]);
        assert_same_rows(&once_more, &dir);
        let original = files_in(&house.server.data().join("content"));
        assert!(files_in(&new.join("content")) == original, "bit by bit");
        fs::remove_dir_all(once_more).unwrap();
        let restored = Server::start_at(&new);
        let found = house.look_at(&restored);
        for (seen, found) in seen.iter().zip(&found) {
            assert_eq!(seen, found);
        }
        house.goes_on(&restored);
        drop(restored);
        fs::remove_dir_all(&new).unwrap();
    }
}
