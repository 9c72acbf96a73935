//! What is done to one file: seeing it, locking, renaming, removing, its versions.

use schemars::JsonSchema;
use serde::Deserialize;

use super::describe::renamed;
use super::dto::{EditHistoryDto, FileDto, FileOperationDto, MentionWrapper};
use super::entry::Entry;
use super::envelope::{Asked, Envelope};
use super::fileops::{self, DELETE};
use super::{person, seek};
use crate::lock::{LockKind, LockScope};
use crate::ops::detail::Detail;
use crate::ops::locking::{LockAsk, LockDepth};
use crate::ops::target::Destination;
use crate::ops::versions::{LABEL_CHARS_MAX, VersionView};
use crate::protocol::error::{DavError, RefusingLock};
use crate::protocol::headers::{Overwrite, RequestedTimeout};
use crate::rights::{Privilege, Privileges};
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::{Answered, Route};
use crate::web::api::whole::Whole;

const TAG: &str = "Files";
const ID: &str = "The id of the file";

/// Whether to lock or to unlock.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LockFileParameters {
    /// Missing: false.
    #[serde(default)]
    lock_file: Option<bool>,
}

/// Another title, an older version, or both.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UpdateFile {
    /// Without the extension, which cannot be changed here, or with it.
    #[serde(default)]
    title: Option<String>,
    /// The number of the version that shall be the present one again; 0 or missing: none.
    #[serde(default)]
    last_version: Option<Whole<u32>>,
}

/// Which version.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct RestoreVersion {
    #[serde(default)]
    version: Option<Whole<u32>>,
}

/// What a version shall be called.
#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateComment {
    /// The number of the version.
    version: Whole<u32>,
    /// Missing or empty: nothing.
    #[serde(default)]
    #[schemars(length(max = LABEL_CHARS_MAX))]
    comment: Option<String>,
}

/// How to delete. There is no trash: what is deleted is gone at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "read for the sake of a clear error, and of the description"
)]
pub(super) struct Delete {
    /// Makes no difference.
    #[serde(default)]
    delete_after: Option<bool>,
    /// Makes no difference.
    #[serde(default)]
    immediately: Option<bool>,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::put("/api/2.0/files/file/{fileId}/lock", "lockFile", |call| {
            Box::pin(lock(call))
        })
        .about(
            TAG,
            "Lock or unlock a file",
            "Locks are check-outs: they stand until they are released. Locking a file that this \
             user has locked, and unlocking one that is not locked, changes nothing.",
        )
        .path::<u64>("fileId", ID)
        .optional_json::<LockFileParameters>()
        .answers::<Envelope<FileDto>>(200, "The file as it is now"),
        Route::get(
            "/api/2.0/files/file/{fileId}/protectusers",
            "getProtectedFileUsers",
            |call| Box::pin(protect_users(call)),
        )
        .about(TAG, "Who else has access to a file", "")
        .path::<u64>("fileId", ID)
        .answers::<Envelope<Vec<MentionWrapper>>>(200, "Everybody but the asking user"),
        Route::get("/api/2.0/files/file/{fileId}", "getFileInfo", |call| {
            Box::pin(info(call))
        })
        .about(TAG, "A file", "")
        .path::<u64>("fileId", ID)
        .query::<i64>(
            "version",
            "The number of a version; 0 or less: the present one",
        )
        .answers::<Envelope<FileDto>>(200, "The file"),
        Route::put("/api/2.0/files/file/{fileId}", "updateFile", |call| {
            Box::pin(update(call))
        })
        .about(
            TAG,
            "Rename a file, or bring an older version back",
            "The extension stays what it was: a title without it, or with another one, gets it.",
        )
        .path::<u64>("fileId", ID)
        .json::<UpdateFile>()
        .answers::<Envelope<FileDto>>(200, "The file as it is now"),
        Route::delete("/api/2.0/files/file/{fileId}", "deleteFile", |call| {
            Box::pin(delete(call))
        })
        .about(
            TAG,
            "Delete a file",
            "At once and for good: there is no trash.",
        )
        .path::<u64>("fileId", ID)
        .optional_json::<Delete>()
        .answers::<Envelope<Vec<FileOperationDto>>>(200, "It is done"),
        Route::get(
            "/api/2.0/files/file/{fileId}/history",
            "getFileVersionInfo",
            |call| Box::pin(history(call)),
        )
        .about(TAG, "The versions of a file", "")
        .path::<u64>("fileId", ID)
        .answers::<Envelope<Vec<FileDto>>>(200, "The newest first"),
        Route::get(
            "/api/2.0/files/file/{fileId}/edit/history",
            "getEditHistory",
            |call| Box::pin(edit_history(call)),
        )
        .about(TAG, "The versions of a file, in short", "")
        .path::<u64>("fileId", ID)
        .answers::<Envelope<Vec<EditHistoryDto>>>(200, "The newest first"),
        Route::post(
            "/api/2.0/files/file/{fileId}/restoreversion",
            "restoreFileVersion",
            |call| Box::pin(restore(call)),
        )
        .about(
            TAG,
            "Bring an older version back",
            "Its bytes become the next version. The number stands in the query or in the body.",
        )
        .path::<u64>("fileId", ID)
        .query::<u32>("version", "The number of the version")
        .optional_json::<RestoreVersion>()
        .answers::<Envelope<Vec<EditHistoryDto>>>(200, "The versions, the newest first"),
        Route::put(
            "/api/2.0/files/file/{fileId}/comment",
            "updateFileComment",
            |call| Box::pin(comment(call)),
        )
        .about(
            TAG,
            "Say what a version of a file is",
            "The comment is this server's label: a version that has one is kept until it is taken \
             off, whatever its number and age.",
        )
        .path::<u64>("fileId", ID)
        .json::<UpdateComment>()
        .answers::<Envelope<String>>(200, "The comment as it is now; empty: there is none"),
    ]
}

async fn info(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let now = seek::tell_file(&call, &detail).await?;
    let Some(number) = call
        .parse_query::<i64>("version", "a whole number")?
        .filter(|n| *n > 0)
    else {
        return Ok(asked.one(now));
    };
    let versions = versions(&call, &detail).await?;
    let version = versions
        .iter()
        .find(|version| i64::from(version.number) == number);
    let version = version.ok_or(Fault::Missing("The required version was not found"))?;
    let teller = seek::teller(&call, people_of(&detail, &versions)).await?;
    Ok(asked.one(teller.version(&now, version)))
}

async fn lock(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let wanted: LockFileParameters = call.json_or_default().await?;
    if wanted.lock_file.unwrap_or(false) {
        take(&call, &detail).await?;
    } else {
        release(&call, &detail).await?;
    }
    Ok(asked.one(seek::tell_file_after(&call, &detail).await?))
}

/// Locking what is locked already changes nothing, for those who could also unlock it.
async fn take(call: &Call, detail: &Detail) -> Result<(), Fault> {
    let wanted = LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(LockKind::Persistent),
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Infinite,
        owner_xml: None,
        comment: None,
    };
    let ask = call.ask(detail.resource.id)?;
    let in_the_way = match call.dav.lock(&ask, &wanted).await {
        Ok(_) => return Ok(()),
        Err(DavError::LockConflict(locks)) => locks,
        Err(error) => return Err(no_right(error)),
    };
    // What the refusal rests on decides, for by now other locks may stand. Locks that were not in
    // the way are the user's own.
    let mine = |lock: &RefusingLock| lock.holder == ask.principal.name;
    if in_the_way.iter().all(mine) || detail.privileges.has(Privilege::SuperCheckIn) {
        Ok(())
    } else {
        Err(DavError::LockConflict(in_the_way).into())
    }
}

/// Unlocking what is not locked changes nothing either, but wants the same right.
async fn release(call: &Call, detail: &Detail) -> Result<(), Fault> {
    let ask = call.ask(detail.resource.id)?;
    let above = match call.dav.check_in(&ask, None).await {
        Ok(_) => return Ok(()),
        Err(DavError::NotLocked(above)) => above,
        Err(error) => return Err(no_right(error)),
    };
    require_lock(detail.privileges, detail)?;
    // What stands above the file is released there.
    if above.is_empty() {
        Ok(())
    } else {
        Err(DavError::Locked(above).into())
    }
}

fn require_lock(privileges: Privileges, detail: &Detail) -> Result<(), Fault> {
    if privileges.has(Privilege::Lock) {
        return Ok(());
    }
    Err(no_right(DavError::NeedsPrivilege {
        href: detail.path.href(false),
        privilege: Privilege::Lock.as_str(),
    }))
}

/// The words that clients of DocSpace look for, and then which right it is.
fn no_right(error: DavError) -> Fault {
    match error {
        DavError::NeedsPrivilege { .. } => DavError::Forbidden(format!(
            "You do not have enough permissions to edit the file: {error}"
        ))
        .into(),
        other => other.into(),
    }
}

/// An unknown file is 403 here, unlike everywhere else: the clients know it so.
async fn protect_users(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = match seek::file(&call, "fileId").await {
        Err(Fault::Missing(sentence)) => {
            return Err(DavError::Forbidden(sentence.to_owned()).into());
        }
        found => found?,
    };
    let me = call.principal()?.id;
    let audience = call.dav.audience(&call.ask(detail.resource.id)?).await?;
    let others = audience.iter().filter(|listener| listener.user.id != me);
    Ok(asked.list(others.map(person::mention).collect()))
}

async fn update(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let wanted: UpdateFile = call.json().await?;
    let ask = call.ask(detail.resource.id)?;
    if let Some(title) = wanted.title.filter(|title| !title.is_empty()) {
        let title = renamed(&detail.resource.name, &title);
        if title != detail.resource.name {
            let to = Destination::Sibling(seek::name(&title)?);
            call.dav
                .relocate(&ask, to, Overwrite::No)
                .await
                .map_err(seek::clash)?;
        }
    }
    if let Some(Whole(number)) = wanted.last_version.filter(|number| number.0 > 0) {
        call.dav.restore(&ask, number).await.map_err(no_version)?;
    }
    Ok(asked.one(seek::tell_file_after(&call, &detail).await?))
}

async fn delete(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let _: Delete = call.json_or_default().await?;
    call.dav.delete(&call.ask(detail.resource.id)?).await?;
    Ok(asked.list(vec![fileops::done(DELETE, 1)]))
}

async fn history(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let versions = versions(&call, &detail).await?;
    let now = seek::tell_file(&call, &detail).await?;
    let teller = seek::teller(&call, people_of(&detail, &versions)).await?;
    let told = versions.iter().map(|version| teller.version(&now, version));
    Ok(asked.list(told.collect()))
}

async fn edit_history(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    Ok(asked.list(edits(&call, &detail).await?))
}

async fn restore(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let in_query = call.parse_query::<u32>("version", "the number of a version")?;
    let in_body: RestoreVersion = call.json_or_default().await?;
    let number = in_query
        .or(in_body.version.map(|whole| whole.0))
        .ok_or_else(|| {
            Fault::bad_request("say which version: version=NUMBER in the query, or in a JSON body")
        })?;
    let ask = call.ask(detail.resource.id)?;
    call.dav.restore(&ask, number).await.map_err(no_version)?;
    Ok(asked.list(edits(&call, &detail).await?))
}

async fn comment(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let wanted: UpdateComment = call.json().await?;
    let ask = call.ask(detail.resource.id)?;
    let label = wanted.comment.filter(|comment| !comment.is_empty());
    let labelled = call.dav.label(&ask, wanted.version.0, label.as_deref());
    let version = labelled.await.map_err(no_version)?;
    Ok(asked.one(version.label.unwrap_or_default()))
}

fn no_version(error: DavError) -> Fault {
    match error {
        DavError::NotFound => Fault::Missing("The required version was not found"),
        other => no_right(other),
    }
}

async fn versions(call: &Call, detail: &Detail) -> Result<Vec<VersionView>, Fault> {
    Ok(call.dav.history(&call.ask(detail.resource.id)?).await?)
}

async fn edits(call: &Call, detail: &Detail) -> Result<Vec<EditHistoryDto>, Fault> {
    let versions = versions(call, detail).await?;
    let teller = seek::teller(call, people_of(detail, &versions)).await?;
    let edit = |version| teller.edit(detail.resource.id, version);
    Ok(versions.iter().map(edit).collect())
}

fn people_of(
    detail: &Detail,
    versions: &[VersionView],
) -> impl Iterator<Item = crate::lock::UserId> {
    let authors = versions.iter().map(|version| version.author);
    Entry::of(detail, "")
        .people()
        .chain(authors)
        .collect::<Vec<_>>()
        .into_iter()
}
