//! XML both ways: request bodies into values, answers into bytes. The words that stand in both are
//! here; `tree` reads (bounded, namespaces resolved), `request` understands the three request
//! bodies, `fragment` keeps clients' XML, `multistatus`, `lock` and `error_body` write.
//! Only `tree` names quick-xml. Nothing here knows HTTP beyond status lines, or any store.

mod error_body;
mod escape;
mod fragment;
mod limits;
mod lock;
mod multistatus;
mod request;
#[cfg(test)]
mod roundtrip;
mod tree;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::error::DavError;

pub use error_body::{error_body, multistatus_of};
pub use limits::{XmlError, XmlLimits};
pub use lock::{ActiveLock, LockDepthName, lock_response, supported_lock, write_activelock};
pub use multistatus::{Multistatus, PropstatWriter, ResponseWriter};
pub use request::{
    DeadProperty, LockInfo, OWNER_BYTES_MAX, PropertyPatch, PropfindRequest, parse_lockinfo,
    parse_propertyupdate, parse_propfind,
};

/// The namespace of RFC 4918; every answer binds it to the prefix `D`.
pub const DAV_NS: &str = "DAV:";

/// Our own namespace, for what WebDAV has no word for; every answer binds it to the prefix `L`.
pub const OUR_NS: &str = "urn:lockkeeper:dav";

/// How every answer begins: without a line break, since old Windows clients stumble over white
/// space between elements.
const DECLARATION: &str = r#"<?xml version="1.0" encoding="utf-8"?>"#;

/// The two namespaces of an answer's root element.
const NAMESPACES: &str = r#" xmlns:D="DAV:" xmlns:L="urn:lockkeeper:dav""#;

/// What kind of lock: whom it belongs to and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockKind {
    /// A check-out: it belongs to a user in every session, and stays until it is checked in,
    /// stolen or released by somebody who may.
    Persistent,
    /// An application's lock: it belongs to a token in the hands of the user who took it, and
    /// ends by UNLOCK, with its file, or when nobody refreshes it.
    Transient,
    /// A freeze: it belongs to the resource, which nobody may change until whoever set the lock,
    /// or somebody who may release any, takes it away.
    ReadOnly,
}

impl LockKind {
    /// Its name on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Transient => "transient",
            Self::ReadOnly => "read-only",
        }
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LockKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Persistent, Self::Transient, Self::ReadOnly]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                UnknownWord::new("kind of lock", text, "persistent, transient, read-only")
            })
    }
}

/// Who else may hold a lock beside this one (RFC 4918 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockScope {
    /// Nobody.
    Exclusive,
    /// Anybody whose lock is shared as well.
    Shared,
}

impl LockScope {
    /// Its name on the wire, which is also the name of its `DAV:` element.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for LockScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LockScope {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Exclusive, Self::Shared]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownWord::new("lock scope", text, "exclusive, shared"))
    }
}

/// A word that is not one of the few that are allowed there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{word:?} is no {what}; allowed are: {allowed}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    allowed: &'static str,
}

impl UnknownWord {
    fn new(what: &'static str, word: &str, allowed: &'static str) -> Self {
        Self {
            what,
            word: shorten(word),
            allowed,
        }
    }
}

impl From<UnknownWord> for DavError {
    fn from(error: UnknownWord) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// The name of an element or a property: a namespace and a local name, without any prefix.
///
/// Names that come from a request are well-formed and at most a kilobyte in each part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QName {
    /// The namespace; empty: none.
    pub ns: String,
    /// The local name.
    pub name: String,
}

impl QName {
    /// A name in any namespace; an empty `ns` means none.
    pub fn new(ns: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            ns: ns.into(),
            name: name.into(),
        }
    }

    /// A name of RFC 4918, such as `getetag`.
    pub fn dav(name: &str) -> Self {
        Self::new(DAV_NS, name)
    }
}

impl fmt::Display for QName {
    /// `{namespace}name`, for logs and sentences.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}{}", self.ns, self.name)
    }
}

/// The beginning of something a client sent, short enough to be repeated in a sentence.
fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were_written() {
        for kind in [
            LockKind::Persistent,
            LockKind::Transient,
            LockKind::ReadOnly,
        ] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for scope in [LockScope::Exclusive, LockScope::Shared] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }

    #[test]
    fn an_unknown_word_is_named_with_what_is_allowed() {
        let error = "Read-Only".parse::<LockKind>().expect_err("case counts");
        assert_eq!(
            error.to_string(),
            "\"Read-Only\" is no kind of lock; allowed are: persistent, transient, read-only"
        );
        assert!("".parse::<LockScope>().is_err());
    }

    #[test]
    fn long_words_are_shortened_between_characters() {
        assert_eq!(shorten("abc"), "abc");
        assert_eq!(shorten(&"ü".repeat(80)), "ü".repeat(80));
        assert_eq!(shorten(&"ü".repeat(81)), format!("{}…", "ü".repeat(80)));
    }
}
