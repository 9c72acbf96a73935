//! The request headers that stand alone: what they say, and what they would say if it were written
//! out once more.

use http::{HeaderMap, HeaderName, HeaderValue};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{
    self, ContentRange, Depth, Destination, Overwrite, RANGES_MAX, RangeRequest, Ranges,
    RequestedTimeout,
};
use lockkeeper::web::auth::Credentials;

const PATH_BYTES_MAX: usize = 4096;
const OWN_HOSTS: &[&str] = &["files.example.org"];

/// `data` is header lines: `Name: value`.
pub fn target(data: &[u8]) {
    let headers = lines(data);
    words(&headers);
    lock_token(&headers);
    destination(&headers);
    content_range(&headers);
    for size in [0, 1, 2, 10, 64] {
        ranges(&headers, size);
    }
    numbers(&headers);
    credentials(&headers);
}

/// The lines as hyper would hand them on: without white space around the values.
pub(super) fn lines(data: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

fn one(name: &'static str, value: &str) -> HeaderMap {
    let value = HeaderValue::from_bytes(value.as_bytes()).expect("we wrote it");
    HeaderMap::from_iter([(HeaderName::from_static(name), value)])
}

/// The one value that all lines of this name have, if they are text.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ()> {
    let values = headers.get_all(name).iter();
    let values = values.map(|value| str::from_utf8(value.as_bytes()).map(str::trim));
    let mut values = values.collect::<Result<Vec<_>, _>>().map_err(|_| ())?;
    values.dedup();
    match values[..] {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(()),
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, DavError>) {
    let error = answer.expect_err("it cannot be meant");
    // 502: the destination is on another server (RFC 4918 §9.8.4).
    assert!(
        (400..500).contains(&error.status()) || error.status() == 502,
        "{error}"
    );
    assert!(!error.public_sentence().is_empty());
}

fn words(headers: &HeaderMap) {
    let depth = Depth::from_headers(headers);
    match only(headers, "depth").map(|value| value.map(str::to_ascii_lowercase)) {
        Ok(None) => assert_eq!(depth, Ok(None)),
        Ok(Some(word)) if word == "0" => assert_eq!(depth, Ok(Some(Depth::Zero))),
        Ok(Some(word)) if word == "1" => assert_eq!(depth, Ok(Some(Depth::One))),
        Ok(Some(word)) if word == "infinity" => assert_eq!(depth, Ok(Some(Depth::Infinity))),
        _ => refused(depth),
    }
    let overwrite = Overwrite::from_headers(headers);
    match only(headers, "overwrite") {
        Ok(None | Some("T" | "t")) => assert_eq!(overwrite, Ok(Overwrite::Yes)),
        Ok(Some("F" | "f")) => assert_eq!(overwrite, Ok(Overwrite::No)),
        _ => refused(overwrite),
    }
    let timeout = RequestedTimeout::from_headers(headers);
    let told = match timeout {
        RequestedTimeout::Unspecified => return,
        RequestedTimeout::Infinite => "Infinite".to_owned(),
        RequestedTimeout::Seconds(seconds) => format!("Second-{seconds}"),
    };
    assert_eq!(
        RequestedTimeout::from_headers(&one("timeout", &told)),
        timeout
    );
}

fn lock_token(headers: &HeaderMap) {
    match headers::lock_token(headers) {
        Ok(Some(token)) => {
            assert!(!token.is_empty() && !token.contains(['<', '>']) && token.trim() == token);
            let again = headers::lock_token(&one("lock-token", &format!("<{token}>")));
            assert_eq!(again, Ok(Some(token)));
        }
        Ok(None) => assert!(!headers.contains_key("lock-token")),
        refusal => refused(refusal),
    }
}

fn destination(headers: &HeaderMap) {
    let own: Vec<_> = OWN_HOSTS.iter().map(|host| (*host).to_owned()).collect();
    match Destination::from_headers(headers, &own, PATH_BYTES_MAX) {
        Ok(path) => {
            let value = only(headers, "destination")
                .ok()
                .flatten()
                .expect("it was read");
            assert!(
                value.starts_with('/') || names_us(headers, value),
                "{value:?} is foreign"
            );
            let again = one("destination", &path.to_string());
            // Encoded, a path may be longer than it was sent.
            let again = Destination::from_headers(&again, &[], usize::MAX);
            assert_eq!(again.as_ref(), Ok(&path));
        }
        refusal => refused(refusal),
    }
}

/// Whether a host that the request or the configuration calls ours stands in the URL's authority.
fn names_us(headers: &HeaderMap, url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let told = ["host", "x-forwarded-host", "forwarded"].into_iter();
    let told = told.flat_map(|name| headers.get_all(name));
    let told = told.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let mut told = told.chain(OWN_HOSTS.iter().map(|host| (*host).to_owned()));
    let plain = authority.rsplit('@').next().unwrap_or_default();
    let host = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let host = host.strip_suffix(':').unwrap_or(plain);
    let host = host.strip_suffix('.').unwrap_or(host);
    !host.is_empty() && told.any(|told| told.contains(host))
}

fn content_range(headers: &HeaderMap) {
    match ContentRange::from_headers(headers) {
        Ok(Some(range)) => {
            let ContentRange { first, last, total } = range;
            assert_eq!(Some(range.length()), (last - first).checked_add(1));
            assert!(total.is_none_or(|total| last < total));
            let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
            let told = format!("bytes {first}-{last}/{total}");
            let again = ContentRange::from_headers(&one("content-range", &told));
            assert_eq!(again, Ok(Some(range)));
        }
        Ok(None) => assert!(!headers.contains_key("content-range")),
        refusal => refused(refusal),
    }
}

/// Against a set of bytes: every byte that was asked for and exists is sent, once.
fn ranges(headers: &HeaderMap, size: u64) {
    let Some(request) = RangeRequest::from_headers(headers) else {
        return;
    };
    let value = only(headers, "range").ok().flatten().expect("it was read");
    let wanted = value
        .split_once('=')
        .map_or("", |(_, list)| list)
        .split(',')
        .map(str::trim);
    let wanted: Vec<_> = wanted.filter(|range| !range.is_empty()).collect();
    assert!((1..=RANGES_MAX).contains(&wanted.len()), "{value:?}");
    let number = |digits: &str| digits.parse::<u128>().unwrap_or(u128::MAX);
    let asked = |byte: u64, range: &str| match range.split_once('-').expect("it was read") {
        ("", length) => u128::from(byte) + number(length) >= u128::from(size),
        (first, "") => u128::from(byte) >= number(first),
        (first, last) => (number(first)..=number(last)).contains(&u128::from(byte)),
    };
    let saturating = |byte, range: &str| match range {
        // The naive sum would overflow.
        "" => false,
        _ if range.len() > 30 => range.starts_with('-') || asked(byte, range),
        _ => asked(byte, range),
    };
    let times = |byte| {
        wanted
            .iter()
            .filter(|range| saturating(byte, range))
            .count()
    };
    match request.resolve(size) {
        Ranges::Parts(parts) => {
            assert!(!parts.is_empty() && parts.len() <= RANGES_MAX);
            for byte in 0..size {
                let sent = parts
                    .iter()
                    .filter(|part| (part.first..=part.last).contains(&byte));
                assert_eq!(
                    sent.count(),
                    times(byte),
                    "byte {byte} of {size} for {value:?}"
                );
            }
            assert!(
                parts
                    .iter()
                    .all(|part| part.first <= part.last && part.last < size)
            );
        }
        Ranges::Unsatisfiable => assert!((0..size).all(|byte| times(byte) == 0), "{value:?}"),
        Ranges::Whole => {
            assert!(
                size == 0 || (0..size).any(|byte| times(byte) > 1),
                "{value:?} of {size}"
            );
        }
    }
}

fn numbers(headers: &HeaderMap) {
    if let Some(length) = headers::expected_length(headers) {
        let again = one("x-expected-entity-length", &length.to_string());
        assert_eq!(headers::expected_length(&again), Some(length));
    }
    if let Some(time) = headers::modified_override(headers) {
        let told = format!("{}.{:03}", time.0 / 1000, time.0 % 1000);
        assert_eq!(
            headers::modified_override(&one("x-oc-mtime", &told)),
            Some(time)
        );
        // Whatever it is, it can be told.
        assert!(!time.http_date().is_empty() && !time.rfc3339_millis().is_empty());
    }
}

/// Passwords and cookies go along by themselves; only tokens in headers are deliberate.
fn credentials(headers: &HeaderMap) {
    let credentials = Credentials::in_docspace_headers(headers);
    let authorization = headers.get_all("authorization").iter().collect::<Vec<_>>();
    assert_eq!(
        credentials.authorization.is_some(),
        authorization.len() == 1
    );
    let bearer = authorization.first().is_some_and(|value| {
        let scheme = value.as_bytes().split(|byte| *byte == b' ').next();
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
    });
    let own_header = headers.contains_key("apikeybearer");
    assert!(!credentials.are_deliberate() || bearer || own_header);
    let plain = Credentials::in_authorization(headers);
    assert!(plain.token.is_none() && plain.cookie.is_none());
    assert_eq!(format!("{plain:?}"), "Credentials { .. }");
}
