//! The check-out API: CheckOut, CheckIn, StealLock and RefreshLock, uploads of new versions, the
//! versions of a file, and what a client needs to find its way.

mod dto;
mod files;
mod locks;
mod versions;

use super::media_type::{ANY, JSON};
use super::response_api::{self, Nothing, ResponseApi};
use super::route::{Route, schema_of};
use super::{Face, token};
use dto::{
    CheckIn, CheckOut, HexId, Listing, ProjectDto, ProjectInodeDto, ProjectInodeLockDto,
    RefreshLock, StealLock, UploadForm,
};

use crate::event;
use crate::web::auth::Credentials;

/// The face.
pub(super) fn face() -> Face {
    let mut routes = vec![token::route()];
    routes.extend(lock_routes());
    routes.extend(file_routes());
    routes.extend(versions::routes());
    Face {
        prefix: "/api",
        name: event::Face::CheckOut,
        routes,
        unserved: &[],
        refuse: response_api::refuse,
        error: (JSON, schema_of::<ResponseApi<Nothing>>()),
        credentials: Credentials::in_authorization,
    }
}

const PROJECT: &str = "The project: a collection at the top of the tree.";
const INODE: &str = "The file or folder, which keeps its id when it is renamed or moved.";
const LOCKED: &str = "ErrorCode 22 (FILE_ALREADY_LOCK): somebody's lock stands in the way. \
    ErrorCode 2 (UNAUTHORIZED): nobody is signed in.";
const CONFLICT: &str = "ErrorCode 24 (LOCK_CONFLICT): the lock is not as the request supposes, or \
    cannot be had. ErrorCode 23 (FILE_NOT_LOCK): there is no lock. ErrorCode 11 (INTERNAL): the \
    server's own fault.";
const MANY_LOCKS: &str = "The lock that stands. Where several do: the check-out, before a freeze, \
    before the lock of a program.";

fn lock_routes() -> Vec<Route> {
    vec![
        of_locks(
            Route::post(
                "/api/project/{projectId}/inode/{inodeId}/checkout",
                "Project_CheckOut",
                |call| Box::pin(locks::check_out(call)),
            )
            .optional_json::<CheckOut>(),
            "Check a file out",
            "Takes a lock for the user who asks: persistent unless the body says otherwise. A \
             file on which any lock stands, also one of the same user, is refused with 401 and \
             ErrorCode 22. A folder is locked with everything in it.",
        ),
        of_locks(
            Route::post(
                "/api/project/{projectId}/inode/{inodeId}/checkin",
                "Project_CheckIn",
                |call| Box::pin(locks::check_in(call)),
            )
            .optional_json::<CheckIn>(),
            "Check a file in",
            "Ends the lock that lockId names; without it the user's own check-out, else the \
             user's own freeze, else, for a holder of SuperCheckIn, whatever lock stands. Answers \
             with the lock that has ended.",
        ),
        of_locks(
            Route::post(
                "/api/project/{projectId}/inode/{inodeId}/steallock",
                "Project_StealLock",
                |call| Box::pin(locks::steal(call)),
            )
            .optional_json::<StealLock>(),
            "Take somebody's check-out over",
            "In one step the persistent lock ends and one of the user who asks begins. Needs \
             SuperCheckIn. With lockId only that lock is replaced, so of several thieves one \
             wins and the others get LOCK_CONFLICT.",
        ),
        of_locks(
            Route::post(
                "/api/project/{projectId}/inode/{inodeId}/refreshlock",
                "Project_RefreshLock",
                |call| Box::pin(locks::refresh(call)),
            )
            .json::<RefreshLock>(),
            "Let a transient lock run anew",
            "The 30 minutes, or what timeout says, start again. A persistent or read-only lock \
             does not expire and stays as it is.",
        ),
        about_inode(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}/lock",
                "Project_GetLock",
                |call| Box::pin(locks::get(call)),
            )
            .about(
                "Project",
                "See who holds a file",
                "Result is null where no lock stands.",
            )
            .answers::<ResponseApi<ProjectInodeLockDto>>(200, MANY_LOCKS),
        ),
    ]
}

fn file_routes() -> Vec<Route> {
    vec![
        Route::get("/api/project", "Project_List", |call| {
            Box::pin(files::projects(call))
        })
        .about(
            "Project",
            "List the projects",
            "Those that the user who asks may read.",
        )
        .query::<String>("after", AFTER)
        .query::<dto::Limit>("limit", LIMIT)
        .answers::<ResponseApi<Listing<ProjectDto>>>(200, "One page of projects by name."),
        Route::get("/api/project/{projectId}", "Project_Get", |call| {
            Box::pin(files::project(call))
        })
        .about("Project", "See a project", "")
        .path::<HexId>("projectId", PROJECT)
        .answers::<ResponseApi<ProjectDto>>(200, "The project."),
        about_inode(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}",
                "Project_GetInode",
                |call| Box::pin(files::inode(call)),
            )
            .about("Project", "See a file or folder with its locks", "")
            .answers::<ResponseApi<ProjectInodeDto>>(200, "The file or folder."),
        ),
        Route::get(
            "/api/project/{projectId}/folder/{folderId}",
            "Project_ListFolder",
            |call| Box::pin(files::members(call)),
        )
        .about(
            "Project",
            "List a folder",
            "The id of a project is that of its top folder.",
        )
        .path::<HexId>("projectId", PROJECT)
        .path::<HexId>("folderId", "The folder.")
        .query::<String>("after", AFTER)
        .query::<dto::Limit>("limit", LIMIT)
        .answers::<ResponseApi<Listing<ProjectInodeDto>>>(200, "One page of members by name."),
        about_inode(
            Route::get(
                "/api/project/{projectId}/inode/{inodeId}/content",
                "Project_Download",
                |call| Box::pin(files::download(call)),
            )
            .about(
                "Project",
                "Download a file",
                "Understands Range, If-Range, If-None-Match and If-Modified-Since as any GET.",
            )
            .answer(200, "The file.", Some((ANY, dto::content)))
            .answer(206, "The part that Range names.", Some((ANY, dto::content)))
            .answer(304, "The client has this version.", None)
            .answers::<ResponseApi<Nothing>>(412, PRECONDITION)
            .answers::<ResponseApi<Nothing>>(416, "The file has no such part."),
        ),
        Route::post(
            "/api/project/{projectId}/folder/{folderId}/inode/{inodeId}/version",
            "Project_UploadNewVersion",
            |call| Box::pin(files::upload(call)),
        )
        .about(
            "Project",
            "Upload a new version",
            "With checkIn the upload and the check-in are one step: both happen or neither. A \
             client that sends Expect: 100-continue hears of a lock before it sends the file.",
        )
        .path::<HexId>("projectId", PROJECT)
        .path::<HexId>("folderId", "The folder that holds the file.")
        .path::<HexId>("inodeId", INODE)
        .multipart::<UploadForm>()
        .answers::<ResponseApi<ProjectInodeDto>>(200, "The file as it is now.")
        .answers::<ResponseApi<Nothing>>(401, LOCKED)
        .answers::<ResponseApi<Nothing>>(412, PRECONDITION)
        .answers::<ResponseApi<Nothing>>(500, CONFLICT)
        .answers::<ResponseApi<Nothing>>(507, "The disk is full."),
    ]
}

const AFTER: &str = "Go on behind this name: what next of the page before said.";
const LIMIT: &str = "How many at most, 1 to 1000.";
const PRECONDITION: &str = "A condition of the request (If-Match, …) does not hold.";

fn about_inode(route: Route) -> Route {
    route
        .path::<HexId>("projectId", PROJECT)
        .path::<HexId>("inodeId", INODE)
}

/// What the calls that take and end locks have in common.
fn of_locks(route: Route, summary: &'static str, description: &'static str) -> Route {
    about_inode(route.about("Project", summary, description))
        .answers::<ResponseApi<ProjectInodeLockDto>>(200, "The lock.")
        .answers::<ResponseApi<Nothing>>(401, LOCKED)
        .answers::<ResponseApi<Nothing>>(500, CONFLICT)
}
