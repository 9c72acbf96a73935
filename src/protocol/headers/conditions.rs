//! Conditional requests (RFC 9110 §13): `If-Match` and its siblings, judged in the RFC's order.
//!
//! One exception is the caller's: Microsoft Office's "Existence Discovery" takes a 304 for an
//! error, so nobody may ask here for it.

use http::HeaderMap;

use super::super::error::DavError;
use super::super::time::Timestamp;
use super::{EntityTag, bad, single, text};

/// What conditions are compared with: a resource that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// Its entity tag; collections have none.
    pub etag: Option<EntityTag>,
    /// When it last changed.
    pub modified: Timestamp,
}

/// Whether the request is a GET or HEAD, which a false condition answers with 304 where it
/// answers everything else with 412.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safe {
    /// GET and HEAD.
    Yes,
    /// Every other method, PROPFIND too.
    No,
}

/// The value of `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: whatever is there.
    Any,
    /// One of these; never empty.
    Tags(Vec<EntityTag>),
}

impl TagList {
    fn from_headers(headers: &HeaderMap, name: &str) -> Result<Option<Self>, DavError> {
        let lines = headers.get_all(name).iter().map(|value| text(value, name));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        if lines.is_empty() {
            return Ok(None);
        }
        let value = lines.join(",");
        if value == "*" {
            return Ok(Some(Self::Any));
        }
        match EntityTag::parse_list(&value) {
            Some(tags) => Ok(Some(Self::Tags(tags))),
            None => bad(format!(
                "{name} must be * or a list of entity tags in double quotes"
            )),
        }
    }

    fn any(&self, state: &Validators, same: impl Fn(&EntityTag, &EntityTag) -> bool) -> bool {
        match (self, &state.etag) {
            (Self::Any, _) => true,
            (Self::Tags(_), None) => false,
            (Self::Tags(tags), Some(etag)) => tags.iter().any(|tag| same(tag, etag)),
        }
    }
}

/// The conditions of one request. Dates that cannot be read are not conditions (RFC 9110 §13.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// The resource must be one of these versions.
    pub if_match: Option<TagList>,
    /// The resource must be none of these versions.
    pub if_none_match: Option<TagList>,
    /// The resource must have changed after this.
    pub if_modified_since: Option<Timestamp>,
    /// The resource must not have changed after this.
    pub if_unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// Reads the four headers.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, DavError> {
        Ok(Self {
            if_match: TagList::from_headers(headers, "If-Match")?,
            if_none_match: TagList::from_headers(headers, "If-None-Match")?,
            if_modified_since: single(headers, "If-Modified-Since")?.and_then(http_date),
            if_unmodified_since: single(headers, "If-Unmodified-Since")?.and_then(http_date),
        })
    }

    /// Judges them in the order of RFC 9110 §13.2.2. `state` is `None` where nothing exists.
    pub fn evaluate(&self, state: Option<&Validators>, safe: Safe) -> Result<(), DavError> {
        if let Some(tags) = &self.if_match {
            if !state.is_some_and(|state| tags.any(state, EntityTag::strong_eq)) {
                return Err(match_failed(state));
            }
        } else if let (Some(date), Some(state)) = (self.if_unmodified_since, state)
            && whole_seconds(state.modified) > whole_seconds(date)
        {
            return failed(format!(
                "If-Unmodified-Since does not hold: the resource changed at {}",
                state.modified
            ));
        }

        let Some(state) = state else { return Ok(()) };
        if let Some(tags) = &self.if_none_match {
            return match (tags.any(state, EntityTag::weak_eq), safe, tags) {
                (false, _, _) => Ok(()),
                (true, Safe::Yes, _) => Err(DavError::NotModified),
                (true, Safe::No, TagList::Any) => {
                    failed("If-None-Match does not hold: there is something at this address")
                }
                (true, Safe::No, TagList::Tags(_)) => {
                    failed("If-None-Match does not hold: the resource is still that version")
                }
            };
        }
        match (self.if_modified_since, safe) {
            (Some(date), Safe::Yes) if whole_seconds(state.modified) <= whole_seconds(date) => {
                Err(DavError::NotModified)
            }
            _ => Ok(()),
        }
    }
}

/// Whether the `Range` of a GET counts (RFC 9110 §13.1.5). If not, the whole content is meant.
/// A date must be the very `Last-Modified` that was given out.
pub fn if_range_holds(headers: &HeaderMap, state: &Validators) -> bool {
    match single(headers, "If-Range") {
        Ok(None) => true,
        Err(_) => false,
        Ok(Some(value)) => match (EntityTag::parse(value), &state.etag) {
            (Some(tag), etag) => etag.as_ref().is_some_and(|etag| tag.strong_eq(etag)),
            (None, _) => http_date(value)
                .is_some_and(|date| whole_seconds(date) == whole_seconds(state.modified)),
        },
    }
}

fn match_failed(state: Option<&Validators>) -> DavError {
    let now = match state {
        None => "there is nothing at this address".to_owned(),
        Some(Validators { etag: None, .. }) => "a collection has no entity tag".to_owned(),
        Some(Validators {
            etag: Some(etag), ..
        }) => {
            format!("the resource has changed, its entity tag is now {etag}")
        }
    };
    DavError::PreconditionFailed(format!("If-Match does not hold: {now}"))
}

fn failed(sentence: impl Into<String>) -> Result<(), DavError> {
    Err(DavError::PreconditionFailed(sentence.into()))
}

fn http_date(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok().map(Timestamp::from)
}

/// An HTTP date has no fraction, so neither has what it is compared with.
fn whole_seconds(time: Timestamp) -> u64 {
    time.0 / 1000
}

#[cfg(test)]
mod tests {
    use super::super::headers_of;
    use super::*;

    const BEFORE: &str = "Sun, 22 Nov 2026 02:21:03 GMT";
    const SAME: &str = "Sun, 22 Nov 2026 02:21:04 GMT";
    const AFTER: &str = "Sun, 22 Nov 2026 02:21:05 GMT";

    fn file() -> Validators {
        let modified = Timestamp(http_date(SAME).unwrap().0 + 999);
        Validators {
            etag: Some(EntityTag::strong("now".to_owned())),
            modified,
        }
    }

    fn collection() -> Validators {
        Validators {
            etag: None,
            ..file()
        }
    }

    /// The status of the refusal; 0: the conditions hold.
    fn judge(lines: &[(&str, &str)], state: Option<&Validators>, safe: Safe) -> u16 {
        let conditions = Conditions::from_headers(&headers_of(lines)).unwrap();
        conditions
            .evaluate(state, safe)
            .map_or_else(|error| error.status(), |()| 0)
    }

    #[test]
    fn conditions_are_judged_in_order() {
        #[track_caller]
        fn check(lines: &[(&str, &str)], get: u16, put: u16, unmapped: u16) {
            assert_eq!(judge(lines, Some(&file()), Safe::Yes), get, "GET {lines:?}");
            assert_eq!(judge(lines, Some(&file()), Safe::No), put, "PUT {lines:?}");
            assert_eq!(judge(lines, None, Safe::No), unmapped, "unmapped {lines:?}");
        }
        check(&[], 0, 0, 0);
        check(&[("If-Match", "*")], 0, 0, 412);
        check(&[("If-Match", "\"now\"")], 0, 0, 412);
        check(&[("If-Match", "\"old\", \"now\"")], 0, 0, 412);
        check(
            &[("If-Match", "\"old\""), ("If-Match", "\"now\"")],
            0,
            0,
            412,
        );
        check(&[("If-Match", "\"old\"")], 412, 412, 412);
        check(&[("If-Match", "W/\"now\"")], 412, 412, 412);
        check(&[("If-None-Match", "*")], 304, 412, 0); // davfs2 creating a file
        check(&[("If-None-Match", "\"now\"")], 304, 412, 0);
        check(&[("If-None-Match", "W/\"now\"")], 304, 412, 0);
        check(&[("If-None-Match", "\"old\"")], 0, 0, 0);
        check(&[("If-Modified-Since", BEFORE)], 0, 0, 0);
        check(&[("If-Modified-Since", SAME)], 304, 0, 0);
        check(&[("If-Modified-Since", AFTER)], 304, 0, 0);
        check(
            &[("If-Modified-Since", "Sunday, 22-Nov-26 02:21:04 GMT")],
            304,
            0,
            0,
        );
        check(&[("If-Modified-Since", "yesterday")], 0, 0, 0);
        check(&[("If-Unmodified-Since", BEFORE)], 412, 412, 0);
        check(&[("If-Unmodified-Since", SAME)], 0, 0, 0);
        check(&[("If-Unmodified-Since", AFTER)], 0, 0, 0);
        check(&[("If-Unmodified-Since", "")], 0, 0, 0);
        // Entity tags beat dates.
        check(
            &[("If-Match", "\"now\""), ("If-Unmodified-Since", BEFORE)],
            0,
            0,
            412,
        );
        check(
            &[("If-None-Match", "\"old\""), ("If-Modified-Since", AFTER)],
            0,
            0,
            0,
        );
        check(
            &[("If-Match", "\"old\""), ("If-None-Match", "\"now\"")],
            412,
            412,
            412,
        );
        check(
            &[("If-Match", "\"now\""), ("If-None-Match", "\"now\"")],
            304,
            412,
            412,
        );
        check(
            &[("If-Unmodified-Since", BEFORE), ("If-None-Match", "*")],
            412,
            412,
            0,
        );
    }

    #[test]
    fn collections_have_no_entity_tag() {
        assert_eq!(
            judge(&[("If-Match", "\"x\"")], Some(&collection()), Safe::No),
            412
        );
        assert_eq!(
            judge(&[("If-Match", "*")], Some(&collection()), Safe::No),
            0
        );
        assert_eq!(
            judge(
                &[("If-None-Match", "\"x\"")],
                Some(&collection()),
                Safe::Yes
            ),
            0
        );
        assert_eq!(
            judge(&[("If-None-Match", "*")], Some(&collection()), Safe::No),
            412
        );
    }

    #[test]
    fn refusals_name_the_header() {
        #[track_caller]
        fn check(name: &str, value: &str, state: Option<&Validators>, sentence: &str) {
            let conditions = Conditions::from_headers(&headers_of(&[(name, value)])).unwrap();
            let error = conditions.evaluate(state, Safe::No).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name} does not hold: {sentence}")
            );
        }
        let now = "the resource has changed, its entity tag is now \"now\"";
        check("If-Match", "\"old\"", Some(&file()), now);
        check("If-Match", "*", None, "there is nothing at this address");
        check(
            "If-None-Match",
            "*",
            Some(&file()),
            "there is something at this address",
        );
        let changed = "the resource changed at 2026-11-22T02:21:04Z";
        check("If-Unmodified-Since", BEFORE, Some(&file()), changed);
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for name in ["If-Match", "If-None-Match"] {
            for value in ["", "now", "\"a\", *", "*, *", "\"a", ","] {
                let error = Conditions::from_headers(&headers_of(&[(name, value)])).unwrap_err();
                assert!(error.to_string().starts_with(name), "{value}: {error}");
            }
        }
        let twice = [("If-Modified-Since", BEFORE), ("If-Modified-Since", AFTER)];
        assert_eq!(
            Conditions::from_headers(&headers_of(&twice))
                .unwrap_err()
                .status(),
            400
        );
    }

    #[test]
    fn if_range() {
        #[track_caller]
        fn check(lines: &[(&str, &str)], expect: bool) {
            assert_eq!(
                if_range_holds(&headers_of(lines), &file()),
                expect,
                "{lines:?}"
            );
        }
        check(&[], true);
        check(&[("If-Range", "\"now\"")], true);
        check(&[("If-Range", "\"old\"")], false);
        check(&[("If-Range", "W/\"now\"")], false);
        check(&[("If-Range", SAME)], true);
        check(&[("If-Range", BEFORE)], false);
        check(&[("If-Range", AFTER)], false);
        check(&[("If-Range", "now")], false);
        check(&[("If-Range", "\"now\""), ("If-Range", "\"old\"")], false);
        assert!(!if_range_holds(
            &headers_of(&[("If-Range", "\"now\"")]),
            &collection()
        ));
    }
}
