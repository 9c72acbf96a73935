//! One attack: bytes that are sent as they are, and what a server that is not fooled answers. And
//! the judge, who asks for more than the answers: nothing smuggled ran, and the server goes on.

use std::fmt::Write as _;
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::common::{Client, Response};

/// The longest that anything may take.
const WATCHDOG: Duration = Duration::from_secs(40);
/// What nothing smuggled may touch.
pub const CANARY: &str = "/canary.txt";
/// What nothing smuggled may make.
pub const SMUGGLED: &str = "/smuggled";
/// The folder in which attacks may make things.
pub const YARD: &str = "/yard/";

/// Bytes for one connection.
#[derive(Debug, Clone)]
pub struct Attack {
    pub name: String,
    pub bytes: Vec<u8>,
    /// The final statuses of all answers; then the server closes. Empty: it closes without a word.
    pub statuses: Vec<u16>,
}

impl Attack {
    pub fn new(name: impl Into<String>, statuses: &[u16], bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            statuses: statuses.to_vec(),
        }
    }
}

/// Somebody who attacks a server with the credentials of a user.
#[derive(Debug)]
pub struct Attacker {
    pub address: String,
    pub client: Client,
}

impl Attacker {
    /// Puts the canary into its cage.
    pub fn new(address: &str, client: Client) -> Self {
        client.put(CANARY, "alive").status(201);
        client.mkcol(YARD).status(201);
        Self {
            address: address.to_owned(),
            client,
        }
    }

    /// `{h}` stands for the headers of a plain request, `{smuggled}` for requests that must not
    /// run, `{end}` for a plain last request.
    pub fn fill(&self, template: &str) -> Vec<u8> {
        let head = self.client.head_of("GET", "/", &[], b"");
        let headers = head.split_once("\r\n").expect("a request line").1;
        let headers = headers.trim_end_matches("\r\n").to_owned() + "\r\n";
        let smuggled = format!(
            "DELETE {CANARY} HTTP/1.1\r\n{headers}\r\nMKCOL {SMUGGLED} HTTP/1.1\r\n{headers}\r\n"
        );
        let end = format!("GET {CANARY} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        template
            .replace("{smuggled}", &smuggled)
            .replace("{end}", &end)
            .replace("{h}", &headers)
            .into_bytes()
    }

    /// One whole request, the last of its connection.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Vec<u8> {
        let mut headers = headers.to_vec();
        headers.push(("Connection", "close"));
        let body = body.as_ref();
        let head = self.client.head_of(method, path, &headers, body);
        [head.as_bytes(), body].concat()
    }

    /// What is wrong with how the server took it; nothing, if it is to be trusted.
    pub fn judge(&self, attack: &Attack) -> Result<(), String> {
        let mut faults = String::new();
        match self.send(&attack.bytes) {
            Ok(answers) if statuses(&answers) == attack.statuses => {}
            Ok(answers) => {
                let (got, expected) = (statuses(&answers), &attack.statuses);
                let last = answers.last().map(Response::text).unwrap_or_default();
                let _ = write!(
                    faults,
                    " answered {got:?} instead of {expected:?}: {last:.200}"
                );
            }
            Err(reason) => faults.push_str(&format!(" {reason}")),
        }
        faults.push_str(&self.what_ran());
        if faults.is_empty() {
            return Ok(());
        }
        Err(format!("{}:{faults}", attack.name))
    }

    /// What a smuggled request did; and so whether the server still serves.
    fn what_ran(&self) -> String {
        let mut faults = String::new();
        let canary = self.client.get(CANARY);
        if canary.status != 200 || canary.text() != "alive" {
            let _ = write!(faults, " the canary is dead ({})", canary.status);
            self.client.put(CANARY, "alive");
        }
        if self.client.get(SMUGGLED).status != 404 {
            faults.push_str(" a smuggled request ran");
            self.client.delete(SMUGGLED);
        }
        faults
    }

    /// Every answer until the server closes. Writing goes on beside reading: who floods does not
    /// wait for the answer.
    fn send(&self, bytes: &[u8]) -> Result<Vec<Response>, String> {
        let stream = TcpStream::connect(&self.address).expect("the server accepts");
        stream
            .set_read_timeout(Some(WATCHDOG))
            .expect("a live socket");
        stream
            .set_write_timeout(Some(WATCHDOG))
            .expect("a live socket");
        let mut writer = stream.try_clone().expect("a live socket");
        let mut reader = BufReader::new(stream);
        std::thread::scope(|scope| {
            scope.spawn(move || writer.write_all(bytes));
            let answers = read_all(&mut reader);
            // Ends the writer too.
            let _ = reader.get_ref().shutdown(Shutdown::Both);
            answers
        })
    }
}

fn read_all(reader: &mut BufReader<TcpStream>) -> Result<Vec<Response>, String> {
    let mut answers = Vec::new();
    loop {
        let mut first = [0];
        match reader.read(&mut first) {
            Ok(0) => return Ok(answers),
            // A reset is a close, when the client is still sending.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(answers),
            Err(error) => return Err(format!("the connection was not closed: {error}")),
            Ok(_) => {}
        }
        let mut whole = std::io::Read::chain(&first[..], &mut *reader);
        let mut whole = BufReader::with_capacity(1, &mut whole);
        let answer = Response::read(&mut whole, "GET");
        let answer = answer.map_err(|error| format!("the answer is no answer: {error}"))?;
        if answer.status >= 200 {
            answers.push(answer);
        }
    }
}

fn statuses(answers: &[Response]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}
