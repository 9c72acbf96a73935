//! Conditional requests: the four headers of RFC 9110 §13 against its own order of steps.

use http::{HeaderMap, HeaderName, HeaderValue};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{
    Conditions, EntityTag, Safe, TagList, Validators, if_range_holds,
};
use lockkeeper::protocol::time::Timestamp;

use super::headers::lines;

/// `data` is header lines: `Name: value`.
pub fn target(data: &[u8]) {
    let headers = lines(data);
    let conditions = match Conditions::from_headers(&headers) {
        Ok(conditions) => conditions,
        Err(error) => return assert_eq!(error.status(), 400, "{error}"),
    };
    assert_eq!(
        Conditions::from_headers(&written(&conditions)).as_ref(),
        Ok(&conditions)
    );
    let tags = [&conditions.if_match, &conditions.if_none_match];
    let tags = tags.into_iter().flatten().flat_map(|list| match list {
        TagList::Any => &[],
        TagList::Tags(tags) => {
            assert!(!tags.is_empty());
            tags.as_slice()
        }
    });
    let dates = [conditions.if_modified_since, conditions.if_unmodified_since];
    let times = dates.into_iter().flatten().flat_map(|date| {
        let Timestamp(at) = date;
        [
            at,
            at.saturating_add(999),
            at.saturating_add(1000),
            at.saturating_sub(1),
        ]
    });
    let etags = tags
        .cloned()
        .map(Some)
        .chain([None, Some(EntityTag::of_version(7))]);
    let times: Vec<_> = times.chain([0]).map(Timestamp).collect();
    judge(&conditions, None);
    for etag in etags.take(8) {
        for modified in times.iter().copied() {
            let state = Validators {
                etag: etag.clone(),
                modified,
            };
            judge(&conditions, Some(&state));
            range_condition(&headers, &state);
        }
    }
}

fn judge(conditions: &Conditions, state: Option<&Validators>) {
    for safe in [Safe::Yes, Safe::No] {
        let status = match conditions.evaluate(state, safe) {
            Ok(()) => 200,
            Err(DavError::NotModified) => 304,
            Err(error) => error.status(),
        };
        assert_eq!(
            status,
            naive(conditions, state, safe),
            "{conditions:?} {state:?} {safe:?}"
        );
    }
}

/// RFC 9110 §13.2.2, step by step.
fn naive(conditions: &Conditions, state: Option<&Validators>, safe: Safe) -> u16 {
    let changed = state.map(|state| state.modified.0 / 1000);
    let after = |date: Option<Timestamp>| {
        let (date, changed) = (date?.0 / 1000, changed?);
        Some(changed > date)
    };
    if let Some(list) = &conditions.if_match {
        if !lists(list, state, |tag| !tag.starts_with("W/")) {
            return 412;
        }
    } else if after(conditions.if_unmodified_since) == Some(true) {
        return 412;
    }
    if let Some(list) = &conditions.if_none_match {
        return match (lists(list, state, |_| true), safe) {
            (false, _) => 200,
            (true, Safe::Yes) => 304,
            (true, Safe::No) => 412,
        };
    }
    match (safe, after(conditions.if_modified_since)) {
        (Safe::Yes, Some(false)) => 304,
        _ => 200,
    }
}

/// By spelling: two tags match when they are the same but for `W/`, where `fit` allows both.
fn lists(list: &TagList, state: Option<&Validators>, fit: impl Fn(&str) -> bool) -> bool {
    let Some(state) = state else { return false };
    let TagList::Tags(tags) = list else {
        return true;
    };
    let Some(etag) = state.etag.as_ref().map(ToString::to_string) else {
        return false;
    };
    let plain = |tag: &str| tag.trim_start_matches("W/").to_owned();
    let mut tags = tags.iter().map(ToString::to_string);
    tags.any(|tag| fit(&tag) && fit(&etag) && plain(&tag) == plain(&etag))
}

fn written(conditions: &Conditions) -> HeaderMap {
    let list = |list: &TagList| match list {
        TagList::Any => "*".to_owned(),
        TagList::Tags(tags) => {
            let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
            tags.join(", ")
        }
    };
    let lists = [
        ("if-match", conditions.if_match.as_ref().map(list)),
        ("if-none-match", conditions.if_none_match.as_ref().map(list)),
        (
            "if-modified-since",
            conditions.if_modified_since.map(Timestamp::http_date),
        ),
        (
            "if-unmodified-since",
            conditions.if_unmodified_since.map(Timestamp::http_date),
        ),
    ];
    let line = |(name, value): (&'static str, Option<String>)| {
        let value = HeaderValue::from_bytes(value?.as_bytes()).expect("we wrote it");
        Some((HeaderName::from_static(name), value))
    };
    lists.into_iter().filter_map(line).collect()
}

/// A range counts only for the very version that the client has.
fn range_condition(headers: &HeaderMap, state: &Validators) {
    if !if_range_holds(headers, state) {
        return;
    }
    let mut values = headers.get_all("if-range").iter();
    let Some(value) = values.next() else { return };
    let value = str::from_utf8(value.as_bytes())
        .expect("it was read")
        .trim();
    let strong = state.etag.as_ref().map(ToString::to_string);
    let by_tag = strong.is_some_and(|tag| tag == value && !tag.starts_with("W/"));
    assert!(
        by_tag || value.len() > 20,
        "{value:?} is neither the tag nor a date"
    );
}
