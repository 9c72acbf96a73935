//! Contents of small and middle size in memory, so that what is asked for often is sent without
//! being read and summed again.
//!
//! It cannot go stale: an id is given to one content only, for as long as the process lives (and a
//! store that was restored is opened by another one), and a content never changes. What is
//! remembered was read from its file and agreed with its sums. Who may see it is asked before its
//! id is known, of the rows, at every request.

use std::fmt;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::PIECE_BYTES_MAX;
use crate::resource::ContentId;

/// What an entry takes beside its bytes, about.
const ENTRY_BYTES: u64 = 128;

/// Some contents, within a bound.
pub(super) struct Remembered(Option<Cache<ContentId, Bytes, Weight>>);

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<ContentId, Bytes> for Weight {
    fn weight(&self, _id: &ContentId, bytes: &Bytes) -> u64 {
        ENTRY_BYTES + bytes.len() as u64
    }
}

impl Remembered {
    /// At most `bytes_max`, which is divided: less than 2 MiB may be too little for the largest.
    pub(super) fn up_to(bytes_max: u64) -> Self {
        // From this the cache decides in how many parts it may be divided: each holds some of the
        // largest contents.
        let entries = usize::try_from(bytes_max / PIECE_BYTES_MAX as u64).unwrap_or(usize::MAX);
        Self((bytes_max > 0).then(|| Cache::with_weighter(entries, bytes_max, Weight)))
    }

    pub(super) fn get(&self, id: ContentId) -> Option<Bytes> {
        self.0.as_ref()?.get(&id)
    }

    pub(super) fn keep(&self, id: ContentId, bytes: &Bytes) {
        if let Some(cache) = &self.0 {
            cache.insert(id, bytes.clone());
        }
    }

    pub(super) fn forget(&self, id: ContentId) {
        if let Some(cache) = &self.0 {
            cache.remove(&id);
        }
    }
}

impl fmt::Debug for Remembered {
    /// Without what users have written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_ref().map(Cache::weight);
        f.debug_struct("Remembered")
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_is_allowed() {
        let max = 4 << 20;
        let remembered = Remembered::up_to(max);
        for id in 0..1_000 {
            let content = Bytes::from(vec![7; PIECE_BYTES_MAX >> (id % 10)]);
            remembered.keep(ContentId(id), &content);
        }
        let held = remembered.0.as_ref().map_or(0, Cache::weight);
        assert!((1..=max).contains(&held), "{held}");
    }

    #[test]
    fn what_is_forgotten_or_not_wanted_is_not_there() {
        let content = Bytes::from_static(b"content");
        for (bytes_max, found) in [(1 << 20, Some(content.clone())), (0, None)] {
            let remembered = Remembered::up_to(bytes_max);
            remembered.keep(ContentId(1), &content);
            assert_eq!(remembered.get(ContentId(1)), found);
            assert_eq!(remembered.get(ContentId(2)), None);
            remembered.forget(ContentId(1));
            assert_eq!(remembered.get(ContentId(1)), None);
        }
    }
}
