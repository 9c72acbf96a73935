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
        let below = self.moving.as_ref().map(|moving| &moving.rows);
        for (key, value) in changes {
            let is_below = || match below.and_then(|below| below.get(&key)) {
                Some(value) => value.is_some(),
                None => in_sled(&key),
            };
            match value {
                Some(value) => self.active.put(key, value),
                None if is_below() => self.active.delete(key),
                None => self.active.forget(&key),
            }
        }
        self.taken += journaled + rows * ROW_BYTES;
    }

    /// What is to be moved now that commit `number` is the last one, if it is time. `moved`: up to
    /// which commit sled has everything.
    pub(super) fn ripe(&mut self, number: u64, moved: u64) -> Option<Arc<Moving>> {
        self.forget(moved);
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

    /// Lets go of what sled has.
    fn forget(&mut self, moved: u64) {
        self.moving.take_if(|moving| moving.number <= moved);
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

    /// Has these rows moved when those before them are.
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

fn run(base: &Base, jobs: &Receiver<Arc<Moving>>, moved: &watch::Sender<u64>, group: &GroupCommit) {
    for job in jobs {
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
