//! Random requests of two users while the clock moves on: both engines must answer as the naive
//! model does and show what it shows, old versions too, and when everything is gone no row may be
//! left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "model/histories.rs"]
mod histories;
#[allow(dead_code, reason = "some of it is for other tests")]
#[allow(
    clippy::match_same_arms,
    reason = "the tables stay as the text has them"
)]
#[path = "rules_agree/naive.rs"]
mod naive;
#[path = "rules_agree/speak.rs"]
mod speak;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use histories::{Doer, Histories};
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::{Lock as RealLock, LockToken};
use lockkeeper::ops::Dav;
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::RequestedTimeout;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::resource::INLINE_BYTES_MAX;
use lockkeeper::store::engine::{Engine, Mode, Order};
use lockkeeper::store::memory::MemoryEngine;
use naive::{Answer, Asker, Kind, Node, Policy, Request, Scope, Tokens, User, World};
use proptest::prelude::*;
use speak::{Reply, ask, real_kind, send, world_of};
use support::{open_with, sled_in};
use tempfile::TempDir;

/// One thing that happens. A lock is named by how many were taken before it.
#[derive(Debug, Clone)]
enum Step {
    Ask {
        user: User,
        tokens: bool,
        request: Request,
        seconds: u64,
    },
    Restore {
        user: User,
        tokens: bool,
        at: String,
        back: u32,
    },
    Unlock {
        user: User,
        lock: usize,
    },
    Refresh {
        user: User,
        lock: usize,
        seconds: u64,
    },
    Pass(u64),
    Sweep,
}

const PATHS: [&str; 9] = [
    "/a", "/b", "/f", "/a/b", "/a/f", "/b/f", "/a/b/f", "/a/b/c", "/b/a",
];

fn any_path() -> impl Strategy<Value = String> {
    prop::sample::select(&PATHS[..]).prop_map(str::to_owned)
}

fn any_user() -> impl Strategy<Value = User> {
    prop::sample::select(vec![User::Alice, User::Bob])
}

fn any_request() -> impl Strategy<Value = Request> {
    let sizes = prop::sample::select(vec![0, 1, 100, INLINE_BYTES_MAX as u64 + 1]);
    let kinds = prop::sample::select(vec![
        Kind::Transient,
        Kind::Transient,
        Kind::Persistent,
        Kind::ReadOnly,
    ]);
    let scopes = prop::sample::select(vec![Scope::Exclusive, Scope::Shared]);
    prop_oneof![
        4 => (any_path(), sizes).prop_map(|(at, size)| Request::Put(at, size)),
        1 => (any_path(), any::<bool>())
            .prop_map(|(at, only_win32)| Request::Patch { at, only_win32 }),
        1 => any_path().prop_map(Request::Delete),
        3 => any_path().prop_map(Request::Mkcol),
        4 => (any_path(), kinds, scopes, any::<bool>()).prop_map(|(at, kind, scope, infinite)| {
            Request::Lock { at, kind, scope, infinite }
        }),
        3 => (any_path(), any_path()).prop_map(|(from, to)| Request::Move(from, to)),
        2 => (any_path(), any_path()).prop_map(|(from, to)| Request::Copy(from, to)),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let request = (any_user(), any::<bool>(), any_request(), 1..40_u64);
    let restored = (any_user(), any::<bool>(), any_path(), 0..6_u32);
    prop_oneof![
        12 => request.prop_map(|(user, tokens, request, seconds)| {
            Step::Ask { user, tokens, request, seconds }
        }),
        2 => restored.prop_map(|(user, tokens, at, back)| {
            Step::Restore { user, tokens, at, back }
        }),
        2 => (any_user(), 0..12_usize).prop_map(|(user, lock)| Step::Unlock { user, lock }),
        1 => (any_user(), 0..12_usize, 1..40_u64).prop_map(|(user, lock, seconds)| {
            Step::Refresh { user, lock, seconds }
        }),
        2 => (1..15_000_u64).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ]
}

/// Where something can be put.
fn holds_members(world: &World, at: &str) -> bool {
    world.tree.get(naive::parent(at)) == Some(&Node::Collection)
}

/// Whether nothing but locks can refuse the request; the naive model knows nothing else.
fn is_meaningful(request: &Request, world: &World) -> bool {
    let exists = |at: &str| world.tree.contains_key(at);
    let within = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}/"));
    match request {
        Request::Put(at, _) => {
            holds_members(world, at) && world.tree.get(at) != Some(&Node::Collection)
        }
        Request::Patch { at, .. } | Request::Delete(at) => exists(at),
        Request::Mkcol(at) => holds_members(world, at) && !exists(at),
        Request::Lock { at, .. } => exists(at) || holds_members(world, at),
        Request::Move(from, to) | Request::Copy(from, to) => {
            let apart = from != to && !within(from, to) && !within(to, from);
            exists(from) && holds_members(world, to) && apart
        }
    }
}

/// One server with the locks that it gave, by number.
struct Server {
    engine: Arc<dyn Engine>,
    dav: Arc<Dav>,
    locks: Vec<RealLock>,
    at_first: Vec<Bytes>,
    _dir: Option<TempDir>,
}

impl Server {
    async fn on(engine: Arc<dyn Engine>, blobs: Blobs, dir: Option<TempDir>) -> Self {
        let mut config = Config::default();
        config.versions.keep = histories::KEEP;
        let dav = open_with(Arc::clone(&engine), blobs, config).await;
        let locks = Vec::new();
        let mut server = Self {
            engine,
            dav,
            locks,
            at_first: Vec::new(),
            _dir: dir,
        };
        // The row from which ids are drawn comes with the first of them and stays.
        let once = ask(User::Alice, "/once", &[], Timestamp(0));
        server.dav.make_collection(&once).await.unwrap();
        server.dav.delete(&once).await.unwrap();
        server.dav.sweep(Timestamp(0)).await.unwrap();
        server.at_first = server.keys().await;
        server
    }

    async fn in_memory() -> Self {
        Self::on(Arc::new(MemoryEngine::new()), Blobs::memory(), None).await
    }

    async fn over_sled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("content"), 0)
            .unwrap()
            .remembering(1 << 20);
        Self::on(sled_in(&dir), blobs, Some(dir)).await
    }

    async fn keys(&self) -> Vec<Bytes> {
        let mut txn = self.engine.begin(Mode::Read).await.unwrap();
        let all = Bytes::from_static(b"\x01")..Bytes::from_static(b"\xff\xff");
        let rows = txn.scan(all, usize::MAX, Order::Ascending).await.unwrap();
        let of_the_record = |key: &Bytes| key.starts_with(b"E");
        let keys = rows.into_iter().map(|(key, _)| key);
        keys.filter(|key| !of_the_record(key)).collect()
    }

    /// The tokens that somebody submits who submits all or none.
    fn known(&self, tokens: bool) -> Vec<LockToken> {
        let submitted = self.locks.iter().filter(|_| tokens);
        submitted.map(|lock| lock.token).collect()
    }

    fn number(&self, lock: &RealLock) -> usize {
        self.locks
            .iter()
            .position(|known| known.token == lock.token)
            .unwrap()
    }
}

/// The naive model with a clock.
struct Model {
    world: World,
    histories: Histories,
    now: u64,
    /// Of every lock ever taken; `None`: never.
    deadlines: Vec<Option<u64>>,
}

impl Model {
    fn new() -> Self {
        let tree = BTreeMap::from([("/".to_owned(), Node::Collection)]);
        let world = World {
            tree,
            locks: Vec::new(),
        };
        Self {
            world,
            histories: Histories::default(),
            now: 1000,
            deadlines: Vec::new(),
        }
    }

    fn expire(&mut self) {
        let (now, deadlines) = (self.now, &self.deadlines);
        self.world
            .locks
            .retain(|lock| deadlines[lock.number].is_none_or(|end| now < end));
    }

    fn ask(&mut self, by: Doer, request: &Request, tokens: bool, seconds: u64) -> Reply {
        let before = self.world.clone();
        let asker = Asker {
            policy: Policy::Drive,
            user: by.user,
            tokens: if tokens { Tokens::All } else { Tokens::NONE },
        };
        let answer = self.world.ask(request, asker);
        if answer == Answer::Done {
            self.histories.follow(request, by, &before, &self.world);
        }
        let taken = |lock: &&mut naive::Lock| lock.number == usize::MAX;
        for lock in self.world.locks.iter_mut().filter(taken) {
            lock.number = self.deadlines.len();
            let ends = lock.kind == Kind::Transient;
            self.deadlines
                .push(ends.then_some(self.now + seconds * 1000));
        }
        Reply::of(&answer, &before)
    }
}

fn reply_of<T>(answer: Result<T, DavError>) -> Reply {
    answer.map_or_else(
        |error| Reply::from_error(&error),
        |_| Reply::sorted("done", Vec::new()),
    )
}

async fn take(step: &Step, model: &mut Model, servers: &mut [Server]) {
    // So that of two locks one is older.
    model.now += 1;
    model.expire();
    let now = Timestamp(model.now);
    match step {
        Step::Pass(milliseconds) => model.now += milliseconds,
        Step::Sweep => {
            model.histories.sweep();
            for server in servers {
                server.dav.sweep(now).await.unwrap();
            }
        }
        Step::Restore {
            user,
            tokens,
            at,
            back,
        } => histories::restore((*user, *tokens), at, *back, model, servers).await,
        Step::Unlock { user, lock } => unlock(*user, *lock, model, servers).await,
        Step::Refresh {
            user,
            lock,
            seconds,
        } => {
            refresh(*user, *lock, *seconds, model, servers).await;
        }
        Step::Ask {
            user,
            tokens,
            request,
            seconds,
        } => {
            let by = Doer {
                user: *user,
                restores: false,
            };
            let meaningful = is_meaningful(request, &model.world);
            let expected = meaningful.then(|| model.ask(by, request, *tokens, *seconds));
            let mut answers = Vec::new();
            for server in servers {
                let known = server.known(*tokens);
                let timeout = RequestedTimeout::Seconds(*seconds);
                let sent = send(&server.dav, request, timeout, |at| {
                    ask(*user, at, &known, now)
                });
                let answer = sent.await;
                if let Ok(Some(lock)) = &answer {
                    server.locks.push(lock.clone());
                }
                answers.push(reply_of(answer));
            }
            assert!(answers.iter().all(|one| *one == answers[0]), "{answers:?}");
            match expected {
                Some(expected) => assert_eq!(answers[0], expected, "{step:?}"),
                None => assert_ne!(answers[0], Reply::sorted("done", Vec::new()), "{step:?}"),
            }
        }
    }
}

async fn unlock(user: User, lock: usize, model: &mut Model, servers: &mut [Server]) {
    let standing = model
        .world
        .locks
        .iter()
        .find(|standing| standing.number == lock)
        .cloned();
    for server in &*servers {
        let Some(real) = server.locks.get(lock) else {
            return;
        };
        let at = standing.as_ref().map_or("/", |lock| lock.at.as_str());
        let ask = ask(user, at, &[], Timestamp(model.now));
        let answer = server.dav.unlock(&ask, &real.token.to_string()).await;
        match &standing {
            None => assert_eq!(answer, Err(DavError::TokenMismatch)),
            Some(lock) if lock.owner == user => assert_eq!(answer, Ok(())),
            Some(_) => assert!(
                matches!(answer, Err(DavError::NotYourLock(_))),
                "{answer:?}"
            ),
        }
    }
    if standing.is_some_and(|lock| lock.owner == user) {
        model.world.locks.retain(|standing| standing.number != lock);
    }
}

async fn refresh(user: User, lock: usize, seconds: u64, model: &mut Model, servers: &mut [Server]) {
    let standing = model
        .world
        .locks
        .iter()
        .find(|standing| standing.number == lock)
        .cloned();
    let deadline = model.now + seconds * 1000;
    for server in &mut *servers {
        let Some(real) = server.locks.get_mut(lock) else {
            return;
        };
        let at = standing.as_ref().map_or("/", |lock| lock.at.as_str());
        let ask = ask(user, at, &[real.token], Timestamp(model.now));
        let answer = server
            .dav
            .refresh(&ask, RequestedTimeout::Seconds(seconds))
            .await;
        match &standing {
            None => assert!(
                matches!(answer, Err(DavError::PreconditionFailed(_))),
                "{answer:?}"
            ),
            Some(lock) if lock.owner == user => assert_eq!(answer.unwrap().len(), 1),
            Some(_) => assert!(matches!(answer, Err(DavError::Locked(_))), "{answer:?}"),
        }
    }
    if standing.is_some_and(|lock| lock.owner == user) {
        let end = &mut model.deadlines[lock];
        // By less than a second nothing is put off.
        let put_off = |end| !(end..end + 1000).contains(&deadline);
        *end = end.map(|end| if put_off(end) { deadline } else { end });
    }
}

/// What everybody can see of the server agrees with the model.
async fn look(model: &mut Model, server: &Server) {
    model.expire();
    model.world.locks.sort();
    let now = Timestamp(model.now);
    let seen = world_of(&server.dav, now, |lock| {
        let number = server.number(lock);
        let end = model.deadlines[number].map(Timestamp);
        assert_eq!(lock.deadline, end, "the deadline of lock {number}");
        number
    });
    assert_eq!(seen.await, model.world);
    histories::look(model, server).await;
    for (kind, count) in server.dav.count_locks(now).await.unwrap() {
        let locks = model
            .world
            .locks
            .iter()
            .filter(|lock| real_kind(lock.kind) == kind);
        assert_eq!(usize::try_from(count).unwrap(), locks.count(), "{kind:?}");
    }
}

/// Ends every lock and removes everything: no row of any index may stay behind.
async fn clear_away(model: &mut Model, servers: &mut [Server]) {
    model.expire();
    for lock in model.world.locks.clone() {
        if lock.kind != Kind::Transient {
            unlock(lock.owner, lock.number, model, servers).await;
        }
    }
    model.now += 3_600_000;
    model.expire();
    let now = Timestamp(model.now);
    for server in servers {
        for at in model
            .world
            .tree
            .keys()
            .filter(|at| naive::parent(at) == "/" && *at != "/")
        {
            server
                .dav
                .delete(&ask(User::Alice, at, &[], now))
                .await
                .unwrap();
        }
        server.dav.sweep(now).await.unwrap();
        assert_eq!(
            server.keys().await,
            server.at_first,
            "rows are left of what is gone"
        );
    }
}

fn run(steps: &[Step], with_sled: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut servers = vec![Server::in_memory().await];
        if with_sled {
            servers.push(Server::over_sled().await);
        }
        let mut model = Model::new();
        for step in prelude().iter().chain(steps) {
            take(step, &mut model, &mut servers).await;
            for server in &servers {
                look(&mut model, server).await;
            }
        }
        clear_away(&mut model, &mut servers).await;
        for server in &servers {
            server.dav.close().await.unwrap();
        }
    });
}

/// Something to begin with: in an empty tree most requests come to nothing.
fn prelude() -> Vec<Step> {
    let collections = ["/a", "/b", "/a/b"].map(|at| Request::Mkcol(at.to_owned()));
    let files = ["/f", "/a/f", "/b/f", "/a/b/f"].map(|at| Request::Put(at.to_owned(), 7));
    let requests = collections.into_iter().chain(files);
    let by_alice = |request| Step::Ask {
        user: User::Alice,
        tokens: false,
        request,
        seconds: 1,
    };
    requests.map(by_alice).collect()
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_server_does_what_the_naive_model_does(steps in any_steps()) {
        run(&steps, false);
    }
}

proptest! {
    // Every step over sled waits for the disk.
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_sled_do_the_same(steps in any_steps()) {
        run(&steps, true);
    }
}
