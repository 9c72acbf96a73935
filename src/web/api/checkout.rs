//! The check-out API: what the seed calls CheckOut, CheckIn, StealLock, RefreshLock.

use super::Face;
use super::response_api::{self, Nothing, ResponseApi};
use super::route::schema_of;
use crate::web::auth::Credentials;

/// The face.
pub(super) fn face() -> Face {
    Face {
        prefix: "/api",
        routes: Vec::new(),
        refuse: response_api::refuse,
        error: schema_of::<ResponseApi<Nothing>>(),
        credentials: Credentials::in_authorization,
    }
}
