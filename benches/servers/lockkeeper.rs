//! Lockkeeper as its users start it: default settings, and a password with each request.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Plan, Server, folder, free_address, on_cpu, version_of};
use crate::load::Target;

const USER: &str = "bench";
const PASSWORD: &str = "side-by-side";
/// Both, as Basic authentication sends them.
const CREDENTIALS: &str = "YmVuY2g6c2lkZS1ieS1zaWRl";

/// Whether each request leaves a line, as it does by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessLog {
    On,
    Off,
}

impl Server {
    /// Lockkeeper, on the given CPU.
    pub(crate) fn lockkeeper(access_log: AccessLog, cpu: Option<u32>) -> io::Result<Self> {
        let folder = folder()?;
        let data = folder.path().join("data");
        let binary = Path::new(env!("CARGO_BIN_EXE_lockkeeper"));
        add_user(binary, &data)?;
        let address = free_address()?;
        let mut command = clean(on_cpu(cpu, binary));
        command
            .args(["serve", "--listen", &address.to_string(), "--data"])
            .arg(&data);
        command.current_dir(folder.path());
        let name = match access_log {
            AccessLog::On => "lockkeeper",
            AccessLog::Off => {
                command.env("LOCKKEEPER_LOG_LEVEL", "warn");
                "lockkeeper, no log"
            }
        };
        Self::start(Plan {
            name,
            version: version_of(binary, "--version"),
            command,
            target: Target {
                address,
                credentials: Some(CREDENTIALS),
            },
            folder,
        })
    }
}

fn add_user(binary: &Path, data: &Path) -> io::Result<()> {
    let mut add = clean(Command::new(binary));
    add.args(["user", "add", USER, "--password-stdin", "--data"])
        .arg(data);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    // The pipe closes at the end of the statement, so that the command sees the end.
    add.stdin
        .take()
        .expect("it is piped")
        .write_all(PASSWORD.as_bytes())?;
    if add.wait()?.success() {
        return Ok(());
    }
    Err(io::Error::other("lockkeeper user add failed"))
}

/// Without anything of the environment that could steer the server.
fn clean(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LOCKKEEPER_") {
            command.env_remove(name);
        }
    }
    command
}
