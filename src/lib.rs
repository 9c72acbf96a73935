//! Lockkeeper: a WebDAV server whose locks hold.
//!
//! The floors, from the door down; who may name whom goes one way:
//!
//! - [`cli`]: the commands. [`config`]: every setting and limit.
//! - [`web`]: doors. hyper, TLS, sign-in, and the faces: WebDAV, the check-out API and the
//!   DocSpace-compatible API; the only clock.
//! - [`ops`]: one function for each thing a user can do, each one transaction:
//!   *read what the rules need, ask the rules, write*.
//! - [`backup`]: the store as plain files of one moment, and back.
//! - [`store`] and [`blobs`]: keeping. Rows behind a seam of two traits, content in files.
//! - [`event`]: what happened, as the record keeps it.
//! - [`rights`]: roles, privileges, and which grant counts.
//! - [`lock`]: what a lock is, and in [`lock::rules`] what it lets whom do. [`resource`]: what the
//!   tree is made of.
//! - [`protocol`]: bytes of HTTP and WebDAV into values and back.
//!
//! A `PUT` walks from `web::server` (connection) by `web::door` (who is it) to `web::webdav`
//! (headers into types), asks [`ops::Dav::may_upload`] before it reads a large body into an
//! [`ops::intake::Intake`], and ends in [`ops::Dav::upload`], which asks inside its transaction.
//! A CheckOut goes from the door to its row of the table in `web::api`, and from its handler in
//! `web::api::checkout` to [`ops::Dav::lock`]. `ARCHITECTURE.md` tells more.

pub mod backup;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod event;
pub mod lock;
pub mod ops;
pub mod protocol;
pub mod resource;
pub mod rights;
pub mod store;
pub mod web;
