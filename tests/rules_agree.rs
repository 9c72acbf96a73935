//! The rules agree with a second, naive formulation of the lock model: for every placement of up
//! to two locks on a small tree, every standing, both policies and every request, the server gives
//! the same answer, names the same locks and leaves the same locks behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::print_stdout,
    reason = "how much was compared is worth knowing"
)]

#[path = "rules_agree/naive.rs"]
#[allow(dead_code, reason = "some of it is for other tests")]
#[allow(
    clippy::match_same_arms,
    reason = "the tables stay as the text has them"
)]
mod naive;
#[path = "rules_agree/server.rs"]
mod server;
#[path = "rules_agree/speak.rs"]
mod speak;
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use naive::{Answer, Asker, Kind, Lock, Node, Policy, Request, Scope, Tokens, User, World};
use server::Server;
use speak::Reply;

/// Enough for every relation: parent, grandparent, sibling, below, elsewhere.
fn tree() -> BTreeMap<String, Node> {
    let nodes = [
        ("/", Node::Collection),
        ("/a", Node::Collection),
        ("/a/f", Node::File(1)),
        ("/a/b", Node::Collection),
        ("/a/b/g", Node::File(2)),
        ("/c", Node::Collection),
        ("/c/f", Node::File(3)),
    ];
    nodes
        .into_iter()
        .map(|(path, node)| (path.to_owned(), node))
        .collect()
}

/// Every lock that can be placed. Files are locked with depth infinity, as clients do.
fn every_lock() -> Vec<Lock> {
    let mut locks = Vec::new();
    for (at, node) in tree() {
        for infinite in [true, false] {
            if matches!(node, Node::File(_)) && !infinite {
                continue;
            }
            for owner in [User::Alice, User::Bob] {
                for kind in [Kind::Persistent, Kind::Transient, Kind::ReadOnly] {
                    for scope in [Scope::Exclusive, Scope::Shared] {
                        let at = at.clone();
                        locks.push(Lock {
                            at,
                            owner,
                            kind,
                            scope,
                            infinite,
                            number: 0,
                        });
                    }
                }
            }
        }
    }
    locks
}

/// Whose freeze it is and whether it calls itself shared matters to no rule; with other locks
/// around, one of the four will do.
fn stands_for_its_like(lock: &Lock) -> bool {
    lock.kind != Kind::ReadOnly || (lock.owner == User::Bob && lock.scope == Scope::Exclusive)
}

fn every_request() -> Vec<Request> {
    let mut requests = Vec::new();
    let own = str::to_owned;
    requests.extend(["/a/f", "/a/b/g", "/a/n", "/a/b/n", "/n"].map(|at| Request::Put(own(at), 9)));
    requests.extend(["/a/n", "/a/b/n"].map(|at| Request::Mkcol(own(at))));
    requests.extend(["/a/f", "/a/b/g", "/a/b", "/a"].map(|at| Request::Delete(own(at))));
    for at in ["/a/f", "/a/b/g", "/a"] {
        for only_win32 in [false, true] {
            requests.push(Request::Patch {
                at: own(at),
                only_win32,
            });
        }
    }
    for at in ["/", "/a", "/a/b", "/a/f", "/a/b/n"] {
        for kind in [Kind::Persistent, Kind::Transient, Kind::ReadOnly] {
            for scope in [Scope::Exclusive, Scope::Shared] {
                for infinite in [true, false] {
                    requests.push(Request::Lock {
                        at: own(at),
                        kind,
                        scope,
                        infinite,
                    });
                }
            }
        }
    }
    let moves = [
        ("/a/f", "/a/n"),
        ("/a/f", "/c/n"),
        ("/a/f", "/c/f"),
        ("/a/f", "/a/b/f"),
        ("/a/f", "/a/b/g"),
        ("/a/f", "/a/b"),
        ("/a/f", "/c"),
        ("/a/f", "/f"),
        ("/a/b/g", "/c/g"),
        ("/a/b/g", "/a/f"),
        ("/a/b", "/a/n"),
        ("/a/b", "/a/f"),
        ("/a/b", "/c/b"),
        ("/a/b", "/c/n"),
        ("/a/b", "/c"),
        ("/a", "/n"),
        ("/a", "/c"),
    ];
    requests.extend(moves.map(|(from, to)| Request::Move(own(from), own(to))));
    let copies = [
        ("/c/f", "/a/n"),
        ("/c/f", "/a/f"),
        ("/c/f", "/a/b/g"),
        ("/c/f", "/a/b"),
        ("/c/f", "/a"),
        ("/a/f", "/a/b"),
        ("/c", "/a/b"),
        ("/c", "/a/f"),
        ("/c", "/a/b/n"),
    ];
    requests.extend(copies.map(|(from, to)| Request::Copy(own(from), own(to))));
    requests
}

/// Every set of `count` locks that may stand together, in every place.
fn every_placement(count: usize) -> Vec<World> {
    let world = |locks: &[&Lock]| {
        let numbered = locks.iter().enumerate();
        let locks = numbered
            .map(|(number, lock)| Lock {
                number,
                ..(*lock).clone()
            })
            .collect();
        World {
            tree: tree(),
            locks,
        }
    };
    let all = every_lock();
    let some: Vec<&Lock> = all
        .iter()
        .filter(|lock| stands_for_its_like(lock))
        .collect();
    let mut sets: Vec<Vec<&Lock>> = match count {
        0 => vec![Vec::new()],
        1 => all.iter().map(|lock| vec![lock]).collect(),
        _ => some.iter().map(|lock| vec![*lock]).collect(),
    };
    for _ in 1..count {
        let mut longer = Vec::new();
        for set in &sets {
            let last = *set.last().unwrap();
            let first = some
                .iter()
                .position(|lock| std::ptr::eq(*lock, last))
                .unwrap();
            let grown = some[first..]
                .iter()
                .map(|lock| [set.as_slice(), &[*lock]].concat());
            longer.extend(grown.filter(|set| world(set).is_lawful()));
        }
        sets = longer;
    }
    sets.iter().map(|set| world(set)).collect()
}

/// Under whom and how a placement is asked about: where nothing hangs on the policy or on tokens,
/// one of each will do.
fn every_asker(world: &World) -> Vec<Asker<'static>> {
    let transient = |lock: &&Lock| lock.kind == Kind::Transient;
    let policy_matters = world.locks.iter().any(|lock| transient(&lock));
    let tokens_matter = world.locks.len() == 1
        || world
            .locks
            .iter()
            .filter(transient)
            .any(|lock| lock.owner == User::Alice);
    let alice = |tokens| Asker {
        policy: Policy::Drive,
        user: User::Alice,
        tokens,
    };
    let mut askers = vec![alice(Tokens::NONE)];
    if tokens_matter {
        askers.push(alice(Tokens::All));
    }
    if policy_matters {
        let strict = |asker: &Asker<'static>| Asker {
            policy: Policy::Strict,
            ..*asker
        };
        askers.extend(askers.clone().iter().map(strict));
    }
    askers
}

/// With two locks, those requests that meet both; the others are the cases of one lock again.
fn meets_every_lock(request: &Request, world: &World) -> bool {
    let related = |one: &str, other: &str| {
        let within = |inner: &str, outer: &str| {
            inner == outer || outer == "/" || inner.starts_with(&format!("{outer}/"))
        };
        within(one, other) || within(other, one)
    };
    world.locks.len() < 2
        || world
            .locks
            .iter()
            .all(|lock| request.paths().iter().any(|path| related(&lock.at, path)))
}

/// Which locks may stand together hangs neither on tokens nor on the policy (looked at in full
/// beside one lock).
fn is_answered_alike_for_all(request: &Request, world: &World) -> bool {
    match request {
        Request::Lock { at, .. } => world.locks.len() > 1 && world.tree.contains_key(at),
        _ => false,
    }
}

async fn compare(world: &World, requests: &[Request], found: &mut Vec<String>) -> usize {
    let server = Server::of(world).await;
    let askers = every_asker(world);
    let first = askers[0];
    let mut cases = 0;
    for asker in askers {
        for request in requests
            .iter()
            .filter(|request| meets_every_lock(request, world))
        {
            if is_answered_alike_for_all(request, world) && asker != first {
                continue;
            }
            cases += 1;
            let mut expected = world.clone();
            let answer = expected.ask(request, asker);
            // What is refused must change nothing, so the next requests may ask the same server.
            let copy = match answer {
                Answer::Done => Some(server.copy().await),
                _ => None,
            };
            let asked = copy.as_ref().unwrap_or(&server);
            let got = asked.ask(request, asker).await;
            let want = Reply::of(&answer, world);
            if got != want {
                found.push(format!(
                    "{:#?}\n{asker:?}\n{request:?}\nby the text {want:?}\nby the server {got:?}\n",
                    world.locks
                ));
            } else if copy.is_some() {
                differing(asked, &expected, &format!("{asker:?} {request:?}"), found).await;
            }
        }
    }
    differing(&server, world, "after refusals", found).await;
    cases
}

async fn differing(server: &Server, expected: &World, after: &str, found: &mut Vec<String>) {
    let mut expected = expected.clone();
    expected.locks.sort();
    let got = server.world().await;
    if got != expected {
        found.push(format!(
            "{after}\nby the text {expected:#?}\nby the server {got:#?}\n"
        ));
    }
}

/// Compares all placements of `count` locks; returns how many cases there were.
fn compare_all(count: usize) -> usize {
    const THREADS: usize = 2;
    const SHOWN: usize = 5;
    let worlds = every_placement(count);
    let requests = every_request();
    let cases = AtomicUsize::new(0);
    let work = |thread: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut found = Vec::new();
        for world in worlds.iter().skip(thread).step_by(THREADS) {
            let ran = runtime.block_on(compare(world, &requests, &mut found));
            cases.fetch_add(ran, Ordering::Relaxed);
        }
        found
    };
    let found: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || work(n))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let cases = cases.into_inner();
    println!("{count} locks: {} placements, {cases} cases", worlds.len());
    let shown = found
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        found.is_empty(),
        "{} of {cases} cases differ, such as\n{shown}",
        found.len()
    );
    cases
}

#[test]
fn without_locks() {
    assert!(compare_all(0) >= 103);
}

#[test]
fn one_lock() {
    assert!(compare_all(1) >= 36_000);
}

#[test]
fn two_locks() {
    assert!(compare_all(2) >= 250_000);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn three_locks() {
    assert!(compare_all(3) >= 1_000_000);
}
