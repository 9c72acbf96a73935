//! The rows of the latest commits. The journal has them, sled does not have them yet, so whoever
//! reads looks here first. A thread moves them into sled, many at once: what changes often gets
//! there once, and what comes and goes, as locks do, not at all.

use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::watch;

use super::super::engine::{Key, Order};
use super::super::group_commit::GroupCommit;
use super::super::overlay::{Overlay, RowIter};
use super::base::Base;
use super::journal::Change;

/// While rows are being moved so many times `bytes_max` may gather behind them; then writers wait.
const BEHIND_MAX: usize = 3;

/// What a row costs in memory beside its bytes, also one that is only known to be gone: those have
/// to be passed by whoever looks through their range, so there must not be many.
const ROW_BYTES: usize = 192;

/// Rows that sled does not have yet.
#[derive(Debug)]
pub(super) struct Recent {
    active: Overlay,
    /// What `active` takes at most, in the journal and in memory.
    taken: usize,
    /// From here on they are to be moved.
    bytes_max: usize,
    moving: Option<Arc<Moving>>,
}

/// Rows on their way into sled.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) rows: Overlay,
    /// The last commit among them.
    pub(super) number: u64,
}

impl Recent {
    pub(super) fn new(bytes_max: usize, moving: Option<Arc<Moving>>) -> Self {
        Self {
            active: Overlay::default(),
            taken: 0,
            bytes_max,
            moving,
        }
    }

    /// What the latest commits made of the row, if they changed it.
    pub(super) fn get(&self, key: &Key) -> Option<&Option<Bytes>> {
        let moving = || self.moving.as_ref().and_then(|moving| moving.rows.get(key));
        self.active.get(key).or_else(moving)
    }

    /// Rows of `range` in `order`, as the latest commits changed them.
    pub(super) fn over<'a>(
        &'a self,
        base: RowIter<'a>,
        range: &Range<Key>,
        order: Order,
    ) -> RowIter<'a> {
        let base = match &self.moving {
            Some(moving) => moving.rows.over(base, range, order),
            None => base,
        };
        self.active.over(base, range, order)
    }

    /// Takes what a commit changed, for which the journal took so many bytes. `in_sled` says
    /// whether sled may have a row.
    ///
    /// A row that came and went before it got there leaves nothing, not even that it is removed:
    /// where locks are taken and ended all the time, whoever looks for locks would have to pass
    /// thousands of these.
    pub(super) fn absorb(
        &mut self,
        changes: Vec<Change>,
        journaled: usize,
        in_sled: impl Fn(&Key) -> bool,
    ) {
        let rows = changes.len();
        for (key, value) in changes {
            match value {
                Some(value) => self.active.put(key, value),
                None if self.is_below(&key, &in_sled) => self.active.delete(key),
                None => self.active.forget(&key),
            }
        }
        self.taken += journaled + rows * ROW_BYTES;
    }

    /// Whether a row that is removed may be below the active ones. Sled is asked only of a row that
    /// came or changed of late: any other would not be removed if it were not there, and to ask
    /// means to read it, which for a tree of old files is from the disk.
    fn is_below(&self, key: &Key, in_sled: impl Fn(&Key) -> bool) -> bool {
        let moving = self.moving.as_ref().and_then(|moving| moving.rows.get(key));
        match (moving, self.active.get(key)) {
            (Some(value), _) => value.is_some(),
            (None, Some(Some(_))) => in_sled(key),
            (None, Some(None) | None) => true,
        }
    }

    /// What is to be moved now that commit `number` is the last one, if it is time.
    pub(super) fn ripe(&mut self, number: u64) -> Option<Arc<Moving>> {
        if self.taken < self.bytes_max || self.moving.is_some() {
            return None;
        }
        Some(self.take(number))
    }

    /// Everything that is not being moved yet, to be moved. From here on what was being moved
    /// before is not read here any more.
    pub(super) fn take(&mut self, number: u64) -> Arc<Moving> {
        self.taken = 0;
        let rows = std::mem::take(&mut self.active);
        let moving = Arc::new(Moving { rows, number });
        self.moving = Some(Arc::clone(&moving));
        moving
    }

    /// Lets go of what sled has: everything up to commit `moved`. To free so many rows takes long,
    /// so it is not for a thread for which others wait.
    pub(super) fn forget(&mut self, moved: u64) -> Option<Arc<Moving>> {
        self.moving.take_if(|moving| moving.number <= moved)
    }

    /// The commit that must have been moved before more is taken in.
    pub(super) fn waits_for(&self) -> Option<u64> {
        let full = self.taken >= self.bytes_max * BEHIND_MAX;
        self.moving
            .as_ref()
            .filter(|_| full)
            .map(|moving| moving.number)
    }
}

/// How much nicer than the others the thread that moves is, in steps of `nice(1)`. Where cores are
/// few it would take a third of one from requests, which wait for it only when the journal is full,
/// and then it has the core to itself. Much nicer, and reads get slower by what it leaves to do.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Moves rows into sled, on a thread of its own.
#[derive(Debug)]
pub(super) struct Mover {
    moved: watch::Receiver<u64>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    jobs: Sender<Arc<Moving>>,
    thread: JoinHandle<()>,
}

impl Mover {
    /// Starts the thread. What it moves, `group` has made durable before.
    pub(super) fn start(
        base: Base,
        moved: watch::Sender<u64>,
        group: Arc<GroupCommit>,
    ) -> Result<Self, std::io::Error> {
        let receiver = moved.subscribe();
        let (jobs, received) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store-move".to_owned())
            .spawn(move || run(&base, &received, &moved, &group))?;
        Ok(Self {
            moved: receiver,
            running: Mutex::new(Some(Running { jobs, thread })),
        })
    }

    /// Up to which commit sled has everything.
    pub(super) fn moved(&self) -> &watch::Receiver<u64> {
        &self.moved
    }

    /// Has these rows moved when those before them are; if they have been, only freed.
    pub(super) fn push(&self, moving: Arc<Moving>) {
        if let Some(running) = &*self.running.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread ended because the disk cannot be written: the journal has the rows.
            let _ = running.jobs.send(moving);
        }
    }

    /// Moves what is left and ends the thread; blocks until it has ended.
    pub(super) fn stop(&self) {
        let running = self.running.lock();
        if let Some(Running { jobs, thread }) =
            running.unwrap_or_else(PoisonError::into_inner).take()
        {
            drop(jobs);
            // A panic of the thread was already reported by itself.
            let _ = thread.join();
        }
    }
}

/// On Linux each thread has a niceness of its own; elsewhere the process has one.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(%error, "rows are moved with the priority of all threads");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

fn run(base: &Base, jobs: &Receiver<Arc<Moving>>, moved: &watch::Sender<u64>, group: &GroupCommit) {
    give_way();
    for job in jobs {
        if job.number <= *moved.borrow() {
            continue;
        }
        // Half of a commit in sled, and nothing of it in the journal, must never be on the disk.
        if group.wait_blocking(job.number).is_err() {
            return;
        }
        if let Err(reason) = base.take(&job.rows, job.number) {
            group.fail(reason);
            return;
        }
        moved.send_replace(job.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &'static str) -> Key {
        Key::from(name.as_bytes())
    }

    fn put(name: &'static str) -> Vec<Change> {
        vec![(key(name), Some(Bytes::from_static(b"value")))]
    }

    fn removal(name: &'static str) -> Vec<Change> {
        vec![(key(name), None)]
    }

    #[test]
    fn sled_is_asked_only_of_what_came_of_late() {
        let never = |_: &Key| -> bool { panic!("sled is asked") };
        let mut recent = Recent::new(usize::MAX, None);
        recent.absorb(removal("old"), 0, never);
        assert_eq!(recent.get(&key("old")), Some(&None), "sled may have it");
        recent.absorb(removal("old"), 0, never);
        recent.absorb(put("changed"), 0, never);
        recent.absorb(removal("changed"), 0, |_| true);
        assert_eq!(recent.get(&key("changed")), Some(&None));
        recent.absorb(put("passing"), 0, never);
        recent.absorb(removal("passing"), 0, |_| false);
        assert_eq!(recent.get(&key("passing")), None, "nothing is left of it");

        recent.absorb(put("on its way"), 0, never);
        recent.take(1);
        recent.absorb(removal("on its way"), 0, never);
        assert_eq!(recent.get(&key("on its way")), Some(&None));
        recent.take(2);
        recent.absorb(put("on its way"), 0, never);
        recent.absorb(removal("on its way"), 0, never);
        let gone = recent.get(&key("on its way"));
        assert_eq!(gone, Some(&None), "that it goes is on its way as well");
        assert!(recent.active.is_empty());
    }
}
