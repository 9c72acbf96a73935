//! Rows that are read again and again, such as those on the way to a file, in front of an engine
//! whose reads cost more; and ranges with few rows or none, as mostly when somebody looks for
//! locks.
//!
//! It cannot grow old: what is kept has its [`Stamp`], and counts only while it has that stamp.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::engine::{Key, Stamp, StoreError};

/// Beside its bytes, a row costs about so many.
const FIXED_BYTES: usize = 128;
/// About what a row has, by which the memory divides itself.
const USUAL_BYTES: usize = 256;

/// A range with more rows, or with larger ones, is not kept.
pub(super) const FEW_ROWS_MAX: usize = 8;
const FEW_ROWS_BYTES_MAX: usize = 4096;
/// What all ranges may take.
const RANGES_BYTES_MAX: u64 = 4 << 20;

/// All rows of a range, in the order of their keys.
pub(super) type FewRows = Arc<[(Key, Bytes)]>;

/// Rows, of which those that are not asked for go when there are too many.
pub(super) struct RowCache {
    rows: Cache<Key, Row, Weigh>,
    /// By where they begin.
    ranges: Cache<Key, (Stamp, FewRows), WeighRange>,
}

#[derive(Debug, Clone)]
struct Row {
    stamp: Stamp,
    /// `None`: there is no such row.
    value: Option<Bytes>,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<Key, Row> for Weigh {
    fn weight(&self, key: &Key, row: &Row) -> u64 {
        let value = row.value.as_ref().map_or(0, Bytes::len);
        (FIXED_BYTES + key.len() + value) as u64
    }
}

#[derive(Debug, Clone)]
struct WeighRange;

impl Weighter<Key, (Stamp, FewRows)> for WeighRange {
    fn weight(&self, start: &Key, (_, rows): &(Stamp, FewRows)) -> u64 {
        (FIXED_BYTES + start.len() + bytes_of(rows)) as u64
    }
}

fn bytes_of(rows: &[(Key, Bytes)]) -> usize {
    rows.iter()
        .map(|(key, value)| FIXED_BYTES + key.len() + value.len())
        .sum()
}

impl RowCache {
    /// Keeps about so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let rows = usize::try_from(bytes_max).unwrap_or(usize::MAX) / USUAL_BYTES;
        Self {
            rows: Cache::with_weighter(rows, bytes_max, Weigh),
            ranges: Cache::with_weighter(
                usize::try_from(RANGES_BYTES_MAX).unwrap_or(usize::MAX) / USUAL_BYTES,
                RANGES_BYTES_MAX,
                WeighRange,
            ),
        }
    }

    /// All rows of the range that begins there, as they were when it had this stamp.
    pub(super) fn range(&self, start: &Key, stamp: Stamp) -> Option<FewRows> {
        let kept = self.ranges.get(start).filter(|(then, _)| *then == stamp);
        kept.map(|(_, rows)| rows)
    }

    /// These are all that it has.
    pub(super) fn keep_range(&self, start: &Key, stamp: Stamp, rows: Vec<(Key, Bytes)>) {
        if rows.len() <= FEW_ROWS_MAX && bytes_of(&rows) <= FEW_ROWS_BYTES_MAX {
            self.ranges.insert(start.clone(), (stamp, rows.into()));
        }
    }

    /// The row as it was when it had this stamp, or as `read` reads it now. `keeps` says whether it
    /// is worth remembering.
    pub(super) fn get(
        &self,
        key: &Key,
        stamp: Stamp,
        keeps: bool,
        read: impl FnOnce() -> Result<Option<Bytes>, StoreError>,
    ) -> Result<Option<Bytes>, StoreError> {
        if let Some(row) = self.rows.get(key).filter(|row| row.stamp == stamp) {
            return Ok(row.value);
        }
        let value = read()?;
        if keeps {
            let row = Row {
                stamp,
                value: value.clone(),
            };
            self.rows.insert(key.clone(), row);
        }
        Ok(value)
    }
}

impl fmt::Debug for RowCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowCache")
            .field("bytes", &self.rows.weight())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::stamps::{Place, Stamps};
    use super::*;

    #[test]
    fn a_row_counts_as_long_as_nobody_changes_it() {
        let rows = RowCache::new(1 << 20);
        let mut stamps = Stamps::default();
        let key = Bytes::from_static(b"key");
        let get = |stamps: &Stamps, value: &'static str| {
            let stamp = stamps.at(Place::of_row(&key));
            let value = Some(Bytes::from_static(value.as_bytes()));
            rows.get(&key, stamp, true, || Ok(value)).unwrap().unwrap()
        };
        assert_eq!(get(&stamps, "old"), "old");
        assert_eq!(get(&stamps, "new"), "old");
        stamps.raise([&key]);
        assert_eq!(get(&stamps, "new"), "new");
        let failed = || Err(StoreError::Busy);
        let other = Bytes::from_static(b"other");
        let stamp = stamps.at(Place::of_row(&other));
        assert_eq!(rows.get(&other, stamp, true, failed), Err(StoreError::Busy));
        assert_eq!(rows.get(&other, stamp, false, || Ok(None)), Ok(None));
        let passed = rows.get(&other, stamp, true, failed);
        assert_eq!(passed, Err(StoreError::Busy), "it was read in passing");
        assert_eq!(rows.get(&other, stamp, true, || Ok(None)), Ok(None));
        assert_eq!(rows.get(&other, stamp, true, failed), Ok(None));
    }

    #[test]
    fn a_range_counts_as_long_as_nobody_changes_it() {
        let cache = RowCache::new(1 << 20);
        let mut stamps = Stamps::default();
        let start = Bytes::from_static(b"l12345678");
        let key = Bytes::from_static(b"l12345678t");
        let range = start.clone()..super::super::keys::after_prefix(&start);
        let place = Place::of_whole_range(&range).unwrap();
        let stamp = stamps.at(place);
        assert_eq!(cache.range(&start, stamp), None);
        let rows = vec![(key.clone(), Bytes::from_static(b"lock"))];
        cache.keep_range(&start, stamp, rows.clone());
        assert_eq!(cache.range(&start, stamp).as_deref(), Some(&rows[..]));
        stamps.raise([&key]);
        let stamp = stamps.at(place);
        assert_eq!(cache.range(&start, stamp), None);
        cache.keep_range(&start, stamp, vec![rows[0].clone(); FEW_ROWS_MAX + 1]);
        assert_eq!(cache.range(&start, stamp), None, "too many");
    }
}
