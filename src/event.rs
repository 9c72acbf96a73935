//! What happened to files and locks, as the record keeps it: values, without a word about who may
//! read them or how they are kept.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lock::{Lock, LockDepth, LockKind, LockScope, LockToken, UserId};
use crate::protocol::headers::EntityTag;
use crate::protocol::time::Timestamp;
use crate::resource::{Content, ResourceId};

/// A place in the record. Later ones are greater; most are never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark(pub [u8; 10]);

impl Mark {
    /// Before everything.
    pub const START: Self = Self([0; 10]);

    /// Of the events of one commit it is the same.
    pub fn commit(&self) -> &[u8] {
        &self.0[..8]
    }
}

/// The identity of a webhook, which is told what happens. Never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WebhookId(pub Uuid);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened. It is written by the transaction that did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When; of a lock that lapsed, its deadline.
    pub at: Timestamp,
    /// Who did it; `None`: nobody, it was time.
    pub by: Option<Who>,
    /// Through which face of the server.
    pub face: Face,
    /// With which program (User-Agent); empty when nobody did it.
    pub program: String,
    /// What it is about, where that is now.
    pub place: Place,
    /// What it was.
    pub what: What,
}

impl Event {
    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        const PLAIN: usize = 200;
        let of_place = |place: &Place| place.path.len() + place.way.len() * size_of::<ResourceId>();
        let of_locks = match &self.what {
            What::Lock(_, lock) => lock.comment.as_ref().map_or(0, String::len),
            What::Refused { by, .. } => by.iter().map(|lock| of_place(&lock.root)).sum(),
            _ => 0,
        };
        PLAIN + of_place(&self.place) + self.what.from().map_or(0, of_place) + of_locks
    }

    /// The time of a lock was over.
    pub fn expired(lock: &Lock, place: Place) -> Self {
        Self {
            at: lock.deadline.unwrap_or(lock.since),
            by: None,
            face: Face::Server,
            program: String::new(),
            place,
            what: What::Lock(LockChange::Expired, lock.into()),
        }
    }
}

/// A user, as they were called then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Who {
    /// Their identity.
    pub id: UserId,
    /// Their name.
    pub name: String,
}

/// The ways to the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Face {
    /// WebDAV.
    WebDav,
    /// The check-out API.
    CheckOut,
    /// The DocSpace-compatible API.
    DocSpace,
    /// The command line.
    CommandLine,
    /// Nobody asked: the server's own housekeeping.
    Server,
}

impl Face {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::WebDav,
        Self::CheckOut,
        Self::DocSpace,
        Self::CommandLine,
        Self::Server,
    ];

    /// Its name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebDav => "webdav",
            Self::CheckOut => "checkout",
            Self::DocSpace => "docspace",
            Self::CommandLine => "command-line",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where something was when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The ids of the collections above it, the root first, and its own. Who may read them may know
    /// of it.
    pub way: Vec<ResourceId>,
    /// Its path, decoded; of a very long one the end, behind `…`.
    pub path: String,
    /// Whether it is a collection.
    pub is_collection: bool,
}

impl Place {
    /// A place, of whose path no more is kept than fits: moves make deeper paths than requests can
    /// name, and an event must never be too large to be told.
    pub fn new(way: Vec<ResourceId>, path: String, is_collection: bool) -> Self {
        let path = match path.len().checked_sub(PATH_BYTES_MAX) {
            None | Some(0) => path,
            Some(surplus) => {
                let kept = (surplus..path.len()).find(|at| path.is_char_boundary(*at));
                format!("…{}", &path[kept.unwrap_or(path.len())..])
            }
        };
        Self {
            way,
            path,
            is_collection,
        }
    }

    /// What is there; the root when the way is empty.
    pub fn id(&self) -> ResourceId {
        self.way.last().copied().unwrap_or(ResourceId::ROOT)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A file or a collection was made.
    Created {
        /// The first version of a file.
        version: Option<VersionFact>,
        /// What it is a copy of.
        from: Option<Place>,
    },
    /// A file got its next version, or the present one was written anew under its lock.
    Uploaded {
        /// The version.
        version: VersionFact,
        /// The file that was copied or moved onto it.
        from: Option<Place>,
    },
    /// An old version became the next one.
    Restored {
        /// The next one.
        version: VersionFact,
        /// The number of the old one.
        source: u32,
    },
    /// A version was given a name, or lost it.
    Labelled {
        /// Its number.
        number: u32,
        /// Its name from now on.
        label: Option<String>,
    },
    /// Properties were set or removed.
    Changed,
    /// It was renamed or moved, with everything in it.
    Moved {
        /// Where it was; `None`: the reader must not know.
        from: Option<Place>,
    },
    /// It is gone, with everything in it.
    Deleted,
    /// A lock was taken, ran anew or ended.
    Lock(LockChange, LockFact),
    /// A check-out was taken over.
    Stolen {
        /// The lock that stands now.
        lock: LockFact,
        /// What its loser lost, at most [`FACTS_MAX`] of them.
        lost: Vec<LockFact>,
    },
    /// Locks refused something.
    Refused {
        /// The locks that did, at most [`FACTS_MAX`] of them.
        by: Vec<Obstacle>,
        /// How often, when the same program tried again at once.
        times: u32,
    },
}

/// Most locks that one event names.
pub const FACTS_MAX: usize = 16;

/// How much of a path an event keeps, from its end.
const PATH_BYTES_MAX: usize = 8192;

/// What happened to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockChange {
    /// It was taken.
    Taken,
    /// It runs anew.
    Refreshed,
    /// Its owner ended it, or it ended with its resource.
    Released,
    /// A holder of SuperCheckIn ended it.
    Forced,
    /// Its time was over.
    Expired,
}

/// A version, as an event tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFact {
    /// Its number.
    pub number: u32,
    /// Its length in bytes.
    pub size: u64,
    /// [`Content::version`].
    pub version: u64,
}

impl From<&Content> for VersionFact {
    fn from(content: &Content) -> Self {
        Self {
            number: content.number,
            size: content.size,
            version: content.version,
        }
    }
}

/// A lock, as an event tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFact {
    /// Its name, told only to whom it is shown anyway.
    pub token: LockToken,
    /// What kind of lock it is.
    pub kind: LockKind,
    /// Exclusive or shared.
    pub scope: LockScope,
    /// How far it reaches.
    pub depth: LockDepth,
    /// Whose it is.
    pub owner: Who,
    /// When it was taken.
    pub since: Timestamp,
    /// When it ends by itself; `None`: never.
    pub deadline: Option<Timestamp>,
    /// Why, in the user's own words.
    pub comment: Option<String>,
}

impl From<&Lock> for LockFact {
    fn from(lock: &Lock) -> Self {
        Self {
            token: lock.token,
            kind: lock.kind,
            scope: lock.scope,
            depth: lock.depth,
            owner: Who {
                id: lock.owner,
                name: lock.holder.clone(),
            },
            since: lock.since,
            deadline: lock.deadline,
            comment: lock.comment.clone(),
        }
    }
}

/// A lock that stood in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Where its root is.
    pub root: Place,
    /// What kind of lock it is.
    pub kind: LockKind,
    /// The name of the user who holds it.
    pub holder: String,
}

impl VersionFact {
    /// The entity tag that it had.
    pub fn etag(&self) -> EntityTag {
        EntityTag::of_version(self.version)
    }
}

impl What {
    /// All names of [`What::as_str`].
    pub const NAMES: [&str; 14] = [
        "lock.taken",
        "lock.refreshed",
        "lock.refused",
        "lock.released",
        "lock.forced",
        "lock.expired",
        "lock.stolen",
        "resource.created",
        "resource.moved",
        "resource.deleted",
        "resource.changed",
        "version.uploaded",
        "version.restored",
        "version.labelled",
    ];

    /// Its name wherever events are shown.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Created { .. } => "resource.created",
            Self::Uploaded { .. } => "version.uploaded",
            Self::Restored { .. } => "version.restored",
            Self::Labelled { .. } => "version.labelled",
            Self::Changed => "resource.changed",
            Self::Moved { .. } => "resource.moved",
            Self::Deleted => "resource.deleted",
            Self::Lock(LockChange::Taken, _) => "lock.taken",
            Self::Lock(LockChange::Refreshed, _) => "lock.refreshed",
            Self::Lock(LockChange::Released, _) => "lock.released",
            Self::Lock(LockChange::Forced, _) => "lock.forced",
            Self::Lock(LockChange::Expired, _) => "lock.expired",
            Self::Stolen { .. } => "lock.stolen",
            Self::Refused { .. } => "lock.refused",
        }
    }

    /// The other place that it tells of.
    pub fn from(&self) -> Option<&Place> {
        match self {
            Self::Created { from, .. } | Self::Uploaded { from, .. } | Self::Moved { from } => {
                from.as_ref()
            }
            _ => None,
        }
    }
}
