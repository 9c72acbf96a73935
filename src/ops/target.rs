//! What an operation is asked about: WebDAV names resources by path, the APIs by id. Ids become
//! paths inside the transaction that uses them, so nothing can move in between.

use std::fmt;

use crate::protocol::error::DavError;
use crate::protocol::path::{DavPath, Name};
use crate::resource::ResourceId;

/// The resource that a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// What is, or could be, at this path.
    Path(DavPath),
    /// The resource with this id, wherever it is.
    Id(ResourceId),
    /// A resource as long as it is where it is looked for.
    Within {
        /// The topmost collection on the way to it.
        project: ResourceId,
        /// The collection that holds it, if that matters.
        folder: Option<ResourceId>,
        /// The resource itself.
        id: ResourceId,
    },
    /// What is, or could be, called so in the collection with this id.
    Member(ResourceId, Name),
}

impl Target {
    /// What `text` names: a decoded path, which begins with a slash, or an id.
    pub fn parse(text: &str, path_bytes_max: usize) -> Result<Self, DavError> {
        if text.starts_with('/') {
            return Ok(Self::Path(DavPath::from_plain(text, path_bytes_max)?));
        }
        let id = text.parse().map(Self::Id);
        id.map_err(|()| {
            DavError::BadRequest(format!(
                "{text:?} is neither a path such as /team/plan.odt nor an id of 32 hexadecimal \
                 digits"
            ))
        })
    }
}

impl From<DavPath> for Target {
    fn from(path: DavPath) -> Self {
        Self::Path(path)
    }
}

impl From<ResourceId> for Target {
    fn from(id: ResourceId) -> Self {
        Self::Id(id)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Id(id) => write!(f, "resource {id}"),
            Self::Within { project, id, .. } => write!(f, "resource {id} in resource {project}"),
            Self::Member(parent, name) => write!(f, "{} in resource {parent}", name.as_str()),
        }
    }
}

/// Where something is to be moved or copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To this path.
    Path(DavPath),
    /// To another name in the same collection.
    Sibling(Name),
    /// Into the collection with this id, under its own name.
    Into(ResourceId),
}

impl From<&DavPath> for Destination {
    fn from(path: &DavPath) -> Self {
        Self::Path(path.clone())
    }
}
