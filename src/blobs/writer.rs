//! Writing content files. One that has come in whole before the first buffer is full, as most do,
//! is made, written and synced in one go by one thread.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use super::disk::{blocking, in_words};
use super::folder::Folder;
use super::sums::{BLOCK_BYTES, Footer, Summing};
use crate::resource::ContentId;
use crate::store::engine::StoreError;

/// How much a writer gathers before it goes to the disk: whole blocks. It holds at most two such
/// buffers, and the sums of all blocks, a 16,384th of the content.
const BUFFER_BYTES: usize = 8 * BLOCK_BYTES;

#[derive(Debug)]
pub(super) struct FileWriter {
    buffer: Vec<u8>,
    draft: Whereabouts,
}

/// Where the draft is.
#[derive(Debug)]
enum Whereabouts {
    Here(Box<Draft>),
    /// On a thread that writes a buffer.
    Writing(JoinHandle<Result<Written, StoreError>>),
    /// Nowhere, after an error.
    Lost,
}

/// A draft to which a buffer was written, and the memory of that, empty.
type Written = (Box<Draft>, Vec<u8>);

impl FileWriter {
    pub(super) fn new(folder: &Arc<Folder>, id: ContentId) -> Result<Self, StoreError> {
        let stamp = getrandom::u64()
            .map_err(|error| StoreError::Failed(format!("no random number: {error}")))?;
        let size = 0;
        let draft = Draft {
            folder: Arc::clone(folder),
            footer: Footer { id, size, stamp },
            sums: Vec::new(),
            file: None,
        };
        Ok(Self {
            buffer: Vec::new(),
            draft: Whereabouts::Here(Box::new(draft)),
        })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let room = BUFFER_BYTES - self.buffer.len();
        let (now, rest) = bytes.split_at(room.min(bytes.len()));
        self.buffer.extend_from_slice(now);
        for piece in rest.chunks(BUFFER_BYTES) {
            self.hand_over().await?;
            self.buffer.extend_from_slice(piece);
        }
        if self.buffer.len() == BUFFER_BYTES {
            self.hand_over().await
        } else {
            Ok(())
        }
    }

    /// Starts to write the buffer when the one before is written.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        let (mut draft, empty) = self.draft().await?;
        let mut buffer = std::mem::replace(&mut self.buffer, empty);
        self.draft = Whereabouts::Writing(spawn_blocking(move || {
            draft.append(&buffer)?;
            buffer.clear();
            Ok((draft, buffer))
        }));
        Ok(())
    }

    /// Waits for the draft.
    async fn draft(&mut self) -> Result<Written, StoreError> {
        if let Whereabouts::Writing(writing) = &mut self.draft {
            let written = writing.await;
            self.draft = Whereabouts::Lost;
            return written.map_err(|error| StoreError::Failed(error.to_string()))?;
        }
        match std::mem::replace(&mut self.draft, Whereabouts::Lost) {
            Whereabouts::Here(draft) => Ok((draft, Vec::new())),
            _ => Err(StoreError::Failed("a content file is lost".to_owned())),
        }
    }

    pub(super) async fn finish(mut self) -> Result<u64, StoreError> {
        let (draft, _) = self.draft().await?;
        let last = std::mem::take(&mut self.buffer);
        let (file, size) = blocking(move || draft.finish(last)).await?;
        file.keep();
        Ok(size)
    }
}

impl Drop for FileWriter {
    /// Freeing a large file takes its time. The orphan search finds what is missed.
    fn drop(&mut self) {
        let draft = std::mem::replace(&mut self.draft, Whereabouts::Lost);
        let is_written = match &draft {
            Whereabouts::Here(draft) => draft.file.is_some(),
            Whereabouts::Writing(_) => true,
            Whereabouts::Lost => false,
        };
        if is_written && let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn_blocking(move || drop(draft)));
        }
    }
}

/// A content file of which a part may be written. Whoever works on it may block.
#[derive(Debug)]
struct Draft {
    folder: Arc<Folder>,
    /// Its size is that of what is written.
    footer: Footer,
    /// Of what is written, block by block.
    sums: Vec<u8>,
    /// `None`: nothing is written.
    file: Option<NewFile>,
}

impl Draft {
    /// Writes whole blocks, but for the last of the content.
    fn append(&mut self, blocks: &[u8]) -> Result<(), StoreError> {
        self.sum(blocks);
        let at = self.footer.size;
        self.write(blocks, at)?;
        self.footer.size += blocks.len() as u64;
        Ok(())
    }

    /// Writes what is left, and makes the file and its name durable.
    fn finish(mut self, mut last: Vec<u8>) -> Result<(NewFile, u64), StoreError> {
        self.sum(&last);
        let at = self.footer.size;
        self.footer.size += last.len() as u64;
        last.extend_from_slice(&self.sums);
        last.extend_from_slice(&self.footer.encode());
        self.write(&last, at)?;
        let lost = || StoreError::Failed("a content file is lost".to_owned());
        let file = self.file.ok_or_else(lost)?;
        let synced = file.file.sync_data();
        let synced = synced.and_then(|()| self.folder.sync_page(self.footer.id));
        synced.map_err(|error| in_words(&error, "cannot sync a content file"))?;
        Ok((file, self.footer.size))
    }

    fn sum(&mut self, blocks: &[u8]) {
        let summing = Summing::of(self.footer.id, self.footer.stamp);
        let first = self.footer.size / BLOCK_BYTES as u64;
        for (number, block) in (first..).zip(blocks.chunks(BLOCK_BYTES)) {
            self.sums.extend_from_slice(&summing.block(number, block));
        }
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> Result<(), StoreError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(NewFile::create(self.folder.path(self.footer.id))?),
        };
        self.folder.write(&file.file, bytes, at)
    }
}

/// A file that is removed when it is dropped, unless it is kept: also as the result of work that
/// nobody waits for any more.
#[derive(Debug)]
struct NewFile {
    file: File,
    /// `None`: it is kept.
    path: Option<PathBuf>,
}

impl NewFile {
    fn create(path: PathBuf) -> Result<Self, StoreError> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| in_words(&error, "cannot create a content file"))?;
        let path = Some(path);
        Ok(Self { file, path })
    }

    fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(?path, %error, "an unfinished content file stays");
        }
    }
}
