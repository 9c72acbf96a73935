//! Plays a transcript against a server and compares.

use std::fmt::Write as _;

use base64::Engine as _;

use crate::common::{Connection, Response, Server};
use crate::template::Captures;
use crate::transcript::{Bodies, Exchange, Message, Transcript};

/// Which store the server runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sled,
    Memory,
}

/// Plays `wire/<name>.http`; underscores in the name are hyphens in that of the file.
pub(crate) fn play(name: &str, store: Store) {
    let folder = crate::folder();
    let path = folder.join(name.replace('_', "-")).with_extension("http");
    let read = |path| std::fs::read_to_string(path).expect("the transcript is readable");
    let mut bodies = Bodies::default();
    Transcript::read(&read(folder.join("bodies.http")), &mut bodies);
    let transcript = Transcript::read(&read(path.clone()), &mut bodies);

    let mut player = Player::new(&transcript, store);
    let mut report = String::new();
    for (index, exchange) in transcript.exchanges.iter().enumerate() {
        if let Err(stop) = player.exchange(index, exchange, &mut report) {
            let _ = writeln!(report, "line {}: {stop}", exchange.request.line);
            break;
        }
    }
    let news = std::mem::take(&mut player.news);
    if std::env::var_os("UPDATE_EXPECT").is_some() && store == Store::Sled && !news.is_empty() {
        std::fs::write(&path, transcript.with_bodies(news)).expect("the transcript is writable");
    }
    assert!(report.is_empty(), "{}\n{report}", path.display());
}

struct Player {
    server: Server,
    captures: Captures,
    credentials: Vec<(String, String)>,
    /// Bodies that came and were not expected, by exchange.
    news: Vec<(usize, String)>,
}

impl Player {
    fn new(transcript: &Transcript, store: Store) -> Self {
        let memory = if store == Store::Memory {
            "store.memory = true\n"
        } else {
            ""
        };
        let server = Server::start_configured(&format!("{memory}{}", transcript.settings));
        let mut captures = Captures::default();
        captures.set("origin", server.url(""));
        captures.set("host", server.address.clone());
        let mut credentials = Vec::new();
        for name in ["alice", "bob", "admin"] {
            let mark = format!("[{name}]");
            if transcript
                .exchanges
                .iter()
                .any(|exchange| exchange.request.start.ends_with(&mark))
            {
                let password = if name == "admin" {
                    server.admin_password()
                } else {
                    server.user(name);
                    format!("{name}-password")
                };
                let pair = format!("{name}:{password}");
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                credentials.push((name.to_owned(), encoded));
            }
        }
        Self {
            server,
            captures,
            credentials,
            news: Vec::new(),
        }
    }

    /// An error ends the play: what follows would make no sense.
    fn exchange(
        &mut self,
        index: usize,
        exchange: &Exchange,
        report: &mut String,
    ) -> Result<(), String> {
        let answer = self.send(&exchange.request)?;
        let differences = self.compare(index, &exchange.answer, &answer);
        if !differences.is_empty() {
            let line = exchange.request.line;
            let _ = writeln!(report, "line {line}: > {}", exchange.request.start);
            differences.iter().for_each(|difference| {
                let _ = writeln!(report, "    {difference}");
            });
            let _ = writeln!(report, "{answer}\n");
        }
        Ok(())
    }

    fn send(&self, request: &Message) -> Result<Response, String> {
        let mut words: Vec<&str> = request.start.split_whitespace().collect();
        let user = words.pop_if(|word| word.starts_with('['));
        let version = words
            .pop_if(|word| word.starts_with("HTTP/"))
            .unwrap_or("HTTP/1.1");
        let [method, target] = words[..] else {
            return Err("not a request line".to_owned());
        };

        let body = self.captures.fill(&request.body)?;
        let given = |name: &str| {
            let mut headers = request.headers.iter();
            headers
                .find(|(have, _)| have.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        let mut head = format!("{method} ").into_bytes();
        head.extend(self.captures.fill(target)?);
        head.extend(format!(" {version}\r\n").bytes());
        if given("Host").is_none() && !request.absent.iter().any(|name| name == "Host") {
            head.extend(format!("Host: {}\r\n", self.server.address).bytes());
        }
        if let Some(user) = user {
            let credentials = self
                .credentials
                .iter()
                .find(|(name, _)| user[1..].starts_with(name));
            let (_, encoded) = credentials.ok_or_else(|| format!("nobody is called {user}"))?;
            head.extend(format!("Authorization: Basic {encoded}\r\n").bytes());
        }
        for (name, value) in &request.headers {
            head.extend(format!("{name}: ").bytes());
            head.extend(self.captures.fill(value)?);
            head.extend(b"\r\n");
        }
        let is_chunked = given("Transfer-Encoding").is_some();
        let announced = given("Content-Length").and_then(|length| length.parse().ok());
        if announced.is_none() && !is_chunked && (!body.is_empty() || method == "PUT") {
            head.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        head.extend(b"\r\n");

        let mut connection = Connection::open(&self.server.address);
        connection.write(&head);
        let mut interim = Vec::new();
        if given("Expect").is_some() {
            let first = connection.read_one_response(method);
            if first.status != 100 {
                return Ok(first);
            }
            interim.push(100);
        }
        connection.write(&if is_chunked {
            chunks(&body)
        } else {
            body.clone()
        });
        if announced.is_some_and(|announced: usize| announced > body.len()) {
            connection.finish_writing();
        }
        let mut answer = connection.read_response(method);
        interim.append(&mut answer.interim);
        Ok(Response { interim, ..answer })
    }

    fn compare(&mut self, index: usize, expected: &Message, answer: &Response) -> Vec<String> {
        let mut differences = Vec::new();
        let statuses = answer.interim.iter().chain([&answer.status]);
        let statuses = statuses.map(u16::to_string).collect::<Vec<_>>().join(" ");
        if statuses != expected.start {
            differences.push(format!("{statuses} instead of {}", expected.start));
        }
        for (name, value) in &expected.headers {
            let have = answer.header(name);
            if !have.is_some_and(|have| self.captures.matches(value, have.as_bytes())) {
                differences.push(format!("{name}: {have:?} instead of {value}"));
            }
        }
        for name in expected
            .absent
            .iter()
            .filter(|name| answer.header(name).is_some())
        {
            differences.push(format!("there is a header {name}"));
        }
        let media_type = match answer.body.starts_with(b"<?xml") {
            true => Some("application/xml; charset=\"utf-8\""),
            false if answer.status >= 400 && !answer.body.is_empty() => {
                Some("text/plain; charset=utf-8")
            }
            false => None,
        };
        if media_type.is_some() && answer.header("Content-Type") != media_type {
            differences.push(format!("the body is not declared as {media_type:?}"));
        }
        if !self.captures.matches(&expected.body, &answer.body) {
            differences.push("another body".to_owned());
            self.news
                .push((index, self.captures.template_of(&answer.body)));
        }
        differences
    }
}

/// The body in two chunks.
fn chunks(body: &[u8]) -> Vec<u8> {
    let (first, second) = body.split_at(body.len() / 2);
    let mut bytes = Vec::new();
    for chunk in [first, second]
        .into_iter()
        .filter(|chunk| !chunk.is_empty())
    {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
