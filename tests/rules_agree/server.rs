//! The server under comparison: its real operations over the memory engine, made anew for each
//! placement of locks and copied row by row.

use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::rules::Policy as RealPolicy;
use lockkeeper::lock::{Lock as RealLock, LockToken};
use lockkeeper::ops::Dav;
use lockkeeper::protocol::headers::RequestedTimeout;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::store::engine::{Engine, Mode, Order};
use lockkeeper::store::memory::MemoryEngine;

use crate::naive::{Asker, Node, Policy, Request, Tokens, User, World};
use crate::speak::{Reply, ask, lock_ask, send, world_of};
use crate::support::put;

/// When the locks are taken.
const BEFORE: Timestamp = Timestamp(1_000_000);
/// When the request comes: every lock still stands, and a new one has another deadline.
const NOW: Timestamp = Timestamp(1_007_000);

pub(crate) struct Server {
    engine: MemoryEngine,
    drive: Arc<Dav>,
    strict: Arc<Dav>,
    /// In the order of their numbers.
    locks: Vec<RealLock>,
}

impl Server {
    /// A server on which `world` was made by requests.
    pub(crate) async fn of(world: &World) -> Self {
        let mut server = Self::on(MemoryEngine::new(), Vec::new()).await;
        for (at, node) in world.tree.iter().filter(|(at, _)| *at != "/") {
            let ask = ask(User::Alice, at, &[], BEFORE);
            match node {
                Node::File(size) => drop(put(&server.drive, &ask, *size).await.unwrap()),
                Node::Collection => server.drive.make_collection(&ask).await.unwrap(),
            }
        }
        for lock in &world.locks {
            let wanted = lock_ask(lock.kind, lock.scope, lock.infinite);
            let ask = ask(lock.owner, &lock.at, &[], BEFORE);
            let taken = server.drive.lock(&ask, &wanted).await.unwrap();
            server.locks.push(taken.view.lock);
        }
        server
    }

    async fn on(engine: MemoryEngine, locks: Vec<RealLock>) -> Self {
        let mut config = Config::default();
        let open = |config: &Config| {
            let engine = Arc::new(engine.clone());
            Dav::new(engine, Blobs::memory(), config.clone(), BEFORE)
        };
        let drive = Arc::new(open(&config).await.unwrap());
        config.locks.policy = RealPolicy::Strict;
        let strict = Arc::new(open(&config).await.unwrap());
        Self {
            engine,
            drive,
            strict,
            locks,
        }
    }

    /// The same once more, row by row.
    pub(crate) async fn copy(&self) -> Self {
        let engine = MemoryEngine::new();
        let mut from = self.engine.begin(Mode::Read).await.unwrap();
        let mut to = engine.begin(Mode::Write).await.unwrap();
        let all = Bytes::from_static(b"\x00")..Bytes::from_static(b"\xff\xff");
        for (key, value) in from.scan(all, usize::MAX, Order::Ascending).await.unwrap() {
            to.put(key, value);
        }
        to.commit().await.unwrap();
        Self::on(engine, self.locks.clone()).await
    }

    /// Sends the request.
    pub(crate) async fn ask(&self, request: &Request, asker: Asker<'_>) -> Reply {
        let dav = match asker.policy {
            Policy::Drive => &self.drive,
            Policy::Strict => &self.strict,
        };
        let submitted = |number: &usize| match asker.tokens {
            Tokens::All => true,
            Tokens::These(these) => these.contains(number),
        };
        let numbers = (0..self.locks.len()).filter(submitted);
        let tokens: Vec<LockToken> = numbers.map(|number| self.locks[number].token).collect();
        let asked = |at: &str| ask(asker.user, at, &tokens, NOW);
        let answer = send(dav, request, RequestedTimeout::Unspecified, asked).await;
        match answer {
            Ok(_) => Reply::sorted("done", Vec::new()),
            Err(error) => Reply::from_error(&error),
        }
    }

    /// What PROPFIND shows.
    pub(crate) async fn world(&self) -> World {
        world_of(&self.drive, NOW, |lock| self.number(lock)).await
    }

    fn number(&self, lock: &RealLock) -> usize {
        let mut known = self.locks.iter().enumerate();
        let Some((number, known)) = known.find(|(_, known)| known.token == lock.token) else {
            return usize::MAX;
        };
        let moved = RealLock {
            root: lock.root,
            ..known.clone()
        };
        assert_eq!(
            *lock, moved,
            "a lock goes along with its token and its deadline"
        );
        number
    }
}
