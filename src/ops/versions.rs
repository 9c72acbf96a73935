//! The versions of a file: seeing them, reading an old one, and making it the present one again.

use bytes::Bytes;

use super::content::{Outcome, Source, Uploaded};
use super::events::tell;
use super::gate::{clear, judge, judge_if};
use super::ids::random_version;
use super::visit::{Visit, visit};
use super::{Ask, Dav};
use crate::event::What;
use crate::lock::rules::Doing;
use crate::lock::{LockKind, UserId};
use crate::protocol::error::DavError;
use crate::protocol::headers::{EntityTag, Safe, Validators};
use crate::protocol::time::Timestamp;
use crate::resource::{Place, Resource, ResourceId, Version};
use crate::store::NewContent;
use crate::store::engine::Txn;
use crate::store::tx::Tx;

/// One version of a file, as its history shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionView {
    /// 1 for the first, one more with each that followed. Those between may be gone.
    pub number: u32,
    /// Length in bytes.
    pub size: u64,
    /// The strong entity tag that the file had, or has, with it.
    pub etag: EntityTag,
    /// What the client said it is; `None`: told from the name.
    pub media_type: Option<String>,
    /// Who made this version of the file.
    pub author: UserId,
    /// When.
    pub uploaded: Timestamp,
    /// The file's modification time: usually the same, or what the author's program said.
    pub modified: Timestamp,
    /// The kind of the author's lock under which it was written.
    pub under: Option<LockKind>,
    /// Whether it is the present one.
    pub is_current: bool,
}

impl VersionView {
    fn new(version: Version, present: u32) -> Self {
        let Version { content, modified } = version;
        Self {
            number: content.number,
            size: content.size,
            etag: content.etag(),
            author: content.author,
            uploaded: content.uploaded,
            modified,
            under: content.under,
            is_current: content.number == present,
            media_type: content.media_type,
        }
    }
}

struct Restoring<'a> {
    dav: &'a Dav,
    ask: &'a Ask,
    number: u32,
    /// Of the content, for a new entity tag.
    version: u64,
}

impl Dav {
    /// The versions of the file that are kept and the present one, the newest first.
    pub async fn history(&self, ask: &Ask) -> Result<Vec<VersionView>, DavError> {
        self.read(ask, |txn, ask| Box::pin(history(txn, ask))).await
    }

    /// The file as it was, or is, in version `number`, and its bytes. The request's conditions are
    /// held against that version.
    pub async fn read_version(
        &self,
        ask: &Ask,
        number: u32,
    ) -> Result<(Resource, Source), DavError> {
        const ATTEMPTS: usize = 5;
        let asking = (ask, number);
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let (resource, inline) = self
                .read(&asking, |txn, (ask, number)| {
                    Box::pin(find_version(txn, ask, *number))
                })
                .await?;
            let Some(Place::File(id)) = resource.content.as_ref().map(|content| content.place)
            else {
                return Ok((resource, Source::Bytes(inline)));
            };
            // Between reading the row and opening the file, an upload may have ended both.
            match self.blobs.open_content(id).await {
                Ok(reader) => return Ok((resource, Source::File(reader))),
                Err(error) => why = error.to_string(),
            }
        }
        Err(DavError::Internal(format!(
            "version {number} of {} cannot be read: {why}",
            ask.target
        )))
    }

    /// Makes the bytes of version `number` the next version of the file: an upload like any other
    /// for conditions and locks, which costs no bytes.
    pub async fn restore(&self, ask: &Ask, number: u32) -> Result<Uploaded, DavError> {
        self.require_room(0)?;
        let restoring = Restoring {
            dav: self,
            ask,
            number,
            version: random_version()?,
        };
        let file = self
            .act(ask, &restoring, |txn, restoring| {
                Box::pin(restore(txn, restoring))
            })
            .await?;
        self.content_ended.notify_one();
        Ok(Uploaded {
            file,
            outcome: Outcome::Replaced,
            checked_in: Vec::new(),
        })
    }
}

async fn history(txn: &mut dyn Txn, ask: &Ask) -> Result<Vec<VersionView>, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let (file, present) = file(&visit)?;
    judge_if(&mut tx, ask, &visit).await?;
    let mut versions = tx.old_versions(file).await?;
    versions.extend(tx.version(file, present).await?);
    let newest_first = versions.into_iter().rev();
    Ok(newest_first
        .map(|version| VersionView::new(version, present))
        .collect())
}

async fn find_version(
    txn: &mut dyn Txn,
    ask: &Ask,
    number: u32,
) -> Result<(Resource, Bytes), DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let (file, _) = file(&visit)?;
    judge_if(&mut tx, ask, &visit).await?;
    let Version { content, modified } = load_version(&mut tx, file, number).await?;
    let validators = Validators {
        etag: Some(content.etag()),
        modified,
    };
    ask.conditions.evaluate(Some(&validators), Safe::Yes)?;
    let inline = match content.place {
        Place::Inline(id) => tx.inline_content(id).await?,
        Place::Empty | Place::File(_) => Bytes::new(),
    };
    let content = Some(content);
    let then = Resource {
        content,
        modified,
        ..file.clone()
    };
    Ok((then, inline))
}

async fn restore(txn: &mut dyn Txn, restoring: &Restoring<'_>) -> Result<Resource, DavError> {
    let Restoring { dav, ask, .. } = restoring;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let (file, _) = file(&visit)?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let cleared = clear(&mut tx, dav, ask, &visit, Doing::Change).await?;
    let old = load_version(&mut tx, file, restoring.number).await?;
    let new = NewContent::sharing(&old.content, restoring.version);
    let parent = visit
        .walk
        .parent()
        .map_or(ResourceId::ROOT, |parent| parent.id);
    let keep = dav.config.versions.keep;
    // Not the old modification time: programs that compare times would take their copy of what was
    // there a moment ago for the newer one.
    let file = tx
        .replace_content(&cleared, parent, file, new, ask.now, keep)
        .await?;
    if let Some(content) = &file.content {
        let what = What::Restored {
            version: content.into(),
            source: old.content.number,
        };
        tell(&mut tx, ask, visit.place(), what)?;
    }
    Ok(file)
}

/// The file that was asked about and the number of its present version.
fn file<'a>(visit: &'a Visit<'_>) -> Result<(&'a Resource, u32), DavError> {
    let file = visit.resource()?;
    let content = file.content.as_ref().ok_or_else(|| {
        DavError::NotAllowedHere("this is a collection; only files have versions".to_owned())
    })?;
    Ok((file, content.number))
}

async fn load_version(tx: &mut Tx<'_>, file: &Resource, number: u32) -> Result<Version, DavError> {
    tx.version(file, number).await?.ok_or(DavError::NotFound)
}

#[cfg(test)]
mod tests;
