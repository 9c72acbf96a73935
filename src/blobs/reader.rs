//! Reading content files: every block is checked against its sum before a byte of it is handed out.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::buffers::Buffers;
use super::disk::{blocking, in_words};
use super::sums::{BLOCK_BYTES, FOOTER_BYTES, Footer, SUM_BYTES, Sum, Summing};
use super::{PIECE_BYTES_MAX, missing};
use crate::resource::ContentId;
use crate::store::engine::StoreError;

/// How many sums are held at a time: those of 64 MiB.
const SUMS_HELD: usize = 1024;

/// How long the file is of a content of [`PIECE_BYTES_MAX`].
const WHOLE_BYTES_MAX: u64 =
    (PIECE_BYTES_MAX + PIECE_BYTES_MAX / BLOCK_BYTES * SUM_BYTES + FOOTER_BYTES) as u64;

/// A content file that was found whole.
#[derive(Debug)]
pub(super) enum Opened {
    /// Small enough to be read at once: all of its content.
    Whole(Bytes),
    /// To be read piece by piece.
    Parts(FileReader),
}

#[derive(Debug)]
pub(super) struct FileReader {
    file: Arc<File>,
    footer: Footer,
    summing: Summing,
    sums: Held,
    buffers: Arc<Buffers>,
}

/// Some of the sums of a file.
#[derive(Debug)]
struct Held {
    first: u64,
    sums: Vec<Sum>,
}

/// Opens a content file and checks that it is whole. Blocks.
pub(super) fn open(
    path: &Path,
    id: ContentId,
    buffers: &Arc<Buffers>,
) -> Result<Opened, StoreError> {
    let cannot = |error| in_words(&error, "cannot open a content file");
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(id),
        _ => cannot(error),
    })?;
    let len = file.metadata().map_err(cannot)?.len();
    // One read gets all of a small content, and of a large one as many sums as are held.
    let tail_bytes = if len <= WHOLE_BYTES_MAX {
        len
    } else {
        (FOOTER_BYTES + SUMS_HELD * SUM_BYTES) as u64
    };
    let mut tail = vec![0; usize::try_from(tail_bytes).unwrap_or(FOOTER_BYTES)];
    let start = len - tail.len() as u64;
    file.read_exact_at(&mut tail, start)
        .map_err(|error| in_words(&error, "cannot read a content file"))?;
    let cut = || damaged(id, "it was cut short");
    let (before, footer) = tail.split_last_chunk().ok_or_else(cut)?;
    let footer = Footer::decode(footer).ok_or_else(cut)?;
    if footer.id != id {
        return Err(damaged(id, "it is another content"));
    }
    if footer.file_bytes() != Some(len) {
        return Err(damaged(id, "it has another length than it had"));
    }
    let blocks = usize::try_from(footer.blocks()).unwrap_or(usize::MAX);
    let held_bytes = blocks.saturating_mul(SUM_BYTES).min(before.len());
    let (before, sums) = before.split_at(before.len() - held_bytes);
    let reader = FileReader {
        file: Arc::new(file),
        footer,
        summing: Summing::of(id, footer.stamp),
        sums: Held::of(sums, footer.blocks() - (sums.len() / SUM_BYTES) as u64),
        buffers: Arc::clone(buffers),
    };
    if before.len() as u64 != footer.size {
        return Ok(Opened::Parts(reader));
    }
    reader.check(0, before)?;
    tail.truncate(before.len());
    Ok(Opened::Whole(Bytes::from(tail)))
}

impl FileReader {
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
        self.check(first, &blocks)?;
        let skipped = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let end = blocks.len().min(skipped + len);
        Ok(blocks.slice(skipped..end))
    }

    /// Whether these blocks, from the number `first` on, are what was written.
    fn check(&self, first: u64, blocks: &[u8]) -> Result<(), StoreError> {
        for (number, bytes) in (first..).zip(blocks.chunks(BLOCK_BYTES)) {
            let sum = self.summing.block(number, bytes);
            if self.sums.get(number) != Some(sum) {
                let what = format!("block {number} is not what was written");
                return Err(damaged(self.footer.id, &what));
            }
        }
        Ok(())
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
        self.sums = Held::of(&sums, first);
        Ok(())
    }

    /// These bytes of the file, at most [`PIECE_BYTES_MAX`], unchecked. Off the workers of tokio,
    /// unless the page cache has them.
    async fn bytes(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let offset = range.start;
        let length = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let mut buffer = Buffers::take(&self.buffers, length);
        if read_cached(&self.file, buffer.as_mut(), offset) == Some(buffer.as_ref().len()) {
            return Ok(Bytes::from_owner(buffer));
        }
        let (file, id) = (Arc::clone(&self.file), self.footer.id);
        blocking(move || match file.read_exact_at(buffer.as_mut(), offset) {
            Ok(()) => Ok(Bytes::from_owner(buffer)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(damaged(id, "it was cut short"))
            }
            Err(error) => Err(in_words(&error, "cannot read content")),
        })
        .await
    }
}

impl Held {
    /// The sums as a file has them, of the blocks from the number `first` on.
    fn of(sums: &[u8], first: u64) -> Self {
        let sums = sums.as_chunks().0.to_vec();
        Self { first, sums }
    }

    fn holds(&self, first: u64, count: usize) -> bool {
        let end = self.first + self.sums.len() as u64;
        first >= self.first && first + count as u64 <= end
    }

    fn get(&self, number: u64) -> Option<Sum> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.sums.get(at).copied()
    }
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
