//! Two managers of one project at their desks: they check files out and in, steal them from each
//! other, upload new versions and upload with the check-in, all through the check-out API of the
//! server that is going to be killed.

use std::collections::BTreeMap;
use std::iter::repeat_with;

use serde_json::{Value, json};

use super::KEPT;
use super::dice::Dice;
use super::exchange::{Line, Request};
use crate::common::{Client, Response, Server};

const FILES: u64 = 4;
/// How often a history is read again because a version that it named was pruned meanwhile.
const LOOKS: usize = 3;
/// Above 4 KB content lies in a file of its own.
const CONTENT_MAX: u64 = 10_000;
const PEOPLE: [&str; 2] = ["alice", "bob"];

#[derive(Debug, Clone, PartialEq)]
enum CheckOut {
    None,
    /// By whom, and the token.
    Of(usize, String),
    /// Asked for, and no answer came: the token cannot be known.
    Unknown(usize),
}

/// What is known of one file.
#[derive(Debug, Clone, PartialEq)]
struct File {
    /// The content of every version, the first one first.
    versions: Vec<String>,
    /// The check-out under which the last one was uploaded: the next one takes its place.
    written_under: Option<String>,
    check_out: CheckOut,
}

type Files = BTreeMap<u64, File>;

pub struct Desk {
    project: u64,
    /// By inode.
    files: Files,
    /// What it is if the request that got no answer was carried out nevertheless.
    unanswered: Option<Files>,
    clients: [Client; 2],
    dice: Dice,
    sequence: u64,
}

/// A request, and the files as they are once that succeeded.
struct Step {
    by: usize,
    request: Request,
    file: u64,
    after: Files,
}

fn json_of(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

impl Desk {
    /// Makes the project with its files. Everybody is an editor; a steal needs a manager.
    pub fn new(server: &Server, seed: u64) -> Self {
        let clients = PEOPLE.map(|name| server.client(name, &format!("{name}-password")));
        clients[0].mkcol("/desk").status(201);
        for name in PEOPLE {
            let grant = ["grant", "set", "/desk", "manager", "--user", name];
            let output = crate::common::run(&mut server.command(&grant), "");
            assert!(output.status.success(), "{output:?}");
        }
        for number in 0..FILES {
            let path = format!("/desk/{number}");
            clients[0].put(&path, "first").status(201);
        }
        let projects = json_of(&clients[0].get("/api/project").status(200));
        let projects = projects["Result"]["items"].as_array().unwrap();
        let desk = projects.iter().find(|project| project["name"] == "desk");
        let project = id(&desk.unwrap()["projectId"]);
        let folder = format!("/api/project/{project:032x}/folder/{project:032x}");
        let members = json_of(&clients[0].get(&folder).status(200));
        let members = members["Result"]["items"].as_array().unwrap();
        let first = File {
            versions: vec!["first".to_owned()],
            written_under: None,
            check_out: CheckOut::None,
        };
        let files: Files = members
            .iter()
            .map(|member| (id(&member["inodeId"]), first.clone()))
            .collect();
        assert_eq!(files.len() as u64, FILES);
        Self {
            project,
            files,
            unanswered: None,
            clients,
            dice: Dice::new(seed + 2_000),
            sequence: 0,
        }
    }

    /// From now on this server, which has a port of its own after each start.
    pub fn connect(&mut self, server: &Server) {
        self.clients = PEOPLE.map(|name| server.client(name, &format!("{name}-password")));
    }

    /// Makes requests until one gets no answer. The number of those that got one.
    pub fn work_until_killed(&mut self) -> u64 {
        let mut acknowledged = 0;
        let Ok(mut line) = Line::open(&self.clients[0]) else {
            return acknowledged;
        };
        loop {
            let step = self.next_step();
            let Ok(answer) = line.exchange(&self.clients[step.by], &step.request) else {
                self.unanswered = Some(step.after);
                return acknowledged;
            };
            let Request { method, path, .. } = &step.request;
            assert_eq!(answer.status, 200, "{method} {path}: {answer}");
            self.files = step.after;
            let file = self.files.get_mut(&step.file).unwrap();
            if let CheckOut::Unknown(by) = file.check_out {
                let token = json_of(&answer)["Result"]["lockId"].clone();
                file.check_out = CheckOut::Of(by, token.as_str().unwrap().to_owned());
            }
            acknowledged += 1;
        }
    }

    fn next_step(&mut self) -> Step {
        let all: Vec<u64> = self.files.keys().copied().collect();
        let file = all[usize::try_from(self.dice.below(FILES)).unwrap()];
        let known = self.files[&file].clone();
        let mut after = known.clone();
        let (by, what, body) = match (known.check_out, self.dice.below(4)) {
            (CheckOut::None, 0) => return self.upload(file, 0, false),
            (CheckOut::None, number) => {
                let by = usize::try_from(number % 2).unwrap();
                after.check_out = CheckOut::Unknown(by);
                (by, "checkout", json!({"comment": "mine"}))
            }
            (CheckOut::Of(by, _), 0) => return self.upload(file, by, false),
            (CheckOut::Of(by, _), 1) => return self.upload(file, by, true),
            (CheckOut::Of(by, _), 2) => {
                after.check_out = CheckOut::None;
                (by, "checkin", json!({}))
            }
            (CheckOut::Of(by, token), _) => {
                let thief = 1 - by;
                after.check_out = CheckOut::Unknown(thief);
                (thief, "steallock", json!({ "lockId": token }))
            }
            (CheckOut::Unknown(_), _) => unreachable!("verified before"),
        };
        let path = format!("{}/{what}", self.path(file));
        let headers = vec![("Content-Type", "application/json".to_owned())];
        let request = Request {
            method: "POST",
            path,
            headers,
            body: body.to_string().into_bytes(),
        };
        self.step(by, request, file, after)
    }

    fn step(&self, by: usize, request: Request, file: u64, known: File) -> Step {
        let mut after = self.files.clone();
        after.insert(file, known);
        Step {
            by,
            request,
            file,
            after,
        }
    }

    /// A new version, and with it the check-in if that is wanted: both or neither.
    fn upload(&mut self, file: u64, by: usize, check_in: bool) -> Step {
        self.sequence += 1;
        let size = usize::try_from(self.dice.below(CONTENT_MAX)).unwrap();
        let content = format!("{} {}", self.sequence, "x".repeat(size));
        let mut after = self.files[&file].clone();
        let under = match &after.check_out {
            CheckOut::Of(_, token) => Some(token.clone()),
            CheckOut::None | CheckOut::Unknown(_) => None,
        };
        if under.is_some() && under == after.written_under {
            after.versions.pop();
        }
        after.versions.push(content.clone());
        after.written_under = under;
        if check_in {
            after.check_out = CheckOut::None;
        }
        let part = "--sep\r\nContent-Disposition: form-data; name=";
        let body = format!(
            "{part}\"checkIn\"\r\n\r\n{check_in}\r\n{part}\"file\"; filename=\"f\"\r\n\r\n\
             {content}\r\n--sep--\r\n"
        );
        let path = format!(
            "/api/project/{0:032x}/folder/{0:032x}/inode/{file:032x}/version",
            self.project
        );
        let media_type = "multipart/form-data; boundary=sep";
        let request = Request {
            method: "POST",
            path,
            headers: vec![("Content-Type", media_type.to_owned())],
            body: body.into_bytes(),
        };
        self.step(by, request, file, after)
    }

    fn path(&self, file: u64) -> String {
        format!("/api/project/{:032x}/inode/{file:032x}", self.project)
    }

    /// What the server has is what was acknowledged, or that with the unanswered request done.
    pub fn verify(&mut self, round: u64) {
        let unanswered = self.unanswered.take();
        let expected: Vec<&Files> = std::iter::once(&self.files).chain(&unanswered).collect();
        let found: BTreeMap<u64, Found> = self
            .files
            .keys()
            .map(|file| (*file, self.look(*file)))
            .collect();
        let explanation = expected.into_iter().find(|files| {
            let pairs = files.values().zip(found.values());
            pairs.into_iter().all(|(file, found)| explains(file, found))
        });
        let Some(explanation) = explanation else {
            panic!(
                "round {round}: found {found:#?}\nacknowledged {:#?}\nor {:#?}",
                told(&self.files),
                unanswered.as_ref().map(told)
            );
        };
        let mut files = explanation.clone();
        for (file, found) in files.values_mut().zip(found.values()) {
            file.check_out = found.check_out.clone();
        }
        self.files = files;
    }

    fn look(&self, file: u64) -> Found {
        // Either of them, so that both are signed in before the next load.
        let client = &self.clients[usize::from(file.is_multiple_of(2))];
        let inode = json_of(&client.get(&self.path(file)).status(200));
        let locks = inode["Result"]["locks"].as_array().unwrap();
        assert!(locks.len() <= 1, "one exclusive lock: {inode}");
        let check_out = locks.first().map_or(CheckOut::None, |lock| {
            assert_eq!(lock["lockType"], "persistent");
            let by = PEOPLE.iter().position(|name| lock["username"] == *name);
            CheckOut::Of(by.unwrap(), lock["lockId"].as_str().unwrap().to_owned())
        });
        let mut looks = repeat_with(|| versions_of(client, file)).take(LOOKS);
        let versions = looks.find_map(|versions| versions);
        Found {
            versions: versions.expect("what the history names can be read"),
            check_out,
        }
    }
}

/// The versions of a file, the oldest first; `None` when one went after the history had named it:
/// the sweep prunes what a kill kept it from.
fn versions_of(client: &Client, file: u64) -> Option<Vec<(u64, String)>> {
    let history = format!("/api/2.0/files/file/{file}/history");
    let history = json_of(&client.get(&history).status(200));
    let newest_first = history["response"].as_array().unwrap();
    let versions = newest_first.iter().rev().map(|version| {
        let number = version["version"].as_u64().unwrap();
        let path = format!("/api/2.0/files/file/{file}/download?version={number}");
        let answer = client.get(&path);
        (answer.status != 404).then(|| (number, answer.status(200).text()))
    });
    versions.collect()
}

/// What the server shows of a file.
#[derive(PartialEq)]
struct Found {
    versions: Vec<(u64, String)>,
    check_out: CheckOut,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = |(number, content): &(u64, String)| format!("{number}: {}", short(content));
        let versions: Vec<String> = self.versions.iter().map(head).collect();
        write!(f, "{versions:?} {:?}", self.check_out)
    }
}

fn short(content: &str) -> String {
    let first = content.split(' ').next().unwrap_or_default();
    format!("{first} ({} bytes)", content.len())
}

fn told(files: &Files) -> Vec<String> {
    let line = |file: &File| {
        let last = file
            .versions
            .last()
            .map_or(String::new(), |last| short(last));
        format!(
            "version {} is {last}, {:?}",
            file.versions.len(),
            file.check_out
        )
    };
    files.values().map(line).collect()
}

fn id(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

/// The versions that are kept have their numbers and their content, and so have older ones that the
/// server has not come round to removing; the check-out has its token.
fn explains(known: &File, found: &Found) -> bool {
    let number = |at: usize| at as u64 + 1;
    let numbered = known.versions.iter().enumerate();
    let count = known.versions.len();
    let first_found = count.saturating_sub(found.versions.len());
    let kept: Vec<(u64, String)> = numbered
        .skip(first_found.min(count.saturating_sub(KEPT + 1)))
        .map(|(at, content)| (number(at), content.clone()))
        .collect();
    let check_out = match (&known.check_out, &found.check_out) {
        (CheckOut::Unknown(by), CheckOut::Of(found_by, _)) => by == found_by,
        (known, found) => known == found,
    };
    check_out && kept == found.versions
}

/// Each way in which a file can differ from what was acknowledged fails the comparison.
pub fn assert_differences_are_seen() {
    let last = KEPT as u64 + 2;
    let of = |by, token: &str| CheckOut::Of(by, token.to_owned());
    let versions = |numbers: std::ops::RangeInclusive<u64>| -> Vec<(u64, String)> {
        numbers.map(|number| (number, number.to_string())).collect()
    };
    let file = |check_out| File {
        versions: (1..=last).map(|number| number.to_string()).collect(),
        written_under: None,
        check_out,
    };
    let check = |known: CheckOut, found: CheckOut, versions: Vec<(u64, String)>, same: bool| {
        let found = Found {
            versions,
            check_out: found,
        };
        assert_eq!(explains(&file(known), &found), same, "{found:?}");
    };
    check(CheckOut::None, CheckOut::None, versions(2..=last), true);
    check(of(0, "a"), of(0, "a"), versions(2..=last), true);
    check(CheckOut::Unknown(1), of(1, "a"), versions(2..=last), true);
    check(CheckOut::Unknown(1), of(0, "a"), versions(2..=last), false);
    check(
        CheckOut::Unknown(1),
        CheckOut::None,
        versions(2..=last),
        false,
    );
    check(of(0, "a"), of(1, "a"), versions(2..=last), false);
    check(of(0, "a"), of(0, "b"), versions(2..=last), false);
    check(of(0, "a"), CheckOut::None, versions(2..=last), false);
    check(CheckOut::None, of(0, "a"), versions(2..=last), false);
    check(
        CheckOut::None,
        CheckOut::None,
        versions(2..=last - 1),
        false,
    );
    check(CheckOut::None, CheckOut::None, versions(3..=last), false);
    check(CheckOut::None, CheckOut::None, versions(1..=last), true);
    check(CheckOut::None, CheckOut::None, versions(0..=last), false);
    let mut torn = versions(1..=last);
    torn.remove(1);
    check(CheckOut::None, CheckOut::None, torn, false);
    let mut torn = versions(2..=last);
    torn[1].1.push('x');
    check(CheckOut::None, CheckOut::None, torn, false);
}
