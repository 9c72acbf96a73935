//! The one place where a refusal becomes status, headers and body.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tracing::{error, info};

use super::ALLOW;
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::protocol::xml::{error_body, multistatus_of};
use crate::web::body::Body;

const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=\"utf-8\"");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer with an XML body.
pub(super) fn xml(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, XML);
    response
}

/// Says why not: in XML where the RFC has an element for it or locks are to be named, otherwise in
/// one sentence.
pub(super) fn refusal(error: &DavError) -> Response<Body> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match error {
        DavError::Members(members) => xml(status, Body::full(multistatus_of(members))),
        DavError::NotModified => empty(status),
        _ => match error_body(error) {
            Some(body) => xml(status, Body::full(body)),
            None => text(status, &error.public_sentence()),
        },
    };
    let headers = response.headers_mut();
    match error {
        DavError::RangeNotSatisfiable { size } => {
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                headers.insert(header::CONTENT_RANGE, value);
            }
        }
        DavError::NotAllowedHere(_) => {
            headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
        }
        DavError::Unavailable(_) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

fn text(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(format!("{sentence}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

/// Who asked about what with which program.
pub(super) type Told = (String, DavPath, String);

/// Tells the log of refusals by locks, which people look for, and of our own faults.
pub(super) fn tell(refused: &DavError, method: &str, told: &Told) {
    let (user, path, program) = told;
    match refused {
        DavError::Internal(cause) => error!(%method, %path, %user, %cause, "a request failed"),
        DavError::Locked(_) | DavError::LockConflict(_) | DavError::NotYourLock(_) => info!(
            target: "lockkeeper::locks",
            event = "Refused", %user, %path, %method, %program, why = %refused,
        ),
        DavError::Members(_) => info!(
            target: "lockkeeper::locks",
            event = "Refused", %user, %path, %method, %program, "locks below refused",
        ),
        _ => {}
    }
}
