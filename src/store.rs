//! Keeping: the seam between what Lockkeeper means and the engine that keeps it.
//!
//! An [`engine::Engine`] runs transactions over ordered byte keys, serializably, and makes commits
//! durable; it knows nothing of files or locks. Everything above speaks through [`tx::Tx`], which
//! knows the rows; rows of the tree and of locks change only with a witness from `lock::rules`.

pub mod check;
mod content;
pub mod credentials;
pub mod engine;
pub mod events;
pub mod grants;
mod grounds;
mod group_commit;
pub mod groups;
mod keys;
mod locks;
pub mod memory;
mod overlay;
pub(crate) mod page_cache;
mod past;
mod properties;
mod row_cache;
pub mod sled;
mod stamps;
pub mod transact;
mod tree;
pub mod tx;
pub mod users;
mod uses;
mod versions;
pub mod webhooks;

pub use content::NewContent;
pub use grounds::Grounds;
pub use group_commit::{CommitObserver, NoObserver};
pub use tree::{Reaped, Walk};
pub use uses::ContentFiles;
pub use versions::Succession;

use crate::protocol::error::DavError;
use engine::StoreError;

impl From<StoreError> for DavError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::InsufficientStorage(
                "the disk is nearly full; nothing was changed, and reading and deleting still work"
                    .to_owned(),
            ),
            StoreError::TooLarge(what) => {
                Self::InsufficientStorage(format!("too large to be kept: {what}"))
            }
            StoreError::Busy => {
                Self::Unavailable("too many changes at the same moment; try again".to_owned())
            }
            StoreError::Frozen(_) => Self::Unavailable(format!(
                "{error}; reading still works, and so does everything else as soon as the disk does"
            )),
            StoreError::Damaged(_) | StoreError::DamagedRow(_) | StoreError::Failed(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}
