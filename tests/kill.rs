//! kill -9 under load: whatever the server acknowledged is there when it starts again, whole, and
//! locks keep their tokens; what it did not acknowledge happened whole or not at all.
//!
//! Every worker has a folder of its own and writes down, before each request, what the folder may
//! look like if no answer comes: as before, or as after. Afterwards it compares names, content byte
//! for byte, a dead property and lock tokens, and refreshes every lock with its old token. Beside
//! the workers, two managers check files out and in, steal them and upload versions, and an
//! administrator keeps groups, grants and API keys.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

#[path = "kill/desk.rs"]
mod desk;
#[path = "kill/dice.rs"]
mod dice;
#[path = "kill/exchange.rs"]
mod exchange;
#[path = "kill/registry.rs"]
mod registry;
#[path = "kill/worker.rs"]
mod worker;

use std::time::Duration;

use common::Server;
use desk::Desk;
use registry::Registry;
use worker::Worker;

const WORKERS: u64 = 6;
const ROUNDS_IN_CI: u64 = 10;
const ROUNDS_AT_LENGTH: u64 = 200;

#[test]
fn what_differs_is_seen() {
    worker::assert_differences_are_seen();
    desk::assert_differences_are_seen();
}

#[test]
fn ten_kills() {
    kill_again_and_again(ROUNDS_IN_CI);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn two_hundred_kills() {
    kill_again_and_again(ROUNDS_AT_LENGTH);
}

/// Everybody who uses the server while it is killed.
struct Crew {
    workers: Vec<Worker>,
    desk: Desk,
    registry: Registry,
}

/// How much was acknowledged before a kill.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    requests: u64,
    at_the_desk: u64,
    in_the_registry: u64,
}

impl Crew {
    fn new(server: &Server) -> Self {
        let (client, _) = (server.user("alice"), server.user("bob"));
        let workers: Vec<_> = (0..WORKERS).map(Worker::new).collect();
        for worker in &workers {
            client.mkcol(worker.folder()).status(201);
        }
        Self {
            workers,
            desk: Desk::new(server),
            registry: Registry::new(server),
        }
    }

    fn connect(&mut self, server: &Server) {
        for worker in &mut self.workers {
            worker.connect(server);
        }
        self.desk.connect(server);
        self.registry.connect(server);
    }

    /// Lets everybody loose, kills the server amid them, and counts the acknowledged requests.
    fn load_and_kill(&mut self, server: &mut Server, load: Duration) -> Acknowledged {
        std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .workers
                .iter_mut()
                .map(|worker| scope.spawn(move || worker.work_until_killed()))
                .collect();
            let desk = scope.spawn(|| self.desk.work_until_killed());
            let registry = scope.spawn(|| self.registry.work_until_killed());
            std::thread::sleep(load);
            server.kill();
            let workers = workers.into_iter().map(|worker| worker.join().unwrap());
            Acknowledged {
                requests: workers.sum(),
                at_the_desk: desk.join().unwrap(),
                in_the_registry: registry.join().unwrap(),
            }
        })
    }

    fn verify(&mut self, round: u64) {
        for worker in &mut self.workers {
            worker.verify(round);
        }
        self.desk.verify(round);
        self.registry.verify(round);
    }
}

fn kill_again_and_again(rounds: u64) {
    let mut server = Server::start();
    let mut crew = Crew::new(&server);
    for round in 0..rounds {
        crew.connect(&server);
        // Not the same moment in every round: sometimes amid the first writes, sometimes well
        // after.
        let load = Duration::from_millis(500 + round * 377 % 1_500);
        let acknowledged = crew.load_and_kill(&mut server, load);
        println!("round {round}: {acknowledged:?}");
        let Acknowledged {
            requests,
            at_the_desk,
            in_the_registry,
        } = acknowledged;
        assert!(
            requests > 20 && at_the_desk > 3 && in_the_registry > 3,
            "round {round}: so small a load proves nothing: {acknowledged:?}"
        );
        server = server.restart();
        crew.connect(&server);
        crew.verify(round);
    }
    assert!(server.stop().success());
}
