//! Content files on a disk: `xx/<id>`, with the id in 16 hexadecimal digits and its last two as
//! the folder, so that no folder grows too large. All disk work happens off the workers of tokio,
//! except for reads that the page cache can answer.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Space;
use super::disk::{blocking, in_words};
use super::reader::FileReader;
use super::sums::{BLOCK_BYTES, Footer, Summing};
use super::whole::path_of;
use crate::resource::ContentId;
use crate::store::engine::StoreError;

/// How much a writer gathers before it goes to the disk: whole blocks. It holds at most two such
/// buffers, and the sums of all blocks, a 16,384th of the content.
const BUFFER_BYTES: usize = 8 * BLOCK_BYTES;

#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    free_bytes_min: u64,
}

impl Folder {
    /// Makes all 256 folders at once: later nobody need ask which exist and are synced.
    pub(super) fn open(dir: &Path, free_bytes_min: u64) -> Result<Self, StoreError> {
        let make = || {
            fs::create_dir_all(dir)?;
            for page in 0..=u8::MAX {
                match fs::create_dir(dir.join(format!("{page:02x}"))) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            let dir = dir.canonicalize()?;
            sync_folder(&dir)?;
            dir.parent().map_or(Ok(()), sync_folder)?;
            Ok(dir)
        };
        let dir = make().map_err(|error| in_words(&error, "cannot make the content folder"))?;
        Ok(Self {
            dir,
            free_bytes_min,
        })
    }

    fn page(&self, page: u8) -> PathBuf {
        self.dir.join(format!("{page:02x}"))
    }

    fn path(&self, id: ContentId) -> PathBuf {
        self.dir.join(path_of(id))
    }

    pub(super) async fn create(
        folder: &Arc<Self>,
        id: ContentId,
    ) -> Result<FileWriter, StoreError> {
        let owned = Arc::clone(folder);
        blocking(move || {
            let path = owned.path(id);
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            let file = file.map_err(|error| in_words(&error, "cannot create a content file"))?;
            let stamp = getrandom::u64()
                .map_err(|error| StoreError::Failed(format!("no random number: {error}")))?;
            Ok(FileWriter {
                folder: owned,
                path: Some(path),
                file: Arc::new(file),
                id,
                stamp,
                buffer: Vec::new(),
                size: 0,
                sums: Vec::new(),
                pending: None,
            })
        })
        .await
    }

    pub(super) async fn open_content(
        folder: &Arc<Self>,
        id: ContentId,
    ) -> Result<FileReader, StoreError> {
        let path = folder.path(id);
        blocking(move || FileReader::open(&path, id)).await
    }

    pub(super) async fn remove(folder: &Arc<Self>, id: ContentId) -> Result<(), StoreError> {
        let path = folder.path(id);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(in_words(&error, "cannot remove a content file"))
            }
            _ => Ok(()),
        })
        .await
    }

    pub(super) async fn list_older_than(
        folder: &Arc<Self>,
        watermark: ContentId,
        page: u8,
    ) -> Result<Vec<ContentId>, StoreError> {
        let dir = folder.page(page);
        let list = move || {
            let mut ids = Vec::new();
            for entry in fs::read_dir(dir)? {
                let name = entry?.file_name();
                match content_id(&name.to_string_lossy()) {
                    Some(id) if id < watermark => ids.push(id),
                    Some(_) => {}
                    None => tracing::warn!(?name, "not a content file; left alone"),
                }
            }
            Ok(ids)
        };
        blocking(|| list().map_err(|error: io::Error| in_words(&error, "cannot list content")))
            .await
    }

    /// On the thread of the caller: local file systems answer from memory.
    pub(super) fn space(&self) -> Result<Space, StoreError> {
        let found = rustix::fs::statvfs(&self.dir)
            .map_err(|error| in_words(&error.into(), "cannot ask for free space"))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space {
            available: bytes(found.f_bavail).saturating_sub(self.free_bytes_min),
            used: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
            total: bytes(found.f_blocks),
        })
    }

    /// Writes, unless that would touch the reserve.
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        if self.space()?.available < bytes.len() as u64 {
            return Err(StoreError::Full);
        }
        let written = file.write_all_at(bytes, offset);
        written.map_err(|error| in_words(&error, "cannot write a content file"))
    }
}

#[derive(Debug)]
pub(super) struct FileWriter {
    folder: Arc<Folder>,
    /// `None` once finished: then the file stays.
    path: Option<PathBuf>,
    file: Arc<File>,
    id: ContentId,
    stamp: u64,
    buffer: Vec<u8>,
    /// With what is in the buffer.
    size: u64,
    /// Of what is written, block by block.
    sums: Vec<u8>,
    /// The buffer being written.
    pending: Option<JoinHandle<Result<Written, StoreError>>>,
}

/// What is left of a buffer that was written.
#[derive(Debug)]
struct Written {
    /// Its memory, for what follows.
    empty: Vec<u8>,
    /// Of its blocks.
    sums: Vec<u8>,
}

impl FileWriter {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let room = BUFFER_BYTES - self.buffer.len();
        let (now, rest) = bytes.split_at(room.min(bytes.len()));
        self.gather(now);
        for piece in rest.chunks(BUFFER_BYTES) {
            self.hand_over().await?;
            self.gather(piece);
        }
        if self.buffer.len() == BUFFER_BYTES {
            self.hand_over().await
        } else {
            Ok(())
        }
    }

    fn gather(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.size += bytes.len() as u64;
    }

    /// Starts to write the buffer when the one before is written.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        let empty = self.written().await?;
        let mut buffer = std::mem::replace(&mut self.buffer, empty);
        let (folder, file) = (Arc::clone(&self.folder), Arc::clone(&self.file));
        let offset = self.size - buffer.len() as u64;
        let summing = Summing::of(self.id, self.stamp);
        self.pending = Some(spawn_blocking(move || {
            let sums = sums_of(&summing, &buffer, offset);
            folder.write(&file, &buffer, offset)?;
            buffer.clear();
            Ok(Written {
                empty: buffer,
                sums,
            })
        }));
        Ok(())
    }

    /// Waits for the buffer being written.
    async fn written(&mut self) -> Result<Vec<u8>, StoreError> {
        let Some(pending) = &mut self.pending else {
            return Ok(Vec::new());
        };
        let written = pending.await;
        self.pending = None;
        let Written { empty, sums } =
            written.map_err(|error| StoreError::Failed(error.to_string()))??;
        self.sums.extend_from_slice(&sums);
        Ok(empty)
    }

    pub(super) async fn finish(mut self) -> Result<u64, StoreError> {
        self.written().await?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut sums = std::mem::take(&mut self.sums);
        let footer = Footer {
            id: self.id,
            size: self.size,
            stamp: self.stamp,
        };
        let (folder, file) = (Arc::clone(&self.folder), Arc::clone(&self.file));
        let offset = self.size - buffer.len() as u64;
        let parent = self
            .path
            .as_deref()
            .and_then(Path::parent)
            .map(Path::to_path_buf);
        blocking(move || {
            let summing = Summing::of(footer.id, footer.stamp);
            sums.extend_from_slice(&sums_of(&summing, &buffer, offset));
            buffer.extend_from_slice(&sums);
            buffer.extend_from_slice(&footer.encode());
            folder.write(&file, &buffer, offset)?;
            let synced = file
                .sync_data()
                .and_then(|()| parent.as_deref().map_or(Ok(()), sync_folder));
            synced.map_err(|error| in_words(&error, "cannot sync a content file"))
        })
        .await?;
        self.path = None;
        Ok(self.size)
    }
}

impl Drop for FileWriter {
    /// A write still under way goes to a file without a name.
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        let remove = move || {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(?path, %error, "an unfinished content file stays");
            }
        };
        // Freeing a large file takes its time; the orphan search finds what is missed.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// The sums of the blocks in `bytes`, which begin at a block's beginning.
fn sums_of(summing: &Summing, bytes: &[u8], offset: u64) -> Vec<u8> {
    let blocks = (offset / BLOCK_BYTES as u64..).zip(bytes.chunks(BLOCK_BYTES));
    blocks
        .flat_map(|(number, bytes)| summing.block(number, bytes))
        .collect()
}

fn content_id(name: &str) -> Option<ContentId> {
    let id = u64::from_str_radix(name, 16).ok()?;
    (format!("{id:016x}") == name).then_some(ContentId(id))
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
