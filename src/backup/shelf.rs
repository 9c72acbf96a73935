//! A folder of moments that share content.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::rows::Record;
use super::vault::Vault;
use super::{
    ABOUT, BackupError, CONTENT, MOMENTS, ROWS, content_name, content_path, create_private,
    io_error, keep_out_others, pour, sync_folder, write_private,
};
use crate::blobs::whole::{ContentName, WholeContent, page_of};

/// What was removed to keep no more than was wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// How many moments.
    pub moments_removed: u64,
    /// How many content files that none of the others has.
    pub contents_removed: u64,
}

/// The moment being written; no name of a moment begins with a dot.
const NEW: &str = ".new";
const LOCK: &str = "lock";

/// A backup under way into a folder.
#[derive(Debug)]
pub struct Shelf {
    dir: PathBuf,
    /// `None` once the moment has its name.
    new: Option<PathBuf>,
    rows: File,
    rows_path: PathBuf,
    /// Folders that have got new files.
    changed: BTreeSet<PathBuf>,
    /// Keeps a second run out.
    _lock: File,
}

impl Shelf {
    pub(super) fn open(dir: &Path) -> Result<Self, BackupError> {
        let failed = |error: io::Error| io_error(dir, &error);
        if dir.is_dir() {
            let mut entries = fs::read_dir(dir).map_err(failed)?;
            if entries.next().is_some() && !dir.join(MOMENTS).is_dir() {
                return Err(BackupError::InTheWay(format!(
                    "{} has other files in it; give an empty folder, a new one, or one with \
                     earlier backups",
                    dir.display()
                )));
            }
        }
        let moments = dir.join(MOMENTS);
        for folder in [&moments, &dir.join(CONTENT)] {
            make_folder(folder)?;
        }
        let lock = lock(&dir.join(LOCK))?;
        // From a run that was interrupted: nobody else is here.
        let new = moments.join(NEW);
        remove_folder(&new)?;
        make_folder(&new)?;
        let rows_path = new.join(ROWS);
        Ok(Self {
            dir: dir.to_path_buf(),
            rows: create_private(&rows_path)?,
            rows_path,
            new: Some(new),
            changed: BTreeSet::new(),
            _lock: lock,
        })
    }

    pub(super) fn free_name(&self, wanted: &str) -> String {
        let moments = self.dir.join(MOMENTS);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        let free = names.find(|name| !moments.join(name).exists());
        free.unwrap_or_default()
    }

    pub(super) fn rows(&self) -> &File {
        &self.rows
    }

    pub(super) fn rows_path(&self) -> &Path {
        &self.rows_path
    }

    pub(super) fn has(&self, name: ContentName) -> bool {
        let found = fs::metadata(self.dir.join(content_path(name)));
        found.is_ok_and(|found| found.len() == name.file_bytes)
    }

    pub(super) fn add(
        &mut self,
        content: &WholeContent,
        advance: &dyn Fn(u64),
    ) -> Result<(), BackupError> {
        let name = content.name();
        let page = self.dir.join(CONTENT).join(page_of(name.id));
        if !self.changed.contains(&page) {
            make_folder(&page)?;
        }
        let aside = page.join(format!(".{}", content_name(name)));
        let done = copy_aside(content, &aside, advance).and_then(|()| {
            let path = page.join(content_name(name));
            fs::rename(&aside, &path).map_err(|error| io_error(&path, &error))
        });
        if done.is_err() {
            // Only the first error counts.
            let _ = fs::remove_file(&aside);
        }
        self.changed.insert(page);
        done
    }

    pub(super) fn finish(mut self, moment: &str, about: &[u8]) -> Result<(), BackupError> {
        let Some(new) = &self.new else { return Ok(()) };
        self.changed
            .iter()
            .try_for_each(|folder| sync_folder(folder))?;
        sync_folder(&self.dir.join(CONTENT))?;
        write_private(&new.join(ABOUT), about)?;
        sync_folder(new)?;
        let moments = self.dir.join(MOMENTS);
        let named = moments.join(moment);
        fs::rename(new, &named).map_err(|error| io_error(&named, &error))?;
        self.new = None;
        sync_folder(&moments)?;
        sync_folder(&self.dir)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some(new) = &self.new {
            // The next run removes what stays.
            let _ = fs::remove_dir_all(new);
        }
    }
}

/// Removes all moments but the last `count`, and content that none of these has.
pub(super) fn keep(dir: &Path, count: usize) -> Result<Removed, BackupError> {
    let _lock = lock(&dir.join(LOCK))?;
    let moments = Vault::open(dir)?.moments()?;
    let (old, kept) = moments.split_at(moments.len().saturating_sub(count));
    let mut named = BTreeSet::new();
    for moment in kept {
        add_contents(dir, moment, &mut named).map_err(|error| {
            BackupError::InTheWay(format!(
                "the backup was made, but nothing old was removed, since the moment {moment} \
                 cannot be read: {error}"
            ))
        })?;
    }
    let folder = dir.join(MOMENTS);
    for moment in old {
        // A moment without a name first, so that none is ever half there.
        let gone = folder.join(NEW);
        remove_folder(&gone)?;
        let moment = folder.join(moment);
        fs::rename(&moment, &gone).map_err(|error| io_error(&moment, &error))?;
        remove_folder(&gone)?;
    }
    sync_folder(&folder)?;
    Ok(Removed {
        moments_removed: old.len() as u64,
        contents_removed: remove_unnamed(&dir.join(CONTENT), &named)?,
    })
}

/// The content files of a moment.
fn add_contents(dir: &Path, moment: &str, named: &mut BTreeSet<String>) -> Result<(), BackupError> {
    let mut rows = Vault::open(dir)?.rows(moment)?;
    while let Some(record) = rows.next()? {
        if let Record::Content(name) = record {
            named.insert(content_name(name));
        }
    }
    Ok(())
}

fn remove_unnamed(content: &Path, named: &BTreeSet<String>) -> Result<u64, BackupError> {
    let mut removed = 0;
    let failed = |error: io::Error| io_error(content, &error);
    for page in fs::read_dir(content).map_err(failed)? {
        let page = page.map_err(failed)?.path();
        for file in fs::read_dir(&page).map_err(failed)? {
            let file = file.map_err(failed)?;
            let name = file.file_name();
            let is_named = name.to_str().is_some_and(|name| named.contains(name));
            if !is_named {
                fs::remove_file(file.path()).map_err(failed)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn copy_aside(
    content: &WholeContent,
    aside: &Path,
    advance: &dyn Fn(u64),
) -> Result<(), BackupError> {
    let mut file = create_private(aside)?;
    // An interrupted run may have left some of it.
    file.set_len(0).map_err(|error| io_error(aside, &error))?;
    pour(content, &mut file, aside, advance)?;
    file.sync_all().map_err(|error| io_error(aside, &error))
}

fn lock(path: &Path) -> Result<File, BackupError> {
    let file = create_private(path)?;
    keep_out_others(&file, path)?;
    Ok(file)
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| io_error(path, &error))
}

fn remove_folder(path: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, &error)),
        _ => Ok(()),
    }
}
