//! What each scenario prepares, what one operation is, and what must hold afterwards. Every answer
//! is checked: a fast wrong one is worth nothing.

use std::io;

use super::{Connection, Target};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MEMBERS: usize = 1000;

/// davfs2's properties.
const DAVFS2: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><getetag/>"#,
    "<getcontentlength/><creationdate/><getlastmodified/><resourcetype/>",
    r#"<executable xmlns="http://apache.org/dav/props/"/></prop></propfind>"#
);
const EXCLUSIVE: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>"#,
    "<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>",
    "<D:owner>bench</D:owner></D:lockinfo>"
);
const XML: &str = "Content-Type: application/xml; charset=utf-8\r\n";
/// A status in this list means: written.
const WRITTEN: &[u16] = &[200, 201, 204];

#[derive(Debug, Clone, Copy)]
enum Work {
    /// PROPFIND of depth 1 with this body on a collection of 1,000 files of 1 KiB.
    List(&'static str),
    /// GET of a file of this many bytes.
    Get(usize),
    /// PUT of this many bytes over an existing file.
    Put(usize),
    /// An exclusive LOCK of depth 0, and its UNLOCK.
    LockUnlock,
}

/// A thing to measure.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// At once; each works on a file of its own, or all list the same collection.
    pub(crate) connections: usize,
    work: Work,
}

const fn scenario(name: &'static str, connections: usize, work: Work) -> Scenario {
    Scenario {
        name,
        connections,
        work,
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("propfind1-1000", 4, Work::List("")),
    scenario("propfind1-1000-named", 4, Work::List(DAVFS2)),
    scenario("get-1k", 16, Work::Get(KIB)),
    scenario("get-1m", 4, Work::Get(MIB)),
    scenario("put-1k", 16, Work::Put(KIB)),
    scenario("put-1m", 4, Work::Put(MIB)),
    scenario("lock-unlock", 16, Work::LockUnlock),
    // Apache's lock database does not stand 16 at once; this is what it can be compared in.
    scenario("lock-unlock-1", 1, Work::LockUnlock),
];

impl Scenario {
    fn folder(&self) -> String {
        format!("/{}/", self.name)
    }

    /// Makes what all connections share, once for each server, and checks what the scenario
    /// rests on.
    pub(crate) fn prepare(&self, target: &Target) -> Result<(), String> {
        let connection = Connection::open(target).map_err(|error| lost(&error))?;
        let mut peer = Peer(connection);
        let folder = self.folder();
        peer.ask("MKCOL", &folder, "", b"", &[201])?;
        match self.work {
            Work::List(body) => {
                for number in 0..MEMBERS {
                    let path = format!("{folder}{}", member(number));
                    peer.ask("PUT", &path, "", &pattern(KIB), WRITTEN)?;
                }
                peer.list(&folder, body)?;
                let listing = String::from_utf8_lossy(&peer.0.body);
                let missing = (0..MEMBERS)
                    .map(member)
                    .find(|name| !listing.contains(name));
                missing.map_or(Ok(()), |name| Err(format!("the listing misses {name}")))
            }
            Work::LockUnlock => {
                let path = format!("{folder}checked");
                peer.ask("PUT", &path, "", b"old", WRITTEN)?;
                let token = peer.lock(&path)?;
                peer.ask("PUT", &path, "", b"new", &[423])?;
                peer.unlock(&path, &token)?;
                peer.ask("PUT", &path, "", b"new", WRITTEN)
            }
            Work::Get(_) | Work::Put(_) => Ok(()),
        }
    }
}

/// One connection that works through a scenario.
#[derive(Debug)]
pub(crate) struct Worker {
    peer: Peer,
    work: Work,
    /// Its own file, or the collection to list.
    path: String,
    content: Vec<u8>,
    round: u64,
}

impl Worker {
    /// Connects and, where the work is on a file, writes it.
    pub(crate) fn new(scenario: &Scenario, target: &Target, number: usize) -> Result<Self, String> {
        let mut peer = Peer(Connection::open(target).map_err(|error| lost(&error))?);
        let mut path = scenario.folder();
        let bytes = match scenario.work {
            Work::List(_) => 0,
            Work::Get(bytes) | Work::Put(bytes) => bytes,
            Work::LockUnlock => KIB,
        };
        let content = pattern(bytes);
        if bytes > 0 {
            path += &member(number);
            peer.ask("PUT", &path, "", &content, WRITTEN)?;
        }
        Ok(Self {
            peer,
            work: scenario.work,
            path,
            content,
            round: 0,
        })
    }

    /// One operation, its answers checked.
    pub(crate) fn operation(&mut self) -> Result<(), String> {
        let Self { peer, path, .. } = self;
        match self.work {
            Work::List(body) => peer.list(path, body),
            Work::Get(_) => peer.get(path, &self.content),
            Work::Put(_) => {
                self.round += 1;
                self.content[..8].copy_from_slice(&self.round.to_be_bytes());
                peer.ask("PUT", path, "", &self.content, WRITTEN)
            }
            Work::LockUnlock => {
                let token = peer.lock(path)?;
                peer.unlock(path, &token)
            }
        }
    }

    /// Checks that what was done is there: the last content, no lock.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        match self.work {
            Work::List(_) | Work::Get(_) => Ok(()),
            Work::Put(_) => self.peer.get(&self.path, &self.content),
            Work::LockUnlock => self.peer.ask("PUT", &self.path, "", &self.content, WRITTEN),
        }
    }
}

/// Requests with the answers that they must get.
#[derive(Debug)]
struct Peer(Connection);

impl Peer {
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
        expected: &[u16],
    ) -> Result<(), String> {
        let status = self.0.send(method, path, headers, body);
        let status = status.map_err(|error| format!("{method} {path}: {}", lost(&error)))?;
        if expected.contains(&status) {
            return Ok(());
        }
        let excerpt = self.0.excerpt();
        Err(format!(
            "{method} {path} answered {status}, not {expected:?}: {excerpt}"
        ))
    }

    fn get(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        self.ask("GET", path, "", b"", &[200])?;
        if self.0.body == content {
            Ok(())
        } else {
            Err(format!(
                "GET {path} gave {} bytes of something else",
                self.0.body.len()
            ))
        }
    }

    fn list(&mut self, path: &str, body: &str) -> Result<(), String> {
        let headers = format!("Depth: 1\r\n{}", if body.is_empty() { "" } else { XML });
        self.ask("PROPFIND", path, &headers, body.as_bytes(), &[207])?;
        let found = responses(&self.0.body);
        if found == MEMBERS + 1 {
            Ok(())
        } else {
            Err(format!(
                "PROPFIND {path} listed {found} resources, not {}",
                MEMBERS + 1
            ))
        }
    }

    fn lock(&mut self, path: &str) -> Result<String, String> {
        let headers = format!("Depth: 0\r\nTimeout: Second-600\r\n{XML}");
        self.ask("LOCK", path, &headers, EXCLUSIVE.as_bytes(), &[200])?;
        self.0
            .lock_token
            .take()
            .ok_or_else(|| format!("LOCK {path} gave no token"))
    }

    fn unlock(&mut self, path: &str, token: &str) -> Result<(), String> {
        self.ask(
            "UNLOCK",
            path,
            &format!("Lock-Token: {token}\r\n"),
            b"",
            &[204],
        )
    }
}

fn lost(error: &io::Error) -> String {
    format!("the connection failed: {error}")
}

fn member(number: usize) -> String {
    format!("file-{number:04}.txt")
}

fn pattern(bytes: usize) -> Vec<u8> {
    b"All work and no lock makes nothing safe.\n"
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}

/// The `response` elements of a whole multistatus body, whatever its prefix for `DAV:` is.
fn responses(body: &[u8]) -> usize {
    let Some(last) = body.iter().rposition(|byte| *byte == b'<') else {
        return 0;
    };
    let Some(root) = body[last..].trim_ascii_end().strip_suffix(b"multistatus>") else {
        return 0;
    };
    let closing = [&root[1..], b"response>"].concat();
    let tags = body.split(|byte| *byte == b'<');
    tags.filter(|tag| tag.starts_with(&closing)).count()
}
