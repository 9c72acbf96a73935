//! Rows of content and of the versions of files. Content lives as long as any version of any file
//! uses it, so a copy, a move onto a file and a restored version cost no bytes.

use bytes::Bytes;

use super::engine::{Key, StoreError};
use super::keys;
use super::tree::demand;
use super::tx::{Tx, decode};
use crate::lock::rules::Cleared;
use crate::protocol::time::Timestamp;
use crate::resource::{Content, ContentId, Place, Resource, ResourceId, Version};

/// Most old versions that one new version removes when fewer are to be kept than before: the
/// writer waits for it. The rest goes with the versions that follow.
const PRUNED_MAX: usize = 64;

/// A version's own row, its use of content and what becomes of that.
const ROWS_OF_A_VERSION: usize = 3;

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
        }
    }

    /// As the first version of a new file.
    pub fn as_first(&self, cleared: &Cleared, now: Timestamp) -> Content {
        self.as_version(Content::FIRST, cleared, now)
    }

    fn as_version(&self, number: u32, cleared: &Cleared, now: Timestamp) -> Content {
        Content {
            place: self.place,
            size: self.size,
            number,
            version: self.version,
            media_type: self.media_type.clone(),
            author: cleared.by(),
            uploaded: now,
            under: cleared.under(),
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

    /// Gives `file`, a member of `parent`, its next version, and keeps `keep` older ones.
    pub async fn replace_content(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        file: &Resource,
        new: NewContent,
        modified: Timestamp,
        keep: u32,
    ) -> Result<Resource, StoreError> {
        demand(cleared, file.id)?;
        let number = match &file.content {
            Some(old) if !is_placeholder(old) => old.number.checked_add(1).ok_or_else(|| {
                StoreError::TooLarge(format!("a file has at most {} versions", u32::MAX))
            })?,
            _ => Content::FIRST,
        };
        let content = new.as_version(number, cleared, self.now);
        // First, so that content which an old version shares is never without a use.
        self.hold_content(&content, file.id, new.inline);
        self.keep_version(file, number, keep).await?;
        let file = Resource {
            content: Some(content),
            modified,
            ..file.clone()
        };
        self.put(keys::entry(parent, &file.name), &file)?;
        Ok(file)
    }

    /// Makes an old version of the present one of `file`, which `number` follows, and removes those
    /// that are too many.
    async fn keep_version(
        &mut self,
        file: &Resource,
        number: u32,
        keep: u32,
    ) -> Result<(), StoreError> {
        let Some(old) = file.content.as_ref().filter(|old| !is_placeholder(old)) else {
            return Ok(());
        };
        if keep == 0 {
            self.drop_content(old, file.id).await?;
        } else {
            let version = Version {
                content: old.clone(),
                modified: file.modified,
            };
            self.put(keys::version(file.id, old.number), &version)?;
        }
        // Numbers begin at 1: while there are few, nobody looks.
        let first_kept = number.saturating_sub(keep);
        if first_kept > Content::FIRST {
            let range = keys::versions_before(file.id, first_kept);
            let too_many = self.scan(range, PRUNED_MAX).await?;
            self.drop_version_rows(file.id, too_many).await?;
        }
        Ok(())
    }

    /// The old versions of `file` that are kept, the oldest first.
    pub async fn old_versions(&mut self, file: &Resource) -> Result<Vec<Version>, StoreError> {
        if !may_have_old_versions(file) {
            return Ok(Vec::new());
        }
        let rows = self.scan_all(keys::versions(file.id)).await?;
        rows.iter().map(|(_, value)| decode(value)).collect()
    }

    /// The version of this number, the present one too; `None` when it is not kept.
    pub async fn version(
        &mut self,
        file: &Resource,
        number: u32,
    ) -> Result<Option<Version>, StoreError> {
        match &file.content {
            Some(content) if content.number == number => Ok(Some(Version {
                content: content.clone(),
                modified: file.modified,
            })),
            _ => self.row(keys::version(file.id, number)).await,
        }
    }

    /// Removes the content of a file that ends, and its old versions; returns how many rows those
    /// had.
    pub(super) async fn drop_versions(&mut self, file: &Resource) -> Result<usize, StoreError> {
        if let Some(content) = &file.content {
            self.drop_content(content, file.id).await?;
        }
        if !may_have_old_versions(file) {
            return Ok(0);
        }
        let all = self.scan_all(keys::versions(file.id)).await?;
        let rows = all.len() * ROWS_OF_A_VERSION;
        self.drop_version_rows(file.id, all).await?;
        Ok(rows)
    }

    async fn drop_version_rows(
        &mut self,
        file: ResourceId,
        rows: Vec<(Key, Bytes)>,
    ) -> Result<(), StoreError> {
        for (key, value) in rows {
            let version: Version = decode(&value)?;
            self.drop_content(&version.content, file).await?;
            self.delete(key);
        }
        Ok(())
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
    async fn drop_content(
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

    /// Whether any version of any file uses this content.
    pub async fn is_content_used(&mut self, content: ContentId) -> Result<bool, StoreError> {
        Ok(!self.scan(keys::content_uses(content), 1).await?.is_empty())
    }
}

/// Whether this is the empty file that LOCK makes where nothing is, as davfs2 and `LibreOffice` do
/// before each first upload: nobody wants it in the history, and its number is given again.
fn is_placeholder(content: &Content) -> bool {
    content.place == Place::Empty && content.number == Content::FIRST
}

/// Most files never get a second version, and then nobody looks for older ones.
fn may_have_old_versions(file: &Resource) -> bool {
    file.content
        .as_ref()
        .is_some_and(|content| content.number > Content::FIRST)
}
