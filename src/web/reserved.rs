//! The parts of the name space that belong to the server itself: `/.lockkeeper`, `/api`,
//! `/apidoc`, and what is below.

use percent_encoding::percent_decode_str;

use crate::protocol::path::DavPath;

/// What the server tells of itself.
const OWN: &str = ".lockkeeper";
/// The APIs, and their description.
const API: &str = "api";
const API_DOC: &str = "apidoc";

/// Why nobody may write there.
pub(super) const WHOSE: &str =
    "/.lockkeeper, /api and /apidoc belong to the server itself; nothing can be put there";

/// Something the server itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    /// `/.lockkeeper/health`.
    Health,
    /// `/.lockkeeper/metrics`.
    Metrics,
    /// `/api` and below.
    Api,
    /// `/apidoc` and below.
    ApiDoc,
    /// `/.lockkeeper/principals/users` and below.
    Principals,
    /// Anything else below `/.lockkeeper`: nothing yet, and nobody's.
    Other,
}

/// What `path` (encoded, as on the request line) names there, if anything.
pub(super) fn find(path: &str) -> Option<Reserved> {
    let mut segments = path.trim_start_matches('/').split('/');
    let first: Vec<u8> = percent_decode_str(segments.next()?).collect();
    match std::str::from_utf8(&first).ok()? {
        API => Some(Reserved::Api),
        API_DOC => Some(Reserved::ApiDoc),
        OWN => match (segments.next(), segments.next()) {
            (Some("health"), None) => Some(Reserved::Health),
            (Some("metrics"), None) => Some(Reserved::Metrics),
            (Some("principals"), Some("users")) => Some(Reserved::Principals),
            _ => Some(Reserved::Other),
        },
        _ => None,
    }
}

/// Whether a Destination leads there. Asked of the path as it was read, not of the header: two
/// readings of one header differ some day, and what was put there could never be reached again.
pub(super) fn is_reserved(destination: &DavPath) -> bool {
    let first = destination.names().first();
    first.is_some_and(|name| [OWN, API, API_DOC].contains(&name.key()))
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
        check(
            "/.lockkeeper/principals/users/1",
            Some(Reserved::Principals),
        );
        check("/.lockkeeper/principals", Some(Reserved::Other));
        check("/api", Some(Reserved::Api));
        check("/%61pi/2.0", Some(Reserved::Api));
        check("//api", Some(Reserved::Api));
        check("/apidoc/index.html", Some(Reserved::ApiDoc));
        check("/apis", None);
        check("/API", None);
        check("/a/api", None);
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
        check("/api/x", true);
        check("/%61pidoc", true);
        check("/a/.lockkeeper", false);
        check("/", false);
    }
}
