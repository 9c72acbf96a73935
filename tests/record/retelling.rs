//! The record told again from its beginning: the tree and the locks that must be there at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockkeeper::event::{LockChange, LockFact, Place, What};
use lockkeeper::lock::{LockToken, UserId};
use lockkeeper::ops::Dav;
use lockkeeper::ops::events::EventView;
use lockkeeper::ops::properties::{Look, Wanted};
use lockkeeper::protocol::headers::Depth;
use lockkeeper::protocol::path::DavPath;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::resource::ResourceId;

use super::support::ask;

/// What a history leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Retold {
    /// Path, and number and random version of a file.
    resources: BTreeMap<ResourceId, (String, Option<(u32, u64)>)>,
    locks: BTreeMap<LockToken, (ResourceId, UserId)>,
}

impl Retold {
    /// Tells it all again.
    pub(crate) fn from(all: &[EventView]) -> Self {
        let mut told = Self::default();
        let root = (ResourceId::ROOT, ("/".to_owned(), None));
        told.resources.extend([root]);
        // The last file that was copied or moved onto another one, and that other one.
        let mut onto = (ResourceId::ABOVE_ROOT, ResourceId::ABOVE_ROOT);
        for view in all {
            let place = &view.event.place;
            match &view.event.what {
                What::Created { version, .. } => {
                    let version = version.as_ref().map(|fact| (fact.number, fact.version));
                    let new = (place.path.clone(), version);
                    assert_eq!(told.resources.insert(place.id(), new), None, "{view:?}");
                }
                What::Uploaded { version, from } => {
                    told.write(place, (version.number, version.version));
                    if let Some(from) = from {
                        onto = (from.id(), place.id());
                    }
                }
                What::Restored { version, .. } => {
                    told.write(place, (version.number, version.version));
                }
                What::Moved { from } => told.relocate(from.as_ref().unwrap(), place),
                What::Deleted => {
                    if place.id() == onto.0 {
                        told.hand_over(onto);
                    }
                    told.remove(place);
                }
                What::Lock(change, lock) => told.lock(*change, place, lock),
                What::Stolen { lock, lost } => {
                    for lost in lost {
                        told.lock(LockChange::Released, place, lost);
                    }
                    told.lock(LockChange::Taken, place, lock);
                }
                What::Labelled { .. } | What::Changed => {
                    assert!(told.resources.contains_key(&place.id()), "{view:?}");
                }
                // Told a moment later, when it may be gone.
                What::Refused { .. } => {}
            }
        }
        told
    }

    fn write(&mut self, place: &Place, version: (u32, u64)) {
        let (path, held) = self.resources.get_mut(&place.id()).unwrap();
        assert_eq!(*path, place.path);
        assert!(held.is_some_and(|(number, _)| number <= version.0 && version.0 <= number + 1));
        *held = Some(version);
    }

    fn relocate(&mut self, from: &Place, to: &Place) {
        assert_eq!(from.id(), to.id());
        let below = format!("{}/", from.path);
        for (path, _) in self.resources.values_mut() {
            if *path == from.path {
                path.clone_from(&to.path);
            } else if let Some(rest) = path.strip_prefix(&below) {
                *path = format!("{}/{rest}", to.path);
            }
        }
    }

    /// The locks of a file that is moved onto another one go along, if they have not ended.
    fn hand_over(&mut self, (from, to): (ResourceId, ResourceId)) {
        let locks = self.locks.values_mut();
        locks
            .filter(|(root, _)| *root == from)
            .for_each(|(root, _)| *root = to);
    }

    fn remove(&mut self, place: &Place) {
        let below = format!("{}/", place.path);
        let gone = |path: &str| path == place.path || path.starts_with(&below);
        self.resources.retain(|_, (path, _)| !gone(path));
        let left = &self.resources;
        for (root, _) in self.locks.values() {
            assert!(
                left.contains_key(root),
                "the end of each lock is told before"
            );
        }
    }

    fn lock(&mut self, change: LockChange, place: &Place, lock: &LockFact) {
        let held = (place.id(), lock.owner.id);
        match change {
            LockChange::Taken => {
                assert_eq!(self.locks.insert(lock.token, held), None, "{lock:?}");
            }
            LockChange::Refreshed => assert_eq!(self.locks.get(&lock.token), Some(&held)),
            LockChange::Released | LockChange::Forced | LockChange::Expired => {
                assert_eq!(self.locks.remove(&lock.token), Some(held), "{lock:?}");
            }
        }
    }

    /// What the store has.
    pub(crate) async fn of_store(dav: &Arc<Dav>, now: Timestamp) -> Self {
        let mut found = Self::default();
        let wanted = Wanted {
            dead: Look::Away,
            locks: Look::Away,
        };
        let asking = ask(&super::anybody("admin"), "/", &[], now);
        let mut search = dav.search(asking, Depth::Infinity, wanted).await.unwrap();
        while let Some(page) = search.next_page().await.unwrap() {
            for member in page {
                let path = DavPath::parse(&member.href, 4096).unwrap().to_plain();
                let content = member.resource.content.as_ref();
                let version = content.map(|content| (content.number, content.version));
                found.resources.insert(member.resource.id, (path, version));
            }
        }
        let (locks, next) = dav.locks_page(now, None).await.unwrap();
        assert_eq!(next, None);
        for placed in locks {
            let lock = placed.lock;
            found.locks.insert(lock.token, (lock.root, lock.owner));
        }
        found
    }
}

/// The random version that bytes from outside, or a restore, gave a file.
pub(crate) fn upload(view: &EventView) -> Option<u64> {
    match &view.event.what {
        What::Created {
            version: Some(version),
            from: None,
        }
        | What::Uploaded {
            version,
            from: None,
        }
        | What::Restored { version, .. } => Some(version.version),
        _ => None,
    }
}

/// The lock that somebody took.
pub(crate) fn lock_taken(view: &EventView) -> Option<LockToken> {
    match &view.event.what {
        What::Lock(LockChange::Taken, lock) | What::Stolen { lock, .. } => Some(lock.token),
        _ => None,
    }
}

/// The locks that ended.
pub(crate) fn locks_ended(view: &EventView) -> Vec<LockToken> {
    use LockChange::{Expired, Forced, Released};
    match &view.event.what {
        What::Lock(Released | Forced | Expired, lock) => vec![lock.token],
        What::Stolen { lost, .. } => lost.iter().map(|lock| lock.token).collect(),
        _ => Vec::new(),
    }
}
