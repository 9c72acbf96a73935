//! Durability by the group: one thread writes and syncs the log, and one sync serves every commit
//! that was applied before it began. Knows commit numbers, not rows, and no engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::engine::StoreError;

/// Memory that is kept for the records of the next group; one that was larger is given back.
const RECORDS_KEPT_BYTES: usize = 1 << 20;

/// How long a group is waited for, whatever a sync takes: in the least time a processor makes some
/// twenty commits, and for longer nobody should wait for somebody who may have gone.
const PATIENCE_MIN: Duration = Duration::from_millis(1);
const PATIENCE_MAX: Duration = Duration::from_millis(10);

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
    /// Hands these records, the last of which is that of commit `number`, to the operating system.
    fn write(&mut self, records: &[u8], number: u64) -> Result<(), String>;
    /// Returns when the disk has what was written.
    fn sync(&mut self) -> Result<(), String>;
    /// Remembers outside the log that it holds every commit up to `number`.
    fn note(&mut self, number: u64) -> Result<(), String>;
}

/// What the syncing thread tells others, and what to do when the disk fails it.
pub(super) struct Reporting {
    pub(super) stopwatch: fn() -> Duration,
    pub(super) observer: Arc<dyn CommitObserver>,
    /// Called once, by the thread, as its last act.
    pub(super) on_failure: Box<dyn FnOnce(&str) + Send>,
}

/// The handle of the syncing thread.
#[derive(Debug)]
pub(super) struct GroupCommit {
    shared: Arc<Shared>,
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
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || {
                let Reporting {
                    stopwatch,
                    observer,
                    on_failure,
                } = reporting;
                let run = AssertUnwindSafe(|| run(&theirs, log, stopwatch, &*observer));
                let ended = catch_unwind(run)
                    .unwrap_or_else(|_| Err("the thread that syncs the store panicked".to_owned()));
                theirs.ended(ended.as_ref().err());
                if let Err(reason) = ended {
                    on_failure(&reason);
                }
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Asks for its record to be written and synced, as commit `number` has been applied. Numbers
    /// only grow.
    pub(super) fn applied(&self, number: u64, record: &[u8]) {
        let mut state = self.shared.state();
        state.applied = number;
        state.records.extend_from_slice(record);
        let enough = number >= state.awaited;
        drop(state);
        if enough {
            self.shared.changed.notify_one();
        }
    }

    /// Returns when every commit up to `number` is durable.
    pub(super) async fn wait(&self, number: u64) -> Result<(), StoreError> {
        let Some(told) = self.shared.ask(number) else {
            return Ok(());
        };
        told.await.map_err(|_| match self.failure() {
            Some(reason) => StoreError::Frozen(reason),
            None => StoreError::Failed("the store was closed before a sync".to_owned()),
        })
    }

    /// The same, on a thread that may block.
    pub(super) fn wait_blocking(&self, number: u64) -> Result<(), String> {
        let waits = |state: &mut State| state.durable < number && state.failure.is_none();
        let state = self.shared.synced.wait_while(self.shared.state(), waits);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.failure.clone().map_or(Ok(()), Err)
    }

    /// Why nothing more becomes durable; `None`: all is well.
    pub(super) fn failure(&self) -> Option<String> {
        self.shared.state().failure.clone()
    }

    /// A commit could not even be applied: nothing more becomes durable.
    pub(super) fn fail(&self, reason: String) {
        self.shared.state().failure.get_or_insert(reason);
        self.shared.changed.notify_one();
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
    /// There is something to do.
    changed: Condvar,
    /// Something became durable, or nothing will any more.
    synced: Condvar,
}

#[derive(Debug)]
struct State {
    applied: u64,
    /// From this commit on the thread wants to know.
    awaited: u64,
    durable: u64,
    /// Of the commits that are not written yet.
    records: Vec<u8>,
    /// Who waits, and for which commit.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    ending: bool,
    ended: bool,
    failure: Option<String>,
}

impl Shared {
    fn new(durable: u64) -> Self {
        Self {
            state: Mutex::new(State {
                applied: durable,
                awaited: durable + 1,
                durable,
                records: Vec::new(),
                waiting: Vec::new(),
                ending: false,
                ended: false,
                failure: None,
            }),
            changed: Condvar::new(),
            synced: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until more than `done` is applied and gives its records; `None` at the end. `written`
    /// is memory to use again.
    fn next(
        &self,
        done: u64,
        pace: &Pace,
        mut written: Vec<u8>,
    ) -> Result<Option<(u64, Vec<u8>)>, String> {
        let mut state = self.state();
        for (group, patience) in [(pace.group(), pace.patience()), (1, Duration::MAX)] {
            let awaited = done + group;
            let few = |state: &mut State| {
                state.applied < awaited && !state.ending && state.failure.is_none()
            };
            state.awaited = awaited;
            let waited = self.changed.wait_timeout_while(state, patience, few);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(reason) = &state.failure {
            return Err(reason.clone());
        }
        if state.applied <= done {
            return Ok(None);
        }
        // Until it waits again it need not hear of anything.
        state.awaited = u64::MAX;
        written.clear();
        written.shrink_to(RECORDS_KEPT_BYTES);
        let records = std::mem::replace(&mut state.records, written);
        Ok(Some((state.applied, records)))
    }

    /// Tells when every commit up to `number` is durable, or drops the sender if that will never
    /// be. `None`: it is so already.
    fn ask(&self, number: u64) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state();
        if state.durable >= number {
            return None;
        }
        let (tell, told) = oneshot::channel();
        if !state.ended {
            state.waiting.push((number, tell));
        }
        Some(told)
    }

    /// Tells who waits for this commit; returns how many later ones have been applied.
    fn durable(&self, number: u64) -> u64 {
        let mut state = self.state();
        state.durable = number;
        let later = state.applied.saturating_sub(number);
        let reached = |(awaited, _): &mut (u64, _)| *awaited <= number;
        let told: Vec<_> = state.waiting.extract_if(.., reached).collect();
        drop(state);
        self.synced.notify_all();
        for (_, tell) in told {
            // Who has stopped waiting need not know.
            let _ = tell.send(());
        }
        later
    }

    /// The thread ends, and why if something is wrong: who waits will wait in vain.
    fn ended(&self, failure: Option<&String>) {
        let mut state = self.state();
        state.ended = true;
        if let Some(reason) = failure {
            state.failure.get_or_insert_with(|| reason.clone());
        }
        let in_vain = std::mem::take(&mut state.waiting);
        drop(state);
        self.synced.notify_all();
        drop(in_vain);
    }
}

/// How many commits make a group. A sync as soon as there is one would serve that one alone, and
/// all the others while it runs would make the next group: half of the syncs for nothing. A sync
/// for all of them would leave nobody at work while it runs. So a group waits for half of those who
/// were at work at the end of the last sync: whom it served, and who came in the meantime. Who is
/// alone waits for nobody.
#[derive(Debug, Default)]
struct Pace {
    at_work: u64,
    took: Duration,
}

impl Pace {
    fn group(&self) -> u64 {
        (self.at_work / 2).max(1)
    }

    /// Those who have gone are not waited for any longer.
    fn patience(&self) -> Duration {
        if self.group() == 1 {
            Duration::ZERO
        } else {
            self.took.clamp(PATIENCE_MIN, PATIENCE_MAX)
        }
    }
}

fn run(
    shared: &Shared,
    mut log: impl Log,
    stopwatch: fn() -> Duration,
    observer: &dyn CommitObserver,
) -> Result<(), String> {
    let mut done = shared.state().durable;
    let mut pace = Pace::default();
    let mut written = Vec::new();
    while let Some((number, records)) = shared.next(done, &pace, written)? {
        let begun = stopwatch();
        log.write(&records, number)?;
        log.sync()?;
        // Only after the sync, for the note must never lead; and before anybody is told, so that a
        // loss of what was acknowledged is noticed.
        log.note(number)?;
        let came = shared.durable(number);
        let took = stopwatch().saturating_sub(begun);
        let at_work = number - done + came;
        pace = Pace { at_work, took };
        observer.committed(usize::try_from(number - done).unwrap_or(usize::MAX), took);
        (done, written) = (number, records);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    /// Tells of every step, and lets a sync end only when told its outcome.
    struct Scripted {
        steps: mpsc::Sender<String>,
        outcomes: mpsc::Receiver<Result<(), String>>,
    }

    impl Log for Scripted {
        fn write(&mut self, records: &[u8], number: u64) -> Result<(), String> {
            let told = format!("write {} to {number}", String::from_utf8_lossy(records));
            self.steps.send(told).map_err(|error| error.to_string())
        }

        fn sync(&mut self) -> Result<(), String> {
            self.steps
                .send("sync".to_owned())
                .map_err(|error| error.to_string())?;
            self.outcomes.recv().map_err(|error| error.to_string())?
        }

        fn note(&mut self, number: u64) -> Result<(), String> {
            self.steps
                .send(format!("note {number}"))
                .map_err(|error| error.to_string())
        }
    }

    type Script = (
        GroupCommit,
        mpsc::Receiver<String>,
        mpsc::Sender<Result<(), String>>,
    );

    fn scripted(observer: Arc<dyn CommitObserver>, on_failure: fn(&str)) -> Script {
        let (steps, seen) = mpsc::channel();
        let (outcome, outcomes) = mpsc::channel();
        let reporting = Reporting {
            stopwatch: || Duration::ZERO,
            observer,
            on_failure: Box::new(on_failure),
        };
        let group = GroupCommit::start(Scripted { steps, outcomes }, 6, reporting);
        (group.expect("threads can be started"), seen, outcome)
    }

    fn unexpected(reason: &str) {
        panic!("{reason}");
    }

    #[tokio::test]
    async fn nothing_is_durable_before_write_sync_and_note() {
        let (group, seen, outcome) = scripted(Arc::new(NoObserver), unexpected);
        group.wait(6).await.expect("it was durable from the start");
        group.applied(7, b"seven");
        let mut waiting = std::pin::pin!(group.wait(7));
        for step in ["write seven to 7", "sync"] {
            assert_eq!(seen.recv().as_deref(), Ok(step));
            assert!((&mut waiting).now_or_never().is_none(), "{step}");
        }
        outcome.send(Ok(())).expect("the thread listens");
        waiting.await.expect("it is durable");
        assert_eq!(
            seen.try_recv().as_deref(),
            Ok("note 7"),
            "it is noted by now"
        );
    }

    #[derive(Default)]
    struct Groups(AtomicUsize, AtomicUsize);

    impl CommitObserver for Groups {
        fn committed(&self, group_size: usize, _sync: Duration) {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.fetch_add(group_size, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn one_sync_serves_all_who_came_while_another_ran() {
        let groups = Arc::new(Groups::default());
        let (group, seen, outcome) = scripted(groups.clone(), unexpected);
        group.applied(7, b"-");
        assert_eq!(seen.recv().as_deref(), Ok("write - to 7"));
        assert_eq!(seen.recv().as_deref(), Ok("sync"));
        (8..=50).for_each(|number| group.applied(number, b"+"));
        let mut late = std::pin::pin!(group.wait(8));
        outcome.send(Ok(())).expect("the thread listens");
        group.wait(7).await.expect("it is durable");
        assert!(
            (&mut late).now_or_never().is_none(),
            "it came after that sync began"
        );
        outcome.send(Ok(())).expect("the thread listens");
        group.wait(50).await.expect("it is durable");
        group.stop();
        assert_eq!(
            (
                groups.0.load(Ordering::SeqCst),
                groups.1.load(Ordering::SeqCst)
            ),
            (2, 44)
        );
        let steps: Vec<String> = seen.iter().collect();
        let written = format!("write {} to 50", "+".repeat(43));
        assert_eq!(steps, ["note 7", &written, "sync", "note 50"]);
    }

    #[tokio::test]
    async fn stopping_syncs_what_is_left() {
        let (group, seen, outcome) = scripted(Arc::new(NoObserver), unexpected);
        outcome.send(Ok(())).expect("the thread listens");
        group.applied(9, b"");
        group.stop();
        group.wait(9).await.expect("it is durable");
        assert_eq!(
            seen.iter().collect::<Vec<_>>(),
            ["write  to 9", "sync", "note 9"]
        );
    }

    static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[tokio::test]
    async fn a_failed_sync_is_the_end() {
        let on_failure = |reason: &str| FAILURES.lock().expect("unpoisoned").push(reason.into());
        let (group, seen, outcome) = scripted(Arc::new(NoObserver), on_failure);
        group.applied(7, b"-");
        outcome
            .send(Err("EIO".to_owned()))
            .expect("the thread listens");
        let told = group.wait(7).await.expect_err("it is not durable");
        assert_eq!(told, StoreError::Frozen("EIO".to_owned()));
        group.stop();
        assert_eq!(group.failure().as_deref(), Some("EIO"));
        group.wait(6).await.expect("it was durable before");
        assert_eq!(
            seen.iter().collect::<Vec<_>>(),
            ["write - to 7", "sync"],
            "no note, no second try"
        );
        assert_eq!(*FAILURES.lock().expect("unpoisoned"), ["EIO"]);
    }

    #[tokio::test]
    async fn what_cannot_be_applied_is_the_end_too() {
        let (group, seen, _outcome) = scripted(Arc::new(NoObserver), |_| ());
        group.fail("no room".to_owned());
        group.stop();
        let told = group.wait(7).await.expect_err("it is not durable");
        assert_eq!(told, StoreError::Frozen("no room".to_owned()));
        assert_eq!(seen.iter().count(), 0, "nothing more is synced");
    }

    #[test]
    fn a_group_waits_for_half_of_those_at_work() {
        for (at_work, group) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (16, 8)] {
            let took = Duration::from_millis(7);
            let pace = Pace { at_work, took };
            assert_eq!(pace.group(), group);
            let patience = if group == 1 { Duration::ZERO } else { took };
            assert_eq!(pace.patience(), patience);
        }
    }

    #[tokio::test]
    async fn who_has_gone_is_not_waited_for() {
        let (group, _seen, outcome) = scripted(Arc::new(NoObserver), |_| ());
        for _ in 0..9 {
            outcome.send(Ok(())).expect("it runs");
        }
        for number in 7..=22 {
            group.applied(number, b"");
        }
        group.wait(22).await.expect("durable");
        // Eight seem to be at work, and only one comes.
        group.applied(23, b"");
        group.wait(23).await.expect("durable");
        group.stop();
    }
}
