//! Stores that are as another one was: every case begins where its step begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::ops::Dav;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::resource::ContentId;
use lockkeeper::store::engine::{Engine, Key, Mode};
use lockkeeper::store::memory::MemoryEngine;
use tempfile::TempDir;

use crate::engine::{Faulty, rows};
use crate::script::{Desk, config, enrol_all};
use crate::support::sled_in;

/// Which engine is behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Memory,
    Sled,
}

/// All that a store has.
#[derive(Debug)]
pub(crate) struct Saved {
    rows: BTreeMap<Key, Bytes>,
    number: u64,
    contents: Vec<(ContentId, Bytes)>,
}

/// A store whose commits can fail.
pub(crate) struct Store {
    pub(crate) faulty: Arc<Faulty>,
    blobs: Blobs,
    dir: Option<TempDir>,
}

impl Store {
    fn new(engine: Arc<dyn Engine>, blobs: Blobs, dir: Option<TempDir>) -> Self {
        let faulty = Arc::new(Faulty::over(engine));
        Self { faulty, blobs, dir }
    }

    /// One with nothing but users in it.
    pub(crate) async fn empty(blobs: Blobs) -> Self {
        let store = Self::new(Arc::new(MemoryEngine::new()), blobs, None);
        enrol_all(&*store.faulty).await;
        store
    }

    /// One that has what was saved.
    pub(crate) async fn of(form: Form, saved: &Saved) -> Self {
        let store = match form {
            Form::Memory => Self::new(Arc::new(MemoryEngine::new()), Blobs::memory(), None),
            Form::Sled => {
                let dir = tempfile::tempdir().unwrap();
                let blobs = Blobs::open(&dir.path().join("content"), 0).unwrap();
                Self::new(sled_in(&dir), blobs, Some(dir))
            }
        };
        let mut txn = store.faulty.begin(Mode::Write).await.unwrap();
        for (key, value) in &saved.rows {
            txn.put(key.clone(), value.clone());
        }
        txn.commit().await.unwrap();
        store.faulty.skip_to(saved.number).await.unwrap();
        for (id, bytes) in &saved.contents {
            let mut writer = store.blobs.create(*id).unwrap();
            writer.write(bytes.clone()).await.unwrap();
            writer.finish().await.unwrap();
        }
        store
    }

    /// A start, as after a stop.
    pub(crate) async fn open(&self, now: Timestamp) -> Desk {
        let engine = Arc::clone(&self.faulty) as Arc<dyn Engine>;
        let dav = Dav::new(engine, self.blobs.clone(), config(), now).await;
        let dav = Arc::new(dav.unwrap());
        Desk { dav, now }
    }

    pub(crate) async fn close(self) {
        self.faulty.close().await.unwrap();
        drop(self.dir);
    }
}

impl Saved {
    /// Before the first step.
    pub(crate) async fn first() -> Self {
        let store = Store::empty(Blobs::memory()).await;
        drop(store.open(crate::script::moment(0)).await);
        Self::of(&store).await
    }

    pub(crate) async fn of(store: &Store) -> Self {
        let rows = rows(&*store.faulty).await.unwrap();
        let number = store.faulty.snapshot().await.unwrap().number();
        let mut contents = Vec::new();
        for page in 0..=u8::MAX {
            let here = store.blobs.list_older_than(ContentId(u64::MAX), page).await;
            for id in here.unwrap() {
                contents.push((id, bytes_of(&store.blobs, id).await));
            }
        }
        Self {
            rows,
            number,
            contents,
        }
    }
}

async fn bytes_of(blobs: &Blobs, id: ContentId) -> Bytes {
    let mut reader = blobs.open_content(id).await.unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < reader.size() {
        let piece = reader.read(bytes.len() as u64, usize::MAX).await.unwrap();
        bytes.extend_from_slice(&piece);
    }
    Bytes::from(bytes)
}
