//! A client of server-sent events (HTML, 9.2) that notes everything.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::Client;

/// One connection.
pub(crate) struct Stream {
    lines: BufReader<TcpStream>,
    text: String,
    messages: VecDeque<Message>,
    /// The last event id, as a client keeps it.
    pub(crate) last_id: String,
    pub(crate) retry: Option<u64>,
    pub(crate) comments: usize,
}

/// What a client is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Stream {
    /// Opens a stream, which must be granted.
    #[track_caller]
    pub(crate) fn open(
        client: &Client,
        address: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let mut headers = headers.to_vec();
        headers.push(("Accept", "text/event-stream"));
        let head = client.head_of("GET", &format!("/api/events{query}"), &headers, b"");
        let mut socket = TcpStream::connect(address).expect("the server accepts");
        let patience = Some(Duration::from_secs(30));
        socket.set_read_timeout(patience).expect("a valid time-out");
        socket.write_all(head.as_bytes()).expect("a live socket");
        let mut lines = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).expect("a head") > 0, "{head}");
        }
        let head = head.to_ascii_lowercase();
        for part in [
            "http/1.1 200 ",
            "content-type: text/event-stream\r\n",
            "cache-control: no-store\r\n",
            "transfer-encoding: chunked\r\n",
        ] {
            assert!(head.contains(part), "{head}");
        }
        Self {
            lines,
            text: String::new(),
            messages: VecDeque::new(),
            last_id: String::new(),
            retry: None,
            comments: 0,
        }
    }

    /// The next message; `None` when the server has ended the stream.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let begun = Instant::now();
        while self.messages.is_empty() {
            // Longer than from one pulse to the next.
            assert!(
                begun.elapsed() < Duration::from_secs(25),
                "nothing but pulses"
            );
            if !self.read() {
                return None;
            }
        }
        self.messages.pop_front()
    }

    /// Takes what the server sends next; false when it has ended the stream.
    pub(crate) fn read(&mut self) -> bool {
        let chunk = self.chunk();
        chunk.inspect(|chunk| self.take(chunk)).is_some()
    }

    /// The type and path of the next event.
    #[track_caller]
    pub(crate) fn short(&mut self) -> String {
        let Message { kind, id, data } = self.next().expect("one more event");
        assert_eq!(
            (kind.as_str(), id.as_str()),
            ("message", crate::text(&data["id"]))
        );
        format!(
            "{} {}",
            crate::text(&data["type"]),
            crate::text(&data["path"])
        )
    }

    fn chunk(&mut self) -> Option<String> {
        let mut line = String::new();
        self.lines
            .read_line(&mut line)
            .ok()
            .filter(|read| *read > 0)?;
        let size = usize::from_str_radix(line.trim(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        self.lines.read_exact(&mut chunk).expect("a whole chunk");
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).expect("UTF-8"))
    }

    fn take(&mut self, chunk: &str) {
        self.text += chunk;
        while let Some(at) = self.text.find("\n\n") {
            let block: String = self.text.drain(..at + 2).collect();
            let (mut kind, mut data) = ("message".to_owned(), Vec::new());
            for line in block.lines() {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match name {
                    "id" => value.clone_into(&mut self.last_id),
                    "event" => value.clone_into(&mut kind),
                    "data" => data.push(value.to_owned()),
                    "retry" => self.retry = value.parse().ok(),
                    "" if line.starts_with(':') => self.comments += 1,
                    "" => {}
                    other => panic!("an unknown field {other:?}"),
                }
            }
            if !data.is_empty() {
                self.messages.push_back(Message {
                    kind,
                    id: self.last_id.clone(),
                    data: serde_json::from_str(&data.join("\n")).expect("JSON in one line"),
                });
            }
        }
    }
}
