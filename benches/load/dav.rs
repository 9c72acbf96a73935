//! The requests that scenarios are made of, with the answers that they must get.

use std::io;

use super::client::{Connection, Download, Target, Upload};

/// davfs2's properties.
pub(crate) const NAMED: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><getetag/>"#,
    "<getcontentlength/><creationdate/><getlastmodified/><resourcetype/>",
    r#"<executable xmlns="http://apache.org/dav/props/"/></prop></propfind>"#
);
/// All properties, as Windows asks for them.
pub(crate) const ALL: &str = "";
const EXCLUSIVE: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>"#,
    "<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>",
    "<D:owner>bench</D:owner></D:lockinfo>"
);
const PATCH_BEGIN: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>"#
);
const PATCH_END: &str = "</D:prop></D:set></D:propertyupdate>";
const XML: &str = "Content-Type: application/xml; charset=utf-8\r\n";
/// A status in this list means: done. lighttpd and dufs answer 200 where the RFC wants 201 or 204.
const DONE: &[u16] = &[200, 201, 204];

/// How much a PROPFIND must list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    pub(crate) resources: usize,
    /// How many of them are files, which have a length.
    pub(crate) files: usize,
}

/// What a bid for a lock came to.
#[derive(Debug)]
pub(crate) enum Bid {
    Granted(String),
    Refused,
}

/// A connection that takes no wrong answer.
#[derive(Debug)]
pub(crate) struct Client(Connection);

impl Client {
    pub(crate) async fn open(target: &Target) -> Result<Self, String> {
        let connection = Connection::open(target).await;
        connection.map(Self).map_err(|error| lost(&error))
    }

    async fn status(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        upload: Upload<'_>,
        download: Download,
    ) -> Result<u16, String> {
        let status = self.0.send(method, path, headers, upload, download).await;
        status.map_err(|error| format!("{method} {path}: {}", lost(&error)))
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
        expected: &[u16],
    ) -> Result<(), String> {
        let upload = Upload::Bytes(body);
        let status = self
            .status(method, path, headers, upload, Download::Keep)
            .await?;
        self.expect(method, path, status, expected)
    }

    fn expect(
        &self,
        method: &str,
        path: &str,
        status: u16,
        expected: &[u16],
    ) -> Result<(), String> {
        if expected.contains(&status) {
            return Ok(());
        }
        let excerpt = self.0.excerpt();
        Err(format!(
            "{method} {path} answered {status}, not {expected:?}: {excerpt}"
        ))
    }

    pub(crate) async fn get(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        self.ask("GET", path, "", b"", &[200]).await?;
        let found = &self.0.body;
        if found == content {
            return Ok(());
        }
        Err(format!(
            "GET {path} gave {} bytes of something else",
            found.len()
        ))
    }

    pub(crate) async fn get_number(&mut self, path: &str) -> Result<u64, String> {
        self.ask("GET", path, "", b"", &[200]).await?;
        let text = String::from_utf8_lossy(&self.0.body);
        text.parse()
            .map_err(|_| format!("{path} is torn: {text:?}"))
    }

    pub(crate) async fn get_large(&mut self, path: &str, length: u64) -> Result<(), String> {
        let nothing = Upload::Bytes(b"");
        let status = self
            .status("GET", path, "", nothing, Download::Large)
            .await?;
        self.expect("GET", path, status, &[200])?;
        let found = self.0.body_length;
        if found == length {
            return Ok(());
        }
        Err(format!("GET {path} gave {found} bytes, not {length}"))
    }

    pub(crate) async fn put(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        self.ask("PUT", path, "", content, DONE).await
    }

    /// PUT by who holds the lock.
    pub(crate) async fn put_with(
        &mut self,
        path: &str,
        content: &[u8],
        token: &str,
    ) -> Result<(), String> {
        let headers = format!("If: ({token})\r\n");
        self.ask("PUT", path, &headers, content, DONE).await
    }

    pub(crate) async fn put_large(&mut self, path: &str, length: u64) -> Result<(), String> {
        let upload = Upload::Large(length);
        let status = self.status("PUT", path, "", upload, Download::Keep).await?;
        self.expect("PUT", path, status, DONE)
    }

    /// `path` ends with a slash; nginx insists on it.
    pub(crate) async fn mkcol(&mut self, path: &str) -> Result<(), String> {
        self.ask("MKCOL", path, "", b"", &[201]).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Result<(), String> {
        self.ask("DELETE", path, "", b"", DONE).await
    }

    pub(crate) async fn copy(&mut self, from: &str, to: &str) -> Result<(), String> {
        self.transfer("COPY", from, to).await
    }

    pub(crate) async fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        self.transfer("MOVE", from, to).await
    }

    /// The paths of collections end with a slash.
    async fn transfer(&mut self, method: &str, from: &str, to: &str) -> Result<(), String> {
        let destination = self.0.url(to);
        let depth = if from.ends_with('/') {
            "Depth: infinity\r\n"
        } else {
            ""
        };
        let headers = format!("Destination: {destination}\r\nOverwrite: T\r\n{depth}");
        self.ask(method, from, &headers, b"", DONE).await
    }

    /// PROPFIND that lists exactly so much.
    pub(crate) async fn list(
        &mut self,
        path: &str,
        depth: u8,
        body: &str,
        expected: Listing,
    ) -> Result<(), String> {
        let headers = format!("Depth: {depth}\r\n{XML}");
        self.ask("PROPFIND", path, &headers, body.as_bytes(), &[207])
            .await?;
        let text = String::from_utf8_lossy(&self.0.body);
        let found = Listing {
            resources: responses(&text),
            files: text.matches("getcontentlength>").count(),
        };
        if found.resources == expected.resources && found.files >= expected.files {
            return Ok(());
        }
        Err(format!("PROPFIND {path} gave {found:?}, not {expected:?}"))
    }

    /// Whether nothing is at `path` any more.
    pub(crate) async fn is_gone(&mut self, path: &str) -> Result<(), String> {
        self.ask("PROPFIND", path, "Depth: 0\r\n", b"", &[404])
            .await
    }

    /// Sets one property to plain text.
    pub(crate) async fn set_mark(&mut self, path: &str, value: &str) -> Result<(), String> {
        let body = format!(
            "{PATCH_BEGIN}<m:mark xmlns:m=\"urn:side-by-side\">{value}</m:mark>{PATCH_END}"
        );
        self.ask("PROPPATCH", path, XML, body.as_bytes(), &[200, 204, 207])
            .await?;
        let answer = String::from_utf8_lossy(&self.0.body);
        // lighttpd answers 204 without a body.
        if answer.is_empty() || answer.contains(" 200 ") {
            return Ok(());
        }
        Err(format!("PROPPATCH {path} was refused in its 207"))
    }

    pub(crate) async fn has_mark(&mut self, path: &str, value: &str) -> Result<(), String> {
        let body = concat!(
            r#"<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>"#,
            r#"<mark xmlns="urn:side-by-side"/></prop></propfind>"#
        );
        let headers = format!("Depth: 0\r\n{XML}");
        self.ask("PROPFIND", path, &headers, body.as_bytes(), &[207])
            .await?;
        if String::from_utf8_lossy(&self.0.body).contains(&format!(">{value}<")) {
            return Ok(());
        }
        Err(format!("{path} has lost its property"))
    }

    /// Asks for an exclusive lock.
    pub(crate) async fn bid(&mut self, path: &str) -> Result<Bid, String> {
        let headers = format!("Depth: 0\r\nTimeout: Second-600\r\n{XML}");
        let body = Upload::Bytes(EXCLUSIVE.as_bytes());
        let status = self
            .status("LOCK", path, &headers, body, Download::Keep)
            .await?;
        if status == 423 {
            return Ok(Bid::Refused);
        }
        self.expect("LOCK", path, status, &[200, 201])?;
        let token = self.0.lock_token.take();
        token
            .map(Bid::Granted)
            .ok_or_else(|| format!("LOCK {path} gave no token"))
    }

    pub(crate) async fn lock(&mut self, path: &str) -> Result<String, String> {
        match self.bid(path).await? {
            Bid::Granted(token) => Ok(token),
            Bid::Refused => Err(format!("LOCK {path} answered 423")),
        }
    }

    pub(crate) async fn refresh(&mut self, path: &str, token: &str) -> Result<(), String> {
        let headers = format!("Timeout: Second-600\r\nIf: ({token})\r\n");
        self.ask("LOCK", path, &headers, b"", &[200]).await
    }

    pub(crate) async fn unlock(&mut self, path: &str, token: &str) -> Result<(), String> {
        let headers = format!("Lock-Token: {token}\r\n");
        self.ask("UNLOCK", path, &headers, b"", &[200, 204]).await
    }

    /// Fails unless the lock of one client keeps another one out until it ends.
    pub(crate) async fn check_locks(&mut self, other: &mut Self, path: &str) -> Result<(), String> {
        self.put(path, b"old").await?;
        let token = self.lock(path).await?;
        if let Bid::Granted(_) = other.bid(path).await? {
            return Err("no lock: a second exclusive one was granted".to_owned());
        }
        let stray = other.ask("PUT", path, "", b"stray", &[423]).await;
        stray.map_err(|fault| format!("no lock: without its token {fault}"))?;
        self.put_with(path, b"new", &token).await?;
        self.unlock(path, &token).await?;
        other.get(path, b"new").await?;
        other.put(path, b"free").await
    }
}

fn lost(error: &io::Error) -> String {
    format!("the connection failed: {error}")
}

/// The `response` elements of a whole multistatus body, whatever its prefix for `DAV:` is.
fn responses(body: &str) -> usize {
    let Some((_, root)) = body.trim_end().rsplit_once('<') else {
        return 0;
    };
    let Some(prefix) = root.strip_suffix("multistatus>") else {
        return 0;
    };
    body.matches(&format!("<{prefix}response>")).count()
}
