//! An engine over another one, of which one commit goes wrong, as it was planned.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use lockkeeper::store::engine::{
    CommitError, Engine, Key, Limits, Mode, Order, Snapshot, StoreError, Txn,
};

/// What errors of this engine say.
pub(crate) const PLANTED: &str = "a planted fault";

/// How a commit goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is refused, and nothing is changed.
    Failed,
    /// Nobody knows whether it happened; it did not.
    UnknownLost,
    /// Nobody knows whether it happened; it did.
    UnknownDone,
    /// Another transaction came first, three times.
    Conflicts,
    /// Another transaction came first, until nobody tries any more.
    Contended,
    /// From then on nothing can be written, until the engine is healed.
    Gone,
    /// It happens, but for one of the rows that it changes: the one behind so many. No engine may
    /// do that: it is there to be found.
    Without(usize),
}

impl Way {
    /// What an engine may do.
    pub(crate) const ALLOWED: [Self; 6] = [
        Self::Failed,
        Self::UnknownLost,
        Self::UnknownDone,
        Self::Conflicts,
        Self::Contended,
        Self::Gone,
    ];

    /// So many commits meet a conflict.
    const fn conflicts(self) -> usize {
        match self {
            Self::Conflicts => 3,
            Self::Contended => 10,
            _ => 0,
        }
    }
}

/// Which commit goes wrong, and how.
#[derive(Debug, Default)]
struct Plan {
    way: Option<Way>,
    /// Commits that write before it.
    left: usize,
    /// Conflicts that it still meets.
    conflicts: usize,
    /// Nothing can be written.
    gone: bool,
    /// Commits that wrote, or tried to.
    commits: usize,
    /// A row was left out of a commit.
    left_out: bool,
}

impl Plan {
    /// What becomes of the commit that comes now.
    fn next(&mut self) -> Option<Way> {
        self.commits += 1;
        let way = self.way?;
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        if self.conflicts > 1 {
            self.conflicts -= 1;
        } else {
            self.way = None;
            self.gone = way == Way::Gone;
        }
        Some(way)
    }
}

/// The engine.
#[derive(Debug)]
pub(crate) struct Faulty {
    engine: Arc<dyn Engine>,
    plan: Arc<Mutex<Plan>>,
}

impl Faulty {
    /// Over `engine`; all goes well.
    pub(crate) fn over(engine: Arc<dyn Engine>) -> Self {
        let plan = Arc::default();
        Self { engine, plan }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    /// The commit behind the next `left` ones will go wrong.
    pub(crate) fn plant(&self, way: Way, left: usize) {
        *self.plan() = Plan {
            way: Some(way),
            left,
            conflicts: way.conflicts(),
            ..Plan::default()
        };
    }

    /// All goes well from now on.
    pub(crate) fn heal(&self) {
        *self.plan() = Plan::default();
    }

    /// Whether a row was left out of a commit since then.
    pub(crate) fn left_out(&self) -> bool {
        self.plan().left_out
    }

    /// Commits since the last fault was planted or healed.
    pub(crate) fn commits(&self) -> usize {
        self.plan().commits
    }
}

#[async_trait]
impl Engine for Faulty {
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
        if self.plan().gone && mode == Mode::Write {
            return Err(planted());
        }
        let before = if matches!(self.plan().way, Some(Way::Without(_))) {
            rows(&*self.engine).await?
        } else {
            Rows::new()
        };
        Ok(Box::new(FaultyTxn {
            txn: self.engine.begin(mode).await?,
            engine: Arc::clone(&self.engine),
            plan: Arc::clone(&self.plan),
            wrote: false,
            before,
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

fn planted() -> StoreError {
    StoreError::Failed(PLANTED.to_owned())
}

type Rows = BTreeMap<Key, Bytes>;

/// All of them.
pub(crate) async fn rows(engine: &dyn Engine) -> Result<Rows, StoreError> {
    let mut snapshot = engine.snapshot().await?;
    let mut rows = Rows::new();
    loop {
        let page = snapshot.next(1_000).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

struct FaultyTxn {
    txn: Box<dyn Txn>,
    engine: Arc<dyn Engine>,
    plan: Arc<Mutex<Plan>>,
    wrote: bool,
    /// What was there when it began, if one of its rows may be left out.
    before: Rows,
}

/// Puts one row back as it was before, the one behind `passed` that changed. Whether there is one.
async fn put_back(engine: &dyn Engine, before: &Rows, passed: usize) -> Result<bool, CommitError> {
    let after = rows(engine).await?;
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changed = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key));
    let Some(key) = changed.nth(passed) else {
        return Ok(false);
    };
    let mut txn = engine.begin(Mode::Write).await?;
    match before.get(key) {
        Some(value) => txn.put(key.clone(), value.clone()),
        None => txn.delete(key.clone()),
    }
    txn.commit().await?;
    Ok(true)
}

#[async_trait]
impl Txn for FaultyTxn {
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.txn.get(keys).await
    }

    async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.txn.scan(range, limit, order).await
    }

    fn put(&mut self, key: Key, value: Bytes) {
        self.wrote = true;
        self.txn.put(key, value);
    }

    fn append(&mut self, prefix: Key, value: Bytes) {
        self.wrote = true;
        self.txn.append(prefix, value);
    }

    fn delete(&mut self, key: Key) {
        self.wrote = true;
        self.txn.delete(key);
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        if !self.wrote {
            return self.txn.commit().await;
        }
        let way = self.plan.lock().unwrap().next();
        match way {
            None => self.txn.commit().await,
            Some(Way::Without(passed)) => {
                self.txn.commit().await?;
                let left_out = put_back(&*self.engine, &self.before, passed).await?;
                self.plan.lock().unwrap().left_out = left_out;
                Ok(())
            }
            Some(Way::Failed | Way::Gone) => Err(CommitError::Failed(planted())),
            Some(Way::UnknownLost) => Err(CommitError::Unknown(planted())),
            Some(Way::UnknownDone) => {
                self.txn.commit().await?;
                Err(CommitError::Unknown(planted()))
            }
            Some(Way::Conflicts | Way::Contended) => Err(CommitError::Conflict),
        }
    }

    async fn settle(self: Box<Self>) -> Result<(), StoreError> {
        self.txn.settle().await
    }
}
