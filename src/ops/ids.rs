//! New ids. They are reserved in blocks, so that no write touches a counter that every other
//! write touches; a crash skips the rest of a block, and no id is ever given twice. The copy of a
//! tree, which has so many rows that one more is nothing, reserves its own.

use std::ops::Range;

use tokio::sync::Mutex;

use super::Dav;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::{ContentId, ResourceId};
use crate::store::tx::Tx;

const BLOCK: u64 = 1000;

#[derive(Debug)]
pub(super) struct Ids {
    reserved: Mutex<Range<u64>>,
    /// Content from here on belongs to uploads of this process.
    pub(super) first_free_at_start: ContentId,
}

impl Ids {
    pub(super) fn new(first_free: u64) -> Self {
        Self {
            reserved: Mutex::default(),
            first_free_at_start: ContentId(first_free),
        }
    }
}

impl Dav {
    pub(super) async fn new_resource_id(&self) -> Result<ResourceId, DavError> {
        Ok(ResourceId(self.new_id().await?))
    }

    pub(super) async fn new_content_id(&self) -> Result<ContentId, DavError> {
        Ok(ContentId(self.new_id().await?))
    }

    async fn new_id(&self) -> Result<u64, DavError> {
        let mut reserved = self.ids.reserved.lock().await;
        if reserved.is_empty() {
            let reserving = self.write(&(), |txn, ()| {
                Box::pin(async move { Ok(Tx::new(txn, Timestamp(0)).reserve_ids(BLOCK).await?) })
            });
            *reserved = reserving.await?;
        }
        let id = reserved.start;
        reserved.start += 1;
        Ok(id)
    }
}

/// A random version, so that an entity tag never repeats.
pub(super) fn random_version() -> Result<u64, DavError> {
    getrandom::u64()
        .map_err(|error| DavError::Internal(format!("the system gave no random numbers: {error}")))
}
