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

/// So many times `bytes_max` may be left to move; then each commit waits until as much has been
/// moved as it added. However many commit at once, no more than that gathers behind what is being
/// moved: none begins any more before that is in sled.
const BEHIND_MAX: usize = 3;

/// After how many rows the thread that moves says how far it is: a few milliseconds.
const ROWS_A_STEP: usize = 128;

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
    /// What all before `active` took, since the start.
    before: u64,
    moving: Option<Arc<Moving>>,
}

/// Rows on their way into sled.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) rows: Overlay,
    /// The last commit among them.
    pub(super) number: u64,
    /// From where to where they lie in the stream of all that was taken in.
    span: Range<u64>,
}

impl Moving {
    /// The rows that a journal had at the start: nobody waits for them.
    pub(super) fn replayed(rows: Overlay, number: u64) -> Self {
        Self {
            rows,
            number,
            span: 0..0,
        }
    }

    /// How far in the stream the thread is that has moved so many of the rows.
    fn reached(&self, rows: usize) -> u64 {
        let length = u128::from(self.span.end - self.span.start);
        let all = self.rows.row_count().max(1) as u128;
        let part = length * (rows as u128).min(all) / all;
        self.span.start + u64::try_from(part).unwrap_or(u64::MAX)
    }
}

impl Recent {
    pub(super) fn new(bytes_max: usize, moving: Option<Arc<Moving>>) -> Self {
        Self {
            active: Overlay::default(),
            taken: 0,
            bytes_max,
            before: 0,
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
        let end = self.before + self.taken as u64;
        let moving = Arc::new(Moving {
            rows: std::mem::take(&mut self.active),
            number,
            span: self.before..end,
        });
        self.before = end;
        self.taken = 0;
        self.moving = Some(Arc::clone(&moving));
        moving
    }

    /// Lets go of what sled has: everything up to commit `moved`. To free so many rows takes long,
    /// so it is not for a thread for which others wait.
    pub(super) fn forget(&mut self, moved: u64) -> Option<Arc<Moving>> {
        self.moving.take_if(|moving| moving.number <= moved)
    }

    /// How far in the stream the rows must have been moved before the writer of the last commit
    /// goes on, if that has to wait. Not farther than is being moved: what comes behind that begins
    /// to be moved with the next commit.
    pub(super) fn toll(&self) -> Option<u64> {
        let moving = self.moving.as_ref()?;
        let left_max = (self.bytes_max * BEHIND_MAX) as u64;
        let due = (self.before + self.taken as u64).saturating_sub(left_max);
        (due > moving.span.start).then(|| due.min(moving.span.end))
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
    reached: watch::Receiver<u64>,
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
        let (reach, reached) = watch::channel(0);
        let told = (moved.subscribe(), reached);
        let (jobs, received) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store-move".to_owned())
            .spawn(move || run(&base, &received, (&moved, &reach), &group))?;
        Ok(Self {
            moved: told.0,
            reached: told.1,
            running: Mutex::new(Some(Running { jobs, thread })),
        })
    }

    /// Up to which commit sled has everything.
    pub(super) fn moved(&self) -> &watch::Receiver<u64> {
        &self.moved
    }

    /// Returns when as much as this of the stream has been moved, or nothing will be any more.
    pub(super) async fn reach(&self, due: u64) {
        let _ = self
            .reached
            .clone()
            .wait_for(|reached| *reached >= due)
            .await;
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

fn run(
    base: &Base,
    jobs: &Receiver<Arc<Moving>>,
    (moved, reached): (&watch::Sender<u64>, &watch::Sender<u64>),
    group: &GroupCommit,
) {
    give_way();
    for job in jobs {
        if job.number <= *moved.borrow() {
            continue;
        }
        // Half of a commit in sled, and nothing of it in the journal, must never be on the disk.
        if group.wait_blocking(job.number).is_err() {
            return;
        }
        let step = |rows: usize| {
            if rows.is_multiple_of(ROWS_A_STEP) {
                reached.send_replace(job.reached(rows));
            }
        };
        if let Err(reason) = base.take(&job.rows, job.number, step) {
            group.fail(reason);
            return;
        }
        moved.send_replace(job.number);
        reached.send_replace(job.span.end);
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

    #[test]
    fn who_writes_waits_for_as_much_as_is_too_much() {
        let size = ROW_BYTES as u64;
        let write = |recent: &mut Recent, rows: usize| {
            let changes = std::iter::repeat_n(put("row"), rows).flatten().collect();
            recent.absorb(changes, 0, |_| false);
        };
        let mut recent = Recent::new(10 * ROW_BYTES, None);
        write(&mut recent, 100);
        assert_eq!(recent.toll(), None, "nothing is being moved");
        let moving = recent.take(1);
        assert_eq!(recent.toll(), Some(70 * size), "30 may be left");
        write(&mut recent, 25);
        assert_eq!(recent.toll(), Some(95 * size));
        write(&mut recent, 25);
        assert_eq!(recent.toll(), Some(100 * size), "no more is being moved");

        assert_eq!(moving.reached(0), 0);
        assert_eq!(moving.reached(1), 100 * size, "they were one row");
        recent.forget(1);
        assert_eq!(recent.toll(), None);
        recent.take(2);
        assert_eq!(recent.toll(), Some(120 * size));
        let mut recent = Recent::new(10 * ROW_BYTES, None);
        write(&mut recent, 30);
        recent.take(1);
        assert_eq!(recent.toll(), None, "all that there is may be left");
    }
}
