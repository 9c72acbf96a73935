//! Refusals by locks. They change nothing, so no transaction carries them: they are noted in
//! memory and written down a moment later, many at once. Who tries again and again fills one event.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::telling::event_of;
use crate::event::{Event, FACTS_MAX, Obstacle, What};
use crate::ops::visit::visit;
use crate::ops::{Ask, Dav};
use crate::protocol::error::{DavError, RefusingLock};
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::store::engine::{Mode, StoreError, Txn};
use crate::store::transact::transact;
use crate::store::tx::Tx;

/// Most refusals that wait to be written down. More at once are an attack or a broken client, and
/// then the access log has to do.
const WAITING_MAX: usize = 1_000;

/// Most that one transaction writes down.
const PAGE: usize = 100;

/// Refusals that wait to be written down.
#[derive(Debug, Default)]
pub(in crate::ops) struct Refusals {
    waiting: Mutex<Vec<Event>>,
    noted: Notify,
}

/// Why something was not done, and the event that this is.
struct NotDone {
    error: DavError,
    event: Option<Event>,
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        let (error, event) = (error.into(), None);
        Self { error, event }
    }
}

impl Refusals {
    fn waiting(&self) -> MutexGuard<'_, Vec<Event>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: Event) {
        let mut waiting = self.waiting();
        if waiting.iter_mut().any(|noted| is_again(noted, &event)) {
            return;
        }
        if waiting.len() < WAITING_MAX {
            waiting.push(event);
            self.noted.notify_one();
        }
    }

    /// Has these wait again, before those that came meanwhile.
    fn put_back(&self, mut noted: Vec<Event>) {
        let mut waiting = self.waiting();
        noted.append(&mut waiting);
        noted.truncate(WAITING_MAX);
        *waiting = noted;
    }
}

/// Whether `event` is the same refusal as `noted`, which then counts it.
fn is_again(noted: &mut Event, event: &Event) -> bool {
    let same = noted.by == event.by
        && (noted.face, &noted.program) == (event.face, &event.program)
        && noted.place == event.place;
    match (&mut noted.what, &event.what) {
        (What::Refused { by, times }, What::Refused { by: again, .. }) if same && by == again => {
            *times = times.saturating_add(1);
            true
        }
        _ => false,
    }
}

/// The locks that an error names.
fn refusing(error: &DavError) -> Box<dyn Iterator<Item = &RefusingLock> + Send + '_> {
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
    /// Does what a user asks for, or finds out whether it could be done. When locks refuse it, that
    /// is an event, whose places are those that the refusing transaction saw.
    pub(in crate::ops) async fn do_or_note<'c, C, T, F>(
        &self,
        mode: Mode,
        ask: &Ask,
        context: &'c C,
        body: F,
    ) -> Result<T, DavError>
    where
        C: Sync + ?Sized,
        T: Send,
        F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, DavError>> + Send + Sync,
    {
        let asking = (ask, context, body);
        let done = transact(&*self.engine, mode, &asking, |txn, (ask, context, body)| {
            Box::pin(async move {
                match body(&mut *txn, *context).await {
                    Ok(done) => Ok(done),
                    Err(error) => Err(NotDone {
                        event: refusal(txn, ask, &error).await?,
                        error,
                    }),
                }
            })
        });
        done.await.map_err(|NotDone { error, event }| {
            if let Some(event) = event {
                self.refusals.note(event);
            }
            error
        })
    }

    /// Returns when a refusal waits to be written down.
    pub async fn refusal_noted(&self) {
        self.refusals.noted.notified().await;
    }

    /// Writes the refusals down that wait. Those that may not have been written wait on: better
    /// told twice than never.
    pub async fn record_refusals(&self) -> Result<(), DavError> {
        let mut noted = std::mem::take(&mut *self.refusals.waiting());
        while !noted.is_empty() {
            let rest = noted.split_off(noted.len().min(PAGE));
            if let Err(error) = self.record(&noted).await {
                noted.extend(rest);
                self.refusals.put_back(noted);
                return Err(error);
            }
            self.tell_commit();
            noted = rest;
        }
        Ok(())
    }

    async fn record(&self, page: &[Event]) -> Result<(), DavError> {
        self.write(page, |txn, page| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, Timestamp(0));
                for event in page {
                    tx.record(event)?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// The event that a refusal is, if locks are what refused it.
async fn refusal(
    txn: &mut dyn Txn,
    ask: &Ask,
    error: &DavError,
) -> Result<Option<Event>, StoreError> {
    let refusing: Vec<_> = refusing(error).take(FACTS_MAX).collect();
    if refusing.is_empty() {
        return Ok(None);
    }
    let mut tx = Tx::new(txn, ask.now);
    let Ok(visit) = visit(&mut tx, ask).await else {
        return Ok(None);
    };
    let mut by = Vec::with_capacity(refusing.len());
    for lock in refusing {
        let Ok(root) = DavPath::parse(&lock.href, usize::MAX) else {
            continue;
        };
        let on_way = visit.walk.chain().get(root.names().len());
        let root = match on_way.filter(|_| visit.path.is_within(&root)) {
            Some(step) => Some(visit.place_on_way(step.id)),
            None => tx.place_at(&root).await?,
        };
        by.extend(root.map(|root| Obstacle {
            root,
            kind: lock.kind,
            holder: lock.holder.clone(),
        }));
    }
    if by.is_empty() {
        return Ok(None);
    }
    let what = What::Refused { by, times: 1 };
    Ok(Some(event_of(ask, visit.place(), what)))
}
