//! Numbers in small files beside sled's log, each with its complement, so that damage shows.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What is not yet whole ends so.
const DRAFT_SUFFIX: &str = ".new";

pub(super) fn note_bytes(number: u64) -> [u8; 16] {
    (u128::from(number) << 64 | u128::from(!number)).to_be_bytes()
}

/// The number noted there, if there is a whole one.
pub(super) fn noted(file: &File, at: u64) -> Option<u64> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, at).ok()?;
    let number = (u128::from_be_bytes(bytes) >> 64) as u64;
    (bytes == note_bytes(number)).then_some(number)
}

/// Beside the finished one.
pub(super) fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(DRAFT_SUFFIX);
    PathBuf::from(name)
}
