//! The DocSpace-compatible API below `/api/2.0`.

use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::fault::Fault;
use super::route::schema_of;
use super::{Face, json};
use crate::web::auth::Credentials;
use crate::web::body::Body;

/// The face.
pub(super) fn face() -> Face {
    Face {
        prefix: "/api/2.0",
        routes: Vec::new(),
        refuse,
        error: schema_of::<Failure>(),
        credentials: Credentials::in_docspace_headers,
    }
}

/// What every refusal says.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    error: Told,
    /// Always 1.
    status: u8,
    /// The HTTP status once more.
    status_code: u16,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Told {
    message: String,
}

fn refuse(fault: &Fault) -> Response<Body> {
    let status = match fault {
        Fault::Refused(error) => error.status(),
        Fault::SignIn(crate::web::auth::Refusal::Unavailable(_)) => 503,
        Fault::SignIn(_) => 401,
        Fault::UnknownRoute => 404,
        Fault::WrongMethod(_) => 405,
        Fault::NotServed => 501,
    };
    let failure = Failure {
        error: Told {
            message: fault.sentence(),
        },
        status: 1,
        status_code: status,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &failure)
}
