//! The servers to measure, each with a fresh folder and a free port, and stopped by its process id
//! when dropped.

mod go;
mod lockkeeper;
mod peers;
mod promises;

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::load::Target;

pub(crate) use lockkeeper::AccessLog;
pub(crate) use promises::Promise;

const START_WAIT: Duration = Duration::from_secs(15);
const STOP_WAIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// What to measure against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// mod_dav, mod_dav_fs and mod_dav_lock with the event MPM
    Apache,
    /// http_dav and dav-ext (locks in memory), one worker
    Nginx,
    /// mod_webdav, locks and properties in SQLite
    Lighttpd,
    /// `rclone serve webdav` without a VFS cache
    Rclone,
    /// dufs with everything allowed
    Dufs,
    /// golang.org/x/net/webdav with locks in memory
    Xnet,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// What it says of itself.
    pub(crate) version: String,
    pub(crate) target: Target,
    child: Child,
    _folder: TempDir,
}

/// What is needed to start a server.
struct Plan {
    name: &'static str,
    version: String,
    command: Command,
    target: Target,
    folder: TempDir,
}

impl Server {
    /// Its process; others may hang below it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A peer, on the given CPU. `NotFound` names what is missing.
    pub(crate) fn peer(peer: Peer, cpu: Option<u32>) -> io::Result<Self> {
        Self::start(peers::plan(peer, cpu)?)
    }

    fn start(plan: Plan) -> io::Result<Self> {
        let Plan {
            name,
            version,
            mut command,
            target,
            folder,
        } = plan;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = fs::File::create(folder.path().join("output"))?;
        let child = command.stderr(log).spawn()?;
        let mut server = Self {
            name,
            version,
            target,
            child,
            _folder: folder,
        };
        for _ in 0..START_WAIT.as_millis() / POLL.as_millis() {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "{name} ended at its start: {status}"
                )));
            }
            if TcpStream::connect(server.target.address).is_ok() {
                return Ok(server);
            }
            thread::sleep(POLL);
        }
        Err(io::Error::other(format!(
            "{name} does not accept connections"
        )))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, for a killed parent would leave its workers behind.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..STOP_WAIT.as_millis() / POLL.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        eprintln!("{} did not stop when asked and is killed", self.name);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for one server, which other users may walk through.
fn folder() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("side-by-side-").tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn on_cpu(cpu: Option<u32>, binary: &Path) -> Command {
    let Some(cpu) = cpu else {
        return Command::new(binary);
    };
    // taskset becomes the server, so the process id is the server's.
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]).arg(binary);
    command
}

/// A program of this name in PATH, or where only root's PATH or cargo's leads.
pub(crate) fn installed(program: &str) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::home_dir().unwrap_or_default().join(".cargo/bin");
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), cargo]);
    let found = folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    found.ok_or_else(|| missing(program))
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is not installed"))
}

/// The first line that a program prints when it is asked for its version, wherever it prints it.
fn version_of(binary: &Path, flag: &str) -> String {
    let Ok(output) = Command::new(binary).arg(flag).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}
