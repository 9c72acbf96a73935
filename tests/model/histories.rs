//! What the naive model knows of versions: a list for each file, and what each request does to it.
//! What is uploaded under one lock makes one version, and old ones go with a sweep.

use std::collections::BTreeMap;

use lockkeeper::ops::versions::VersionView;
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::time::Timestamp;

use crate::naive::{self, Kind, Node, Request, User, World};
use crate::speak::{Reply, ask, principal};
use crate::{Model, Server, reply_of};

/// So few that they are pruned all the time.
pub(crate) const KEEP: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    number: u32,
    size: u64,
    author: User,
    /// The number of the lock under which it was written.
    under: Option<usize>,
}

/// The versions of each file, the oldest first and the present one last.
#[derive(Debug, Default)]
pub(crate) struct Histories(BTreeMap<String, Vec<Version>>);

/// Who did something, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doer {
    pub(crate) user: User,
    /// Whether it was a restore, which never takes the place of another version.
    pub(crate) restores: bool,
}

impl Histories {
    /// What somebody asked was done, and made `world` of what was `before`.
    pub(crate) fn follow(&mut self, request: &Request, by: Doer, before: &World, world: &World) {
        match request {
            Request::Put(at, size) => self.add(at, *size, by, under(before, by.user, at)),
            Request::Lock { at, .. } => {
                if world.tree.get(at) == Some(&Node::File(0)) && !self.0.contains_key(at) {
                    self.add(at, 0, by, under(before, by.user, at));
                }
            }
            Request::Delete(at) => drop(self.take(at)),
            Request::Move(from, to) => {
                let onto_file = self.onto_file(from, to);
                let moved = self.take(from);
                if let Some(size) = onto_file {
                    let there = under(before, by.user, to);
                    let under = there.or_else(|| comes_along(before, by.user, from, to));
                    return self.add(to, size, by, under);
                }
                self.take(to);
                for (below, versions) in moved {
                    self.0.insert(format!("{to}{below}"), versions);
                }
            }
            Request::Copy(from, to) => {
                if let Some(size) = self.onto_file(from, to) {
                    return self.add(to, size, by, under(before, by.user, to));
                }
                self.take(to);
                let copied: Vec<_> = self.below(from).collect();
                // What was there is gone with its locks: left are those of the collection.
                let within = format!("{}/", naive::parent(to));
                let under = under(before, by.user, &within);
                for (below, size) in copied {
                    self.add(&format!("{to}{below}"), size, by, under);
                }
            }
            Request::Patch { .. } | Request::Mkcol(_) => {}
        }
    }

    /// The next version. An empty first one is what LOCK makes, and is replaced without a trace; so
    /// is what the same user uploaded under the same lock.
    fn add(&mut self, at: &str, size: u64, by: Doer, under: Option<usize>) {
        let versions = self.0.entry(at.to_owned()).or_default();
        let last = versions.last().copied();
        let in_place = last.is_some_and(|last| {
            let is_placeholder = (last.number, last.size) == (1, 0);
            is_placeholder || (!by.restores && under.is_some() && last.under == under)
        });
        if in_place {
            versions.pop();
        }
        versions.push(Version {
            number: last.map_or(1, |last| last.number + u32::from(!in_place)),
            size,
            author: by.user,
            under,
        });
    }

    pub(crate) fn sweep(&mut self) {
        for versions in self.0.values_mut() {
            let present = versions.last().map_or(0, |last| last.number);
            versions.retain(|version| version.number + KEEP >= present);
        }
    }

    fn present(&self, at: &str) -> Option<Version> {
        self.0.get(at)?.last().copied()
    }

    /// The size of a file that becomes the next version of another one.
    fn onto_file(&self, from: &str, to: &str) -> Option<u64> {
        self.present(to)?;
        Some(self.present(from)?.size)
    }

    /// The files at and below a path, as what their paths have behind it, with their sizes.
    fn below<'a>(&'a self, top: &'a str) -> impl Iterator<Item = (String, u64)> + 'a {
        let within = move |at: &'a str| {
            at.strip_prefix(top)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().filter_map(move |(at, versions)| {
            let size = versions.last()?.size;
            Some((within(at)?.to_owned(), size))
        })
    }

    fn take(&mut self, top: &str) -> Vec<(String, Vec<Version>)> {
        let names: Vec<_> = self.below(top).map(|(below, _)| below).collect();
        let taken = names.into_iter().filter_map(|below| {
            let versions = self.0.remove(&format!("{top}{below}"))?;
            Some((below, versions))
        });
        taken.collect()
    }
}

/// The user's lock in force at a path: a check-out before others, one of its own before those above
/// it, and then the oldest.
fn under(world: &World, user: User, at: &str) -> Option<usize> {
    let own = world.locks.iter().filter(|lock| lock.owner == user);
    let in_force = own.filter(|lock| lock.covers(at));
    let first = in_force.min_by_key(|lock| {
        let way = (lock.at != at, lock.at.len(), lock.number);
        (lock.kind != Kind::Persistent, way)
    });
    first.map(|lock| lock.number)
}

/// The lock of the user that goes along with a file that is moved onto another one without locks.
fn comes_along(world: &World, user: User, from: &str, to: &str) -> Option<usize> {
    let stays = world.locks.iter().any(|lock| lock.at == to);
    let number = under(world, user, from).filter(|_| !stays)?;
    let on_it = |lock: &&naive::Lock| lock.number == number && lock.at == from;
    world.locks.iter().find(on_it).map(|lock| lock.number)
}

/// Restores the version that is so many before the present one.
pub(crate) async fn restore(
    (user, tokens): (User, bool),
    at: &str,
    back: u32,
    model: &mut Model,
    servers: &[Server],
) {
    let now = Timestamp(model.now);
    let present = model.histories.present(at).map_or(0, |one| one.number);
    let number = present.saturating_sub(back);
    let known = model.histories.0.get(at).into_iter().flatten();
    let size = known
        .filter(|version| version.number == number)
        .map(|version| version.size)
        .next();
    // A restore is an upload of what was there.
    let by = Doer {
        user,
        restores: true,
    };
    let expected = size.map(|size| model.ask(by, &Request::Put(at.to_owned(), size), tokens, 0));
    for server in servers {
        let ask = ask(user, at, &server.known(tokens), now);
        let answer = reply_of(server.dav.restore(&ask, number).await);
        match &expected {
            Some(expected) => assert_eq!(answer, *expected, "{at} {number}"),
            None => assert_ne!(answer, Reply::sorted("done", Vec::new()), "{at} {number}"),
        }
    }
}

/// The server's histories are those of the model.
pub(crate) async fn look(model: &Model, server: &Server) {
    let now = Timestamp(model.now);
    let is_file = |node: &Node| matches!(node, Node::File(_));
    let files = model.world.tree.values().filter(|node| is_file(node));
    assert_eq!(files.count(), model.histories.0.len());
    for (at, versions) in &model.histories.0 {
        let ask = ask(User::Alice, at, &[], now);
        let seen = server.dav.history(&ask).await.unwrap();
        let told = |(view, version): (&VersionView, &Version)| {
            let author = principal(version.author).id;
            (view.number, view.size, view.author) == (version.number, version.size, author)
        };
        let same = seen.iter().zip(versions.iter().rev()).all(told);
        let current = seen.iter().map(|view| view.is_current);
        assert!(
            same && seen.len() == versions.len(),
            "{seen:?} {versions:?}"
        );
        assert!(current.eq((0..seen.len()).map(|index| index == 0)));
        for view in &seen {
            let (file, mut source) = server.dav.read_version(&ask, view.number).await.unwrap();
            let bytes = source.read(0, usize::MAX).await.unwrap();
            assert_eq!(
                (bytes.len() as u64, file.etag()),
                (view.size, Some(view.etag.clone()))
            );
        }
        let pruned = server.dav.read_version(&ask, 0).await.err();
        assert_eq!(pruned, Some(DavError::NotFound));
    }
}
