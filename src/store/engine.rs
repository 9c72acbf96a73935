//! The seam: what every engine promises. One conformance suite (`tests/engines.rs`) runs over all.

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

pub use super::stamps::{Place, Stamp};

/// An ordered byte key.
pub type Key = Bytes;

/// What [`Txn::append`] adds to a prefix: the number of the commit in eight bytes, and of the row
/// in the commit in two, both big-endian. Numbers may be left out.
pub const APPENDED_KEY_BYTES: usize = 10;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A consistent view; writes in it are a programming error and fail the commit. May show what
    /// is being synced at that moment.
    Read,
    /// The same for a step of many in which much is read that nobody may read again soon: it is
    /// not remembered.
    ReadInPassing,
    /// As [`Mode::Read`], for what must never be taken back: it ends only when everything that it
    /// may have shown is durable.
    ReadDurable,
    /// Serializable with every other write transaction.
    Write,
}

/// In which order a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// What an engine can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest key in bytes.
    pub key_bytes_max: usize,
    /// Longest value in bytes.
    pub value_bytes_max: usize,
    /// Most rows that one transaction may change.
    pub rows_per_transaction_max: usize,
}

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The disk is full; nothing was changed.
    #[error("the disk that holds the store is full")]
    Full,
    /// A row or a transaction is larger than [`Limits`]; nothing was changed.
    #[error("too large for the store: {0}")]
    TooLarge(String),
    /// The disk could not be written, so nothing is changed until it can be again. What was being
    /// written at that moment may be lost, although reads may still show it.
    #[error("the disk that holds the store cannot be written: {0}")]
    Frozen(String),
    /// Too many conflicts in a row; nothing was changed.
    #[error("the store is too busy")]
    Busy,
    /// What was read back is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// This row is not what was written.
    #[error("the store is damaged: the row {} is not what was written", spell(.0))]
    DamagedRow(Key),
    /// Anything else that the operating system or the engine said.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A key for people: the kind of the row as a letter, the rest in hexadecimal.
pub fn spell(key: &[u8]) -> String {
    let (kind, rest) = key.split_first().unwrap_or((&b'?', &[]));
    let kind = format!("{}:", kind.escape_ascii());
    rest.iter()
        .fold(kind, |told, byte| told + &format!("{byte:02x}"))
}

/// Why a commit did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// Another transaction came first: run the body again.
    #[error("another transaction came first")]
    Conflict,
    /// It may have happened: read again to find out.
    #[error("it is not known whether the commit happened: {0}")]
    Unknown(StoreError),
    /// It did not happen.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// Something that runs transactions.
#[async_trait]
pub trait Engine: Send + Sync + Debug {
    /// Starts a transaction. A write transaction may wait for others to end.
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError>;

    /// Starts to read everything that is committed now, while others go on writing.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Leaves out the numbers of commits up to this one, so that rows appended later lie behind
    /// those that another store appended and that were put here.
    async fn skip_to(&self, number: u64) -> Result<(), StoreError>;

    /// Whether it can write; if not, why.
    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What fits in.
    fn limits(&self) -> Limits;

    /// Waits until everything committed is durable and releases the files. The last call.
    async fn close(&self) -> Result<(), StoreError>;
}

/// All rows as they were at one moment; all of it was durable when it began.
#[async_trait]
pub trait Snapshot: Send {
    /// The number of the last commit in it; appended rows have none above it.
    fn number(&self) -> u64;

    /// The next rows, at most `limit` of them, in the order of their keys; none at the end.
    async fn next(&mut self, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError>;
}

/// One transaction. Dropped without `commit`, it changes nothing.
#[async_trait]
pub trait Txn: Send {
    /// The values of `keys`, in their order, in one round trip. Sees this transaction's own writes.
    async fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Up to `limit` rows with `range.start <= key < range.end`. Sees this transaction's own
    /// writes; in a write transaction safe against rows that others add (phantoms).
    async fn scan(
        &mut self,
        range: Range<Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, Bytes)>, StoreError>;

    /// Changes with every commit that changes something there, as of what this transaction sees
    /// but for its own writes. `None` where an engine cannot tell.
    fn last_change(&self, _place: Place) -> Option<Stamp> {
        None
    }

    /// Writes a row at commit; the last of `put` and `delete` on a key counts.
    fn put(&mut self, key: Key, value: Bytes);

    /// Writes a row at commit whose key is `prefix` and [`APPENDED_KEY_BYTES`] more, by which it
    /// lies behind every row appended by an earlier commit, or earlier in this one. So whoever has
    /// read the rows of a prefix up to one of them will never miss one before it. The transaction
    /// itself does not see the row.
    fn append(&mut self, prefix: Key, value: Bytes);

    /// Removes a row at commit.
    fn delete(&mut self, key: Key);

    /// All or nothing. `Ok` means durable.
    async fn commit(self: Box<Self>) -> Result<(), CommitError>;

    /// Ends without writing. Of [`Mode::ReadDurable`] or [`Mode::Write`], waits until everything
    /// that this transaction may have read is durable, so that no refusal rests on what a power cut
    /// could undo.
    async fn settle(self: Box<Self>) -> Result<(), StoreError>;
}
