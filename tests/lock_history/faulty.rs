//! Stores that do what no store may, over a good one: what the campaign has to notice.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lockkeeper::store::engine::{
    CommitError, Engine, Key, Limits, Mode, Order, Snapshot, StoreError, Txn,
};

use crate::support::Dice;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing. It only lets others go first now and then, so that more orders are seen.
    None,
    /// Check, then act: what a transaction has read may have changed when it writes.
    CheckThenAct,
    /// Of one commit in so many a row is not written.
    LostWrite(usize),
    /// One refusal or read in so many rests on what was before the last commit.
    StaleRead(usize),
}

/// A row as it was, or is to be: `None` is no row.
type Rows = BTreeMap<Key, Option<Bytes>>;

#[derive(Debug)]
struct Shared {
    fault: Fault,
    begun: AtomicBool,
    dice: Mutex<Dice>,
    /// What the last commit found.
    before_last: Mutex<Rows>,
}

impl Shared {
    fn roll(&self, sides: usize) -> bool {
        self.dice.lock().unwrap().roll(sides) == 0
    }

    fn fault(&self) -> Fault {
        if self.begun.load(Ordering::SeqCst) {
            self.fault
        } else {
            Fault::None
        }
    }
}

#[derive(Debug)]
pub(crate) struct Faulty {
    good: Arc<dyn Engine>,
    shared: Arc<Shared>,
}

impl Faulty {
    pub(crate) fn over(good: Arc<dyn Engine>, fault: Fault, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            fault,
            begun: AtomicBool::new(false),
            dice: Mutex::new(Dice(seed)),
            before_last: Mutex::default(),
        });
        Self { good, shared }
    }

    /// Until then it is as good as the one below.
    pub(crate) fn begin_to_fail(&self) {
        self.shared.begun.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Engine for Faulty {
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
        if self.shared.roll(2) {
            tokio::task::yield_now().await;
        }
        let checks_first = self.shared.fault() == Fault::CheckThenAct && mode == Mode::Write;
        let inner = self
            .good
            .begin(if checks_first { Mode::Read } else { mode });
        let inner = inner.await?;
        let is_stale = match self.shared.fault() {
            Fault::StaleRead(one_in) => self.shared.roll(one_in),
            _ => false,
        };
        let as_before = if is_stale {
            self.shared.before_last.lock().unwrap().clone()
        } else {
            Rows::new()
        };
        Ok(Box::new(FaultyTxn {
            inner,
            good: checks_first.then(|| Arc::clone(&self.good)),
            shared: Arc::clone(&self.shared),
            is_stale,
            as_before,
            written: Rows::new(),
            appended: Vec::new(),
        }))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.good.snapshot().await
    }

    async fn skip_to(&self, number: u64) -> Result<(), StoreError> {
        self.good.skip_to(number).await
    }

    fn limits(&self) -> Limits {
        self.good.limits()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.good.close().await
    }
}

struct FaultyTxn {
    inner: Box<dyn Txn>,
    /// Where to write, if not in the transaction that reads.
    good: Option<Arc<dyn Engine>>,
    shared: Arc<Shared>,
    is_stale: bool,
    as_before: Rows,
    written: Rows,
    appended: Vec<(Key, Bytes)>,
}

impl FaultyTxn {
    fn seen(&self, key: &Key) -> Option<&Option<Bytes>> {
        self.written.get(key).or_else(|| self.as_before.get(key))
    }
}

#[async_trait]
impl Txn for FaultyTxn {
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let found = self.inner.get(keys).await?;
        let seen = keys.iter().zip(found);
        let seen = seen.map(|(key, found)| self.seen(key).cloned().unwrap_or(found));
        Ok(seen.collect())
    }

    async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        if self.written.is_empty() && self.as_before.is_empty() {
            return self.inner.scan(range, limit, order).await;
        }
        let found = self.inner.scan(range.clone(), usize::MAX, order).await?;
        let mut rows: BTreeMap<Key, Bytes> = found.into_iter().collect();
        for (key, value) in self.as_before.iter().chain(&self.written) {
            if range.contains(key) {
                match value {
                    Some(value) => rows.insert(key.clone(), value.clone()),
                    None => rows.remove(key),
                };
            }
        }
        let rows = rows.into_iter();
        Ok(match order {
            Order::Ascending => rows.take(limit).collect(),
            Order::Descending => rows.rev().take(limit).collect(),
        })
    }

    fn put(&mut self, key: Key, value: Bytes) {
        self.written.insert(key, Some(value));
    }

    fn append(&mut self, prefix: Key, value: Bytes) {
        self.appended.push((prefix, value));
    }

    fn delete(&mut self, key: Key) {
        self.written.insert(key, None);
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        let Self {
            mut inner,
            good,
            shared,
            is_stale,
            mut written,
            appended,
            ..
        } = *self;
        if is_stale {
            // Only what rests on it and changes nothing goes out.
            return Err(CommitError::Conflict);
        }
        if let Some(good) = good {
            drop(inner);
            tokio::task::yield_now().await;
            inner = good.begin(Mode::Write).await?;
        }
        if let Fault::LostWrite(one_in) = shared.fault()
            && !written.is_empty()
            && shared.roll(one_in)
        {
            let keys: Vec<Key> = written.keys().cloned().collect();
            let lost = shared.dice.lock().unwrap().pick(&keys).clone();
            written.remove(&lost);
        }
        if let Fault::StaleRead(_) = shared.fault()
            && !written.is_empty()
        {
            let keys: Vec<Key> = written.keys().cloned().collect();
            let before = inner.get(&keys).await?;
            *shared.before_last.lock().unwrap() = keys.into_iter().zip(before).collect();
        }
        for (key, value) in written {
            match value {
                Some(value) => inner.put(key, value),
                None => inner.delete(key),
            }
        }
        for (prefix, value) in appended {
            inner.append(prefix, value);
        }
        inner.commit().await
    }

    async fn settle(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.settle().await
    }
}
