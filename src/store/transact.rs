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
        if answer.is_err() || mode == Mode::Read {
            txn.settle().await?;
            return answer;
        }
        match txn.commit().await {
            Ok(()) => return answer,
            Err(CommitError::Conflict) => tokio::time::sleep(pause(run)).await,
            Err(CommitError::Failed(error)) => return Err(error.into()),
            Err(unknown @ CommitError::Unknown(_)) => {
                return Err(StoreError::Failed(unknown.to_string()).into());
            }
        }
    }
    Err(StoreError::Busy.into())
}

/// Doubles from 1 ms with every run; half of it is random, so that bodies which met once do not
/// meet again.
fn pause(run: u32) -> Duration {
    let whole = 1000_u32 << run.min(RUNS_MAX);
    // Without randomness there are only more conflicts.
    let random = getrandom::u32().unwrap_or(0) % (whole / 2);
    Duration::from_micros(u64::from(whole / 2 + random))
}
