//! Everything that one user is told of the record: pages, a stream, and what a webhook that reads
//! with their eyes posts. What must differ between two servers is told by order of appearance.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::QUIET;
use crate::common::{Client, Server};
use crate::hook::Hook;
use crate::receiver::{Manner, Receiver, taken_once};

/// What is random or a time. Equal values stay equal, and lengths show.
#[derive(Debug, Default)]
struct Names(HashMap<String, usize>);

impl Names {
    fn of(&mut self, text: &str) -> String {
        let next = self.0.len();
        let number = *self.0.entry(text.to_owned()).or_insert(next);
        format!("#{number} ({} bytes)", text.len())
    }

    fn hide(&mut self, value: &mut Value) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| self.hide(one)),
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), &mut *value) {
                        ("at" | "since" | "expires" | "next", Value::String(text)) => {
                            *text = format!("({} bytes)", text.len());
                        }
                        ("etag", Value::String(text)) => {
                            *text = self.of(text).split(' ').next().unwrap_or_default().into();
                        }
                        ("id" | "resource" | "owner" | "token", Value::String(text)) => {
                            *text = self.of(text);
                        }
                        _ => self.hide(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn json(&mut self, text: &str) -> String {
        let mut value: Value = serde_json::from_str(text).expect("JSON");
        self.hide(&mut value);
        value.to_string()
    }
}

/// Blocks of a stream, each with the time when it came.
type Blocks = Arc<Mutex<Vec<(Instant, String)>>>;

pub(crate) struct Eyes {
    pub(crate) client: Client,
    receiver: Receiver,
    blocks: Blocks,
    since: String,
    names: Names,
}

impl Eyes {
    pub(crate) fn open(server: &Server, client: Client, name: &str) -> Self {
        let receiver = Receiver::start(Manner::Take);
        Hook::add(server, &receiver.url(), &["--user", name]);
        let blocks = Arc::default();
        follow(&client, &server.address, Arc::clone(&blocks));
        let page: Value =
            serde_json::from_str(&client.get("/api/events?since=now").text()).unwrap();
        Self {
            since: page["next"].as_str().unwrap().to_owned(),
            names: Names::default(),
            client,
            receiver,
            blocks,
        }
    }

    fn messages(&self) -> usize {
        let blocks = self.blocks.lock().unwrap();
        blocks
            .iter()
            .filter(|(_, block)| block.contains("data: "))
            .count()
    }

    /// Waits until the stream and the webhook told of so many events.
    #[track_caller]
    pub(crate) fn wait_for(&self, events: usize, step: &str) {
        let begun = Instant::now();
        let posted = || taken_once(&self.receiver.messages());
        while self.messages() < events || posted().len() < events {
            let told = (self.messages(), posted());
            let late = begun.elapsed() > Duration::from_secs(20);
            assert!(!late, "{step}: {events} events are not told; {told:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// One page, and whether more is said to be there.
    fn page(&mut self, query: &str) -> (String, Option<Value>) {
        let answer = self.client.get(&format!("/api/events?{query}"));
        let (status, text) = (answer.status, answer.text());
        let page: Value = serde_json::from_str(&text).unwrap();
        let told = format!("{status} {}", self.names.json(&text));
        (told, (status == 200).then_some(page))
    }

    /// All pages from a place on, and where they end.
    fn pages(&mut self, since: Option<&str>, more: &str) -> (Vec<String>, String) {
        let mut since = since.unwrap_or_default().to_owned();
        let mut all = Vec::new();
        loop {
            let from = if since.is_empty() {
                String::new()
            } else {
                format!("since={since}&")
            };
            let (told, page) = self.page(&format!("{from}{more}"));
            all.push(format!("{more}: {told}"));
            let Some(page) = page else {
                return (all, since);
            };
            page["next"].as_str().unwrap().clone_into(&mut since);
            if page["more"] == false {
                return (all, since);
            }
        }
    }

    /// What pages tell: what is new, one at a time, and everything in pages of several lengths,
    /// also about each of these; `limits` ends with the length of those.
    pub(crate) fn look(&mut self, about: &[String], limits: &[usize]) -> Vec<String> {
        let since = self.since.clone();
        let (mut all, next) = self.pages(Some(&since), "limit=1");
        self.since = next;
        all.extend(self.pages(Some("now"), "limit=1").0);
        for limit in limits {
            all.extend(self.pages(None, &format!("limit={limit}")).0);
        }
        let last = limits.last().copied().unwrap_or(1);
        for (number, about) in about.iter().enumerate() {
            let (told, _) = self.pages(None, &format!("limit={last}&about={about}"));
            // The ids differ.
            let told = told.into_iter().map(|page| page.replace(about, "it"));
            all.extend(told.map(|page| format!("about {number}: {page}")));
        }
        all
    }

    /// Every block of the stream, but of the pulses only the first and those of the quiet time.
    pub(crate) fn streamed(&mut self) -> Vec<String> {
        let blocks = self.blocks.lock().unwrap().clone();
        let has_data = |(_, block): &(Instant, String)| block.contains("data: ");
        let last = blocks.iter().rposition(has_data).unwrap_or_default();
        let mut all = Vec::new();
        for (number, (came, block)) in blocks.iter().enumerate() {
            let is_pulse = block.starts_with(":\n");
            let is_late = number > last && *came > blocks[last].0 + QUIET;
            if is_pulse && ((2..last).contains(&number) || is_late) {
                continue;
            }
            let mut told = String::new();
            for line in block.lines() {
                let line = match line.split_once(": ") {
                    Some(("data", json)) => self.names.json(json),
                    Some(("id", id)) if is_pulse => format!("id of {} bytes", id.len()),
                    Some(("id", id)) => self.names.of(id),
                    _ => line.to_owned(),
                };
                writeln!(told, "{line}").unwrap();
            }
            all.push(told);
        }
        all
    }

    /// Every post.
    pub(crate) fn posted(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for message in self.receiver.messages() {
            let body = String::from_utf8(message.body).unwrap();
            let lines = message.head.lines();
            let names: Vec<&str> = lines
                .filter_map(|line| Some(line.split_once(": ")?.0))
                .collect();
            let (names, id) = (names.join(" "), message.id.len());
            all.push(format!(
                "{names}, id of {id} bytes: {}",
                self.names.json(&body)
            ));
        }
        all
    }
}

/// Notes each block of a stream until the server stops.
fn follow(client: &Client, address: &str, blocks: Blocks) {
    let accept = [("Accept", "text/event-stream")];
    let head = client.head_of("GET", "/api/events?since=now", &accept, b"");
    let mut socket = TcpStream::connect(address).expect("the server accepts");
    socket.write_all(head.as_bytes()).expect("a live socket");
    let mut lines = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(lines.read_line(&mut head).expect("a head") > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    std::thread::spawn(move || {
        let mut text = String::new();
        while let Some(chunk) = chunk(&mut lines) {
            text += &chunk;
            while let Some(end) = text.find("\n\n") {
                let block = text.drain(..end + 2).collect();
                blocks.lock().unwrap().push((Instant::now(), block));
            }
        }
    });
}

fn chunk(lines: &mut impl BufRead) -> Option<String> {
    let mut size = String::new();
    lines.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok()?;
    let mut chunk = vec![0; size + 2];
    lines.read_exact(&mut chunk).ok()?;
    chunk.truncate(size);
    (size > 0).then(|| String::from_utf8(chunk).expect("UTF-8"))
}
