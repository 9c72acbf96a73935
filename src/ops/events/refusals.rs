//! Refusals by locks. They change nothing, so no transaction carries them: they are noted in
//! memory and written down a moment later, many at once. Who tries again and again fills one event.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::tell;
use crate::event::{FACTS_MAX, Obstacle, What};
use crate::ops::visit::visit;
use crate::ops::{Ask, Dav};
use crate::protocol::error::{DavError, RefusingLock};
use crate::store::engine::Txn;
use crate::store::tx::Tx;

/// Most refusals that wait to be written down. More at once are an attack or a broken client, and
/// then the access log has to do.
const WAITING_MAX: usize = 1_000;

/// Refusals that wait to be written down.
#[derive(Debug, Default)]
pub(in crate::ops) struct Refusals {
    waiting: Mutex<Vec<Noted>>,
    noted: Notify,
}

#[derive(Debug, Clone)]
struct Noted {
    ask: Ask,
    by: Vec<Obstacle>,
    times: u32,
}

impl Refusals {
    fn waiting(&self) -> MutexGuard<'_, Vec<Noted>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that locks refused this, if that is what the error says.
    pub(in crate::ops) fn note(&self, ask: &Ask, error: &DavError) {
        let mut by: Vec<Obstacle> = refusing(error).map(Obstacle::from).collect();
        if by.is_empty() {
            return;
        }
        by.dedup();
        by.truncate(FACTS_MAX);
        let mut waiting = self.waiting();
        let again = |noted: &&mut Noted| {
            noted.ask.principal.id == ask.principal.id
                && noted.ask.target == ask.target
                && (noted.ask.face, &noted.ask.program) == (ask.face, &ask.program)
                && noted.by == by
        };
        if let Some(noted) = waiting.iter_mut().find(again) {
            noted.times = noted.times.saturating_add(1);
        } else if waiting.len() < WAITING_MAX {
            let ask = ask.clone();
            waiting.push(Noted { ask, by, times: 1 });
            self.noted.notify_one();
        }
    }
}

impl From<&RefusingLock> for Obstacle {
    fn from(lock: &RefusingLock) -> Self {
        Self {
            kind: lock.kind,
            holder: lock.holder.clone(),
        }
    }
}

/// The locks that an error names.
fn refusing(error: &DavError) -> Box<dyn Iterator<Item = &RefusingLock> + '_> {
    match error {
        DavError::Locked(locks) | DavError::LockConflict(locks) => Box::new(locks.iter()),
        DavError::NotYourLock(lock) => Box::new(std::iter::once(lock)),
        DavError::Members(members) => {
            Box::new(members.iter().flat_map(|member| refusing(&member.error)))
        }
        _ => Box::new(std::iter::empty()),
    }
}

impl Dav {
    /// Returns when a refusal waits to be written down.
    pub async fn refusal_noted(&self) {
        self.refusals.noted.notified().await;
    }

    /// Writes the refusals down that wait.
    pub async fn record_refusals(&self) -> Result<(), DavError> {
        let noted = std::mem::take(&mut *self.refusals.waiting());
        for page in noted.chunks(100) {
            self.write(page, |txn, page| {
                Box::pin(async move {
                    for noted in page {
                        record(txn, noted).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(())
    }
}

async fn record(txn: &mut dyn Txn, noted: &Noted) -> Result<(), DavError> {
    let Noted { ask, by, times } = noted;
    let mut tx = Tx::new(txn, ask.now);
    // What went away in the meantime, or from before the user's eyes, is not told of any more.
    let Ok(visit) = visit(&mut tx, ask).await else {
        return Ok(());
    };
    let what = What::Refused {
        by: by.clone(),
        times: *times,
    };
    Ok(tell(&mut tx, ask, visit.place(), what)?)
}
