//! Why a request was refused, by meaning. One place says which status, which precondition element
//! and which sentence that is; `protocol::xml` writes the body.

use thiserror::Error;

use super::lock_kinds::{LockKind, UnknownWord};
use super::time::Timestamp;

/// A lock that said no, as the refused user is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusingLock {
    /// The lock root, encoded.
    pub href: String,
    /// What kind of lock it is.
    pub kind: LockKind,
    /// The name of the user who holds it.
    pub holder: String,
    /// When it ends by itself; `None`: never.
    pub expires: Option<Timestamp>,
}

impl RefusingLock {
    /// One plain sentence: what stands in the way and what to do.
    pub fn reason(&self) -> String {
        let Self { href, holder, .. } = self;
        match (self.kind, self.expires) {
            (LockKind::Persistent, _) => format!(
                "{href} is checked out by {holder} until it is checked in; ask {holder}, or \
                 someone who may release other people's locks."
            ),
            (LockKind::Transient, Some(expires)) => format!(
                "{href} is open in a program of {holder}; the lock ends when that program closes \
                 it, or at {expires} unless the program renews it."
            ),
            (LockKind::Transient, None) => format!("{href} is open in a program of {holder}."),
            (LockKind::ReadOnly, _) => format!(
                "{href} was frozen by {holder} and cannot be changed until {holder}, or someone \
                 who may release other people's locks, thaws it."
            ),
        }
    }
}

/// One resource of a request that failed for several (RFC 4918 §13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberError {
    /// The resource, encoded.
    pub href: String,
    /// Why it failed.
    pub error: DavError,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DavError {
    /// 400: the request says something that cannot be meant; the text names it and what is allowed.
    #[error("{0}")]
    BadRequest(String),
    /// 414.
    #[error("{0}")]
    PathTooLong(String),
    /// 413.
    #[error("{0}")]
    TooLarge(String),
    /// 415.
    #[error("{0}")]
    UnsupportedMedia(String),
    /// 403: not allowed; the text says why.
    #[error("{0}")]
    Forbidden(String),
    /// 403 with `DAV:need-privileges` (RFC 3744 §7.1.1): the user may see this, but not do that.
    #[error(
        "you may not do this: it needs the privilege {privilege} at {href}; whoever manages it can \
         grant you a role that has it"
    )]
    NeedsPrivilege {
        /// Where, encoded.
        href: String,
        /// Its name.
        privilege: &'static str,
    },
    /// 409: a lock is to be released or stolen where there is none. These stand above it.
    #[error("nothing is locked here, so there is nothing to release or to take over")]
    NotLocked(Vec<RefusingLock>),
    /// 403: a name at the top of the tree that is the server's own.
    #[error("/.lockkeeper, /api and /apidoc belong to the server itself; nothing can be put there")]
    Reserved,
    /// 404.
    #[error("there is nothing at this address")]
    NotFound,
    /// 405: the method does not fit what is there (MKCOL of something that exists, PUT on a
    /// collection).
    #[error("{0}")]
    NotAllowedHere(String),
    /// 409: the parent collection does not exist.
    #[error("the collection that should hold this does not exist; make it first")]
    ParentMissing,
    /// 409: the request and what is there contradict each other.
    #[error("{0}")]
    Conflict(String),
    /// 412: a condition of the request does not hold (`If`, `If-Match`, `Overwrite: F`, …).
    #[error("{0}")]
    PreconditionFailed(String),
    /// 304: `If-None-Match` or `If-Modified-Since` of a GET or HEAD.
    #[error("not modified")]
    NotModified,
    /// 416: none of the ranges lies within `size` bytes.
    #[error("the file has {size} bytes; none of the requested ranges lies within it")]
    RangeNotSatisfiable {
        /// The current length in bytes.
        size: u64,
    },
    /// 423 with `DAV:lock-token-submitted`: locks refuse a change.
    #[error("{}", sentence(.0))]
    Locked(Vec<RefusingLock>),
    /// 423 with `DAV:no-conflicting-lock`: locks refuse a new lock.
    #[error("{}", sentence(.0))]
    LockConflict(Vec<RefusingLock>),
    /// 409 with `DAV:lock-token-matches-request-uri`.
    #[error("no lock with this token covers this address; it may have ended or moved")]
    TokenMismatch,
    /// 403: somebody else's lock was to be ended.
    #[error("{}", .0.reason())]
    NotYourLock(RefusingLock),
    /// 403 with `DAV:propfind-finite-depth`.
    #[error("{0}")]
    FiniteDepthOnly(String),
    /// 403 with `DAV:supported-report` (RFC 3253 §3.6).
    #[error("{0}")]
    UnsupportedReport(String),
    /// 423 with `DAV:no-conflicting-lock`: nothing stands in the way, but nothing there ever takes
    /// a lock.
    #[error("{0}")]
    NeverLocked(String),
    /// 424: refused because something else in the request was.
    #[error("not done, because another part of the request was refused")]
    FailedDependency,
    /// 502: the Destination is on another server.
    #[error("{0}")]
    ForeignDestination(String),
    /// 507: no room, or a limit on what one user or resource may have.
    #[error("{0}")]
    InsufficientStorage(String),
    /// 503: try again later.
    #[error("{0}")]
    Unavailable(String),
    /// 500: our fault. The text is for the log; the client gets a fixed sentence.
    #[error("{0}")]
    Internal(String),
    /// 207: nothing was changed, and these are the reasons.
    #[error("{} of the resources concerned refuse this", .0.len())]
    Members(Vec<MemberError>),
}

fn sentence(locks: &[RefusingLock]) -> String {
    locks
        .iter()
        .map(RefusingLock::reason)
        .collect::<Vec<_>>()
        .join(" ")
}

impl DavError {
    /// The HTTP status of a WebDAV answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Members(_) => 207,
            Self::NotModified => 304,
            Self::BadRequest(_) => 400,
            Self::Forbidden(_)
            | Self::Reserved
            | Self::NotYourLock(_)
            | Self::FiniteDepthOnly(_)
            | Self::UnsupportedReport(_)
            | Self::NeedsPrivilege { .. } => 403,
            Self::NotFound => 404,
            Self::NotAllowedHere(_) => 405,
            Self::ParentMissing | Self::Conflict(_) | Self::TokenMismatch | Self::NotLocked(_) => {
                409
            }
            Self::PreconditionFailed(_) => 412,
            Self::TooLarge(_) => 413,
            Self::PathTooLong(_) => 414,
            Self::UnsupportedMedia(_) => 415,
            Self::RangeNotSatisfiable { .. } => 416,
            Self::Locked(_) | Self::LockConflict(_) | Self::NeverLocked(_) => 423,
            Self::FailedDependency => 424,
            Self::Internal(_) => 500,
            Self::ForeignDestination(_) => 502,
            Self::Unavailable(_) => 503,
            Self::InsufficientStorage(_) => 507,
        }
    }

    /// The local name of the `DAV:` precondition element (RFC 4918 §16), where there is one.
    pub fn precondition(&self) -> Option<&'static str> {
        match self {
            Self::Locked(_) => Some("lock-token-submitted"),
            Self::LockConflict(_) | Self::NeverLocked(_) => Some("no-conflicting-lock"),
            Self::TokenMismatch => Some("lock-token-matches-request-uri"),
            Self::NeedsPrivilege { .. } => Some("need-privileges"),
            Self::FiniteDepthOnly(_) => Some("propfind-finite-depth"),
            Self::UnsupportedReport(_) => Some("supported-report"),
            _ => None,
        }
    }

    /// The locks that refused, if locks did.
    pub fn locks(&self) -> &[RefusingLock] {
        match self {
            Self::Locked(locks) | Self::LockConflict(locks) => locks,
            Self::NotYourLock(lock) => std::slice::from_ref(lock),
            _ => &[],
        }
    }

    /// The sentence for the client. What went wrong inside is for the log only.
    pub fn public_sentence(&self) -> String {
        match self {
            Self::Internal(_) => "the server could not do this; its log says why".to_owned(),
            other => other.to_string(),
        }
    }
}

impl From<UnknownWord> for DavError {
    fn from(error: UnknownWord) -> Self {
        Self::BadRequest(error.to_string())
    }
}
