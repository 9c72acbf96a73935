//! Durability by the group: one thread syncs the log, and one sync serves every commit that was
//! applied before it began. Knows commit numbers, not rows, and no engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::engine::StoreError;

/// Hears of every sync, for the metrics.
pub trait CommitObserver: Send + Sync {
    /// `group_size` commits became durable together; flushing and syncing took `sync`.
    fn committed(&self, group_size: usize, sync: Duration);
}

/// An observer that does not care.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl CommitObserver for NoObserver {
    fn committed(&self, _group_size: usize, _sync: Duration) {}
}

/// The three steps that make commits durable, always called in this order.
pub(super) trait Log: Send + 'static {
    /// Hands everything applied so far to the operating system.
    fn flush(&mut self) -> Result<(), String>;
    /// Returns when the disk has what was flushed.
    fn sync(&mut self) -> Result<(), String>;
    /// Remembers outside the log that it holds every commit up to `number`.
    fn note(&mut self, number: u64) -> Result<(), String>;
}

/// What the syncing thread tells others, and what to do when the disk fails it.
pub(super) struct Reporting {
    pub(super) stopwatch: fn() -> Duration,
    pub(super) observer: Arc<dyn CommitObserver>,
    pub(super) on_failure: fn(&str),
}

/// The handle of the syncing thread.
#[derive(Debug)]
pub(super) struct GroupCommit {
    shared: Arc<Shared>,
    durable: watch::Receiver<u64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl GroupCommit {
    /// Starts the thread. Commits up to `durable` need no sync any more.
    pub(super) fn start(
        log: impl Log,
        durable: u64,
        reporting: Reporting,
    ) -> Result<Self, std::io::Error> {
        let shared = Arc::new(Shared::new(durable));
        let (sender, receiver) = watch::channel(durable);
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || {
                let on_failure = reporting.on_failure;
                let run = AssertUnwindSafe(move || run(&theirs, log, &sender, &reporting));
                match catch_unwind(run) {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => on_failure(&reason),
                    Err(_) => on_failure("the thread that syncs the store panicked"),
                }
            })?;
        Ok(Self {
            shared,
            durable: receiver,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Asks for a sync, as commit `number` has been applied. Numbers only grow.
    pub(super) fn applied(&self, number: u64) {
        self.shared.state().applied = number;
        self.shared.changed.notify_one();
    }

    /// Returns when every commit up to `number` is durable.
    pub(super) async fn wait(&self, number: u64) -> Result<(), StoreError> {
        let mut durable = self.durable.clone();
        let reached = durable
            .wait_for(|durable| *durable >= number)
            .await
            .map(|_| ());
        reached.map_err(|_| StoreError::Failed("the store was closed before a sync".to_owned()))
    }

    /// Syncs a last time and ends the thread; blocks until it has ended.
    pub(super) fn stop(&self) {
        self.end();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread was already reported by itself.
            let _ = thread.join();
        }
    }

    fn end(&self) {
        self.shared.state().ending = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for GroupCommit {
    /// Does not wait: this may run on a thread that must not block.
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    applied: u64,
    ending: bool,
}

impl Shared {
    fn new(applied: u64) -> Self {
        Self {
            state: Mutex::new(State {
                applied,
                ending: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until more than `done` is applied; `None` at the end.
    fn next(&self, done: u64) -> Option<u64> {
        let idle = |state: &mut State| state.applied <= done && !state.ending;
        let state = self.changed.wait_while(self.state(), idle);
        let applied = state.unwrap_or_else(PoisonError::into_inner).applied;
        (applied > done).then_some(applied)
    }
}

fn run(
    shared: &Shared,
    mut log: impl Log,
    durable: &watch::Sender<u64>,
    reporting: &Reporting,
) -> Result<(), String> {
    let mut done = *durable.borrow();
    while let Some(number) = shared.next(done) {
        let begun = (reporting.stopwatch)();
        log.flush()?;
        log.sync()?;
        // Only after the sync: the note may lag behind the log, never lead.
        log.note(number)?;
        durable.send_replace(number);
        let group_size = usize::try_from(number - done).unwrap_or(usize::MAX);
        let took = (reporting.stopwatch)().saturating_sub(begun);
        reporting.observer.committed(group_size, took);
        done = number;
    }
    Ok(())
}
