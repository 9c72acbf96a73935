//! The embedded engine: one sled tree, the latest commits in a journal of our own before it, one
//! writer at a time, one sync for all who wait. The only place, with its submodules, that names
//! sled.
//!
//! sled 0.34 is kept on a short leash, for reasons that were measured: commits of its own cost a
//! multiple of a record in the journal (so rows get there later, many at once), its `flush` does
//! not reach the disk (so we sync its log ourselves), its ranges are no snapshot (so a lock keeps
//! writers out while somebody reads), values above 4 KiB may go to files that it never syncs (so
//! they are refused), and its own sums do not cover all that can happen to a row (so each ends with
//! ours).

mod base;
mod format;
mod journal;
mod numbers;
mod open;
mod recent;
mod recovery;
mod seal;

use std::fmt;
use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::RwLock;
use tokio::task::{spawn_blocking, yield_now};

use super::engine::{CommitError, Engine, Key, Limits, Mode, Order, Snapshot, StoreError, Txn};
use super::group_commit::{CommitObserver, GroupCommit, NoObserver};
use super::overlay::{ENGINE_ROWS, Guard, LIMITS, Overlay, in_order, wrote_in_a_read};
use super::past::{self, Past, View};
use super::row_cache::{FEW_ROWS_MAX, RowCache};
use super::stamps::{Place, Stamp, Stamps};

use journal::{Change, Epoch};
pub use open::OpenError;
use recent::{Mover, Recent};
use recovery::Recovery;
use seal::unsealed;

/// How many rows one step of a scan reads, and one commit applies, on the thread of the caller:
/// about two milliseconds.
const ROWS_PER_STEP: usize = 256;

/// How a store is opened.
#[derive(Clone)]
pub struct SledOptions {
    /// What sled may cache, in bytes. Expect 3 to 6 times this in memory.
    pub cache_bytes: u64,
    /// How much of the latest changes is kept in memory and in the journal, in bytes, before sled
    /// gets it: twice this in memory, and up to six times when sled cannot keep up.
    pub journal_bytes: usize,
    /// How long opening may take: a damaged log may keep sled busy for ever.
    pub open_time_max: Duration,
    /// A monotonic clock, for measuring only.
    pub stopwatch: fn() -> Duration,
    /// Hears of every sync.
    pub observer: Arc<dyn CommitObserver>,
}

impl Default for SledOptions {
    /// A cache of 64 MiB, a journal of 32 MiB and a minute to open; nothing is measured.
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            journal_bytes: 32 << 20,
            open_time_max: Duration::from_secs(60),
            stopwatch: || Duration::ZERO,
            observer: Arc::new(NoObserver),
        }
    }
}

impl fmt::Debug for SledOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cache_bytes,
            journal_bytes,
            open_time_max,
            ..
        } = self;
        f.debug_struct("SledOptions")
            .field("cache_bytes", cache_bytes)
            .field("journal_bytes", journal_bytes)
            .field("open_time_max", open_time_max)
            .finish_non_exhaustive()
    }
}

/// An engine that keeps its rows in a folder of its own.
///
/// When the disk cannot be written it freezes: writes are refused, reading goes on, and as soon as
/// the disk can be written again the engine opens its files anew, as a fresh start would.
#[derive(Debug)]
pub struct SledEngine {
    dir: PathBuf,
    rows: Arc<RwLock<Rows>>,
}

/// What the lock guards.
struct Rows {
    /// `None` after `close`.
    db: Option<sled::Db>,
    closed: bool,
    /// The number of the last commit applied.
    number: u64,
    /// What sled does not have yet.
    recent: Recent,
    past: Past,
    stamps: Stamps,
    cached: RowCache,
    epoch: Epoch,
    group: Arc<GroupCommit>,
    mover: Arc<Mover>,
}

impl SledEngine {
    /// Opens the store in the folder `dir`, which is made if need be. Blocks, at most for
    /// `options.open_time_max`.
    pub fn open(dir: &Path, options: SledOptions) -> Result<Self, OpenError> {
        let recovery = Recovery::new(dir, options);
        let rows = Arc::new(RwLock::new(recovery.open()?));
        recovery.watch_over(&rows);
        Ok(Self {
            dir: dir.into(),
            rows,
        })
    }
}

impl SledEngine {
    /// The rows, to read or to write. Writers wait here when more are at work than
    /// [`Recent::toll`] can slow down.
    async fn take(&self, mode: Mode) -> Result<Guard<Rows>, StoreError> {
        loop {
            let rows = Guard::take(&self.rows, mode).await;
            rows.db()?;
            if mode != Mode::Write {
                return Ok(rows);
            }
            if let Some(reason) = rows.group.failure() {
                return Err(StoreError::Frozen(reason));
            }
            let Some(awaited) = rows.recent.waits_for() else {
                return Ok(rows);
            };
            let mut moved = rows.mover.moved().clone();
            if *moved.borrow() >= awaited {
                return Ok(rows);
            }
            drop(rows);
            // When the thread has ended instead, the next look says why.
            let _ = moved.wait_for(|moved| *moved >= awaited).await;
        }
    }
}

#[async_trait]
impl Engine for SledEngine {
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
        let rows = self.take(mode).await?;
        let group = Arc::clone(&rows.group);
        Ok(Box::new(SledTxn {
            waits: matches!(mode, Mode::ReadDurable | Mode::Write),
            keeps: mode != Mode::ReadInPassing,
            rows,
            overlay: Overlay::default(),
            group,
        }))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let mut rows = self.rows.write().await;
        rows.db()?;
        let snapshot = SledSnapshot {
            number: rows.number,
            view: rows.past.begin(),
            rows: Arc::clone(&self.rows),
        };
        let group = Arc::clone(&rows.group);
        drop(rows);
        group.wait(snapshot.number).await?;
        Ok(Box::new(snapshot))
    }

    async fn skip_to(&self, number: u64) -> Result<(), StoreError> {
        let mut rows = self.rows.write().await;
        if number <= rows.number {
            return Ok(());
        }
        rows.db()?;
        rows.commit(Vec::new(), number);
        let group = Arc::clone(&rows.group);
        drop(rows);
        group.wait(number).await
    }

    fn health(&self) -> Result<(), StoreError> {
        // Whoever holds the lock is at work, or is opening the store anew.
        let rows = self.rows.try_read();
        match rows.ok().and_then(|rows| rows.group.failure()) {
            Some(reason) => Err(StoreError::Frozen(reason)),
            None => Ok(()),
        }
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn close(&self) -> Result<(), StoreError> {
        let mut rows = Arc::clone(&self.rows).write_owned().await;
        rows.closed = true;
        let Some(db) = rows.db.take() else {
            return Ok(());
        };
        // So the next start finds everything in sled and has nothing to read again.
        rows.move_all();
        let (group, mover) = (Arc::clone(&rows.group), Arc::clone(&rows.mover));
        let dir = self.dir.clone();
        drop(rows);
        let ended = spawn_blocking(move || {
            group.stop();
            mover.stop();
            drop(db);
            open::wait_until_released(&dir)
        });
        ended
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

impl fmt::Debug for Rows {
    /// sled's own would print every row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Rows {
    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.as_ref().ok_or_else(|| match self.group.failure() {
            Some(reason) if !self.closed => StoreError::Frozen(reason),
            _ => StoreError::Failed("the store is closed".to_owned()),
        })
    }

    fn get(&self, key: &Key, keeps: bool) -> Result<Option<Bytes>, StoreError> {
        if key.first() == Some(&ENGINE_ROWS) {
            return Ok(None);
        }
        let stamp = self.stamps.at(Place::of_row(key));
        self.cached.get(key, stamp, keeps, || self.look_up(key))
    }

    fn look_up(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        if let Some(recent) = self.recent.get(key) {
            return Ok(recent.clone());
        }
        read(|| {
            let value = self.db()?.get(key).map_err(damaged)?;
            value.map(|value| unsealed(key, &value)).transpose()
        })
    }

    /// A page of at most `limit` rows of `range`, changed by `overlay`.
    fn page(
        &self,
        overlay: &Overlay,
        range: &Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let owned = |row: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = row.map_err(damaged)?;
            Ok((Bytes::copy_from_slice(&key), unsealed(&key, &value)?))
        };
        let whole = Place::of_whole_range(range).map(|place| self.stamps.at(place));
        if let Some(few) = whole.and_then(|stamp| self.cached.range(&range.start, stamp)) {
            let rows = in_order(few.iter().cloned().map(Ok), order);
            return overlay.merge(rows, range, limit, order);
        }
        read(|| {
            let rows = self
                .db()?
                .range::<&Key, _>(&range.start..&range.end)
                .map(owned);
            let mut rows = self.recent.over(in_order(rows, order), range, order);
            if let (Some(stamp), Order::Ascending) = (whole, order) {
                let first: Vec<_> = rows.by_ref().take(FEW_ROWS_MAX + 1).collect();
                if let Ok(few) = first.iter().cloned().collect::<Result<Vec<_>, _>>() {
                    self.cached.keep_range(&range.start, stamp, few);
                }
                rows = Box::new(first.into_iter().chain(rows));
            }
            overlay.merge(rows, range, limit, order)
        })
    }

    /// Applies a transaction and gives it a number.
    fn apply(&mut self, overlay: Overlay) -> u64 {
        let number = self.number + 1;
        let changes: Vec<_> = overlay.into_rows(number).collect();
        let mut past = mem::take(&mut self.past);
        past.keep(changes.iter().map(|(key, _)| key), |key| {
            self.get(key, true)
        });
        self.past = past;
        self.commit(changes, number);
        number
    }

    /// Makes these changes the commit of this number and has them written.
    fn commit(&mut self, changes: Vec<Change>, number: u64) {
        self.stamps.raise(changes.iter().map(|(key, _)| key));
        let record = self.epoch.record(self.number, number, &changes);
        let db = self.db.as_ref();
        // What cannot be read may be there.
        let looked = |db: &sled::Db, key: &Key| read(|| db.contains_key(key).map_err(damaged));
        let in_sled = |key: &Key| db.is_none_or(|db| looked(db, key).unwrap_or(true));
        self.recent.absorb(changes, record.len(), in_sled);
        self.number = number;
        self.group.applied(number, &record);
        let moved = *self.mover.moved().borrow();
        let done = self.recent.forget(moved);
        let ripe = self.recent.ripe(number);
        done.into_iter()
            .chain(ripe)
            .for_each(|rows| self.mover.push(rows));
    }

    fn move_all(&mut self) {
        if *self.mover.moved().borrow() < self.number {
            let moving = self.recent.take(self.number);
            self.mover.push(moving);
        }
    }
}

struct SledSnapshot {
    number: u64,
    view: Arc<Mutex<View>>,
    rows: Arc<RwLock<Rows>>,
}

#[async_trait]
impl Snapshot for SledSnapshot {
    fn number(&self) -> u64 {
        self.number
    }

    async fn next(&mut self, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let rows = self.rows.read().await;
        let mut view = past::lock(&self.view);
        let limit = limit.min(ROWS_PER_STEP);
        view.next(limit, |before, unread| {
            rows.page(before, unread, limit, Order::Ascending)
        })
    }
}

#[derive(Debug)]
struct SledTxn {
    rows: Guard<Rows>,
    overlay: Overlay,
    group: Arc<GroupCommit>,
    /// Whether its end waits until what it saw is durable.
    waits: bool,
    /// Whether the rows that it reads are remembered.
    keeps: bool,
}

#[async_trait]
impl Txn for SledTxn {
    /// On the thread of the caller: a miss costs 40 microseconds, a change of thread not less.
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let value = |key| match self.overlay.get(key) {
            Some(own) => Ok(own.clone()),
            None => self.rows.get(key, self.keeps),
        };
        keys.iter().map(value).collect()
    }

    async fn scan(
        &mut self,
        mut range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        range.start = range.start.max(Bytes::from_static(&[ENGINE_ROWS + 1]));
        let mut rows = Vec::new();
        while rows.len() < limit && range.start < range.end {
            let wanted = (limit - rows.len()).min(ROWS_PER_STEP);
            let page = self.rows.page(&self.overlay, &range, wanted, order)?;
            let last = page.last().filter(|_| page.len() == wanted).cloned();
            rows.extend(page);
            let Some((last, _)) = last else { break };
            if rows.len() < limit {
                narrow(&mut range, &last, order);
                yield_now().await;
            }
        }
        Ok(rows)
    }

    fn last_change(&self, place: Place) -> Option<Stamp> {
        Some(self.rows.stamps.at(place))
    }

    fn put(&mut self, key: Key, value: Bytes) {
        self.overlay.put(key, value);
    }

    fn append(&mut self, prefix: Key, value: Bytes) {
        self.overlay.append(prefix, value);
    }

    fn delete(&mut self, key: Key) {
        self.overlay.delete(key);
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        if self.overlay.is_empty() {
            return Ok(self.settle().await?);
        }
        let Self {
            rows,
            overlay,
            group,
            ..
        } = *self;
        let Guard::Write(mut rows) = rows else {
            return Err(wrote_in_a_read().into());
        };
        overlay.check(&LIMITS)?;
        let small = overlay.row_count() <= ROWS_PER_STEP;
        // The guard goes with the rows: also when the caller stops waiting, they are applied before
        // the next transaction begins.
        let apply = move || {
            let number = rows.apply(overlay);
            let toll = rows.recent.toll();
            (number, toll.map(|due| (Arc::clone(&rows.mover), due)))
        };
        let (number, toll) = if small {
            apply()
        } else {
            let applied = spawn_blocking(apply).await;
            let applied = applied.map_err(|error| StoreError::Failed(error.to_string()));
            applied.map_err(CommitError::Unknown)?
        };
        group.wait(number).await.map_err(CommitError::Unknown)?;
        if let Some((mover, due)) = toll {
            mover.reach(due).await;
        }
        Ok(())
    }

    async fn settle(self: Box<Self>) -> Result<(), StoreError> {
        let Self {
            rows, group, waits, ..
        } = *self;
        if !waits {
            return Ok(());
        }
        let seen = rows.number;
        drop(rows);
        group.wait(seen).await
    }
}

/// Takes from `range` what a scan has passed when it has reached `last`.
fn narrow(range: &mut Range<Key>, last: &Key, order: Order) {
    match order {
        // The smallest key above `last`.
        Order::Ascending => range.start = Bytes::from([&last[..], &[0]].concat()),
        Order::Descending => range.end = last.clone(),
    }
}

fn damaged(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => StoreError::Failed(error.to_string()),
        other => StoreError::Damaged(other.to_string()),
    }
}

/// Runs a read of sled, which panics on some kinds of damage instead of returning an error.
fn read<T>(step: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    base::no_panic(|| Ok(step())).unwrap_or_else(|panic| Err(StoreError::Damaged(panic)))
}
