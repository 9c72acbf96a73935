//! What the tree is made of: resources, their ids, their content, its versions and entity tags.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::protocol::headers::EntityTag;
use crate::protocol::lock_kinds::{LockKind, LockToken};
use crate::protocol::path::Name;
use crate::protocol::time::Timestamp;

/// The identity of a resource: given once, never reused, unchanged by edits, renames and moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(pub u64);

impl ResourceId {
    /// The collection `/`.
    pub const ROOT: Self = Self(1);

    /// Stands where the root's entry names its parent; no resource has it.
    pub const ABOVE_ROOT: Self = Self(0);
}

impl fmt::Display for ResourceId {
    /// 32 hexadecimal digits, the spelling of `DAV:resource-id` (RFC 5842) and of the check-out
    /// API.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ResourceId {
    type Err = ();

    /// Reads what [`fmt::Display`] writes, in upper case as well.
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| ())?;
        // An id that is too large for ours is well-formed, and nothing has it.
        Ok(u64::try_from(number).map_or(Self::ABOVE_ROOT, Self))
    }
}

/// The identity of a user, unchanged when the user is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId(pub Uuid);

impl UserId {
    /// Made the root collection, and types at the command line; no user has it.
    pub const NOBODY: Self = Self(Uuid::nil());
}

/// The identity of one immutable piece of content. Drawn from the same sequence as resource ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub u64);

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Nowhere: the file is empty.
    Empty,
    /// In the store itself; at most [`INLINE_BYTES_MAX`].
    Inline(ContentId),
    /// In a content file.
    File(ContentId),
}

/// Content up to this size lives in the store: below it a row is 4 to 9 times faster than a file
/// and safe; above it sled would write unsynced side files.
pub const INLINE_BYTES_MAX: usize = 4096;

/// One version of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Where the bytes are.
    pub place: Place,
    /// Length in bytes.
    pub size: u64,
    /// 1 for the first version of a file, one more with each that follows.
    pub number: u32,
    /// Random, new with every version, so an entity tag never repeats, not even after a restore.
    pub version: u64,
    /// What the client said it is; `None`: told from the name.
    pub media_type: Option<String>,
    /// Who made this version of the file.
    pub author: UserId,
    /// When; what [`Resource::modified`] says may be the client's own time.
    pub uploaded: Timestamp,
    /// The author's lock under which it was written.
    pub under: Option<Under>,
    /// What people call it. A labelled version stays until the label is taken off.
    pub label: Option<String>,
}

/// The lock under which something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Under {
    /// Its kind.
    pub kind: LockKind,
    /// Its name, by which one lock is told from the next; never shown.
    pub token: LockToken,
}

impl Content {
    /// The number of a file's first version.
    pub const FIRST: u32 = 1;

    /// The strong entity tag of this version.
    pub fn etag(&self) -> EntityTag {
        EntityTag::of_version(self.version)
    }
}

/// One version of a file, present or old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its bytes, and who wrote them.
    pub content: Content,
    /// [`Resource::modified`] of the file as long as this was its present version.
    pub modified: Timestamp,
    /// When another one followed it: from then on it grows old. `None`: it is the present one.
    pub replaced: Option<Timestamp>,
}

/// Which old versions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many before the present one.
    pub keep: u32,
    /// Days since it was replaced; 0: whatever its age.
    pub keep_days: u32,
}

impl Retention {
    /// Whether `old` is kept at `now` beside the version with the number `present`.
    pub fn keeps(self, old: &Version, present: u32, now: Timestamp) -> bool {
        let seconds = u64::from(self.keep_days) * 24 * 3600;
        let is_over = |replaced: Timestamp| replaced.plus_seconds(seconds) <= now;
        let is_too_old = seconds > 0 && old.replaced.is_some_and(is_over);
        let is_recent = old.content.number.saturating_add(self.keep) >= present;
        old.content.label.is_some() || (is_recent && !is_too_old)
    }
}

/// A file or a collection, as its parent knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its identity.
    pub id: ResourceId,
    /// Its last path segment as the client spelled it; empty for the root.
    pub name: String,
    /// `None`: a collection.
    pub content: Option<Content>,
    /// Who made it.
    pub made_by: UserId,
    /// When it was made.
    pub created: Timestamp,
    /// When its content (for a collection: its properties) last changed.
    pub modified: Timestamp,
    /// How many dead properties it has: most have none, and then nobody looks for them.
    pub property_count: u32,
}

impl Resource {
    /// Something that is made now. Without content it is a collection.
    pub fn new(
        id: ResourceId,
        name: &Name,
        content: Option<Content>,
        made_by: UserId,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            name: name.as_str().to_owned(),
            content,
            made_by,
            created: now,
            modified: now,
            property_count: 0,
        }
    }

    /// Whether it can have members.
    pub fn is_collection(&self) -> bool {
        self.content.is_none()
    }

    /// The entity tag of a file; collections have none.
    pub fn etag(&self) -> Option<EntityTag> {
        self.content.as_ref().map(Content::etag)
    }

    /// `DAV:getcontentlength`; collections have none.
    pub fn size(&self) -> Option<u64> {
        self.content.as_ref().map(|content| content.size)
    }
}
