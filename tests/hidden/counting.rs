//! The memory engine with a tally of every look-up.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lockkeeper::store::engine::{
    CommitError, Engine, Key, Limits, Mode, Order, Snapshot, StoreError, Txn,
};
use lockkeeper::store::memory::MemoryEngine;

/// How often something was looked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    transactions: usize,
    gets: usize,
    keys: usize,
    scans: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Counting {
    engine: MemoryEngine,
    tally: Arc<Mutex<Tally>>,
}

impl Counting {
    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap())
    }

    /// The same rows with a tally of their own.
    pub(crate) async fn copy(&self) -> Self {
        let copy = Self::default();
        let mut from = self.engine.begin(Mode::Read).await.unwrap();
        let mut to = copy.engine.begin(Mode::Write).await.unwrap();
        let all = Bytes::from_static(b"\x00")..Bytes::from_static(b"\xff\xff");
        for (key, value) in from.scan(all, usize::MAX, Order::Ascending).await.unwrap() {
            to.put(key, value);
        }
        to.commit().await.unwrap();
        copy
    }
}

#[async_trait]
impl Engine for Counting {
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
        self.tally.lock().unwrap().transactions += 1;
        Ok(Box::new(CountingTxn {
            txn: self.engine.begin(mode).await?,
            tally: Arc::clone(&self.tally),
        }))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.engine.snapshot().await
    }

    async fn skip_to(&self, number: u64) -> Result<(), StoreError> {
        self.engine.skip_to(number).await
    }

    fn limits(&self) -> Limits {
        self.engine.limits()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.engine.close().await
    }
}

struct CountingTxn {
    txn: Box<dyn Txn>,
    tally: Arc<Mutex<Tally>>,
}

#[async_trait]
impl Txn for CountingTxn {
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        {
            let mut tally = self.tally.lock().unwrap();
            tally.gets += 1;
            tally.keys += keys.len();
        }
        self.txn.get(keys).await
    }

    async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.tally.lock().unwrap().scans += 1;
        self.txn.scan(range, limit, order).await
    }

    fn put(&mut self, key: Key, value: Bytes) {
        self.txn.put(key, value);
    }

    fn append(&mut self, prefix: Key, value: Bytes) {
        self.txn.append(prefix, value);
    }

    fn delete(&mut self, key: Key) {
        self.txn.delete(key);
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.txn.commit().await
    }

    async fn settle(self: Box<Self>) -> Result<(), StoreError> {
        self.txn.settle().await
    }
}
