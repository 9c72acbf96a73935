//! What a lock is. What it lets whom do stands in [`rules`].

pub mod rules;

use serde::{Deserialize, Serialize};

pub use crate::protocol::lock_kinds::{LockKind, LockScope, LockToken};
pub use crate::resource::UserId;

use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;

/// How far below its root a lock reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockDepth {
    /// The resource itself; for a collection its properties and its list of members.
    Zero,
    /// The resource and everything below.
    Infinity,
}

/// One lock, as it was granted. It hangs on the resource, not on a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub token: LockToken,
    /// What kind of lock it is.
    pub kind: LockKind,
    /// Exclusive or shared.
    pub scope: LockScope,
    /// How far it reaches.
    pub depth: LockDepth,
    /// The resource on which it was taken.
    pub root: ResourceId,
    /// The user who took it.
    pub owner: UserId,
    /// That user's name, for people to read.
    pub holder: String,
    /// The inside of the client's `DAV:owner`, byte for byte (davfs2 compares it); decides nothing.
    pub owner_xml: Option<String>,
    /// Why, in the user's own words.
    pub comment: Option<String>,
    /// When it was taken.
    pub since: Timestamp,
    /// When it ends by itself; `None`: never.
    pub deadline: Option<Timestamp>,
}

impl Lock {
    /// Whether it still stands at `now`. At its deadline a lock has ended.
    pub fn stands_at(&self, now: Timestamp) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }
}
