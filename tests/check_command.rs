//! `lockkeeper check` as people use it: with and without a server, on a store in order and on one
//! whose disk has changed a bit.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests of programs speak to people"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{Server, run};

fn check(server: &Server, flags: &[&str]) -> (Option<i32>, String) {
    let ended: Output = run(&mut server.command(&[&["check"], flags].concat()), "");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&ended.stdout) + &text(&ended.stderr);
    (ended.status.code(), told)
}

fn content_files(folder: &Path) -> Vec<PathBuf> {
    let pages = fs::read_dir(folder.join("content")).unwrap();
    let files = pages.flat_map(|page| fs::read_dir(page.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// A store with a large file that has an old version, and a locked small one.
fn furnished() -> Server {
    let server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/team").status(201);
    for turn in 1..=2_u8 {
        alice.put("/team/film", vec![turn; 200_000]);
    }
    alice.put("/team/plan", "a plan").status(201);
    alice.lock("/team/plan", "Second-1800").status(200);
    server
}

#[test]
fn a_store_in_order_is_said_to_be() {
    let mut server = furnished();
    let (code, told) = check(&server, &["--online"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("2 content files (390"), "{told}");
    assert!(told.contains("everything is as it was written"), "{told}");
    let (code, told) = check(&server, &[]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("have it check with --online"), "{told}");
    assert!(server.stop().success());
    let (code, told) = check(&server, &["--online"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("leave out --online"), "{told}");
    let (code, told) = check(&server, &["--repair", "--json", "--rate", "100"]);
    assert_eq!(code, Some(0), "{told}");
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(report["faults"], serde_json::json!([]));
    assert_eq!(report["read"]["files"], 2);
}

#[test]
fn a_flipped_bit_is_named_with_what_depends_on_it() {
    let mut server = furnished();
    let files = content_files(&server.data());
    assert_eq!(files.len(), 2);
    flip(&files[0], 100_000);
    let (code, told) = check(&server, &["--online"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("block 1 is not what was written"), "{told}");
    assert!(told.contains(" of /team/film"), "{told}");
    assert!(
        told.contains("1 fault; restore what is damaged from a backup"),
        "{told}"
    );

    // One of the two versions is not served any more; all the rest is.
    let alice = server.client("alice", "alice-password");
    let present = alice.get("/team/film");
    let old = alice.get("/.lockkeeper/history/team/film/1");
    let whole = |status, body: &[u8], byte| status == 200 && body == vec![byte; 200_000];
    let served = [
        whole(present.status, &present.body, 2),
        whole(old.status, &old.body, 1),
    ];
    assert_eq!(served.iter().filter(|served| **served).count(), 1);
    alice.get("/team/plan").status(200).containing("a plan");

    assert!(server.stop().success());
    let (code, offline) = check(&server, &["--repair"]);
    assert_eq!(code, Some(1), "{offline}");
    assert!(
        offline.contains("block 1 is not what was written"),
        "{offline}"
    );
    flip(&files[0], 100_000);
    assert_eq!(check(&server, &[]).0, Some(0));
    fs::remove_file(&files[1]).unwrap();
    let (code, told) = check(&server, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("is missing"), "{told}");
}
