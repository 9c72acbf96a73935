//! The door: HTTP in, one operation, HTTP out. Here, and only here, are hyper and the clock.

mod access_log;
mod address;
mod api;
pub mod auth;
pub mod body;
mod caller;
pub mod clock;
pub mod control;
pub mod door;
mod download;
mod framing;
mod guarded_io;
mod lane;
pub mod metrics;
mod origin;
mod reserved;
pub mod server;
pub mod tls;
mod turns;
pub mod webdav;
pub mod webhooks;
