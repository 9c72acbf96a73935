//! A data folder that is being built: beside its place, under another name, until it is whole.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{BackupError, create_private, io_error, keep_out_others, sync_folder};

const LOCK: &str = "restoring";

/// Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Site {
    data: PathBuf,
    /// `None` once it has its name.
    aside: Option<PathBuf>,
    _lock: File,
}

impl Site {
    /// Begins what is to become the folder `data`, which must not be there, or be empty.
    pub fn begin(data: &Path) -> Result<Self, BackupError> {
        let failed = |error| io_error(data, &error);
        if data.exists() && fs::read_dir(data).map_err(failed)?.next().is_some() {
            return Err(BackupError::InTheWay(format!(
                "{} is not empty; a backup is restored into a new folder (--data)",
                data.display()
            )));
        }
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        let aside = data.with_file_name(format!(".{name}.restoring"));
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700);
        private
            .create(&aside)
            .map_err(|error| io_error(&aside, &error))?;
        let lock_path = aside.join(LOCK);
        let lock = create_private(&lock_path)?;
        keep_out_others(&lock, &lock_path)?;
        let site = Self {
            data: data.to_path_buf(),
            aside: Some(aside),
            _lock: lock,
        };
        for folder in [site.meta(), site.content()] {
            // From a run that was interrupted.
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(|error| io_error(&folder, &error))?;
            }
            private
                .create(&folder)
                .map_err(|error| io_error(&folder, &error))?;
        }
        Ok(site)
    }

    fn aside(&self) -> &Path {
        self.aside.as_deref().unwrap_or(&self.data)
    }

    /// The folder of the store.
    pub fn meta(&self) -> PathBuf {
        self.aside().join("meta")
    }

    /// The folder of content.
    pub fn content(&self) -> PathBuf {
        self.aside().join("content")
    }

    /// Gives the folder its name.
    pub fn finish(mut self) -> Result<(), BackupError> {
        let aside = self.aside().to_path_buf();
        let lock = aside.join(LOCK);
        fs::remove_file(&lock).map_err(|error| io_error(&lock, &error))?;
        sync_folder(&aside)?;
        fs::rename(&aside, &self.data).map_err(|error| io_error(&self.data, &error))?;
        self.aside = None;
        let parent = self.data.parent().filter(|path| path.as_os_str() != "");
        sync_folder(parent.unwrap_or(Path::new(".")))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(aside) = &self.aside {
            // The next run removes what stays.
            let _ = fs::remove_dir_all(aside);
        }
    }
}
