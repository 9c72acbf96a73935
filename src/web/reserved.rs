//! The part of the name space that belongs to the server itself: `/.lockkeeper` and below.

use percent_encoding::percent_decode_str;

use crate::protocol::path::DavPath;

/// The reserved first segment.
const SEGMENT: &str = ".lockkeeper";

/// Why nobody may write there.
pub(super) const WHOSE: &str =
    "/.lockkeeper belongs to the server itself; nothing can be put there";

/// Something the server itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    /// `/.lockkeeper/health`.
    Health,
    /// `/.lockkeeper/metrics`.
    Metrics,
    /// Anything else there: nothing yet, and nobody's.
    Other,
}

/// What `path` (encoded, as on the request line) names there, if anything.
pub(super) fn find(path: &str) -> Option<Reserved> {
    let mut segments = path.trim_start_matches('/').split('/');
    let first: Vec<u8> = percent_decode_str(segments.next()?).collect();
    if first != SEGMENT.as_bytes() {
        return None;
    }
    match (segments.next(), segments.next()) {
        (Some("health"), None) => Some(Reserved::Health),
        (Some("metrics"), None) => Some(Reserved::Metrics),
        _ => Some(Reserved::Other),
    }
}

/// Whether `path` (encoded) belongs to the API that is like DocSpace's: `/api/2.0` and below.
pub(super) fn is_of_docspace(path: &str) -> bool {
    let segments = path.trim_start_matches('/').split('/');
    let first_two = segments.take(2).map(|segment| percent_decode_str(segment));
    first_two
        .map(|segment| segment.collect::<Vec<u8>>())
        .eq([b"api".as_slice(), b"2.0"])
}

/// Whether a Destination leads there. Asked of the path as it was read, not of the header: two
/// readings of one header differ some day, and what was put there could never be reached again.
pub(super) fn is_reserved(destination: &DavPath) -> bool {
    let first = destination.names().first();
    first.is_some_and(|name| name.key() == SEGMENT)
}

/// Whether a method only looks.
pub(super) fn is_reading(method: &http::Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PROPFIND")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved() {
        fn check(path: &str, expect: Option<Reserved>) {
            assert_eq!(find(path), expect, "{path}");
        }
        check("/", None);
        check("/.lockkeeperx", None);
        check("/a/.lockkeeper", None);
        check("/.lockkeeper", Some(Reserved::Other));
        check("/.lockkeeper/", Some(Reserved::Other));
        check("//.lockkeeper/x", Some(Reserved::Other));
        check("/%2elock%6Beeper/x", Some(Reserved::Other));
        check("/.lockkeeper/health", Some(Reserved::Health));
        check("/.lockkeeper/health/", Some(Reserved::Other));
        check("/.lockkeeper/metrics", Some(Reserved::Metrics));
    }

    #[test]
    fn what_is_of_docspace() {
        fn check(path: &str, expect: bool) {
            assert_eq!(is_of_docspace(path), expect, "{path}");
        }
        check("/api/2.0/files/@my", true);
        check("/api/2.0", true);
        check("//%61pi/2%2E0/files", true);
        check("/api/2.0x/files", false);
        check("/api", false);
        check("/api/token", false);
        check("/x/api/2.0", false);
        check("/", false);
    }

    #[test]
    fn destinations() {
        fn check(destination: &str, expect: bool) {
            let path = DavPath::parse(destination, 100).expect("a path");
            assert_eq!(is_reserved(&path), expect, "{destination}");
        }
        check("/.lockkeeper", true);
        check("/.lockkeeper/a", true);
        check("/%2Elockkeeper/", true);
        check("/.lockkeeper?x", true);
        check("/a/.lockkeeper", false);
        check("/", false);
    }
}
