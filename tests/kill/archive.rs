//! Few files that get version after version, so that old ones go in the background all the time
//! while the server is killed: uploads, restores and copies, which share content with versions that
//! go and with files that stay.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::KEPT;
use crate::common::{Client, Server};
use crate::dice::Dice;
use crate::exchange::{Line, Request};
use crate::worker::content;

const FILES: usize = 3;
const INLINE_MAX: u64 = 4_096;
const CONTENT_MAX: u64 = 40_000;

/// Content by number. Of those that are not kept only what has been seen since.
type Versions = BTreeMap<u32, Vec<u8>>;

pub struct Archive {
    /// Their ids, as the DocSpace-compatible API has them.
    ids: [u64; FILES],
    files: [Versions; FILES],
    /// What they are if the request that got no answer was carried out nevertheless.
    unanswered: Option<[Versions; FILES]>,
    client: Client,
    dice: Dice,
    sequence: u64,
}

impl Archive {
    pub fn new(server: &Server) -> Self {
        let client = server.client("alice", "alice-password");
        client.mkcol("/archive").status(201);
        for number in 0..FILES {
            client.put(&path(number), "first").status(201);
        }
        Self {
            ids: std::array::from_fn(|number| id_of(&client, &path(number))),
            files: std::array::from_fn(|_| Versions::from([(1, b"first".to_vec())])),
            unanswered: None,
            client,
            dice: Dice::new(1_000),
            sequence: 0,
        }
    }

    /// From now on this server, which has a port of its own after each start.
    pub fn connect(&mut self, server: &Server) {
        self.client = server.client("alice", "alice-password");
    }

    /// Makes requests until one gets no answer. The number of those that got one, and their marks.
    pub fn work_until_killed(&mut self) -> (u64, Vec<String>) {
        let Ok(mut line) = Line::open(&self.client) else {
            return (0, Vec::new());
        };
        let mut acknowledged = 0;
        loop {
            let (request, after) = self.next_step();
            let Ok(answer) = line.exchange(&self.client, &request) else {
                self.unanswered = Some(after);
                return (acknowledged, line.marks());
            };
            let Request { method, path, .. } = &request;
            assert!(answer.status < 300, "{method} {path}: {answer}");
            self.files = after;
            acknowledged += 1;
        }
    }

    fn next_step(&mut self) -> (Request, [Versions; FILES]) {
        let to = self.any_file();
        let (request, new) = match self.dice.below(8) {
            0 | 1 => self.restore(to),
            2 => self.copy(to),
            _ => self.upload(to),
        };
        let mut after = self.files.clone();
        after[to].insert(present(&self.files[to]) + 1, new);
        (request, after)
    }

    fn any_file(&mut self) -> usize {
        usize::try_from(self.dice.below(FILES as u64)).unwrap()
    }

    fn upload(&mut self, to: usize) -> (Request, Vec<u8>) {
        self.sequence += 1;
        let max = [INLINE_MAX, CONTENT_MAX][usize::try_from(self.dice.below(2)).unwrap()];
        let size = usize::try_from(self.dice.below(max)).unwrap();
        let new = content("/archive", self.sequence, size);
        let mut request = request("PUT", path(to));
        request.body.clone_from(&new);
        (request, new)
    }

    /// One that is certainly kept, the present one too.
    fn restore(&mut self, to: usize) -> (Request, Vec<u8>) {
        let file = &self.files[to];
        let kept: Vec<u32> = kept(present(file)).collect();
        let number = kept[usize::try_from(self.dice.below(kept.len() as u64)).unwrap()];
        let new = file[&number].clone();
        let id = self.ids[to];
        let path = format!("/api/2.0/files/file/{id}/restoreversion?version={number}");
        (request("POST", path), new)
    }

    fn copy(&mut self, to: usize) -> (Request, Vec<u8>) {
        let from = (to + 1) % FILES;
        let mut request = request("COPY", path(from));
        let destination = self.client.url(&path(to));
        request.headers.push(("Destination", destination));
        let file = &self.files[from];
        (request, file[&present(file)].clone())
    }

    /// What the server has is what was acknowledged, or that with the unanswered request done; and a
    /// moment later exactly the versions that are kept are left. Their number.
    pub fn verify(&mut self, round: u64) -> usize {
        let unanswered = self.unanswered.take();
        let found: [Versions; FILES] = self.ids.map(|id| versions(&self.client, id));
        let explanation = std::iter::once(&self.files)
            .chain(&unanswered)
            .find(|files| {
                files
                    .iter()
                    .zip(&found)
                    .all(|(known, found)| explains(known, found))
            });
        let Some(explanation) = explanation else {
            panic!(
                "round {round}: found {:#?}\nacknowledged {:#?}\nor {:#?}",
                told(&found),
                told(&self.files),
                unanswered.as_ref().map(told)
            );
        };
        self.files = explanation.clone();
        for file in &mut self.files {
            let kept = kept(present(file));
            file.retain(|number, _| kept.contains(number));
        }
        crate::wait_until(|| {
            let left = self.ids.map(|id| versions(&self.client, id));
            if left == self.files {
                return Ok(left.iter().map(BTreeMap::len).sum());
            }
            let (left, kept) = (told(&left), told(&self.files));
            Err(format!(
                "round {round}: left are {left:#?}\ninstead of {kept:#?}"
            ))
        })
    }
}

fn request(method: &'static str, path: String) -> Request {
    Request {
        method,
        path,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

fn path(number: usize) -> String {
    format!("/archive/{number}")
}

fn id_of(client: &Client, path: &str) -> u64 {
    let query = "<propfind xmlns='DAV:'><prop><resource-id/></prop></propfind>";
    let answer = client.propfind(path, "0", query).status(207).text();
    let (_, rest) = answer
        .split_once(">urn:lockkeeper:")
        .expect("every resource has an id");
    u64::from_str_radix(&rest[..32], 16).unwrap()
}

/// Every version of a file and its content, as the server shows them.
pub fn versions(client: &Client, id: u64) -> Versions {
    let file = format!("/api/2.0/files/file/{id}");
    let history = client.get(&format!("{file}/history")).status(200);
    let history: Value = serde_json::from_slice(&history.body).unwrap();
    let listed = history["response"].as_array().unwrap().iter();
    let numbers = listed.map(|version| version["version"].as_u64().unwrap());
    let content = |number| {
        let answer = client.get(&format!("{file}/download?version={number}"));
        // Of those that are listed and not kept, one may go before it is read.
        (answer.status != 404).then(|| (u32::try_from(number).unwrap(), answer.status(200).body))
    };
    numbers.filter_map(content).collect()
}

fn present(file: &Versions) -> u32 {
    *file.keys().next_back().expect("every file has a version")
}

/// The numbers that a file must have.
fn kept(present: u32) -> std::ops::RangeInclusive<u32> {
    let old = u32::try_from(KEPT).unwrap();
    present.saturating_sub(old).max(1)..=present
}

/// All that are kept are there, each found one has the content it was given, and none is newer than
/// the present one.
fn explains(known: &Versions, found: &Versions) -> bool {
    let present = present(known);
    kept(present).all(|number| found.contains_key(&number))
        && found
            .iter()
            .all(|(number, content)| known.get(number) == Some(content))
}

fn told(files: &[Versions; FILES]) -> Vec<Vec<String>> {
    let line = |(number, content): (&u32, &Vec<u8>)| {
        let first = content
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = String::from_utf8_lossy(&first[..first.len().min(60)]).into_owned();
        format!("{number}: {} bytes, {first:?}", content.len())
    };
    let lines = |file: &Versions| file.iter().map(line).collect();
    files.iter().map(lines).collect()
}

/// Each way in which a file can differ from what was acknowledged fails the comparison.
pub fn assert_differences_are_seen() {
    let last = u32::try_from(KEPT).unwrap() + 3;
    let versions = |numbers: std::ops::RangeInclusive<u32>| -> Versions {
        numbers
            .map(|number| (number, vec![7; number as usize]))
            .collect()
    };
    let known = versions(1..=last);
    for (found, same) in [
        (versions(1..=last), true),
        (versions(2..=last), true),
        (versions(3..=last), true),
        (versions(4..=last), false),
        (versions(3..=last - 1), false),
        (versions(3..=last + 1), false),
    ] {
        assert_eq!(explains(&known, &found), same, "{:?}", found.keys());
    }
    for number in 3..=last {
        let mut lost = known.clone();
        lost.remove(&number);
        assert!(!explains(&known, &lost), "{number} is lost");
        let mut torn = known.clone();
        torn.get_mut(&number).unwrap()[0] ^= 1;
        assert!(!explains(&known, &torn), "{number} is torn");
    }
}
