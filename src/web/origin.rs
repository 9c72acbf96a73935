//! Whether a page of another site made a browser send this request. Browsers send remembered
//! passwords and cookies along by themselves, so for such a page nothing is changed.

use http::{HeaderMap, Method, Uri, header};

use super::auth::Credentials;
use super::caller::host;

/// What is said to such a page.
pub(super) const REFUSED: &str = "a browser sends this for a page of another site, perhaps without \
    its user; what changes something is done only with a token in Authorization: Bearer, or for a \
    page of this server (its address, or one of server.hosts)";

/// Methods that change nothing (RFC 9110 §9.2.1, RFC 4918 §9.1, RFC 3253 §3.6).
const SAFE: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"];

/// Whether to refuse it. `hosts` are the names of this server beside the one in the request.
/// Programs that are no browsers send neither header and pass; so does a token in a header, which a
/// browser never adds by itself.
pub(super) fn refuses(
    hosts: &[String],
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    credentials: Credentials<'_>,
) -> bool {
    !SAFE.contains(&method.as_str())
        && !credentials.are_deliberate()
        && is_foreign(hosts, uri, headers)
}

/// What the browser says of the page. No page can set `Sec-Fetch-Site`, so it is believed before
/// `Origin`: behind a proxy that rewrites `Host`, only the browser knows that both are the same.
fn is_foreign(hosts: &[String], uri: &Uri, headers: &HeaderMap) -> bool {
    let own_origin = headers
        .get(header::ORIGIN)
        .map(|origin| is_own(hosts, uri, headers, origin.to_str().unwrap_or_default()));
    let Some(site) = headers.get("sec-fetch-site") else {
        return own_origin == Some(false);
    };
    match site.as_bytes() {
        b"same-origin" | b"none" => false,
        // A neighbour under the same domain is somebody else, unless it is another name of ours.
        b"same-site" => own_origin != Some(true),
        _ => true,
    }
}

/// Whether an `Origin` is this server, as the request or the configuration names it.
fn is_own(hosts: &[String], uri: &Uri, headers: &HeaderMap, origin: &str) -> bool {
    let Some((scheme, named)) = origin.split_once("://") else {
        return false;
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |host: &str| {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(default_port)
            .map_or(host.clone(), str::to_owned)
    };
    let own = host(uri, headers).map(|host| host.to_string());
    let mut known = own.iter().chain(hosts);
    known.any(|host| plain(host) == plain(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, rows: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.append("host", "files.example.org:8443".parse().unwrap());
        for (name, value) in rows {
            headers.append(*name, value.parse().unwrap());
        }
        let hosts = ["drive.example.org".to_owned()];
        let credentials = Credentials::in_docspace_headers(&headers);
        let uri = "/a".parse().unwrap();
        refuses(
            &hosts,
            &method.parse().unwrap(),
            &uri,
            &headers,
            credentials,
        )
    }

    #[test]
    fn where_a_request_may_come_from() {
        fn check(rows: &[(&'static str, &str)], expect: bool) {
            assert_eq!(refused("POST", rows), expect, "{rows:?}");
        }
        check(&[], false);
        check(&[("origin", "https://files.example.org:8443")], false);
        check(&[("origin", "https://Files.example.org:8443")], false);
        check(&[("origin", "https://drive.example.org")], false);
        check(&[("origin", "https://drive.example.org:443")], false);
        check(&[("origin", "http://drive.example.org:443")], true);
        check(&[("origin", "https://files.example.org")], true);
        check(&[("origin", "https://evil.example.net")], true);
        check(&[("origin", "null")], true);
        check(&[("origin", "")], true);
        check(&[("origin", "\u{e4}")], true);
        let site = |site| ("sec-fetch-site", site);
        check(&[site("cross-site")], true);
        check(&[site("same-site")], true);
        check(&[site("same-origin")], false);
        check(&[site("none")], false);
        check(&[site("elsewhere")], true);
        let (own, evil) = (
            ("origin", "https://drive.example.org"),
            ("origin", "https://evil.example.net"),
        );
        check(&[site("same-site"), own], false);
        check(&[site("same-site"), evil], true);
        check(&[site("cross-site"), own], true);
        // The proxy in front rewrote the host.
        check(&[site("same-origin"), evil], false);
    }

    #[test]
    fn what_is_asked_of_whom() {
        let evil = ("origin", "https://evil.example.net");
        for method in ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"] {
            assert!(!refused(method, &[evil]), "{method}");
        }
        for method in [
            "POST",
            "PUT",
            "DELETE",
            "MOVE",
            "LOCK",
            "PROPPATCH",
            "X",
            "get",
        ] {
            assert!(refused(method, &[evil]), "{method}");
        }
        let check = |row, expect| assert_eq!(refused("POST", &[evil, row]), expect, "{row:?}");
        check(("authorization", "Basic YTpi"), true);
        check(("cookie", "asc_auth_key=at-1"), true);
        check(("authorization", "Bearer at-1"), false);
        check(("apikeybearer", "sk-1"), false);
    }
}
