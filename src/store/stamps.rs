//! When rows last changed, so that what was made of rows can be told again as long as they are the
//! same.
//!
//! A table of fixed size, indexed by a hash: what shares a place shares its stamps, by which
//! something is made anew that need not be, and never the other way round.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::engine::Key;
use super::keys;

/// The kind of a row and the first id of its key: rows that are read together begin alike.
const PREFIX_BYTES: usize = 9;

/// Places in the table, which has 1 MiB.
const PLACES_BITS: u32 = 17;

/// Something that is as it was as long as its stamp is the same. Never given twice in the life of a
/// process, whatever engine gives it: one that lost its last commits and was opened anew must not
/// repeat itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

/// Of what a stamp tells: one row, or all rows whose keys begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u32);

/// The stamps of one engine. Whoever changes rows raises them in the same breath, while nobody
/// reads.
#[derive(Debug)]
pub(super) struct Stamps(Box<[Stamp]>);

impl Default for Stamps {
    /// Everything has changed now: what was known before is not believed.
    fn default() -> Self {
        Self(vec![Stamp::new(); 1 << PLACES_BITS].into())
    }
}

impl Stamp {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

impl Place {
    /// The row of this key.
    pub fn of_row(key: &[u8]) -> Self {
        Self::hash(0, key)
    }

    /// All rows of this range, if all their keys begin alike.
    pub fn of_range(range: &Range<Key>) -> Option<Self> {
        let prefix = range.start.get(..PREFIX_BYTES)?;
        let is_within = range.end <= keys::after_prefix(prefix);
        is_within.then(|| Self::hash(1, prefix))
    }

    /// [`Self::of_range`], if the range has all the rows of which it tells.
    pub(super) fn of_whole_range(range: &Range<Key>) -> Option<Self> {
        let is_whole =
            range.start.len() == PREFIX_BYTES && range.end == keys::after_prefix(&range.start);
        is_whole.then(|| Self::hash(1, &range.start))
    }

    /// The rows whose keys begin as this one.
    fn of_neighbours(key: &[u8]) -> Option<Self> {
        key.get(..PREFIX_BYTES).map(|prefix| Self::hash(1, prefix))
    }

    fn hash(seed: u64, bytes: &[u8]) -> Self {
        /// The golden ratio, as Fibonacci hashing has it: ids are consecutive.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |hash: u64, word: u64| {
            let mixed = (hash ^ word).wrapping_mul(SPREAD);
            mixed ^ mixed >> 32
        };
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words
            .iter()
            .fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let hash = mix(hash, u64::from_le_bytes(last)).wrapping_mul(SPREAD);
        Self(u32::try_from(hash >> (u64::BITS - PLACES_BITS)).unwrap_or_default())
    }
}

impl Stamps {
    /// The rows of these keys change.
    pub(super) fn raise<'k>(&mut self, keys: impl IntoIterator<Item = &'k Key>) {
        let now = Stamp::new();
        for key in keys {
            let places = [Some(Place::of_row(key)), Place::of_neighbours(key)];
            for place in places.into_iter().flatten() {
                self.0[place.0 as usize] = now;
            }
        }
    }

    /// When it last changed.
    pub(super) fn at(&self, place: Place) -> Stamp {
        self.0[place.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use bytes::Bytes;

    use super::*;
    use crate::resource::ResourceId;

    fn entry(parent: u64, name: &str) -> Key {
        keys::entry(ResourceId(parent), name)
    }

    #[test]
    fn a_change_is_seen_at_the_row_and_in_its_range() {
        let mut stamps = Stamps::default();
        let changed = entry(7, "name");
        let members = |after| Place::of_range(&keys::entries(ResourceId(7), after)).unwrap();
        let places = [Place::of_row(&changed), members(None), members(Some("a"))];
        let others = [
            Place::of_row(&entry(7, "other")),
            Place::of_row(&entry(8, "name")),
        ];
        let before = (
            places.map(|place| stamps.at(place)),
            others.map(|place| stamps.at(place)),
        );
        stamps.raise([&changed]);
        for (place, before) in places.into_iter().zip(before.0) {
            assert_ne!(stamps.at(place), before);
        }
        assert_eq!(others.map(|place| stamps.at(place)), before.1);
    }

    #[test]
    fn nobody_can_tell_of_wide_ranges() {
        let from_to = |start: &'static [u8], end: &'static [u8]| {
            Place::of_range(&(Bytes::from_static(start)..Bytes::from_static(end)))
        };
        assert_eq!(from_to(b"a", b"b"), None);
        assert_eq!(from_to(b"e00000000", b"e00000002"), None);
        assert!(from_to(b"e00000000", b"e00000001").is_some());
        assert!(from_to(b"e00000000x", b"e00000000y").is_some());
        let whole = |start: &'static [u8], end: &'static [u8]| {
            Place::of_whole_range(&(Bytes::from_static(start)..Bytes::from_static(end)))
        };
        assert!(whole(b"e00000000", b"e00000001").is_some());
        for part in [b"e00000002", b"e00000000"] {
            assert_eq!(whole(b"e00000000", part), None);
        }
        assert_eq!(whole(b"e00000000x", b"e00000001"), None);
    }

    #[test]
    fn no_stamp_is_given_twice() {
        let mut engines = [Stamps::default(), Stamps::default()];
        let mut seen = HashSet::new();
        let changed = entry(1, "");
        for _ in 0..10 {
            for stamps in &mut engines {
                assert!(seen.insert(stamps.at(Place::of_row(&changed)).0));
                stamps.raise([&changed]);
            }
        }
    }

    #[test]
    fn neighbours_seldom_share_a_place() {
        let rows = (0..5_000).flat_map(|id| [entry(id, "a"), entry(id, "b")]);
        let places: HashSet<u32> = rows.map(|key| Place::of_row(&key).0).collect();
        assert!(places.len() > 9_000, "{} places", places.len());
    }
}
