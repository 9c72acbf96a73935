//! The journal: what each commit changed, one record after the other, written and synced before
//! anybody is told. sled gets the rows later and many at once; until then they are read from memory
//! and, after a crash, from here.
//!
//! Three files are written in turns and never shrink: one is being written, one may still be on its
//! way into sled, and one is free. Writing over what a file has is what a disk syncs fastest, for
//! only then the file system has nothing of its own to write; so while a file grows, it grows by
//! zeros, many at once.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use crc32fast::Hasher;
use tokio::sync::watch;

use super::super::engine::Key;
use super::super::overlay::Overlay;

pub(super) const FILES: [&str; 3] = ["journal-0", "journal-1", "journal-2"];

/// What a file begins with, and the epoch behind it.
const MAGIC: [u8; 8] = *b"LkJournl";

/// Length and sum of what follows, number of the commit, number of the commit before it.
const RECORD_HEAD_BYTES: usize = 4 + 4 + 8 + 8;

/// A file grows by so many bytes at once. That takes the disk a millisecond, so it must not be
/// much, and saves a third of each sync in it.
const GROWS_BY_BYTES: usize = 256 << 10;

/// In place of a value's length: the row is removed.
const REMOVED: u32 = u32::MAX;

/// A changed row; `None`: removed.
pub(super) type Change = (Key, Option<Bytes>);

/// One opening of a store. Its records have sums that no other opening's records have: what is left
/// in a file behind the end of the new ones is never taken for one of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch(u64);

impl Epoch {
    fn begin() -> io::Result<Self> {
        let random = getrandom::u64();
        random
            .map(Self)
            .map_err(|error| io::Error::other(error.to_string()))
    }

    /// The record of commit `number`, which follows `previous`.
    pub(super) fn record(self, previous: u64, number: u64, changes: &[Change]) -> Vec<u8> {
        let row_bytes =
            |(key, value): &Change| 6 + key.len() + value.as_ref().map_or(0, Bytes::len);
        let length = changes.iter().map(row_bytes).sum::<usize>();
        let mut record = Vec::with_capacity(RECORD_HEAD_BYTES + length);
        record.extend_from_slice(&length_field(length));
        record.extend_from_slice(&[0; 4]);
        record.extend_from_slice(&number.to_be_bytes());
        record.extend_from_slice(&previous.to_be_bytes());
        for (key, value) in changes {
            let key_bytes = u16::try_from(key.len()).unwrap_or(u16::MAX);
            record.extend_from_slice(&key_bytes.to_be_bytes());
            match value {
                Some(value) => record.extend_from_slice(&length_field(value.len())),
                None => record.extend_from_slice(&REMOVED.to_be_bytes()),
            }
            record.extend_from_slice(key);
            record.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        let sum = self.sum(&record);
        record[4..8].copy_from_slice(&sum);
        record
    }

    /// Over all of a record but the sum itself.
    fn sum(self, record: &[u8]) -> [u8; 4] {
        let mut hasher = Hasher::new();
        hasher.update(&self.0.to_be_bytes());
        hasher.update(&record[..4]);
        hasher.update(&record[8..]);
        hasher.finalize().to_be_bytes()
    }

    /// The record at the beginning of `bytes`, if there is a whole one.
    fn read(self, bytes: &[u8]) -> Option<Record<'_>> {
        let length = u32::from_be_bytes(*bytes.first_chunk()?);
        let end = RECORD_HEAD_BYTES.checked_add(usize::try_from(length).ok()?)?;
        let record = bytes.get(..end)?;
        if record[4..8] != self.sum(record) {
            return None;
        }
        let (number, rest) = record[8..].split_first_chunk()?;
        let (previous, rows) = rest.split_first_chunk()?;
        Some(Record {
            number: u64::from_be_bytes(*number),
            previous: u64::from_be_bytes(*previous),
            rows,
            bytes: end,
        })
    }
}

/// The engine's limits are far below what the field can hold.
fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(REMOVED - 1).to_be_bytes()
}

struct Record<'r> {
    number: u64,
    previous: u64,
    rows: &'r [u8],
    /// Its length.
    bytes: usize,
}

impl Record<'_> {
    fn changes(&self) -> Option<Vec<Change>> {
        let mut rest = self.rows;
        let mut changes = Vec::new();
        while !rest.is_empty() {
            let (key_bytes, more) = rest.split_first_chunk()?;
            let (value_bytes, more) = more.split_first_chunk()?;
            let (key, more) = more.split_at_checked(u16::from_be_bytes(*key_bytes).into())?;
            let value_bytes = u32::from_be_bytes(*value_bytes);
            let (value, more) = if value_bytes == REMOVED {
                (None, more)
            } else {
                let (value, more) = more.split_at_checked(usize::try_from(value_bytes).ok()?)?;
                (Some(Bytes::copy_from_slice(value)), more)
            };
            changes.push((Bytes::copy_from_slice(key), value));
            rest = more;
        }
        Some(changes)
    }
}

/// What a journal had that sled does not have yet.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// The rows.
    pub(super) rows: Overlay,
    /// The number of the last commit, in sled or here.
    pub(super) number: u64,
}

/// The files, and where the next record goes.
#[derive(Debug)]
pub(super) struct Journal {
    files: [Part; 3],
    /// The one that is being written.
    active: usize,
    epoch: Epoch,
    /// From this length on the next file is taken, if it is free.
    bytes_max: u64,
    /// Up to which commit sled has everything.
    moved: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Part {
    file: File,
    /// Its last commit.
    last: u64,
    /// Where the next record goes; 0: it begins anew.
    end: u64,
    /// What the file has, as records or as room for them.
    length: u64,
}

impl Journal {
    /// Opens the files in `dir`, which are made if need be, and reads what `moved` says that sled
    /// does not have.
    pub(super) fn open(
        dir: &Path,
        bytes_max: u64,
        moved: watch::Receiver<u64>,
    ) -> io::Result<(Self, Replayed)> {
        let mut parts = Vec::new();
        let mut contents = Vec::new();
        for name in FILES {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(dir.join(name))?;
            let content = content(&file)?;
            parts.push(Part {
                file,
                last: 0,
                end: 0,
                length: content.len() as u64,
            });
            contents.push(content);
        }
        let number = *moved.borrow();
        let mut replayed = Replayed {
            rows: Overlay::default(),
            number,
        };
        // Which file is older, their first records tell.
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|index| first_number(&contents[*index]));
        for index in order {
            parts[index].last = replay(&contents[index], &mut replayed);
        }
        let files = <[Part; 3]>::try_from(parts)
            .map_err(|_| io::Error::other("the journal has three files"))?;
        let free = files.iter().position(|part| part.last <= number);
        let journal = Self {
            files,
            active: free.unwrap_or_default(),
            epoch: Epoch::begin()?,
            bytes_max,
            moved,
        };
        Ok((journal, replayed))
    }

    /// Whether a file can be written. If not, sled has to take what there is first.
    pub(super) fn has_room(&self) -> bool {
        let part = &self.files[self.active];
        part.end > 0 || part.last <= *self.moved.borrow()
    }

    /// Under which its records are made.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Writes records, the last of which is that of commit `number`, behind those before.
    pub(super) fn write(&mut self, records: &[u8], number: u64) -> io::Result<()> {
        self.take_turns();
        let part = &mut self.files[self.active];
        if part.end == 0 {
            part.write(&[MAGIC, self.epoch.0.to_be_bytes()].concat())?;
        }
        part.write(records)?;
        part.last = number;
        Ok(())
    }

    /// Returns when the disk has what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.files[self.active].file.sync_data()
    }

    /// Goes on to the next file when this one is long and sled has all of that one. Everything in
    /// this one is synced: each write is, before the next.
    fn take_turns(&mut self) {
        if self.files[self.active].end < self.bytes_max {
            return;
        }
        let moved = *self.moved.borrow();
        let is_free = |index: &usize| *index != self.active && self.files[*index].last <= moved;
        if let Some(next) = (0..self.files.len()).find(is_free) {
            self.files[next].end = 0;
            self.active = next;
        }
    }
}

impl Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.end + bytes.len() as u64;
        if end > self.length {
            let room = vec![0; GROWS_BY_BYTES];
            self.file.write_all_at(&room, end)?;
            self.length = end + room.len() as u64;
        }
        self.file.write_all_at(bytes, self.end)?;
        self.end = end;
        Ok(())
    }
}

fn content(file: &File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut content = vec![0; length];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

/// The epoch of a file and its records.
fn opened(content: &[u8]) -> Option<(Epoch, &[u8])> {
    let rest = content.strip_prefix(&MAGIC)?;
    let (epoch, records) = rest.split_first_chunk()?;
    Some((Epoch(u64::from_be_bytes(*epoch)), records))
}

fn first_number(content: &[u8]) -> u64 {
    let first = opened(content).and_then(|(epoch, records)| epoch.read(records));
    first.map_or(0, |record| record.number)
}

/// Adds the records of a file that follow what is there, and gives the number of its last one.
/// They end where one is torn, of an earlier turn of the file, or not the next.
fn replay(content: &[u8], replayed: &mut Replayed) -> u64 {
    let mut last = 0;
    let Some((epoch, mut records)) = opened(content) else {
        return last;
    };
    while let Some(record) = epoch.read(records) {
        if record.number <= last || (last > 0 && record.previous != last) {
            break;
        }
        if record.number > replayed.number {
            let follows = record.previous <= replayed.number;
            let Some(changes) = record.changes().filter(|_| follows) else {
                break;
            };
            replayed.rows.absorb(changes);
            replayed.number = record.number;
        }
        last = record.number;
        records = &records[record.bytes..];
    }
    last
}

#[cfg(test)]
mod tests;
