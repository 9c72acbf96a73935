//! Everybody who uses a server that is going to be killed or to lose its power, and what they then
//! compare.
//!
//! Every worker has a folder of its own and writes down, before each request, what the folder may
//! look like if no answer comes: as before, or as after. Afterwards it compares names, content byte
//! for byte, a dead property and lock tokens, and refreshes every lock with its old token. Beside
//! the workers, two managers check files out and in, steal them and upload versions, an
//! administrator keeps groups, grants and API keys, and an archive gets version after version, of
//! which few are kept. The record of events, told again from its beginning, is the store.

mod archive;
mod desk;
pub mod dice;
mod disk;
mod exchange;
mod record;
mod registry;
mod worker;

use std::ops::AddAssign;
use std::time::Duration;

use crate::common::Server;
use archive::Archive;
use desk::Desk;
use record::Record;
use registry::Registry;
use worker::Worker;

const WORKERS: u64 = 6;
/// Old versions that the server keeps: so few that some go all the time.
const KEPT: usize = 3;

/// The settings that the crew expects.
///
/// The journal is so small that rows are on their way into sled all the time.
pub fn settings() -> String {
    format!("[versions]\nkeep = {KEPT}\n[store]\njournal_bytes_max = 65536\n")
}

/// Each way in which something can differ from what was acknowledged fails its comparison.
pub fn assert_differences_are_seen() {
    worker::assert_differences_are_seen();
    archive::assert_differences_are_seen();
    record::assert_differences_are_seen();
    desk::assert_differences_are_seen();
}

/// Everybody who uses the server while it is killed.
pub struct Crew {
    workers: Vec<Worker>,
    desk: Desk,
    registry: Registry,
    archive: Archive,
    record: Record,
    /// Of each line of requests before the kill, what the record must have.
    marks: Vec<Vec<String>>,
}

/// How much was acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Acknowledged {
    requests: u64,
    at_the_desk: u64,
    in_the_registry: u64,
    in_the_archive: u64,
}

impl AddAssign for Acknowledged {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.at_the_desk += more.at_the_desk;
        self.in_the_registry += more.in_the_registry;
        self.in_the_archive += more.in_the_archive;
    }
}

impl Acknowledged {
    /// In so many rounds: less would prove nothing.
    pub fn assert_enough(self, rounds: u64) {
        let Self {
            requests,
            at_the_desk,
            in_the_registry,
            in_the_archive,
        } = self;
        let others = [at_the_desk, in_the_registry, in_the_archive];
        let enough = requests >= 10 * rounds && others.iter().all(|count| *count >= rounds);
        assert!(enough, "so small a load proves nothing: {self:?}");
    }
}

impl Crew {
    pub fn new(server: &Server, seed: u64) -> Self {
        let (client, _) = (server.user("alice"), server.user("bob"));
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| Worker::new(number, seed))
            .collect();
        for worker in &workers {
            client.mkcol(worker.folder()).status(201);
        }
        Self {
            workers,
            desk: Desk::new(server, seed),
            registry: Registry::new(server, seed),
            archive: Archive::new(server, seed),
            record: Record::new(server),
            marks: Vec::new(),
        }
    }

    /// From now on this server, which has a port of its own after each start.
    pub fn connect(&mut self, server: &Server) {
        for worker in &mut self.workers {
            worker.connect(server);
        }
        self.desk.connect(server);
        self.registry.connect(server);
        self.archive.connect(server);
        self.record.connect(server);
    }

    /// Lets everybody loose, has `kill` end the server amid them, and counts the acknowledged
    /// requests.
    pub fn load_and_kill(
        &mut self,
        server: &mut Server,
        load: Duration,
        kill: fn(&mut Server),
    ) -> Acknowledged {
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
            kill(server);
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

    /// What the server has is what was acknowledged, and perhaps what was under way.
    pub fn verify(&mut self, round: u64) {
        let events = self.record.verify(round, &self.marks);
        for worker in &mut self.workers {
            worker.verify(round);
        }
        self.desk.verify(round);
        self.registry.verify(round);
        let versions = self.archive.verify(round);
        println!("round {round}: {events} events, {versions} versions in the archive");
    }

    /// Once the server has tidied up there is a content file for each content, and no other.
    pub fn verify_content_files(&mut self, server: &Server, round: u64) {
        let reader = self.record.reader();
        let files = disk::assert_nothing_is_left_over(server, reader, round);
        println!("round {round}: {files} content files, each in use");
    }
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
