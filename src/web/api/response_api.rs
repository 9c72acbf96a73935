//! The envelope of the check-out API: `Status`, `ErrorCode` and `Result`, as its C# clients read
//! it. The one place where a refusal becomes a status and a code of this face.

use std::borrow::Cow;

use http::{Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::fault::Fault;
use super::json;
use crate::protocol::error::DavError;
use crate::web::auth::Refusal;
use crate::web::body::Body;

/// Every answer of the check-out API.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "ResponseApi_{T}")]
pub(super) struct ResponseApi<T> {
    /// The HTTP status once more.
    status: u16,
    /// 0, or why not.
    error_code: ErrorCode,
    /// What was asked for; null where there is nothing.
    result: Option<T>,
    /// One sentence for people; only with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// The answer of a call that has nothing to give.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Nothing {}

/// Why not, as a number. Clients know 22; the others are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    None = 0,
    BadRequest = 1,
    Unauthorized = 2,
    Forbidden = 3,
    NotFound = 4,
    MethodNotAllowed = 5,
    PreconditionFailed = 6,
    TooLarge = 7,
    UnsupportedMediaType = 8,
    InsufficientStorage = 9,
    Unavailable = 10,
    Internal = 11,
    NotServed = 12,
    FileAlreadyLock = 22,
    FileNotLock = 23,
    LockConflict = 24,
}

impl ErrorCode {
    const ALL: [(Self, &str); 16] = [
        (Self::None, "NONE"),
        (Self::BadRequest, "BAD_REQUEST"),
        (Self::Unauthorized, "UNAUTHORIZED"),
        (Self::Forbidden, "FORBIDDEN"),
        (Self::NotFound, "NOT_FOUND"),
        (Self::MethodNotAllowed, "METHOD_NOT_ALLOWED"),
        (Self::PreconditionFailed, "PRECONDITION_FAILED"),
        (Self::TooLarge, "TOO_LARGE"),
        (Self::UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"),
        (Self::InsufficientStorage, "INSUFFICIENT_STORAGE"),
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::Internal, "INTERNAL"),
        (Self::NotServed, "NOT_SERVED"),
        (Self::FileAlreadyLock, "FILE_ALREADY_LOCK"),
        (Self::FileNotLock, "FILE_NOT_LOCK"),
        (Self::LockConflict, "LOCK_CONFLICT"),
    ];
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl JsonSchema for ErrorCode {
    fn schema_name() -> Cow<'static, str> {
        "ERROR_CODE".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let numbers: Vec<u8> = Self::ALL.iter().map(|(code, _)| *code as u8).collect();
        let names: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
        let said: Vec<String> = Self::ALL
            .iter()
            .map(|(code, name)| format!("{} {name}", *code as u8))
            .collect();
        json_schema!({
            "type": "integer",
            "enum": numbers,
            "x-enum-varnames": names,
            "description": said.join(", "),
        })
    }
}

impl<T> ResponseApi<T> {
    /// 200 with a result.
    pub(super) fn of(result: T) -> Self {
        Self {
            status: 200,
            error_code: ErrorCode::None,
            result: Some(result),
            message: None,
        }
    }

    /// A refusal.
    pub(super) fn refusing(status: u16, error_code: ErrorCode, sentence: String) -> Self {
        Self {
            status,
            error_code,
            result: None,
            message: Some(sentence),
        }
    }
}

/// 200 with a result.
pub(super) fn ok<T: Serialize>(result: T) -> Response<Body> {
    json(StatusCode::OK, &ResponseApi::of(result))
}

/// A refusal.
pub(super) fn refuse(fault: &Fault) -> Response<Body> {
    let (status, error_code) = code_of(fault);
    let envelope: ResponseApi<Nothing> =
        ResponseApi::refusing(status, error_code, fault.sentence());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &envelope)
}

/// What this face says for each refusal. The statuses for locks are the seed's and nobody else's:
/// 401 with 22 for a file that is locked, 500 for every other conflict of locks.
fn code_of(fault: &Fault) -> (u16, ErrorCode) {
    use ErrorCode as Code;
    match fault {
        Fault::SignIn(Refusal::Unavailable(_)) => (503, Code::Unavailable),
        Fault::SignIn(_) => (401, Code::Unauthorized),
        Fault::UnknownRoute | Fault::Missing(_) => (404, Code::NotFound),
        Fault::WrongMethod(_) => (405, Code::MethodNotAllowed),
        Fault::NotServed => (501, Code::NotServed),
        Fault::Refused(error) => match error {
            DavError::Locked(_) | DavError::NotYourLock(_) => (401, Code::FileAlreadyLock),
            DavError::LockConflict(_) => (401, Code::FileAlreadyLock),
            DavError::Members(_)
            | DavError::TokenMismatch
            | DavError::Conflict(_)
            | DavError::ParentMissing
            | DavError::FailedDependency => (500, Code::LockConflict),
            DavError::BadRequest(_) | DavError::PathTooLong(_) | DavError::NotAllowedHere(_) => {
                (400, Code::BadRequest)
            }
            DavError::NotLocked(_) => (500, Code::FileNotLock),
            DavError::Forbidden(_)
            | DavError::Reserved
            | DavError::FiniteDepthOnly(_)
            | DavError::UnsupportedReport(_)
            | DavError::NeverLocked(_)
            | DavError::NeedsPrivilege { .. } => (403, Code::Forbidden),
            DavError::ForeignDestination(_) => (400, Code::BadRequest),
            DavError::NotFound => (404, Code::NotFound),
            DavError::PreconditionFailed(_) => (412, Code::PreconditionFailed),
            DavError::TooLarge(_) => (413, Code::TooLarge),
            DavError::UnsupportedMedia(_) => (415, Code::UnsupportedMediaType),
            DavError::InsufficientStorage(_) => (507, Code::InsufficientStorage),
            DavError::Unavailable(_) => (503, Code::Unavailable),
            DavError::NotModified => (304, Code::None),
            DavError::RangeNotSatisfiable { .. } => (416, Code::BadRequest),
            DavError::Internal(_) => (500, Code::Internal),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::{MemberError, RefusingLock};
    use crate::protocol::lock_kinds::LockKind;

    #[test]
    fn what_each_refusal_is_in_this_api() {
        use ErrorCode as Code;
        fn check(fault: impl Into<Fault>, status: u16, code: ErrorCode) {
            let fault = fault.into();
            assert_eq!(code_of(&fault), (status, code), "{fault:?}");
        }
        let lock = RefusingLock {
            href: "/a".to_owned(),
            kind: LockKind::Persistent,
            holder: "alice".to_owned(),
            expires: None,
        };
        let member = MemberError {
            href: "/a".to_owned(),
            error: DavError::LockConflict(vec![lock.clone()]),
        };
        let why = String::new;
        check(
            DavError::Locked(vec![lock.clone()]),
            401,
            Code::FileAlreadyLock,
        );
        check(
            DavError::LockConflict(vec![lock.clone()]),
            401,
            Code::FileAlreadyLock,
        );
        check(DavError::NotYourLock(lock), 401, Code::FileAlreadyLock);
        check(DavError::Members(vec![member]), 500, Code::LockConflict);
        check(DavError::TokenMismatch, 500, Code::LockConflict);
        check(DavError::Conflict(why()), 500, Code::LockConflict);
        check(DavError::NotLocked(Vec::new()), 500, Code::FileNotLock);
        check(DavError::Internal(why()), 500, Code::Internal);
        check(DavError::NotFound, 404, Code::NotFound);
        check(DavError::Forbidden(why()), 403, Code::Forbidden);
        check(DavError::BadRequest(why()), 400, Code::BadRequest);
        check(
            DavError::PreconditionFailed(why()),
            412,
            Code::PreconditionFailed,
        );
        check(DavError::TooLarge(why()), 413, Code::TooLarge);
        check(
            DavError::InsufficientStorage(why()),
            507,
            Code::InsufficientStorage,
        );
        check(Fault::SignIn(Refusal::Missing), 401, Code::Unauthorized);
        check(Fault::SignIn(Refusal::Wrong), 401, Code::Unauthorized);
        check(Fault::SignIn(Refusal::WrongToken), 401, Code::Unauthorized);
        check(
            Fault::SignIn(Refusal::Unavailable(why())),
            503,
            Code::Unavailable,
        );
        check(Fault::UnknownRoute, 404, Code::NotFound);
        check(Fault::WrongMethod(Vec::new()), 405, Code::MethodNotAllowed);
    }

    #[test]
    fn what_went_wrong_inside_stays_inside() {
        let fault = Fault::from(DavError::Internal("row 7 is damaged".to_owned()));
        assert!(!fault.sentence().contains("row 7"));
        let fault = Fault::SignIn(Refusal::Unavailable("row 8 is damaged".to_owned()));
        assert!(!fault.sentence().contains("row 8"));
    }

    #[test]
    fn the_envelope_is_spelled_as_its_clients_read_it() {
        let text = serde_json::to_string(&ResponseApi::of(5)).unwrap();
        assert_eq!(text, r#"{"Status":200,"ErrorCode":0,"Result":5}"#);
        let refusal: ResponseApi<Nothing> =
            ResponseApi::refusing(401, ErrorCode::FileAlreadyLock, "no".to_owned());
        let text = serde_json::to_string(&refusal).unwrap();
        assert_eq!(
            text,
            r#"{"Status":401,"ErrorCode":22,"Result":null,"Message":"no"}"#
        );
    }
}
