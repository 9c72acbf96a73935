//! URLs that clients put into headers: `Destination`, and the tags of `If`. Which of them are ours
//! is decided here, once; nobody ever connects to one that is not.

use std::collections::HashSet;

use http::HeaderMap;

use super::super::error::DavError;
use super::super::path::{DavPath, PathError};
use super::{bad, single};

/// The header that says where COPY and MOVE go (RFC 4918 §10.3).
#[derive(Debug, Clone, Copy)]
pub struct Destination;

impl Destination {
    /// The path it names: an absolute URL on this server, or a path. Besides what the request
    /// itself calls this server, `own_hosts` (the setting `server.hosts`) are its names.
    pub fn from_headers(
        headers: &HeaderMap,
        own_hosts: &[String],
        path_bytes_max: usize,
    ) -> Result<DavPath, DavError> {
        let Some(value) = single(headers, "Destination")? else {
            return bad("COPY and MOVE need a Destination header: the URL to copy or move to");
        };
        match Reference::parse(value, &OwnHosts::new(headers, own_hosts), path_bytes_max) {
            Reference::Own(path) => Ok(path),
            Reference::Foreign(host) => Err(DavError::ForeignDestination(format!(
                "Destination is on the host {host:?}, which is not a name of this server; if it \
                 is, add it to the setting server.hosts"
            ))),
            Reference::NoUrl => {
                bad("Destination must be an absolute URL or a path that begins with '/'")
            }
            Reference::NoPath(PathError::Malformed(reason)) => {
                bad(format!("Destination: {reason}"))
            }
            Reference::NoPath(too_long) => Err(too_long.into()),
        }
    }
}

/// What a URL in a header refers to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Reference {
    /// A place on this server.
    Own(DavPath),
    /// This other host.
    Foreign(String),
    /// It is neither an absolute URL nor an absolute path.
    NoUrl,
    /// It is on this server, but its path is none.
    NoPath(PathError),
}

impl Reference {
    /// Reads `Simple-ref` (RFC 4918 §8.3). Scheme and port are not looked at: behind a proxy that
    /// ends TLS the client sees others than we do.
    pub(in crate::protocol) fn parse(text: &str, own: &OwnHosts, path_bytes_max: usize) -> Self {
        let path = if text.starts_with('/') {
            DavPath::parse(text, path_bytes_max)
        } else {
            let Some((host, path)) = split_url(text) else {
                return Self::NoUrl;
            };
            if !own.0.contains(&host) {
                return Self::Foreign(host);
            }
            if path.starts_with('/') {
                DavPath::parse(path, path_bytes_max)
            } else {
                DavPath::parse(&format!("/{path}"), path_bytes_max)
            }
        };
        path.map_or_else(Self::NoPath, Self::Own)
    }
}

/// `scheme://authority` and what follows, as the plain host name and the rest.
fn split_url(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host_name(authority);
    (is_scheme && !host.is_empty()).then_some((host, path))
}

/// The host of an authority in lower case, without user (KIO sends one), port and final dot.
fn host_name(authority: &str) -> String {
    let host_and_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_user, host)| host);
    // An IPv6 address has colons of its own, but stands in brackets.
    let host = match host_and_port.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host_and_port,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The names of this server: those in the configuration and those by which the request calls it.
///
/// `X-Forwarded-Host` and `Forwarded` are believed from anybody. A client that lies there only
/// lets its own Destination mean a path here, and the right to that path is asked all the same.
#[derive(Debug)]
pub(in crate::protocol) struct OwnHosts(HashSet<String>);

impl OwnHosts {
    pub(in crate::protocol) fn new(headers: &HeaderMap, own_hosts: &[String]) -> Self {
        let lines = |name| {
            let values = headers.get_all(name).into_iter();
            values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
        };
        let direct = lines("Host").chain(lines("X-Forwarded-Host"));
        let direct = direct.flat_map(|line| line.split(','));
        // RFC 7239 §4; a host never contains the separators, so quotes need no closer look.
        let forwarded = lines("Forwarded")
            .flat_map(|line| line.split([',', ';']))
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("host"))
            .map(|(_, host)| host.trim().trim_matches('"'));
        let configured = own_hosts.iter().map(String::as_str);
        Self(
            direct
                .chain(forwarded)
                .chain(configured)
                .map(|host| host_name(host.trim()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers_of;
    use super::*;

    fn read(lines: &[(&str, &str)], own_hosts: &[&str]) -> Result<DavPath, DavError> {
        let own_hosts: Vec<_> = own_hosts.iter().map(|host| (*host).to_owned()).collect();
        Destination::from_headers(&headers_of(lines), &own_hosts, 100)
    }

    #[test]
    fn own_destinations() {
        #[track_caller]
        fn check(destination: &str, expect: &str) {
            let lines = [
                ("Host", "dav.example.org:8082"),
                ("Destination", destination),
            ];
            assert_eq!(
                read(&lines, &[]).unwrap().to_string(),
                expect,
                "{destination}"
            );
        }
        check("http://dav.example.org:8082/dav/new.txt~", "/dav/new.txt~");
        check("https://dav.example.org/dav/t3moved/", "/dav/t3moved/");
        check(
            "http://alice:alice@dav.example.org:8112/dav/kd/k3.txt",
            "/dav/kd/k3.txt",
        ); // KIO
        check("http://alice%40x@y@DAV.Example.ORG./a%20b", "/a%20b");
        check("/dav/litmus/whocares", "/dav/litmus/whocares");
        check("http://dav.example.org", "/");
        check("http://dav.example.org:", "/");
        check("http://dav.example.org?x", "/");
        check("HTTP://dav.example.org/a?x=y", "/a");
    }

    #[test]
    fn names_of_this_server() {
        #[track_caller]
        fn check(name: &str, value: &str, own_hosts: &[&str]) {
            let lines = [
                ("Host", "backend:8080"),
                (name, value),
                ("Destination", "https://Files.example.org/a"),
            ];
            assert_eq!(
                read(&lines, own_hosts).unwrap().to_string(),
                "/a",
                "{name}: {value}"
            );
        }
        check("X-Forwarded-Host", "files.example.org", &[]);
        check("X-Forwarded-Host", "inner, FILES.example.org:443", &[]);
        check(
            "Forwarded",
            "for=10.0.0.1;host=files.example.org;proto=https",
            &[],
        );
        check(
            "Forwarded",
            "for=a, for=\"[::1]:4\"; Host=\"files.example.org:443\"",
            &[],
        );
        check(
            "Accept",
            "*/*",
            &["other.example.org", "FILES.example.org:443"],
        );
        let v6 = [("Host", "[::1]:8080"), ("Destination", "http://[::1]/a")];
        assert!(read(&v6, &[]).is_ok());
        let v6_without_port = [("Host", "[::1]"), ("Destination", "http://[::1]:8080/a")];
        assert!(read(&v6_without_port, &[]).is_ok());
    }

    #[test]
    fn refusals() {
        #[track_caller]
        fn check(destination: &str, status: u16, reason: &str) {
            let lines = [("Host", "dav.example.org"), ("Destination", destination)];
            let error = read(&lines, &["a.example.org"]).unwrap_err();
            assert_eq!(error.status(), status, "{destination}: {error}");
            assert!(error.to_string().contains(reason), "{destination}: {error}");
        }
        check("http://evil.example.com/a", 502, "\"evil.example.com\"");
        check("http://evil.example.com/a", 502, "server.hosts");
        check("http://dav.example.org.evil.com/a", 502, "server.hosts");
        check("http://dav.example.org@evil.com/a", 502, "\"evil.com\"");
        check("http://evil.example.com/a/../b", 502, "server.hosts");
        check("", 400, "absolute URL");
        check("a.txt", 400, "absolute URL");
        check("http:///a", 400, "absolute URL");
        check("1://dav.example.org/a", 400, "absolute URL");
        check("urn:uuid:1", 400, "absolute URL");
        check(
            "//dav.example.org/a",
            400,
            "Destination: the path has an empty name",
        );
        check("http://dav.example.org/a#b", 400, "fragment");
        check("http://dav.example.org#b", 400, "fragment");
        check("/a/../b", 400, "'..'");
        check(&format!("/{}", "x/".repeat(60)), 414, "at most 100");
        assert_eq!(read(&[("Host", "x")], &[]).unwrap_err().status(), 400);
        let twice = [("Destination", "/a"), ("Destination", "/b")];
        assert_eq!(read(&twice, &[]).unwrap_err().status(), 400);
    }
}
