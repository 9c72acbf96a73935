//! Where a backup goes.

use std::fs::File;
use std::path::Path;

use super::shelf::Shelf;
use super::tar_file::TarFile;
use super::{About, BackupError};
use crate::blobs::whole::{ContentName, WholeContent};

/// A backup under way. Dropped unfinished, it leaves no moment.
#[derive(Debug)]
pub enum Target {
    /// A folder of moments.
    Folder(Shelf),
    /// One moment in one file.
    Tar(TarFile),
}

impl Target {
    /// A file if the name ends in `.tar`, otherwise a folder; both are made if need be.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let extension = path.extension().unwrap_or_default();
        if extension.eq_ignore_ascii_case("tar") && !path.is_dir() {
            Ok(Self::Tar(TarFile::create(path)?))
        } else {
            Ok(Self::Folder(Shelf::open(path)?))
        }
    }

    /// A name for this moment that is still free.
    pub(super) fn free_name(&self, wanted: &str) -> String {
        match self {
            Self::Folder(shelf) => shelf.free_name(wanted),
            Self::Tar(_) => wanted.to_owned(),
        }
    }

    /// The file that is to become the rows of the moment.
    pub(super) fn rows(&self) -> &File {
        match self {
            Self::Folder(shelf) => shelf.rows(),
            Self::Tar(file) => file.rows(),
        }
    }

    /// Where `rows` lies, for errors.
    pub(super) fn rows_path(&self) -> &Path {
        match self {
            Self::Folder(shelf) => shelf.rows_path(),
            Self::Tar(file) => file.rows_path(),
        }
    }

    /// Whether an earlier moment has brought this content file.
    pub(super) fn has(&self, name: ContentName) -> bool {
        match self {
            Self::Folder(shelf) => shelf.has(name),
            Self::Tar(_) => false,
        }
    }

    /// Copies a content file. `advance` hears of its bytes.
    pub(super) fn add(
        &mut self,
        content: &WholeContent,
        advance: &dyn Fn(u64),
    ) -> Result<(), BackupError> {
        match self {
            Self::Folder(shelf) => shelf.add(content, advance),
            Self::Tar(file) => file.add(content, advance),
        }
    }

    /// Gives the moment its name, by which it counts.
    pub(super) fn finish(self, about: &About) -> Result<(), BackupError> {
        let mut json =
            serde_json::to_vec_pretty(about).map_err(|error| BackupError::Io(error.to_string()))?;
        json.push(b'\n');
        match self {
            Self::Folder(shelf) => shelf.finish(&about.moment, &json),
            Self::Tar(file) => file.finish(&about.moment, &json),
        }
    }
}
