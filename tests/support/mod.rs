//! What several tests need to speak to the operations: users, requests, uploads, engines.

#![allow(dead_code, reason = "no test needs all of it")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::{LockToken, UserId};
use lockkeeper::ops::access::groups::Group;
use lockkeeper::ops::access::{Principal, User};
use lockkeeper::ops::content::Outcome;
use lockkeeper::ops::intake::Intake;
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::Conditions;
use lockkeeper::protocol::if_header::{IfCondition, IfHeader, IfList, IfTest, Sense, Tag};
use lockkeeper::protocol::path::DavPath;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::rights::GroupId;
use lockkeeper::store::NoObserver;
use lockkeeper::store::engine::{Engine, Mode};
use lockkeeper::store::memory::MemoryEngine;
use lockkeeper::store::sled::{SledEngine, SledOptions};
use lockkeeper::store::tx::Tx;
use tempfile::TempDir;
use uuid::Uuid;

/// A user who is no admin; the same name is the same user.
pub(crate) fn user(name: &str) -> Principal {
    let id = name.bytes().fold(0, |id, byte| id << 8 | u128::from(byte));
    Principal {
        id: UserId(Uuid::from_u128(id)),
        name: name.to_owned(),
        admin: false,
        scope: lockkeeper::rights::Scope::default(),
    }
}

/// The id of the group of this name.
pub(crate) fn group_id(name: &str) -> GroupId {
    GroupId(user(name).id.0)
}

/// Writes a user down who is in these groups, so that roles can be granted to them.
pub(crate) async fn enrol(engine: &dyn Engine, who: &Principal, groups: &[&str]) {
    let created = Timestamp(0);
    let row = User {
        id: who.id,
        name: who.name.clone(),
        display_name: who.name.clone(),
        email: String::new(),
        admin: who.admin,
        password_hash: String::new(),
        created,
    };
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    let mut tx = Tx::new(&mut *txn, created);
    tx.put_user(&row).unwrap();
    for name in groups {
        let id = group_id(name);
        let name = (*name).to_owned();
        tx.put_group(&Group { id, name, created }).unwrap();
        tx.add_member(id, who.id).await.unwrap();
    }
    txn.commit().await.unwrap();
}

pub(crate) fn path(text: &str) -> DavPath {
    DavPath::parse(text, 4096).unwrap()
}

/// A request that submits `tokens` in a header that holds whatever stands where.
pub(crate) fn ask(user: &Principal, at: &str, tokens: &[LockToken], now: Timestamp) -> Ask {
    let list = |sense, token: String| IfList {
        resource: Tag::Request,
        conditions: vec![IfCondition {
            sense,
            test: IfTest::Token(token),
        }],
    };
    let mut lists = vec![list(Sense::Not, "DAV:no-lock".to_owned())];
    lists.extend(
        tokens
            .iter()
            .map(|token| list(Sense::Plain, token.to_string())),
    );
    Ask {
        principal: user.clone(),
        now,
        program: "test".to_owned(),
        face: lockkeeper::event::Face::WebDav,
        target: path(at).into(),
        if_header: (!tokens.is_empty()).then_some(IfHeader { lists }),
        conditions: Conditions::default(),
        lock_token: None,
    }
}

/// Uploads so many bytes.
pub(crate) async fn put(dav: &Dav, ask: &Ask, size: u64) -> Result<Outcome, DavError> {
    let mut intake = Intake::new(dav, Some(size))?;
    let bytes = Bytes::from(vec![b'x'; usize::try_from(size).unwrap()]);
    intake.push(bytes).await?;
    let content = intake.finish(None).await?;
    let uploaded = dav
        .upload(ask, content, lockkeeper::ops::content::Manner::default())
        .await?;
    Ok(uploaded.outcome)
}

/// An empty tree in memory.
pub(crate) async fn in_memory() -> Arc<Dav> {
    open(Arc::new(MemoryEngine::new()), Blobs::memory()).await
}

/// An empty tree over sled; without the other half its folder goes.
pub(crate) async fn over_sled() -> (Arc<Dav>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&dir.path().join("content"), 0).unwrap();
    let blobs = blobs.remembering(1 << 20);
    (open(sled_in(&dir), blobs).await, dir)
}

/// An empty store in the folder.
pub(crate) fn sled_in(dir: &TempDir) -> Arc<SledEngine> {
    let options = SledOptions {
        cache_bytes: 8 << 20,
        // So small that rows are on their way into sled all the time.
        journal_bytes: 4096,
        open_time_max: Duration::from_secs(60),
        stopwatch: || Duration::ZERO,
        observer: Arc::new(NoObserver),
    };
    Arc::new(SledEngine::open(&dir.path().join("meta"), options).unwrap())
}

/// An empty tree.
pub(crate) async fn open(engine: Arc<dyn Engine>, blobs: Blobs) -> Arc<Dav> {
    open_with(engine, blobs, Config::default()).await
}

/// An empty tree with other settings.
pub(crate) async fn open_with(engine: Arc<dyn Engine>, blobs: Blobs, config: Config) -> Arc<Dav> {
    Arc::new(Dav::new(engine, blobs, config, Timestamp(0)).await.unwrap())
}

/// Random numbers that a seed repeats (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((n ^ (n >> 31)) % (sides as u64)).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}
