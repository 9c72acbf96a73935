//! A content file as a whole, in a data folder or in a backup: read once from its beginning to its
//! end, with every block checked, and copied as it is. Blocks the thread of the caller.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::in_words;
use super::sums::{BLOCK_BYTES, FOOTER_BYTES, Footer, Summing};
use crate::resource::ContentId;
use crate::store::engine::StoreError;

/// Where the content file `id` lies below the folder of content, in a data folder.
pub fn path_of(id: ContentId) -> PathBuf {
    Path::new(&page_of(id)).join(format!("{:016x}", id.0))
}

/// The folder in which a content file lies: the last byte of its id.
pub fn page_of(id: ContentId) -> String {
    format!("{:02x}", id.0.to_be_bytes()[7])
}

/// What tells a content file from every other one, also from those of another life of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentName {
    /// The id that rows have.
    pub id: ContentId,
    /// Random: a store that was restored gives ids again that the one before had given.
    pub stamp: u64,
    /// The length of the file, in bytes: more than its content's.
    pub file_bytes: u64,
}

/// A part of a file, such as a member of a tar, or all of it.
#[derive(Debug, Clone)]
pub struct Stretch {
    file: Arc<File>,
    start: u64,
    bytes: u64,
}

impl Stretch {
    /// All of a file.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self::within(&Arc::new(file), 0, bytes))
    }

    /// `bytes` from `start` on.
    pub fn within(file: &Arc<File>, start: u64, bytes: u64) -> Self {
        let file = Arc::clone(file);
        Self { file, start, bytes }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Some bytes from `offset` on; none only at the end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.bytes.saturating_sub(offset);
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        self.file
            .read_at(&mut buffer[..length], self.start + offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + buffer.len() as u64 > self.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(buffer, self.start + offset)
    }
}

/// An open content file.
#[derive(Debug)]
pub struct WholeContent {
    stretch: Stretch,
    footer: Footer,
}

impl WholeContent {
    /// Opens what should be the content file `id`, and looks at its end only.
    pub fn open(stretch: Stretch, id: ContentId) -> Result<Self, StoreError> {
        let mut footer = [0; FOOTER_BYTES];
        let cut = || damaged(id, "was cut short");
        let at = stretch
            .bytes
            .checked_sub(FOOTER_BYTES as u64)
            .ok_or_else(cut)?;
        read(&stretch, &mut footer, at, id)?;
        let footer = Footer::decode(&footer).ok_or_else(cut)?;
        if footer.id != id {
            return Err(damaged(id, "is another content"));
        }
        if footer.file_bytes() != Some(stretch.bytes) {
            return Err(damaged(id, "has another length than it had"));
        }
        Ok(Self { stretch, footer })
    }

    /// What it is.
    pub fn name(&self) -> ContentName {
        ContentName {
            id: self.footer.id,
            stamp: self.footer.stamp,
            file_bytes: self.stretch.bytes,
        }
    }

    /// Hands out the whole file piece by piece. Only when this has returned `Ok` is it known that
    /// all of it is what was written.
    pub fn copy<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Footer { id, size, stamp } = self.footer;
        let summing = Summing::of(id, stamp);
        let mut sums = Vec::new();
        let mut buffer = vec![0; 8 * BLOCK_BYTES];
        let mut at = 0;
        while at < size {
            let left = usize::try_from(size - at).unwrap_or(usize::MAX);
            let piece_bytes = left.min(buffer.len());
            let piece = &mut buffer[..piece_bytes];
            read(&self.stretch, piece, at, id)?;
            let first = at / BLOCK_BYTES as u64;
            for (number, block) in (first..).zip(piece.chunks(BLOCK_BYTES)) {
                sums.extend_from_slice(&summing.block(number, block));
            }
            take(piece)?;
            at += piece.len() as u64;
        }
        let mut kept = vec![0; sums.len()];
        read(&self.stretch, &mut kept, size, id)?;
        if kept != sums {
            return Err(damaged(id, "is not what was written").into());
        }
        take(&kept)?;
        take(&self.footer.encode())
    }
}

fn read(stretch: &Stretch, buffer: &mut [u8], at: u64, id: ContentId) -> Result<(), StoreError> {
    let read = stretch.read_exact_at(buffer, at);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(id, "was cut short"),
        _ => in_words(&error, "cannot read a content file"),
    })
}

fn damaged(id: ContentId, what: &str) -> StoreError {
    StoreError::Damaged(format!("the content file {:016x} {what}", id.0))
}
