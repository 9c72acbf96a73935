//! Rows that are read again and again, such as those on the way to a file, in front of an engine
//! whose reads cost more; and where there are none, as mostly when somebody looks for locks.
//!
//! It cannot grow old: what is kept has its [`Stamp`], and counts only while it has that stamp.

use std::fmt;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::engine::{Key, Stamp, StoreError};

/// Beside its bytes, a row costs about so many.
const FIXED_BYTES: usize = 128;
/// About what a row has, by which the memory divides itself.
const USUAL_BYTES: usize = 256;

/// So many ranges without rows are known, for some 100 bytes each.
const EMPTY_RANGES_MAX: usize = 16_384;

/// Rows, of which those that are not asked for go when there are too many.
pub(super) struct RowCache {
    rows: Cache<Key, Row, Weigh>,
    /// By where they begin.
    empty_ranges: Cache<Key, Stamp>,
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

impl RowCache {
    /// Keeps about so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let rows = usize::try_from(bytes_max).unwrap_or(usize::MAX) / USUAL_BYTES;
        Self {
            rows: Cache::with_weighter(rows, bytes_max, Weigh),
            empty_ranges: Cache::new(EMPTY_RANGES_MAX),
        }
    }

    /// Whether the range that begins there had no rows when it had this stamp.
    pub(super) fn is_empty(&self, start: &Key, stamp: Stamp) -> bool {
        self.empty_ranges.get(start) == Some(stamp)
    }

    /// It has none.
    pub(super) fn note_empty(&self, start: &Key, stamp: Stamp) {
        self.empty_ranges.insert(start.clone(), stamp);
    }

    /// The row as it was when it had this stamp, or as `read` reads it now.
    pub(super) fn get(
        &self,
        key: &Key,
        stamp: Stamp,
        read: impl FnOnce() -> Result<Option<Bytes>, StoreError>,
    ) -> Result<Option<Bytes>, StoreError> {
        if let Some(row) = self.rows.get(key).filter(|row| row.stamp == stamp) {
            return Ok(row.value);
        }
        let value = read()?;
        let row = Row {
            stamp,
            value: value.clone(),
        };
        self.rows.insert(key.clone(), row);
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
            rows.get(&key, stamp, || Ok(value)).unwrap().unwrap()
        };
        assert_eq!(get(&stamps, "old"), "old");
        assert_eq!(get(&stamps, "new"), "old");
        stamps.raise([&key]);
        assert_eq!(get(&stamps, "new"), "new");
        let failed = || Err(StoreError::Busy);
        let other = Bytes::from_static(b"other");
        let stamp = stamps.at(Place::of_row(&other));
        assert_eq!(rows.get(&other, stamp, failed), Err(StoreError::Busy));
        assert_eq!(rows.get(&other, stamp, || Ok(None)), Ok(None));
        assert_eq!(rows.get(&other, stamp, failed), Ok(None));
    }
}
