//! The DocSpace-compatible API below `/api/2.0`: the calls of ONLYOFFICE DocSpace that concern
//! files, their locks and the people who share them, on the same operations as every other face.
//! Nothing here decides who may do what.

mod describe;
mod dto;
mod entry;
mod envelope;
mod fileops;
mod files;
mod folders;
mod listing;
mod paging;
mod people;
mod person;
mod security;
mod seek;
mod session;
mod sharing;
mod transfer;
mod unserved;

use http::Method;

use super::Face;
use super::media_type::JSON;
use super::route::{Route, schema_of};
use crate::event;
use crate::web::auth::Credentials;

/// The face.
pub(super) fn face() -> Face {
    let routes = [
        session::routes(),
        files::routes(),
        folders::routes(),
        transfer::routes(),
        fileops::routes(),
        sharing::routes(),
        people::routes(),
    ];
    Face {
        prefix: "/api/2.0",
        name: event::Face::DocSpace,
        routes: routes.into_iter().flatten().map(describe_limits).collect(),
        unserved: unserved::UNSERVED,
        refuse: envelope::refuse,
        error: (JSON, schema_of::<envelope::Failure>()),
        credentials: Credentials::in_docspace_headers,
    }
}

/// Whatever changes something may find the disk full.
fn describe_limits(route: Route) -> Route {
    if route.method == Method::GET {
        route
    } else {
        envelope::grows(route)
    }
}
