//! For tests that drive other programs: whether what they need is there, running a program that has
//! to succeed, and what a WebDAV tree looks like afterwards.
//!
//! Knows just enough XML to pick texts out of our own answers; not a parser.

#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

pub mod python;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{Client, Response};

/// Runs a command that has to succeed; its standard output.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Status and both outputs of a program, for a failure message.
pub fn told(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Whether all `programs` are installed. Says which one is not; fails where nothing may be skipped.
pub fn installed(programs: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let is_there = |program| {
        path.split(':')
            .any(|folder| Path::new(folder).join(program).exists())
    };
    let missing = programs.iter().find(|program| !is_there(**program));
    missing.is_none_or(|program| skipped(&format!("{program} is not installed")))
}

/// Whether this process may mount file systems.
pub fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    root || skipped("mounting needs root")
}

/// Always false: the caller then leaves its test. Fails where nothing may be skipped.
pub fn skipped(why: &str) -> bool {
    let strict = std::env::var("LOCKKEEPER_NO_SKIPS").is_ok_and(|value| value == "1");
    assert!(!strict, "LOCKKEEPER_NO_SKIPS=1, but {why}");
    println!("skipped: {why}");
    false
}

/// Every file below a collection, as decoded paths relative to it, sorted.
pub fn files_below(client: &Client, collection: &str) -> Vec<String> {
    let answer = find_below(client, collection, "resourcetype");
    let decode = |path| {
        percent_encoding::percent_decode_str(path)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut files: Vec<_> = elements(&answer, "href")
        .iter()
        .filter(|href| !href.ends_with('/'))
        .map(|href| {
            decode(
                href.strip_prefix(collection)
                    .expect("a member of the collection"),
            )
        })
        .collect();
    files.sort();
    files
}

/// What stands in each `activelock` element at and below a collection.
pub fn locks_below(client: &Client, collection: &str) -> Vec<String> {
    elements(
        &find_below(client, collection, "lockdiscovery"),
        "activelock",
    )
}

/// Fails the test when a lock is left anywhere.
#[track_caller]
pub fn assert_no_lock_left(client: &Client) {
    assert_eq!(
        locks_below(client, "/"),
        Vec::<String>::new(),
        "locks are left"
    );
}

fn find_below(client: &Client, collection: &str, property: &str) -> Response {
    let body = format!("<propfind xmlns='DAV:'><prop><{property}/></prop></propfind>");
    client.propfind(collection, "infinity", &body).status(207)
}

/// What stands between the tags of every element of that local name, whatever its prefix.
pub fn elements(answer: &Response, local_name: &str) -> Vec<String> {
    let text = answer.text();
    let mut found = Vec::new();
    let mut content_start = None;
    for (at, _) in text.match_indices('<') {
        let tag = &text[at + 1..];
        let tag = &tag[..tag.find('>').expect("every tag ends")];
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap_or_default();
        if name.rsplit(':').next() != Some(local_name) || tag.ends_with('/') {
            continue;
        }
        match (tag.starts_with('/'), content_start.take()) {
            (true, Some(start)) => found.push(text[start..at].to_owned()),
            _ => content_start = Some(at + tag.len() + 2),
        }
    }
    found
}
