//! Reading and uploading files, making collections.

use std::sync::Arc;

use bytes::Bytes;

use super::answers::{Answer, Question, What as Asked};
use super::check_out::end_check_out;
use super::events::{tell, tell_made};
use super::gate::{clear, judge, judge_conditions, judge_if};
use super::intake::{Doubt, Intake};
use super::visit::{Visit, visit};
use super::{Ask, Dav};
use crate::blobs::ContentReader;
use crate::event::What;
use crate::lock::rules::{Cleared, Doing};
use crate::lock::{Lock, LockToken};
use crate::protocol::error::DavError;
use crate::protocol::headers::{ContentRange, Safe};
use crate::protocol::time::Timestamp;
use crate::resource::{Content, Place, Resource, ResourceId};
use crate::store::NewContent;
use crate::store::engine::{Mode, Txn};
use crate::store::tx::Tx;

/// The bytes of one version of a file.
#[derive(Debug)]
pub enum Source {
    /// All of them.
    Bytes(Bytes),
    /// To be read piece by piece.
    File(ContentReader),
}

/// What was uploaded.
#[derive(Debug)]
pub struct Uploaded {
    /// The file as it is now.
    pub file: Resource,
    /// Whether it is new.
    pub outcome: Outcome,
    /// The locks that ended with it.
    pub checked_in: Vec<Lock>,
}

/// Whether an operation made something or gave it a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was there before.
    Created,
    /// Something was there, and is replaced or changed.
    Replaced,
}

/// An upload whose bytes have arrived.
#[derive(Debug)]
struct Upload<'a> {
    dav: &'a Dav,
    ask: &'a Ask,
    /// For a file that is new.
    new_id: ResourceId,
    content: &'a NewContent,
    manner: Manner,
}

/// What an upload may say beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// The client's own time of change; `None`: now.
    pub modified: Option<Timestamp>,
    /// Only if the file still has this version, which the content was built upon.
    pub base: Option<u64>,
    /// The lock that the client believes to write under. Once that has ended, somebody else may
    /// have written.
    pub under: Option<LockToken>,
    /// What becomes of the user's check-out.
    pub then: Then,
}

/// What follows an upload, in the same transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Then {
    /// Nothing: locks stay.
    #[default]
    Nothing,
    /// The file is checked in, as [`Dav::check_in`] does it with this lock's name or without one.
    CheckIn(Option<LockToken>),
}

impl Dav {
    /// The resource at the path, if the request's conditions hold for a GET or HEAD.
    pub async fn find(&self, ask: &Ask) -> Result<Resource, DavError> {
        self.read(ask, |txn, ask| {
            Box::pin(async move { find(&mut Tx::new(txn, ask.now), ask).await })
        })
        .await
    }

    /// The file or collection at the path and, for a file, its bytes.
    pub async fn read_content(&self, ask: &Ask) -> Result<(Resource, Source), DavError> {
        self.open_found(ask, || self.find_with_inline(ask)).await
    }

    /// From memory, if it is as it was. Conditions are of this request alone.
    async fn find_with_inline(&self, ask: &Ask) -> Result<(Resource, Bytes), DavError> {
        let question = Question::about(ask, Asked::File);
        let finding = (&self.answers, ask, &question);
        let (found, grounds) = self
            .read(&finding, |txn, (answers, ask, question)| {
                Box::pin(async move {
                    if let Some(found) = answers.recall(question.as_ref(), txn) {
                        return Ok((found, None));
                    }
                    let mut tx = Tx::noting(txn, ask.now);
                    let (resource, inline) = find_with_inline(&mut tx, ask).await?;
                    let found = Arc::new(Answer::File(resource, inline));
                    Ok((found, tx.grounds()))
                })
            })
            .await?;
        let Answer::File(resource, inline) = &*found else {
            let what = "an answer to another question was remembered";
            return Err(DavError::Internal(what.to_owned()));
        };
        self.answers.keep(question, &found, grounds);
        judge_conditions(ask, Some(resource), Safe::Yes)?;
        Ok((resource.clone(), inline.clone()))
    }

    /// What `find` finds, with its bytes: those that are kept inline, or its content file.
    pub(super) async fn open_found<F>(
        &self,
        ask: &Ask,
        find: impl Fn() -> F,
    ) -> Result<(Resource, Source), DavError>
    where
        F: Future<Output = Result<(Resource, Bytes), DavError>>,
    {
        const ATTEMPTS: usize = 5;
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let (resource, inline) = find().await?;
            let Some((Place::File(id), size)) = resource
                .content
                .as_ref()
                .map(|content| (content.place, content.size))
            else {
                return Ok((resource, Source::Bytes(inline)));
            };
            // Between reading the row and opening the file, an upload may have ended both.
            match self.blobs.open_content(id).await {
                Ok(reader) if reader.size() == size => return Ok((resource, Source::File(reader))),
                Ok(_) => why = "its content has another length than its row says".into(),
                Err(error) => why = error.to_string(),
            }
        }
        Err(DavError::Internal(format!(
            "{} cannot be read: {why}",
            ask.target
        )))
    }

    /// Whether an upload would be allowed now: asked before its body is read.
    pub async fn may_upload(&self, ask: &Ask) -> Result<Option<Resource>, DavError> {
        let asking = (self, ask);
        self.do_or_note(Mode::Read, ask, &asking, |txn, (dav, ask)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, ask.now);
                let visit = visit(&mut tx, ask).await?;
                let _cleared = allow_upload(&mut tx, dav, ask, &visit).await?;
                Ok(visit.walk.found().cloned())
            })
        })
        .await
    }

    /// Makes `content` the file's next version, or a new file.
    pub async fn upload(
        &self,
        ask: &Ask,
        content: NewContent,
        manner: Manner,
    ) -> Result<Uploaded, DavError> {
        let doubt = Doubt::about(self, &content);
        let upload = Upload {
            dav: self,
            ask,
            new_id: self.new_resource_id().await?,
            content: &content,
            manner,
        };
        let (uploaded, replaced) = self
            .act(ask, &upload, |txn, upload| {
                Box::pin(commit_upload(txn, upload))
            })
            .await?;
        doubt.end();
        if matches!(content.place, Place::File(_)) {
            self.content_ended.notify_one();
        }
        if let Some(replaced) = replaced
            && let Place::File(id) = replaced.place
        {
            self.blobs.set_aside(id, replaced.size);
        }
        self.tell_succeeded(&uploaded.file);
        Ok(uploaded)
    }

    /// Starts the next version of `file` with its bytes before `range`, as a partial PUT wants it.
    pub async fn begin_partial<'a>(
        &'a self,
        file: &Resource,
        range: &ContentRange,
    ) -> Result<Intake<'a>, DavError> {
        let size = file.size().unwrap_or(0);
        if range.first > size {
            return Err(DavError::RangeNotSatisfiable { size });
        }
        let mut intake = Intake::new(self, Some(size.max(range.last + 1)))?;
        self.pour(file, 0..range.first, &mut intake).await?;
        Ok(intake)
    }

    /// Adds the bytes of `file` behind `range`.
    pub async fn end_partial(
        &self,
        file: &Resource,
        range: &ContentRange,
        intake: &mut Intake<'_>,
    ) -> Result<(), DavError> {
        if intake.size() != range.last + 1 {
            return Err(DavError::BadRequest(format!(
                "Content-Range names {} bytes, but {} came",
                range.length(),
                intake.size() - range.first
            )));
        }
        self.pour(file, range.last + 1..file.size().unwrap_or(0), intake)
            .await
    }

    async fn pour(
        &self,
        file: &Resource,
        bytes: std::ops::Range<u64>,
        intake: &mut Intake<'_>,
    ) -> Result<(), DavError> {
        const PIECE: usize = 256 * 1024;
        let replaced = || {
            DavError::PreconditionFailed("the file was changed during the partial upload".into())
        };
        let mut source = match file.content.as_ref().map(|content| content.place) {
            Some(Place::File(id)) => {
                Source::File(self.blobs.open_content(id).await.map_err(|_| replaced())?)
            }
            Some(Place::Inline(id)) => {
                let inline = self.read(&id, |txn, id| {
                    Box::pin(async move {
                        Ok(Tx::new(txn, Timestamp(0)).inline_content(*id).await.ok())
                    })
                });
                Source::Bytes(inline.await?.ok_or_else(replaced)?)
            }
            Some(Place::Empty) | None => Source::Bytes(Bytes::new()),
        };
        let mut at = bytes.start;
        while at < bytes.end {
            let want = usize::try_from(bytes.end - at).unwrap_or(PIECE).min(PIECE);
            let piece = source.read(at, want).await?;
            if piece.is_empty() {
                return Err(DavError::Internal(
                    "a content file is shorter than its row".into(),
                ));
            }
            at += piece.len() as u64;
            intake.push(piece).await?;
        }
        Ok(())
    }

    /// MKCOL.
    pub async fn make_collection(&self, ask: &Ask) -> Result<(), DavError> {
        self.require_room(0)?;
        let making = (self, ask, self.new_resource_id().await?);
        self.act(ask, &making, |txn, making| {
            Box::pin(async move {
                let (dav, ask, id) = *making;
                let mut tx = Tx::new(txn, ask.now);
                let visit = visit(&mut tx, ask).await?;
                if visit.walk.found().is_some() {
                    return Err(DavError::NotAllowedHere(
                        "something with this name exists already".to_owned(),
                    ));
                }
                let (parent, name) = visit.gap()?;
                judge(&mut tx, ask, &visit, Safe::No).await?;
                let cleared = clear(&mut tx, dav, ask, &visit, Doing::Make).await?;
                let collection = Resource::new(id, name, None, ask.principal.id, ask.now);
                tx.make(&cleared, parent, &collection, None)?;
                Ok(tell_made(&mut tx, ask, &visit, &collection)?)
            })
        })
        .await
    }
}

impl Source {
    /// Up to `length` bytes from `offset` on; none at the end.
    pub async fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, DavError> {
        match self {
            Self::Bytes(bytes) => {
                let from = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let to = from.saturating_add(length).min(bytes.len());
                Ok(bytes.slice(from..to))
            }
            Self::File(reader) => Ok(reader.read(offset, length).await?),
        }
    }
}

async fn find(tx: &mut Tx<'_>, ask: &Ask) -> Result<Resource, DavError> {
    let visit = visit(tx, ask).await?;
    let resource = visit.resource()?.clone();
    judge(tx, ask, &visit, Safe::Yes).await?;
    Ok(resource)
}

async fn find_with_inline(tx: &mut Tx<'_>, ask: &Ask) -> Result<(Resource, Bytes), DavError> {
    let visit = visit(tx, ask).await?;
    let resource = visit.resource()?.clone();
    judge_if(tx, ask, &visit).await?;
    let inline = match resource.content.as_ref().map(|content| content.place) {
        Some(Place::Inline(id)) => tx.inline_content(id).await?,
        _ => Bytes::new(),
    };
    Ok((resource, inline))
}

/// Asks everything that an upload has to ask: before the body is read, for politeness, and in the
/// transaction that names the new content, for truth.
async fn allow_upload(
    tx: &mut Tx<'_>,
    dav: &Dav,
    ask: &Ask,
    visit: &Visit<'_>,
) -> Result<Cleared, DavError> {
    let doing = match visit.walk.found() {
        Some(resource) if resource.is_collection() => {
            return Err(DavError::NotAllowedHere(
                "this is a collection; a file cannot take its place".to_owned(),
            ));
        }
        Some(_) => Doing::Change,
        None => {
            visit.file_gap()?;
            Doing::Make
        }
    };
    judge(tx, ask, visit, Safe::No).await?;
    clear(tx, dav, ask, visit, doing).await
}

/// What was uploaded, and the content that it replaces.
async fn commit_upload(
    txn: &mut dyn Txn,
    upload: &Upload<'_>,
) -> Result<(Uploaded, Option<Content>), DavError> {
    let Upload { ask, manner, .. } = upload;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let cleared = allow_upload(&mut tx, upload.dav, ask, &visit).await?;
    let new = upload.content.clone();
    let modified = manner.modified.unwrap_or(ask.now);
    let Some(file) = visit.walk.found() else {
        if manner.then != Then::Nothing {
            return Err(DavError::NotLocked(Vec::new()));
        }
        let (parent, name) = visit.gap()?;
        let content = new.as_first(&cleared, ask.now);
        let made_by = ask.principal.id;
        let file = Resource {
            modified,
            ..Resource::new(upload.new_id, name, Some(content), made_by, ask.now)
        };
        tx.make(&cleared, parent, &file, new.inline)?;
        tell_made(&mut tx, ask, &visit, &file)?;
        let uploaded = Uploaded {
            file,
            outcome: Outcome::Created,
            checked_in: Vec::new(),
        };
        return Ok((uploaded, None));
    };
    let version = file.content.as_ref().map(|content| content.version);
    if manner.base.is_some() && manner.base != version {
        return Err(DavError::PreconditionFailed(
            "the file was changed during the partial upload".to_owned(),
        ));
    }
    if let Some(under) = manner.under {
        let around = tx.surroundings(&visit.walk, false).await?;
        if !around.in_force().any(|lock| lock.token == under) {
            return Err(DavError::TokenMismatch);
        }
    }
    let ancestors = visit.walk.ancestor_ids();
    let parent = ancestors.last().copied().unwrap_or(ResourceId::ROOT);
    let how = upload.dav.succession();
    let replaced = file.content.clone();
    let file = tx
        .replace_content(&cleared, parent, file, new, modified, how)
        .await?;
    if let Some(content) = &file.content {
        let version = content.into();
        let what = What::Uploaded {
            version,
            from: None,
        };
        tell(&mut tx, ask, visit.place(), what)?;
    }
    let checked_in = match manner.then {
        Then::Nothing => Vec::new(),
        Then::CheckIn(named) => end_check_out(&mut tx, ask, &visit, named).await?,
    };
    let uploaded = Uploaded {
        file,
        outcome: Outcome::Replaced,
        checked_in,
    };
    Ok((uploaded, replaced))
}
