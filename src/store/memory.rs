//! The model engine: an ordered map in memory. It serves the tests and `--memory`, and says by its
//! simplicity what every other engine must do. Nothing in it outlives the process.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::RwLock;

use super::engine::{CommitError, Engine, Key, Limits, Mode, Order, Snapshot, StoreError, Txn};
use super::overlay::{Guard, LIMITS, Overlay, in_order, wrote_in_a_read};
use super::past::{self, Past, View};
use super::stamps::{Place, Stamp, Stamps};

#[derive(Debug, Default)]
struct Rows {
    by_key: BTreeMap<Key, Bytes>,
    /// The number of the last commit.
    number: u64,
    past: Past,
    stamps: Stamps,
}

impl Rows {
    fn page(
        &self,
        overlay: &Overlay,
        range: &Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let rows = self.by_key.range::<Key, _>(&range.start..&range.end);
        let rows = rows.map(|(key, value)| Ok((key.clone(), value.clone())));
        overlay.merge(in_order(rows, order), range, limit, order)
    }
}

/// Keeps everything in memory: readers run together, a writer runs alone.
#[derive(Debug, Clone, Default)]
pub struct MemoryEngine {
    rows: Arc<RwLock<Rows>>,
}

impl MemoryEngine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
        let rows = Guard::take(&self.rows, mode).await;
        Ok(Box::new(MemoryTxn {
            rows,
            overlay: Overlay::default(),
        }))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let mut rows = self.rows.write().await;
        Ok(Box::new(MemorySnapshot {
            number: rows.number,
            view: rows.past.begin(),
            rows: Arc::clone(&self.rows),
        }))
    }

    async fn skip_to(&self, number: u64) -> Result<(), StoreError> {
        let mut rows = self.rows.write().await;
        rows.number = rows.number.max(number);
        Ok(())
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct MemorySnapshot {
    number: u64,
    view: Arc<Mutex<View>>,
    rows: Arc<RwLock<Rows>>,
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn number(&self) -> u64 {
        self.number
    }

    async fn next(&mut self, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let rows = self.rows.read().await;
        let mut view = past::lock(&self.view);
        view.next(limit, |before, unread| {
            rows.page(before, unread, limit, Order::Ascending)
        })
    }
}

#[derive(Debug)]
struct MemoryTxn {
    rows: Guard<Rows>,
    overlay: Overlay,
}

#[async_trait]
impl Txn for MemoryTxn {
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let value = |key| self.overlay.get(key).cloned();
        Ok(keys
            .iter()
            .map(|key| value(key).unwrap_or_else(|| self.rows.by_key.get(key).cloned()))
            .collect())
    }

    async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.rows.page(&self.overlay, &range, limit, order)
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
            return Ok(());
        }
        let Guard::Write(mut rows) = self.rows else {
            return Err(wrote_in_a_read().into());
        };
        self.overlay.check(&LIMITS)?;
        let Rows {
            by_key,
            number,
            past,
            stamps,
        } = &mut *rows;
        *number += 1;
        let changed: Vec<_> = self.overlay.into_rows(*number).collect();
        let keys = changed.iter().map(|(key, _)| key);
        past.keep(keys, |key| Ok(by_key.get(key).cloned()));
        stamps.raise(changed.iter().map(|(key, _)| key));
        for (key, value) in changed {
            match value {
                Some(value) => by_key.insert(key, value),
                None => by_key.remove(&key),
            };
        }
        Ok(())
    }

    async fn settle(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
