//! The bytes of files: uploads as forms, downloads by id.

use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;

use super::dto::FileDto;
use super::envelope::{Asked, Envelope, Failure};
use super::fileops::numbered_name;
use super::seek;
use crate::ops::Ask;
use crate::ops::content::{Manner, Source};
use crate::ops::intake::Intake;
use crate::ops::target::Target;
use crate::protocol::error::DavError;
use crate::protocol::headers::Conditions;
use crate::protocol::path::Name;
use crate::resource::{Resource, ResourceId};
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::media_type::ANY;
use crate::web::api::multipart::Form;
use crate::web::api::route::{Answered, Route, schema_of};
use crate::web::download;

const TAG: &str = "Content";
/// Names that are tried for a file that must be new.
const NAMES_MAX: usize = 1000;

/// A file in a form.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read as it comes; only its schema is used")]
struct UploadForm {
    /// The file, with its name.
    #[serde(rename = "File")]
    #[schemars(extend("format" = "binary"))]
    file: String,
}

/// The bytes of a file.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "sent as it comes; only its schema is used")]
struct Bytes(#[schemars(extend("format" = "binary"))] String);

pub(super) fn routes() -> Vec<Route> {
    vec![
        upload_route("/api/2.0/files/{folderId}/upload", "uploadFile")
            .path::<u64>("folderId", "The id of the folder"),
        upload_route("/api/2.0/files/@my/upload", "uploadFileToMy"),
        Route::put(
            "/api/2.0/files/{fileId}/update",
            "updateFileContent",
            |call| Box::pin(update(call)),
        )
        .about(TAG, "Upload the next version of a file", "")
        .path::<u64>("fileId", "The id of the file")
        .multipart::<UploadForm>()
        .answers::<Envelope<FileDto>>(200, "The file as it is now"),
        Route::get(
            "/api/2.0/files/file/{fileId}/download",
            "downloadFile",
            |call| Box::pin(fetch(call)),
        )
        .about(
            TAG,
            "The bytes of a file",
            "`Range` and conditions count, as on WebDAV.",
        )
        .path::<u64>("fileId", "The id of the file")
        .query::<i64>(
            "version",
            "The number of a version; 0 or less: the present one",
        )
        .answer(200, "The bytes", Some((ANY, schema_of::<Bytes>())))
        .answer(
            206,
            "The ranges that were asked for",
            Some((ANY, schema_of::<Bytes>())),
        )
        .answer(304, "The client has this version", None)
        .answers::<Failure>(412, "A condition of the request does not hold")
        .answers::<Failure>(416, "None of the ranges lies within the file"),
        Route::get(
            "/api/2.0/files/file/{fileId}/presigneduri",
            "getPresignedUri",
            |call| Box::pin(uri(call)),
        )
        .about(
            TAG,
            "Where the bytes of a file are",
            "Signing in is needed there as well.",
        )
        .path::<u64>("fileId", "The id of the file")
        .answers::<Envelope<String>>(200, "The URL"),
    ]
}

fn upload_route(template: &'static str, operation: &'static str) -> Route {
    Route::post(template, operation, |call| Box::pin(upload(call)))
        .about(
            TAG,
            "Upload a file into a folder",
            "A file of the same name gets its next version, unless createNewIfExist is true.",
        )
        .query::<bool>(
            "createNewIfExist",
            "Whether a taken name gets a number behind it",
        )
        .multipart::<UploadForm>()
        .answers::<Envelope<Vec<FileDto>>>(200, "The file")
}

async fn upload(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let folder = match call.parameter("folderId") {
        "" => ResourceId::ROOT,
        _ => seek::folder(&call, "folderId").await?.resource.id,
    };
    let fresh = create_new_if_exist(&call)?;
    let mut form = call.multipart()?;
    let head = form.seek_file().await?;
    let title = head.name.unwrap_or_default();
    let target = if fresh {
        free_target(&call, folder, &title).await?
    } else {
        Target::Member(folder, seek::name(&title)?)
    };
    let mut ask = call.ask(target)?;
    if fresh {
        ask.conditions = must_be_new()?;
    }
    let id = pour(&call, &ask, form, head.media_type).await?.id;
    Ok(asked.list(vec![seek::tell_file_anew(&call, id).await?]))
}

/// Some clients spell it with a capital.
fn create_new_if_exist(call: &Call) -> Result<bool, Fault> {
    let Some(told) = call.query("createNewIfExist") else {
        return Ok(false);
    };
    match told.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::bad_request(format!(
            "createNewIfExist must be true or false, not {told:?}"
        ))),
    }
}

async fn update(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    let ask = call.ask(detail.resource.id)?;
    let mut form = call.multipart()?;
    let head = form.seek_file().await?;
    pour(&call, &ask, form, head.media_type).await?;
    Ok(asked.one(seek::tell_file_after(&call, &detail).await?))
}

/// Asks for leave, takes the bytes in, and asks again when they are named.
async fn pour(
    call: &Call,
    ask: &Ask,
    mut form: Form,
    media_type: Option<String>,
) -> Result<Resource, Fault> {
    call.dav.may_upload(ask).await.map_err(told)?;
    let mut intake = Intake::new(&call.dav, None)?;
    form.pour(&mut intake).await?;
    let generic = "application/octet-stream";
    let content = intake
        .finish(media_type.filter(|sent| sent != generic))
        .await?;
    let uploaded = call.dav.upload(ask, content, Manner::default()).await;
    Ok(uploaded.map_err(told)?.file)
}

/// What stands there is a folder, or has come in between.
fn told(error: DavError) -> Fault {
    match error {
        DavError::PreconditionFailed(_) => seek::clash(error),
        other => other.into(),
    }
}

fn must_be_new() -> Result<Conditions, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    Ok(Conditions::from_headers(&headers)?)
}

/// A name in the folder that is not taken: `plan.docx`, `plan (1).docx`, …
async fn free_target(call: &Call, folder: ResourceId, title: &str) -> Result<Target, Fault> {
    for number in 0..NAMES_MAX {
        let name: Name = match number {
            0 => seek::name(title)?,
            _ => seek::name(&numbered_name(title, number, false))?,
        };
        let target = Target::Member(folder, name);
        match call.dav.find(&call.ask(target.clone())?).await {
            Err(DavError::NotFound) => return Ok(target),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(DavError::Conflict(format!(
        "{NAMES_MAX} files of this name are there already; choose another"
    ))
    .into())
}

async fn fetch(call: Call) -> Answered {
    let id = seek::file(&call, "fileId").await?.resource.id;
    let mut ask = call.ask(id)?;
    ask.conditions = Conditions::from_headers(&call.headers)?;
    let version = call.parse_query::<i64>("version", "a whole number")?;
    let version = version.unwrap_or(0);
    let (resource, source) = match open(&call, &ask, version).await {
        Err(DavError::NotModified) => {
            let (resource, _) = open(&call, &call.ask(id)?, version).await?;
            return Ok(download::not_modified(&resource));
        }
        opened => opened?,
    };
    let size = resource.size().unwrap_or(0);
    let mut response = download::answer(&call.headers, &resource, source, size).await?;
    download::name_attachment(&resource, response.headers_mut());
    Ok(response)
}

async fn open(call: &Call, ask: &Ask, version: i64) -> Result<(Resource, Source), DavError> {
    if version <= 0 {
        return call.dav.read_content(ask).await;
    }
    let number = u32::try_from(version).map_err(|_| DavError::NotFound)?;
    call.dav.read_version(ask, number).await
}

async fn uri(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "fileId").await?;
    Ok(asked.one(seek::tell_file(&call, &detail).await?.view_url))
}
