//! The versions of files over WebDAV, to be read and copied: the report `DAV:version-tree` (RFC
//! 3253 §3.7) on a file, and a collection that programs which know no versions can open.
//!
//! That collection mirrors the tree: a collection there stands for each collection and for each
//! file, and what stands for a file holds its versions. It is not a member of `/`, for whoever
//! copies, synchronises or searches the whole tree would get every version of every file with it,
//! and `rclone sync` from there to somewhere would try to delete them.
//!
//! Nothing is decided here: what may be seen is what [`Dav::find`], [`Dav::search`],
//! [`Dav::history`] and [`Dav::read_version`] show.

mod name;
mod node;
mod properties;

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use node::{Kind, Node, Nodes, Spot};
use properties::Rendering;

use super::listing::{self, Row};
use super::pages::Written;
use super::{Answer, Call, answer, answered, options, pages, relocate};
use crate::ops::Dav;
use crate::ops::access::Principal;
use crate::protocol::error::DavError;
use crate::protocol::headers::{Depth, Overwrite, Safe, Validators};
use crate::protocol::path::{DavPath, NAME_BYTES_MAX};
use crate::protocol::time::Timestamp;
use crate::protocol::xml::{
    Multistatus, PropfindRequest, ReportRequest, parse_propfind, parse_report,
};
use crate::resource::Resource;
use crate::web::body::{Body, RequestBody};
use crate::web::download;

/// Where it is. What follows is a path of the tree.
const HISTORY: &str = "/.lockkeeper/history";

/// What holds it.
const ABOVE: &str = "/.lockkeeper/";

/// The methods that are served there. Every LOCK is refused, but LibreOffice has to ask: where it
/// believes that there are no locks, it lets people edit what they cannot save.
const ALLOW: &str = "OPTIONS, GET, HEAD, COPY, PROPFIND, REPORT, LOCK";

/// Answers a request about `/.lockkeeper/history`, something below or the collection above.
pub(in crate::web) async fn respond(
    dav: &Arc<Dav>,
    principal: &Principal,
    now: Timestamp,
    request: Request<RequestBody>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let read = parse(dav, parts.uri.path())
        .and_then(|path| Call::read(dav, principal, now, path, parts.headers, body));
    let mut response = match read {
        Ok(call) => {
            let told = call.told();
            answered(&parts.method, &told, dispatch(&parts.method, call).await)
        }
        Err(error) => answer::refusal(&error),
    };
    // Also where the words of the whole tree were used: in an answer to OPTIONS, and in a 405.
    if let Some(allow) = response.headers_mut().get_mut(header::ALLOW) {
        *allow = HeaderValue::from_static(ALLOW);
    }
    response
}

/// Every path of the tree can be read here, although it is longer by the names in front and by
/// that of a version.
fn parse(dav: &Dav, path: &str) -> Result<DavPath, DavError> {
    const ENCODED_BYTE: usize = "%00".len();
    let longer = HISTORY.len() + "/".len() + NAME_BYTES_MAX * ENCODED_BYTE;
    let max = dav.config().limits.path_bytes_max + longer;
    Ok(DavPath::parse(path, max)?)
}

async fn dispatch(method: &Method, call: Call) -> Answer {
    match method.as_str() {
        "OPTIONS" => Ok(options()),
        "GET" => get(call).await,
        "HEAD" => head(call).await,
        "PROPFIND" => propfind(call).await,
        "REPORT" => report_of_version(call).await,
        "COPY" => copy(call).await,
        // 423 although there is no lock: davfs2 then says "Permission denied" when a file is opened
        // for writing, and LibreOffice offers to open it read-only; of a 403 both make an error.
        "LOCK" => Err(DavError::NeverLocked(
            "the history of a file is never changed, so nothing in it can be locked; open it \
             read-only, or lock the file itself"
                .to_owned(),
        )),
        "PUT" | "DELETE" | "MKCOL" | "MOVE" | "PROPPATCH" | "UNLOCK" => {
            Err(DavError::Forbidden(format!(
                "{HISTORY} shows the versions of the files and is read-only; what changes a file \
                 is asked at the file's own address"
            )))
        }
        _ => Err(DavError::NotAllowedHere(format!(
            "the history of files is only looked at; {HISTORY} knows {ALLOW}"
        ))),
    }
}

async fn get(mut call: Call) -> Answer {
    let members = match Spot::find(&mut call).await? {
        Spot::Version(_, number) => {
            let (then, source) = match call.dav.read_version(&call.ask, number).await {
                Err(DavError::NotModified) => return not_modified(&call, number).await,
                read => read?,
            };
            let size = then.size().ok_or(DavError::NotFound)?;
            return download::answer(&call.headers, &then, source, size).await;
        }
        Spot::Above(root) => {
            judge(&call, &root)?;
            let inside = Nodes::Listed(vec![node::top(root)]);
            return Ok(listing::table(ABOVE, None, "By", inside, row));
        }
        Spot::Collection(found) => {
            judge(&call, &found)?;
            Nodes::of_members(&call).await?
        }
        Spot::File(file) => {
            judge(&call, &file)?;
            Nodes::Listed(node::versions(&call, &file).await?)
        }
    };
    Ok(page(&call, members))
}

async fn head(mut call: Call) -> Answer {
    match Spot::find(&mut call).await? {
        Spot::Version(_, number) => {
            let (then, _) = match call.dav.read_version(&call.ask, number).await {
                Err(DavError::NotModified) => return not_modified(&call, number).await,
                read => read?,
            };
            let size = then.size().ok_or(DavError::NotFound)?;
            let mut response = answer::empty(StatusCode::OK);
            let headers = response.headers_mut();
            download::describe(&then, headers);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            Ok(response)
        }
        Spot::Above(found) | Spot::Collection(found) | Spot::File(found) => {
            judge(&call, &found)?;
            Ok(listing::head())
        }
    }
}

async fn not_modified(call: &Call, number: u32) -> Answer {
    let then = call.dav.read_version(&call.unconditional(), number).await;
    Ok(download::not_modified(&then?.0))
}

/// Collections have no entity tag here either.
fn judge(call: &Call, found: &Resource) -> Result<(), DavError> {
    let validators = Validators {
        etag: None,
        modified: found.modified,
    };
    call.ask.conditions.evaluate(Some(&validators), Safe::Yes)
}

/// From a version to somewhere in the tree: onto its own file, that restores it.
async fn copy(mut call: Call) -> Answer {
    let destination = relocate::destination(&call)?;
    let overwrite = Overwrite::from_headers(&call.headers)?;
    let Spot::Version(_, number) = Spot::find(&mut call).await? else {
        return Err(DavError::Forbidden(format!(
            "{HISTORY} gives its versions one at a time; only a version can be copied"
        )));
    };
    let outcome = call
        .dav
        .copy_version(&call.ask, number, &destination, overwrite)
        .await?;
    Ok(relocate::done(outcome))
}

/// A page for a browser.
fn page(call: &Call, members: Nodes) -> Response<Body> {
    let up = call.path.parent();
    let up = up.map(|parent| format!("{HISTORY}{}", parent.href(true)));
    let title = call.path.name().map_or("history", |name| name.as_str());
    listing::table(title, up.as_deref(), "By", members, row)
}

fn row(node: &Node) -> Row<'_> {
    let (size, modified, note) = match &node.kind {
        Kind::Collection(resource) => (None, resource.modified, String::new()),
        Kind::Version(version) => {
            let view = &version.view;
            let told = [version.author.as_deref(), view.label.as_deref()];
            let told = told.into_iter().flatten().collect::<Vec<_>>();
            (Some(view.size), view.modified, told.join(": "))
        }
    };
    Row {
        href: &node.href,
        name: &node.name,
        size,
        modified,
        note,
    }
}

async fn propfind(mut call: Call) -> Answer {
    let depth = call.depth(Depth::Infinity)?;
    let body = call.xml().await?;
    let request = parse_propfind(&body, &call.xml_limits())?;
    let spot = Spot::find(&mut call).await?;
    let rendering = Rendering::of_propfind(&call.dav, call.ask.principal.id, request)?;
    let nodes = match spot {
        Spot::Version(file, number) => {
            Nodes::Listed(vec![node::version(&call, &file, number).await?])
        }
        Spot::Above(_) | Spot::Collection(_) | Spot::File(_) if depth == Depth::Infinity => {
            return Err(DavError::FiniteDepthOnly(
                "the history is told one collection at a time; use depth 1".to_owned(),
            ));
        }
        Spot::Above(root) => Nodes::of_top(root, depth),
        Spot::Collection(_) => Nodes::of_collection(&call, depth).await?,
        Spot::File(file) => {
            let mut nodes = match depth {
                Depth::Zero => Vec::new(),
                Depth::One | Depth::Infinity => node::versions(&call, &file).await?,
            };
            nodes.insert(0, node::of_file(&call, file));
            Nodes::Listed(nodes)
        }
    };
    let write =
        move |multistatus: &mut Multistatus, node: &Node| rendering.write(multistatus, node);
    pages::multistatus(Written::new(nodes, write)).await
}

/// REPORT on a file of the tree. Like all that only looks, it asks nothing of locks.
pub(super) async fn report(mut call: Call) -> Answer {
    let wanted = read_report(&mut call).await?;
    let found = call.dav.find(&call.unconditional()).await?;
    if found.is_collection() {
        return Err(made_of_files_only());
    }
    version_tree(&call, &found, wanted).await
}

/// REPORT on a version tells the same.
async fn report_of_version(mut call: Call) -> Answer {
    let wanted = read_report(&mut call).await?;
    match Spot::find(&mut call).await? {
        Spot::Version(file, number) => {
            node::version(&call, &file, number).await?;
            version_tree(&call, &file, wanted).await
        }
        Spot::Above(_) | Spot::Collection(_) | Spot::File(_) => Err(made_of_files_only()),
    }
}

/// The answer is the same at any depth: a file has no members (RFC 3253 §3.6), and of collections
/// the report is not made.
async fn read_report(call: &mut Call) -> Result<ReportRequest, DavError> {
    call.depth(Depth::Zero)?;
    let body = call.xml().await?;
    parse_report(&body, &call.xml_limits())
}

async fn version_tree(call: &Call, file: &Resource, wanted: ReportRequest) -> Answer {
    let request: PropfindRequest = match wanted {
        ReportRequest::VersionTree(request) => request,
        ReportRequest::Unknown(name) => {
            return Err(DavError::UnsupportedReport(format!(
                "{name} is no report that is made here; of files there is {{DAV:}}version-tree"
            )));
        }
    };
    let rendering = Rendering::of_report(&call.dav, call.ask.principal.id, request)?;
    let versions = node::versions(call, file).await?;
    let write =
        move |multistatus: &mut Multistatus, node: &Node| rendering.write(multistatus, node);
    pages::multistatus(Written::new(Nodes::Listed(versions), write)).await
}

fn made_of_files_only() -> DavError {
    DavError::UnsupportedReport(
        "this is a collection, and reports are made of files only: {DAV:}version-tree".to_owned(),
    )
}

#[cfg(test)]
mod tests;
