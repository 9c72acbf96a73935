//! Restoring a backup: into an empty store and an empty folder of content, both of which the caller
//! throws away if this fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;

use super::rows::{Encoder, Record};
use super::vault::Records;
use super::{
    About, BackupError, Progress, Vault, create_private, io_error, pour, require_room, spell_sum,
    sync_folder,
};
use crate::blobs::whole::{ContentName, page_of, path_of};
use crate::store::engine::{CommitError, Engine, Key, Mode, StoreError};

/// What an engine needs for a byte of a row, at most: sled keeps pages several times.
const ROOM_PER_ROW_BYTE: u64 = 4;
/// How many rows one transaction writes.
const ROWS_PER_STEP: usize = 4096;

/// Puts the moment into `engine` and its content files into the folder `content`. Checks every
/// byte on the way, and afterwards that the engine has exactly these rows.
pub async fn restore(
    vault: &Vault,
    moment: &str,
    engine: &dyn Engine,
    content: &Path,
    progress: &dyn Progress,
) -> Result<About, BackupError> {
    let about = vault.about(moment)?;
    let bytes = about.rows_bytes.saturating_mul(ROOM_PER_ROW_BYTE);
    require_room(content, about.content_bytes.saturating_add(bytes))?;
    progress.begin("rows", Some(about.rows));
    let read = read_rows(vault.rows(moment)?, &about, engine, progress).await?;
    engine.skip_to(about.commit).await?;
    progress.begin("check", Some(about.rows));
    if sum_of(engine, about.commit, progress).await? != read.sum {
        return Err(StoreError::Damaged("the new store has not the rows it got".into()).into());
    }
    progress.begin("content", Some(about.content_bytes));
    for page in 0..=u8::MAX {
        let page = content.join(format!("{page:02x}"));
        fs::create_dir_all(&page).map_err(|error| io_error(&page, &error))?;
    }
    for name in &read.contents {
        copy(vault, *name, content, progress)?;
    }
    let mut pages: Vec<_> = read.contents.iter().map(|name| page_of(name.id)).collect();
    pages.sort_unstable();
    pages.dedup();
    for page in pages {
        sync_folder(&content.join(page))?;
    }
    sync_folder(content)?;
    Ok(about)
}

/// What was read.
struct Read {
    /// Stands for the header and all rows.
    sum: u32,
    contents: Vec<ContentName>,
}

/// Writes the rows into the engine, and holds everything against what `about` says.
async fn read_rows(
    mut records: Records,
    about: &About,
    engine: &dyn Engine,
    progress: &dyn Progress,
) -> Result<Read, BackupError> {
    let (mut rows, mut row_count, mut contents) = (Vec::new(), 0, Vec::new());
    let (mut number, mut sum) = (None, 0);
    while let Some(record) = records.next()? {
        match record {
            Record::Header { number: commit } => (number, sum) = (Some(commit), records.sum()),
            Record::Row(key, value) => {
                rows.push((key, value));
                row_count += 1;
                sum = records.sum();
                if rows.len() == ROWS_PER_STEP {
                    progress.advance(rows.len() as u64);
                    write(engine, std::mem::take(&mut rows)).await?;
                }
            }
            Record::Content(name) => contents.push(name),
            Record::End { .. } | Record::Failed(_) => {}
        }
    }
    write(engine, rows).await?;
    let found = About {
        commit: number.unwrap_or_default(),
        rows: row_count,
        rows_bytes: records.bytes(),
        rows_sum: spell_sum(records.sum()),
        contents: contents.len() as u64,
        content_bytes: contents.iter().map(|name| name.file_bytes).sum(),
        ..about.clone()
    };
    if found == *about {
        Ok(Read { sum, contents })
    } else {
        Err(BackupError::Damaged(format!(
            "its rows and about.json do not belong together: {found:?} and {about:?}"
        )))
    }
}

async fn write(engine: &dyn Engine, rows: Vec<(Key, Bytes)>) -> Result<(), BackupError> {
    let mut txn = engine.begin(Mode::Write).await?;
    rows.into_iter()
        .for_each(|(key, value)| txn.put(key, value));
    txn.commit().await.map_err(|error| match error {
        CommitError::Failed(error) | CommitError::Unknown(error) => error.into(),
        CommitError::Conflict => BackupError::Store(StoreError::Busy),
    })
}

/// What the sum of these rows in a backup would be.
async fn sum_of(
    engine: &dyn Engine,
    number: u64,
    progress: &dyn Progress,
) -> Result<u32, BackupError> {
    let (mut encoder, mut encoded) = (Encoder::default(), Vec::new());
    encoder.put(&Record::Header { number }, &mut encoded);
    let mut snapshot = engine.snapshot().await?;
    loop {
        let rows = snapshot.next(ROWS_PER_STEP).await?;
        if rows.is_empty() {
            return Ok(encoder.sum());
        }
        progress.advance(rows.len() as u64);
        for (key, value) in rows {
            encoded.clear();
            encoder.put(&Record::Row(key, value), &mut encoded);
        }
    }
}

fn copy(
    vault: &Vault,
    name: ContentName,
    content: &Path,
    progress: &dyn Progress,
) -> Result<(), BackupError> {
    let source = vault.content(name)?;
    let path = content.join(path_of(name.id));
    let mut file = create_private(&path)?;
    let poured = pour(&source, &mut file, &path, &|bytes| progress.advance(bytes));
    poured.map_err(|error| match error {
        BackupError::Store(StoreError::Damaged(what)) => BackupError::Damaged(what),
        other => other,
    })?;
    end(&mut file, &path)
}

fn end(file: &mut File, path: &Path) -> Result<(), BackupError> {
    let synced = file.flush().and_then(|()| file.sync_all());
    synced.map_err(|error| io_error(path, &error))
}
