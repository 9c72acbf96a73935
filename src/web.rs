//! The door: HTTP in, one operation, HTTP out. Here, and only here, are hyper and the clock.

mod access_log;
pub mod auth;
pub mod body;
pub mod clock;
pub mod control;
pub mod door;
mod guarded_io;
pub mod metrics;
mod request_line;
mod reserved;
pub mod server;
pub mod tls;
pub mod webdav;
