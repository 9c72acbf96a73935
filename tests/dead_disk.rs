//! A disk that cannot be written while the server runs: full, broken, or mounted read-only.
//! Whatever is to be changed is refused with a reason, reading goes on, nothing acknowledged is
//! lost, and as soon as the disk can be written again everything works, without anybody's help.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests of programs speak to people"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use common::{Client, Environment, Response, Server, run};
use programs::{installed, succeed};

const ENOSPC: (i32, &str) = (28, "No space left on device");
const EIO: (i32, &str) = (5, "Input/output error");
const EROFS: (i32, &str) = (30, "Read-only file system");
/// The disk is looked at every two seconds; on a busy machine that takes longer.
const LOOKS_MAX: u32 = 300;

struct Disk {
    server: Server,
    environment: Environment,
    error: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shim = folder.path().join("dead_disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dead_disk.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]);
        succeed(compile.arg(&shim).arg(source));
        let (data, error) = (folder.path().join("data"), folder.path().join("error"));
        let environment = vec![
            ("LD_PRELOAD", shim),
            ("DEAD_DISK", data.clone()),
            ("DEAD_DISK_ERROR", error.clone()),
        ];
        let server = Server::start_in(folder, "", &data, environment.clone());
        Self {
            server,
            environment,
            error,
        }
    }

    fn dies(&self, (number, _): (i32, &str)) {
        // In one step, or half a number might be read.
        let aside = self.error.with_extension("new");
        fs::write(&aside, number.to_string()).unwrap();
        fs::rename(aside, &self.error).unwrap();
    }

    fn recovers(&self) {
        fs::remove_file(&self.error).unwrap();
    }
}

fn until_done(mut attempt: impl FnMut() -> Response) -> Response {
    for _ in 0..LOOKS_MAX {
        let answer = attempt();
        if answer.status < 300 {
            return answer;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("it never worked again");
}

fn assert_all_there(alice: &Client, locked: &str) {
    alice.get("/small").status(200).containing("small");
    assert!(alice.get("/large").status(200).body == vec![b'l'; 300_000]);
    let listed = alice.propfind("/", "1", "").status(207);
    listed.containing("/large").containing(locked);
}

fn dies_and_recovers(error: (i32, &str)) {
    if !installed(&["cc"]) {
        return;
    }
    let mut disk = Disk::new();
    let alice = disk.server.user("alice");
    alice.put("/small", "small").status(201);
    alice.put("/large", vec![b'l'; 300_000]).status(201);
    let token = alice.lock("/small", "Second-1800").status(200).lock_token();

    disk.dies(error);
    // The first may be told so by the disk, the next by the store that knows.
    for (number, body) in [vec![b'x'; 10], vec![b'x'; 100_000]]
        .into_iter()
        .enumerate()
    {
        let refused = alice.put(&format!("/refused-{number}"), body);
        assert!(refused.status >= 500, "{}", refused.status);
    }
    let refused = alice.mkcol("/refused").status(503);
    let refused = refused.containing("cannot be written");
    refused
        .containing(error.1)
        .containing("reading still works");
    alice.lock("/large", "Second-1800").status(503);
    alice
        .get("/.lockkeeper/health")
        .status(503)
        .containing("cannot be written");
    assert_all_there(&alice, &token);

    disk.recovers();
    until_done(|| alice.mkcol("/again"));
    alice.get("/.lockkeeper/health").status(200);
    assert_all_there(&alice, &token);
    let with_token = [("If", format!("(<{token}>)"))];
    let with_token: Vec<_> = with_token
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    alice
        .send("PUT", "/small", &with_token, "small, later")
        .status(204);
    // What was refused did not happen by half: it is there whole, or not at all.
    let half = alice.get("/refused-1");
    assert!(half.status == 404 || half.body == vec![b'x'; 100_000]);

    // The same once more, and an end in the middle of it.
    disk.dies(error);
    let refused = alice.put("/refused-2", "x");
    assert!(refused.status >= 500, "{}", refused.status);
    assert_all_there(&alice, &token);
    disk.server.kill();
    disk.recovers();
    let server = disk.server.restart();
    let alice = server.client("alice", "alice-password");
    assert_all_there(&alice, &token);
    alice.mkcol("/again-2").status(201);
}

#[test]
fn a_full_disk() {
    dies_and_recovers(ENOSPC);
}

#[test]
fn a_broken_disk() {
    dies_and_recovers(EIO);
}

#[test]
fn a_disk_mounted_read_only() {
    dies_and_recovers(EROFS);
}

/// Nothing runs on a disk that cannot be written from the start: it says so, and changes nothing.
#[test]
fn a_start_on_a_dead_disk_says_why() {
    if !installed(&["cc"]) {
        return;
    }
    let mut disk = Disk::new();
    disk.server.user("alice").put("/small", "small").status(201);
    disk.server.kill();
    disk.dies(EROFS);
    let mut start = disk.server.command(&["serve", "--listen", "127.0.0.1:0"]);
    let ended = run(start.envs(disk.environment.iter().cloned()), "");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains(EROFS.1), "{told}");
    disk.recovers();
    let server = disk.server.restart();
    let alice = server.client("alice", "alice-password");
    alice.get("/small").status(200).containing("small");
}
