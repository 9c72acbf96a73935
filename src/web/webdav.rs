//! Placeholder until the handlers arrive.
use std::sync::Arc;

use http::{Request, Response, StatusCode};

use super::body::{Body, RequestBody};
use crate::ops::Dav;
use crate::ops::access::Principal;
use crate::protocol::time::Timestamp;

/// Answers 501.
pub async fn respond(
    _dav: &Arc<Dav>,
    _principal: &Principal,
    _now: Timestamp,
    _request: Request<RequestBody>,
) -> Response<Body> {
    let mut response = Response::new(Body::full("not yet\n"));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}
