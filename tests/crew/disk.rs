//! The content files on the disk are those that some version of some file uses, and no other.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use crate::common::{Client, Server};

/// Longer content lies in a file of its own.
const INLINE_MAX: usize = 4_096;

/// Waits until the server has tidied up, which must end with a file for each content. Their number.
/// No content is uploaded twice, so equal bytes are shared ones.
pub fn assert_nothing_is_left_over(server: &Server, reader: &Client, round: u64) -> usize {
    super::wait_until(|| {
        let used = contents_in_use(reader);
        let found = content_files(&server.data().join("content"));
        if used == found {
            return Ok(found);
        }
        Err(format!(
            "round {round}: {used} contents are in use, and {found} are on the disk"
        ))
    })
}

fn contents_in_use(reader: &Client) -> usize {
    let query = "<propfind xmlns='DAV:'><prop><resource-id/><getetag/></prop></propfind>";
    let all = reader.propfind("/", "infinity", query).status(207).text();
    let files = all
        .split("<D:response>")
        .filter(|response| response.contains("<D:getetag>"));
    let id = |response: &str| {
        let (_, rest) = response.split_once(">urn:lockkeeper:").expect("an id");
        u64::from_str_radix(&rest[..32], 16).unwrap()
    };
    let contents = files.flat_map(|response| contents_of(reader, id(response)));
    let large: HashSet<Vec<u8>> = contents
        .filter(|content| content.len() > INLINE_MAX)
        .collect();
    large.len()
}

/// Of every version of a file. One that goes before it is read is none that is kept.
fn contents_of(reader: &Client, id: u64) -> Vec<Vec<u8>> {
    let file = format!("/api/2.0/files/file/{id}");
    let history = reader.get(&format!("{file}/history")).status(200);
    let history: Value = serde_json::from_slice(&history.body).unwrap();
    let listed = history["response"].as_array().unwrap().iter();
    let read = |version: &Value| {
        let number = &version["version"];
        reader.get(&format!("{file}/download?version={number}"))
    };
    let answers = listed.map(read).filter(|answer| answer.status != 404);
    answers.map(|answer| answer.status(200).body).collect()
}

fn content_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let count = |entry: std::fs::DirEntry| {
        let is_folder = entry.file_type().unwrap().is_dir();
        if is_folder {
            content_files(&entry.path())
        } else {
            1
        }
    };
    entries.map(count).sum()
}
