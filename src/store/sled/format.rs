//! The file that says which format a store has. A row says it, too, but sled changes files as soon
//! as it is opened, and a later Lockkeeper may keep rows in another way altogether: what this one
//! does not know it must not touch.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::numbers::{draft_of, note_bytes, noted};

/// Its name is the same in every format, and so is its form: the number and its complement.
pub(super) const FILE: &str = "format";

/// What the file says; no file is no answer.
pub(super) fn told(dir: &Path) -> io::Result<Option<u64>> {
    match File::open(dir.join(FILE)) {
        Ok(file) => noted(&file, 0).map(Some).ok_or_else(|| {
            let what = format!(
                "its file {FILE} is not what was written, and may be removed if no later \
                 Lockkeeper has ever used this store"
            );
            io::Error::new(io::ErrorKind::InvalidData, what)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the file. There is never half of one.
pub(super) fn tell(dir: &Path, format: u64) -> io::Result<()> {
    let path = dir.join(FILE);
    let draft = draft_of(&path);
    let file = File::create(&draft)?;
    file.write_all_at(&note_bytes(format), 0)?;
    file.sync_all()?;
    fs::rename(draft, path)
}
