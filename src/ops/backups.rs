//! What a backup needs of a store: all rows of one moment, and that no content file goes while it
//! is copied. And the other way: a store made of a backup.

use std::path::Path;
use std::time::Duration;

use tokio::sync::{MutexGuard, RwLockReadGuard};
use tokio::time::timeout;

use super::{Dav, OPEN_TIME_MAX};
use crate::backup::restore::restore;
use crate::backup::rows::{Encoder, Record};
use crate::backup::site::Site;
use crate::backup::{About, BackupError, Progress, Vault};
use crate::protocol::error::DavError;
use crate::store::engine::{Engine as _, Snapshot};
use crate::store::sled::{SledEngine, SledOptions};

/// How long a backup waits for the one before it.
const TURN_TIME_MAX: Duration = Duration::from_secs(2);
const ROWS_PER_STEP: usize = 256;

/// One moment of the store. As long as this lives, every content file of that moment stays.
pub struct Moment<'a> {
    dav: &'a Dav,
    snapshot: Box<dyn Snapshot>,
    _alone: MutexGuard<'a, ()>,
    _content: RwLockReadGuard<'a, ()>,
}

impl std::fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment")
            .field("number", &self.snapshot.number())
            .finish_non_exhaustive()
    }
}

impl Dav {
    /// Holds on to everything that is there now. One at a time: what is kept for it costs room.
    pub async fn hold_moment(&self) -> Result<Moment<'_>, DavError> {
        if self.config.store.memory {
            return Err(DavError::Unavailable(
                "the server keeps everything in memory; there are no files to back up".to_owned(),
            ));
        }
        // Who made the last one may have hung up a moment ago.
        let alone = timeout(TURN_TIME_MAX, self.one_backup.lock()).await;
        let alone = alone.map_err(|_| {
            DavError::Unavailable("another backup is being made; try again later".to_owned())
        })?;
        // First, so that nothing of the moment goes before it is held.
        let content = self.content_kept.read().await;
        Ok(Moment {
            dav: self,
            snapshot: self.engine.snapshot().await?,
            _alone: alone,
            _content: content,
        })
    }
}

impl Moment<'_> {
    /// The rows.
    pub fn snapshot(&mut self) -> &mut dyn Snapshot {
        &mut *self.snapshot
    }
}

impl Drop for Moment<'_> {
    /// What became unused meanwhile may go.
    fn drop(&mut self) {
        self.dav.content_ended.notify_one();
    }
}

/// The rows of a moment in the form of a backup, for a command line that writes it down.
#[derive(Debug)]
pub struct Telling<'m, 'a> {
    moment: &'m mut Moment<'a>,
    encoder: Encoder,
    rows: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Rows,
    Ended,
}

impl<'m, 'a> Telling<'m, 'a> {
    /// Tells all of it.
    pub fn of(moment: &'m mut Moment<'a>) -> Self {
        Self {
            moment,
            encoder: Encoder::default(),
            rows: 0,
            stage: Stage::Header,
        }
    }

    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stage {
            Stage::Header => {
                let number = self.moment.snapshot.number();
                self.encoder.put(&Record::Header { number }, &mut bytes);
                self.stage = Stage::Rows;
            }
            Stage::Rows => match self.moment.snapshot.next(ROWS_PER_STEP).await {
                Ok(rows) if rows.is_empty() => {
                    let (rows, contents) = (self.rows, 0);
                    self.end(&Record::End { rows, contents }, &mut bytes);
                }
                Ok(rows) => {
                    self.rows += rows.len() as u64;
                    for (key, value) in rows {
                        self.encoder.put(&Record::Row(key, value), &mut bytes);
                    }
                }
                Err(error) => self.end(&Record::Failed(error.to_string()), &mut bytes),
            },
            Stage::Ended => {}
        }
        bytes
    }

    fn end(&mut self, record: &Record, bytes: &mut Vec<u8>) {
        self.encoder.put(record, bytes);
        self.stage = Stage::Ended;
    }
}

/// Makes the data folder `data`, which must not be there or be empty, of a moment of a backup.
pub async fn restore_into(
    data: &Path,
    vault: &Vault,
    moment: &str,
    cache_bytes: u64,
    progress: &dyn Progress,
) -> Result<About, BackupError> {
    let site = Site::begin(data)?;
    let options = SledOptions {
        cache_bytes,
        open_time_max: OPEN_TIME_MAX,
        ..SledOptions::default()
    };
    let engine = SledEngine::open(&site.meta(), options)
        .map_err(|error| BackupError::Io(error.to_string()))?;
    let restored = restore(vault, moment, &engine, &site.content(), progress).await;
    let closed = engine.close().await;
    let about = restored?;
    closed?;
    site.finish()?;
    Ok(about)
}
