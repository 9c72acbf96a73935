//! The versions of a file: seeing them, reading an old one, making it the present one again, and
//! giving one a label.

mod look;

use bytes::Bytes;

use super::content::{Outcome, Source, Uploaded};
use super::events::tell;
use super::gate::{clear, judge, judge_if};
use super::ids::random_version;
use super::visit::{Visit, visit};
use super::{Ask, Dav};
use crate::event::What;
use crate::lock::rules::{Cleared, Doing};
use crate::lock::{LockKind, UserId};
use crate::protocol::error::DavError;
use crate::protocol::headers::{EntityTag, Safe, Validators};
use crate::protocol::time::Timestamp;
use crate::resource::{Place, Resource, ResourceId, Version};
use crate::store::engine::Txn;
use crate::store::tx::Tx;
use crate::store::{NewContent, Succession};

pub use look::Comparison;

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
    /// What people call it.
    pub label: Option<String>,
    /// Whether it is the present one.
    pub is_current: bool,
}

impl VersionView {
    fn new(version: Version, present: u32) -> Self {
        let Version {
            content, modified, ..
        } = version;
        Self {
            number: content.number,
            size: content.size,
            etag: content.etag(),
            author: content.author,
            uploaded: content.uploaded,
            modified,
            under: content.under.map(|lock| lock.kind),
            label: content.label,
            is_current: content.number == present,
            media_type: content.media_type,
        }
    }
}

/// Most labelled versions of a file: nothing prunes them.
const LABELLED_MAX: usize = 100;

/// Longest label.
pub const LABEL_CHARS_MAX: usize = 100;

struct Restoring<'a> {
    dav: &'a Dav,
    ask: &'a Ask,
    number: u32,
    /// Of the content, for a new entity tag.
    version: u64,
}

struct Labelling<'a> {
    dav: &'a Dav,
    ask: &'a Ask,
    number: u32,
    label: Option<String>,
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
        let asking = (ask, number);
        let find = || {
            self.read(&asking, |txn, (ask, number)| {
                Box::pin(find_version(txn, ask, *number))
            })
        };
        self.open_found(ask, find).await
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
        self.tell_succeeded(&file);
        Ok(Uploaded {
            file,
            outcome: Outcome::Replaced,
            checked_in: Vec::new(),
        })
    }

    /// Gives version `number`, old or present, another label, or takes it off: asked as an upload
    /// is, though the file stays as it is. A labelled version is kept whatever its number and age.
    pub async fn label(
        &self,
        ask: &Ask,
        number: u32,
        label: Option<&str>,
    ) -> Result<VersionView, DavError> {
        let label = label.map(checked_label).transpose()?;
        if label.is_some() {
            self.require_room(0)?;
        }
        let labelling = Labelling {
            dav: self,
            ask,
            number,
            label,
        };
        let (file, view) = self
            .act(ask, &labelling, |txn, labelling| {
                Box::pin(commit_label(txn, labelling))
            })
            .await?;
        if view.label.is_none() {
            self.tell_overfull(file);
        }
        Ok(view)
    }

    /// How an upload follows what is there.
    pub(super) fn succession(&self) -> Succession {
        let versions = &self.config.versions;
        Succession {
            keep: versions.keep > 0,
            fold: versions.fold_while_locked,
        }
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
    let then = judge_version(&mut tx, ask, &visit, number, Safe::Yes).await?;
    let inline = match then.content.as_ref().map(|content| content.place) {
        Some(Place::Inline(id)) => tx.inline_content(id).await?,
        _ => Bytes::new(),
    };
    Ok((then, inline))
}

/// The file as it was, or is, in version `number`, against which the request's conditions hold.
pub(super) async fn judge_version(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
    number: u32,
    safe: Safe,
) -> Result<Resource, DavError> {
    let (file, _) = file(visit)?;
    judge_if(tx, ask, visit).await?;
    let Version {
        content, modified, ..
    } = load_version(tx, file, number).await?;
    let validators = Validators {
        etag: Some(content.etag()),
        modified,
    };
    ask.conditions.evaluate(Some(&validators), safe)?;
    Ok(Resource {
        content: Some(content),
        modified,
        ..file.clone()
    })
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
    let new = (restoring.number, new);
    make_present(&mut tx, (dav, ask), &cleared, &visit, new).await
}

/// Makes what a version of the file is made of its next version. It never takes the place of the
/// present one, which may be what somebody wants back after all.
pub(super) async fn make_present(
    tx: &mut Tx<'_>,
    (dav, ask): (&Dav, &Ask),
    cleared: &Cleared,
    visit: &Visit<'_>,
    (source, new): (u32, NewContent),
) -> Result<Resource, DavError> {
    let file = visit.resource()?;
    let how = Succession {
        fold: false,
        ..dav.succession()
    };
    // Not the old modification time: programs that compare times would take their copy of what was
    // there a moment ago for the newer one.
    let file = tx
        .replace_content(cleared, parent_of(visit), file, new, ask.now, how)
        .await?;
    if let Some(content) = &file.content {
        let what = What::Restored {
            version: content.into(),
            source,
        };
        tell(tx, ask, visit.place(), what)?;
    }
    Ok(file)
}

async fn commit_label(
    txn: &mut dyn Txn,
    labelling: &Labelling<'_>,
) -> Result<(ResourceId, VersionView), DavError> {
    let Labelling { dav, ask, .. } = labelling;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let (file, present) = file(&visit)?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let cleared = clear(&mut tx, dav, ask, &visit, Doing::Change).await?;
    let mut version = load_version(&mut tx, file, labelling.number).await?;
    if version.content.label == labelling.label {
        // Nobody need hear of what is as it was.
        return Ok((file.id, VersionView::new(version, present)));
    }
    if version.content.label.is_none() {
        require_room_for_label(&mut tx, file).await?;
    }
    version.content.label.clone_from(&labelling.label);
    tx.label_version(&cleared, (parent_of(&visit), file), &version)?;
    let what = What::Labelled {
        number: labelling.number,
        label: labelling.label.clone(),
    };
    tell(&mut tx, ask, visit.place(), what)?;
    Ok((file.id, VersionView::new(version, present)))
}

async fn require_room_for_label(tx: &mut Tx<'_>, file: &Resource) -> Result<(), DavError> {
    let old = tx.old_versions(file).await?;
    let contents = old.iter().map(|version| &version.content);
    let labelled = contents
        .chain(&file.content)
        .filter(|content| content.label.is_some());
    if labelled.count() < LABELLED_MAX {
        return Ok(());
    }
    Err(DavError::InsufficientStorage(format!(
        "a file has at most {LABELLED_MAX} labelled versions; take the label of another one off \
         first"
    )))
}

/// A label as it is kept: without space around it.
fn checked_label(text: &str) -> Result<String, DavError> {
    let label = text.trim();
    let length = label.chars().count();
    if (1..=LABEL_CHARS_MAX).contains(&length) && !label.chars().any(char::is_control) {
        return Ok(label.to_owned());
    }
    Err(DavError::BadRequest(format!(
        "a label has 1 to {LABEL_CHARS_MAX} characters and no control characters among them; this \
         one has {length}"
    )))
}

fn parent_of(visit: &Visit<'_>) -> ResourceId {
    let parent = visit.walk.parent();
    parent.map_or(ResourceId::ROOT, |parent| parent.id)
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
