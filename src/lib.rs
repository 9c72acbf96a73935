//! Lockkeeper: a WebDAV server whose locks hold.
pub mod blobs;
pub mod cli;
pub mod config;
pub mod lock;
pub mod ops;
pub mod protocol;
pub mod resource;
pub mod store;
pub mod web;
