//! Few files that get version after version, so that old ones go in the background all the time
//! while the server is killed: uploads, restores and copies, which share content with versions that
//! go and with files that stay.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::KEPT;
use super::dice::Dice;
use super::exchange::{Line, Request};
use super::worker::content;
use crate::common::{Client, Server};

const FILES: usize = 3;
const INLINE_MAX: u64 = 4_096;
const CONTENT_MAX: u64 = 40_000;
/// At once on a file.
const LABELLED_MAX: usize = 2;

/// One version of a file.
#[derive(Debug, Clone, PartialEq)]
struct Version {
    content: Vec<u8>,
    label: Option<String>,
}

/// By number. Of those that are not kept only what there was since the last kill.
type Versions = BTreeMap<u32, Version>;

pub struct Archive {
    ids: [u64; FILES],
    /// The id of their collection.
    project: u64,
    files: [Versions; FILES],
    /// What they are if the request that got no answer was carried out nevertheless.
    unanswered: Option<[Versions; FILES]>,
    /// Which version of which file each entity tag that was ever seen is of.
    tags: HashMap<String, (u64, u32)>,
    client: Client,
    dice: Dice,
    sequence: u64,
}

impl Archive {
    pub fn new(server: &Server, seed: u64) -> Self {
        let client = server.client("alice", "alice-password");
        client.mkcol("/archive").status(201);
        for number in 0..FILES {
            client.put(&path(number), "first").status(201);
        }
        Self {
            ids: std::array::from_fn(|number| id_of(&client, &path(number))),
            project: id_of(&client, "/archive"),
            files: std::array::from_fn(|_| Versions::from([(1, plain(b"first".to_vec()))])),
            unanswered: None,
            tags: HashMap::new(),
            client,
            dice: Dice::new(seed + 1_000),
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
        let mut after = self.files.clone();
        let what = self.dice.below(10);
        if what < 2 {
            let (request, number, label) = self.label(to);
            after[to].get_mut(&number).unwrap().label = label;
            return (request, after);
        }
        let (request, new) = match what {
            2 | 3 => self.restore(to),
            4 => self.copy(to),
            _ => self.upload(to),
        };
        after[to].insert(present(&self.files[to]) + 1, plain(new));
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

    /// A label for a version, or none any more. Few have one, so that most go.
    fn label(&mut self, to: usize) -> (Request, u32, Option<String>) {
        self.sequence += 1;
        let labelled = |(_, version): &(&u32, &Version)| version.label.is_some();
        let oldest = self.files[to]
            .iter()
            .find(labelled)
            .map(|(number, _)| *number);
        let count = self.files[to].iter().filter(labelled).count();
        let (number, label) = match oldest.filter(|_| count >= LABELLED_MAX) {
            Some(number) => (number, None),
            None => (self.any_kept(to), Some(format!("label {}", self.sequence))),
        };
        let (project, id) = (self.project, self.ids[to]);
        let path = format!("/api/project/{project:032x}/inode/{id:032x}/version/{number}/label");
        let mut request = request("PUT", path);
        request
            .headers
            .push(("Content-Type", "application/json".to_owned()));
        request.body = json!({ "label": label }).to_string().into_bytes();
        (request, number, label)
    }

    /// One that is certainly kept, the present one too.
    fn any_kept(&mut self, of: usize) -> u32 {
        let kept: Vec<u32> = kept(&self.files[of]).collect();
        kept[usize::try_from(self.dice.below(kept.len() as u64)).unwrap()]
    }

    fn restore(&mut self, to: usize) -> (Request, Vec<u8>) {
        let number = self.any_kept(to);
        let new = self.files[to][&number].content.clone();
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
        (request, file[&present(file)].content.clone())
    }

    /// What the server has is what was acknowledged, or that with the unanswered request done; and
    /// a moment later exactly the versions that are kept are left. Their number.
    pub fn verify(&mut self, round: u64) -> usize {
        let unanswered = self.unanswered.take();
        let found = self.ids.map(|id| self.look(id));
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
            let kept: Vec<u32> = kept(file).collect();
            file.retain(|number, _| kept.contains(number));
        }
        let files = self.files.clone();
        super::wait_until(|| {
            let left = self.ids.map(|id| self.look(id));
            if left == files {
                return Ok(left.iter().map(BTreeMap::len).sum());
            }
            let (left, kept) = (told(&left), told(&files));
            Err(format!(
                "round {round}: left are {left:#?}\ninstead of {kept:#?}"
            ))
        })
    }

    /// Every version of a file, as the server shows them. An entity tag stays what it was, and is
    /// never that of anything else.
    fn look(&mut self, id: u64) -> Versions {
        let file = format!("/api/project/{:032x}/inode/{id:032x}", self.project);
        let history = self
            .client
            .get(&format!("{file}/version?limit=1000"))
            .status(200);
        let history: Value = serde_json::from_slice(&history.body).unwrap();
        let mut found = Versions::new();
        for listed in history["Result"]["items"].as_array().unwrap() {
            let number = u32::try_from(listed["number"].as_u64().unwrap()).unwrap();
            let answer = self.client.get(&format!("{file}/version/{number}/content"));
            // Of those that are listed and not kept, one may go before it is read.
            if answer.status == 404 {
                continue;
            }
            let answer = answer.status(200);
            assert_eq!(listed["etag"], answer.etag(), "{listed}");
            let of = *self.tags.entry(answer.etag()).or_insert((id, number));
            assert_eq!(of, (id, number), "{listed}");
            let label = listed["label"].as_str().map(str::to_owned);
            let content = answer.body;
            found.insert(number, Version { content, label });
        }
        found
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

fn plain(content: Vec<u8>) -> Version {
    let label = None;
    Version { content, label }
}

fn present(file: &Versions) -> u32 {
    *file.keys().next_back().expect("every file has a version")
}

/// The numbers that a file must have.
fn kept(file: &Versions) -> impl Iterator<Item = u32> {
    let first = present(file).saturating_sub(u32::try_from(KEPT).unwrap());
    let is_kept =
        move |(number, version): &(&u32, &Version)| **number >= first || version.label.is_some();
    file.iter().filter(is_kept).map(|(number, _)| *number)
}

/// All that are kept are there, each found one has the content it was given, and none is newer than
/// the present one.
fn explains(known: &Versions, found: &Versions) -> bool {
    kept(known).all(|number| found.contains_key(&number))
        && found
            .iter()
            .all(|(number, version)| known.get(number) == Some(version))
}

fn told(files: &[Versions; FILES]) -> Vec<Vec<String>> {
    let line = |(number, version): (&u32, &Version)| {
        let Version { content, label } = version;
        let first = content
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = String::from_utf8_lossy(&first[..first.len().min(60)]).into_owned();
        format!("{number}: {} bytes, {first:?} {label:?}", content.len())
    };
    let lines = |file: &Versions| file.iter().map(line).collect();
    files.iter().map(lines).collect()
}

/// Each way in which a file can differ from what was acknowledged fails the comparison.
pub fn assert_differences_are_seen() {
    let last = u32::try_from(KEPT).unwrap() + 3;
    let versions = |numbers: std::ops::RangeInclusive<u32>| -> Versions {
        numbers
            .map(|number| (number, plain(vec![7; number as usize])))
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
        torn.get_mut(&number).unwrap().content[0] ^= 1;
        assert!(!explains(&known, &torn), "{number} is torn");
    }
    let mut labelled = known.clone();
    labelled.get_mut(&1).unwrap().label = Some("one".to_owned());
    assert!(explains(&labelled, &labelled));
    assert!(!explains(&labelled, &known), "the label is lost");
    assert!(!explains(&known, &labelled), "the label is new");
    assert!(
        !explains(&labelled, &versions(2..=last)),
        "a labelled one is lost"
    );
}
