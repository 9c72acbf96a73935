//! Rows of content. It lives as long as any version of any file uses it, so a copy, a move onto a
//! file and a restored version cost no bytes.

use bytes::Bytes;

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::lock::rules::Cleared;
use crate::protocol::time::Timestamp;
use crate::resource::{Content, ContentId, Place, ResourceId, Under};

/// Content that is to become a version of a file, with its bytes when they are kept inline.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// Where the bytes are.
    pub place: Place,
    /// Length in bytes.
    pub size: u64,
    /// [`Content::version`].
    pub version: u64,
    /// What the client said it is.
    pub media_type: Option<String>,
    /// The bytes of [`Place::Inline`] content that is not in the store yet.
    pub inline: Option<Bytes>,
    /// The lock that comes along with it, if none is in force where it goes.
    pub under: Option<Under>,
}

impl NewContent {
    /// No bytes.
    pub fn empty(version: u64) -> Self {
        Self {
            place: Place::Empty,
            size: 0,
            version,
            media_type: None,
            inline: None,
            under: None,
        }
    }

    /// The bytes of `content` once more.
    pub fn sharing(content: &Content, version: u64) -> Self {
        Self {
            place: content.place,
            size: content.size,
            version,
            media_type: content.media_type.clone(),
            inline: None,
            under: None,
        }
    }

    /// As the first version of a new file.
    pub fn as_first(&self, cleared: &Cleared, now: Timestamp) -> Content {
        self.as_version(Content::FIRST, cleared, now)
    }

    pub(super) fn as_version(&self, number: u32, cleared: &Cleared, now: Timestamp) -> Content {
        Content {
            place: self.place,
            size: self.size,
            number,
            version: self.version,
            media_type: self.media_type.clone(),
            author: cleared.by(),
            uploaded: now,
            under: cleared.under().or(self.under),
            label: None,
        }
    }
}

impl Tx<'_> {
    /// The bytes of inline content.
    pub async fn inline_content(&mut self, content: ContentId) -> Result<Bytes, StoreError> {
        self.bytes(keys::inline_content(content))
            .await?
            .ok_or_else(|| StoreError::Damaged(format!("the content {} is missing", content.0)))
    }

    /// Writes down that a version of `file` uses its content.
    pub(super) fn hold_content(
        &mut self,
        content: &Content,
        file: ResourceId,
        inline: Option<Bytes>,
    ) {
        let (Place::Inline(id) | Place::File(id)) = content.place else {
            return;
        };
        self.mark(keys::content_use(id, file, content.number));
        if let Some(bytes) = inline {
            self.put_bytes(keys::inline_content(id), bytes);
        }
    }

    /// Writes down that this version of `file` uses its content no more. Unused files are removed
    /// by the sweep, after this transaction is durable.
    pub(super) async fn drop_content(
        &mut self,
        content: &Content,
        file: ResourceId,
    ) -> Result<(), StoreError> {
        let (Place::Inline(id) | Place::File(id)) = content.place else {
            return Ok(());
        };
        self.delete(keys::content_use(id, file, content.number));
        if !self.is_content_used(id).await? {
            match content.place {
                Place::File(_) => self.mark(keys::unused_content(id)),
                _ => self.delete(keys::inline_content(id)),
            }
        }
        Ok(())
    }

    /// Content files that nobody uses any more.
    pub async fn unused_content(&mut self, limit: usize) -> Result<Vec<ContentId>, StoreError> {
        let rows = self.scan(keys::all_unused_content(), limit).await?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| keys::id_at_end(key).map(ContentId))
            .collect())
    }

    /// Forgets unused content whose file is gone.
    pub fn forget_unused_content(&mut self, content: ContentId) {
        self.delete(keys::unused_content(content));
    }

    /// Whether any version of any file uses this content. Looks for the latest one first: of a file
    /// with many versions of one content the oldest go, and a store passes what is gone one by one.
    pub async fn is_content_used(&mut self, content: ContentId) -> Result<bool, StoreError> {
        Ok(self.last_row(keys::content_uses(content)).await?.is_some())
    }
}
