//! What a lock is. What it lets whom do stands in [`rules`].

pub mod rules;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::protocol::lock_kinds::{LockKind, LockScope};
pub use crate::resource::UserId;

use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;

/// The name of one lock: `urn:uuid:` and a random (version 4) UUID. Knowing it does not help
/// another user: every rule compares the user as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LockToken(pub Uuid);

impl LockToken {
    /// A new token from the system's secure generator.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads the spelling of [`fmt::Display`]; `None` for anything that this server never gave out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("urn:uuid:")?;
        let uuid = Uuid::try_parse(digits).ok()?;
        (digits.len() == 36).then_some(Self(uuid))
    }
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urn:uuid:{}", self.0)
    }
}

impl fmt::Debug for LockToken {
    /// Tokens are secrets of their owner and stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockToken(…)")
    }
}

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
