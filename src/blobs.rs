//! Content files: the bytes of files too large for a row. Each has an id of its own, is written
//! once and never changed, and is named by a row only after `finish`. So readers never see a torn
//! file, and a crash leaves at most files that no row names. On a disk every block has a sum, and
//! no byte is read that was not checked. Knows no rows.

mod buffers;
mod disk;
mod folder;
mod reader;
mod remembered;
mod sums;
pub mod whole;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use self::folder::Folder;
use self::reader::{FileReader, Opened};
use self::remembered::Remembered;
use self::writer::FileWriter;
use crate::resource::ContentId;
use crate::store::engine::StoreError;

/// The longest piece that one `read` returns, in bytes.
pub const PIECE_BYTES_MAX: usize = 256 * 1024;

/// What the memory form holds unless told otherwise, in bytes.
const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// The room for content, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free for content: the reserve is already taken off.
    pub available: u64,
    /// In use, on a disk also by others.
    pub used: u64,
    /// All there is.
    pub total: u64,
}

/// All content files. Clones share them.
#[derive(Debug, Clone)]
pub struct Blobs {
    form: Form,
    remembered: Arc<Remembered>,
}

#[derive(Debug, Clone)]
enum Form {
    Memory(Arc<Memory>),
    Folder(Arc<Folder>),
}

impl Blobs {
    /// Content files in the folder `dir`, which is made if need be. Blocks for a moment.
    ///
    /// `free_bytes_min` is the reserve: uploads are refused as [`StoreError::Full`] rather than
    /// leave less, so that there is always room for locks, unlocks and deletions.
    pub fn open(dir: &Path, free_bytes_min: u64) -> Result<Self, StoreError> {
        let folder = Folder::open(dir, free_bytes_min)?;
        Ok(Self::of(Form::Folder(Arc::new(folder))))
    }

    /// The same, with up to `bytes_max` of contents of up to [`PIECE_BYTES_MAX`] in memory.
    #[must_use]
    pub fn remembering(self, bytes_max: u64) -> Self {
        let remembered = Arc::new(Remembered::up_to(bytes_max));
        Self { remembered, ..self }
    }

    fn of(form: Form) -> Self {
        let remembered = Arc::new(Remembered::up_to(0));
        Self { form, remembered }
    }

    /// Content in memory, up to 1 GiB, beside the memory engine.
    pub fn memory() -> Self {
        Self::memory_of(MEMORY_BYTES_MAX)
    }

    /// Content in memory, up to `bytes_max`.
    pub fn memory_of(bytes_max: u64) -> Self {
        let contents = Mutex::new(BTreeMap::new());
        Self::of(Form::Memory(Arc::new(Memory {
            bytes_max,
            contents,
        })))
    }

    /// Starts the content file `id`, which must be new: an id is never used twice. It is made when
    /// there is something to write.
    pub fn create(&self, id: ContentId) -> Result<ContentWriter, StoreError> {
        let target = match &self.form {
            Form::Memory(memory) => {
                if memory.contents().contains_key(&id) {
                    return Err(StoreError::Failed(format!("content {:016x} exists", id.0)));
                }
                Target::Memory {
                    memory: Arc::clone(memory),
                    id,
                    bytes: Vec::new(),
                }
            }
            Form::Folder(folder) => Target::File(FileWriter::new(folder, id)?),
        };
        Ok(ContentWriter {
            target,
            whole: true,
        })
    }

    /// Opens the content file `id`. What is open stays readable when it is removed.
    /// A content of up to [`PIECE_BYTES_MAX`] is read at once, if it is not remembered.
    pub async fn open_content(&self, id: ContentId) -> Result<ContentReader, StoreError> {
        if let Some(bytes) = self.remembered.get(id) {
            return Ok(ContentReader(Source::Memory(bytes)));
        }
        let opened = self.open_stored(id).await?;
        if let (Source::Memory(bytes), Form::Folder(_)) = (&opened.0, &self.form) {
            self.remembered.keep(id, bytes);
        }
        Ok(opened)
    }

    /// The same, as it is on the disk, for who asks whether that is still what was written.
    pub async fn open_stored(&self, id: ContentId) -> Result<ContentReader, StoreError> {
        Ok(ContentReader(match &self.form {
            Form::Memory(memory) => {
                let bytes = memory.contents().get(&id).cloned();
                Source::Memory(bytes.ok_or_else(|| missing(id))?)
            }
            Form::Folder(folder) => match Folder::open_content(folder, id).await? {
                Opened::Whole(bytes) => Source::Memory(bytes),
                Opened::Parts(reader) => Source::File(reader),
            },
        }))
    }

    /// A content of `size` bytes was replaced: hardly anybody reads it from now on. A large one
    /// leaves the page cache, in the background, so that its memory serves the next upload.
    pub fn set_aside(&self, id: ContentId, size: u64) {
        if let Form::Folder(folder) = &self.form
            && size > PIECE_BYTES_MAX as u64
        {
            Folder::leave_cache(folder, id);
        }
    }

    /// Removes these content files, if they are there. After a power cut they may be back.
    pub async fn remove(&self, ids: &[ContentId]) -> Result<(), StoreError> {
        for id in ids {
            self.remembered.forget(*id);
        }
        match &self.form {
            Form::Memory(memory) => {
                let mut contents = memory.contents();
                for id in ids {
                    contents.remove(id);
                }
                Ok(())
            }
            Form::Folder(folder) => Folder::remove(folder, ids).await,
        }
    }

    /// The content files with ids below `watermark` whose id ends in the byte `page`, in no order.
    /// All 256 pages together are all files: the search for those that no row names goes through
    /// them, with the next free id at start-up as the watermark, since later ones may be uploads
    /// that still run.
    pub async fn list_older_than(
        &self,
        watermark: ContentId,
        page: u8,
    ) -> Result<Vec<ContentId>, StoreError> {
        match &self.form {
            Form::Memory(memory) => {
                let contents = memory.contents();
                let older = contents.keys().filter(|id| **id < watermark);
                Ok(older
                    .filter(|id| id.0.to_be_bytes()[7] == page)
                    .copied()
                    .collect())
            }
            Form::Folder(folder) => Folder::list_older_than(folder, watermark, page).await,
        }
    }

    /// How much room there is.
    pub fn space(&self) -> Result<Space, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.space()),
            Form::Folder(folder) => folder.space(),
        }
    }

    /// Refuses as [`StoreError::Full`] if `bytes` more would not fit.
    pub fn has_room(&self, bytes: u64) -> Result<(), StoreError> {
        if self.space()?.available < bytes {
            Err(StoreError::Full)
        } else {
            Ok(())
        }
    }
}

/// A content file being written. Dropped unfinished, it is removed.
#[derive(Debug)]
pub struct ContentWriter {
    target: Target,
    /// Whether every `write` so far ran to its end.
    whole: bool,
}

#[derive(Debug)]
enum Target {
    Memory {
        memory: Arc<Memory>,
        id: ContentId,
        bytes: Vec<u8>,
    },
    File(FileWriter),
}

impl ContentWriter {
    /// Appends `bytes`. Gathers them to pieces, and waits when the disk is a piece behind. After
    /// an error, or when the future was dropped, the file cannot be finished.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.check_whole()?;
        // Until it has ended: a caller may drop this future half-way.
        self.whole = false;
        match &mut self.target {
            Target::Memory {
                memory,
                bytes: written,
                ..
            } => {
                let room = memory.space().available;
                if (written.len() + bytes.len()) as u64 > room {
                    return Err(StoreError::Full);
                }
                written.extend_from_slice(&bytes);
            }
            Target::File(file) => file.write(&bytes).await?,
        }
        self.whole = true;
        Ok(())
    }

    fn check_whole(&self) -> Result<(), StoreError> {
        let gap = || StoreError::Failed("a content file lacks a piece".to_owned());
        if self.whole { Ok(()) } else { Err(gap()) }
    }

    /// Makes the content and its name durable; returns its size in bytes.
    pub async fn finish(self) -> Result<u64, StoreError> {
        self.check_whole()?;
        match self.target {
            Target::Memory { memory, id, bytes } => {
                let size = bytes.len() as u64;
                memory.contents().insert(id, Bytes::from(bytes));
                Ok(size)
            }
            Target::File(file) => file.finish().await,
        }
    }
}

/// An open content file.
#[derive(Debug)]
pub struct ContentReader(Source);

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    File(FileReader),
}

impl ContentReader {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::File(file) => file.size(),
        }
    }

    /// Some bytes from `offset`: at least one and at most `len_max` and [`PIECE_BYTES_MAX`]; none
    /// only at the end.
    pub async fn read(&mut self, offset: u64, len_max: usize) -> Result<Bytes, StoreError> {
        let left = self.size().saturating_sub(offset);
        let len = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(len_max)
            .min(PIECE_BYTES_MAX);
        match &mut self.0 {
            _ if len == 0 => Ok(Bytes::new()),
            Source::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                Ok(bytes.slice(start..start + len))
            }
            Source::File(file) => file.read(offset, len).await,
        }
    }
}

/// A row names content that is not there: data was lost.
fn missing(id: ContentId) -> StoreError {
    StoreError::Damaged(format!("the content file {:016x} is missing", id.0))
}

#[derive(Debug)]
struct Memory {
    bytes_max: u64,
    contents: Mutex<BTreeMap<ContentId, Bytes>>,
}

impl Memory {
    fn contents(&self) -> MutexGuard<'_, BTreeMap<ContentId, Bytes>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn space(&self) -> Space {
        let used = self
            .contents()
            .values()
            .map(|bytes| bytes.len() as u64)
            .sum();
        let available = self.bytes_max.saturating_sub(used);
        Space {
            available,
            used,
            total: self.bytes_max,
        }
    }
}
