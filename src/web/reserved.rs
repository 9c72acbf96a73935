//! The parts of the name space that belong to the server itself: `/.lockkeeper`, `/api`,
//! `/apidoc`, and what is below.

use percent_encoding::percent_decode_str;

use crate::protocol::path::RESERVED;

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
    /// `/.lockkeeper/history` and below, and `/.lockkeeper` itself: Windows mounts nothing that is
    /// below something which answers 404.
    History,
    /// Anything else below `/.lockkeeper`: nothing yet, and nobody's.
    Other,
}

/// What `path` (encoded, as on the request line) names there, if anything.
pub(super) fn find(path: &str) -> Option<Reserved> {
    let mut segments = path.trim_start_matches('/').split('/');
    let first: Vec<u8> = percent_decode_str(segments.next()?).collect();
    let [own, api, api_doc] = RESERVED;
    match std::str::from_utf8(&first).ok()? {
        name if name == api => Some(Reserved::Api),
        name if name == api_doc => Some(Reserved::ApiDoc),
        name if name == own => match (segments.next(), segments.next()) {
            (Some("health"), None) => Some(Reserved::Health),
            (Some("metrics"), None) => Some(Reserved::Metrics),
            (Some("principals"), Some("users")) => Some(Reserved::Principals),
            (None | Some("history"), _) | (Some(""), None) => Some(Reserved::History),
            _ => Some(Reserved::Other),
        },
        _ => None,
    }
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
        check("/.lockkeeper", Some(Reserved::History));
        check("/.lockkeeper/", Some(Reserved::History));
        check("/.lockkeeper//", Some(Reserved::Other));
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
        check("/.lockkeeper/history", Some(Reserved::History));
        check("/.lockkeeper/history/a/b", Some(Reserved::History));
        check("/.lockkeeper/historyx", Some(Reserved::Other));
        check("/api", Some(Reserved::Api));
        check("/%61pi/2.0", Some(Reserved::Api));
        check("//api", Some(Reserved::Api));
        check("/apidoc/index.html", Some(Reserved::ApiDoc));
        check("/apis", None);
        check("/API", None);
        check("/a/api", None);
    }
}
