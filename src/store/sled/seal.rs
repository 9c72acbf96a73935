//! The sum that ends every row: what a disk, a bug or sled itself changes is noticed when it is
//! read.

use bytes::Bytes;
use crc32fast::Hasher;

use super::super::engine::StoreError;

const SUM_BYTES: usize = 4;

/// The value as it is kept. The sum is over the key as well: a row that turns up under another key
/// is no row.
pub(super) fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + SUM_BYTES);
    sealed.extend_from_slice(value);
    sealed.extend_from_slice(&sum(key, value));
    sealed
}

/// The value that was sealed.
pub(super) fn unseal<'v>(key: &[u8], sealed: &'v [u8]) -> Result<&'v [u8], StoreError> {
    match sealed.split_last_chunk() {
        Some((value, found)) if *found == sum(key, value) => Ok(value),
        _ => Err(StoreError::DamagedRow(Bytes::copy_from_slice(key))),
    }
}

/// [`unseal`], with bytes of its own.
pub(super) fn unsealed(key: &[u8], sealed: &[u8]) -> Result<Bytes, StoreError> {
    unseal(key, sealed).map(Bytes::copy_from_slice)
}

fn sum(key: &[u8], value: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (key, value) = (b"e\x01name", b"a value");
        let sealed = seal(key, value);
        assert_eq!(unseal(key, &sealed).as_deref(), Ok(&value[..]));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(key, &flipped).is_err(), "bit {bit}");
        }
        for short in 0..sealed.len() {
            assert!(unseal(key, &sealed[..short]).is_err(), "{short} bytes");
        }
        let told = unseal(b"e\x01nama", &sealed).expect_err("of another key");
        assert!(told.to_string().contains("e:016e616d61"), "{told}");
    }
}
