//! Builds the server of golang.org/x/net/webdav from Debian's packages, where they are installed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{installed, missing};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/servers/xnet/main.go");
/// Where Debian keeps the sources of Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// The server, built into `folder`.
pub(super) fn build(folder: &Path) -> io::Result<PathBuf> {
    let go = installed("go")?;
    if !Path::new(PACKAGES)
        .join("src/golang.org/x/net/webdav")
        .exists()
    {
        return Err(missing("golang-golang-x-net-dev"));
    }
    let binary = folder.join("xnet");
    let mut build = Command::new(go);
    build.env("GO111MODULE", "off").env("GOPATH", PACKAGES);
    build.env("GOCACHE", folder.join("build"));
    build.args(["build", "-o"]).arg(&binary).arg(SOURCE);
    let output = build.output()?;
    if output.status.success() {
        return Ok(binary);
    }
    let fault = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("go build: {fault}")))
}
