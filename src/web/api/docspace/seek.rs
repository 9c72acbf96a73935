//! From a call to what it is about, and from a resource to what this face sends of it.

use std::collections::HashMap;

use uuid::Uuid;

use super::dto::{FileDto, FolderDto};
use super::entry::{Entry, Teller};
use crate::lock::UserId;
use crate::ops::access;
use crate::ops::detail::Detail;
use crate::ops::target::Target;
use crate::protocol::error::DavError;
use crate::protocol::path::Name;
use crate::resource::ResourceId;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;

/// What is said of a folder that is not there, or is a file.
pub(super) const NO_FOLDER: Fault = Fault::Missing("The required folder was not found");
const NO_FILE: Fault = Fault::Missing("The required file was not found");

/// The id in the path.
pub(super) fn id(call: &Call, name: &str) -> Result<ResourceId, Fault> {
    call.parse(name, "the whole number that the id of a file or folder is")
        .map(ResourceId)
}

/// The file that the path names. An id never changes from a file to a folder, so what is found out
/// here holds for the operation that follows.
pub(super) async fn file(call: &Call, name: &str) -> Result<Detail, Fault> {
    file_by_id(call, id(call, name)?).await
}

pub(super) async fn file_by_id(call: &Call, id: ResourceId) -> Result<Detail, Fault> {
    match call.dav.detail(&call.ask(id)?).await {
        Ok(detail) if !detail.resource.is_collection() => Ok(detail),
        Ok(_) | Err(DavError::NotFound) => Err(NO_FILE),
        Err(error) => Err(error.into()),
    }
}

/// The folder that the path names.
pub(super) async fn folder(call: &Call, name: &str) -> Result<Detail, Fault> {
    folder_by_id(call, id(call, name)?).await
}

pub(super) async fn folder_by_id(call: &Call, id: ResourceId) -> Result<Detail, Fault> {
    match call.dav.detail(&call.ask(id)?).await {
        Ok(detail) if detail.resource.is_collection() => Ok(detail),
        Ok(_) | Err(DavError::NotFound) => Err(NO_FOLDER),
        Err(error) => Err(error.into()),
    }
}

/// Who can tell about these entries: with the names of everybody concerned.
pub(super) async fn teller(
    call: &Call,
    people: impl IntoIterator<Item = UserId>,
) -> Result<Teller<'_>, Fault> {
    let mut ids: Vec<UserId> = people.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let known = access::find_all(&call.dav, &ids)
        .await
        .map_err(unanswered)?;
    Ok(Teller {
        base: &call.base,
        me: call.principal()?,
        known: known
            .into_iter()
            .map(|user| (user.id, user))
            .collect::<HashMap<_, _>>(),
    })
}

/// What is sent of a file.
pub(super) async fn tell_file(call: &Call, detail: &Detail) -> Result<FileDto, Fault> {
    let href = detail.path.href(false);
    let entry = Entry::of(detail, &href);
    let teller = teller(call, entry.people()).await?;
    teller.file(&entry).ok_or(NO_FILE)
}

/// What is sent of a folder.
pub(super) async fn tell_folder(call: &Call, detail: &Detail) -> Result<FolderDto, Fault> {
    let href = detail.path.href(true);
    let entry = Entry::of(detail, &href);
    Ok(teller(call, entry.people()).await?.folder(&entry))
}

/// What is sent of a file after an operation, which was done whatever happened to the file since:
/// if it is gone, what was known of it before.
pub(super) async fn tell_file_after(call: &Call, before: &Detail) -> Result<FileDto, Fault> {
    match call.dav.detail(&call.ask(before.resource.id)?).await {
        Ok(now) => tell_file(call, &now).await,
        Err(DavError::NotFound) => tell_file(call, before).await,
        Err(error) => Err(error.into()),
    }
}

/// The same of a folder.
pub(super) async fn tell_folder_after(call: &Call, before: &Detail) -> Result<FolderDto, Fault> {
    match call.dav.detail(&call.ask(before.resource.id)?).await {
        Ok(now) => tell_folder(call, &now).await,
        Err(DavError::NotFound) => tell_folder(call, before).await,
        Err(error) => Err(error.into()),
    }
}

/// What is sent of a file that was made a moment ago.
pub(super) async fn tell_file_anew(
    call: &Call,
    target: impl Into<Target>,
) -> Result<FileDto, Fault> {
    let detail = call.dav.detail(&call.ask(target)?).await?;
    tell_file(call, &detail).await
}

/// What is sent of a folder that was made a moment ago, or is above another one.
pub(super) async fn tell_folder_anew(
    call: &Call,
    target: impl Into<Target>,
) -> Result<FolderDto, Fault> {
    let detail = call.dav.detail(&call.ask(target)?).await?;
    tell_folder(call, &detail).await
}

/// A title as the name of something.
pub(super) fn name(title: &str) -> Result<Name, Fault> {
    Name::parse(title).map_err(|error| Fault::bad_request(format!("title: {error}")))
}

/// A UUID as it stands in a path or a body.
pub(super) fn uuid(text: &str, what: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text)
        .map_err(|_| Fault::bad_request(format!("{what} must be a UUID, not {text:?}")))
}

/// The accounts did not answer; why is for the log.
pub(super) fn unanswered(error: impl std::fmt::Display) -> Fault {
    DavError::Internal(error.to_string()).into()
}

/// A clash of names, in words for people who know nothing of WebDAV's headers.
pub(super) fn clash(error: DavError) -> Fault {
    match error {
        DavError::PreconditionFailed(_) | DavError::NotAllowedHere(_) => DavError::Conflict(
            "something with this title is in the folder already; choose another title".to_owned(),
        )
        .into(),
        other => other.into(),
    }
}
