//! Rows of the versions of files: how one follows another, and which go.

use std::ops::Range;

use bytes::Bytes;

use super::NewContent;
use super::engine::{Key, StoreError};
use super::keys;
use super::tree::demand;
use super::tx::{Tx, decode};
use crate::lock::rules::Cleared;
use crate::protocol::time::Timestamp;
use crate::resource::{Content, Place, Resource, ResourceId, Retention, Under, Version};

/// A version's own row, its use of content and what becomes of that.
const ROWS_OF_A_VERSION: usize = 3;

/// Most old versions that go with their file: it is one transaction, and the sweep may not have
/// been there for a while. It finds the rest.
const ENDED_WITH_FILE_MAX: usize = 10_000;

/// How the next version of a file comes after the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// Whether the present one stays, until the sweep finds it too old; a labelled one always does.
    pub keep: bool,
    /// Whether the next one takes the place of the present one if both were written under the same
    /// lock.
    pub fold: bool,
}

impl Succession {
    /// Whether what is written under the lock `under` takes the place and the number of `present`.
    fn is_in_place(self, present: &Content, under: Option<Under>) -> bool {
        let same_lock = present.under.is_some() && present.under == under;
        present.label.is_none() && (is_placeholder(present) || (self.fold && same_lock))
    }
}

impl Tx<'_> {
    /// Gives `file`, a member of `parent`, its next version.
    pub async fn replace_content(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        file: &Resource,
        new: NewContent,
        modified: Timestamp,
        how: Succession,
    ) -> Result<Resource, StoreError> {
        demand(cleared, file.id)?;
        let number = match &file.content {
            Some(present) if how.is_in_place(present, cleared.under().or(new.under)) => {
                present.number
            }
            Some(present) => present.number.checked_add(1).ok_or_else(|| {
                StoreError::TooLarge(format!("a file has at most {} versions", u32::MAX))
            })?,
            None => Content::FIRST,
        };
        let content = new.as_version(number, cleared, self.now);
        // First, so that content which an old version shares is never without a use.
        self.hold_content(&content, file.id, new.inline);
        if let Some(present) = &file.content {
            if number != present.number && (how.keep || present.label.is_some()) {
                let version = Version {
                    content: present.clone(),
                    modified: file.modified,
                    replaced: Some(self.now),
                };
                self.put(keys::version(file.id, present.number), &version)?;
            } else if (number, content.place) != (present.number, present.place) {
                // What takes its place may be its own content, shared with another file or an
                // older version: then the use that was just written down is the same row.
                self.drop_content(present, file.id).await?;
            }
        }
        let file = Resource {
            content: Some(content),
            modified,
            ..file.clone()
        };
        self.put(keys::entry(parent, &file.name), &file)?;
        Ok(file)
    }

    /// The old versions of `file` that there are, the oldest first.
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
                replaced: None,
            })),
            _ => self.row(keys::version(file.id, number)).await,
        }
    }

    /// Writes a version of `file`, a member of `parent`, down with another label.
    pub fn label_version(
        &mut self,
        cleared: &Cleared,
        (parent, file): (ResourceId, &Resource),
        version: &Version,
    ) -> Result<(), StoreError> {
        demand(cleared, file.id)?;
        if version.replaced.is_some() {
            return self.put(keys::version(file.id, version.content.number), version);
        }
        let file = Resource {
            content: Some(version.content.clone()),
            ..file.clone()
        };
        self.put(keys::entry(parent, &file.name), &file)
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
        let range = keys::versions(file.id);
        let rows = self.scan(range, ENDED_WITH_FILE_MAX).await?;
        let count = rows.len() * ROWS_OF_A_VERSION;
        for (key, value) in rows {
            self.drop_version(file.id, key, &decode(&value)?).await?;
        }
        Ok(count)
    }

    async fn drop_version(
        &mut self,
        file: ResourceId,
        key: Key,
        version: &Version,
    ) -> Result<(), StoreError> {
        self.drop_content(&version.content, file).await?;
        self.delete(key);
        Ok(())
    }

    /// Of the versions of `file` that are too many, looks at up to `limit` behind the key `after`
    /// and removes those that nothing keeps; returns the key to go on from, if there are more.
    pub async fn prune_file(
        &mut self,
        file: ResourceId,
        retention: Retention,
        (after, limit): (Option<&Key>, usize),
    ) -> Result<Option<Key>, StoreError> {
        let Some(present) = self.present_number(file).await? else {
            return Ok(None);
        };
        let first_kept = present.saturating_sub(retention.keep);
        let range = keys::versions_before(file, first_kept);
        self.prune(range, retention, (after, limit)).await
    }

    /// The same for old versions of all files, whatever the reason why they go.
    pub async fn prune_all(
        &mut self,
        retention: Retention,
        page: (Option<&Key>, usize),
    ) -> Result<Option<Key>, StoreError> {
        self.prune(keys::all_versions(), retention, page).await
    }

    /// Whether [`Tx::prune_all`] would remove anything of that page, and where the next begins.
    pub async fn has_prunable(
        &mut self,
        retention: Retention,
        page: (Option<&Key>, usize),
    ) -> Result<(bool, Option<Key>), StoreError> {
        let (prunable, next) = self.prunable(keys::all_versions(), retention, page).await?;
        Ok((!prunable.is_empty(), next))
    }

    async fn prune(
        &mut self,
        range: Range<Key>,
        retention: Retention,
        page: (Option<&Key>, usize),
    ) -> Result<Option<Key>, StoreError> {
        let (prunable, next) = self.prunable(range, retention, page).await?;
        for (key, file, version) in prunable {
            self.drop_version(file, key, &version).await?;
        }
        Ok(next)
    }

    async fn prunable(
        &mut self,
        range: Range<Key>,
        retention: Retention,
        (after, limit): (Option<&Key>, usize),
    ) -> Result<(Vec<(Key, ResourceId, Version)>, Option<Key>), StoreError> {
        let rows: Vec<(Key, Bytes)> = self.scan(keys::resumed(range, after), limit).await?;
        let last = rows.last().map(|(key, _)| key.clone());
        let next = last.filter(|_| rows.len() == limit);
        let mut present: Option<(ResourceId, Option<u32>)> = None;
        let mut prunable = Vec::new();
        for (key, value) in rows {
            let file = keys::file_of_version(&key)?;
            let number = match present {
                Some((known, number)) if known == file => number,
                _ => self.present_number(file).await?,
            };
            present = Some((file, number));
            let version: Version = decode(&value)?;
            // What has no file is left of one that had very many when it ended.
            if !number.is_some_and(|number| retention.keeps(&version, number, self.now)) {
                prunable.push((key, file, version));
            }
        }
        Ok((prunable, next))
    }

    /// The number of the present version of the file with this id; `None` when it has ended.
    async fn present_number(&mut self, file: ResourceId) -> Result<Option<u32>, StoreError> {
        let found = self.find_by_id(file).await?;
        let content = found.and_then(|(_, resource)| resource.content);
        Ok(content.map(|content| content.number))
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
