//! Reading content files: every block is checked against its sum before a byte of it is handed out.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::{blocking, in_words};
use super::sums::{BLOCK_BYTES, FOOTER_BYTES, Footer, SUM_BYTES, Sum, Summing};
use super::{PIECE_BYTES_MAX, missing};
use crate::resource::ContentId;
use crate::store::engine::StoreError;

/// How many sums are held at a time: those of 64 MiB.
const SUMS_HELD: usize = 1024;

#[derive(Debug)]
pub(super) struct FileReader {
    file: Arc<File>,
    footer: Footer,
    summing: Summing,
    sums: Held,
}

/// Some of the sums of a file.
#[derive(Debug)]
struct Held {
    first: u64,
    sums: Vec<Sum>,
}

impl FileReader {
    /// Opens a content file and checks that it is whole. Blocks.
    pub(super) fn open(path: &Path, id: ContentId) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(id),
            _ => in_words(&error, "cannot open a content file"),
        })?;
        let len = file
            .metadata()
            .map_err(|error| in_words(&error, "cannot open a content file"))?
            .len();
        let tail_bytes = (FOOTER_BYTES + SUMS_HELD * SUM_BYTES) as u64;
        let mut tail = vec![0; usize::try_from(len.min(tail_bytes)).unwrap_or(FOOTER_BYTES)];
        let start = len - tail.len() as u64;
        file.read_exact_at(&mut tail, start)
            .map_err(|error| in_words(&error, "cannot read a content file"))?;
        let cut = || damaged(id, "it was cut short");
        let (sums, footer) = tail.split_last_chunk().ok_or_else(cut)?;
        let footer = Footer::decode(footer).ok_or_else(cut)?;
        if footer.id != id {
            return Err(damaged(id, "it is another content"));
        }
        if footer.file_bytes() != Some(len) {
            return Err(damaged(id, "it has another length than it had"));
        }
        let sums: Vec<Sum> = sums.rchunks_exact(SUM_BYTES).map(to_sum).collect();
        let of_the_content = usize::try_from(footer.blocks()).unwrap_or(usize::MAX);
        let mut sums: Vec<Sum> = sums.into_iter().take(of_the_content).collect();
        sums.reverse();
        Ok(Self {
            file: Arc::new(file),
            footer,
            summing: Summing::of(id, footer.stamp),
            sums: Held {
                first: footer.blocks() - sums.len() as u64,
                sums,
            },
        })
    }

    /// Of the content, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.footer.size
    }

    /// Some of these bytes: at least the first. `len` is at least 1, and they lie in the content.
    pub(super) async fn read(&mut self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let block = BLOCK_BYTES as u64;
        let first = offset / block;
        let start = first * block;
        let wanted_end = (offset + len as u64).next_multiple_of(block);
        let end = wanted_end
            .min(start + PIECE_BYTES_MAX as u64)
            .min(self.footer.size);
        let blocks = self.bytes(start..end).await?;
        self.hold(first, blocks.len().div_ceil(BLOCK_BYTES)).await?;
        for (number, bytes) in (first..).zip(blocks.chunks(BLOCK_BYTES)) {
            let sum = self.summing.block(number, bytes);
            if self.sums.of(number) != Some(sum) {
                let what = format!("block {number} is not what was written");
                return Err(damaged(self.footer.id, &what));
            }
        }
        let skipped = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let end = blocks.len().min(skipped + len);
        Ok(blocks.slice(skipped..end))
    }

    /// Has the sums of these blocks at hand. Few blocks: they are fewer than are held.
    async fn hold(&mut self, first: u64, count: usize) -> Result<(), StoreError> {
        if self.sums.holds(first, count) {
            return Ok(());
        }
        let left = usize::try_from(self.footer.blocks() - first).unwrap_or(usize::MAX);
        let bytes = (left.min(SUMS_HELD) * SUM_BYTES) as u64;
        let start = self.footer.size + first * SUM_BYTES as u64;
        let sums = self.bytes(start..start + bytes).await?;
        self.sums = Held {
            first,
            sums: sums.chunks_exact(SUM_BYTES).map(to_sum).collect(),
        };
        Ok(())
    }

    /// These bytes of the file, unchecked. Off the workers of tokio, unless the page cache has
    /// them.
    async fn bytes(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (offset, len) = (range.start, range.end - range.start);
        let mut buffer = vec![0; usize::try_from(len).unwrap_or_default()];
        if read_cached(&self.file, &mut buffer, offset) == Some(buffer.len()) {
            return Ok(Bytes::from(buffer));
        }
        let (file, id) = (Arc::clone(&self.file), self.footer.id);
        blocking(move || match file.read_exact_at(&mut buffer, offset) {
            Ok(()) => Ok(Bytes::from(buffer)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(damaged(id, "it was cut short"))
            }
            Err(error) => Err(in_words(&error, "cannot read content")),
        })
        .await
    }
}

impl Held {
    fn holds(&self, first: u64, count: usize) -> bool {
        let end = self.first + self.sums.len() as u64;
        first >= self.first && first + count as u64 <= end
    }

    fn of(&self, number: u64) -> Option<Sum> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.sums.get(at).copied()
    }
}

fn to_sum(bytes: &[u8]) -> Sum {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn damaged(id: ContentId, what: &str) -> StoreError {
    StoreError::Damaged(format!("the content file {:016x}: {what}", id.0))
}

/// Reads without waiting for the disk, which saves two changes of thread; `None`: that needs the
/// disk, or this file system cannot tell.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> Option<usize> {
    let mut buffers = [io::IoSliceMut::new(buffer)];
    rustix::io::preadv2(
        file,
        &mut buffers,
        offset,
        rustix::io::ReadWriteFlags::NOWAIT,
    )
    .ok()
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _buffer: &mut [u8], _offset: u64) -> Option<usize> {
    None
}
