//! Where a backup comes from: a folder of moments, or a tar file.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rows::{Decoder, Record};
use super::{
    ABOUT, ABOUT_BYTES_MAX, About, BackupError, FORMAT, MOMENTS, ROWS, content_path, io_error,
};
use crate::blobs::whole::{ContentName, Stretch, WholeContent};

const PIECE_BYTES: usize = 256 * 1024;

/// A backup that can be read.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Folder,
    /// Members by name: where they begin, and how long they are.
    Tar(Arc<File>, HashMap<String, (u64, u64)>),
}

impl Vault {
    /// Opens a folder or a file with backups.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let found = fs::metadata(path).map_err(|error| io_error(path, &error))?;
        let form = if found.is_dir() {
            if !path.join(MOMENTS).is_dir() {
                return Err(no_backup(path));
            }
            Form::Folder
        } else {
            let file = File::open(path).map_err(|error| io_error(path, &error))?;
            let members = members(&file).map_err(|error| {
                BackupError::Damaged(format!("{} as a tar file: {error}", path.display()))
            })?;
            Form::Tar(Arc::new(file), members)
        };
        Ok(Self {
            path: path.to_path_buf(),
            form,
        })
    }

    /// The names of its moments, the oldest first.
    pub fn moments(&self) -> Result<Vec<String>, BackupError> {
        let mut names = Vec::new();
        match &self.form {
            Form::Folder => {
                let dir = self.path.join(MOMENTS);
                let failed = |error: io::Error| io_error(&dir, &error);
                for entry in fs::read_dir(&dir).map_err(failed)? {
                    let name = entry.map_err(failed)?.file_name();
                    let name = name.to_string_lossy();
                    if !name.starts_with('.') {
                        names.push(name.into_owned());
                    }
                }
            }
            Form::Tar(_, members) => {
                let moment = |path: &String| {
                    let path = path.strip_prefix(MOMENTS)?.strip_prefix('/')?;
                    let name = path.strip_suffix(ABOUT)?.strip_suffix('/')?;
                    (!name.contains('/')).then(|| name.to_owned())
                };
                names.extend(members.keys().filter_map(moment));
            }
        }
        names.sort_by_key(|name| order(name));
        Ok(names)
    }

    /// The moment of this name, or the last one.
    pub fn moment(&self, name: Option<&str>) -> Result<String, BackupError> {
        let moments = self.moments()?;
        match name {
            Some(name) if moments.iter().any(|moment| moment == name) => Ok(name.to_owned()),
            Some(name) => Err(BackupError::NotFound(format!(
                "{} has no moment {name}; it has {}",
                self.path.display(),
                moments.join(", ")
            ))),
            None => moments.last().cloned().ok_or_else(|| no_backup(&self.path)),
        }
    }

    /// What a moment says about itself.
    pub fn about(&self, moment: &str) -> Result<About, BackupError> {
        /// All that a newer format promises to have.
        #[derive(serde::Deserialize)]
        struct Outline {
            format: u32,
        }
        let name = format!("{MOMENTS}/{moment}/{ABOUT}");
        let damaged = |what: String| BackupError::Damaged(format!("{name}: {what}"));
        let stretch = self.stretch(&name)?;
        if stretch.bytes() > ABOUT_BYTES_MAX {
            return Err(damaged("it is too long".to_owned()));
        }
        let bytes = read_all(&stretch).map_err(|error| damaged(error.to_string()))?;
        let outline: Outline =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if outline.format != FORMAT {
            return Err(BackupError::Format(outline.format));
        }
        let about: About =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if about.moment != moment {
            return Err(damaged(format!("it is about {}", about.moment)));
        }
        Ok(about)
    }

    /// The rows of a moment.
    pub(super) fn rows(&self, moment: &str) -> Result<Records, BackupError> {
        let rows = self.stretch(&format!("{MOMENTS}/{moment}/{ROWS}"))?;
        Ok(Records::new(rows))
    }

    /// A content file.
    pub(super) fn content(&self, name: ContentName) -> Result<WholeContent, BackupError> {
        let path = content_path(name);
        let content = WholeContent::open(self.stretch(&path)?, name.id);
        let content = content.map_err(|error| BackupError::Damaged(format!("{path}: {error}")))?;
        if content.name() == name {
            Ok(content)
        } else {
            let what = "it is not the file that belongs to this moment";
            Err(BackupError::Damaged(format!("{path}: {what}")))
        }
    }

    fn stretch(&self, name: &str) -> Result<Stretch, BackupError> {
        let missing = || BackupError::Damaged(format!("{name} is missing"));
        match &self.form {
            Form::Folder => {
                let path = self.path.join(name);
                Stretch::of_file(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => missing(),
                    _ => io_error(&path, &error),
                })
            }
            Form::Tar(file, members) => {
                let (start, bytes) = members.get(name).copied().ok_or_else(missing)?;
                Ok(Stretch::within(file, start, bytes))
            }
        }
    }
}

/// By time, and those of the same second by their number.
fn order(name: &str) -> (String, u64) {
    match name.split_once("Z-") {
        Some((time, number)) => (time.to_owned(), number.parse().unwrap_or(0)),
        None => (name.trim_end_matches('Z').to_owned(), 0),
    }
}

fn members(file: &File) -> io::Result<HashMap<String, (u64, u64)>> {
    let mut archive = tar::Archive::new(file);
    let mut members = HashMap::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        members.insert(name, (entry.raw_file_position(), entry.size()));
    }
    Ok(members)
}

fn no_backup(path: &Path) -> BackupError {
    BackupError::NotFound(format!("there is no backup in {}", path.display()))
}

fn read_all(stretch: &Stretch) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(stretch.bytes()).unwrap_or(usize::MAX)];
    let read = stretch.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Reads the rows of a moment.
#[derive(Debug)]
pub(super) struct Records {
    stretch: Stretch,
    at: u64,
    buffer: Vec<u8>,
    decoder: Decoder,
}

impl Records {
    fn new(stretch: Stretch) -> Self {
        Self {
            stretch,
            at: 0,
            buffer: vec![0; PIECE_BYTES],
            decoder: Decoder::default(),
        }
    }

    /// The next record; `None` only behind the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, BackupError> {
        loop {
            if let Some(record) = self.decoder.read()? {
                return Ok(Some(record));
            }
            let read = self.stretch.read_at(&mut self.buffer, self.at);
            let read = read.map_err(|error| BackupError::Io(error.to_string()))?;
            if read == 0 {
                return if self.decoder.is_complete() {
                    Ok(None)
                } else {
                    Err(self.decoder.cut_short())
                };
            }
            self.decoder.push(&self.buffer[..read]);
            self.at += read as u64;
        }
    }

    /// The file's length.
    pub(super) fn bytes(&self) -> u64 {
        self.stretch.bytes()
    }

    /// Stands for all records so far.
    pub(super) fn sum(&self) -> u32 {
        self.decoder.sum()
    }
}
