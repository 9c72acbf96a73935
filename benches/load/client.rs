//! One kept-alive HTTP/1.1 connection, cheap enough to share a small machine with the server that
//! it measures. A server may announce that it closes the connection, and then pays for a new one;
//! one that closes it without a word has failed.

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::content;

/// Large enough for a listing's chunk in one read.
const INPUT_BYTES: usize = 256 * 1024;
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where to talk, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Name and password as Basic authentication sends them; `None`: everybody may come in.
    pub(crate) credentials: Option<&'static str>,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Upload<'a> {
    Bytes(&'a [u8]),
    /// So many bytes of [`content::large`].
    Large(u64),
}

/// What becomes of the body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Download {
    /// It is kept in [`Connection::body`].
    Keep,
    /// It must be [`content::large`]; only its length is kept.
    Large,
}

#[derive(Debug)]
pub(crate) struct Connection {
    target: Target,
    stream: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
    download: Download,
    /// The last answer announced the end of this connection.
    is_closing: bool,
    /// The body of the last answer, if it was to be kept.
    pub(crate) body: Vec<u8>,
    pub(crate) body_length: u64,
    /// `Lock-Token` of the last answer, with its angle brackets.
    pub(crate) lock_token: Option<String>,
}

/// How the body of an answer is delimited.
enum Framing {
    Length(u64),
    Chunked,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        Ok(Self {
            target: target.clone(),
            stream: connect(target).await?,
            input: BytesMut::with_capacity(INPUT_BYTES),
            output: Vec::new(),
            download: Download::Keep,
            is_closing: false,
            body: Vec::new(),
            body_length: 0,
            lock_token: None,
        })
    }

    /// The URL of a path, for `Destination`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.target.address)
    }

    /// Sends a request and reads the whole answer; gives its status. `headers` are whole lines.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        upload: Upload<'_>,
        download: Download,
    ) -> io::Result<u16> {
        if self.is_closing {
            self.stream = connect(&self.target).await?;
            self.input.clear();
            self.is_closing = false;
        }
        self.download = download;
        self.write_request(method, path, headers, upload).await?;
        self.read_answer().await
    }

    async fn write_request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        upload: Upload<'_>,
    ) -> io::Result<()> {
        let Target {
            address,
            credentials,
        } = &self.target;
        let length = match upload {
            Upload::Bytes(bytes) => bytes.len() as u64,
            Upload::Large(length) => length,
        };
        self.output.clear();
        write!(
            self.output,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}"
        )?;
        if let Some(credentials) = credentials {
            write!(self.output, "Authorization: Basic {credentials}\r\n")?;
        }
        self.output.extend_from_slice(b"\r\n");
        if let Upload::Bytes(bytes) = upload {
            // Head and body leave in one write: two would meet Nagle's algorithm.
            self.output.extend_from_slice(bytes);
            return self.stream.write_all(&self.output).await;
        }
        self.stream.write_all(&self.output).await?;
        let mut position = 0;
        while position < length {
            let part = content::large(position, length - position);
            self.stream.write_all(part).await?;
            position += part.len() as u64;
        }
        Ok(())
    }

    async fn read_answer(&mut self) -> io::Result<u16> {
        self.body.clear();
        self.body_length = 0;
        self.lock_token = None;
        let head_length = self.read_until(b"\r\n\r\n", HEAD_BYTES_MAX).await?;
        let head = self.input.split_to(head_length);
        let head = std::str::from_utf8(&head).map_err(|_| invalid("a head of other bytes", ""))?;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| invalid("no status line", first))?;
        let mut framing = Framing::Length(0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse();
                framing = Framing::Length(length.map_err(|_| invalid("a bad length", value))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("lock-token") {
                self.lock_token = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("connection") {
                self.is_closing = value.eq_ignore_ascii_case("close");
            }
        }
        match framing {
            Framing::Length(length) => self.read_part(length).await?,
            Framing::Chunked => self.read_chunks().await?,
        }
        Ok(status)
    }

    async fn read_chunks(&mut self) -> io::Result<()> {
        loop {
            let line_length = self.read_until(b"\r\n", HEAD_BYTES_MAX).await?;
            let line = self.input.split_to(line_length);
            let line = String::from_utf8_lossy(&line);
            let length = u64::from_str_radix(line.trim(), 16);
            let length = length.map_err(|_| invalid("a bad chunk length", &line))?;
            self.read_part(length).await?;
            let end_length = self.read_until(b"\r\n", 2).await?;
            self.input.advance(end_length);
            if length == 0 {
                return Ok(());
            }
        }
    }

    /// Reads until `end` is there; how long the input is up to it and with it.
    async fn read_until(&mut self, end: &[u8], length_max: usize) -> io::Result<usize> {
        let mut seen = 0;
        loop {
            let begin = seen.min(self.input.len());
            let found = self.input[begin..]
                .windows(end.len())
                .position(|window| window == end);
            if let Some(position) = found {
                return Ok(begin + position + end.len());
            }
            if self.input.len() > length_max {
                return Err(invalid("a line or head without an end", ""));
            }
            seen = self.input.len().saturating_sub(end.len() - 1);
            self.read_more().await?;
        }
    }

    async fn read_part(&mut self, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.input.is_empty() {
                self.read_more().await?;
            }
            let now = self
                .input
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let part = &self.input[..now];
            match self.download {
                Download::Keep => self.body.extend_from_slice(part),
                Download::Large if content::is_large(self.body_length, part) => {}
                Download::Large => return Err(invalid("something else in the body", "")),
            }
            self.body_length += now as u64;
            self.input.advance(now);
            left -= now as u64;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.input.reserve(INPUT_BYTES / 4);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The start of the last answer's body, for an error message.
    pub(crate) fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> = text.split_whitespace().take(12).collect();
        words.join(" ")
    }
}

async fn connect(target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn invalid(what: &str, text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what}: {text:?}"))
}
