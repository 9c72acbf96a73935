//! The envelope around every answer of this face, and the one place where a refusal becomes a
//! status and a message of it.

use std::fmt::Write as _;

use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::error::{DavError, RefusingLock};
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::json;
use crate::web::api::route::Route;
use crate::web::auth::Refusal;
use crate::web::body::Body;

use super::describe::api_time;

/// What surrounds every answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Envelope_{T}")]
pub(super) struct Envelope<T> {
    /// What was asked for.
    response: T,
    /// The length of a list; 1 for anything else.
    count: usize,
    /// How many there are in all, of what is listed page by page.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    links: [Link; 1],
    /// 0: it worked.
    status: u8,
    /// The HTTP status once more.
    status_code: u16,
}

/// The request that was answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Link {
    /// The absolute URL.
    href: String,
    /// The method.
    action: String,
}

/// Where an answer belongs: taken from a call before its body is read.
#[derive(Debug)]
pub(super) struct Asked {
    href: String,
    action: String,
}

impl Asked {
    pub(super) fn by(call: &Call) -> Self {
        Self {
            href: call.url(),
            action: call.method.to_string(),
        }
    }

    /// One thing.
    pub(super) fn one<T: Serialize>(self, response: T) -> Response<Body> {
        self.answer(response, 1, None)
    }

    /// A whole list.
    pub(super) fn list<T: Serialize>(self, response: Vec<T>) -> Response<Body> {
        let count = response.len();
        self.answer(response, count, None)
    }

    /// A page of a list.
    pub(super) fn page<T: Serialize>(self, response: Vec<T>, total: usize) -> Response<Body> {
        let count = response.len();
        self.answer(response, count, Some(total))
    }

    fn answer<T: Serialize>(
        self,
        response: T,
        count: usize,
        total: Option<usize>,
    ) -> Response<Body> {
        let Self { href, action } = self;
        let envelope = Envelope {
            response,
            count,
            total,
            links: [Link { href, action }],
            status: 0,
            status_code: 200,
        };
        json(StatusCode::OK, &envelope)
    }
}

/// What every refusal says.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ErrorEnvelope")]
pub(super) struct Failure {
    error: Told,
    /// Always 1.
    status: u8,
    /// The HTTP status once more.
    status_code: u16,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
struct Told {
    /// One sentence for people.
    message: String,
    /// Always 0: what went wrong inside is for the log alone.
    hresult: i32,
    /// The locks that refused.
    #[serde(rename = "lockkeeper", skip_serializing_if = "Option::is_none")]
    locks: Option<Refusing>,
}

/// Which locks refused, for programs. An addition of this server.
#[derive(Debug, Serialize, JsonSchema)]
struct Refusing {
    locks: Vec<RefusingDto>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RefusingLock")]
struct RefusingDto {
    /// `persistent`, `transient` or `read-only`.
    kind: &'static str,
    /// The name of the user who holds it.
    holder: String,
    /// The path of the lock root.
    href: String,
    /// When it ends by itself; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl From<&RefusingLock> for RefusingDto {
    fn from(lock: &RefusingLock) -> Self {
        Self {
            kind: lock.kind.as_str(),
            holder: lock.holder.clone(),
            href: lock.href.clone(),
            expires: lock.expires.map(api_time),
        }
    }
}

/// What a row answers that makes the store grow.
pub(super) fn grows(route: Route) -> Route {
    route.answers::<Failure>(
        402,
        "There is no room, or a limit on what one user may have is met",
    )
}

/// A refusal in the envelope.
pub(super) fn refuse(fault: &Fault) -> Response<Body> {
    let status_code = status(fault);
    let locks = refusing(fault);
    let failure = Failure {
        error: Told {
            message: message(fault),
            hresult: 0,
            locks: (!locks.is_empty()).then_some(Refusing { locks }),
        },
        status: 1,
        status_code,
    };
    let status = StatusCode::from_u16(status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &failure)
}

/// An operation that a lock, a clash of names or a missing right stands against is 403 here, never
/// 409, 423 or 405: the clients of this API know no other status for it.
fn status(fault: &Fault) -> u16 {
    match fault {
        Fault::SignIn(Refusal::Unavailable(_)) => 503,
        Fault::SignIn(_) => 401,
        Fault::UnknownRoute | Fault::Missing(_) => 404,
        Fault::WrongMethod(_) => 405,
        Fault::NotServed => 501,
        Fault::Refused(error) => match error {
            DavError::NotFound | DavError::ParentMissing => 404,
            DavError::BadRequest(_)
            | DavError::PathTooLong(_)
            | DavError::ForeignDestination(_) => 400,
            DavError::InsufficientStorage(_) => 402,
            DavError::Locked(_)
            | DavError::LockConflict(_)
            | DavError::NotYourLock(_)
            | DavError::NotLocked(_)
            | DavError::TokenMismatch
            | DavError::Members(_)
            | DavError::FailedDependency
            | DavError::Conflict(_)
            | DavError::NotAllowedHere(_)
            | DavError::Forbidden(_)
            | DavError::Reserved
            | DavError::FiniteDepthOnly(_)
            | DavError::UnsupportedReport(_)
            | DavError::NeverLocked(_)
            | DavError::NeedsPrivilege { .. } => 403,
            DavError::NotModified
            | DavError::PreconditionFailed(_)
            | DavError::TooLarge(_)
            | DavError::UnsupportedMedia(_)
            | DavError::RangeNotSatisfiable { .. }
            | DavError::Unavailable(_)
            | DavError::Internal(_) => error.status(),
        },
    }
}

fn message(fault: &Fault) -> String {
    match fault {
        Fault::Refused(error) => sentence(error),
        other => other.sentence(),
    }
}

/// The sentence for people; of a refusal with several reasons, all of them.
pub(super) fn sentence(error: &DavError) -> String {
    match error {
        DavError::NotFound => "The required file was not found".to_owned(),
        DavError::ParentMissing => "The required folder was not found".to_owned(),
        DavError::Members(members) => {
            let mut all = String::new();
            let reasons = members
                .iter()
                .filter(|member| !member.error.locks().is_empty());
            for member in reasons {
                let space = if all.is_empty() { "" } else { " " };
                let _ = write!(all, "{space}{}", member.error);
            }
            if all.is_empty() {
                error.public_sentence()
            } else {
                all
            }
        }
        other => other.public_sentence(),
    }
}

fn refusing(fault: &Fault) -> Vec<RefusingDto> {
    match fault {
        Fault::Refused(DavError::Members(members)) => {
            let locks = members.iter().flat_map(|member| member.error.locks());
            locks.map(RefusingDto::from).collect()
        }
        Fault::Refused(error) => error.locks().iter().map(RefusingDto::from).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::MemberError;
    use crate::protocol::lock_kinds::LockKind;

    fn lock() -> RefusingLock {
        RefusingLock {
            href: "/a.txt".to_owned(),
            kind: LockKind::Persistent,
            holder: "bob".to_owned(),
            expires: None,
        }
    }

    /// The members that clients of DocSpace know; 409, 423 and 507 are not among the statuses.
    #[test]
    fn refusals_in_the_words_of_this_face() {
        fn check(fault: impl Into<Fault>, expect: u16, message_has: &str) {
            let fault = fault.into();
            assert_eq!(status(&fault), expect, "{fault:?}");
            assert!(
                message(&fault).contains(message_has),
                "{fault:?}: {}",
                message(&fault)
            );
            assert_eq!(refuse(&fault).status(), expect, "{fault:?}");
        }
        let members = DavError::Members(vec![
            MemberError {
                href: "/a.txt".to_owned(),
                error: DavError::Locked(vec![lock()]),
            },
            MemberError {
                href: "/".to_owned(),
                error: DavError::FailedDependency,
            },
        ]);
        assert_eq!(sentence(&members), lock().reason());
        assert_eq!(refusing(&members.clone().into()).len(), 1);
        check(members, 403, "checked out by bob");
        check(DavError::Locked(vec![lock()]), 403, "checked out by bob");
        check(
            DavError::LockConflict(vec![lock()]),
            403,
            "checked out by bob",
        );
        check(DavError::NotYourLock(lock()), 403, "checked out by bob");
        check(DavError::Conflict("c".to_owned()), 403, "c");
        check(DavError::Forbidden("f".to_owned()), 403, "f");
        check(DavError::NotFound, 404, "The required file was not found");
        check(
            DavError::ParentMissing,
            404,
            "The required folder was not found",
        );
        check(DavError::BadRequest("b".to_owned()), 400, "b");
        check(DavError::InsufficientStorage("q".to_owned()), 402, "q");
        check(DavError::UnsupportedMedia("u".to_owned()), 415, "u");
        check(DavError::TooLarge("l".to_owned()), 413, "l");
        check(DavError::Internal("secret".to_owned()), 500, "log says why");
        check(Fault::Missing("m"), 404, "m");
        check(Fault::NotServed, 501, "");
        check(Fault::UnknownRoute, 404, "");
        check(Fault::SignIn(Refusal::Missing), 401, "");
        check(
            Fault::SignIn(Refusal::Unavailable("why".to_owned())),
            503,
            "later",
        );
    }
}
