//! XML both ways: request bodies into values, answers into bytes. The words that stand in both are
//! here; `tree` reads (bounded, namespaces resolved), `request` understands the request
//! bodies, `fragment` keeps clients' XML, `multistatus`, `lock`, `principal` and `error_body`
//! write. Only `tree` names quick-xml. Nothing here knows HTTP beyond status lines, or any store.

mod error_body;
mod escape;
mod fragment;
mod limits;
mod lock;
mod multistatus;
mod principal;
mod request;
#[cfg(test)]
mod roundtrip;
mod tree;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use error_body::error_body;
pub use escape::push_href;
pub use limits::{XmlError, XmlLimits};
pub use lock::{ActiveLock, LockDepthName, lock_response, supported_lock, write_activelock};
pub use multistatus::{
    Multistatus, PropstatWriter, ResponseWriter, multistatus_of, supported_reports, write_label,
};
pub use principal::{PRINCIPALS, principal_href, write_principal, write_privileges};
pub use request::{
    DeadProperty, LockInfo, OWNER_BYTES_MAX, PropertyPatch, PropfindRequest, ReportRequest,
    parse_lockinfo, parse_propertyupdate, parse_propfind, parse_report,
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
    fn long_words_are_shortened_between_characters() {
        assert_eq!(shorten("abc"), "abc");
        assert_eq!(shorten(&"ü".repeat(80)), "ü".repeat(80));
        assert_eq!(shorten(&"ü".repeat(81)), format!("{}…", "ü".repeat(80)));
    }
}
