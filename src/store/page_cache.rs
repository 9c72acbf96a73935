//! Advice to the kernel on its page cache. A system or file system that takes none loses nothing.

use std::fs::File;

/// Lets the pages of a file go that are on the disk as well; what is still to be written stays.
#[cfg(target_os = "linux")]
pub(crate) fn let_go(file: &File) {
    use rustix::fs::{Advice, fadvise};
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn let_go(_file: &File) {}
