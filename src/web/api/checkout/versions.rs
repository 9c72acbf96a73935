//! The versions of a file: seeing, reading, comparing, restoring and labelling them.

use std::num::NonZeroU32;

use super::dto::version::{
    LabelVersion, Names, ProjectInodeVersionDto, RestoreVersion, VersionComparisonDto,
    VersionNumber,
};
use super::dto::{Limit, Listing, LockId, ProjectInodeDto, content};
use super::files::{Inode, limit, send};
use super::{LIMIT, LOCKED, PRECONDITION, about_inode};
use crate::ops::access;
use crate::ops::versions::VersionView;
use crate::protocol::error::DavError;
use crate::protocol::headers::Conditions;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::media_type::ANY;
use crate::web::api::response_api::{Nothing, ResponseApi, ok};
use crate::web::api::route::{Answered, Route};
use crate::web::download;

const NUMBER: &str = "The number of a version.";
const WHOLE_NUMBER: &str = "the number of a version, 1 or more";
const NO_VERSION: Fault =
    Fault::Missing("this file never had such a version, or it is not kept any more");

pub(super) fn routes() -> Vec<Route> {
    vec![
        about_inode(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}/version",
                "Project_ListVersions",
                |call| Box::pin(list(call)),
            )
            .about(
                "Project",
                "List the versions of a file",
                "Those that are kept and the present one, the newest first.",
            ),
        )
        .query::<VersionNumber>(
            "after",
            "Go on behind this version: what next of the page before said.",
        )
        .query::<Limit>("limit", LIMIT)
        .answers::<ResponseApi<Listing<ProjectInodeVersionDto>>>(200, "One page of versions."),
        of_version(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}/version/{number}",
                "Project_GetVersion",
                |call| Box::pin(get(call)),
            )
            .about("Project", "See a version of a file", ""),
        )
        .answers::<ResponseApi<ProjectInodeVersionDto>>(200, "The version."),
        of_version(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}/version/{number}/content",
                "Project_DownloadVersion",
                |call| Box::pin(fetch(call)),
            )
            .about(
                "Project",
                "Download a version of a file",
                "Understands Range, If-Range, If-None-Match and If-Modified-Since as any GET.",
            ),
        )
        .answer(200, "The version.", Some((ANY, content)))
        .answer(206, "The part that Range names.", Some((ANY, content)))
        .answer(304, "The client has this version.", None)
        .answers::<ResponseApi<Nothing>>(412, PRECONDITION)
        .answers::<ResponseApi<Nothing>>(416, "The version has no such part."),
        of_version(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}/version/{number}/compare/{other}",
                "Project_CompareVersions",
                |call| Box::pin(compare(call)),
            )
            .about(
                "Project",
                "Compare two versions of a file",
                "Their sizes, times and authors, and whether they have the same bytes.",
            ),
        )
        .path::<VersionNumber>("other", "The number of the version to compare it with.")
        .answers::<ResponseApi<VersionComparisonDto>>(200, "Both, and how they differ."),
        changing(
            Route::post(
                "/api/project/{projectId}/inode/{inodeId}/version/{number}/restore",
                "Project_RestoreVersion",
                |call| Box::pin(restore(call)),
            )
            .about(
                "Project",
                "Bring an older version back",
                "Its bytes become the next version; nothing is lost by it. Asked as an upload, so \
                 whoever may not upload now may not restore either.",
            )
            .optional_json::<RestoreVersion>(),
        )
        .answers::<ResponseApi<ProjectInodeDto>>(200, "The file as it is now."),
        changing(
            Route::put(
                "/api/project/{projectId}/inode/{inodeId}/version/{number}/label",
                "Project_LabelVersion",
                |call| Box::pin(label(call)),
            )
            .about(
                "Project",
                "Give a version a label, or take it off",
                "A labelled version is kept until its label is taken off, whatever its number and \
                 age. Asked as an upload, though the file stays as it is.",
            )
            .json::<LabelVersion>(),
        )
        .answers::<ResponseApi<ProjectInodeVersionDto>>(200, "The version as it is now."),
    ]
}

fn of_version(route: Route) -> Route {
    about_inode(route).path::<VersionNumber>("number", NUMBER)
}

/// What restoring and labelling have in common.
fn changing(route: Route) -> Route {
    of_version(route)
        .answers::<ResponseApi<Nothing>>(401, LOCKED)
        .answers::<ResponseApi<Nothing>>(412, PRECONDITION)
        .answers::<ResponseApi<Nothing>>(507, "The disk is full, or too many have a label.")
}

async fn list(call: Call) -> Answered {
    let inode = Inode::of(&call, "inodeId").await?;
    let limit = limit(&call)?;
    let after = call.parse_query::<NonZeroU32>("after", WHOLE_NUMBER)?;
    let all = call.dav.history(&inode.ask).await?.into_iter();
    let mut rest = all.filter(|version| after.is_none_or(|after| version.number < after.get()));
    let page: Vec<VersionView> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last());
    let next = next.map(|last| last.number.to_string());
    let names = names(&call, &page).await?;
    let told = |version| ProjectInodeVersionDto::new(version, &names);
    Ok(ok(Listing {
        items: page.into_iter().map(told).collect(),
        next,
    }))
}

async fn get(call: Call) -> Answered {
    let number = number(&call, "number")?;
    let inode = Inode::of(&call, "inodeId").await?;
    let version = call.dav.version(&inode.ask, number).await;
    tell(&call, version.map_err(no_version)?).await
}

async fn fetch(call: Call) -> Answered {
    let number = number(&call, "number")?;
    let mut inode = Inode::of(&call, "inodeId").await?;
    let unconditional = inode.ask.clone();
    inode.ask.conditions = Conditions::from_headers(&call.headers)?;
    match call.dav.read_version(&inode.ask, number).await {
        Err(DavError::NotModified) => {
            let read = call.dav.read_version(&unconditional, number).await;
            Ok(download::not_modified(&read.map_err(no_version)?.0))
        }
        read => send(&call, read.map_err(no_version)?).await,
    }
}

async fn compare(call: Call) -> Answered {
    let numbers = [number(&call, "number")?, number(&call, "other")?];
    let inode = Inode::of(&call, "inodeId").await?;
    let compared = call.dav.compare_versions(&inode.ask, numbers).await;
    let compared = compared.map_err(no_version)?;
    let names = names(&call, [&compared.from, &compared.to]).await?;
    Ok(ok(VersionComparisonDto::new(compared, &names)))
}

async fn restore(mut call: Call) -> Answered {
    let number = number(&call, "number")?;
    let body: RestoreVersion = call.json_or_default().await?;
    let mut inode = changeable(&call, body.lock_id).await?;
    let restored = call.dav.restore(&inode.ask, number).await;
    inode.detail.resource = restored.map_err(no_version)?.file;
    Ok(ok(inode.dto_anew(&call).await))
}

async fn label(mut call: Call) -> Answered {
    let number = number(&call, "number")?;
    let body: LabelVersion = call.json().await?;
    let inode = changeable(&call, body.lock_id).await?;
    let label = body.label.0.as_deref();
    let labelled = call.dav.label(&inode.ask, number, label).await;
    tell(&call, labelled.map_err(no_version)?).await
}

/// The file with the request's conditions, which are of its present version, and the lock that is
/// named.
async fn changeable(call: &Call, under: Option<LockId>) -> Result<Inode, Fault> {
    let mut inode = Inode::of(call, "inodeId").await?;
    inode.ask.conditions = Conditions::from_headers(&call.headers)?;
    inode.ask.lock_token = under.map(|id| id.0.to_string());
    Ok(inode)
}

async fn tell(call: &Call, version: VersionView) -> Answered {
    let names = names(call, [&version]).await?;
    Ok(ok(ProjectInodeVersionDto::new(version, &names)))
}

/// The names of the authors.
async fn names(
    call: &Call,
    versions: impl IntoIterator<Item = &VersionView>,
) -> Result<Names, Fault> {
    let mut ids: Vec<_> = versions.into_iter().map(|version| version.author).collect();
    ids.sort_unstable();
    ids.dedup();
    let known = access::find_all(&call.dav, &ids).await;
    let known = known.map_err(|error| DavError::Internal(error.to_string()))?;
    Ok(known.into_iter().map(|user| (user.id, user.name)).collect())
}

fn number(call: &Call, name: &str) -> Result<u32, Fault> {
    Ok(call.parse::<NonZeroU32>(name, WHOLE_NUMBER)?.get())
}

/// The file itself was found a moment ago.
fn no_version(error: DavError) -> Fault {
    match error {
        DavError::NotFound => NO_VERSION,
        other => other.into(),
    }
}
