//! What the naive model knows of versions: a list for each file, and what each request does to it.

use std::collections::BTreeMap;

use lockkeeper::ops::versions::VersionView;
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::time::Timestamp;

use crate::naive::{Node, Request, User, World};
use crate::speak::{Reply, ask, principal};
use crate::{Model, Server, reply_of};

/// So few that they are pruned all the time.
pub(crate) const KEEP: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    number: u32,
    size: u64,
    author: User,
}

/// The versions of each file, the oldest first and the present one last.
#[derive(Debug, Default)]
pub(crate) struct Histories(BTreeMap<String, Vec<Version>>);

impl Histories {
    /// What `user` asked was done, and made `world` what it is.
    pub(crate) fn follow(&mut self, request: &Request, user: User, world: &World) {
        match request {
            Request::Put(at, size) => self.add(at, *size, user),
            Request::Lock { at, .. } => {
                if world.tree.get(at) == Some(&Node::File(0)) && !self.0.contains_key(at) {
                    self.add(at, 0, user);
                }
            }
            Request::Delete(at) => drop(self.take(at)),
            Request::Move(from, to) => {
                let onto_file = self.onto_file(from, to);
                let moved = self.take(from);
                if let Some(size) = onto_file {
                    return self.add(to, size, user);
                }
                self.take(to);
                for (below, versions) in moved {
                    self.0.insert(format!("{to}{below}"), versions);
                }
            }
            Request::Copy(from, to) => {
                if let Some(size) = self.onto_file(from, to) {
                    return self.add(to, size, user);
                }
                self.take(to);
                let copied: Vec<_> = self.below(from).collect();
                for (below, size) in copied {
                    self.add(&format!("{to}{below}"), size, user);
                }
            }
            Request::Patch { .. } | Request::Mkcol(_) => {}
        }
    }

    /// The next version. An empty first one is what LOCK makes, and is replaced without a trace.
    fn add(&mut self, at: &str, size: u64, author: User) {
        let versions = self.0.entry(at.to_owned()).or_default();
        if let [only] = versions[..]
            && (only.number, only.size) == (1, 0)
        {
            versions.clear();
        }
        let number = versions.last().map_or(1, |last| last.number + 1);
        versions.push(Version {
            number,
            size,
            author,
        });
        versions.retain(|version| version.number + KEEP >= number);
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
    let expected = size.map(|size| model.ask(user, &Request::Put(at.to_owned(), size), tokens, 0));
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
