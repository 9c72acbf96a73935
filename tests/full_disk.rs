//! A full disk: uploads are refused with 507 before the file system is, what was acknowledged stays
//! readable, and deleting makes room again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests of programs speak to people"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

use std::path::PathBuf;
use std::process::Command;

use common::{Client, Server};
use programs::{installed, is_root, succeed};

const DISK: &str = "size=48m,mode=0700";
const RESERVE: &str = "[store]\nfree_bytes_min = 8388608\n";
/// More than the disk holds.
const UPLOADS_MAX: u64 = 64;
const UPLOAD_BYTES: u64 = 1024 * 1024;
/// Deleted content is removed by a sweep, a while after the answer.
const SWEEPS_WAITED_MAX: u32 = 60;

#[test]
fn nothing_is_lost_and_room_comes_back() {
    if !is_root() || !installed(&["mount", "umount"]) {
        return;
    }
    let mut server = Server::start_configured(RESERVE);
    // The file system appears between two starts; the second one then is the first on its data.
    assert!(server.stop().success());
    let disk = Disk::mount_over(server.data());
    let mut server = server.restart();
    let alice = server.user("alice");
    alice.put("/small.txt", "small").status(201);

    let mut kept = Vec::new();
    let refused = loop {
        let number = kept.len() as u64;
        assert!(number < UPLOADS_MAX, "the disk was never full");
        let answer = alice.put(&format!("/file-{number}"), content(number));
        if answer.status != 201 {
            break answer;
        }
        kept.push(number);
    };
    refused.status(507);
    assert!(kept.len() > 10, "only {} files fitted", kept.len());
    alice.get(&format!("/file-{}", kept.len())).status(404);
    // Overwriting is refused as well, and leaves what was there.
    alice.put("/file-0", content(99)).status(507);

    assert_all_there(&alice, &kept);
    alice
        .propfind("/", "1", "")
        .status(207)
        .containing("file-0");

    for number in kept.drain(..4) {
        alice.delete(&format!("/file-{number}")).status(204);
    }
    let mut waited = 0;
    while alice.put("/again", content(100)).status != 201 {
        assert!(
            waited < SWEEPS_WAITED_MAX,
            "deleting four files made no room for one"
        );
        waited += 1;
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    assert_all_there(&alice, &kept);

    // The same after a start on the nearly full disk.
    assert!(server.stop().success());
    let mut server = server.restart();
    let alice = server.client("alice", "alice-password");
    assert_all_there(&alice, &kept);
    assert!(alice.get("/again").status(200).body == content(100));
    assert!(server.stop().success());
    drop(disk);
}

fn assert_all_there(alice: &Client, numbers: &[u64]) {
    for number in numbers {
        let found = alice.get(&format!("/file-{number}")).status(200).body;
        assert!(
            found == content(*number),
            "file-{number} is not what was put"
        );
    }
    alice.get("/small.txt").status(200).containing("small");
}

/// A mebibyte that no other number has.
fn content(number: u64) -> Vec<u8> {
    let words = UPLOAD_BYTES / 8;
    (0..words)
        .flat_map(|word| (number * words + word).to_le_bytes())
        .collect()
}

/// A small file system in memory, over a folder.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount_over(folder: PathBuf) -> Self {
        let options = ["-t", "tmpfs", "-o", DISK, "tmpfs"];
        succeed(Command::new("mount").args(options).arg(&folder));
        Self { folder }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: after a failure the server may still run.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
