//! A server whose power fails: its disk, which keeps what was synced, and the journal from which
//! the disk knows.

pub mod disk;
pub mod journal;
mod replayed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Environment, Server};
use crate::crew::dice::Dice;
use disk::{Disk, Lie};

pub struct Power {
    folder: PathBuf,
    seed: u64,
    disk: Disk,
    dice: Dice,
    /// What the disk does not sync though it says so.
    pub lie: Option<Lie>,
    /// As it was last read.
    journal: Vec<u8>,
    /// How much of the journal is older than the last answer that anybody got.
    answered: usize,
    /// The last cut, for whoever has to look into it.
    last: Option<Cut>,
    cuts: u64,
}

struct Cut {
    before: Disk,
    ops: usize,
    after: Disk,
}

/// Ends a server as suddenly as SIGKILL does, but between two changes of its files.
pub fn die(server: &mut Server) {
    let id = server.process_id().to_string();
    let sent = Command::new("kill").args(["-USR2", &id]).status();
    assert!(sent.expect("kill exists").success());
    server.stop_status();
}

impl Power {
    /// For a server that has everything in `folder`, with a new disk.
    pub fn new(folder: &Path, seed: u64) -> Self {
        let root = folder.join("disk");
        fs::create_dir(&root).unwrap();
        journal::compiled(folder).unwrap();
        Self {
            folder: folder.to_owned(),
            seed,
            disk: Disk::of_folder(&root),
            dice: Dice::new(seed),
            lie: None,
            journal: Vec::new(),
            answered: 0,
            last: None,
            cuts: 0,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// The folders above it are the server's to make.
    pub fn data(&self) -> PathBuf {
        self.root().join("srv/lockkeeper/data")
    }

    pub fn environment(&self) -> Environment {
        vec![
            ("LD_PRELOAD", self.folder.join("journal.so")),
            ("POWER_CUT_DISK", self.root()),
            ("POWER_CUT_JOURNAL", self.folder.join("journal")),
        ]
    }

    /// What was done to the files since they were laid out; no server may run.
    pub fn journal(&mut self) -> Vec<journal::Op> {
        self.journal = fs::read(self.folder.join("journal")).unwrap();
        journal::read(&self.journal)
    }

    /// After the server was killed: puts in place of its files what a cut of its power may leave.
    pub fn fail(&mut self) {
        let ops = self.journal();
        self.fail_after(ops);
    }

    /// The server has died, but its power has not failed, so another one may start over what it
    /// left.
    pub fn go_on(&mut self) {
        self.answered = self.journal().len();
    }

    /// Like `fail`, but the power fails at any moment of the last start, during which nobody got an
    /// answer.
    pub fn fail_earlier(&mut self) {
        let mut ops = self.journal();
        let since = (ops.len() - self.answered) as u64;
        ops.truncate(self.answered + usize::try_from(self.dice.below(since + 1)).unwrap());
        self.fail_after(ops);
    }

    /// Like `fail`, as if only `ops` had been done.
    pub fn fail_after(&mut self, ops: Vec<journal::Op>) {
        let (before, count) = (self.disk.clone(), ops.len());
        self.disk.replay(ops, self.lie);
        self.disk.cut(&mut self.dice);
        self.last = Some(Cut {
            before,
            ops: count,
            after: self.disk.clone(),
        });
        self.cuts += 1;
        self.answered = 0;
        self.disk.write_to(&self.root());
        self.disk = Disk::of_folder(&self.root());
        fs::remove_file(self.folder.join("journal")).unwrap();
    }

    /// Back to where the disk was before the last cut, for another one after the same start.
    pub fn rewind(&mut self) {
        self.disk = self.last.take().unwrap().before;
    }

    /// What may be left after `ops`, in so many cuts; none of them is made.
    pub fn outcomes(&mut self, ops: &[journal::Op], count: u64) -> Vec<disk::Files> {
        let mut written = self.disk.clone();
        written.replay(ops.to_vec(), self.lie);
        let mut cut = || {
            let mut disk = written.clone();
            disk.cut(&mut self.dice);
            disk.durable_files()
        };
        (0..count).map(|_| cut()).collect()
    }

    /// A number below `bound`.
    pub fn dice(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// After a server has ended by itself: what the journal tells is what is there, byte for byte.
    pub fn assert_journal_is_whole(&mut self) {
        let ops = self.journal();
        self.disk.replay(ops, None);
        self.disk.settle();
        let (told, found) = (self.disk.durable_files(), Disk::of_folder(&self.root()));
        let found = found.durable_files();
        let names = |files: &disk::Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&told), names(&found));
        for (name, told) in &told {
            assert!(*told == found[name], "{name} is not what the journal tells");
        }
    }
}

impl Drop for Power {
    /// What is needed to see why a test failed stays.
    fn drop(&mut self) {
        let Some(cut) = self.last.as_ref().filter(|_| std::thread::panicking()) else {
            return;
        };
        if self.lie.is_some() {
            return;
        }
        let kept = format!("power-{}-{}", self.seed, self.cuts);
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(kept);
        fs::create_dir_all(&kept).unwrap();
        cut.before.write_to(&kept.join("before"));
        cut.after.write_to(&kept.join("after"));
        fs::write(kept.join("journal"), &self.journal).unwrap();
        let (number, ops, kept) = (self.cuts, cut.ops, kept.display());
        println!("cut {number}, after {ops} operations of the journal, is kept in {kept}");
    }
}
