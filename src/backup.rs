//! Backups: everything of one moment as plain files, and back again. Knows neither the server nor
//! the wire; rows come from a snapshot, wherever that is read.
//!
//! A folder holds any number of moments and shares content between them:
//!
//! ```text
//! moments/2026-11-22T041136Z/about.json    what this is, for people and for a first check
//! moments/2026-11-22T041136Z/rows          all rows, and which content files belong to them
//! content/1f/000000000000051f-9f86d081…    a content file as it is in the data folder
//! ```
//!
//! A file that ends in `.tar` holds the same of one moment. Whatever is written is written aside,
//! synced and only then given its name, the moment last; so what has the name is whole.

pub mod restore;
pub mod rows;
mod shelf;
pub mod site;
pub mod take;
mod tar_file;
mod target;
mod vault;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::blobs::whole::{ContentName, WholeContent, page_of};
use crate::store::engine::StoreError;

pub use target::Target;
pub use vault::Vault;

/// The format that this Lockkeeper writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

const MOMENTS: &str = "moments";
const CONTENT: &str = "content";
const ROWS: &str = "rows";
const ABOUT: &str = "about.json";
/// `about.json` is shorter.
const ABOUT_BYTES_MAX: u64 = 64 * 1024;

/// Why a backup was not made or not restored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BackupError {
    /// It is not what was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// A later release wrote it, or nobody did.
    #[error(
        "the backup has format {0}, and this Lockkeeper knows formats up to {FORMAT}; use the \
         version that wrote it, or a later one"
    )]
    Format(u32),
    /// What was named is no backup, or has not what was asked for.
    #[error("{0}")]
    NotFound(String),
    /// What is there stands in the way.
    #[error("{0}")]
    InTheWay(String),
    /// There is no room for it.
    #[error("the disk is full: {0}; what was begun was removed")]
    Full(String),
    /// The operating system said no.
    #[error("{0}")]
    Io(String),
    /// The server could not go on with its part.
    #[error("the server says: {0}")]
    Server(String),
    /// The store that is read, or the one that is built.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a moment says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// [`FORMAT`].
    pub format: u32,
    /// The name of the moment: when it was, in UTC.
    pub moment: String,
    /// Which version of Lockkeeper wrote it.
    pub lockkeeper: String,
    /// The number of the last commit in it.
    pub commit: u64,
    /// How many rows it has.
    pub rows: u64,
    /// The length of their file.
    pub rows_bytes: u64,
    /// The last sum in that file, which stands for all of it.
    pub rows_sum: String,
    /// How many content files belong to it.
    pub contents: u64,
    /// Their length.
    pub content_bytes: u64,
}

/// Hears how far things are.
pub trait Progress: Send + Sync {
    /// Something begins: so many steps, if that is known.
    fn begin(&self, what: &str, steps: Option<u64>);

    /// It has come so many steps further.
    fn advance(&self, steps: u64);
}

/// The name of a content file below the folder of a backup.
fn content_path(name: ContentName) -> String {
    let page = page_of(name.id);
    format!("{CONTENT}/{page}/{}", content_name(name))
}

fn content_name(name: ContentName) -> String {
    format!("{:016x}-{:016x}", name.id.0, name.stamp)
}

fn spell_sum(sum: u32) -> String {
    format!("{sum:08x}")
}

fn io_error(path: &Path, error: &io::Error) -> BackupError {
    let told = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BackupError::Full(told),
        io::ErrorKind::NotFound => BackupError::NotFound(told),
        _ => BackupError::Io(told),
    }
}

/// A file that only its owner reads: rows hold hashes of secrets.
fn create_private(path: &Path) -> Result<File, BackupError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let made = options.mode(0o600).open(path);
    made.map_err(|error| io_error(path, &error))
}

/// Keeps a second run away from what this one writes.
fn keep_out_others(file: &File, path: &Path) -> Result<(), BackupError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BackupError::InTheWay(format!(
            "another backup is being made: it holds {}",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(io_error(path, &error)),
    }
}

/// Refuses what would fill the disk that `path` is on.
fn require_room(path: &Path, bytes: u64) -> Result<(), BackupError> {
    let found = rustix::fs::statvfs(path).map_err(|error| io_error(path, &error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if bytes <= free {
        return Ok(());
    }
    Err(BackupError::Full(format!(
        "{} has {free} bytes free, and {bytes} are still to be written",
        path.display()
    )))
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error(path, &error))
}

/// Copies a content file into `to`, checking it.
fn pour(
    content: &WholeContent,
    to: &mut impl io::Write,
    path: &Path,
    advance: &dyn Fn(u64),
) -> Result<(), BackupError> {
    content.copy(|piece| {
        to.write_all(piece)
            .map_err(|error| io_error(path, &error))?;
        advance(piece.len() as u64);
        Ok(())
    })
}

/// A file of this text, synced.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = create_private(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| io_error(path, &error))
}
