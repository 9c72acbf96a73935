//! The bytes of files: random, so that no server gains by packing them, and of a cycle whose length
//! is prime, so that bytes in the wrong place are noticed.

use std::sync::LazyLock;

/// A prime.
const PERIOD: usize = 131_071;
/// A step from one file's beginning to the next one's.
const STEP: usize = 61;

/// Two periods, so that each slice of one period can be taken from any beginning.
static CYCLES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x5851_F42D_4C95_7F2D_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let cycle: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
    cycle.repeat(2)
});

/// The content number `number` among those of `length` bytes, which is at most one period.
pub(crate) fn small(number: usize, length: usize) -> &'static [u8] {
    let begin = number.wrapping_mul(STEP) % PERIOD;
    &CYCLES[begin..begin + length]
}

/// The content of a long file from `position` on: at least one byte, at most what is left of it.
pub(crate) fn large(position: u64, left: u64) -> &'static [u8] {
    let rest = &CYCLES[usize::try_from(position % PERIOD as u64).unwrap_or(0)..];
    &rest[..rest.len().min(usize::try_from(left).unwrap_or(usize::MAX))]
}

/// Whether these bytes of a long file stand at `position`.
pub(crate) fn is_large(mut position: u64, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let expected = large(position, bytes.len() as u64);
        let (now, later) = bytes.split_at(expected.len());
        if now != expected {
            return false;
        }
        position += now.len() as u64;
        bytes = later;
    }
    true
}
