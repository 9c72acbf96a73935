//! What a request presents: which headers count, and what they say. Whether it is right is not
//! asked here.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::ops::access::Secret;
use crate::ops::password::{PASSWORD_BYTES_MAX, Password};
use crate::protocol::path::nfc;

/// The cookie in which DocSpace's own pages keep their token.
const DOCSPACE_COOKIE: &str = "asc_auth_key";
/// The header in which DocSpace's client library can send an API key.
const DOCSPACE_HEADER: &str = "ApiKeyBearer";

/// The headers of a request that may say who sends it.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'r> {
    /// The value of `Authorization`.
    pub authorization: Option<&'r [u8]>,
    /// A token from a header of its own. It counts when `Authorization` says nothing to us.
    pub token: Option<&'r [u8]>,
    /// A token from a cookie. It counts when nothing else does.
    pub cookie: Option<&'r [u8]>,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What they say.
pub(super) enum Presented {
    /// A user name, in NFC, and a password or an API key in its place.
    Password(String, Password),
    /// A token that names its user itself.
    Token(String),
}

impl Credentials<'_> {
    /// Where every client may put them. Of two, a proxy might believe one and we the other, so
    /// they count as none.
    pub fn in_authorization(headers: &HeaderMap) -> Credentials<'_> {
        let mut values = headers.get_all(AUTHORIZATION).into_iter();
        let only = values.next().filter(|_| values.next().is_none());
        Credentials {
            authorization: only.map(HeaderValue::as_bytes),
            token: None,
            cookie: None,
        }
    }

    /// Where clients of DocSpace put them, too. For its addresses only: a browser sends a cookie
    /// along with requests that some other page made up.
    pub fn in_docspace_headers(headers: &HeaderMap) -> Credentials<'_> {
        let cookies = headers.get_all(COOKIE).into_iter();
        let mut cookies = cookies.filter_map(|value| token_in_cookie(value.as_bytes()));
        Credentials {
            token: headers.get(DOCSPACE_HEADER).map(HeaderValue::as_bytes),
            cookie: cookies.next(),
            ..Self::in_authorization(headers)
        }
    }

    /// Whether a program put something here on purpose: browsers send passwords and cookies by
    /// themselves, but never a token in a header.
    pub fn are_deliberate(&self) -> bool {
        let bearer = |value: &[u8]| match parse_authorization(value) {
            // A foreign one says nothing, and a cookie beside it counts.
            Some(Presented::Token(token)) => {
                self.cookie.is_none() || Secret::kind_of(&token).is_some()
            }
            Some(Presented::Password(..)) | None => false,
        };
        self.token.is_some() || self.authorization.is_some_and(bearer)
    }

    pub(super) fn read(&self) -> Option<Presented> {
        let authorization = self.authorization.and_then(parse_authorization);
        let other = self.token.or(self.cookie);
        let other = other.and_then(|token| std::str::from_utf8(token).ok());
        let other = other.map(|token| Presented::Token(token.to_owned()));
        match authorization {
            // DocSpace falls through to the cookie when a bearer token is none of its own.
            Some(Presented::Token(foreign)) if Secret::kind_of(&foreign).is_none() => {
                other.or(Some(Presented::Token(foreign)))
            }
            authorization => authorization.or(other),
        }
    }
}

fn parse_authorization(value: &[u8]) -> Option<Presented> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("basic") {
        parse_basic(rest.trim())
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Some(Presented::Token(rest.trim().to_owned()))
    } else {
        None
    }
}

/// Base64 of `name:password` (RFC 7617). Old clients send Latin-1 in spite of our `charset`.
fn parse_basic(encoded: &str) -> Option<Presented> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    let (name, password) = text.split_once(':')?;
    if password.len() > PASSWORD_BYTES_MAX {
        return None;
    }
    let password = Password::from(password.to_owned());
    Some(Presented::Password(nfc(name).into_owned(), password))
}

fn token_in_cookie(value: &[u8]) -> Option<&[u8]> {
    let pairs = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let wanted = |pair: &'_ [u8]| pair.starts_with(DOCSPACE_COOKIE.as_bytes());
    let mut values = pairs
        .filter(|pair| wanted(pair))
        .filter_map(|pair| pair[DOCSPACE_COOKIE.len()..].strip_prefix(b"="));
    values.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(name: &str, password: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))).into_bytes()
    }

    fn told(presented: Option<Presented>) -> Option<String> {
        presented.map(|presented| match presented {
            Presented::Password(name, password) => format!("{name} {}", password.reveal()),
            Presented::Token(token) => token,
        })
    }

    #[test]
    fn authorization() {
        fn check(value: &[u8], expect: Option<&str>) {
            let parsed = told(parse_authorization(value));
            assert_eq!(parsed.as_deref(), expect, "{value:?}");
        }
        check(&basic("alice", "secret"), Some("alice secret"));
        check(&basic("alice", "a:b"), Some("alice a:b"));
        check(&basic("Jörg", "ä"), Some("Jörg ä"));
        check(&basic("Jo\u{308}rg", "a\u{308}"), Some("Jörg ä"));
        check(
            format!("bAsIc  {}", STANDARD.encode("a:b")).as_bytes(),
            Some("a b"),
        );
        check(
            format!("Basic {}", STANDARD.encode(b"J\xf6rg:x")).as_bytes(),
            Some("Jörg x"),
        );
        check(b"Basic", None);
        check(b"Basic !!!", None);
        check(b"Bearer sk-x", Some("sk-x"));
        check(b"bEARER  YTpi ", Some("YTpi"));
        check(b"Bearer", None);
        check(b"Negotiate x", None);
        check(
            format!("Basic {}", STANDARD.encode("nocolon")).as_bytes(),
            None,
        );
        check(&basic("alice", &"x".repeat(1025)), None);
        check(b"\xff", None);
    }

    #[test]
    fn what_browsers_do_not_send_by_themselves() {
        fn check(headers: &[(&'static str, &str)], expect: bool) {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let credentials = Credentials::in_docspace_headers(&map);
            assert_eq!(credentials.are_deliberate(), expect, "{headers:?}");
        }
        check(&[], false);
        check(&[("authorization", "Basic YTpi")], false);
        check(&[("cookie", "asc_auth_key=at-1")], false);
        check(&[("authorization", "Bearer at-1")], true);
        check(&[("authorization", "Bearer eyJ.e.s")], true);
        let cookie = ("cookie", "asc_auth_key=at-1");
        check(&[("authorization", "Bearer at-2"), cookie], true);
        check(&[("authorization", "Bearer eyJ.e.s"), cookie], false);
        check(&[("apikeybearer", "sk-1")], true);
    }

    #[test]
    fn where_clients_of_docspace_put_them() {
        fn check(headers: &[(&'static str, &str)], plain: Option<&str>, docspace: Option<&str>) {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let (everywhere, there) = (
                Credentials::in_authorization(&map),
                Credentials::in_docspace_headers(&map),
            );
            assert_eq!(told(everywhere.read()).as_deref(), plain, "{headers:?}");
            assert_eq!(told(there.read()).as_deref(), docspace, "{headers:?}");
        }
        check(&[], None, None);
        let twice = [
            ("authorization", "Basic YTpi"),
            ("authorization", "Bearer sk-1"),
        ];
        check(&twice, None, None);
        check(&[("cookie", "asc_auth_key=at-1")], None, Some("at-1"));
        check(
            &[("cookie", "a=b;asc_auth_key=at-1; c=d")],
            None,
            Some("at-1"),
        );
        check(&[("cookie", "asc_auth_keys=at-1")], None, None);
        check(&[("cookie", "a=asc_auth_key=at-1")], None, None);
        check(
            &[("cookie", "a=b"), ("cookie", "asc_auth_key=at-1")],
            None,
            Some("at-1"),
        );
        check(&[("apikeybearer", "sk-1")], None, Some("sk-1"));
        check(
            &[
                ("authorization", "Bearer sk-1"),
                ("cookie", "asc_auth_key=at-1"),
            ],
            Some("sk-1"),
            Some("sk-1"),
        );
        check(
            &[
                ("authorization", "Bearer eyJ.e.s"),
                ("cookie", "asc_auth_key=at-1"),
            ],
            Some("eyJ.e.s"),
            Some("at-1"),
        );
        check(
            &[("authorization", "Bearer eyJ.e.s")],
            Some("eyJ.e.s"),
            Some("eyJ.e.s"),
        );
        check(
            &[("authorization", "Basic YTpi"), ("apikeybearer", "sk-1")],
            Some("a b"),
            Some("a b"),
        );
    }
}
