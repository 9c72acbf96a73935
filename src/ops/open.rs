//! From settings to an open tree: which engine, which folders.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::Dav;
use crate::blobs::Blobs;
use crate::config::Config;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::store::engine::{Engine, StoreError};
use crate::store::memory::MemoryEngine;
use crate::store::sled::{self, SledEngine, SledOptions};

pub use crate::store::{CommitObserver, NoObserver};

/// The rows, in the data folder.
const STORE: &str = "store";
/// The content files, in the data folder.
const CONTENT: &str = "content";
/// A store that was killed at its busiest opens within seconds; a damaged one may never.
const OPEN_TIME_MAX: Duration = Duration::from_secs(120);

/// Why a tree was not opened. The sentences are for the person who starts Lockkeeper.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The data folder cannot be made or used.
    #[error("the data folder {path}: {reason}")]
    Folder {
        /// Which folder.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// The rows.
    #[error(transparent)]
    Store(#[from] sled::OpenError),
    /// The content files.
    #[error(transparent)]
    Content(#[from] StoreError),
    /// The first look into it.
    #[error(transparent)]
    Tree(#[from] DavError),
}

impl Dav {
    /// Opens the tree that `config` describes, making it if there is none. The stopwatch measures
    /// syncs, of which the observer hears.
    pub async fn start(
        config: &Config,
        stopwatch: fn() -> Duration,
        observer: Arc<dyn CommitObserver>,
        now: Timestamp,
    ) -> Result<Arc<Self>, OpenError> {
        if config.store.memory {
            return Ok(Arc::new(Self::in_memory(config.clone(), now).await?));
        }
        let data = config.store.data.clone();
        make_private(&data)?;
        let options = SledOptions {
            cache_bytes: config.store.cache_bytes,
            open_time_max: OPEN_TIME_MAX,
            stopwatch,
            observer,
        };
        let free_bytes_min = config.store.free_bytes_min;
        let opening = tokio::task::spawn_blocking(move || {
            let engine = SledEngine::open(&data.join(STORE), options)?;
            let blobs = Blobs::open(&data.join(CONTENT), free_bytes_min)?;
            Ok::<_, OpenError>((engine, blobs))
        });
        let (engine, blobs) = opening.await.map_err(|error| folder(config, &error))??;
        let engine: Arc<dyn Engine> = Arc::new(engine);
        Ok(Arc::new(Self::new(engine, blobs, config.clone(), now).await?))
    }

    /// A tree that nothing outlives.
    pub async fn in_memory(config: Config, now: Timestamp) -> Result<Self, DavError> {
        Self::new(Arc::new(MemoryEngine::new()), Blobs::memory(), config, now).await
    }
}

/// Makes the data folder if there is none, closed to other accounts: it holds everybody's files.
pub fn make_private(data: &Path) -> Result<(), OpenError> {
    let wrong = |error: io::Error| OpenError::Folder {
        path: data.display().to_string(),
        reason: error.to_string(),
    };
    if data.is_dir() {
        return Ok(());
    }
    if let Some(parent) = data.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(wrong)?;
    }
    DirBuilder::new().mode(0o700).create(data).map_err(wrong)
}

fn folder(config: &Config, reason: &dyn std::fmt::Display) -> OpenError {
    let path = config.store.data.display().to_string();
    OpenError::Folder { path, reason: reason.to_string() }
}
