//! kill -9 under load: whatever the server acknowledged is there when it starts again, whole, and
//! locks keep their tokens; what it did not acknowledge happened whole or not at all.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod crew;
mod programs;

use std::time::Duration;

use common::Server;
use crew::{Acknowledged, Crew};

/// Looking at every version of every file takes a while.
const ROUNDS_FROM_TIDY_TO_TIDY: u64 = 5;
const ROUNDS_IN_CI: u64 = 10;
const ROUNDS_AT_LENGTH: u64 = 500;

#[test]
fn what_differs_is_seen() {
    crew::assert_differences_are_seen();
}

#[test]
fn ten_kills() {
    kill_again_and_again(ROUNDS_IN_CI);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn five_hundred_kills() {
    kill_again_and_again(ROUNDS_AT_LENGTH);
}

fn kill_again_and_again(rounds: u64) {
    let mut server = Server::start_configured(&crew::settings());
    let mut crew = Crew::new(&server, crew::dice::seed());
    let mut acknowledged = Acknowledged::default();
    for round in 0..rounds {
        crew.connect(&server);
        // Not the same moment in every round: sometimes amid the first writes, sometimes well
        // after.
        let load = Duration::from_millis(500 + round * 377 % 1_500);
        acknowledged += crew.load_and_kill(&mut server, load, Server::kill);
        server = server.restart();
        crew.connect(&server);
        crew.verify(round);
        if round % ROUNDS_FROM_TIDY_TO_TIDY == ROUNDS_FROM_TIDY_TO_TIDY - 1 {
            crew.verify_content_files(&server, round);
        }
    }
    println!("{rounds} kills, {acknowledged:?}");
    acknowledged.assert_enough(rounds);
    assert!(server.stop().success());
}
