//! The harness of the tests that use the real binary: starts it on a free port over a data folder
//! of its own, speaks HTTP/1.1 over plain sockets (so that every byte is the test's own) and stops
//! it when dropped.
//!
//! ```ignore
//! let server = Server::start();
//! let alice = server.user("alice");
//! alice.put("/a.txt", "hi").status(201);
//! let token = alice.lock("/a.txt", "Second-180").status(200).lock_token();
//! alice.send("PUT", "/a.txt", &[("If", &format!("(<{token}>)"))], "ho").status(204);
//! ```
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of the harness"
)]
#![allow(
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may ignore both"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod http;

pub use http::{Client, Connection, LOCK_EXCLUSIVE, Response};

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

/// A command of the real binary, with nothing of the outer environment that could steer it.
pub fn lockkeeper() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    for (name, _) in std::env::vars() {
        if name.starts_with("LOCKKEEPER_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end with `input` on its standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A command that does not read its input closes the pipe; that is its right.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("the binary ends")
}

/// A running `lockkeeper serve`.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// `http` or `https`.
    pub scheme: String,
    /// What it printed before it was ready: on a first start the admin's password.
    pub greeting: Vec<String>,
    folder: Arc<TempDir>,
    data: PathBuf,
    flags: Vec<String>,
    environment: Environment,
}

/// Variables that only the server gets.
pub type Environment = Vec<(&'static str, PathBuf)>;

impl Server {
    /// A server with default settings on an empty store.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server on an empty store with more flags of `serve`.
    pub fn start_with(flags: &[&str]) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let data = folder.path().join("data");
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self::launch(folder, data, flags, Vec::new())
    }

    /// A server on a data folder of the test's own choice.
    pub fn start_at(data: &Path) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::launch(folder, data.to_owned(), Vec::new(), Vec::new())
    }

    /// A server on an empty store with a configuration file.
    pub fn start_configured(toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self::start_in(folder, toml, &data, Vec::new())
    }

    /// A server with a configuration file, a data folder and an environment of the test's own
    /// choice.
    pub fn start_in(folder: TempDir, toml: &str, data: &Path, environment: Environment) -> Self {
        std::fs::write(folder.path().join("lockkeeper.toml"), toml).expect("writable");
        Self::launch(Arc::new(folder), data.to_owned(), Vec::new(), environment)
    }

    fn launch(
        folder: Arc<TempDir>,
        data: PathBuf,
        flags: Vec<String>,
        environment: Environment,
    ) -> Self {
        let log = File::options()
            .append(true)
            .create(true)
            .open(folder.path().join("log"))
            .expect("a log file");
        let mut child = lockkeeper()
            .current_dir(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(&flags)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut greeting = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let url = loop {
            let Some(Ok(line)) = lines.next() else {
                let status = child.wait();
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                panic!("the server ended before it was ready: {status:?}\n{log}");
            };
            match line.strip_prefix("listening on ") {
                Some(url) => break url.to_owned(),
                None => greeting.push(line),
            }
        };
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (scheme, address) = (scheme.to_owned(), rest.trim_end_matches('/').to_owned());
        Self {
            child,
            address,
            scheme,
            greeting,
            folder,
            data,
            flags,
            environment,
        }
    }

    /// Makes a user (password: the name and `-password`) and gives back a client that signs in.
    pub fn user(&self, name: &str) -> Client {
        self.add_user(name, &["--password-stdin"])
    }

    /// Like [`Server::user`], with the rights of an administrator.
    pub fn admin_user(&self, name: &str) -> Client {
        self.add_user(name, &["--password-stdin", "--admin"])
    }

    fn add_user(&self, name: &str, flags: &[&str]) -> Client {
        let password = format!("{name}-password");
        let mut command = self.command(&["user", "add", name]);
        let output = run(command.args(flags), &password);
        assert!(output.status.success(), "user add {name}: {output:?}");
        self.client(name, &password)
    }

    /// The administrator of the first start, with the password that was printed.
    pub fn admin(&self) -> Client {
        self.client("admin", &self.admin_password())
    }

    /// The password that the first start printed.
    pub fn admin_password(&self) -> String {
        let line = self
            .greeting
            .iter()
            .find(|line| line.trim_start().starts_with("password"));
        let line = line.expect("the first start prints a password");
        line.split_whitespace()
            .last()
            .expect("the password ends its line")
            .to_owned()
    }

    /// A client with these credentials, right or wrong.
    pub fn client(&self, name: &str, password: &str) -> Client {
        Client::new(&self.address, Some((name, password)))
    }

    /// A client without credentials.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.address, None)
    }

    /// The absolute URL of a path, as in a Destination.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The folder that holds the data folder, the log and, if any, the configuration file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        // The server gathers lines for some 10 milliseconds before it writes them.
        std::thread::sleep(Duration::from_millis(100));
        std::fs::read_to_string(self.folder.path().join("log")).expect("readable")
    }

    /// Waits until the log has a line that contains `text`, and gives it back.
    pub fn log_line(&self, text: &str) -> String {
        for _ in 0..200 {
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{text:?} is not in the log:\n{}", self.log());
    }

    /// Another command of the binary on the same data folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = lockkeeper();
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .arg("--data")
            .arg(self.data());
        command
    }

    /// The operating system's number of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.stop_status()
    }

    /// Waits until it has ended.
    pub fn stop_status(&mut self) -> ExitStatus {
        self.child.wait().expect("it was ours to wait for")
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill exists").success());
    }

    /// SIGKILL: the process has no chance to do anything more.
    pub fn kill(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it was ours to wait for");
    }

    /// Stops it if it still runs and starts it again over the same data, on another port.
    pub fn restart(mut self) -> Self {
        if self
            .child
            .try_wait()
            .expect("it was ours to wait for")
            .is_none()
        {
            assert!(self.stop().success());
        }
        Self::launch(
            Arc::clone(&self.folder),
            self.data.clone(),
            self.flags.clone(),
            self.environment.clone(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- log of the server\n{}", self.log());
        }
    }
}
