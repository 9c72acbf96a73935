//! What a request for events says.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::ops::events::{self, Cursor, PAGE_MAX};
use crate::ops::target::Target;
use crate::protocol::error::DavError;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::media_type::{EVENT_STREAM, JSON};

const LIMIT_DEFAULT: usize = 100;
const WAIT_SECONDS_MAX: u64 = 60;
const NOW: &str = "now";

/// Which events are asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) since: events::Since,
    pub(super) about: Option<Target>,
    pub(super) limit: usize,
    pub(super) wait: Duration,
}

impl Asked {
    pub(super) fn of(call: &Call) -> Result<Self, Fault> {
        let limit: usize = in_range(call, "limit", LIMIT_DEFAULT, 1..=PAGE_MAX)?;
        let wait = in_range(call, "wait", 0, 0..=WAIT_SECONDS_MAX)?;
        let bytes_max = call.dav.config().limits.path_bytes_max;
        let about = call.query("about");
        let about = about.map(|text| {
            let told = |error: DavError| Fault::bad_request(format!("about: {error}"));
            Target::parse(&text, bytes_max).map_err(told)
        });
        Ok(Self {
            since: since(call)?,
            about: about.transpose()?,
            limit,
            wait: Duration::from_secs(wait),
        })
    }
}

fn in_range<T>(
    call: &Call,
    name: &str,
    default: T,
    allowed: std::ops::RangeInclusive<T>,
) -> Result<T, Fault>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let said = format!("{} to {}", allowed.start(), allowed.end());
    let value = call.parse_query(name, &said)?.unwrap_or(default);
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(Fault::bad_request(format!(
        "{name} must be {said}, not {value}"
    )))
}

/// From where on. A stream that broke off is asked for again with the address of its first request
/// and the id of the last event (HTML, 9.2.4), so that counts first; without one it is empty.
fn since(call: &Call) -> Result<events::Since, Fault> {
    let header = call.headers.get("last-event-id");
    let header = header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let resumed = |id: &String| !id.is_empty();
    let all = [
        ("Last-Event-ID", header.filter(resumed)),
        ("lastEventId", call.query("lastEventId").filter(resumed)),
        ("since", call.query("since")),
    ];
    let mut places = Vec::new();
    for (name, text) in all {
        places.extend(text.map(|text| place(name, &text)).transpose()?);
    }
    Ok(places.first().copied().unwrap_or(events::Since::Start))
}

fn place(name: &str, text: &str) -> Result<events::Since, Fault> {
    if text == NOW {
        return Ok(events::Since::Now);
    }
    let cursor: Result<Cursor, DavError> = text.parse();
    let told = |error| Fault::bad_request(format!("{name} {text:?}: {error}"));
    cursor.map(events::Since::After).map_err(told)
}

/// Whether a stream is wanted rather than a page: `EventSource` names its media type.
pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).into_iter();
    let accept = accept.filter_map(|value| value.to_str().ok());
    let (mut stream, mut page) = (0.0, 0.0);
    for range in accept.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        let weight: f32 = weight.unwrap_or(1.0);
        match name.as_str() {
            EVENT_STREAM => stream = weight,
            JSON => page = weight,
            _ => {}
        }
    }
    stream > 0.0 && stream >= page
}

/// The schema of `since`.
pub(super) struct Since;

/// The schema of `Last-Event-ID`.
pub(super) struct Resumed;

/// The schema of `about`.
pub(super) struct About;

/// The schema of `limit`.
pub(super) struct Limit;

/// The schema of `wait`.
pub(super) struct Wait;

macro_rules! inline_schema {
    ($($name:ident => $schema:tt)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

inline_schema! {
    Since => { "type": "string", "pattern": "^(now|[A-Za-z0-9_-]{22})$" }
    Resumed => { "type": "string", "pattern": "^(now|[A-Za-z0-9_-]{22})?$" }
    About => { "type": "string", "pattern": "^(/.*|[0-9a-fA-F]{32})$" }
    Limit => {
        "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": LIMIT_DEFAULT
    }
    Wait => { "type": "integer", "minimum": 0, "maximum": WAIT_SECONDS_MAX, "default": 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_a_stream() {
        fn check(accept: &[&str], expect: bool) {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, value.parse().expect("a value"));
            }
            assert_eq!(wants_stream(&headers), expect, "{accept:?}");
        }
        check(&[], false);
        check(&["*/*"], false);
        check(&["application/json"], false);
        check(&["text/html", "*/*;q=0.1"], false);
        check(&["text/event-stream"], true);
        check(&["Text/Event-Stream"], true);
        check(&["text/event-stream, */*"], true);
        check(
            &["application/json;q=0.5", "text/event-stream; q=0.9"],
            true,
        );
        check(&["application/json, text/event-stream;q=0.9"], false);
        check(&["text/event-stream;q=0"], false);
        check(&["text/event-streams"], false);
    }
}
