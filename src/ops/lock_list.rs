//! All locks of the tree, page by page: for the metrics and for administrators.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::Dav;
use crate::lock::{Lock, LockKind};
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::store::engine::Txn;
use crate::store::tx::Tx;

/// Locks read in one transaction.
const PAGE: usize = 500;

/// Where a page of locks ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(bytes::Bytes);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = BASE64.decode(text).map_err(|_| ())?;
        Ok(Self(bytes.into()))
    }
}

/// A lock and where its root is.
#[derive(Debug, Clone)]
pub struct PlacedLock {
    /// The lock.
    pub lock: Lock,
    /// Its root's path.
    pub path: DavPath,
    /// Whether its root is a collection.
    pub on_collection: bool,
}

impl Dav {
    /// The standing locks behind `after`, and where to go on.
    pub async fn locks_page(
        &self,
        now: Timestamp,
        after: Option<Cursor>,
    ) -> Result<(Vec<PlacedLock>, Option<Cursor>), DavError> {
        let page = (now, after);
        self.read(&page, |txn, (now, after)| {
            Box::pin(placed_locks(txn, *now, after.as_ref()))
        })
        .await
    }

    /// How many locks of each kind stand: persistent, transient, read-only.
    pub async fn count_locks(&self, now: Timestamp) -> Result<[(LockKind, u64); 3], DavError> {
        let mut counts = [
            (LockKind::Persistent, 0),
            (LockKind::Transient, 0),
            (LockKind::ReadOnly, 0),
        ];
        let mut after = None;
        loop {
            let page = (now, after);
            let (locks, next) = self
                .read(&page, |txn, (now, after)| {
                    Box::pin(standing_locks(txn, *now, after.as_ref()))
                })
                .await?;
            for lock in &locks {
                let of_kind = counts.iter_mut().filter(|(kind, _)| *kind == lock.kind);
                of_kind.for_each(|count| count.1 += 1);
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(counts),
            }
        }
    }
}

async fn standing_locks(
    txn: &mut dyn Txn,
    now: Timestamp,
    after: Option<&Cursor>,
) -> Result<(Vec<Lock>, Option<Cursor>), DavError> {
    let mut tx = Tx::new(txn, now);
    let (mut locks, next) = tx.all_locks(after.map(|cursor| &cursor.0), PAGE).await?;
    locks.retain(|lock| lock.stands_at(now));
    Ok((locks, next.map(Cursor)))
}

async fn placed_locks(
    txn: &mut dyn Txn,
    now: Timestamp,
    after: Option<&Cursor>,
) -> Result<(Vec<PlacedLock>, Option<Cursor>), DavError> {
    let (locks, next) = standing_locks(txn, now, after).await?;
    let mut tx = Tx::new(txn, now);
    let mut placed = Vec::with_capacity(locks.len());
    for lock in locks {
        if let Some((path, on_collection)) = tx.path_of(lock.root).await? {
            placed.push(PlacedLock {
                lock,
                path,
                on_collection,
            });
        }
    }
    Ok((placed, next))
}
