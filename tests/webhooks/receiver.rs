//! A receiver of webhooks that behaves as it is told, and checks every signature by itself.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It is taken.
    Take,
    /// It is answered with this status and header.
    Answer(u16, &'static str),
    /// It is read and never answered.
    Hang,
    /// The connection is closed before it is read to its end.
    Close,
}

/// A request that was read.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub timestamp: u64,
    pub signature: String,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether it was answered with 200.
    pub taken: bool,
}

impl Message {
    pub fn page(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// `type path` of each event.
    pub fn events(&self) -> Vec<String> {
        let page = self.page();
        let events = page["events"].as_array().expect("events").iter();
        let told = |event: &Value| {
            let part = |name: &str| event[name].as_str().expect(name).to_owned();
            format!("{} {}", part("type"), part("path"))
        };
        events.map(told).collect()
    }

    pub fn event_ids(&self) -> Vec<String> {
        let page = self.page();
        let events = page["events"].as_array().expect("events").iter();
        events
            .map(|event| event["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// Holds the signature against the secret as the specification says.
    pub fn verify(&self, secret: &str) {
        let key = secret.strip_prefix("whsec_").expect("the prefix");
        let key = BASE64.decode(key).expect("base64");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{}.{}.", self.id, self.timestamp).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        assert_eq!(self.signature, expected);
    }
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    messages: Mutex<Vec<Message>>,
    came: Condvar,
}

#[derive(Debug, Clone)]
pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::listen(listener, manner)
    }

    /// On a port where nobody listened so far.
    pub fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("still free");
        Self::listen(listener, Manner::Take)
    }

    fn listen(listener: TcpListener, manner: Manner) -> Self {
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            messages: Mutex::default(),
            came: Condvar::new(),
        });
        let receiver = Self { port, shared };
        let at_work = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = at_work.clone();
                std::thread::spawn(move || receiver.converse(stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Requests on one connection until it is closed.
    fn converse(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(message) = read(&mut reader) {
            let manner = *self.shared.manner.lock().unwrap();
            let taken = manner == Manner::Take;
            let mut messages = self.shared.messages.lock().unwrap();
            messages.push(Message { taken, ..message });
            drop(messages);
            self.shared.came.notify_all();
            let (status, header) = match manner {
                Manner::Take => (200, "X-A: b"),
                Manner::Answer(status, header) => (status, header),
                Manner::Hang => loop {
                    std::thread::park();
                },
                Manner::Close => return,
            };
            let words = "no\n\tthanks \u{7}";
            let length = words.len();
            let answer = format!(
                "HTTP/1.1 {status} Whatever\r\n{header}\r\nContent-Length: {length}\r\n\r\n{words}"
            );
            if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    pub fn messages(&self) -> Vec<Message> {
        self.shared.messages.lock().unwrap().clone()
    }

    /// Waits until what came is enough, and gives it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let end = Instant::now() + Duration::from_secs(20);
        let mut messages = self.shared.messages.lock().unwrap();
        while !enough(&messages) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come; {:?}", *messages);
            messages = self.shared.came.wait_timeout(messages, left).unwrap().0;
        }
        messages.clone()
    }

    /// Waits until so many different events were taken, and gives them in the order in which they
    /// first were.
    #[track_caller]
    pub fn wait_for_events(&self, count: usize) -> Vec<String> {
        let what = format!("{count} events");
        taken_once(&self.wait_for(&what, |messages| taken_once(messages).len() >= count))
    }
}

/// The events that were taken, each once.
pub fn taken_once(messages: &[Message]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let mut events = Vec::new();
    for message in messages.iter().filter(|message| message.taken) {
        for (id, event) in message.event_ids().into_iter().zip(message.events()) {
            if seen.insert(id) {
                events.push(event);
            }
        }
    }
    events
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("ASCII");
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some(Message {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().expect("seconds"),
        signature: header("webhook-signature"),
        head,
        body,
        taken: false,
    })
}
