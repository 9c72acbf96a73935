//! The form of a content file: the bytes of the content, then a sum for each block of them, then a
//! footer. So whatever part is read can be checked alone, and a file tells by itself whether it is
//! whole, which content it is, and how long.
//!
//! | part | bytes |
//! |---|---|
//! | the content | its size |
//! | sums: CRC-32 of id, stamp, number of the block, and the block | 4 for each block of 64 KiB |
//! | footer: `LKC1`, id, size, stamp, CRC-32 of these | 4 + 8 + 8 + 8 + 4 |
//!
//! Numbers are little-endian. Id and number are summed with each block, so that a block which ends
//! up in another place, or in another file, does not pass.

use crc32fast::Hasher;

use crate::resource::ContentId;

/// What one sum covers.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;
pub(super) const SUM_BYTES: usize = 4;
pub(super) const FOOTER_BYTES: usize = 32;

const MAGIC: [u8; 4] = *b"LKC1";

/// The sum of a block.
pub(super) type Sum = [u8; SUM_BYTES];

/// What a content file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) id: ContentId,
    /// Of the content, in bytes.
    pub(super) size: u64,
    /// Random: tells contents apart that were given the same id, before and after a restore.
    pub(super) stamp: u64,
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.size.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.stamp.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None`: this is no footer.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let number = |at: usize| {
            let number = bytes[at..at + 8].first_chunk().copied();
            u64::from_le_bytes(number.unwrap_or_default())
        };
        let footer = Self {
            id: ContentId(number(4)),
            size: number(12),
            stamp: number(20),
        };
        (footer.encode() == *bytes).then_some(footer)
    }

    /// How many blocks the content has.
    pub(super) fn blocks(&self) -> u64 {
        self.size.div_ceil(BLOCK_BYTES as u64)
    }

    /// How long the whole file must be; `None`: longer than any file.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        let sums = self.blocks().checked_mul(SUM_BYTES as u64)?;
        let content = self.size.checked_add(sums)?;
        content.checked_add(FOOTER_BYTES as u64)
    }
}

/// What sums of a content's blocks begin with.
#[derive(Debug, Clone)]
pub(super) struct Summing(Hasher);

impl Summing {
    pub(super) fn of(id: ContentId, stamp: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&id.0.to_le_bytes());
        hasher.update(&stamp.to_le_bytes());
        Self(hasher)
    }

    /// The sum of a block.
    pub(super) fn block(&self, number: u64, bytes: &[u8]) -> Sum {
        let mut hasher = self.0.clone();
        hasher.update(&number.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_says_what_was_said() {
        let footer = Footer {
            id: ContentId(7),
            size: 3 * 65_536 + 1,
            stamp: 9,
        };
        let bytes = footer.encode();
        assert_eq!(Footer::decode(&bytes), Some(footer));
        assert_eq!(footer.blocks(), 4);
        assert_eq!(footer.file_bytes(), Some(3 * 65_536 + 1 + 4 * 4 + 32));
        for bit in 0..FOOTER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Footer::decode(&flipped), None, "bit {bit}");
        }
        let endless = Footer {
            size: u64::MAX,
            ..footer
        };
        assert_eq!(endless.file_bytes(), None);
    }

    #[test]
    fn a_block_in_another_place_has_another_sum() {
        let sum = |id, stamp, number| Summing::of(ContentId(id), stamp).block(number, b"bytes");
        let here = sum(1, 2, 3);
        for elsewhere in [sum(2, 2, 3), sum(1, 3, 3), sum(1, 2, 4)] {
            assert_ne!(here, elsewhere);
        }
    }
}
