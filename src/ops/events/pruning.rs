//! How long the record is.

use std::sync::PoisonError;

use crate::event::Mark;
use crate::ops::Dav;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::store::tx::Tx;

/// Rows looked at in one transaction.
const PAGE: usize = 1_000;

/// How many rows the record had up to a place: each sweep counts on from there.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Counted {
    up_to: Mark,
    rows: usize,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            up_to: Mark::START,
            rows: 0,
        }
    }
}

impl Dav {
    /// Removes events that are too many or too old.
    pub(in crate::ops) async fn prune_events(&self, now: Timestamp) -> Result<(), DavError> {
        const DAY_MS: u64 = 24 * 3600 * 1000;
        let config = &self.config.events;
        let age = u64::from(config.keep_days).saturating_mul(DAY_MS);
        let oldest = Timestamp(now.0.saturating_sub(age));
        let mut counted = self.count_events(now).await?;
        let mut has_pruned = false;
        loop {
            let surplus = counted.rows.saturating_sub(config.keep);
            if surplus == 0 && !self.has_events_before(oldest).await? {
                *self.counted() = counted;
                break;
            }
            let pruning = (now, oldest, surplus);
            let removed = self.write(&pruning, |txn, (now, oldest, surplus)| {
                Box::pin(async move {
                    let mut tx = Tx::new(txn, *now);
                    Ok(tx.prune_events(*oldest, *surplus, PAGE).await?)
                })
            });
            // What may have gone must be counted anew, or too much would go the next time.
            let forget = |_: &DavError| *self.counted() = Counted::default();
            let removed = removed.await.inspect_err(forget)?;
            counted.rows = counted.rows.saturating_sub(removed);
            *self.counted() = counted;
            has_pruned |= removed > 0;
            if removed < PAGE / 2 {
                break;
            }
        }
        if has_pruned {
            self.write(&now, |txn, now| {
                Box::pin(async move { Ok(Tx::new(txn, *now).forget_gone(PAGE).await?) })
            })
            .await?;
        }
        Ok(())
    }

    async fn has_events_before(&self, oldest: Timestamp) -> Result<bool, DavError> {
        self.read(&oldest, |txn, oldest| {
            Box::pin(async move {
                let first = Tx::new(txn, *oldest).oldest_event().await?;
                Ok(first.is_some_and(|event| event.at < *oldest))
            })
        })
        .await
    }

    async fn count_events(&self, now: Timestamp) -> Result<Counted, DavError> {
        let mut counted = *self.counted();
        loop {
            let counting = (now, counted.up_to);
            let page = self.read(&counting, |txn, (now, up_to)| {
                Box::pin(async move {
                    let mut tx = Tx::new(txn, *now);
                    Ok(tx.count_events(*up_to, PAGE).await?)
                })
            });
            let (rows, up_to) = page.await?;
            counted.rows += rows;
            counted.up_to = up_to;
            if rows < PAGE {
                return Ok(counted);
            }
        }
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
