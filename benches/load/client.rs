//! One kept-alive HTTP/1.1 connection, cheap enough to share a small machine with the server that
//! it measures. A connection that the server closes is an error.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Large enough for a listing's chunk in one read.
const INPUT_BYTES: usize = 256 * 1024;

/// Where to talk, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Name and password as Basic authentication sends them.
    pub(crate) credentials: &'static str,
}

#[derive(Debug)]
pub(crate) struct Connection {
    target: Target,
    stream: BufReader<TcpStream>,
    output: Vec<u8>,
    line: String,
    /// The body of the last answer.
    pub(crate) body: Vec<u8>,
    /// `Lock-Token` of the last answer, with its angle brackets.
    pub(crate) lock_token: Option<String>,
}

/// How the body of an answer is delimited.
enum Framing {
    Length(u64),
    Chunked,
}

impl Connection {
    pub(crate) fn open(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        Ok(Self {
            target: target.clone(),
            stream: BufReader::with_capacity(INPUT_BYTES, stream),
            output: Vec::new(),
            line: String::new(),
            body: Vec::new(),
            lock_token: None,
        })
    }

    /// Sends a request and reads the whole answer; gives its status. `headers` are whole lines.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<u16> {
        let Target {
            address,
            credentials,
        } = &self.target;
        self.output.clear();
        // Head and body leave in one write: two would meet Nagle's algorithm.
        write!(
            self.output,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\n\
             Content-Length: {}\r\n{headers}\r\n",
            body.len()
        )?;
        self.output.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.output)?;
        self.read_answer()
    }

    fn read_answer(&mut self) -> io::Result<u16> {
        self.body.clear();
        self.lock_token = None;
        self.read_line()?;
        let status = self
            .line
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| invalid("no status line", &self.line))?;
        let mut framing = Framing::Length(0);
        loop {
            self.read_line()?;
            let Some((name, value)) = self.line.split_once(':') else {
                break;
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse();
                framing = Framing::Length(length.map_err(|_| invalid("a bad length", value))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("lock-token") {
                self.lock_token = Some(value.to_owned());
            }
        }
        match framing {
            Framing::Length(length) => self.read_part(length)?,
            Framing::Chunked => self.read_chunks()?,
        }
        Ok(status)
    }

    fn read_chunks(&mut self) -> io::Result<()> {
        loop {
            self.read_line()?;
            let length = u64::from_str_radix(&self.line, 16);
            let length = length.map_err(|_| invalid("a bad chunk length", &self.line))?;
            self.read_part(length)?;
            self.read_line()?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn read_part(&mut self, length: u64) -> io::Result<()> {
        let read = (&mut self.stream)
            .take(length)
            .read_to_end(&mut self.body)?;
        if read as u64 == length {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    /// One line into `self.line`, without its end.
    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.line.truncate(self.line.trim_end().len());
        Ok(())
    }

    /// The start of the last answer's body, for an error message.
    pub(crate) fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut excerpt = String::new();
        for word in text.split_whitespace().take(12) {
            let _ = write!(excerpt, "{word} ");
        }
        excerpt
    }
}

fn invalid(what: &str, text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what}: {text:?}"))
}
