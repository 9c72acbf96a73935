//! Old versions that are too many or too old go in the background: no upload waits for it.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use super::Dav;
use super::housekeeping::PAGE;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::{Resource, ResourceId, Retention};
use crate::store::engine::Key;
use crate::store::tx::Tx;

/// Most files that are remembered for the next sweep. Rounds over all versions find the rest.
const OVERFULL_MAX: usize = 10_000;

/// Pages of old versions that one sweep looks at on its round over all.
const PAGES_A_SWEEP: usize = 5;

/// What the sweep is to look at.
#[derive(Debug, Default)]
pub(super) struct Pruning {
    /// Files that have more old versions than are kept.
    overfull: BTreeSet<ResourceId>,
    /// How far the round over all versions has come.
    reached: Option<Key>,
}

/// The versions that one transaction looks at.
struct Page {
    of: Option<ResourceId>,
    after: Option<Key>,
    retention: Retention,
    now: Timestamp,
}

impl Dav {
    fn pruning(&self) -> MutexGuard<'_, Pruning> {
        self.pruning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retention(&self) -> Retention {
        let versions = &self.config.versions;
        Retention {
            keep: versions.keep,
            keep_days: versions.keep_days,
        }
    }

    /// `file` has its next version, and perhaps one too many.
    pub(super) fn tell_succeeded(&self, file: &Resource) {
        let number = file.content.as_ref().map_or(0, |content| content.number);
        if number > self.config.versions.keep.saturating_add(1) {
            self.tell_overfull(file.id);
        }
    }

    /// `file` may have versions that nothing keeps.
    pub(super) fn tell_overfull(&self, file: ResourceId) {
        let overfull = &mut self.pruning().overfull;
        if overfull.len() < OVERFULL_MAX {
            overfull.insert(file);
        }
        self.content_ended.notify_one();
    }

    /// Removes the old versions of files that have too many, and looks at some more of all: of
    /// those that grew too old, that a restart forgot or that a new configuration no longer keeps.
    pub(super) async fn sweep_versions(&self, now: Timestamp) -> Result<(), DavError> {
        let overfull = std::mem::take(&mut self.pruning().overfull);
        for file in overfull {
            let mut after = None;
            loop {
                after = self.prune(Some(file), after, now).await?;
                if after.is_none() {
                    break;
                }
            }
        }
        for _ in 0..PAGES_A_SWEEP {
            let reached = self.pruning().reached.clone();
            let next = self.prune(None, reached, now).await?;
            let is_round = next.is_none();
            self.pruning().reached = next;
            if is_round {
                break;
            }
        }
        Ok(())
    }

    async fn prune(
        &self,
        of: Option<ResourceId>,
        after: Option<Key>,
        now: Timestamp,
    ) -> Result<Option<Key>, DavError> {
        let page = Page {
            of,
            after,
            retention: self.retention(),
            now,
        };
        self.write(&page, |txn, page| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, page.now);
                let at = (page.after.as_ref(), PAGE);
                let next = match page.of {
                    Some(file) => tx.prune_file(file, page.retention, at).await,
                    None => tx.prune_all(page.retention, at).await,
                };
                Ok(next?)
            })
        })
        .await
    }
}
