//! The ground floor: bytes of HTTP and WebDAV into values and back. No I/O, no clock, no hyper.

pub mod error;
pub mod headers;
pub mod if_header;
pub mod live;
pub mod lock_kinds;
pub mod path;
pub mod time;
pub mod xml;
