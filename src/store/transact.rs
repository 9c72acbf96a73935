//! `transact`: the one way in which operations read and write. Runs a body in a transaction and,
//! where the engine found a conflict, runs it again.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::engine::{CommitError, Engine, Mode, StoreError, Txn};

/// After this many runs that met a conflict the store is called busy.
const RUNS_MAX: u32 = 10;

/// Runs `body` in a transaction of `engine` and commits what it wrote, if it returns `Ok`.
///
/// A body may run several times: apart from its transaction it must change nothing and await
/// nothing, and it gets times, random numbers and new ids in `context`. While it runs in
/// [`Mode::Write`] the embedded engines let no other transaction run.
///
/// A refusal (`Err`) changes nothing, and is returned only when what it rests on is durable.
pub async fn transact<C, T, E, F>(
    engine: &dyn Engine,
    mode: Mode,
    context: &C,
    body: F,
) -> Result<T, E>
where
    C: Sync + ?Sized,
    T: Send,
    E: From<StoreError> + Send,
    F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
{
    for run in 1..=RUNS_MAX {
        let mut txn = engine.begin(mode).await?;
        let answer = body(&mut *txn, context).await;
        if answer.is_err() || mode != Mode::Write {
            txn.settle().await?;
            return answer;
        }
        match txn.commit().await {
            Ok(()) => return answer,
            Err(CommitError::Conflict) => tokio::time::sleep(pause(run)).await,
            Err(CommitError::Failed(error)) => return Err(error.into()),
            Err(CommitError::Unknown(StoreError::Frozen(reason))) => {
                let told =
                    format!("{reason}; look whether this change was made before you repeat it");
                return Err(StoreError::Frozen(told).into());
            }
            Err(unknown @ CommitError::Unknown(_)) => {
                return Err(StoreError::Failed(unknown.to_string()).into());
            }
        }
    }
    Err(StoreError::Busy.into())
}

/// Doubles from half a millisecond with every run; half of it is random, so that bodies which met
/// once do not meet again.
fn pause(run: u32) -> Duration {
    let whole = 250_u32 << run.min(RUNS_MAX);
    // Without randomness there are only more conflicts.
    let random = getrandom::u32().unwrap_or(0) % (whole / 2);
    Duration::from_micros(u64::from(whole / 2 + random))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::super::engine::{Key, Limits, Order, Snapshot};
    use super::super::memory::MemoryEngine;
    use super::*;

    /// The memory engine, but the first commits fail.
    #[derive(Debug)]
    struct Contended {
        engine: MemoryEngine,
        failures: AtomicU32,
        error: CommitError,
    }

    impl Contended {
        fn new(failures: u32, error: CommitError) -> Self {
            Self {
                engine: MemoryEngine::new(),
                failures: AtomicU32::new(failures),
                error,
            }
        }
    }

    #[async_trait]
    impl Engine for Contended {
        async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
            let txn = self.engine.begin(mode).await?;
            let left = self.failures.load(Ordering::SeqCst);
            self.failures
                .store(left.saturating_sub(1), Ordering::SeqCst);
            let error = (left > 0).then(|| self.error.clone());
            Ok(Box::new(ContendedTxn { txn, error }))
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
            Ok(())
        }
    }

    struct ContendedTxn {
        txn: Box<dyn Txn>,
        error: Option<CommitError>,
    }

    #[async_trait]
    impl Txn for ContendedTxn {
        async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
            self.txn.get(keys).await
        }

        async fn scan(
            &mut self,
            range: std::ops::Range<Key>,
            limit: usize,
            order: Order,
        ) -> Result<Vec<(Key, Bytes)>, StoreError> {
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
            match self.error {
                Some(error) => Err(error),
                None => self.txn.commit().await,
            }
        }

        async fn settle(self: Box<Self>) -> Result<(), StoreError> {
            self.txn.settle().await
        }
    }

    #[derive(Debug, PartialEq)]
    enum Refusal {
        Taken,
        Store(StoreError),
    }

    impl From<StoreError> for Refusal {
        fn from(error: StoreError) -> Self {
            Self::Store(error)
        }
    }

    /// What an operation hands in; it borrows, as operations do.
    struct Ask<'a> {
        name: &'a str,
        runs: AtomicU32,
    }

    async fn take(txn: &mut dyn Txn, ask: &Ask<'_>) -> Result<u32, Refusal> {
        let key = Bytes::copy_from_slice(ask.name.as_bytes());
        let taken = txn.get(std::slice::from_ref(&key)).await?[0].is_some();
        txn.put(key, Bytes::new());
        let run = ask.runs.fetch_add(1, Ordering::SeqCst) + 1;
        if taken { Err(Refusal::Taken) } else { Ok(run) }
    }

    async fn check(engine: &dyn Engine, mode: Mode, expect: Result<u32, Refusal>) {
        let name = String::from("name");
        let ask = Ask {
            name: &name,
            runs: AtomicU32::new(0),
        };
        let taking = transact(engine, mode, &ask, |txn, ask| Box::pin(take(txn, ask)));
        let taking: futures_util::future::BoxFuture<'_, _> = Box::pin(taking);
        assert_eq!(taking.await, expect);
    }

    #[tokio::test]
    async fn a_body_runs_again_after_a_conflict() {
        let engine = Contended::new(3, CommitError::Conflict);
        check(&engine, Mode::Write, Ok(4)).await;
        check(&engine, Mode::Write, Err(Refusal::Taken)).await;
    }

    #[tokio::test]
    async fn after_ten_conflicts_the_store_is_busy() {
        let engine = Contended::new(10, CommitError::Conflict);
        check(&engine, Mode::Write, Err(Refusal::Store(StoreError::Busy))).await;
        check(&engine, Mode::Write, Ok(1)).await;
    }

    #[tokio::test]
    async fn other_failures_are_not_tried_again() {
        let engine = Contended::new(1, CommitError::Failed(StoreError::Full));
        check(&engine, Mode::Write, Err(Refusal::Store(StoreError::Full))).await;
        let cut = StoreError::Failed("connection cut".to_owned());
        let engine = Contended::new(1, CommitError::Unknown(cut));
        let told = "it is not known whether the commit happened: the store failed: connection cut";
        check(
            &engine,
            Mode::Write,
            Err(Refusal::Store(StoreError::Failed(told.into()))),
        )
        .await;
    }

    #[tokio::test]
    async fn reading_changes_nothing() {
        let engine = MemoryEngine::new();
        check(&engine, Mode::Read, Ok(1)).await;
        check(&engine, Mode::Write, Ok(1)).await;
        check(&engine, Mode::Read, Err(Refusal::Taken)).await;
    }
}
