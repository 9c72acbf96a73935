//! The server under comparison: its real operations over the memory engine, its answers put into
//! the words of the naive model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::rules::Policy as RealPolicy;
use lockkeeper::lock::{Lock as RealLock, LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::access::Principal;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::properties::{Look, Wanted};
use lockkeeper::ops::relocate::CopyDepth;
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::{DavError, RefusingLock};
use lockkeeper::protocol::headers::{Depth, Overwrite, RequestedTimeout};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{DeadProperty, PropertyPatch, QName};
use lockkeeper::store::engine::{Engine, Mode, Order};
use lockkeeper::store::memory::MemoryEngine;

use crate::naive::{Answer, Asker, Kind, Lock, Node, Policy, Request, Scope, User, World};
use crate::support::{self, path, put};

/// When the locks are taken.
const BEFORE: Timestamp = Timestamp(1_000_000);
/// When the request comes: every lock still stands, and a new one has another deadline.
const NOW: Timestamp = Timestamp(1_007_000);

/// What the server said: how, and which locks (href, kind, holder) it named.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    how: String,
    named: Vec<(String, LockKind, String)>,
}

impl Reply {
    /// The reply that the naive answer amounts to.
    pub(crate) fn of(answer: &Answer, world: &World) -> Self {
        let none = BTreeSet::new();
        let (how, locks) = match answer {
            Answer::Done => ("done", &none),
            Answer::Locked(locks) => ("locked", locks),
            Answer::Conflict(locks) => ("conflict", locks),
            Answer::Members(locks) => ("members", locks),
        };
        let href = |at: &str| match world.tree[at] {
            Node::Collection if at != "/" => format!("{at}/"),
            _ => at.to_owned(),
        };
        let named = |lock: &Lock| {
            (
                href(&lock.at),
                real_kind(lock.kind),
                principal(lock.owner).name,
            )
        };
        Self::sorted(how, locks.iter().map(named).collect())
    }

    fn from_error(error: &DavError) -> Self {
        let named = |lock: &RefusingLock| (lock.href.clone(), lock.kind, lock.holder.clone());
        match error {
            DavError::Locked(locks) => Self::sorted("locked", locks.iter().map(named).collect()),
            DavError::LockConflict(locks) => {
                Self::sorted("conflict", locks.iter().map(named).collect())
            }
            DavError::Members(members) => {
                let real = members
                    .iter()
                    .filter(|one| one.error != DavError::FailedDependency);
                let locks = real.flat_map(|member| {
                    assert_eq!(member.error.status(), 423, "{error:?}");
                    assert_eq!(member.href, member.error.locks()[0].href, "{error:?}");
                    member.error.locks().iter().map(named)
                });
                Self::sorted("members", locks.collect())
            }
            other => Self::sorted(&format!("{other:?}"), Vec::new()),
        }
    }

    fn sorted(how: &str, mut named: Vec<(String, LockKind, String)>) -> Self {
        named.sort_by_key(|(href, kind, holder)| (href.clone(), kind.as_str(), holder.clone()));
        Self {
            how: how.to_owned(),
            named,
        }
    }
}

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

    /// Sends Alice's request.
    pub(crate) async fn ask(&self, request: &Request, asker: Asker) -> Reply {
        let dav = match asker.policy {
            Policy::Drive => &self.drive,
            Policy::Strict => &self.strict,
        };
        let tokens: Vec<LockToken> = self.locks.iter().map(|lock| lock.token).collect();
        let tokens = if asker.tokens { tokens.as_slice() } else { &[] };
        let to_alice = |at: &str| ask(User::Alice, at, tokens, NOW);
        let answer = match request {
            Request::Put(at, size) => put(dav, &to_alice(at), *size).await.map(|_| ()),
            Request::Patch { at, only_win32 } => {
                let patched = dav.patch(&to_alice(at), &patches(*only_win32)).await;
                patched.map(|_| ())
            }
            Request::Delete(at) => dav.delete(&to_alice(at)).await,
            Request::Mkcol(at) => dav.make_collection(&to_alice(at)).await,
            Request::Lock {
                at,
                kind,
                scope,
                infinite,
            } => {
                let wanted = lock_ask(*kind, *scope, *infinite);
                dav.lock(&to_alice(at), &wanted).await.map(|_| ())
            }
            Request::Move(from, to) => {
                let to = path(to);
                dav.relocate(&to_alice(from), &to, Overwrite::Yes)
                    .await
                    .map(|_| ())
            }
            Request::Copy(from, to) => {
                let (to, depth) = (path(to), CopyDepth::Infinity);
                dav.copy(&to_alice(from), &to, Overwrite::Yes, depth)
                    .await
                    .map(|_| ())
            }
        };
        match answer {
            Ok(()) => Reply::sorted("done", Vec::new()),
            Err(error) => Reply::from_error(&error),
        }
    }

    /// What PROPFIND shows of the tree and its locks, to somebody who may see all tokens.
    pub(crate) async fn world(&self) -> World {
        let mut ask = ask(User::Alice, "/", &[], NOW);
        ask.principal.admin = true;
        let wanted = Wanted {
            dead: Look::Away,
            locks: Look::Up,
        };
        let mut search = self
            .drive
            .search(ask, Depth::Infinity, wanted)
            .await
            .unwrap();
        let mut world = World {
            tree: BTreeMap::new(),
            locks: Vec::new(),
        };
        let mut shown = Vec::new();
        while let Some(page) = search.next_page().await.unwrap() {
            for found in page {
                let at = match found.href.trim_end_matches('/') {
                    "" => "/",
                    at => at,
                };
                let node = found.resource.size().map_or(Node::Collection, Node::File);
                world.tree.insert(at.to_owned(), node);
                for view in found.locks {
                    let lock = self.naive_lock(at, &view.lock);
                    if view.lock.root == found.resource.id {
                        world.locks.push(lock.clone());
                    }
                    shown.push((at.to_owned(), lock.number));
                }
            }
        }
        world.locks.sort();
        let mut covering = Vec::new();
        for at in world.tree.keys() {
            let here = world.locks.iter().filter(|lock| lock.covers(at));
            covering.extend(here.map(|lock| (at.clone(), lock.number)));
        }
        covering.sort();
        shown.sort();
        assert_eq!(
            shown, covering,
            "lockdiscovery shows every lock in force and no other"
        );
        world
    }

    fn naive_lock(&self, at: &str, lock: &RealLock) -> Lock {
        let number = self
            .locks
            .iter()
            .position(|known| known.token == lock.token);
        if let Some(known) = number.map(|number| &self.locks[number]) {
            let moved = RealLock {
                root: lock.root,
                ..known.clone()
            };
            assert_eq!(
                *lock, moved,
                "a lock goes along with its token and its deadline"
            );
        }
        let alice = lock.owner == principal(User::Alice).id;
        Lock {
            at: at.to_owned(),
            owner: if alice { User::Alice } else { User::Bob },
            kind: match lock.kind {
                LockKind::Persistent => Kind::Persistent,
                LockKind::Transient => Kind::Transient,
                LockKind::ReadOnly => Kind::ReadOnly,
            },
            scope: match lock.scope {
                LockScope::Exclusive => Scope::Exclusive,
                LockScope::Shared => Scope::Shared,
            },
            infinite: lock.depth == LockDepth::Infinity,
            number: number.unwrap_or(usize::MAX),
        }
    }
}

fn real_kind(kind: Kind) -> LockKind {
    match kind {
        Kind::Persistent => LockKind::Persistent,
        Kind::Transient => LockKind::Transient,
        Kind::ReadOnly => LockKind::ReadOnly,
    }
}

fn principal(user: User) -> Principal {
    support::user(match user {
        User::Alice => "alice",
        User::Bob => "bob",
    })
}

fn ask(user: User, at: &str, tokens: &[LockToken], now: Timestamp) -> Ask {
    support::ask(&principal(user), at, tokens, now)
}

fn lock_ask(kind: Kind, scope: Scope, infinite: bool) -> LockAsk {
    LockAsk {
        scope: match scope {
            Scope::Exclusive => LockScope::Exclusive,
            Scope::Shared => LockScope::Shared,
        },
        kind: Some(real_kind(kind)),
        depth: if infinite {
            LockDepth::Infinity
        } else {
            LockDepth::Zero
        },
        timeout: RequestedTimeout::Unspecified,
        owner_xml: None,
    }
}

fn patches(only_win32: bool) -> Vec<PropertyPatch> {
    let set = |ns: &str, name: &str| {
        PropertyPatch::Set(DeadProperty {
            name: QName {
                ns: ns.to_owned(),
                name: name.to_owned(),
            },
            xml: format!("<x:{name} xmlns:x=\"{ns}\">1</x:{name}>"),
        })
    };
    let mut patches = vec![set("urn:schemas-microsoft-com:", "Win32LastModifiedTime")];
    if !only_win32 {
        patches.push(set("urn:x", "colour"));
    }
    patches
}
