//! Making a backup.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

pub use super::shelf::Removed;

use super::rows::{Encoder, Record};
use super::{
    About, BackupError, FORMAT, Progress, Target, io_error, require_room, shelf, spell_sum,
};
use crate::blobs::whole::{ContentName, Stretch, WholeContent, path_of};
use crate::protocol::time::Timestamp;
use crate::resource::ContentId;
use crate::store::ContentFiles;
use crate::store::engine::{Snapshot, StoreError};

/// How many rows are asked for at a time.
const ROWS_PER_STEP: usize = 256;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The moment.
    #[serde(flatten)]
    pub about: About,
    /// How many content files were not there yet.
    pub contents_copied: u64,
    /// Their length.
    pub content_bytes_copied: u64,
}

/// Makes a backup of what `snapshot` shows, with content files out of the folder `content`, which
/// must stay there until this returns.
pub async fn take(
    snapshot: &mut dyn Snapshot,
    content: &Path,
    mut target: Target,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Taken, BackupError> {
    let mut writer = RowsWriter::new(&target);
    progress.begin("rows", None);
    let files = writer.rows(snapshot, progress).await?;
    let names = writer.contents(&files, content)?;
    let (sum, rows, rows_bytes) = writer.end(names.len() as u64)?;

    let missing: Vec<ContentName> = names
        .iter()
        .copied()
        .filter(|name| !target.has(*name))
        .collect();
    let bytes_of = |names: &[ContentName]| names.iter().map(|name| name.file_bytes).sum::<u64>();
    let content_bytes_copied = bytes_of(&missing);
    require_room(target.rows_path(), content_bytes_copied)?;
    progress.begin("content", Some(content_bytes_copied));
    for name in &missing {
        let file = open(content, name.id)?;
        target.add(&file, &|bytes| progress.advance(bytes))?;
    }
    let about = About {
        format: FORMAT,
        moment: target.free_name(&moment_name(now)),
        lockkeeper: env!("CARGO_PKG_VERSION").to_owned(),
        commit: snapshot.number(),
        rows,
        rows_bytes,
        rows_sum: sum,
        contents: names.len() as u64,
        content_bytes: bytes_of(&names),
    };
    target.finish(&about)?;
    Ok(Taken {
        about,
        contents_copied: missing.len() as u64,
        content_bytes_copied,
    })
}

/// Removes all but the last `count` moments of the folder `dir`, and content that none has.
pub fn keep(dir: &Path, count: usize) -> Result<Removed, BackupError> {
    shelf::keep(dir, count)
}

/// `2026-11-22T041136Z`: sorts by time, and is a file name on every system.
fn moment_name(now: Timestamp) -> String {
    now.rfc3339().replace(':', "")
}

fn open(content: &Path, id: ContentId) -> Result<WholeContent, BackupError> {
    let path = content.join(path_of(id));
    let stretch = Stretch::of_file(&path).map_err(|error| {
        StoreError::Damaged(format!("the content file {}: {error}", path.display()))
    })?;
    Ok(WholeContent::open(stretch, id)?)
}

/// Writes the file of rows.
struct RowsWriter<'t> {
    file: BufWriter<&'t std::fs::File>,
    path: &'t Path,
    encoder: Encoder,
    encoded: Vec<u8>,
    rows: u64,
    bytes: u64,
}

impl<'t> RowsWriter<'t> {
    fn new(target: &'t Target) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 20, target.rows()),
            path: target.rows_path(),
            encoder: Encoder::default(),
            encoded: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Writes all rows; returns which content files belong to them.
    async fn rows(
        &mut self,
        snapshot: &mut dyn Snapshot,
        progress: &dyn Progress,
    ) -> Result<Vec<ContentId>, BackupError> {
        let number = snapshot.number();
        self.put(&Record::Header { number })?;
        let mut files = ContentFiles::default();
        loop {
            let rows = snapshot.next(ROWS_PER_STEP).await?;
            if rows.is_empty() {
                return Ok(files.found());
            }
            progress.advance(rows.len() as u64);
            self.rows += rows.len() as u64;
            for (key, value) in rows {
                files.see(&key);
                self.put(&Record::Row(key, value))?;
            }
        }
    }

    /// Writes down which files these are.
    fn contents(
        &mut self,
        ids: &[ContentId],
        content: &Path,
    ) -> Result<Vec<ContentName>, BackupError> {
        let name = |id: &ContentId| {
            let name = open(content, *id)?.name();
            self.put(&Record::Content(name))?;
            Ok(name)
        };
        ids.iter().map(name).collect()
    }

    /// Ends the file; returns its sum, the number of rows and its length.
    fn end(mut self, contents: u64) -> Result<(String, u64, u64), BackupError> {
        let rows = self.rows;
        self.put(&Record::End { rows, contents })?;
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|error| io_error(self.path, &error))?;
        Ok((spell_sum(self.encoder.sum()), rows, self.bytes))
    }

    fn put(&mut self, record: &Record) -> Result<(), BackupError> {
        self.encoded.clear();
        self.encoder.put(record, &mut self.encoded);
        self.bytes += self.encoded.len() as u64;
        let written = self.file.write_all(&self.encoded);
        written.map_err(|error| io_error(self.path, &error))
    }
}
