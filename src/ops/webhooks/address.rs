//! Where events may be posted to.

use std::str::FromStr as _;

use http::Uri;
use thiserror::Error;

const BYTES_MAX: usize = 2_000;

/// Why something is no address of a receiver. Does not repeat it: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Too long.
    #[error("the URL has more than {BYTES_MAX} bytes")]
    TooLong,
    /// Not a URL.
    #[error(
        "this is no URL; it looks like https://host:port/path?query, in ASCII, with everything \
         else percent-encoded"
    )]
    Malformed,
    /// Neither of the two.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// A name and perhaps a password.
    #[error(
        "the URL has a user before its host, which would not be sent; the receiver knows the \
         server by the signature"
    )]
    Credentials,
    /// What no server ever sees.
    #[error("the URL has a fragment (#…), which would not be sent")]
    Fragment,
}

/// Refuses what events could not be posted to.
pub(super) fn check(url: &str) -> Result<(), AddressError> {
    if url.len() > BYTES_MAX {
        return Err(AddressError::TooLong);
    }
    if url.contains('#') {
        return Err(AddressError::Fragment);
    }
    let uri = Uri::from_str(url).map_err(|_| AddressError::Malformed)?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(AddressError::Scheme),
    }
    let authority = uri.authority().ok_or(AddressError::Malformed)?;
    if authority.as_str().contains('@') {
        return Err(AddressError::Credentials);
    }
    // `http` takes any digits for a port, and a colon without any.
    let port = authority.as_str().strip_prefix(authority.host());
    let port_fits = match port.and_then(|rest| rest.strip_prefix(':')) {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => port == Some(""),
    };
    if authority.host().is_empty() || !port_fits {
        return Err(AddressError::Malformed);
    }
    Ok(())
}

/// The URL for lists and logs: its query may be a secret.
pub(super) fn shown(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => format!("{before}?…"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_events_can_be_posted_to() {
        fn good(url: &str) {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        fn bad(url: &str, error: AddressError) {
            assert_eq!(check(url), Err(error), "{url}");
        }
        good("https://example.org/hooks/lockkeeper");
        good("http://127.0.0.1:9000");
        good("http://[::1]:9000/");
        good("HTTPS://EXAMPLE.org/?token=s%20ecret");
        good(&format!("http://a/{}", "x".repeat(1_991)));
        bad(
            &format!("http://a/{}", "x".repeat(1_992)),
            AddressError::TooLong,
        );
        bad("", AddressError::Malformed);
        bad("example.org", AddressError::Scheme);
        bad("/hook", AddressError::Scheme);
        bad("ftp://example.org/", AddressError::Scheme);
        bad("file:///etc/passwd", AddressError::Malformed);
        bad("http://", AddressError::Malformed);
        bad("http:///path", AddressError::Malformed);
        bad("http://:80/", AddressError::Malformed);
        bad("http://a:0/", AddressError::Malformed);
        bad("http://a:65536/", AddressError::Malformed);
        bad("http://a:/", AddressError::Malformed);
        bad("http://a b/", AddressError::Malformed);
        bad("http://a/\r\nX: y", AddressError::Malformed);
        bad("https://bücher.example/", AddressError::Malformed);
        bad(
            "https://user:secret@example.org/",
            AddressError::Credentials,
        );
        bad("https://user@example.org/", AddressError::Credentials);
        bad("https://example.org/#part", AddressError::Fragment);
    }

    #[test]
    fn queries_are_not_shown() {
        assert_eq!(shown("https://a/b?token=secret"), "https://a/b?…");
        assert_eq!(shown("https://a/b"), "https://a/b");
    }
}
