//! The form of the rows of a backup, in its file and on their way through the control socket: one
//! record after the other, and an end that is a record as well, so that what was cut off is never
//! taken for all.
//!
//! | part of a record | bytes |
//! |---|---|
//! | length of the body | 4 |
//! | CRC-32 of the sum before (4 bytes; of the first record: zeros) and the body | 4 |
//! | body: a letter, and what it stands for | length |
//!
//! | letter | body |
//! |---|---|
//! | `H` header, first | `LKBACKUP`, format (4), commit number (8) |
//! | `R` row | length of the key (2), key, value |
//! | `C` content file, behind all rows | id (8), stamp (8), length of the file (8) |
//! | `E` end | number of rows (8), number of content files (8) |
//! | `X` the server cannot go on | why |
//!
//! Numbers are little-endian. Since each sum goes on from the one before, records that are missing,
//! doubled or exchanged do not pass, and the last sum stands for all of them. The header has this
//! form in every format.

use bytes::{Buf as _, Bytes, BytesMut};
use crc32fast::Hasher;

use super::{BackupError, FORMAT};
use crate::blobs::whole::ContentName;
use crate::resource::ContentId;
use crate::store::engine::Key;

const MAGIC: &[u8; 8] = b"LKBACKUP";
const HEAD_BYTES: usize = 8;
/// Longer than any row of any engine.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What is in a backup beside the bytes of content files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What follows is as of this commit.
    Header {
        /// The number of the commit.
        number: u64,
    },
    /// A row of the store.
    Row(Key, Bytes),
    /// A content file that belongs to it.
    Content(ContentName),
    /// That was all.
    End {
        /// How many rows there were.
        rows: u64,
        /// How many content files.
        contents: u64,
    },
    /// Whoever wrote this could not go on.
    Failed(String),
}

/// Writes records.
#[derive(Debug, Default)]
pub struct Encoder {
    sum: u32,
}

impl Encoder {
    /// Appends a record to `out`.
    pub fn put(&mut self, record: &Record, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        match record {
            Record::Header { number } => {
                out.push(b'H');
                out.extend_from_slice(MAGIC);
                out.extend_from_slice(&FORMAT.to_le_bytes());
                out.extend_from_slice(&number.to_le_bytes());
            }
            Record::Row(key, value) => {
                out.push(b'R');
                // Engines have shorter keys; a longer one would be refused when it is read.
                let key_bytes = u16::try_from(key.len()).unwrap_or(u16::MAX);
                out.extend_from_slice(&key_bytes.to_le_bytes());
                out.extend_from_slice(key);
                out.extend_from_slice(value);
            }
            Record::Content(name) => {
                out.push(b'C');
                for number in [name.id.0, name.stamp, name.file_bytes] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
            Record::End { rows, contents } => {
                out.push(b'E');
                out.extend_from_slice(&rows.to_le_bytes());
                out.extend_from_slice(&contents.to_le_bytes());
            }
            Record::Failed(why) => {
                out.push(b'X');
                out.extend_from_slice(why.as_bytes());
            }
        }
        let (head, body) = out[start..].split_at_mut(HEAD_BYTES);
        self.sum = sum(self.sum, body);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&self.sum.to_le_bytes());
    }

    /// Stands for all records so far.
    pub fn sum(&self) -> u32 {
        self.sum
    }
}

/// Reads records from bytes as they come in, and lets none pass that is not in its place.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    sum: u32,
    stage: Stage,
    rows: u64,
    contents: u64,
    last: Key,
}

/// What has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Nothing,
    Rows,
    Contents,
    All,
}

impl Decoder {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next record; `None`: more bytes are needed, or all is read.
    pub fn read(&mut self) -> Result<Option<Record>, BackupError> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let mut head = &head[..];
        let (length, found) = (head.get_u32_le() as usize, head.get_u32_le());
        if length == 0 || length > BODY_BYTES_MAX {
            return Err(self.damaged("has a length that no record has"));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let sum = sum(self.sum, body);
        if sum != found {
            return Err(self.damaged("is not what was written"));
        }
        self.sum = sum;
        self.buffer.advance(HEAD_BYTES);
        let body = self.buffer.split_to(length).freeze();
        let record = decode(body).ok_or_else(|| self.damaged("cannot be read"))??;
        self.accept(&record)?;
        Ok(Some(record))
    }

    /// Stands for all records so far.
    pub fn sum(&self) -> u32 {
        self.sum
    }

    /// Whether the end was read.
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::All && self.buffer.is_empty()
    }

    /// How many rows there were so far, and how many content files.
    pub fn counts(&self) -> (u64, u64) {
        (self.rows, self.contents)
    }

    /// Why the bytes may not end here.
    pub fn cut_short(&self) -> BackupError {
        self.damaged("is missing: the rest was cut off")
    }

    fn accept(&mut self, record: &Record) -> Result<(), BackupError> {
        let (from, to) = match record {
            Record::Header { .. } => (Stage::Nothing, Stage::Rows),
            Record::Row(..) => (Stage::Rows, Stage::Rows),
            Record::Content(_) => (Stage::Contents.min(self.stage), Stage::Contents),
            Record::End { .. } => (Stage::Contents.min(self.stage), Stage::All),
            Record::Failed(why) => return Err(BackupError::Server(why.clone())),
        };
        if self.stage != from || (to > Stage::Rows && from == Stage::Nothing) {
            return Err(self.damaged("is in the wrong place"));
        }
        match record {
            Record::Row(key, _) if self.rows > 0 && *key <= self.last => {
                return Err(self.damaged("is in the wrong place"));
            }
            Record::Row(key, _) => {
                self.rows += 1;
                self.last = key.clone();
            }
            Record::Content(_) => self.contents += 1,
            Record::End { rows, contents } if (*rows, *contents) != self.counts() => {
                return Err(self.damaged("counts others than were read"));
            }
            _ => {}
        }
        self.stage = to;
        Ok(())
    }

    fn damaged(&self, what: &str) -> BackupError {
        let number = self.rows + self.contents + u64::from(self.stage > Stage::Nothing);
        BackupError::Damaged(format!("record {number} of its rows {what}"))
    }
}

/// `None`: it is none of ours.
fn decode(mut body: Bytes) -> Option<Result<Record, BackupError>> {
    let letter = body.try_get_u8().ok()?;
    let record = match letter {
        b'H' => {
            let magic = body.split_to(MAGIC.len().min(body.len()));
            if magic != MAGIC[..] {
                return None;
            }
            let format = body.try_get_u32_le().ok()?;
            if format != FORMAT {
                return Some(Err(BackupError::Format(format)));
            }
            Record::Header {
                number: body.try_get_u64_le().ok()?,
            }
        }
        b'R' => {
            let length = usize::from(body.try_get_u16_le().ok()?);
            if length > body.len() {
                return None;
            }
            let key = body.split_to(length);
            return Some(Ok(Record::Row(key, body)));
        }
        b'C' => Record::Content(ContentName {
            id: ContentId(body.try_get_u64_le().ok()?),
            stamp: body.try_get_u64_le().ok()?,
            file_bytes: body.try_get_u64_le().ok()?,
        }),
        b'E' => Record::End {
            rows: body.try_get_u64_le().ok()?,
            contents: body.try_get_u64_le().ok()?,
        },
        b'X' => return Some(Ok(Record::Failed(String::from_utf8_lossy(&body).into()))),
        _ => return None,
    };
    body.is_empty().then_some(Ok(record))
}

fn sum(before: u32, body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&before.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let row = |key: &'static str, value: &'static str| Record::Row(key.into(), value.into());
        let content = |id| {
            Record::Content(ContentName {
                id: ContentId(id),
                stamp: 7,
                file_bytes: 5000,
            })
        };
        vec![
            Record::Header { number: 17 },
            row("a", ""),
            row("b", "value"),
            row("c", "other"),
            content(3),
            content(4),
            Record::End {
                rows: 3,
                contents: 2,
            },
        ]
    }

    fn encoded(records: &[Record]) -> Vec<u8> {
        let (mut encoder, mut bytes) = (Encoder::default(), Vec::new());
        records
            .iter()
            .for_each(|record| encoder.put(record, &mut bytes));
        bytes
    }

    fn decoded(bytes: &[u8], piece: usize) -> Result<Vec<Record>, BackupError> {
        let (mut decoder, mut records) = (Decoder::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            decoder.push(piece);
            while let Some(record) = decoder.read()? {
                records.push(record);
            }
        }
        if decoder.is_complete() {
            Ok(records)
        } else {
            Err(decoder.cut_short())
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = encoded(&records());
        for piece in [1, 7, 1000] {
            assert_eq!(decoded(&bytes, piece), Ok(records()));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encoded(&records());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decoded(&flipped, 1000).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decoded(&bytes[..length], 1000).is_err(), "{length} bytes");
        }
        let twice = [&bytes[..], &bytes[..]].concat();
        assert!(decoded(&twice, 1000).is_err(), "more behind the end");
    }

    #[test]
    fn records_have_their_places() {
        let all = records();
        for missing in 0..all.len() {
            let mut fewer = all.clone();
            fewer.remove(missing);
            assert!(decoded(&encoded(&fewer), 1000).is_err(), "{missing}");
        }
        for other in 1..all.len() {
            let mut exchanged = all.clone();
            exchanged.swap(other - 1, other);
            let two_contents = other == 5;
            let told = decoded(&encoded(&exchanged), 1000);
            assert_eq!(told.is_ok(), two_contents, "{other}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let bytes = encoded(&records()[..1]);
        let mut body = bytes[HEAD_BYTES..].to_vec();
        body[9] = 99;
        let mut newer = (u32::try_from(body.len()).expect("short"))
            .to_le_bytes()
            .to_vec();
        newer.extend_from_slice(&sum(0, &body).to_le_bytes());
        newer.extend_from_slice(&body);
        assert_eq!(decoded(&newer, 1000), Err(BackupError::Format(99)));
    }

    #[test]
    fn whoever_cannot_go_on_says_why() {
        let failed = [
            Record::Header { number: 1 },
            Record::Failed("no more".into()),
        ];
        let told = decoded(&encoded(&failed), 1000);
        assert_eq!(told, Err(BackupError::Server("no more".to_owned())));
    }
}
