//! Old versions that are too many or too old go in the background: no upload waits for it.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use super::Dav;
use super::housekeeping::Pace;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::{Resource, ResourceId, Retention};
use crate::store::engine::Key;
use crate::store::tx::Tx;

/// Most files that are remembered for the next sweep. Rounds over all versions find the rest.
const OVERFULL_MAX: usize = 10_000;

/// How many old versions are looked at in one transaction on the round over all, for which writers
/// wait.
const ROUND_PAGE: usize = 50;

/// Pages of old versions that one sweep looks at on its round over all.
const PAGES_A_SWEEP: usize = 20;

/// Files that are pruned in one transaction, and how many versions of each: mostly there is one too
/// many.
const FILES: usize = 16;
const VERSIONS_A_FILE: usize = 2;

/// How many versions of a file that has more go at a time while others work.
const PRUNED_MIN: usize = 32;

/// What the sweep is to look at.
#[derive(Debug, Default)]
pub(super) struct Pruning {
    /// Files that have more old versions than are kept.
    overfull: BTreeSet<ResourceId>,
    /// How far the round over all versions has come.
    reached: Option<Key>,
}

/// What one transaction prunes.
struct Step {
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
        let step = Step {
            retention: self.retention(),
            now,
        };
        let overfull = std::mem::take(&mut self.pruning().overfull);
        let overfull: Vec<ResourceId> = overfull.into_iter().collect();
        let mut pace = Pace::new(self, PRUNED_MIN);
        for files in overfull.chunks(FILES) {
            for (file, after) in self.prune_some(&step, files).await? {
                let mut after = Some(after);
                while after.is_some() {
                    pace.go_on();
                    after = self.prune_file(&step, file, after, pace.step()).await?;
                }
            }
        }
        self.prune_round(&step).await
    }

    /// The first old versions of some files; returns those that have more, and from where on.
    async fn prune_some(
        &self,
        step: &Step,
        files: &[ResourceId],
    ) -> Result<Vec<(ResourceId, Key)>, DavError> {
        self.write(&(step, files), |txn, (step, files)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, step.now);
                let mut unfinished = Vec::new();
                for file in *files {
                    let page = (None, VERSIONS_A_FILE);
                    let after = tx.prune_file(*file, step.retention, page).await?;
                    unfinished.extend(after.map(|after| (*file, after)));
                }
                Ok(unfinished)
            })
        })
        .await
    }

    async fn prune_file(
        &self,
        step: &Step,
        file: ResourceId,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Option<Key>, DavError> {
        self.write(&(step, after), |txn, (step, after)| {
            Box::pin(async move {
                let page = (after.as_ref(), limit);
                let mut tx = Tx::new(txn, step.now);
                Ok(tx.prune_file(file, step.retention, page).await?)
            })
        })
        .await
    }

    async fn prune_round(&self, step: &Step) -> Result<(), DavError> {
        for _ in 0..PAGES_A_SWEEP {
            let reached = self.pruning().reached.clone();
            let next = self.prune_page(step, reached).await?;
            let is_round = next.is_none();
            self.pruning().reached = next;
            if is_round {
                break;
            }
        }
        Ok(())
    }

    /// A page of the old versions of all files. Mostly nothing of it has to go: then nobody waits
    /// for a transaction that writes.
    async fn prune_page(&self, step: &Step, after: Option<Key>) -> Result<Option<Key>, DavError> {
        let page = (step, after);
        let (due, next) = self
            .read(&page, |txn, (step, after)| {
                Box::pin(async move {
                    let page = (after.as_ref(), ROUND_PAGE);
                    let mut tx = Tx::new(txn, step.now);
                    Ok(tx.has_prunable(step.retention, page).await?)
                })
            })
            .await?;
        if !due {
            return Ok(next);
        }
        self.write(&page, |txn, (step, after)| {
            Box::pin(async move {
                let page = (after.as_ref(), ROUND_PAGE);
                let mut tx = Tx::new(txn, step.now);
                Ok(tx.prune_all(step.retention, page).await?)
            })
        })
        .await
    }
}
