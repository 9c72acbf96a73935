//! The properties that the server knows itself: it computes them, and no client may set them.

use super::xml::{DAV_NS, QName};

/// A live property (RFC 4918 §15, RFC 3744 §5, RFC 4331, RFC 5397, RFC 5842, RFC 3253 §3.1).
#[allow(missing_docs, reason = "the names are those of the elements in LIVE")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    CreationDate,
    CurrentUserPrincipal,
    CurrentUserPrivilegeSet,
    GetContentLength,
    GetContentType,
    GetEtag,
    GetLastModified,
    LockDiscovery,
    Owner,
    PrincipalCollectionSet,
    QuotaAvailableBytes,
    QuotaUsedBytes,
    ResourceId,
    ResourceType,
    SupportedLock,
    SupportedReportSet,
}

/// Whether an allprop gives a property unasked: only those of RFC 4918 (RFC 4331 §2,
/// RFC 3744 §5, RFC 3253 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InAllProp {
    /// It does.
    Yes,
    /// It must be named.
    No,
}

/// Every live property with its element in an answer.
pub const LIVE: [(Live, &str, InAllProp); 16] = [
    (Live::CreationDate, "D:creationdate", InAllProp::Yes),
    (
        Live::CurrentUserPrincipal,
        "D:current-user-principal",
        InAllProp::No,
    ),
    (
        Live::CurrentUserPrivilegeSet,
        "D:current-user-privilege-set",
        InAllProp::No,
    ),
    (Live::GetContentLength, "D:getcontentlength", InAllProp::Yes),
    (Live::GetContentType, "D:getcontenttype", InAllProp::Yes),
    (Live::GetEtag, "D:getetag", InAllProp::Yes),
    (Live::GetLastModified, "D:getlastmodified", InAllProp::Yes),
    (Live::LockDiscovery, "D:lockdiscovery", InAllProp::Yes),
    (Live::Owner, "D:owner", InAllProp::No),
    (
        Live::PrincipalCollectionSet,
        "D:principal-collection-set",
        InAllProp::No,
    ),
    (
        Live::QuotaAvailableBytes,
        "D:quota-available-bytes",
        InAllProp::No,
    ),
    (Live::QuotaUsedBytes, "D:quota-used-bytes", InAllProp::No),
    (Live::ResourceId, "D:resource-id", InAllProp::No),
    (Live::ResourceType, "D:resourcetype", InAllProp::Yes),
    (Live::SupportedLock, "D:supportedlock", InAllProp::Yes),
    (
        Live::SupportedReportSet,
        "D:supported-report-set",
        InAllProp::No,
    ),
];

/// The live property of this name, and its element.
pub fn find(name: &QName) -> Option<(Live, &'static str)> {
    let is_named = |element: &str| element.strip_prefix("D:") == Some(name.name.as_str());
    let known = LIVE.iter().find(|(_, element, _)| is_named(element));
    known
        .filter(|_| name.ns == DAV_NS)
        .map(|(live, element, _)| (*live, *element))
}
