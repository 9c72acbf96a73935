//! Refusals as problem details (RFC 9457).

use http::{HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::error::DavError;
use crate::web::api::fault::Fault;
use crate::web::api::json;
use crate::web::api::media_type::PROBLEM;
use crate::web::auth::Refusal;
use crate::web::body::Body;

/// Why not.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// The HTTP status in words.
    title: String,
    /// The HTTP status once more.
    status: u16,
    /// One sentence for people.
    detail: String,
}

/// A refusal.
pub(super) fn refuse(fault: &Fault) -> Response<Body> {
    answer(status_of(fault), fault.sentence())
}

/// An answer that says why not.
pub(super) fn answer(status: StatusCode, detail: String) -> Response<Body> {
    let problem = Problem {
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        detail,
    };
    let mut response = json(status, &problem);
    let media_type = HeaderValue::from_static(PROBLEM);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    response
}

fn status_of(fault: &Fault) -> StatusCode {
    match fault {
        Fault::SignIn(Refusal::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
        Fault::SignIn(_) => StatusCode::UNAUTHORIZED,
        Fault::Missing(_) | Fault::UnknownRoute => StatusCode::NOT_FOUND,
        Fault::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
        Fault::NotServed => StatusCode::NOT_IMPLEMENTED,
        // The path is not that of the request.
        Fault::Refused(DavError::PathTooLong(_)) => StatusCode::BAD_REQUEST,
        Fault::Refused(error) => {
            StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_refusal_is_here() {
        fn check(fault: impl Into<Fault>, status: u16) {
            let fault = fault.into();
            let response = refuse(&fault);
            assert_eq!(response.status(), status, "{fault:?}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM);
        }
        let text = || "text".to_owned();
        check(Fault::bad_request("text"), 400);
        check(DavError::PathTooLong(text()), 400);
        check(DavError::NotFound, 404);
        check(DavError::Reserved, 403);
        check(DavError::Internal(text()), 500);
        check(DavError::Unavailable(text()), 503);
        check(Fault::UnknownRoute, 404);
        check(Fault::WrongMethod(Vec::new()), 405);
        check(Fault::SignIn(Refusal::Missing), 401);
        check(Fault::SignIn(Refusal::WrongToken), 401);
        check(Fault::SignIn(Refusal::Unavailable(text())), 503);
    }
}
