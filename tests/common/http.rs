//! A tiny HTTP/1.1 client over a plain socket: no pool, no retries, no redirects, no surprises.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;

/// One user's way to the server. Every request has its own connection.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    authorization: Option<String>,
}

impl Client {
    /// A client for `host:port`, with a user name and password or without.
    pub fn new(address: &str, credentials: Option<(&str, &str)>) -> Self {
        let authorization = credentials.map(|(name, password)| {
            let text = format!("{name}:{password}");
            format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(text)
            )
        });
        Self {
            address: address.to_owned(),
            authorization,
        }
    }

    /// `host:port` of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same client with another `Authorization`, such as `Bearer …`.
    pub fn authorized(&self, authorization: &str) -> Self {
        Self {
            authorization: Some(authorization.to_owned()),
            ..self.clone()
        }
    }

    /// A connection to the same server, for tests that care about bytes or keep-alive.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    /// The head of a request as [`Client::send`] writes it: `Host`, `Authorization`, `headers`,
    /// and `Content-Length` for a body or a PUT.
    pub fn head_of(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        if let Some(authorization) = &self.authorization {
            head.extend(["Authorization: ", authorization, "\r\n"]);
        }
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() || method == "PUT" {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        head
    }

    /// Any request.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Response {
        let body = body.as_ref();
        let mut connection = self.connect();
        let mut bytes = self.head_of(method, path, headers, body).into_bytes();
        bytes.extend_from_slice(body);
        connection.write(&bytes);
        connection.read_response(method)
    }

    /// The body in chunks without a length, as macOS sends it.
    pub fn send_chunked(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        chunks: &[&[u8]],
    ) -> Response {
        let mut headers = headers.to_vec();
        headers.push(("Transfer-Encoding", "chunked"));
        let head = self.head_of(method, path, &headers, b"");
        let mut bytes = head.replace("Content-Length: 0\r\n", "").into_bytes();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let mut connection = self.connect();
        connection.write(&bytes);
        connection.read_response(method)
    }

    /// Sends the head with `Expect: 100-continue`, and the body only when the server says so.
    pub fn send_expecting(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Response {
        let body = body.as_ref();
        let mut headers = headers.to_vec();
        headers.push(("Expect", "100-continue"));
        let mut connection = self.connect();
        connection.write(self.head_of(method, path, &headers, body).as_bytes());
        let first = connection.read_one_response(method);
        if first.status != 100 {
            return first;
        }
        connection.write(body);
        let mut response = connection.read_response(method);
        response.interim.insert(0, 100);
        response
    }

    /// GET.
    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], "")
    }

    /// HEAD.
    pub fn head(&self, path: &str) -> Response {
        self.send("HEAD", path, &[], "")
    }

    /// OPTIONS.
    pub fn options(&self, path: &str) -> Response {
        self.send("OPTIONS", path, &[], "")
    }

    /// PUT without conditions.
    pub fn put(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.send("PUT", path, &[], body)
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, &[], "")
    }

    /// MKCOL.
    pub fn mkcol(&self, path: &str) -> Response {
        self.send("MKCOL", path, &[], "")
    }

    /// COPY within this server (Depth infinity, Overwrite T).
    pub fn copy(&self, from: &str, to: &str) -> Response {
        self.send("COPY", from, &[("Destination", &self.url(to))], "")
    }

    /// MOVE within this server (Overwrite T).
    pub fn rename(&self, from: &str, to: &str) -> Response {
        self.send("MOVE", from, &[("Destination", &self.url(to))], "")
    }

    /// PROPFIND; an empty body means allprop.
    pub fn propfind(&self, path: &str, depth: &str, body: &str) -> Response {
        self.send("PROPFIND", path, &[("Depth", depth)], body)
    }

    /// PROPPATCH.
    pub fn proppatch(&self, path: &str, body: &str) -> Response {
        self.send("PROPPATCH", path, &[], body)
    }

    /// An exclusive write lock of depth 0; `Infinite` makes it a check-out.
    pub fn lock(&self, path: &str, timeout: &str) -> Response {
        self.send(
            "LOCK",
            path,
            &[("Depth", "0"), ("Timeout", timeout)],
            LOCK_EXCLUSIVE,
        )
    }

    /// UNLOCK; the token without angle brackets.
    pub fn unlock(&self, path: &str, token: &str) -> Response {
        self.send("UNLOCK", path, &[("Lock-Token", &format!("<{token}>"))], "")
    }

    /// `http://host:port/path`, for Destination and tagged If lists.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A LOCK body: exclusive, write, with an owner.
pub const LOCK_EXCLUSIVE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
    <D:locktype><D:write/></D:locktype><D:owner>test</D:owner></D:lockinfo>";

/// One connection, kept open until dropped.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects; reads give up after 30 seconds.
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a valid time-out");
        stream.set_nodelay(true).expect("a live socket");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Writes bytes as they are. An error is not one here: the server may have answered early.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// The final answer to a `method` request; interim ones (1xx) are noted in it.
    pub fn read_response(&mut self, method: &str) -> Response {
        let mut interim = Vec::new();
        loop {
            let mut response = self.read_one_response(method);
            if !(100..200).contains(&response.status) {
                response.interim = interim;
                return response;
            }
            interim.push(response.status);
        }
    }

    /// The same, where the server may have had enough of this connection.
    pub fn try_read_response(&mut self, method: &str) -> Option<Response> {
        loop {
            let response = Response::read(&mut self.stream, method).ok()?;
            if !(100..200).contains(&response.status) {
                return Some(response);
            }
        }
    }

    /// The next answer, which may be an interim one.
    pub fn read_one_response(&mut self, method: &str) -> Response {
        Response::read(&mut self.stream, method).expect("a whole answer")
    }

    /// Whether the server has closed the connection (waits for it up to the read time-out).
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }

    /// What the server sends first, whatever it is; empty if it closes.
    pub fn read_some(&mut self) -> Vec<u8> {
        self.stream.fill_buf().unwrap_or_default().to_vec()
    }

    /// Says that nothing more will be sent.
    pub fn finish_writing(&mut self) {
        self.stream
            .get_mut()
            .shutdown(std::net::Shutdown::Write)
            .expect("a live socket");
    }
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    /// The body, without chunk marks.
    pub body: Vec<u8>,
    /// The 1xx answers that came before.
    pub interim: Vec<u16>,
}

impl Response {
    /// Reads one answer from any stream (TLS too). `method` tells whether there may be a body.
    pub fn read(stream: &mut impl BufRead, method: &str) -> io::Result<Self> {
        let status_line = read_line(stream)?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Self {
            status,
            headers,
            body: Vec::new(),
            interim: Vec::new(),
        };
        let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        if bodiless {
            return Ok(response);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = read_chunks(stream)?;
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(|_| invalid(length))?;
            response.body = vec![0; length];
            stream.read_exact(&mut response.body)?;
        } else {
            stream.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn status(self, expected: u16) -> Self {
        assert_eq!(self.status, expected, "{self}");
        self
    }

    /// Fails the test unless the body contains this text.
    #[track_caller]
    pub fn containing(self, text: &str) -> Self {
        assert!(self.text().contains(text), "no {text:?} in {self}");
        self
    }

    /// Fails the test if the body contains this text.
    #[track_caller]
    pub fn without(self, text: &str) -> Self {
        assert!(!self.text().contains(text), "{text:?} in {self}");
        self
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// A header that must be there.
    #[track_caller]
    pub fn expect_header(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {self}"))
    }

    /// The entity tag, which must be there.
    #[track_caller]
    pub fn etag(&self) -> String {
        self.expect_header("etag").to_owned()
    }

    /// The token of a LOCK answer, without angle brackets.
    #[track_caller]
    pub fn lock_token(&self) -> String {
        let value = self.expect_header("lock-token");
        value
            .trim_start_matches('<')
            .trim_end_matches('>')
            .to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "answer {}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", self.text())
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| invalid(&line))?;
        if size == 0 {
            while !read_line(stream)?.is_empty() {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        read_line(stream)?;
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| invalid("not UTF-8"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what}"))
}
