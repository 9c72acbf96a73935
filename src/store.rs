//! Keeping: the seam between what Lockkeeper means and the engine that keeps it.
//!
//! An [`Engine`] runs transactions over ordered byte keys, serializably, and makes commits durable;
//! it knows nothing of files or locks. Everything above speaks through [`Tx`].

pub mod engine;
mod group_commit;
pub mod memory;
mod overlay;
pub mod sled;
pub mod transact;

pub use group_commit::{CommitObserver, NoObserver};
