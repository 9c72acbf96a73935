//! What DocSpace has and this server has not: 501 instead of 404, so that nobody looks for the
//! mistake in an id. Its own calendar, chat, portal and forms are what they are about.

use futures_util::future::ready;
use http::Method;

use crate::web::api::fault::Fault;
use crate::web::api::route::Route;

/// Whole parts of DocSpace's API; everything below them counts.
const PARTS: &[&str] = &[
    "/api/2.0/accounts/{*}",
    "/api/2.0/ai/{*}",
    "/api/2.0/backup/{*}",
    "/api/2.0/capabilities/{*}",
    "/api/2.0/clients/{*}",
    "/api/2.0/group/{*}",
    "/api/2.0/keys/{*}",
    "/api/2.0/migration/{*}",
    "/api/2.0/portal/{*}",
    "/api/2.0/scopes/{*}",
    "/api/2.0/security/{*}",
    "/api/2.0/settings/{*}",
    "/api/2.0/smtpsettings/{*}",
    "/api/2.0/thirdparty/{*}",
    "/api/2.0/authentication/{code}/{*}",
    "/api/2.0/people/guests/{*}",
    "/api/2.0/people/invite/{*}",
    "/api/2.0/people/status/{*}",
    "/api/2.0/people/theme/{*}",
    "/api/2.0/people/thirdparty/{*}",
    "/api/2.0/people/type/{*}",
    "/api/2.0/files/@favorites/{*}",
    "/api/2.0/files/@privacy/{*}",
    "/api/2.0/files/@recent/{*}",
    "/api/2.0/files/@trash/{*}",
    "/api/2.0/files/favorites/{*}",
    "/api/2.0/files/fileops/{operation}/{*}",
    "/api/2.0/files/group/{*}",
    "/api/2.0/files/logos/{*}",
    "/api/2.0/files/masterform/{*}",
    "/api/2.0/files/recent/{*}",
    "/api/2.0/files/rooms/{*}",
    "/api/2.0/files/roomtemplate/{*}",
    "/api/2.0/files/settings/{*}",
    "/api/2.0/files/share/{*}",
    "/api/2.0/files/tags/{*}",
    "/api/2.0/files/templates/{*}",
    "/api/2.0/files/thirdparty/{*}",
    "/api/2.0/files/thumbnails/{*}",
];

/// Single addresses of files and folders.
const ADDRESSES: &[&str] = &[
    "/api/2.0/files/@my/file",
    "/api/2.0/files/@my/html",
    "/api/2.0/files/@my/insert",
    "/api/2.0/files/@my/text",
    "/api/2.0/files/{id}/file",
    "/api/2.0/files/{id}/formfilter",
    "/api/2.0/files/{id}/html",
    "/api/2.0/files/{id}/insert",
    "/api/2.0/files/{id}/news",
    "/api/2.0/files/{id}/order",
    "/api/2.0/files/{id}/session",
    "/api/2.0/files/{id}/subfolders",
    "/api/2.0/files/{id}/text",
    "/api/2.0/files/file/{id}/checkconversion",
    "/api/2.0/files/file/{id}/comment",
    "/api/2.0/files/file/{id}/copyas",
    "/api/2.0/files/file/{id}/customfilter",
    "/api/2.0/files/file/{id}/edit_session",
    "/api/2.0/files/file/{id}/link",
    "/api/2.0/files/file/{id}/links",
    "/api/2.0/files/file/{id}/log",
    "/api/2.0/files/file/{id}/openedit",
    "/api/2.0/files/file/{id}/order",
    "/api/2.0/files/file/{id}/presigned",
    "/api/2.0/files/file/{id}/recent",
    "/api/2.0/files/file/{id}/saveediting",
    "/api/2.0/files/file/{id}/sharedusers",
    "/api/2.0/files/file/{id}/startedit",
    "/api/2.0/files/file/{id}/startfilling",
    "/api/2.0/files/file/{id}/trackeditfile",
    "/api/2.0/files/folder/{id}/link",
    "/api/2.0/files/folder/{id}/links",
    "/api/2.0/files/folder/{id}/log",
    "/api/2.0/files/folder/{id}/order",
];

/// Those that are served with one method and, in DocSpace, with others too.
const METHODS: &[(Method, &str)] = &[
    (Method::PUT, "/api/2.0/files/file/{fileId}/history"),
    (Method::POST, "/api/2.0/people"),
    (Method::PUT, "/api/2.0/people/{userid}"),
    (Method::DELETE, "/api/2.0/people/{userid}"),
    (Method::DELETE, "/api/2.0/people/@self"),
];

pub(super) fn routes() -> Vec<Route> {
    let all = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    let addresses = PARTS.iter().chain(ADDRESSES);
    let unknown = addresses.flat_map(|address| all.iter().map(|method| row(method, address)));
    let more = METHODS.iter().map(|(method, address)| row(method, address));
    unknown.chain(more).collect()
}

fn row(method: &Method, address: &'static str) -> Route {
    Route::new(method.clone(), address, "", |_| {
        Box::pin(ready(Err(Fault::NotServed)))
    })
    .hidden()
}
