//! The content files on the disk are those that some version of some file uses, and no other.

use std::collections::HashSet;
use std::path::Path;

use crate::archive::versions;
use crate::common::{Client, Server};

/// Longer content lies in a file of its own.
const INLINE_MAX: usize = 4_096;

/// Waits until the server has tidied up, which must end with a file for each content. Their number.
/// No content is uploaded twice, so equal bytes are shared ones.
pub fn assert_nothing_is_left_over(server: &Server, reader: &Client, round: u64) -> usize {
    crate::wait_until(|| {
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
    let contents = files.flat_map(|response| versions(reader, id(response)).into_values());
    let large: HashSet<Vec<u8>> = contents
        .filter(|content| content.len() > INLINE_MAX)
        .collect();
    large.len()
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
