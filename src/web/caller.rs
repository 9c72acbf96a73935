//! What the head of a request says about who sends it: the program, and under which address it
//! knows this server.

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

/// The host that the request names (RFC 9112 §3.2.2: the target beats the header).
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
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
}
