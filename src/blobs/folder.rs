//! Content files on a disk: `xx/<id>`, with the id in 16 hexadecimal digits and its last two as
//! the folder, so that no folder grows too large. All disk work happens off the workers of tokio,
//! except for reads that the page cache can answer.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::Space;
use super::buffers::Buffers;
use super::disk::{blocking, in_words};
use super::reader::{self, Opened};
use super::whole::{page_of, path_of};
use crate::resource::ContentId;
use crate::store::engine::StoreError;
use crate::store::page_cache;

#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    /// The same folder: who asks for free space need not find it anew.
    opened: File,
    free_bytes_min: u64,
    buffers: Arc<Buffers>,
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
        let failed = |error| in_words(&error, "cannot make the content folder");
        let dir = make().map_err(failed)?;
        let opened = File::open(&dir).map_err(failed)?;
        Ok(Self {
            dir,
            opened,
            free_bytes_min,
            buffers: Arc::default(),
        })
    }

    fn page(&self, page: u8) -> PathBuf {
        self.dir.join(format!("{page:02x}"))
    }

    pub(super) fn path(&self, id: ContentId) -> PathBuf {
        self.dir.join(path_of(id))
    }

    pub(super) async fn open_content(
        folder: &Arc<Self>,
        id: ContentId,
    ) -> Result<Opened, StoreError> {
        let (path, buffers) = (folder.path(id), Arc::clone(&folder.buffers));
        blocking(move || reader::open(&path, id, &buffers)).await
    }

    pub(super) async fn remove(folder: &Arc<Self>, ids: &[ContentId]) -> Result<(), StoreError> {
        let paths: Vec<_> = ids.iter().map(|id| folder.path(*id)).collect();
        blocking(move || {
            for path in paths {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(in_words(&error, "cannot remove a content file"));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }

    /// Nobody waits for it, and whoever reads it meanwhile reads from the disk.
    pub(super) fn leave_cache(folder: &Arc<Self>, id: ContentId) {
        let path = folder.path(id);
        drop(spawn_blocking(move || {
            // It may be gone already, which is as good.
            if let Ok(file) = File::open(path) {
                page_cache::let_go(&file);
            }
        }));
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
        let found = rustix::fs::fstatvfs(&self.opened)
            .map_err(|error| in_words(&error.into(), "cannot ask for free space"))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space {
            available: bytes(found.f_bavail).saturating_sub(self.free_bytes_min),
            used: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
            total: bytes(found.f_blocks),
        })
    }

    /// Makes the name of a content file durable. Blocks.
    pub(super) fn sync_page(&self, id: ContentId) -> io::Result<()> {
        sync_folder(&self.dir.join(page_of(id)))
    }

    /// Writes, unless that would touch the reserve. Blocks.
    pub(super) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        if self.space()?.available < bytes.len() as u64 {
            return Err(StoreError::Full);
        }
        let written = file.write_all_at(bytes, offset);
        written.map_err(|error| in_words(&error, "cannot write a content file"))
    }
}

fn content_id(name: &str) -> Option<ContentId> {
    let id = u64::from_str_radix(name, 16).ok()?;
    (format!("{id:016x}") == name).then_some(ContentId(id))
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
