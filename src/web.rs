//! Doors: translate in, call one operation, translate out.

pub mod body;
pub mod webdav;
