//! Lockkeeper: a WebDAV server whose locks hold.
pub mod blobs;
pub mod lock;
pub mod protocol;
pub mod resource;
pub mod store;
