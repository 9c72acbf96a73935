//! What the embedded engines share: the limits, the lock that makes transactions serial, and the
//! overlay, which holds the writes of a running transaction and mixes them into what it reads.
//! Knows no engine.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::from_fn;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::engine::{APPENDED_KEY_BYTES, Key, Limits, Mode, Order, StoreError};
use crate::resource::INLINE_BYTES_MAX;

/// The limits of sled; the model engine has the same, so that what its tests allow, sled allows.
///
/// A leaf of sled holds up to 16 rows, each with a sum, and must stay below 128 KiB: larger ones go
/// to side files that sled never syncs.
pub(super) const LIMITS: Limits = Limits {
    key_bytes_max: 2_048,
    value_bytes_max: INLINE_BYTES_MAX,
    rows_per_transaction_max: 100_000,
};

/// The first byte of the rows that an engine keeps for itself. Above the seam no such row exists.
pub(super) const ENGINE_ROWS: u8 = 0;

/// Holds the right to read or to write for as long as a transaction lives.
#[derive(Debug)]
pub(super) enum Guard<T> {
    /// Together with other readers.
    Read(OwnedRwLockReadGuard<T>),
    /// Alone.
    Write(OwnedRwLockWriteGuard<T>),
}

impl<T> Guard<T> {
    /// Waits for its turn. The lock is fair: a stream of readers cannot starve a writer.
    pub(super) async fn take(lock: &Arc<RwLock<T>>, mode: Mode) -> Self {
        match mode {
            Mode::Read | Mode::ReadInPassing | Mode::ReadDurable => {
                Self::Read(Arc::clone(lock).read_owned().await)
            }
            Mode::Write => Self::Write(Arc::clone(lock).write_owned().await),
        }
    }
}

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Read(guard) => guard,
            Self::Write(guard) => guard,
        }
    }
}

/// The answer to a read transaction that wrote.
pub(super) fn wrote_in_a_read() -> StoreError {
    StoreError::Failed("a read transaction cannot write".to_owned())
}

/// Rows in order, or what is wrong with the next one.
pub(super) type RowIter<'a> = Box<dyn Iterator<Item = Result<(Key, Bytes), StoreError>> + 'a>;

/// The writes of one transaction, not yet committed; or of many, which are not yet where they are
/// to be kept.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// `None` is a removed row.
    rows: BTreeMap<Key, Option<Bytes>>,
    /// Prefixes and values, in order.
    appended: Vec<(Key, Bytes)>,
}

impl Overlay {
    pub(super) fn put(&mut self, key: Key, value: Bytes) {
        self.rows.insert(key, Some(value));
    }

    pub(super) fn append(&mut self, prefix: Key, value: Bytes) {
        self.appended.push((prefix, value));
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.rows.insert(key, None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.appended.is_empty()
    }

    pub(super) fn row_count(&self) -> usize {
        self.rows.len() + self.appended.len()
    }

    /// What this transaction wrote under `key`, if it did.
    pub(super) fn get(&self, key: &Key) -> Option<&Option<Bytes>> {
        self.rows.get(key)
    }

    /// Forgets what was written under this key.
    pub(super) fn forget(&mut self, key: &Key) {
        self.rows.remove(key);
    }

    /// Forgets what was written under keys below this one.
    pub(super) fn forget_below(&mut self, key: &Key) {
        self.rows = self.rows.split_off(key);
    }

    /// The rows to change when this becomes the commit of this number. Appended rows come last.
    pub(super) fn into_rows(self, number: u64) -> impl Iterator<Item = (Key, Option<Bytes>)> {
        let appended = self.appended.into_iter().zip(0_u16..);
        let appended = appended
            .map(move |((prefix, value), index)| (appended_key(&prefix, number, index), value));
        let appended = appended.map(|(key, value)| (key, Some(value)));
        self.rows.into_iter().chain(appended)
    }

    /// Refuses what the engine could not hold, before anything is applied.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), StoreError> {
        let too_large = |what: String| Err(StoreError::TooLarge(what));
        if self.row_count() > limits.rows_per_transaction_max {
            let (found, max) = (self.row_count(), limits.rows_per_transaction_max);
            return too_large(format!(
                "a transaction of {found} rows; at most {max} are allowed"
            ));
        }
        if self.appended.len() > APPENDED_MAX {
            let found = self.appended.len();
            return too_large(format!(
                "a transaction that appends {found} rows; at most {APPENDED_MAX} are allowed"
            ));
        }
        let rows = self.rows.iter();
        let rows = rows.map(|(key, value)| (key, key.len(), value.as_ref().map_or(0, Bytes::len)));
        let appended = self.appended.iter();
        let appended =
            appended.map(|(key, value)| (key, key.len() + APPENDED_KEY_BYTES, value.len()));
        for (key, key_len, value_len) in rows.chain(appended) {
            if key_len > limits.key_bytes_max {
                let (found, max) = (key_len, limits.key_bytes_max);
                return too_large(format!("a key of {found} bytes; at most {max} are allowed"));
            }
            if value_len > limits.value_bytes_max {
                let max = limits.value_bytes_max;
                return too_large(format!(
                    "a value of {value_len} bytes; at most {max} are allowed"
                ));
            }
            if key.first().is_none_or(|first| *first == ENGINE_ROWS) {
                return Err(StoreError::Failed(
                    "an empty key, or one that begins with a zero byte, belongs to the engine"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Takes over what a commit changed.
    pub(super) fn absorb(&mut self, changes: Vec<(Key, Option<Bytes>)>) {
        self.rows.extend(changes);
    }

    /// What was written and removed, in the order of the keys; nothing that is appended.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&Key, &Option<Bytes>)> {
        self.rows.iter()
    }

    /// Up to `limit` rows of `range`: those of `base`, which come in `order` and lie in `range`,
    /// as this transaction has changed them.
    pub(super) fn merge(
        &self,
        base: RowIter<'_>,
        range: &Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.over(base, range, order).take(limit).collect()
    }

    /// The same, all of them.
    pub(super) fn over<'a>(
        &'a self,
        base: RowIter<'a>,
        range: &Range<Key>,
        order: Order,
    ) -> RowIter<'a> {
        let mut own = self.between(range, order).peekable();
        if own.peek().is_none() {
            return base;
        }
        let mut base = base
            .map(|row| row.map(|(key, value)| (key, Some(value))))
            .peekable();
        let merged = from_fn(move || match (base.peek(), own.peek()) {
            (Some(Ok((theirs, _))), Some((ours, _))) => match compare(theirs, ours, order) {
                Ordering::Less => base.next(),
                Ordering::Equal => {
                    base.next();
                    own.next().map(Ok)
                }
                Ordering::Greater => own.next().map(Ok),
            },
            (Some(_), _) => base.next(),
            (None, _) => own.next().map(Ok),
        });
        let present = |row: Result<_, _>| row.map(|(key, value)| Some((key, value?))).transpose();
        Box::new(merged.filter_map(present))
    }

    fn between<'a>(
        &'a self,
        range: &Range<Key>,
        order: Order,
    ) -> Box<dyn Iterator<Item = (Key, Option<Bytes>)> + 'a> {
        if range.start >= range.end {
            return Box::new(std::iter::empty());
        }
        let rows = self.rows.range::<Key, _>(&range.start..&range.end);
        let rows = rows.map(|(key, value)| (key.clone(), value.clone()));
        in_order(rows, order)
    }
}

/// What two bytes can count.
const APPENDED_MAX: usize = u16::MAX as usize;

fn appended_key(prefix: &[u8], number: u64, index: u16) -> Key {
    Bytes::from([prefix, &number.to_be_bytes(), &index.to_be_bytes()].concat())
}

/// The rows of an ascending iterator in the order asked for.
pub(super) fn in_order<'a, T: 'a>(
    rows: impl DoubleEndedIterator<Item = T> + 'a,
    order: Order,
) -> Box<dyn Iterator<Item = T> + 'a> {
    match order {
        Order::Ascending => Box::new(rows),
        Order::Descending => Box::new(rows.rev()),
    }
}

fn compare(a: &Key, b: &Key, order: Order) -> Ordering {
    match order {
        Order::Ascending => a.cmp(b),
        Order::Descending => b.cmp(a),
    }
}
