//! The part of the name space that belongs to the server itself: `/.lockkeeper` and below.

use percent_encoding::percent_decode_str;

/// The reserved first segment.
const SEGMENT: &[u8] = b".lockkeeper";

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
    if first != SEGMENT {
        return None;
    }
    match (segments.next(), segments.next()) {
        (Some("health"), None) => Some(Reserved::Health),
        (Some("metrics"), None) => Some(Reserved::Metrics),
        _ => Some(Reserved::Other),
    }
}

/// Whether a Destination header leads there.
pub(super) fn is_reserved_destination(value: &str) -> bool {
    let path = match value.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |start| &rest[start..]),
        None => value,
    };
    find(path).is_some()
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
    fn destinations() {
        assert!(is_reserved_destination("http://host:1/.lockkeeper/a"));
        assert!(is_reserved_destination("http://u:p@host/%2Elockkeeper"));
        assert!(is_reserved_destination("/.lockkeeper/a"));
        assert!(!is_reserved_destination("http://.lockkeeper/a"));
        assert!(!is_reserved_destination("http://host"));
    }
}
