//! Rows of locks. Locks hang on resources. Every collection above a lock root has a row that says
//! so, as databases keep intention locks: locks below a collection are found without walking it.

use super::engine::{Key, StoreError};
use super::keys;
use super::tree::{SWEEP_ROWS_MAX, Walk};
use super::tx::Tx;
use crate::event::{Event, Place};
use crate::lock::rules::{self, Ended, Granted, Surroundings};
use crate::lock::{Lock, LockDepth, LockToken, UserId};
use crate::resource::{Resource, ResourceId};

/// Of so many resources the locks are kept: a path is seldom longer. A listing asks only once for
/// those of each member.
const LOCKS_READ_MAX: usize = 16;

/// The locks on record on some resources, as one transaction read them and has not changed them.
#[derive(Debug, Default)]
pub(super) struct LocksRead(Vec<(ResourceId, Vec<Lock>)>);

impl LocksRead {
    fn on(&self, id: ResourceId) -> Option<&[Lock]> {
        let mut found = self.0.iter().filter(|(root, _)| *root == id);
        found.next().map(|(_, locks)| &**locks)
    }

    fn read(&mut self, id: ResourceId, locks: &[Lock]) {
        if self.0.len() < LOCKS_READ_MAX {
            self.0.push((id, locks.to_vec()));
        }
    }

    fn changed_on(&mut self, id: ResourceId) {
        self.0.retain(|(root, _)| *root != id);
    }
}

/// A lock has a row for each collection above it, and one transaction must be able to remove them.
/// No path of a request is as deep; only moving deep trees below deep trees gets there.
const LOCK_DEPTH_MAX: usize = 4096;

impl Tx<'_> {
    /// The standing locks whose root is `id`.
    pub async fn locks_on(&mut self, id: ResourceId) -> Result<Vec<Lock>, StoreError> {
        let mut locks = self.recorded_locks_on(id).await?;
        locks.retain(|lock| lock.stands_at(self.now));
        Ok(locks)
    }

    /// The standing locks whose root is below `id`.
    pub async fn locks_below(&mut self, id: ResourceId) -> Result<Vec<Lock>, StoreError> {
        let mut locks = self.recorded_locks_below(id).await?;
        locks.retain(|lock| lock.stands_at(self.now));
        Ok(locks)
    }

    /// Whether any lock is recorded below `id`, standing or not.
    pub async fn has_locks_below(&mut self, id: ResourceId) -> Result<bool, StoreError> {
        Ok(!self.scan(keys::all_below(id), 1).await?.is_empty())
    }

    /// In a settled order, so that answers do not differ from run to run: check-outs first.
    async fn recorded_locks_on(&mut self, id: ResourceId) -> Result<Vec<Lock>, StoreError> {
        if let Some(locks) = self.locks.on(id) {
            return Ok(locks.to_vec());
        }
        let mut locks: Vec<Lock> = self.scan_rows(keys::locks_on(id), usize::MAX).await?;
        let place = |lock: &Lock| (lock.kind.as_str(), lock.since, lock.token);
        locks.sort_by(|one, other| {
            let by_holder = one.holder.cmp(&other.holder);
            by_holder.then_with(|| place(one).cmp(&place(other)))
        });
        self.locks.read(id, &locks);
        Ok(locks)
    }

    async fn recorded_locks_below(&mut self, id: ResourceId) -> Result<Vec<Lock>, StoreError> {
        let rows = self.scan_all(keys::all_below(id)).await?;
        let mut wanted: Vec<Key> = Vec::with_capacity(rows.len());
        for (key, _) in rows {
            let token = token_at_end(&key)?;
            if let Some(root) = self.row::<ResourceId>(keys::token(token)).await? {
                wanted.push(keys::lock(root, token));
            }
        }
        Ok(self.rows(&wanted).await?.into_iter().flatten().collect())
    }

    /// The standing depth-infinity locks on `collections`.
    pub async fn covering_locks(
        &mut self,
        collections: &[Resource],
    ) -> Result<Vec<Lock>, StoreError> {
        let mut covering = Vec::new();
        for above in collections {
            let locks = self.locks_on(above.id).await?;
            covering.extend(
                locks
                    .into_iter()
                    .filter(|lock| lock.depth == LockDepth::Infinity),
            );
        }
        Ok(covering)
    }

    /// The standing locks around what `walk` found, or around the gap that it found.
    pub async fn surroundings(
        &mut self,
        walk: &Walk,
        look_below: bool,
    ) -> Result<Surroundings, StoreError> {
        let mut around = Surroundings::default();
        if let Some(resource) = walk.found() {
            around.here = self.locks_on(resource.id).await?;
            if look_below && resource.is_collection() {
                around.below = self.locks_below(resource.id).await?;
            }
        }
        let Some((parent, above)) = walk.ancestors().and_then(<[Resource]>::split_last) else {
            return Ok(around);
        };
        around.covering = self.covering_locks(above).await?;
        around.parent = self.locks_on(parent.id).await?;
        let infinite = around
            .parent
            .iter()
            .filter(|lock| lock.depth == LockDepth::Infinity);
        around.covering.extend(infinite.cloned());
        Ok(around)
    }

    /// How many locks `owner` has on record, counting no further than `limit`.
    pub async fn count_locks_of(
        &mut self,
        owner: UserId,
        limit: usize,
    ) -> Result<usize, StoreError> {
        Ok(self.scan(keys::owned_by(owner), limit).await?.len())
    }

    /// Up to `limit` locks on record, behind the key `after`, with the key to go on from.
    pub async fn all_locks(
        &mut self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<(Vec<Lock>, Option<Key>), StoreError> {
        let rows = self.scan(keys::locks(after), limit).await?;
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone()));
        let keys: Vec<Key> = rows.into_iter().map(|(key, _)| key).collect();
        Ok((
            self.rows(&keys).await?.into_iter().flatten().collect(),
            next.flatten(),
        ))
    }

    /// Writes a new lock down. `ancestors` are the ids of the collections above its root.
    pub fn add_lock(
        &mut self,
        granted: &Granted,
        ancestors: &[ResourceId],
    ) -> Result<(), StoreError> {
        let lock = granted.lock();
        for ancestor in ancestors {
            self.mark(keys::below(*ancestor, lock.token));
        }
        self.put(keys::owned(lock.owner, lock.token), &lock.root)?;
        self.put(keys::token(lock.token), &lock.root)?;
        self.write_lock(lock)
    }

    /// Writes down that `old` runs until another time.
    pub fn renew_lock(&mut self, old: &Lock, granted: &Granted) -> Result<(), StoreError> {
        if let Some(deadline) = old.deadline {
            self.delete(keys::deadline(deadline, old.token));
        }
        self.write_lock(granted.lock())
    }

    fn write_lock(&mut self, lock: &Lock) -> Result<(), StoreError> {
        self.locks.changed_on(lock.root);
        if let Some(deadline) = lock.deadline {
            self.put(keys::deadline(deadline, lock.token), &lock.root)?;
        }
        self.put(keys::lock(lock.root, lock.token), lock)
    }

    /// Removes a lock. Its root is mostly on the way that was followed.
    pub async fn end_lock(&mut self, ended: &Ended, way: &Walk) -> Result<(), StoreError> {
        match way.above(ended.lock().root) {
            Some(above) => self.drop_lock_below(ended.lock(), &above),
            None => self.drop_lock(ended.lock()).await?,
        };
        Ok(())
    }

    /// Hangs a lock on the file that its root was moved onto. `ancestors` are above that file.
    pub async fn rehang_lock(
        &mut self,
        old: &Lock,
        granted: &Granted,
        ancestors: &[ResourceId],
    ) -> Result<(), StoreError> {
        self.drop_lock(old).await?;
        self.add_lock(granted, ancestors)
    }

    /// Removes up to `limit` locks whose time has passed, fewer when they lie deep, and writes
    /// that down. Looks behind the key `after`, since a store passes what is gone one by one;
    /// returns the key to go on from, `None` when there are no more.
    pub async fn end_lapsed_locks(
        &mut self,
        (after, limit): (Option<&Key>, usize),
    ) -> Result<Option<Key>, StoreError> {
        let lapsed = keys::resumed(keys::deadlines_until(self.now), after);
        let mut last = None;
        let mut rows = 0;
        for (key, _) in self.scan(lapsed, limit).await? {
            if rows >= SWEEP_ROWS_MAX {
                break;
            }
            let token = token_at_end(&key)?;
            let root: Option<ResourceId> = self.row(keys::token(token)).await?;
            let lock: Option<Lock> = match root {
                Some(root) => self.row(keys::lock(root, token)).await?,
                None => None,
            };
            match lock.as_ref().and_then(|lock| rules::lapse(lock, self.now)) {
                Some(ended) => rows += self.lapse(&ended).await?,
                None => self.delete(key.clone()),
            }
            last = Some(key);
        }
        Ok(last)
    }

    /// Removes what has lapsed on this resource, before something takes its place.
    pub async fn end_lapsed_on(&mut self, id: ResourceId) -> Result<(), StoreError> {
        for lock in self.recorded_locks_on(id).await? {
            if let Some(ended) = rules::lapse(&lock, self.now) {
                self.lapse(&ended).await?;
            }
        }
        Ok(())
    }

    async fn lapse(&mut self, ended: &Ended) -> Result<usize, StoreError> {
        if let Some(place) = self.place_of(ended.lock().root).await? {
            self.record(&Event::expired(ended.lock(), place))?;
        }
        self.drop_lock(ended.lock()).await
    }

    /// Returns how many rows it removed.
    async fn drop_lock(&mut self, lock: &Lock) -> Result<usize, StoreError> {
        let located = self.locate(lock.root).await?;
        let ancestors = located.map_or_else(Vec::new, |(ancestors, _)| ancestors);
        Ok(self.drop_lock_below(lock, &ancestors))
    }

    /// The same where it is known which collections are above the lock's root.
    fn drop_lock_below(&mut self, lock: &Lock, ancestors: &[ResourceId]) -> usize {
        const ROWS_BESIDE_ANCESTORS: usize = 4;
        for ancestor in ancestors {
            self.delete(keys::below(*ancestor, lock.token));
        }
        if let Some(deadline) = lock.deadline {
            self.delete(keys::deadline(deadline, lock.token));
        }
        self.delete(keys::owned(lock.owner, lock.token));
        self.delete(keys::token(lock.token));
        self.locks.changed_on(lock.root);
        self.delete(keys::lock(lock.root, lock.token));
        ancestors.len() + ROWS_BESIDE_ANCESTORS
    }

    /// Removes every lock on and below a resource that ends, lapsed ones too. Returns them with
    /// their places.
    pub(super) async fn drop_locks(
        &mut self,
        id: ResourceId,
    ) -> Result<Vec<(Lock, Place)>, StoreError> {
        let mut locks = self.recorded_locks_on(id).await?;
        locks.extend(self.recorded_locks_below(id).await?);
        let mut dropped = Vec::with_capacity(locks.len());
        for lock in locks {
            let place = self.place_of(lock.root).await?;
            self.drop_lock(&lock).await?;
            dropped.extend(place.map(|place| (lock, place)));
        }
        Ok(dropped)
    }

    /// Before `id` moves below `ancestors`: every lock on or below it, lapsed ones too, is to be
    /// found from its new ancestors and no more from its old ones.
    pub(super) async fn rehang_below_rows(
        &mut self,
        id: ResourceId,
        ancestors: &[ResourceId],
    ) -> Result<(), StoreError> {
        let mut locks = self.recorded_locks_on(id).await?;
        locks.extend(self.recorded_locks_below(id).await?);
        if locks.is_empty() {
            return Ok(());
        }
        let old = self
            .locate(id)
            .await?
            .map(|(ancestors, _)| ancestors)
            .unwrap_or_default();
        for lock in &locks {
            let above_root = self
                .locate(lock.root)
                .await?
                .map_or(0, |(all, _)| all.len());
            let depth = above_root - old.len().min(above_root) + ancestors.len();
            if depth > LOCK_DEPTH_MAX {
                return Err(StoreError::TooLarge(format!(
                    "a lock would lie {depth} levels deep; at most {LOCK_DEPTH_MAX} are possible"
                )));
            }
            for ancestor in &old {
                self.delete(keys::below(*ancestor, lock.token));
            }
            for ancestor in ancestors {
                self.mark(keys::below(*ancestor, lock.token));
            }
        }
        Ok(())
    }
}

fn token_at_end(key: &Key) -> Result<LockToken, StoreError> {
    Ok(LockToken(keys::uuid_at_end(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::{LockKind, LockScope};
    use crate::protocol::time::Timestamp;
    use crate::store::engine::{Engine as _, Mode};
    use crate::store::memory::MemoryEngine;

    fn lock_on(root: ResourceId, seconds: u64) -> Lock {
        Lock {
            token: LockToken::random(),
            kind: LockKind::Transient,
            scope: LockScope::Shared,
            depth: LockDepth::Zero,
            root,
            owner: UserId::NOBODY,
            holder: "nobody".to_owned(),
            owner_xml: None,
            comment: None,
            since: Timestamp(0),
            deadline: Some(Timestamp(0).plus_seconds(seconds)),
        }
    }

    fn granted(lock: &Lock) -> Granted {
        rules::grant(lock.clone(), &Surroundings::default()).unwrap()
    }

    #[tokio::test]
    async fn a_transaction_reads_the_locks_that_it_changed() {
        let mut txn = MemoryEngine::new().begin(Mode::Write).await.unwrap();
        let mut tx = Tx::new(&mut *txn, Timestamp(1000));
        tx.make_root().await.unwrap();
        assert_eq!(tx.locks_on(ResourceId::ROOT).await, Ok(Vec::new()));
        let (short, long) = (
            lock_on(ResourceId::ROOT, 60),
            lock_on(ResourceId::ROOT, 600),
        );
        tx.add_lock(&granted(&short), &[]).unwrap();
        assert_eq!(tx.locks_on(ResourceId::ROOT).await, Ok(vec![short.clone()]));
        tx.renew_lock(
            &short,
            &granted(&Lock {
                deadline: long.deadline,
                ..short.clone()
            }),
        )
        .unwrap();
        let renewed = tx.locks_on(ResourceId::ROOT).await.unwrap();
        assert_eq!(renewed[0].deadline, long.deadline);
        tx.drop_lock(&renewed[0]).await.unwrap();
        assert_eq!(tx.locks_on(ResourceId::ROOT).await, Ok(Vec::new()));
    }
}
