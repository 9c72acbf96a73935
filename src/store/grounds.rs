//! What an answer rests on: everything that was read for it, and when that last changed.
//!
//! Nobody lists it, so nothing can be forgotten: [`Tx`](super::tx::Tx) notes each read by itself.

use std::ops::Range;

use bytes::Bytes;

use super::engine::{Key, Place, Stamp, Txn};

/// What rests on more is rather made anew.
const PLACES_MAX: usize = 1024;

/// Kinds of rows that say the same at any time: the tree, properties, content, old versions,
/// grants, groups, and where locks are. A lock itself, or a credential, ends as time passes.
const TIMELESS: &[u8] = b"erpcvahnmb";

/// What was read in one transaction, as it was then.
#[derive(Debug, Clone)]
pub struct Grounds(Box<[(Place, Stamp)]>);

/// What has been read so far.
#[derive(Debug)]
pub(super) enum Notes {
    /// Nobody wants to know.
    Unwanted,
    /// This.
    Read(Vec<Place>),
    /// Something of which nobody can tell whether it is still the same.
    Fleeting,
}

impl Grounds {
    /// Whether whatever rests on them would be the same in this transaction.
    pub fn hold(&self, txn: &dyn Txn) -> bool {
        let same = |(place, stamp): &(Place, Stamp)| txn.last_change(*place) == Some(*stamp);
        self.0.iter().all(same)
    }

    /// What it costs to remember them.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl Notes {
    /// Whether anything that is read now is to be noted.
    pub(super) fn are_taken(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    /// Of these keys the values were read.
    pub(super) fn read(&mut self, keys: &[Key], values: &[Option<Bytes>]) {
        if self.are_taken() {
            for (key, value) in keys.iter().zip(values) {
                self.note(key, Some(Place::of_row(key)), value.is_some());
            }
        }
    }

    /// This range was read, and something was in it or not.
    pub(super) fn scanned(&mut self, range: &Range<Key>, found: bool) {
        self.note(&range.start, Place::of_range(range), found);
    }

    fn note(&mut self, key: &[u8], place: Option<Place>, found: bool) {
        let Self::Read(places) = self else { return };
        let is_timeless = key.first().is_some_and(|kind| TIMELESS.contains(kind));
        match place {
            Some(place) if (is_timeless || !found) && places.len() < PLACES_MAX => {
                places.push(place);
            }
            _ => *self = Self::Fleeting,
        }
    }

    /// What an answer rests on that was made of nothing else.
    pub(super) fn grounds(&self, txn: &dyn Txn) -> Option<Grounds> {
        let Self::Read(places) = self else {
            return None;
        };
        let stamped = |place: &Place| Some((*place, txn.last_change(*place)?));
        places
            .iter()
            .map(stamped)
            .collect::<Option<_>>()
            .map(Grounds)
    }
}
