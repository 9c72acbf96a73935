//! Doing: every user operation once, as one transaction: read what the rules need, ask the rules,
//! write. WebDAV and every other face translate into these and back.

pub mod access;
pub mod admin;
mod answers;
pub mod audience;
pub mod backups;
pub mod check;
pub mod check_out;
pub mod content;
pub mod copy;
pub mod detail;
pub mod events;
mod gate;
pub mod grants;
mod housekeeping;
mod ids;
pub mod intake;
mod landing;
mod lock_counts;
pub mod lock_list;
pub mod locking;
pub mod password;
pub mod properties;
mod pruning;
pub mod relocate;
pub mod target;
pub mod transfer;
pub mod versions;
mod visit;
pub mod webhooks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::Principal;
use answers::Answers;
use events::{Counted, Places, Refusals};
use futures_util::future::BoxFuture;
use ids::Ids;
use lock_counts::LockCounts;
use pruning::Pruning;
use target::Target;
use tokio::sync::{Notify, RwLock, watch};

use crate::blobs::{Blobs, Space};
use crate::config::Config;
use crate::event::Face;
use crate::lock::LockToken;
use crate::protocol::error::DavError;
use crate::protocol::headers::Conditions;
use crate::protocol::if_header::IfHeader;
use crate::protocol::time::Timestamp;
use crate::resource::ContentId;
use crate::store::engine::{Engine, Mode, StoreError, Txn};
use crate::store::memory::MemoryEngine;
use crate::store::sled::{OpenError, SledEngine, SledOptions};
use crate::store::transact::transact;
use crate::store::tx::Tx;

pub use answers::AnswersUsed;

pub use crate::store::{CommitObserver, NoObserver};

/// A damaged log can keep sled busy for ever; a large one, opened after a crash, takes seconds.
const OPEN_TIME_MAX: Duration = Duration::from_secs(300);

/// The tree, its locks and its users: what every face works on.
#[derive(Debug)]
pub struct Dav {
    engine: Arc<dyn Engine>,
    blobs: Blobs,
    ids: Ids,
    config: Config,
    /// What was told of rows that nobody has changed since.
    answers: Answers,
    /// Told when content may have lost its last user, or a file has versions too many.
    content_ended: Notify,
    /// Content files that perhaps no transaction names.
    doubtful: Mutex<Vec<ContentId>>,
    /// Refusals that wait to be written down.
    refusals: Refusals,
    /// How places in the record are told.
    places: Places,
    /// How long the record is.
    counted: Mutex<Counted>,
    /// Changes with every commit that may have told of something.
    committed: watch::Sender<()>,
    /// Changes when webhooks are added, or are to be tried at once.
    webhooks_changed: watch::Sender<()>,
    /// Old versions that may have to go.
    pruning: Mutex<Pruning>,
    /// How many locks each user holds at most.
    lock_counts: LockCounts,
    /// Read by who needs content files to stay, written by who removes them.
    content_kept: RwLock<()>,
    /// Held by the one backup that may be made at a time.
    one_backup: tokio::sync::Mutex<()>,
}

/// What every request says about itself.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks.
    pub principal: Principal,
    /// When.
    pub now: Timestamp,
    /// The program that asks (User-Agent), for people who read events.
    pub program: String,
    /// Through which face.
    pub face: Face,
    /// What is asked about.
    pub target: Target,
    /// The `If` header.
    pub if_header: Option<IfHeader>,
    /// The conditions of RFC 9110.
    pub conditions: Conditions,
    /// A token that was submitted outside `If`: Office 2016 sends `Lock-Token` with its PUT.
    pub lock_token: Option<String>,
}

impl Ask {
    /// A question without conditions.
    pub fn new(
        principal: Principal,
        now: Timestamp,
        (face, program): (Face, String),
        target: impl Into<Target>,
    ) -> Self {
        Self {
            principal,
            now,
            program,
            face,
            target: target.into(),
            if_header: None,
            conditions: Conditions::default(),
            lock_token: None,
        }
    }

    /// What alice asks about `path`.
    #[cfg(test)]
    fn of(path: crate::protocol::path::DavPath, now: Timestamp) -> Self {
        let alice = Principal {
            id: crate::lock::UserId(uuid::Uuid::from_u128(1)),
            name: "alice".to_owned(),
            admin: false,
            scope: crate::rights::Scope::default(),
        };
        Self::new(alice, now, (Face::WebDav, "test".to_owned()), path)
    }

    /// The tokens of this server that the request submitted.
    fn tokens(&self) -> Vec<LockToken> {
        let in_if = self.if_header.iter().flat_map(IfHeader::submitted_tokens);
        in_if
            .chain(self.lock_token.as_deref())
            .filter_map(LockToken::parse)
            .collect()
    }
}

impl Dav {
    /// Opens the tree in the data folder of `config`, or one in memory. `stopwatch` is a monotonic
    /// clock, `observer` hears of every sync. Blocks for as long as sled needs to open.
    pub async fn open(
        config: &Config,
        now: Timestamp,
        stopwatch: fn() -> Duration,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<Arc<Self>, OpenError> {
        let data = &config.store.data;
        let failed = |what: String| OpenError::Failed {
            dir: data.clone(),
            what,
        };
        let (engine, blobs): (Arc<dyn Engine>, Blobs) = if config.store.memory {
            (Arc::new(MemoryEngine::new()), Blobs::memory())
        } else {
            let options = SledOptions {
                cache_bytes: config.store.cache_bytes,
                journal_bytes: config.store.journal_bytes_max,
                open_time_max: OPEN_TIME_MAX,
                stopwatch,
                observer,
            };
            let engine = SledEngine::open(&data.join("meta"), options)?;
            let blobs = Blobs::open(&data.join("content"), config.store.free_bytes_min)
                .map_err(|error| failed(error.to_string()))?
                .remembering(config.store.contents_bytes);
            (Arc::new(engine), blobs)
        };
        let dav = Self::new(engine, blobs, config.clone(), now);
        dav.await
            .map(Arc::new)
            .map_err(|error| failed(error.to_string()))
    }

    /// An empty tree in memory.
    #[cfg(test)]
    pub(crate) async fn memory(now: Timestamp) -> Arc<Self> {
        let mut config = Config::default();
        config.store.memory = true;
        let dav = Self::open(&config, now, || Duration::ZERO, Arc::new(NoObserver)).await;
        dav.expect("nothing can fail in memory")
    }

    /// A tree on an engine, with a root made if it has none.
    pub async fn new(
        engine: Arc<dyn Engine>,
        blobs: Blobs,
        config: Config,
        now: Timestamp,
    ) -> Result<Self, DavError> {
        let mut fresh = [0; 16];
        getrandom::fill(&mut fresh).map_err(|error| {
            DavError::Internal(format!("the system gave no random numbers: {error}"))
        })?;
        let starting = (now, fresh);
        let first = transact(&*engine, Mode::Write, &starting, |txn, (now, fresh)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, *now);
                tx.make_root().await?;
                Ok::<_, StoreError>((tx.first_free_id().await?, tx.event_secret(*fresh).await?))
            })
        });
        let (first_free, secret) = first.await?;
        let ids = Ids::new(first_free);
        Ok(Self {
            engine,
            blobs,
            ids,
            answers: Answers::new(config.store.answers_bytes),
            config,
            content_ended: Notify::new(),
            doubtful: Mutex::default(),
            refusals: Refusals::default(),
            places: Places::new(secret),
            counted: Mutex::default(),
            committed: watch::Sender::new(()),
            webhooks_changed: watch::Sender::new(()),
            pruning: Mutex::default(),
            lock_counts: LockCounts::default(),
            content_kept: RwLock::default(),
            one_backup: tokio::sync::Mutex::default(),
        })
    }

    /// The configuration that this tree was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How well remembered answers serve.
    pub fn answers_used(&self) -> AnswersUsed {
        self.answers.used()
    }

    /// The engine below, for operations on rows of their own.
    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    fn doubtful(&self) -> MutexGuard<'_, Vec<ContentId>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room on the volume that holds the content.
    pub fn space(&self) -> Result<Space, DavError> {
        Ok(self.blobs.space()?)
    }

    /// Whether anything can be changed; if not, why.
    pub fn health(&self) -> Result<(), DavError> {
        Ok(self.engine.health()?)
    }

    /// There may be news for those who follow the record.
    fn tell_commit(&self) {
        self.committed.send_replace(());
    }

    /// Tells of commits, for those who follow the record.
    pub fn commits(&self) -> watch::Receiver<()> {
        self.committed.subscribe()
    }

    /// Waits until everything is durable and releases the files.
    pub async fn close(&self) -> Result<(), DavError> {
        let recorded = self.record_refusals().await;
        self.engine.close().await?;
        recorded
    }

    async fn read<'c, C, T, F>(&self, context: &'c C, body: F) -> Result<T, DavError>
    where
        C: Sync + ?Sized,
        T: Send,
        F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, DavError>> + Send + Sync,
    {
        self.read_as(Mode::Read, context, body).await
    }

    /// What it shows is durable.
    async fn read_durable<'c, C, T, F>(&self, context: &'c C, body: F) -> Result<T, DavError>
    where
        C: Sync + ?Sized,
        T: Send,
        F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, DavError>> + Send + Sync,
    {
        self.read_as(Mode::ReadDurable, context, body).await
    }

    async fn read_as<'c, C, T, F>(&self, mode: Mode, context: &'c C, body: F) -> Result<T, DavError>
    where
        C: Sync + ?Sized,
        T: Send,
        F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, DavError>> + Send + Sync,
    {
        transact(&*self.engine, mode, context, body).await
    }

    async fn write<'c, C, T, F>(&self, context: &'c C, body: F) -> Result<T, DavError>
    where
        C: Sync + ?Sized,
        T: Send,
        F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, DavError>> + Send + Sync,
    {
        transact(&*self.engine, Mode::Write, context, body).await
    }

    /// What a user does: when locks refuse it, that is an event as well.
    async fn act<'c, C, T, F>(&self, ask: &Ask, context: &'c C, body: F) -> Result<T, DavError>
    where
        C: Sync + ?Sized,
        T: Send,
        F: for<'t> Fn(&'t mut dyn Txn, &'t C) -> BoxFuture<'t, Result<T, DavError>> + Send + Sync,
    {
        let done = self.do_or_note(Mode::Write, ask, context, body).await;
        if done.is_ok() {
            self.tell_commit();
        }
        done
    }

    /// Refuses what makes the store grow while the disk is nearly full: what is left is for
    /// deleting, unlocking and reading.
    fn require_room(&self, bytes: u64) -> Result<(), DavError> {
        Ok(self.blobs.has_room(bytes.max(1))?)
    }
}
