//! Folders: what is in them, making, renaming and removing them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::dto::{FileOperationDto, FolderContentDto, FolderDto};
use super::entry::path_parts;
use super::envelope::{Asked, Envelope};
use super::fileops::{self, DELETE};
use super::files::Delete;
use super::listing::{self, Selection, with_selection};
use super::seek;
use crate::ops::target::{Destination, Target};
use crate::protocol::headers::Overwrite;
use crate::resource::ResourceId;
use crate::web::api::call::Call;
use crate::web::api::route::{Answered, Route};

const TAG: &str = "Folders";
const ID: &str = "The id of the folder";

/// What a folder is called.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct CreateFolder {
    #[schemars(length(min = 1, max = 255))]
    pub(super) title: String,
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = listings();
    routes.extend([
        Route::get(
            "/api/2.0/files/folder/{folderId}",
            "getFolderInfo",
            |call| Box::pin(info(call)),
        )
        .about(TAG, "A folder", "")
        .path::<u64>("folderId", ID)
        .answers::<Envelope<FolderDto>>(200, "The folder"),
        Route::get(
            "/api/2.0/files/folder/{folderId}/path",
            "getFolderPath",
            |call| Box::pin(path(call)),
        )
        .about(TAG, "The way to a folder", "")
        .path::<u64>("folderId", ID)
        .answers::<Envelope<Vec<FolderDto>>>(200, "From the root down to the folder itself"),
        Route::post("/api/2.0/files/folder/{folderId}", "createFolder", |call| {
            Box::pin(make(call))
        })
        .about(TAG, "Make a folder", "")
        .path::<u64>("folderId", "The id of the folder in which it is made")
        .json::<CreateFolder>()
        .answers::<Envelope<FolderDto>>(200, "The new folder"),
        Route::put("/api/2.0/files/folder/{folderId}", "renameFolder", |call| {
            Box::pin(rename(call))
        })
        .about(TAG, "Rename a folder", "")
        .path::<u64>("folderId", ID)
        .json::<CreateFolder>()
        .answers::<Envelope<FolderDto>>(200, "The folder as it is now"),
        Route::delete("/api/2.0/files/folder/{folderId}", "deleteFolder", |call| {
            Box::pin(delete(call))
        })
        .about(
            TAG,
            "Delete a folder",
            "With all that is in it, at once and for good, or nothing.",
        )
        .path::<u64>("folderId", ID)
        .optional_json::<Delete>()
        .answers::<Envelope<Vec<FileOperationDto>>>(200, "It is done"),
    ]);
    routes
}

fn listings() -> Vec<Route> {
    let listed = "The folder and a page of what is in it";
    vec![
        with_selection(
            Route::get("/api/2.0/files/@my", "getMyFolder", |call| {
                Box::pin(my(call))
            })
            .about(TAG, "The root folder", "What this user may see of it."),
        )
        .answers::<Envelope<FolderContentDto>>(200, listed),
        with_selection(
            Route::get("/api/2.0/files/@root", "getRootFolders", |call| {
                Box::pin(root(call))
            })
            .about(TAG, "All root folders", "There is one, the same as `@my`."),
        )
        .answers::<Envelope<Vec<FolderContentDto>>>(200, "The one root folder"),
        with_selection(
            Route::get("/api/2.0/files/{folderId}", "getFolderByFolderId", |call| {
                Box::pin(list(call))
            })
            .about(TAG, "What is in a folder", "")
            .path::<u64>("folderId", ID),
        )
        .answers::<Envelope<FolderContentDto>>(200, listed),
    ]
}

async fn my(call: Call) -> Answered {
    let asked = Asked::by(&call);
    Ok(asked.one(content_of_root(&call).await?))
}

async fn root(call: Call) -> Answered {
    let asked = Asked::by(&call);
    Ok(asked.list(vec![content_of_root(&call).await?]))
}

async fn content_of_root(call: &Call) -> Result<FolderContentDto, crate::web::api::fault::Fault> {
    let selection = Selection::of(call)?;
    let folder = seek::folder_by_id(call, ResourceId::ROOT).await?;
    listing::content(call, &folder, &selection).await
}

async fn list(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let selection = Selection::of(&call)?;
    let folder = seek::folder(&call, "folderId").await?;
    Ok(asked.one(listing::content(&call, &folder, &selection).await?))
}

async fn info(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let folder = seek::folder(&call, "folderId").await?;
    Ok(asked.one(seek::tell_folder(&call, &folder).await?))
}

async fn path(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let folder = seek::folder(&call, "folderId").await?;
    let mut way = Vec::new();
    for step in path_parts(&folder) {
        way.push(seek::tell_folder_anew(&call, ResourceId(step.id)).await?);
    }
    Ok(asked.list(way))
}

async fn make(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let parent = seek::folder(&call, "folderId").await?.resource.id;
    let wanted: CreateFolder = call.json().await?;
    let target = Target::Member(parent, seek::name(&wanted.title)?);
    let ask = call.ask(target.clone())?;
    call.dav.make_collection(&ask).await.map_err(seek::clash)?;
    Ok(asked.one(seek::tell_folder_anew(&call, target).await?))
}

async fn rename(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let folder = seek::folder(&call, "folderId").await?;
    let wanted: CreateFolder = call.json().await?;
    if wanted.title != folder.resource.name {
        let to = Destination::Sibling(seek::name(&wanted.title)?);
        let ask = call.ask(folder.resource.id)?;
        call.dav
            .relocate(&ask, to, Overwrite::No)
            .await
            .map_err(seek::clash)?;
    }
    Ok(asked.one(seek::tell_folder_after(&call, &folder).await?))
}

async fn delete(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let folder = seek::folder(&call, "folderId").await?;
    let _: Delete = call.json_or_default().await?;
    call.dav.delete(&call.ask(folder.resource.id)?).await?;
    Ok(asked.list(vec![fileops::done(DELETE, 1)]))
}
