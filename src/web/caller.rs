//! What the head of a request says about who sends it: the program, under which address it knows
//! this server, and whether a page of somebody else's made a browser send it.

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use crate::config;

/// The User-Agent, for people to read.
pub(super) fn program(headers: &HeaderMap) -> String {
    const CHARS_MAX: usize = 100;
    let agent = text(headers, header::USER_AGENT.as_str());
    agent.unwrap_or("unknown").chars().take(CHARS_MAX).collect()
}

/// Scheme and host for absolute links. A proxy that adds TLS says so in `X-Forwarded-Proto`; it is
/// believed only where the configuration says that there may be one.
pub(super) fn base(server: &config::Server, uri: &Uri, headers: &HeaderMap) -> String {
    let forwarded = server.insecure
        && text(headers, "x-forwarded-proto")
            .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
    let scheme = if forwarded || server.tls().is_some() {
        "https"
    } else {
        "http"
    };
    let host = host(uri, headers);
    let host = host.map_or_else(|| server.listen.to_string(), |host| host.to_string());
    format!("{scheme}://{host}")
}

/// Whether a browser sends this for a page of another site. Passwords that the browser remembers
/// go along with such requests, so what changes something must not be done for them.
pub(super) fn is_cross_site(hosts: &[String], uri: &Uri, headers: &HeaderMap) -> bool {
    if text(headers, "sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let origin = origin.to_str().unwrap_or_default();
    let Some((scheme, named)) = origin.split_once("://") else {
        return true;
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |host: &str| {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(default_port)
            .map_or(host.clone(), str::to_owned)
    };
    let own = host(uri, headers).map(|host| host.to_string());
    let mut known = own.iter().chain(hosts);
    !known.any(|host| plain(host) == plain(named))
}

/// The host that the request names (RFC 9112 §3.2.2: the target beats the header).
fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let named = || text(headers, header::HOST.as_str())?.parse().ok();
    uri.authority().cloned().or_else(named)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        let row = |(name, value): &(&'static str, &str)| {
            (
                name.parse().expect("a name"),
                value.parse().expect("a value"),
            )
        };
        rows.iter().map(row).collect::<HeaderMap>()
    }

    #[test]
    fn the_base_of_links() {
        fn check(insecure: bool, target: &str, rows: &[(&'static str, &str)], expect: &str) {
            let server = config::Server {
                insecure,
                ..config::Server::default()
            };
            let uri = target.parse().expect("a target");
            assert_eq!(base(&server, &uri, &headers(rows)), expect, "{rows:?}");
        }
        let proxy = ("x-forwarded-proto", "https");
        check(false, "/", &[("host", "a:1")], "http://a:1");
        check(false, "/", &[], "http://127.0.0.1:4918");
        check(false, "http://b/", &[("host", "a:1")], "http://b");
        check(false, "/", &[("host", "a"), proxy], "http://a");
        check(true, "/", &[("host", "a"), proxy], "https://a");
        check(
            true,
            "/",
            &[("host", "a"), ("x-forwarded-proto", "x")],
            "http://a",
        );
    }

    #[test]
    fn requests_of_other_sites() {
        fn check(rows: &[(&'static str, &str)], expect: bool) {
            let mut rows = rows.to_vec();
            rows.push(("host", "files.example.org:8443"));
            let hosts = ["drive.example.org".to_owned()];
            let uri = "/api".parse().expect("a target");
            assert_eq!(
                is_cross_site(&hosts, &uri, &headers(&rows)),
                expect,
                "{rows:?}"
            );
        }
        check(&[], false);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("origin", "https://files.example.org:8443")], false);
        check(&[("origin", "https://Files.example.org:8443")], false);
        check(&[("origin", "https://drive.example.org")], false);
        check(&[("origin", "https://drive.example.org:443")], false);
        check(&[("origin", "http://drive.example.org:443")], true);
        check(&[("origin", "https://files.example.org")], true);
        check(&[("origin", "https://evil.example.net")], true);
        check(&[("origin", "null")], true);
    }
}
