//! One user of the server that is going to be killed, in a folder that nobody else touches: makes
//! requests, remembers what the folder has to look like, and compares.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::dice::Dice;
use super::exchange::{Line, Request};
use crate::common::{Client, Server};
use crate::programs::elements;

/// So few that overwriting, moving onto and locking again happen all the time.
const NAMES: u64 = 6;
/// Content above 4 KB lies in a file of its own, other content in the database.
const INLINE_MAX: usize = 4_096;
const CONTENT_MAX: usize = 200_000;
const LOCKINFO: &str = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope>\
                        <locktype><write/></locktype></lockinfo>";

/// What is known of one file.
#[derive(Debug, Clone, PartialEq)]
struct File {
    content: Vec<u8>,
    colour: Option<String>,
    lock: Lock,
}

#[derive(Debug, Clone, PartialEq)]
enum Lock {
    Free,
    Held(String),
    /// Asked for, and no answer came: the token cannot be known.
    Somebody,
}

type Folder = BTreeMap<String, File>;

/// A request, and the folder as it is once that succeeded.
struct Step {
    request: Request,
    success: &'static [u16],
    after: Folder,
}

pub struct Worker {
    folder_path: String,
    /// What was acknowledged.
    folder: Folder,
    /// What it is if the request that got no answer was carried out nevertheless.
    unanswered: Option<Folder>,
    client: Client,
    dice: Dice,
    sequence: u64,
}

impl Worker {
    pub fn new(number: u64, seed: u64) -> Self {
        Self {
            folder_path: format!("/worker-{number}/"),
            folder: Folder::new(),
            unanswered: None,
            client: Client::new("", None),
            dice: Dice::new(seed + number),
            sequence: 0,
        }
    }

    pub fn folder(&self) -> &str {
        &self.folder_path
    }

    /// From now on this server, which has a port of its own after each start.
    pub fn connect(&mut self, server: &Server) {
        self.client = server.client("alice", "alice-password");
    }

    /// Makes requests until one gets no answer. The number of those that got one, and their marks.
    pub fn work_until_killed(&mut self) -> (u64, Vec<String>) {
        let mut acknowledged = 0;
        let Ok(mut line) = Line::open(&self.client) else {
            return (acknowledged, Vec::new());
        };
        loop {
            let step = self.next_step();
            match line.exchange(&self.client, &step.request) {
                Err(_) => {
                    self.unanswered = Some(step.after);
                    return (acknowledged, line.marks());
                }
                Ok(answer) => {
                    let known = step.success.contains(&answer.status);
                    let Request { method, path, .. } = &step.request;
                    assert!(known, "{method} {path}: {answer}");
                    self.folder = step.after;
                    if *method == "LOCK" {
                        self.locked(path, &answer.lock_token());
                    }
                    acknowledged += 1;
                }
            }
        }
    }

    /// The folder on the server is the acknowledged one, or that with the unanswered request done.
    pub fn verify(&mut self, round: u64) {
        let found = self.look();
        let unanswered = self.unanswered.take();
        let expected = [Some(&self.folder), unanswered.as_ref()];
        let explained = expected
            .into_iter()
            .flatten()
            .any(|folder| explains(folder, &found));
        assert!(
            explained,
            "round {round}, {}:\nfound {}\nacknowledged {}\nor {}",
            self.folder_path,
            told(&found),
            told(&self.folder),
            unanswered
                .as_ref()
                .map_or_else(|| "nothing else".to_owned(), told)
        );
        self.folder = found;
        for (name, file) in &self.folder {
            if let Lock::Held(token) = &file.lock {
                let path = format!("{}{name}", self.folder_path);
                let submitted = format!("(<{token}>)");
                let refreshed = self.client.send("LOCK", &path, &[("If", &submitted)], "");
                refreshed.status(200).containing(token);
            }
        }
    }

    /// The folder as the server shows it.
    fn look(&self) -> Folder {
        let query = "<D:propfind xmlns:D='DAV:'><D:prop><D:lockdiscovery/>\
                     <colour xmlns='urn:example'/></D:prop></D:propfind>";
        let listing = self
            .client
            .propfind(&self.folder_path, "1", query)
            .status(207);
        let hrefs = elements(&listing, "href").into_iter();
        // Members only: `lockroot` and `locktoken` hold hrefs too.
        let mut names: Vec<_> = hrefs
            .filter_map(|href| href.strip_prefix(&self.folder_path).map(str::to_owned))
            .filter(|name| !name.is_empty())
            .collect();
        names.sort();
        names.dedup();
        let mut found = Folder::new();
        for name in names {
            let path = format!("{}{name}", self.folder_path);
            let properties = self.client.propfind(&path, "0", query).status(207);
            let tokens = elements(&properties, "locktoken");
            assert!(tokens.len() <= 1, "one exclusive lock: {properties}");
            let token = tokens.first().map(|href| between_tags(href));
            let content = self.client.get(&path).status(200).body;
            let colour = elements(&properties, "colour").pop();
            found.insert(
                name,
                File {
                    content,
                    colour,
                    lock: token.map_or(Lock::Free, Lock::Held),
                },
            );
        }
        found
    }

    fn locked(&mut self, path: &str, token: &str) {
        let name = &path[self.folder_path.len()..];
        self.folder.get_mut(name).expect("just locked").lock = Lock::Held(token.to_owned());
    }

    fn next_step(&mut self) -> Step {
        loop {
            let name = format!("file-{}", self.dice.below(NAMES));
            let step = match self.dice.below(10) {
                0..=3 => Some(self.put(&name)),
                4 => self.lock(&name),
                5 => self.unlock(&name),
                6..=7 => self.rename(&name),
                8 => self.colour(&name),
                _ => self.delete(&name),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn put(&mut self, name: &str) -> Step {
        self.sequence += 1;
        let max = if self.dice.below(2) == 0 {
            INLINE_MAX
        } else {
            CONTENT_MAX
        };
        let size = self.dice.below(max as u64);
        let content = content(
            &self.folder_path,
            self.sequence,
            usize::try_from(size).unwrap(),
        );
        let mut after = self.folder.clone();
        let empty = File {
            content: Vec::new(),
            colour: None,
            lock: Lock::Free,
        };
        after
            .entry(name.to_owned())
            .or_insert(empty)
            .content
            .clone_from(&content);
        let mut step = self.step("PUT", name, &[name], &[201, 204], after);
        step.request.body = content;
        step
    }

    /// Of a name that is free as well: that makes an empty file.
    fn lock(&self, name: &str) -> Option<Step> {
        let mut after = self.folder.clone();
        let empty = File {
            content: Vec::new(),
            colour: None,
            lock: Lock::Free,
        };
        let file = after.entry(name.to_owned()).or_insert(empty);
        if file.lock != Lock::Free {
            return None;
        }
        file.lock = Lock::Somebody;
        let mut step = self.step("LOCK", name, &[], &[200, 201], after);
        step.request
            .headers
            .push(("Timeout", "Second-1800".to_owned()));
        step.request.body = LOCKINFO.into();
        Some(step)
    }

    fn unlock(&self, name: &str) -> Option<Step> {
        let token = self.token(name)?;
        let mut after = self.folder.clone();
        after.get_mut(name)?.lock = Lock::Free;
        let mut step = self.step("UNLOCK", name, &[], &[204], after);
        step.request
            .headers
            .push(("Lock-Token", format!("<{token}>")));
        Some(step)
    }

    /// MOVE within the folder, onto another file too. That one keeps its lock and takes the rest.
    fn rename(&mut self, name: &str) -> Option<Step> {
        let to = format!("file-{}", self.dice.below(NAMES));
        let mut after = self.folder.clone();
        let mut file = after.remove(name)?;
        if to == name {
            return None;
        }
        if let Some(Lock::Held(token)) = after.get(&to).map(|target| &target.lock) {
            file.lock = Lock::Held(token.clone());
        }
        after.insert(to.clone(), file);
        let mut step = self.step("MOVE", name, &[name, &to], &[201, 204], after);
        let destination = self.client.url(&format!("{}{to}", self.folder_path));
        step.request.headers.push(("Destination", destination));
        Some(step)
    }

    fn colour(&mut self, name: &str) -> Option<Step> {
        self.sequence += 1;
        let colour = format!("colour {}", self.sequence);
        let mut after = self.folder.clone();
        after.get_mut(name)?.colour = Some(colour.clone());
        let body = format!(
            "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop>\
             <colour xmlns='urn:example'>{colour}</colour></D:prop></D:set></D:propertyupdate>"
        );
        let mut step = self.step("PROPPATCH", name, &[name], &[207], after);
        step.request.body = body.into();
        Some(step)
    }

    fn delete(&self, name: &str) -> Option<Step> {
        let mut after = self.folder.clone();
        after.remove(name)?;
        Some(self.step("DELETE", name, &[name], &[204], after))
    }

    /// A request without a body that submits the tokens of `names`.
    fn step(
        &self,
        method: &'static str,
        name: &str,
        names: &[&str],
        success: &'static [u16],
        after: Folder,
    ) -> Step {
        let tagged = |name: &&str| {
            let url = self.client.url(&format!("{}{name}", self.folder_path));
            self.token(name).map(|token| format!("<{url}> (<{token}>)"))
        };
        let submitted: Vec<_> = names.iter().filter_map(tagged).collect();
        let mut headers = Vec::new();
        if !submitted.is_empty() {
            headers.push(("If", submitted.join(" ")));
        }
        let path = format!("{}{name}", self.folder_path);
        let request = Request {
            method,
            path,
            headers,
            body: Vec::new(),
        };
        Step {
            request,
            success,
            after,
        }
    }

    fn token(&self, name: &str) -> Option<&str> {
        match &self.folder.get(name)?.lock {
            Lock::Held(token) => Some(token),
            Lock::Free | Lock::Somebody => None,
        }
    }
}

/// Names its folder, its number and its length, and ends with a checksum of all before.
pub fn content(folder: &str, sequence: u64, size: usize) -> Vec<u8> {
    let line = format!("{folder} {sequence} {size}\n");
    let mut content = line.repeat(size / line.len() + 1).into_bytes();
    let sum = Sha256::digest(&content);
    content.extend_from_slice(&sum);
    content
}

fn explains(expected: &Folder, found: &Folder) -> bool {
    expected.len() == found.len()
        && expected
            .iter()
            .zip(found)
            .all(|((name, file), (found_name, found_file))| {
                let lock = match &file.lock {
                    Lock::Somebody => found_file.lock != Lock::Free,
                    known => *known == found_file.lock,
                };
                let rest = (name, &file.content, &file.colour);
                lock && rest == (found_name, &found_file.content, &found_file.colour)
            })
}

/// Each way in which a file can differ from what was acknowledged fails the comparison.
pub fn assert_differences_are_seen() {
    let lock = Lock::Held("a".to_owned());
    let file = File {
        content: content("/", 1, 500),
        colour: Some("red".to_owned()),
        lock,
    };
    let folder = |name: &str, file: &File| Folder::from([(name.to_owned(), file.clone())]);
    let known = folder("file", &file);
    assert!(explains(&known, &known));
    let mut torn = file.clone();
    torn.content[300] ^= 1;
    let mut short = file.clone();
    short.content.pop();
    let colourless = File {
        colour: None,
        ..file.clone()
    };
    let free = File {
        lock: Lock::Free,
        ..file.clone()
    };
    let renewed = File {
        lock: Lock::Held("b".to_owned()),
        ..file.clone()
    };
    for other in [&torn, &short, &colourless, &free, &renewed] {
        assert!(!explains(&known, &folder("file", other)), "{other:?}");
    }
    assert!(!explains(&known, &folder("other", &file)));
    assert!(!explains(&known, &Folder::new()) && !explains(&Folder::new(), &known));
    let asked = folder(
        "file",
        &File {
            lock: Lock::Somebody,
            ..file.clone()
        },
    );
    assert!(explains(&asked, &folder("file", &renewed)));
    assert!(!explains(&asked, &folder("file", &free)));
}

/// A folder in a few lines, without the content.
fn told(folder: &Folder) -> String {
    let line = |(name, file): (&String, &File)| {
        let size = file.content.len();
        let first = file
            .content
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        format!(
            "\n  {name}: {size} bytes {first:?} {:?} {:?}",
            file.colour, file.lock
        )
    };
    folder.iter().map(line).collect()
}

/// The text in `<D:href>text</D:href>`.
fn between_tags(element: &str) -> String {
    let text = element.trim().split('>').nth(1).unwrap_or_default();
    text.split('<').next().unwrap_or_default().to_owned()
}
