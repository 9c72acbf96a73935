//! The bodies of the fuzz targets: what must hold for any bytes that a client, a settings file or
//! a damaged disk hands in. A body panics when it does not hold. `cargo fuzz` runs each behind a
//! wrapper in `fuzz_targets/`; `tests/corpus.rs` includes this file and runs the same bodies over
//! the kept corpora and over mutations of them.

pub mod api;
pub mod conditions;
pub mod config;
pub mod connection;
pub mod cursors;
pub mod headers;
mod http;
pub mod if_header;
pub mod path;
pub mod planted;
pub mod rows;
mod site;
pub mod xml;
