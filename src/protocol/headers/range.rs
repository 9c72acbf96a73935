//! Byte ranges (RFC 9110 §14): what a GET asks for, and where a partial PUT writes.

use http::HeaderMap;

use super::super::error::DavError;
use super::{bad, decimal, decimal_saturating, single};

/// Most ranges that one request gets; whoever asks for more gets the whole file (RFC 9110 §14.2).
pub const RANGES_MAX: usize = 16;

/// A range of bytes that the file has; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the first byte.
    pub first: u64,
    /// Position of the last byte, not before the first.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes these are.
    pub fn length(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// 200: everything.
    Whole,
    /// 206: these parts, in the order in which they were asked for; never none.
    Parts(Vec<ByteRange>),
    /// 416: no range lies within the file.
    Unsatisfiable,
}

/// The `Range` header of a GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRequest {
    wanted: Vec<Wanted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64),
    Between(ByteRange),
    Last(u64),
}

impl RangeRequest {
    /// `None`: there is no `Range`, or one that is to be ignored, as RFC 9110 §14.2 wants of
    /// everything that is not a proper list of byte ranges, and allows of long lists.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let (unit, list) = single(headers, "Range").ok().flatten()?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let wanted = list
            .split(',')
            .map(str::trim)
            .filter(|range| !range.is_empty())
            .take(RANGES_MAX + 1)
            .map(Wanted::parse)
            .collect::<Option<Vec<_>>>()?;
        (1..=RANGES_MAX)
            .contains(&wanted.len())
            .then_some(Self { wanted })
    }

    /// What that means for a file of `size` bytes.
    pub fn resolve(&self, size: u64) -> Ranges {
        // An empty file has no range to send; everything of it can still be sent. Clients that
        // always send `bytes=0-` would take a 416 for an error.
        let Some(end) = size.checked_sub(1) else {
            return Ranges::Whole;
        };
        let parts: Vec<_> = self
            .wanted
            .iter()
            .filter_map(|range| range.within(end))
            .collect();
        if parts.is_empty() {
            Ranges::Unsatisfiable
        } else if overlap(&parts) {
            // RFC 9110 §17.15: nobody needs this but somebody who wants to keep a server busy.
            Ranges::Whole
        } else {
            Ranges::Parts(coalesce(&parts))
        }
    }
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once('-')? {
            ("", length) => decimal_saturating(length).map(Self::Last),
            (first, "") => decimal_saturating(first).map(Self::From),
            (first, last) => {
                let (first, last) = (decimal_saturating(first)?, decimal_saturating(last)?);
                (first <= last).then_some(Self::Between(ByteRange { first, last }))
            }
        }
    }

    /// The part of it that a file has whose last byte is at `end`.
    fn within(self, end: u64) -> Option<ByteRange> {
        let (first, last) = match self {
            Self::From(first) => (first, end),
            Self::Between(ByteRange { first, last }) => (first, last.min(end)),
            Self::Last(0) => return None,
            Self::Last(length) => (end.saturating_sub(length - 1), end),
        };
        (first <= end).then_some(ByteRange { first, last })
    }
}

fn overlap(parts: &[ByteRange]) -> bool {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable_by_key(|part| part.first);
    sorted.windows(2).any(|pair| pair[1].first <= pair[0].last)
}

/// Joins each part with the one before it where there is no byte between them.
fn coalesce(parts: &[ByteRange]) -> Vec<ByteRange> {
    let mut joined: Vec<ByteRange> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(before) if before.last.checked_add(1) == Some(part.first) => {
                before.last = part.last;
            }
            _ => joined.push(*part),
        }
    }
    joined
}

/// The `Content-Range` of a partial PUT: where the body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// Position of the body's first byte.
    pub first: u64,
    /// Position of the body's last byte, not before the first.
    pub last: u64,
    /// How long the file is afterwards; `None`: the client does not say.
    pub total: Option<u64>,
}

impl ContentRange {
    /// `None`: the body is the whole content. What cannot be read is an error here, since to
    /// ignore it would replace the file by a piece of it (RFC 9110 §14.5).
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, DavError> {
        let Some(value) = single(headers, "Content-Range")? else {
            return Ok(None);
        };
        match Self::parse(value) {
            Some(range) => Ok(Some(range)),
            None => bad(
                "Content-Range must be bytes FIRST-LAST/TOTAL or bytes FIRST-LAST/*, with FIRST \
                 not after LAST and LAST below TOTAL",
            ),
        }
    }

    /// How many bytes the body must have.
    pub fn length(self) -> u64 {
        ByteRange {
            first: self.first,
            last: self.last,
        }
        .length()
    }

    fn parse(value: &str) -> Option<Self> {
        let (unit, rest) = value.split_once(' ')?;
        let (range, total) = rest.trim_start().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (decimal(first)?, decimal(last)?);
        let total = match total {
            "*" => None,
            digits => Some(decimal(digits)?),
        };
        // No file is as long as to have that last byte, and the length would not fit in 64 bits.
        let is_range = unit.eq_ignore_ascii_case("bytes") && first <= last && last < u64::MAX;
        (is_range && total.is_none_or(|total| last < total)).then_some(Self { first, last, total })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::headers_of;
    use super::*;

    fn request(value: &str) -> Option<RangeRequest> {
        RangeRequest::from_headers(&headers_of(&[("Range", value)]))
    }

    #[test]
    fn ranges_of_ten_bytes() {
        #[track_caller]
        fn check(value: &str, expect: &[(u64, u64)]) {
            let parts = expect
                .iter()
                .map(|&(first, last)| ByteRange { first, last })
                .collect();
            assert_eq!(
                request(value).unwrap().resolve(10),
                Ranges::Parts(parts),
                "{value}"
            );
        }
        check("bytes=0-0", &[(0, 0)]);
        check("bytes=0-", &[(0, 9)]);
        check("Bytes=2-5", &[(2, 5)]);
        check("bytes=8-99999999999999999999999", &[(8, 9)]);
        check("bytes=-3", &[(7, 9)]);
        check("bytes=-30", &[(0, 9)]);
        check("bytes= 0-1 , ,4-5,", &[(0, 1), (4, 5)]);
        check("bytes=6-7,0-1", &[(6, 7), (0, 1)]);
        check("bytes=0-1,2-3,4-4,6-7", &[(0, 4), (6, 7)]);
        check("bytes=0-1,10-12", &[(0, 1)]);
        check("bytes=0-0,-1", &[(0, 0), (9, 9)]);
        check("bytes=-0,3-3", &[(3, 3)]);
    }

    #[test]
    fn ranges_that_do_not_count() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0-1,x",
            "bytes=1",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=0-1-2",
            "items=0-1",
            "bytes 0-1",
        ] {
            assert_eq!(request(value), None, "{value}");
        }
        assert_eq!(RangeRequest::from_headers(&HeaderMap::new()), None);
        let twice = headers_of(&[("Range", "bytes=0-1"), ("Range", "bytes=2-3")]);
        assert_eq!(RangeRequest::from_headers(&twice), None);
        let many = |count: usize| {
            let ranges: Vec<_> = (0..count).map(|i| format!("{0}-{0}", i * 2)).collect();
            request(&format!("bytes={}", ranges.join(",")))
        };
        assert!(many(RANGES_MAX).is_some());
        assert!(many(RANGES_MAX + 1).is_none());
    }

    #[test]
    fn ranges_that_get_everything_or_nothing() {
        #[track_caller]
        fn check(value: &str, size: u64, expect: &Ranges) {
            assert_eq!(
                &request(value).unwrap().resolve(size),
                expect,
                "{value} of {size}"
            );
        }
        check("bytes=0-4,4-5", 10, &Ranges::Whole);
        check("bytes=5-6,0-9", 10, &Ranges::Whole);
        check("bytes=0-0,-1", 1, &Ranges::Whole);
        check("bytes=0-", 0, &Ranges::Whole);
        check("bytes=-5", 0, &Ranges::Whole);
        check("bytes=10-", 10, &Ranges::Unsatisfiable);
        check("bytes=10-11,20-", 10, &Ranges::Unsatisfiable);
        check("bytes=-0", 10, &Ranges::Unsatisfiable);
    }

    #[test]
    fn content_range() {
        let read = |value| ContentRange::from_headers(&headers_of(&[("Content-Range", value)]));
        assert_eq!(ContentRange::from_headers(&HeaderMap::new()), Ok(None));
        let range = read("bytes 0-4/10").unwrap().unwrap();
        assert_eq!(
            range,
            ContentRange {
                first: 0,
                last: 4,
                total: Some(10)
            }
        );
        assert_eq!(range.length(), 5);
        let open = ContentRange {
            first: 7,
            last: 7,
            total: None,
        };
        assert_eq!(read("bytes 7-7/*"), Ok(Some(open)));
        for value in [
            "",
            "bytes",
            "bytes */10",
            "bytes 4-0/10",
            "bytes 0-10/10",
            "bytes 0-4",
            "items 0-4/5",
            "bytes=0-4/10",
            "bytes -4/10",
            "bytes 0-/10",
            "bytes 0-4/",
            "bytes +0-4/10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
        ] {
            let error = read(value).unwrap_err();
            assert_eq!(error.status(), 400, "{value}");
        }
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_file_and_apart(
            pairs in prop::collection::vec((0u64..40, 0u64..40), 1..6),
            size in 0u64..40,
        ) {
            let pairs: Vec<_> = pairs.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            let list: Vec<_> = pairs.iter().map(|(a, b)| format!("{a}-{b}")).collect();
            let asked = |byte: u64| pairs.iter().any(|&(a, b)| (a..=b).contains(&byte));
            match request(&format!("bytes={}", list.join(","))).unwrap().resolve(size) {
                Ranges::Parts(parts) => for byte in 0..40 {
                    let times = parts.iter().filter(|p| (p.first..=p.last).contains(&byte)).count();
                    prop_assert_eq!(times, usize::from(byte < size && asked(byte)));
                },
                Ranges::Unsatisfiable => prop_assert!(!(0..size).any(asked)),
                Ranges::Whole => prop_assert!(size == 0 || pairs.len() > 1),
            }
        }
    }
}
