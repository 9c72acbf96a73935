//! One connection on which a worker makes its requests until the server is gone.

use std::io::{self, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{Client, Response};

const ANSWER_MAX: Duration = Duration::from_secs(30);

pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

pub struct Line {
    stream: BufReader<TcpStream>,
    marks: Vec<String>,
}

impl Line {
    pub fn open(client: &Client) -> io::Result<Self> {
        let address = client.url("");
        let stream = TcpStream::connect(address.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            marks: Vec::new(),
        })
    }

    /// What must be in the record of events, in this order: the entity tags of answers to PUT and
    /// the tokens of answers to LOCK.
    pub fn marks(self) -> Vec<String> {
        self.marks
    }

    /// The answer, or an error when the server ended before a whole one came.
    pub fn exchange(&mut self, client: &Client, request: &Request) -> io::Result<Response> {
        let Request {
            method,
            path,
            headers,
            body,
        } = request;
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut bytes = client.head_of(method, path, &headers, body).into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes)?;
        let answer = Response::read(&mut self.stream, method)?;
        self.marks.extend(match *method {
            "PUT" if !path.starts_with("/api/") => Some(answer.etag()),
            "LOCK" => Some(answer.lock_token()),
            _ => None,
        });
        Ok(answer)
    }
}
