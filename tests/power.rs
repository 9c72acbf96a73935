//! Power cuts under load: whatever the server acknowledged is there when it starts again, whole,
//! though of all that it had not synced only some part reached the disk, in any order: bytes,
//! sizes, names, renames, removals.
//!
//! The server writes into a journal what it does to its files (`power/journal.c`). Amid the load it
//! is killed, and in place of its files comes what a disk might have kept (`power/disk.rs`). Then
//! the real binary starts over that, and everybody of the crew compares. `LOCKKEEPER_SEED` gives
//! the same requests and the same dice; of a cut that is not survived, the files before and after
//! it and the journal between are kept.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod crew;
#[path = "power/mod.rs"]
mod power;
mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::Server;
use crew::dice::seed;
use crew::{Acknowledged, Crew};
use power::Power;
use power::disk::Lie;
use power::journal::Op;

const CUTS_IN_CI: u64 = 20;
const CUTS_AT_LENGTH: u64 = 500;
/// Of a campaign on a disk that lies: so many must be enough to find it out.
const CUTS_OF_A_LIAR: u64 = 6;
/// As what the crew then says shows.
const LOSSES: [&str; 6] = [
    "acknowledged",
    "answer 500",
    "are on the disk",
    "no event tells of",
    "the record says",
    "the server ended before it was ready",
];
/// Looking at every version of every file takes a while.
const CUTS_FROM_TIDY_TO_TIDY: u64 = 5;
/// Of the moments of a first start.
const CUTS_OF_A_START: usize = 15;

#[test]
fn what_differs_is_seen() {
    crew::assert_differences_are_seen();
}

#[test]
fn twenty_cuts() {
    if has_compiler() {
        cut_again_and_again(CUTS_IN_CI, seed(), None);
    }
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn five_hundred_cuts() {
    if has_compiler() {
        cut_again_and_again(CUTS_AT_LENGTH, seed(), None);
    }
}

fn has_compiler() -> bool {
    programs::installed(&["cc"])
}

fn cut_again_and_again(cuts: u64, seed: u64, lie: Option<Lie>) {
    let folder = tempfile::tempdir().unwrap();
    let mut power = Power::new(folder.path(), seed);
    let settings = crew::settings();
    let mut server = Server::start_in(folder, &settings, &power.data(), power.environment());
    let mut crew = Crew::new(&server, seed);
    let mut acknowledged = Acknowledged::default();
    for cut in 0..cuts {
        crew.connect(&server);
        let load = Duration::from_millis(300 + power.dice(900));
        // What the crew made before its first load is no part of what a liar can lose.
        power.lie = lie.filter(|_| cut > 0);
        let fate = power.dice(6);
        if fate == 0 {
            acknowledged += crew.load_and_kill(&mut server, load, power::die);
            power.go_on();
        } else {
            acknowledged += crew.load_and_kill(&mut server, load, Server::kill);
            power.fail();
        }
        if fate < 2 {
            // While the next server mends what the crash or the first cut left.
            server = server.restart();
            server.kill();
            power.fail_earlier();
        }
        server = server.restart();
        crew.connect(&server);
        crew.verify(cut);
        if cut % CUTS_FROM_TIDY_TO_TIDY == CUTS_FROM_TIDY_TO_TIDY - 1 {
            crew.verify_content_files(&server, cut);
        }
    }
    println!("{cuts} cuts, {acknowledged:?}");
    acknowledged.assert_enough(cuts);
    assert!(server.stop().success());
    power.assert_journal_is_whole();
}

#[test]
fn a_journal_that_is_not_synced_is_found_out() {
    assert_found_out(Lie::Journal);
}

#[test]
fn a_log_that_is_not_synced_is_found_out() {
    assert_found_out(Lie::Log);
}

#[test]
fn folders_that_are_not_synced_are_found_out() {
    assert_found_out(Lie::Folders);
}

#[test]
fn content_that_is_not_synced_is_found_out() {
    assert_found_out(Lie::Content);
}

fn assert_found_out(lie: Lie) {
    if !has_compiler() {
        return;
    }
    let seed = seed();
    let campaign = AssertUnwindSafe(|| cut_again_and_again(CUTS_OF_A_LIAR, seed, Some(lie)));
    let found = catch_unwind(campaign).expect_err("acknowledged changes were lost unseen");
    let found = found.downcast_ref::<String>().expect("a text");
    assert!(LOSSES.iter().any(|loss| found.contains(loss)), "{found}");
    println!("found out: {}", found.lines().next().unwrap_or_default());
}

#[test]
fn the_journal_tells_everything() {
    if !has_compiler() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut power = Power::new(folder.path(), seed());
    let mut server = Server::start_in(folder, "", &power.data(), power.environment());
    let alice = server.user("alice");
    for number in 0..40 {
        let content = vec![b'x'; number * 1_500];
        let answer = alice.put(&format!("/{}", number % 10), content);
        assert!(answer.status < 300, "{answer}");
    }
    alice.delete("/9").status(204);
    assert!(server.stop().success());
    power.assert_journal_is_whole();
}

/// Before a new server says a word, all that it rests on has durable names: the folders on the way
/// to its data, which it made, too.
#[test]
fn what_a_first_start_makes_stays() {
    if !has_compiler() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut power = Power::new(folder.path(), seed());
    let data = power.data();
    let data = data.strip_prefix(folder.path().join("disk")).unwrap();
    let data = format!("/{}", data.display());
    let mut server = Server::start_in(folder, "", &power.data(), power.environment());
    server.kill();
    let ops = power.journal();
    let contents = (0..=u8::MAX).map(|page| format!("content/{page:02x}"));
    let of_the_store = [
        "conf",
        "db",
        "commit-number",
        "format",
        "journal-0",
        "journal-1",
        "journal-2",
    ];
    let of_the_store = of_the_store.map(|file| format!("meta/{file}"));
    let needed: Vec<String> = contents.chain(of_the_store).collect();
    for left in power.outcomes(&ops, 100) {
        for name in &needed {
            assert!(
                left.contains_key(&format!("{data}/{name}")),
                "{name} is gone"
            );
        }
    }
}

/// Whenever the power fails while a new server makes its files, it can be started again; and once
/// it has told the password of its first user, that opens the door.
#[test]
fn a_first_start_may_be_cut_anywhere() {
    if has_compiler() {
        cut_a_first_start(CUTS_OF_A_START);
    }
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn a_first_start_may_be_cut_everywhere() {
    if has_compiler() {
        cut_a_first_start(usize::MAX);
    }
}

fn cut_a_first_start(cuts: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut power = Power::new(folder.path(), seed());
    let mut server = Server::start_in(folder, "", &power.data(), power.environment());
    let password = server.admin_password();
    server.kill();
    let ops = power.journal();
    let mut lengths = lengths_that_differ(&ops);
    while lengths.len() > cuts {
        let one = power.dice(lengths.len() as u64);
        lengths.swap_remove(usize::try_from(one).unwrap());
    }
    println!("{} of {} moments", lengths.len(), ops.len());
    // The last one is after the first words of the server.
    for length in lengths.into_iter().chain([ops.len()]) {
        power.fail_after(ops[..length].to_vec());
        server = server.restart();
        if length == ops.len() {
            server.client("admin", &password).get("/").status(200);
        }
        server.kill();
        power.rewind();
    }
}

/// One of the 256 folders for content is like another.
fn lengths_that_differ(ops: &[Op]) -> Vec<usize> {
    let is_like_the_one_before = |length: usize| {
        let pair = ops.get(length.wrapping_sub(2)..length).unwrap_or_default();
        matches!(pair, [Op::MakeFolder(one), Op::MakeFolder(other)] if one.folder == other.folder)
    };
    (1..ops.len())
        .filter(|length| !is_like_the_one_before(*length))
        .collect()
}
