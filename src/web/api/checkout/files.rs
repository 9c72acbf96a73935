//! Finding projects, folders and files by their ids, reading files and uploading new versions.

use http::{HeaderValue, header};

use super::dto::{HexId, Listing, ProjectDto, ProjectInodeDto, lock_id_of_field};
use crate::lock::LockKind;
use crate::ops::Ask;
use crate::ops::content::{Manner, Source, Then};
use crate::ops::detail::Detail;
use crate::ops::intake::Intake;
use crate::ops::properties::{Found, Look, Wanted};
use crate::ops::target::Target;
use crate::protocol::error::{DavError, RefusingLock};
use crate::protocol::headers::{Conditions, Depth};
use crate::protocol::path::DavPath;
use crate::resource::{Resource, ResourceId};
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::multipart::Form;
use crate::web::api::response_api::ok;
use crate::web::api::route::Answered;
use crate::web::download;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// What a call is about: something in a project.
pub(super) struct Inode {
    pub(super) project: ResourceId,
    pub(super) ask: Ask,
    pub(super) detail: Detail,
}

impl Inode {
    /// The thing that the parameter `name` names. What is in another project, or in none, is not
    /// there, and neither is what leaves the project while the call is under way.
    pub(super) async fn of(call: &Call, name: &str) -> Result<Self, Fault> {
        let project = id(call, "projectId")?;
        let within = Target::Within {
            project,
            folder: None,
            id: id(call, name)?,
        };
        let ask = call.ask(within)?;
        let detail = call.dav.detail(&ask).await?;
        Ok(Self {
            project,
            ask,
            detail,
        })
    }

    /// The folder that holds it, within the project.
    fn folder(&self) -> Option<ResourceId> {
        let parent = self.detail.parent;
        parent.filter(|folder| *folder != ResourceId::ROOT)
    }

    fn dto(&self) -> ProjectInodeDto {
        let Detail {
            resource,
            privileges,
            locks,
            ..
        } = &self.detail;
        ProjectInodeDto::new((self.project, self.folder()), resource, *privileges, locks)
    }

    /// The same after its next version was made, which is so whatever happened to it since.
    pub(super) async fn dto_anew(mut self, call: &Call) -> ProjectInodeDto {
        self.ask.target = self.detail.resource.id.into();
        self.ask.conditions = Conditions::default();
        if let Ok(detail) = call.dav.detail(&self.ask).await {
            self.detail = detail;
        }
        self.dto()
    }
}

fn id(call: &Call, name: &str) -> Result<ResourceId, Fault> {
    let id: HexId = call.parse(name, "32 hexadecimal digits")?;
    Ok(id.0)
}

pub(super) async fn projects(call: Call) -> Answered {
    let root = call.ask(DavPath::root())?;
    let to_dto = |found: Found| {
        let project = &found.resource;
        project
            .is_collection()
            .then(|| ProjectDto::new(project, found.privileges))
    };
    Ok(ok(page(&call, root, Look::Away, to_dto).await?))
}

pub(super) async fn project(call: Call) -> Answered {
    let inode = Inode::of(&call, "projectId").await?;
    let Detail {
        resource,
        privileges,
        ..
    } = &inode.detail;
    Ok(ok(ProjectDto::new(resource, *privileges)))
}

pub(super) async fn inode(call: Call) -> Answered {
    Ok(ok(Inode::of(&call, "inodeId").await?.dto()))
}

pub(super) async fn members(call: Call) -> Answered {
    let inode = Inode::of(&call, "folderId").await?;
    if !inode.detail.resource.is_collection() {
        return Err(Fault::bad_request(
            "folderId names a file; the members of a folder can be listed",
        ));
    }
    let within = (inode.project, Some(inode.detail.resource.id));
    let to_dto = |found: Found| {
        let Found {
            resource,
            privileges,
            locks,
            ..
        } = found;
        Some(ProjectInodeDto::new(within, &resource, privileges, &locks))
    };
    Ok(ok(page(&call, inode.ask, Look::Up, to_dto).await?))
}

/// How many items a page has at most.
pub(super) fn limit(call: &Call) -> Result<usize, Fault> {
    let limit = call
        .parse_query("limit", "1 to 1000")?
        .unwrap_or(LIMIT_DEFAULT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Fault::bad_request(format!(
        "limit must be 1 to 1000, not {limit}"
    )))
}

/// The members behind `after`, as many as `limit` says.
async fn page<T>(
    call: &Call,
    collection: Ask,
    locks: Look,
    to_dto: impl Fn(Found) -> Option<T>,
) -> Result<Listing<T>, Fault> {
    let limit = limit(call)?;
    let wanted = Wanted {
        dead: Look::Away,
        locks,
    };
    let search = call.dav.search(collection, Depth::One, wanted).await?;
    let mut search = search.behind(call.query("after"));
    let (mut items, mut next) = (Vec::new(), None);
    while let Some(found) = search.next_page().await? {
        for member in found {
            if items.len() == limit {
                return Ok(Listing { items, next });
            }
            next = Some(member.resource.name.clone());
            items.extend(to_dto(member));
        }
    }
    Ok(Listing { items, next: None })
}

pub(super) async fn download(call: Call) -> Answered {
    let mut inode = Inode::of(&call, "inodeId").await?;
    let Some(_) = inode.detail.resource.size() else {
        return Err(Fault::bad_request(
            "a folder has no content; list its members",
        ));
    };
    inode.ask.conditions = Conditions::from_headers(&call.headers)?;
    match call.dav.read_content(&inode.ask).await {
        Err(DavError::NotModified) => Ok(download::not_modified(&inode.detail.resource)),
        opened => send(&call, opened?).await,
    }
}

/// Sends the bytes of one version.
pub(super) async fn send(call: &Call, (resource, source): (Resource, Source)) -> Answered {
    let size = resource.size().unwrap_or(0);
    let mut response = download::answer(&call.headers, &resource, source, size).await?;
    let headers = response.headers_mut();
    download::name_attachment(&resource, headers);
    // The entity tag lets a client ask whether its copy is still good.
    let value = HeaderValue::from_static("private, no-cache");
    headers.insert(header::CACHE_CONTROL, value);
    Ok(response)
}

pub(super) async fn upload(mut call: Call) -> Answered {
    let folder = id(&call, "folderId")?;
    let mut inode = Inode::of(&call, "inodeId").await?;
    if inode.folder() != Some(folder) {
        return Err(DavError::NotFound.into());
    }
    // It may be moved while its next version is on the way.
    inode.ask.target = Target::Within {
        project: inode.project,
        folder: Some(folder),
        id: inode.detail.resource.id,
    };
    inode.ask.conditions = Conditions::from_headers(&call.headers)?;
    may_upload(&call, &inode.ask).await?;
    let mut form = call.multipart()?;
    let file = form.seek_file().await?;
    let mut intake = Intake::new(&call.dav, form.length())?;
    form.pour(&mut intake).await?;
    let manner = read_fields(&mut inode.ask, &form)?;
    let generic = |told: &String| !told.eq_ignore_ascii_case("application/octet-stream");
    let content = intake.finish(file.media_type.filter(generic)).await?;
    let uploaded = call.dav.upload(&inode.ask, content, manner).await?;
    inode.detail.resource = uploaded.file;
    Ok(ok(inode.dto_anew(&call).await))
}

/// Refuses before the body is sent what would be refused afterwards. Only where a transient lock
/// of the same user stands in the way, the form may still name it; beside a shared one that is
/// named, those of others do not refuse either (RFC 4918 §6.2).
async fn may_upload(call: &Call, ask: &Ask) -> Result<(), Fault> {
    let may_be_named =
        |lock: &RefusingLock| lock.kind == LockKind::Transient && lock.holder == ask.principal.name;
    match call.dav.may_upload(ask).await {
        Err(DavError::Locked(locks)) if locks.iter().any(may_be_named) => Ok(()),
        checked => Ok(checked.map(drop)?),
    }
}

/// The fields beside the file: `lockId` goes into the ask, too.
fn read_fields(ask: &mut Ask, form: &Form) -> Result<Manner, Fault> {
    let under = lock_id_of_field(form.field("lockId"))?.map(|id| id.0);
    ask.lock_token = under.map(|token| token.to_string());
    let then = match form.field("checkIn") {
        // C# spells them with a capital.
        Some("true" | "True") => Then::CheckIn(under),
        Some("false" | "False") | None => Then::Nothing,
        Some(other) => {
            return Err(Fault::bad_request(format!(
                "checkIn must be true or false, not {other:?}"
            )));
        }
    };
    Ok(Manner {
        under,
        then,
        ..Manner::default()
    })
}
