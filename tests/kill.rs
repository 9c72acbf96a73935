//! kill -9 under load: whatever the server acknowledged is there when it starts again, whole, and
//! locks keep their tokens; what it did not acknowledge happened whole or not at all.
//!
//! Every worker has a folder of its own and writes down, before each request, what the folder may
//! look like if no answer comes: as before, or as after. Afterwards it compares names, content byte
//! for byte, a dead property and lock tokens, and refreshes every lock with its old token. Beside
//! the workers, two managers check files out and in, steal them and upload versions, an
//! administrator keeps groups, grants and API keys, and an archive gets version after version, of
//! which few are kept. The record of events, told again from its beginning, is the store.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

#[path = "kill/archive.rs"]
mod archive;
#[path = "kill/desk.rs"]
mod desk;
#[path = "kill/dice.rs"]
mod dice;
#[path = "kill/disk.rs"]
mod disk;
#[path = "kill/exchange.rs"]
mod exchange;
#[path = "kill/record.rs"]
mod record;
#[path = "kill/registry.rs"]
mod registry;
#[path = "kill/worker.rs"]
mod worker;

use std::time::Duration;

use archive::Archive;
use common::Server;
use desk::Desk;
use record::Record;
use registry::Registry;
use worker::Worker;

const WORKERS: u64 = 6;
/// Old versions that the server keeps: so few that some go all the time.
const KEPT: usize = 3;
/// Looking at every version of every file takes a while.
const ROUNDS_FROM_TIDY_TO_TIDY: u64 = 5;
const ROUNDS_IN_CI: u64 = 10;
const ROUNDS_AT_LENGTH: u64 = 200;

#[test]
fn what_differs_is_seen() {
    worker::assert_differences_are_seen();
    archive::assert_differences_are_seen();
    record::assert_differences_are_seen();
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
    archive: Archive,
    record: Record,
    /// Of each line of requests before the kill, what the record must have.
    marks: Vec<Vec<String>>,
}

/// How much was acknowledged before a kill.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    requests: u64,
    at_the_desk: u64,
    in_the_registry: u64,
    in_the_archive: u64,
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
            archive: Archive::new(server),
            record: Record::new(server),
            marks: Vec::new(),
        }
    }

    fn connect(&mut self, server: &Server) {
        for worker in &mut self.workers {
            worker.connect(server);
        }
        self.desk.connect(server);
        self.registry.connect(server);
        self.archive.connect(server);
        self.record.connect(server);
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
            let archive = scope.spawn(|| self.archive.work_until_killed());
            std::thread::sleep(load);
            server.kill();
            let workers = workers.into_iter().map(|worker| worker.join().unwrap());
            let (counts, marks): (Vec<u64>, Vec<Vec<String>>) = workers.unzip();
            let (in_the_archive, marks_of_archive) = archive.join().unwrap();
            self.marks = marks;
            self.marks.push(marks_of_archive);
            Acknowledged {
                requests: counts.iter().sum(),
                in_the_archive,
                at_the_desk: desk.join().unwrap(),
                in_the_registry: registry.join().unwrap(),
            }
        })
    }

    fn verify(&mut self, server: &Server, round: u64) {
        let events = self.record.verify(round, &self.marks);
        for worker in &mut self.workers {
            worker.verify(round);
        }
        self.desk.verify(round);
        self.registry.verify(round);
        let versions = self.archive.verify(round);
        println!("round {round}: {events} events, {versions} versions in the archive");
        if round % ROUNDS_FROM_TIDY_TO_TIDY == ROUNDS_FROM_TIDY_TO_TIDY - 1 {
            let reader = self.record.reader();
            let files = disk::assert_nothing_is_left_over(server, reader, round);
            println!("round {round}: {files} content files, each in use");
        }
    }
}

fn kill_again_and_again(rounds: u64) {
    let mut server = Server::start_configured(&format!("[versions]\nkeep = {KEPT}\n"));
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
            in_the_archive,
        } = acknowledged;
        let others = [at_the_desk, in_the_registry, in_the_archive];
        assert!(
            requests > 5 && others.iter().all(|count| *count > 0),
            "round {round}: so small a load proves nothing: {acknowledged:?}"
        );
        server = server.restart();
        crew.connect(&server);
        crew.verify(&server, round);
    }
    assert!(server.stop().success());
}

/// Asks until the server, which tidies up in the background, at the latest every ten seconds, has
/// done so.
fn wait_until<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    for _ in 0..250 {
        if let Ok(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    look().unwrap_or_else(|fault| panic!("{fault}"))
}
