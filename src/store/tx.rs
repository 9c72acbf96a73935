//! A transaction in our own words. Each kind of row has a file beside this one; here is what they
//! share: how a row is spelled in bytes.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Key, Order, StoreError, Txn};
use super::grounds::{Grounds, Notes};
use super::keys;
use super::locks::LocksRead;
use crate::protocol::time::Timestamp;

/// The first byte of every encoded row. A newer form gets a new number.
const ROW_VERSION: u8 = 1;

/// One transaction at one moment.
pub struct Tx<'t> {
    raw: &'t mut dyn Txn,
    /// The moment at which expiry is judged.
    pub now: Timestamp,
    notes: Notes,
    /// The locks that were read, for every step of an operation asks for those around it.
    pub(super) locks: LocksRead,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<'t> Tx<'t> {
    /// Speaks about `raw` as of `now`.
    pub fn new(raw: &'t mut dyn Txn, now: Timestamp) -> Self {
        Self::with(raw, now, Notes::Unwanted)
    }

    /// The same, and notes what is read, so that [`Self::grounds`] can tell.
    pub fn noting(raw: &'t mut dyn Txn, now: Timestamp) -> Self {
        Self::with(raw, now, Notes::Read(Vec::new()))
    }

    fn with(raw: &'t mut dyn Txn, now: Timestamp, notes: Notes) -> Self {
        let locks = LocksRead::default();
        Self {
            raw,
            now,
            notes,
            locks,
        }
    }

    /// What everything rests on that was read so far. `None`: nobody can tell, or not for how long,
    /// as with a lock, which ends by itself.
    pub fn grounds(&self) -> Option<Grounds> {
        self.notes.grounds(self.raw)
    }

    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let values = self.raw.get(keys).await?;
        self.notes.read(keys, &values);
        Ok(values)
    }

    pub(super) async fn bytes(&mut self, key: Key) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get(&[key]).await?.pop().flatten())
    }

    pub(super) async fn row<T: DeserializeOwned>(
        &mut self,
        key: Key,
    ) -> Result<Option<T>, StoreError> {
        self.bytes(key)
            .await?
            .map(|bytes| decode(&bytes))
            .transpose()
    }

    pub(super) async fn rows<T: DeserializeOwned>(
        &mut self,
        keys: &[Key],
    ) -> Result<Vec<Option<T>>, StoreError> {
        let values = self.get(keys).await?;
        values
            .into_iter()
            .map(|value| value.map(|bytes| decode(&bytes)).transpose())
            .collect()
    }

    pub(super) async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.raw_scan(range, limit, Order::Ascending).await
    }

    pub(super) async fn scan_rows<T: DeserializeOwned>(
        &mut self,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let found = self.scan(range, limit).await?;
        found.iter().map(|(_, value)| decode(value)).collect()
    }

    /// Every row of a range that is known to be small.
    pub(super) async fn scan_all(
        &mut self,
        mut range: Range<Key>,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        const PAGE: usize = 256;
        let mut all = Vec::new();
        loop {
            let page = self.scan(range.clone(), PAGE).await?;
            let full = page.len() == PAGE;
            all.extend(page);
            match all.last() {
                Some((last, _)) if full => range = keys::resumed(range, Some(last)),
                _ => return Ok(all),
            }
        }
    }

    pub(super) fn put_bytes(&mut self, key: Key, value: Bytes) {
        self.raw.put(key, value);
    }

    pub(super) fn put<T: Serialize>(&mut self, key: Key, value: &T) -> Result<(), StoreError> {
        self.raw.put(key, encode(value)?);
        Ok(())
    }

    /// A row whose key says everything.
    pub(super) fn mark(&mut self, key: Key) {
        self.raw.put(key, Bytes::new());
    }

    /// [`Txn::append`].
    pub(super) fn append(&mut self, prefix: Key, value: Bytes) {
        self.raw.append(prefix, value);
    }

    /// [`Txn::scan`].
    pub(super) async fn raw_scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        if !self.notes.are_taken() {
            return self.raw.scan(range, limit, order).await;
        }
        let found = self.raw.scan(range.clone(), limit, order).await?;
        self.notes.scanned(&range, !found.is_empty());
        Ok(found)
    }

    /// The last row of a range.
    pub(super) async fn last_row(
        &mut self,
        range: Range<Key>,
    ) -> Result<Option<(Key, Bytes)>, StoreError> {
        Ok(self.raw_scan(range, 1, Order::Descending).await?.pop())
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.raw.delete(key);
    }

    /// Takes `count` ids that nobody ever had or will have.
    pub async fn reserve_ids(&mut self, count: u64) -> Result<Range<u64>, StoreError> {
        const FIRST: u64 = crate::resource::ResourceId::ROOT.0 + 1;
        let first: u64 = self.row(keys::next_id()).await?.unwrap_or(FIRST);
        // Beginning anew would give ids twice.
        let end = first.checked_add(count);
        let end = end.ok_or_else(|| StoreError::Damaged("there are no more ids".to_owned()))?;
        self.put(keys::next_id(), &end)?;
        Ok(first..end)
    }

    /// The first id that nobody has reserved yet.
    pub async fn first_free_id(&mut self) -> Result<u64, StoreError> {
        Ok(self.row(keys::next_id()).await?.unwrap_or_default())
    }
}

/// The bytes of a row.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, StoreError> {
    let bytes = postcard::to_extend(value, vec![ROW_VERSION])
        .map_err(|error| StoreError::Failed(format!("a row cannot be encoded: {error}")))?;
    Ok(Bytes::from(bytes))
}

/// What the bytes of a row say; [`StoreError::Damaged`] if they are not a whole row and no more.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&ROW_VERSION, row)) => match postcard::take_from_bytes(row) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(StoreError::Damaged(format!(
                "a row has {} bytes behind its end",
                rest.len()
            ))),
            Err(error) => Err(StoreError::Damaged(format!(
                "a row cannot be read: {error}"
            ))),
        },
        Some((version, _)) => Err(StoreError::Damaged(format!(
            "a row has version {version}; this Lockkeeper knows version {ROW_VERSION}"
        ))),
        None => Err(StoreError::Damaged("a row is empty".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::{Engine as _, Mode};
    use crate::store::memory::MemoryEngine;

    fn is_damaged<T: std::fmt::Debug>(read: &Result<T, StoreError>) {
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    }

    #[test]
    fn a_row_is_whole_and_no_more() {
        let row = encode(&(7_u64, "plan".to_owned())).unwrap();
        assert_eq!(decode(&row), Ok((7_u64, "plan".to_owned())));
        for end in 0..row.len() {
            is_damaged(&decode::<(u64, String)>(&row[..end]));
        }
        is_damaged(&decode::<(u64, String)>(&[&row[..], &[0]].concat()));
        is_damaged(&decode::<(u64, String)>(&[&[2], &row[1..]].concat()));
    }

    #[tokio::test]
    async fn ids_do_not_begin_anew() {
        let mut txn = MemoryEngine::new().begin(Mode::Write).await.unwrap();
        let mut tx = Tx::new(&mut *txn, Timestamp(0));
        tx.put(keys::next_id(), &(u64::MAX - 5)).unwrap();
        assert_eq!(tx.reserve_ids(5).await, Ok(u64::MAX - 5..u64::MAX));
        is_damaged(&tx.reserve_ids(1000).await);
    }
}
