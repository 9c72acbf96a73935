//! What the naive model says, said to the server's real operations, and what they answer, put back
//! into the words of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockkeeper::lock::{Lock as RealLock, LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::access::Principal;
use lockkeeper::ops::copy::CopyDepth;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::properties::{Look, Wanted};
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::{DavError, RefusingLock};
use lockkeeper::protocol::headers::{Depth, Overwrite, RequestedTimeout};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{DeadProperty, PropertyPatch, QName};

use crate::naive::{Answer, Kind, Lock, Node, Request, Scope, User, World};
use crate::support::{self, path, put};

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

    pub(crate) fn from_error(error: &DavError) -> Self {
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

    pub(crate) fn sorted(how: &str, mut named: Vec<(String, LockKind, String)>) -> Self {
        named.sort_by_key(|(href, kind, holder)| (href.clone(), kind.as_str(), holder.clone()));
        Self {
            how: how.to_owned(),
            named,
        }
    }
}

/// Sends the request as it is asked, locks for so many seconds; a LOCK gives a lock.
pub(crate) async fn send(
    dav: &Dav,
    request: &Request,
    timeout: RequestedTimeout,
    ask: impl Fn(&str) -> Ask,
) -> Result<Option<RealLock>, DavError> {
    match request {
        Request::Put(at, size) => drop(put(dav, &ask(at), *size).await?),
        Request::Patch { at, only_win32 } => {
            dav.patch(&ask(at), &patches(*only_win32)).await?;
        }
        Request::Delete(at) => dav.delete(&ask(at)).await?,
        Request::Mkcol(at) => dav.make_collection(&ask(at)).await?,
        Request::Lock {
            at,
            kind,
            scope,
            infinite,
        } => {
            let wanted = LockAsk {
                timeout,
                ..lock_ask(*kind, *scope, *infinite)
            };
            return Ok(Some(dav.lock(&ask(at), &wanted).await?.view.lock));
        }
        Request::Move(from, to) => {
            dav.relocate(&ask(from), &path(to), Overwrite::Yes).await?;
        }
        Request::Copy(from, to) => {
            let depth = CopyDepth::Infinity;
            dav.copy(&ask(from), &path(to), Overwrite::Yes, depth)
                .await?;
        }
    }
    Ok(None)
}

/// What PROPFIND shows of the tree and its locks, to somebody who may see all tokens. `number`
/// knows the locks.
pub(crate) async fn world_of(
    dav: &Arc<Dav>,
    now: Timestamp,
    number: impl Fn(&RealLock) -> usize,
) -> World {
    let mut ask = ask(User::Alice, "/", &[], now);
    ask.principal.admin = true;
    let wanted = Wanted {
        dead: Look::Away,
        locks: Look::Up,
    };
    let mut search = dav.search(ask, Depth::Infinity, wanted).await.unwrap();
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
                let number = number(&view.lock);
                if view.lock.root == found.resource.id {
                    world.locks.push(naive_lock(at, number, &view.lock));
                }
                shown.push((at.to_owned(), number));
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

fn naive_lock(at: &str, number: usize, lock: &RealLock) -> Lock {
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
        number,
    }
}

pub(crate) fn real_kind(kind: Kind) -> LockKind {
    match kind {
        Kind::Persistent => LockKind::Persistent,
        Kind::Transient => LockKind::Transient,
        Kind::ReadOnly => LockKind::ReadOnly,
    }
}

pub(crate) fn principal(user: User) -> Principal {
    support::user(match user {
        User::Alice => "alice",
        User::Bob => "bob",
        User::Mona => "mona",
    })
}

pub(crate) fn ask(user: User, at: &str, tokens: &[LockToken], now: Timestamp) -> Ask {
    support::ask(&principal(user), at, tokens, now)
}

pub(crate) fn lock_ask(kind: Kind, scope: Scope, infinite: bool) -> LockAsk {
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
        comment: None,
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
