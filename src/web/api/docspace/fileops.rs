//! Moving, copying and deleting several files and folders. In DocSpace these run on while the
//! client asks how far they are; here each is over when it is answered.

use futures_util::future::ready;
use http::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::describe::spelled_extension;
use super::dto::FileOperationDto;
use super::envelope::{Asked, Envelope, Failure, sentence};
use super::seek;
use crate::ops::copy::CopyDepth;
use crate::ops::detail::Detail;
use crate::ops::target::{Destination, Target};
use crate::protocol::error::DavError;
use crate::protocol::headers::Overwrite;
use crate::protocol::path::DavPath;
use crate::resource::ResourceId;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::{Answered, Route};
use crate::web::api::whole::Whole;
use crate::web::body::Body;

const TAG: &str = "Operations";
const MOVE: u8 = 0;
const COPY: u8 = 1;
pub(super) const DELETE: u8 = 2;
/// Most files and folders in one call.
const ITEMS_MAX: usize = 1000;
/// Names that are tried for a duplicate.
const DUPLICATES_MAX: usize = 1000;

/// An id, which some clients send as text.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum AnyId {
    Number(Whole<u64>),
    Text(#[schemars(regex(pattern = "^[0-9]{1,19}$"))] String),
}

impl AnyId {
    fn id(&self) -> Result<ResourceId, Fault> {
        let digits = |text: &&String| text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Number(Whole(number)) => Ok(ResourceId(*number)),
            Self::Text(text) => Some(text)
                .filter(|text| text.len() <= 19)
                .filter(digits)
                .and_then(|text| text.parse().ok())
                .map(ResourceId)
                .ok_or_else(|| {
                    Fault::bad_request(format!(
                        "an id must be a whole number of at most 19 digits, not {text:?}"
                    ))
                }),
        }
    }
}

/// What is done where something of the same name is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Conflict {
    /// It stays, and what was to come does not.
    #[default]
    #[serde(alias = "skip")]
    Skip,
    /// A file gets its next version; a folder is replaced.
    #[serde(alias = "overwrite")]
    Overwrite,
    /// What comes gets a number behind its name.
    #[serde(alias = "duplicate")]
    Duplicate,
}

/// Either spelling: a word, or 0, 1, 2.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
enum AnyConflict {
    Word(Conflict),
    #[schemars(with = "ConflictNumber")]
    Number(Whole<u8>),
}

#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct ConflictNumber(#[schemars(range(min = 0, max = 2))] u8);

impl AnyConflict {
    fn read(self) -> Result<Conflict, Fault> {
        match self {
            Self::Word(word) => Ok(word),
            Self::Number(Whole(0)) => Ok(Conflict::Skip),
            Self::Number(Whole(1)) => Ok(Conflict::Overwrite),
            Self::Number(Whole(2)) => Ok(Conflict::Duplicate),
            Self::Number(Whole(other)) => Err(Fault::bad_request(format!(
                "conflictResolveType must be Skip (0), Overwrite (1) or Duplicate (2), not {other}"
            ))),
        }
    }
}

/// What is to be moved or copied, and where to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BatchRequest {
    #[serde(default)]
    folder_ids: Option<Vec<AnyId>>,
    #[serde(default)]
    file_ids: Option<Vec<AnyId>>,
    dest_folder_id: AnyId,
    /// Skip where it is not said.
    #[serde(default)]
    conflict_resolve_type: Option<AnyConflict>,
}

/// What is to be deleted. There is no trash: what is deleted is gone at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeleteBatchRequest {
    #[serde(default)]
    folder_ids: Option<Vec<AnyId>>,
    #[serde(default)]
    file_ids: Option<Vec<AnyId>>,
}

pub(super) fn routes() -> Vec<Route> {
    let answer = "What was done; `error` says what was not, and why";
    vec![
        Route::put("/api/2.0/files/fileops/move", "moveBatchItems", |call| {
            Box::pin(transfer(call, MOVE))
        })
        .about(
            TAG,
            "Move files and folders",
            "Each by itself: one that cannot stays.",
        )
        .json::<BatchRequest>()
        .answers::<Envelope<Vec<FileOperationDto>>>(200, answer)
        .answers::<Failure>(404, "There is no folder destFolderId"),
        Route::put("/api/2.0/files/fileops/copy", "copyBatchItems", |call| {
            Box::pin(transfer(call, COPY))
        })
        .about(TAG, "Copy files and folders", "Each by itself.")
        .json::<BatchRequest>()
        .answers::<Envelope<Vec<FileOperationDto>>>(200, answer)
        .answers::<Failure>(404, "There is no folder destFolderId"),
        Route::put(
            "/api/2.0/files/fileops/delete",
            "deleteBatchItems",
            |call| Box::pin(delete(call)),
        )
        .about(
            TAG,
            "Delete files and folders",
            "Each by itself, at once and for good.",
        )
        .json::<DeleteBatchRequest>()
        .answers::<Envelope<Vec<FileOperationDto>>>(200, answer),
        Route::get("/api/2.0/files/fileops", "getOperationStatuses", |call| {
            Box::pin(ready(Ok(statuses(&call))))
        })
        .about(
            TAG,
            "The operations under way",
            "None ever is: each is over when it is answered.",
        )
        .answers::<Envelope<Vec<FileOperationDto>>>(200, "None"),
    ]
}

/// An operation of which all was done.
pub(super) fn done(operation: u8, processed: usize) -> FileOperationDto {
    FileOperationDto {
        id: Uuid::new_v4().to_string(),
        operation,
        progress: 100,
        error: String::new(),
        processed: processed.to_string(),
        finished: true,
        files: Vec::new(),
        folders: Vec::new(),
    }
}

fn statuses(call: &Call) -> Response<Body> {
    Asked::by(call).list(Vec::<FileOperationDto>::new())
}

/// The ids of files and of folders, each with whether it is a folder's.
fn items(
    files: Option<&Vec<AnyId>>,
    folders: Option<&Vec<AnyId>>,
) -> Result<Vec<(ResourceId, bool)>, Fault> {
    let files = files.into_iter().flatten().map(|id| (id, false));
    let folders = folders.into_iter().flatten().map(|id| (id, true));
    let all = files
        .chain(folders)
        .map(|(id, folder)| Ok((id.id()?, folder)));
    let all: Vec<_> = all.collect::<Result<_, Fault>>()?;
    if all.is_empty() || all.len() > ITEMS_MAX {
        return Err(Fault::bad_request(format!(
            "fileIds and folderIds must have 1 to {ITEMS_MAX} ids together, not {}",
            all.len()
        )));
    }
    Ok(all)
}

async fn seek_item(call: &Call, (id, folder): (ResourceId, bool)) -> Result<Detail, Fault> {
    if folder {
        seek::folder_by_id(call, id).await
    } else {
        seek::file_by_id(call, id).await
    }
}

/// What a refused part leaves in `error`; what stands against the whole is returned.
fn note(operation: &mut FileOperationDto, fault: Fault) -> Result<(), Fault> {
    let why = match &fault {
        Fault::Missing(why) => (*why).to_owned(),
        Fault::Refused(DavError::Internal(_) | DavError::Unavailable(_)) => return Err(fault),
        Fault::Refused(error) => sentence(error),
        _ => return Err(fault),
    };
    if !operation.error.is_empty() {
        operation.error.push(' ');
    }
    operation.error.push_str(&why);
    Ok(())
}

async fn delete(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let wanted: DeleteBatchRequest = call.json().await?;
    let mut operation = done(DELETE, 0);
    let mut processed = 0;
    for item in items(wanted.file_ids.as_ref(), wanted.folder_ids.as_ref())? {
        let deleted = async {
            let found = seek_item(&call, item).await?;
            Ok(call.dav.delete(&call.ask(found.resource.id)?).await?)
        };
        match deleted.await {
            Ok(()) => processed += 1,
            Err(fault) => note(&mut operation, fault)?,
        }
    }
    operation.processed = processed.to_string();
    Ok(asked.list(vec![operation]))
}

async fn transfer(mut call: Call, operation: u8) -> Answered {
    let asked = Asked::by(&call);
    let wanted: BatchRequest = call.json().await?;
    let items = items(wanted.file_ids.as_ref(), wanted.folder_ids.as_ref())?;
    let conflict = wanted
        .conflict_resolve_type
        .map(AnyConflict::read)
        .transpose()?;
    let into = seek::folder_by_id(&call, wanted.dest_folder_id.id()?).await?;
    let transfer = Transfer {
        operation,
        into: &into,
        conflict: conflict.unwrap_or_default(),
    };
    let mut told = done(operation, 0);
    let mut processed = 0;
    for item in items {
        match transfer.run(&call, item).await {
            Ok(None) => {}
            Ok(Some(landed)) => {
                processed += 1;
                tell(&call, &landed, &mut told).await?;
            }
            Err(fault) => note(&mut told, fault)?,
        }
    }
    told.processed = processed.to_string();
    Ok(asked.list(vec![told]))
}

async fn tell(call: &Call, landed: &Target, told: &mut FileOperationDto) -> Result<(), Fault> {
    match call.dav.detail(&call.ask(landed.clone())?).await {
        Ok(detail) if detail.resource.is_collection() => {
            told.folders.push(seek::tell_folder(call, &detail).await?);
        }
        Ok(detail) => told.files.push(seek::tell_file(call, &detail).await?),
        // Somebody was quicker; it was done all the same.
        Err(DavError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

struct Transfer<'a> {
    operation: u8,
    into: &'a Detail,
    conflict: Conflict,
}

impl Transfer<'_> {
    /// Moves or copies one item; where it is then, or `None` if it was skipped.
    async fn run(&self, call: &Call, item: (ResourceId, bool)) -> Result<Option<Target>, Fault> {
        let from = seek_item(call, item).await?;
        let name = from.path.name().cloned();
        let name = name.ok_or_else(|| Fault::bad_request("the root folder stays where it is"))?;
        let overwrite = match self.conflict {
            Conflict::Overwrite => Overwrite::Yes,
            Conflict::Skip | Conflict::Duplicate => Overwrite::No,
        };
        let into = self.into.resource.id;
        let beside = from.path.parent().as_ref() == Some(&self.into.path);
        if self.operation == COPY && self.conflict == Conflict::Duplicate && beside {
            return self.duplicate(call, &from).await.map(Some);
        }
        match self
            .send(call, &from, Destination::Into(into), overwrite)
            .await
        {
            Ok(()) => Ok(Some(Target::Member(into, name))),
            Err(DavError::PreconditionFailed(_)) if self.conflict == Conflict::Skip => Ok(None),
            Err(DavError::PreconditionFailed(_)) if self.conflict == Conflict::Duplicate => {
                self.duplicate(call, &from).await.map(Some)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn duplicate(&self, call: &Call, from: &Detail) -> Result<Target, Fault> {
        for number in 1..=DUPLICATES_MAX {
            let name = seek::name(&numbered(&from.resource, number))?;
            let to: DavPath = self.into.path.member(name);
            let sent = self
                .send(call, from, Destination::Path(to.clone()), Overwrite::No)
                .await;
            match sent {
                Ok(()) => return Ok(Target::Path(to)),
                Err(DavError::PreconditionFailed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DavError::Conflict(format!(
            "{DUPLICATES_MAX} duplicates are there already; remove some"
        ))
        .into())
    }

    async fn send(
        &self,
        call: &Call,
        from: &Detail,
        to: Destination,
        overwrite: Overwrite,
    ) -> Result<(), DavError> {
        let ask = call.ask(from.resource.id).map_err(|_| DavError::NotFound)?;
        if self.operation == MOVE {
            call.dav.relocate(&ask, to, overwrite).await?;
        } else {
            call.dav
                .copy(&ask, to, overwrite, CopyDepth::Infinity)
                .await?;
        }
        Ok(())
    }
}

/// `plan (2).docx`.
pub(super) fn numbered_name(name: &str, number: usize, is_folder: bool) -> String {
    let ending = if is_folder {
        ""
    } else {
        spelled_extension(name)
    };
    let stem = name.strip_suffix(ending).unwrap_or(name);
    format!("{stem} ({number}){ending}")
}

fn numbered(resource: &crate::resource::Resource, number: usize) -> String {
    numbered_name(&resource.name, number, resource.is_collection())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names() {
        fn check(name: &str, folder: bool, expect: &str) {
            assert_eq!(numbered_name(name, 2, folder), expect, "{name}");
        }
        check("plan.docx", false, "plan (2).docx");
        check("Makefile", false, "Makefile (2)");
        check("v1.2", true, "v1.2 (2)");
        check(".profile", false, ".profile (2)");
    }

    #[test]
    fn ids_and_conflicts_in_either_spelling() {
        let read = |text: &str| serde_json::from_str::<BatchRequest>(text);
        let wanted = read(r#"{"fileIds":[7,"8"],"destFolderId":"1","conflictResolveType":2}"#);
        let wanted = wanted.unwrap();
        let ids = items(wanted.file_ids.as_ref(), None).unwrap();
        assert_eq!(ids, [(ResourceId(7), false), (ResourceId(8), false)]);
        let conflict = wanted.conflict_resolve_type.unwrap().read();
        assert_eq!(conflict, Ok(Conflict::Duplicate));
        let word = read(r#"{"destFolderId":1,"conflictResolveType":"Overwrite"}"#).unwrap();
        assert_eq!(
            word.conflict_resolve_type.unwrap().read(),
            Ok(Conflict::Overwrite)
        );
        assert!(items(None, None).is_err());
        let floats = read(r#"{"fileIds":[7.0],"destFolderId":1.0,"conflictResolveType":1.0}"#);
        let floats = floats.unwrap();
        let ids = items(floats.file_ids.as_ref(), None).unwrap();
        assert_eq!(ids, [(ResourceId(7), false)]);
        for no_id in ["", "x", "+7", "-7", "7.0", "00000000000000000007"] {
            assert!(AnyId::Text(no_id.to_owned()).id().is_err(), "{no_id}");
        }
        let odd = read(r#"{"fileIds":["x"],"destFolderId":1,"conflictResolveType":3}"#).unwrap();
        assert!(items(odd.file_ids.as_ref(), None).is_err());
        assert!(odd.conflict_resolve_type.unwrap().read().is_err());
    }
}
