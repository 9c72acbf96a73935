//! Work that no request waits for: expired locks, detached trees, unused content files.

use super::events::tell_expired;
use super::Dav;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::ContentId;
use crate::store::tx::Tx;

/// How much one transaction of the sweep does, so that requests never wait long for it.
const PAGE: usize = 200;

impl Dav {
    /// Removes what has ended: locks whose time has passed, members of deleted collections,
    /// content files that nobody uses. Stops at the first error; the next sweep goes on.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DavError> {
        while self.sweep_locks(now).await? == PAGE {}
        while self.reap(now).await? > 0 {}
        while self.sweep_content(now).await? == PAGE {}
        Ok(())
    }

    async fn sweep_locks(&self, now: Timestamp) -> Result<usize, DavError> {
        let lapsed = self
            .write(&now, |txn, now| {
                Box::pin(async move { Ok(Tx::new(txn, *now).end_lapsed_locks(PAGE).await?) })
            })
            .await?;
        lapsed.iter().for_each(tell_expired);
        Ok(lapsed.len())
    }

    async fn reap(&self, now: Timestamp) -> Result<usize, DavError> {
        self.write(&now, |txn, now| {
            Box::pin(async move { Ok(Tx::new(txn, *now).reap(PAGE).await?) })
        })
        .await
    }

    async fn sweep_content(&self, now: Timestamp) -> Result<usize, DavError> {
        let unused = self
            .read(&now, |txn, now| {
                Box::pin(async move { Ok(Tx::new(txn, *now).unused_content(PAGE).await?) })
            })
            .await?;
        for content in &unused {
            self.blobs.remove(*content).await?;
        }
        if !unused.is_empty() {
            let forgetting = (now, &unused);
            self.write(&forgetting, |txn, (now, unused)| {
                Box::pin(async move {
                    let mut tx = Tx::new(txn, *now);
                    unused.iter().for_each(|content| tx.forget_unused_content(*content));
                    Ok(())
                })
            })
            .await?;
        }
        Ok(unused.len())
    }

    /// Once at the start: removes content files of uploads that a crash cut off. Ids given out
    /// since belong to uploads under way and are left alone.
    pub async fn remove_orphans(&self, now: Timestamp) -> Result<u64, DavError> {
        let watermark = self
            .read(&now, |txn, now| {
                Box::pin(async move { Ok(Tx::new(txn, *now).first_free_id().await?) })
            })
            .await?;
        let mut removed = 0;
        for folder in 0..=u8::MAX {
            for content in self.blobs.list_older_than(ContentId(watermark), folder).await? {
                if !self.is_content_used(now, content).await? {
                    self.blobs.remove(content).await?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    async fn is_content_used(&self, now: Timestamp, content: ContentId) -> Result<bool, DavError> {
        let asking = (now, content);
        self.read(&asking, |txn, (now, content)| {
            Box::pin(async move { Ok(Tx::new(txn, *now).is_content_used(*content).await?) })
        })
        .await
    }
}
