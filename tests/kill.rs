//! kill -9 under load: whatever the server acknowledged is there when it starts again, whole, and
//! locks keep their tokens; what it did not acknowledge happened whole or not at all.
//!
//! Every worker has a folder of its own and writes down, before each request, what the folder may
//! look like if no answer comes: as before, or as after. Afterwards it compares names, content byte
//! for byte, a dead property and lock tokens, and refreshes every lock with its old token.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;
#[path = "kill/worker.rs"]
mod worker;

use std::time::Duration;

use common::Server;
use worker::Worker;

const WORKERS: u64 = 6;
const ROUNDS_IN_CI: u64 = 10;
const ROUNDS_AT_LENGTH: u64 = 200;

#[test]
fn what_differs_is_seen() {
    worker::assert_differences_are_seen();
}

#[test]
fn ten_kills() {
    kill_again_and_again(ROUNDS_IN_CI);
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn two_hundred_kills() {
    kill_again_and_again(ROUNDS_AT_LENGTH);
}

fn kill_again_and_again(rounds: u64) {
    let mut server = Server::start();
    let client = server.user("alice");
    let mut workers: Vec<_> = (0..WORKERS).map(Worker::new).collect();
    for worker in &workers {
        client.mkcol(worker.folder()).status(201);
    }
    for round in 0..rounds {
        let acknowledged = load_and_kill(&mut server, &mut workers, round);
        assert!(
            acknowledged > 20,
            "round {round}: a load of {acknowledged} requests proves nothing"
        );
        server = server.restart();
        for worker in &mut workers {
            worker.connect(&server);
            worker.verify(round);
        }
    }
    assert!(server.stop().success());
}

/// Lets the workers loose, kills the server amid them, and counts the acknowledged requests.
fn load_and_kill(server: &mut Server, workers: &mut [Worker], round: u64) -> u64 {
    for worker in &mut *workers {
        worker.connect(server);
    }
    // Not the same moment in every round: sometimes amid the first writes, sometimes well after.
    let load = Duration::from_millis(500 + round * 377 % 1_500);
    std::thread::scope(|scope| {
        let running: Vec<_> = workers
            .iter_mut()
            .map(|worker| scope.spawn(move || worker.work_until_killed()))
            .collect();
        std::thread::sleep(load);
        server.kill();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}
