//! The request headers of WebDAV and of conditional requests, each read in one place into a type.
//!
//! What a header means for a resource is decided elsewhere; here stands only what it says, with
//! the default of its RFC. The `If` header has a grammar of its own: [`super::if_header`].

mod conditions;
mod destination;
mod entity_tag;
mod range;

pub use conditions::{Conditions, Safe, TagList, Validators, if_range_holds};
pub use destination::Destination;
pub(super) use destination::{OwnHosts, Reference};
pub use entity_tag::EntityTag;
pub use range::{ByteRange, ContentRange, RANGES_MAX, RangeRequest, Ranges};

use http::HeaderMap;

use super::error::DavError;
use super::time::Timestamp;

/// How far below a collection a request reaches (RFC 4918 §10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// The resource itself.
    Zero,
    /// The resource and its members.
    One,
    /// The resource and everything below.
    Infinity,
}

impl Depth {
    /// `None`: the header is missing; what that means depends on the method.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, DavError> {
        let Some(value) = single(headers, "Depth")? else {
            return Ok(None);
        };
        match value {
            "0" => Ok(Some(Self::Zero)),
            "1" => Ok(Some(Self::One)),
            _ if value.eq_ignore_ascii_case("infinity") => Ok(Some(Self::Infinity)),
            _ => bad("Depth must be 0, 1 or infinity"),
        }
    }
}

/// Whether COPY and MOVE may replace what is at the destination (RFC 4918 §10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overwrite {
    /// `T`, and the default.
    #[default]
    Yes,
    /// `F`
    No,
}

impl Overwrite {
    /// Missing means yes.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, DavError> {
        match single(headers, "Overwrite")? {
            None | Some("T" | "t") => Ok(Self::Yes),
            Some("F" | "f") => Ok(Self::No),
            Some(_) => bad("Overwrite must be T or F"),
        }
    }
}

/// How long the client would like to hold a lock (RFC 4918 §10.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestedTimeout {
    /// It did not say, or not in a way that can be read.
    Unspecified,
    /// It offered nothing but `Infinite`.
    Infinite,
    /// Its first finite offer, in seconds.
    Seconds(u64),
}

impl RequestedTimeout {
    /// A finite offer wins over `Infinite`, which many list first without meaning it; an offer
    /// that cannot be read is as good as none.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut answer = Self::Unspecified;
        for value in headers.get_all("Timeout") {
            let Ok(text) = std::str::from_utf8(value.as_bytes()) else {
                continue;
            };
            for offer in text.split(',').map(str::trim) {
                if let Some(seconds) = finite_offer(offer) {
                    return Self::Seconds(seconds);
                }
                if offer.eq_ignore_ascii_case("Infinite") {
                    answer = Self::Infinite;
                }
            }
        }
        answer
    }
}

fn finite_offer(offer: &str) -> Option<u64> {
    let (unit, digits) = offer.split_once('-')?;
    unit.eq_ignore_ascii_case("Second")
        .then(|| decimal_saturating(digits))
        .flatten()
}

/// The lock that UNLOCK means, or that Office 2016 submits with a PUT; not yet known to exist.
/// Windows leaves out the angle brackets.
pub fn lock_token(headers: &HeaderMap) -> Result<Option<String>, DavError> {
    let Some(value) = single(headers, "Lock-Token")? else {
        return Ok(None);
    };
    let token = value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(value)
        .trim();
    if token.is_empty() || token.contains(['<', '>']) {
        return bad("Lock-Token must be one lock token in angle brackets: <urn:uuid:…>");
    }
    Ok(Some(token.to_owned()))
}

/// `X-OC-Mtime`: the modification time that the uploading client wants kept, in seconds since 1970,
/// perhaps with a fraction. What cannot be read is ignored; the answer tells whether it was taken.
pub fn modified_override(headers: &HeaderMap) -> Option<Timestamp> {
    let value = single(headers, "X-OC-Mtime").ok().flatten()?;
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let seconds = decimal_saturating(seconds)?;
    decimal_saturating(fraction)?;
    let milliseconds = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(Timestamp(
        seconds.saturating_mul(1000).saturating_add(milliseconds),
    ))
}

/// `X-Expected-Entity-Length`: how many bytes a chunked upload of macOS will have.
pub fn expected_length(headers: &HeaderMap) -> Option<u64> {
    decimal(single(headers, "X-Expected-Entity-Length").ok().flatten()?)
}

fn bad<T>(sentence: impl Into<String>) -> Result<T, DavError> {
    Err(DavError::BadRequest(sentence.into()))
}

/// The value of a header that may stand only once. Repeating the same value does no harm.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, DavError> {
    let mut found = None;
    for value in headers.get_all(name) {
        let text = text(value, name)?;
        match found {
            Some(first) if first != text => {
                return bad(format!(
                    "{name} is given twice with different values; send it once"
                ));
            }
            _ => found = Some(text),
        }
    }
    Ok(found)
}

/// The text of one header line, without white space around it.
pub(super) fn text<'h>(value: &'h http::HeaderValue, name: &str) -> Result<&'h str, DavError> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(text.trim()),
        Err(_) => bad(format!("{name} is not UTF-8")),
    }
}

/// A number of digits only, which `str::parse` is not: it takes a sign.
fn decimal(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Like [`decimal`]; a number too large for 64 bits is the largest one.
fn decimal_saturating(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Headers for the tests of this folder.
#[cfg(test)]
pub(super) fn headers_of(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(name: &str, value: &str) -> HeaderMap {
        headers_of(&[(name, value)])
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(answer: Result<T, DavError>, reason: &str) {
        let error = answer.unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.to_string().contains(reason), "{error}");
    }

    #[test]
    fn depth() {
        let read = |value| Depth::from_headers(&one("Depth", value));
        assert_eq!(Depth::from_headers(&HeaderMap::new()), Ok(None));
        assert_eq!(read("0"), Ok(Some(Depth::Zero)));
        assert_eq!(read("1"), Ok(Some(Depth::One)));
        assert_eq!(read(" Infinity "), Ok(Some(Depth::Infinity)));
        for value in ["", "2", "-1", "1,noroot", "infinite", "00"] {
            refused(read(value), "0, 1 or infinity");
        }
    }

    #[test]
    fn overwrite() {
        let read = |value| Overwrite::from_headers(&one("Overwrite", value));
        assert_eq!(
            Overwrite::from_headers(&HeaderMap::new()),
            Ok(Overwrite::Yes)
        );
        assert_eq!(read("T"), Ok(Overwrite::Yes));
        assert_eq!(read("F"), Ok(Overwrite::No));
        assert_eq!(read("f"), Ok(Overwrite::No));
        for value in ["", "true", "TF", "0"] {
            refused(read(value), "T or F");
        }
    }

    #[test]
    fn a_single_header_may_repeat_but_not_contradict_itself() {
        let same = headers_of(&[("depth", "0"), ("Depth", "0")]);
        assert_eq!(Depth::from_headers(&same), Ok(Some(Depth::Zero)));
        let other = headers_of(&[("Depth", "0"), ("Depth", "infinity")]);
        refused(Depth::from_headers(&other), "Depth is given twice");
        let tokens = headers_of(&[("Lock-Token", "<a:b>"), ("Lock-Token", "<a:c>")]);
        refused(lock_token(&tokens), "Lock-Token is given twice");
    }

    #[test]
    fn timeout() {
        #[track_caller]
        fn check(values: &[&str], expect: RequestedTimeout) {
            let lines: Vec<_> = values.iter().map(|value| ("Timeout", *value)).collect();
            assert_eq!(
                RequestedTimeout::from_headers(&headers_of(&lines)),
                expect,
                "{values:?}"
            );
        }
        use RequestedTimeout::{Infinite, Seconds, Unspecified};
        check(&[], Unspecified);
        check(&[""], Unspecified);
        check(&["Infinite"], Infinite); // cadaver
        check(&["infinite"], Infinite);
        check(&["Second-180"], Seconds(180)); // LibreOffice
        check(&["second-1800"], Seconds(1800));
        check(&["Infinite, Second-4100000000"], Seconds(4_100_000_000)); // RFC 4918 §10.7
        check(&["Infinite", "Second-600"], Seconds(600));
        check(&["Second-5, Second-9"], Seconds(5));
        check(&["Second-0"], Seconds(0));
        check(&["Second-99999999999999999999999"], Seconds(u64::MAX));
        check(
            &["Second-, Second--1, Second-+1, Second-1.5, Extend 7"],
            Unspecified,
        );
        check(&["Minute-5, Infinite"], Infinite);
        check(&["soon, Second-7"], Seconds(7));
    }

    #[test]
    fn lock_tokens() {
        let read = |value| lock_token(&one("Lock-Token", value));
        assert_eq!(lock_token(&HeaderMap::new()), Ok(None));
        assert_eq!(read("<urn:uuid:1>"), Ok(Some("urn:uuid:1".to_owned())));
        assert_eq!(read("urn:uuid:1"), Ok(Some("urn:uuid:1".to_owned()))); // Windows
        assert_eq!(
            read(" <opaquelocktoken:foobar> ").unwrap().unwrap(),
            "opaquelocktoken:foobar"
        );
        for value in ["", "<>", "<a", "a>", "<a> <b>", "<<a>>"] {
            refused(read(value), "Lock-Token must be");
        }
    }

    #[test]
    fn modification_time() {
        let read = |value| modified_override(&one("X-OC-Mtime", value)).map(|time| time.0);
        assert_eq!(modified_override(&HeaderMap::new()), None);
        assert_eq!(read("1795314607"), Some(1_795_314_607_000)); // rclone
        assert_eq!(read("1795314607.5"), Some(1_795_314_607_500));
        assert_eq!(read("1.0239999999999999999999999"), Some(1_023));
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
        for value in [
            "", ".", "1.", ".5", "-1", "+1", "1e3", "1.2.3", "now", "1.x",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn lengths() {
        let read = |value| expected_length(&one("X-Expected-Entity-Length", value));
        assert_eq!(expected_length(&HeaderMap::new()), None);
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for value in ["", "-1", "+1", "1 2", "18446744073709551616"] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in prop::collection::vec(0x20u8..=0xff, 0..40)) {
            let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()) };
            let names = ["depth", "overwrite", "timeout", "lock-token", "destination", "host",
                "forwarded", "if-match", "if-none-match", "if-modified-since", "if-range",
                "if-unmodified-since", "range", "content-range", "x-oc-mtime",
                "x-expected-entity-length"];
            let headers: HeaderMap = names
                .map(|name| (http::HeaderName::from_static(name), value.clone()))
                .into_iter()
                .collect();
            let _ = Depth::from_headers(&headers);
            let _ = Overwrite::from_headers(&headers);
            let _ = RequestedTimeout::from_headers(&headers);
            let _ = lock_token(&headers);
            let _ = Destination::from_headers(&headers, &[], 4096);
            let _ = Conditions::from_headers(&headers);
            let _ = if_range_holds(&headers, &Validators { etag: None, modified: Timestamp(0) });
            let _ = RangeRequest::from_headers(&headers).map(|request| request.resolve(10));
            let _ = ContentRange::from_headers(&headers);
            let _ = modified_override(&headers);
            let _ = expected_length(&headers);
        }
    }
}
