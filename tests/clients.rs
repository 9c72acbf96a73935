//! Real programs against the built server: a davfs2 mount, LibreOffice, cadaver, rclone and curl.
//!
//! A program that is not installed is skipped with a line that says so; with
//! `LOCKKEEPER_NO_SKIPS=1`, as in CI, it fails. Debian's names of the packages are in `.ci/run`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests of programs speak to people"
)]
#![allow(clippy::disallowed_methods, reason = "real programs take real time")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

#[path = "clients/cadaver.rs"]
mod cadaver;
#[path = "clients/curl.rs"]
mod curl;
#[path = "clients/davfs2.rs"]
mod davfs2;
#[path = "clients/libreoffice.rs"]
mod libreoffice;
#[path = "clients/rclone.rs"]
mod rclone;
#[path = "clients/safe_save.rs"]
mod safe_save;
