//! What happens when the disk cannot be written. Nobody knows then what is on it: the kernel may
//! have dropped the pages, so a second try that succeeds would prove nothing. So nothing more is
//! written through this sled; a thread waits until the folder can be written again and opens the
//! store anew, from what is really there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::RwLock;

use super::open::{self, OpenError, Opened, Sizes};
use super::recent::{Mover, Moving, Recent};
use super::{GroupCommit, Past, Rows, SledOptions};
use crate::store::engine::StoreError;
use crate::store::group_commit::Reporting;
use crate::store::row_cache::RowCache;
use crate::store::stamps::Stamps;

/// Between two looks at a disk that could not be written.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A file that is written to see whether that is possible. A start needs about as much room.
const PROBE_FILE: &str = "write-probe";
const PROBE_BYTES: usize = 1 << 20;

/// Single rows may take one in so many of the bytes that sled may cache.
const ROWS_SHARE: u64 = 4;

/// Opens a store, and opens it again.
#[derive(Debug, Clone)]
pub(super) struct Recovery {
    dir: PathBuf,
    options: SledOptions,
    /// Set once there is an engine.
    rows: Arc<OnceLock<Weak<RwLock<Rows>>>>,
}

impl Recovery {
    pub(super) fn new(dir: &Path, options: SledOptions) -> Self {
        Self {
            dir: dir.to_path_buf(),
            options,
            rows: Arc::default(),
        }
    }

    /// From now on these rows are opened anew when they have frozen.
    pub(super) fn watch_over(&self, rows: &Arc<RwLock<Rows>>) {
        // It is called once.
        let _ = self.rows.set(Arc::downgrade(rows));
    }

    /// Blocks, at most for `options.open_time_max`.
    pub(super) fn open(&self) -> Result<Rows, OpenError> {
        let SledOptions {
            open_time_max,
            stopwatch,
            ref observer,
            ..
        } = self.options;
        let sizes = Sizes::of(&self.options);
        let opened = open::open(&self.dir, sizes, open_time_max)?;
        let recovery = self.clone();
        let reporting = Reporting {
            stopwatch,
            observer: Arc::clone(observer),
            on_failure: Box::new(move |reason| recovery.begin(reason)),
        };
        let failed = |error: io::Error| OpenError::Failed {
            dir: self.dir.clone(),
            what: error.to_string(),
        };
        let Opened {
            base,
            moved,
            epoch,
            log,
            replayed,
        } = opened;
        let (db, number) = (base.db.clone(), replayed.number);
        let group = GroupCommit::start(log, number, reporting).map_err(failed)?;
        let group = Arc::new(group);
        let mover = Mover::start(base, moved, Arc::clone(&group)).map_err(failed)?;
        let moving = (!replayed.rows.is_empty()).then(|| {
            let rows = replayed.rows;
            Arc::new(Moving::replayed(rows, number))
        });
        moving.iter().cloned().for_each(|moving| mover.push(moving));
        Ok(Rows {
            db: Some(db),
            closed: false,
            number,
            recent: Recent::new(sizes.journal_bytes, moving),
            past: Past::default(),
            stamps: Stamps::default(),
            cached: RowCache::new(sizes.cache_bytes / ROWS_SHARE),
            epoch,
            group,
            mover: Arc::new(mover),
        })
    }

    /// On a thread of its own: the one that failed is waited for when the store is closed.
    fn begin(self, reason: &str) {
        tracing::error!(
            reason,
            "the store cannot be written; nothing is changed until it can be, and reading goes on"
        );
        let waiting = thread::Builder::new().name("store-recovery".to_owned());
        if let Err(error) = waiting.spawn(move || self.wait_and_open()) {
            tracing::error!(%error, "start Lockkeeper anew when the disk can be written again");
        }
    }

    fn wait_and_open(&self) {
        loop {
            thread::sleep(LOOK_EVERY);
            let Some(rows) = self.rows.get().and_then(Weak::upgrade) else {
                return;
            };
            if self.can_write().is_err() {
                continue;
            }
            let mut rows = rows.blocking_write();
            if rows.closed {
                return;
            }
            match self.open_anew(&mut rows) {
                Ok(()) => {
                    tracing::info!("the store can be written again");
                    return;
                }
                Err(error) => tracing::error!(error, "the store is not yet open again"),
            }
        }
    }

    fn open_anew(&self, rows: &mut Rows) -> Result<(), String> {
        rows.db = None;
        let lost = "the store was opened anew while a snapshot was read; begin again";
        rows.past.lose(&StoreError::Failed(lost.to_owned()));
        rows.mover.stop();
        open::wait_until_released(&self.dir).map_err(|error| error.to_string())?;
        *rows = self.open().map_err(|error| error.to_string())?;
        Ok(())
    }

    fn can_write(&self) -> io::Result<()> {
        let path = self.dir.join(PROBE_FILE);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_all()
        });
        fs::remove_file(path).and(written)
    }
}
