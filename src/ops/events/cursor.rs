//! How places in the record are told. A place counts the commits of the whole store, and so would
//! say how busy others are where the reader must not look: it is told enciphered.

use std::fmt;
use std::str::FromStr;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::event::Mark;
use crate::protocol::error::DavError;

/// A place in the record, as it is told: the name of an event, or where a page of events ended.
/// Only the store that told it understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor([u8; 16]);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl FromStr for Cursor {
    type Err = DavError;

    fn from_str(text: &str) -> Result<Self, DavError> {
        let bytes = BASE64.decode(text).ok();
        let cursor = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        cursor.ok_or_else(unknown)
    }
}

fn unknown() -> DavError {
    DavError::BadRequest(
        "this is no place in the record of events; take the id of an event, or next of a page, or \
         say now"
            .to_owned(),
    )
}

/// The first byte behind the mark in the block.
const OF_AN_EVENT: u8 = 1;
const OF_A_PAGE: u8 = 2;

/// Enciphers places. One block of AES is a permutation of all blocks, which is all that is needed.
pub(in crate::ops) struct Places(Aes128);

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places(…)")
    }
}

impl Places {
    pub(in crate::ops) fn new(secret: [u8; 16]) -> Self {
        Self(Aes128::new(&secret.into()))
    }

    /// The name of an event: always the same.
    pub(super) fn of_event(&self, mark: Mark) -> Cursor {
        self.encipher(mark, OF_AN_EVENT, [0; 5])
    }

    /// Where a page ended: never the same, so that it does not tell whether something that the
    /// reader must not know of was passed over.
    pub(in crate::ops) fn of_page(&self, mark: Mark) -> Result<Cursor, DavError> {
        let mut salt = [0; 5];
        getrandom::fill(&mut salt).map_err(|error| {
            DavError::Internal(format!("the system gave no random numbers: {error}"))
        })?;
        Ok(self.encipher(mark, OF_A_PAGE, salt))
    }

    fn encipher(&self, Mark(mark): Mark, kind: u8, salt: [u8; 5]) -> Cursor {
        let mut block = [0; 16];
        block[..10].copy_from_slice(&mark);
        block[10] = kind;
        block[11..].copy_from_slice(&salt);
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        Cursor(block.into())
    }

    /// The place that was told.
    pub(in crate::ops) fn decipher(&self, cursor: Cursor) -> Result<Mark, DavError> {
        let mut block = cursor.0.into();
        self.0.decrypt_block(&mut block);
        let block: [u8; 16] = block.into();
        let kind = block[10];
        let known = kind == OF_A_PAGE || (kind == OF_AN_EVENT && block[11..] == [0; 5]);
        match block.first_chunk().copied().map(Mark) {
            // No store ever counts so far; what begins otherwise was told by another one.
            Some(mark) if known && block[..2] == [0, 0] => Ok(mark),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_tell_nothing() {
        let places = Places::new([7; 16]);
        let others = Places::new([8; 16]);
        for commit in [0_u64, 1, 255, 256, 1 << 40] {
            let bytes = [commit.to_be_bytes().as_slice(), &[0, 3]].concat();
            let mark = Mark(bytes.try_into().unwrap());
            let name = places.of_event(mark);
            assert_eq!(name, places.of_event(mark));
            let told = [
                name,
                places.of_page(mark).unwrap(),
                places.of_page(mark).unwrap(),
            ];
            assert!(told[0] != told[1] && told[1] != told[2], "{told:?}");
            for cursor in told {
                let read = cursor.to_string().parse().unwrap();
                assert_eq!(places.decipher(read), Ok(mark));
                assert!(others.decipher(read).is_err());
            }
        }
        for wrong in [
            "",
            "0",
            "18-3",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "ä",
        ] {
            let read: Result<Cursor, DavError> = wrong.parse();
            let read = read.and_then(|cursor| places.decipher(cursor));
            assert!(matches!(read, Err(DavError::BadRequest(_))), "{wrong}");
        }
    }
}
