//! The unit and the container file in docs/deploy/: the options that they give exist and start a
//! server, systemd understands the unit, and what it limits fits to the settings.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests of programs speak to people"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::lockkeeper;
use lockkeeper::config::Config;
use tempfile::TempDir;

/// As much as a service that is reachable over the network can be kept from (0 is best, 10 worst).
const EXPOSURE_MAX: f64 = 1.5;

const UNIT: &str = include_str!("../docs/deploy/lockkeeper.service");
const CONTAINER: &str = include_str!("../docs/deploy/Containerfile");
const PROGRAM: &str = "/usr/local/bin/lockkeeper";

/// The values of a key of the unit.
fn of_unit(key: &str) -> impl Iterator<Item = &'static str> {
    UNIT.lines()
        .filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

fn number(key: &str) -> u64 {
    of_unit(key).next().unwrap().parse().unwrap()
}

/// The words of an instruction of the container file in its exec form.
fn of_container(instruction: &str) -> Vec<String> {
    let mut lines = CONTAINER.lines();
    let words = lines.find_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
    serde_json::from_str(words.unwrap()).unwrap()
}

/// Starts the program with these words, but with places and a port that are the test's own, and
/// asks it to stop once it listens.
fn start_and_stop(words: &[String]) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("settings.toml"), "").unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let mut command = lockkeeper();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        command.arg(word);
        match word.as_str() {
            "--config" => drop(command.arg(place("settings.toml"))),
            "--data" => drop(command.arg(place("data"))),
            "--listen" => drop(command.arg("127.0.0.1:0")),
            _ => continue,
        }
        words.next().expect("the option has a value");
    }
    if !words.as_slice().iter().any(|word| word == "--listen") {
        command.env("LOCKKEEPER_SERVER_LISTEN", "127.0.0.1:0");
    }
    let mut server = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(server.stdout.take().unwrap()).lines();
    let listens = told
        .map_while(Result::ok)
        .any(|line| line.starts_with("listening on "));
    let id = server.id().to_string();
    programs::succeed(Command::new("kill").args(["-TERM", &id]));
    let output = server.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        listens && output.status.success(),
        "{:?}: {log}",
        output.status
    );
}

#[test]
fn the_unit_starts_a_server() {
    let start = of_unit("ExecStart").next().unwrap();
    let mut words = start.split(' ').map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some(PROGRAM));
    start_and_stop(&words.collect::<Vec<_>>());
}

#[test]
fn the_container_starts_a_server() {
    let program = of_container("ENTRYPOINT").concat();
    assert!(program.ends_with("/lockkeeper") && CONTAINER.contains("/image/usr/bin"));
    start_and_stop(&of_container("CMD"));
}

/// Without TLS it must say no, and say what is missing.
#[test]
fn the_container_does_not_send_passwords_in_the_clear() {
    let folder = TempDir::new().unwrap();
    let mut command = lockkeeper();
    command.args(of_container("CMD")).current_dir(&folder);
    let refused = command
        .env("LOCKKEEPER_STORE_MEMORY", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--tls-cert") && said.contains("--insecure"),
        "{said}"
    );
}

#[test]
fn what_the_unit_limits_fits_to_the_settings() {
    let server = Config::default().server;
    assert!(number("TimeoutStopSec") > server.shutdown_seconds_max);
    let connections = u64::try_from(server.connections_max).unwrap();
    assert!(number("LimitNOFILE") >= 4 * connections);
    let data = of_unit("ExecStart").next().unwrap();
    assert!(data.ends_with("--data /var/lib/lockkeeper"));
    assert_eq!(of_unit("StateDirectory").next(), Some("lockkeeper"));
    let families = of_unit("RestrictAddressFamilies").next().unwrap();
    for family in ["AF_UNIX", "AF_INET", "AF_INET6"] {
        assert!(families.split(' ').any(|allowed| allowed == family));
    }
}

#[test]
fn systemd_understands_the_unit() {
    if !programs::installed(&["systemd-analyze"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let unit = folder.path().join("lockkeeper.service");
    fs::write(
        &unit,
        UNIT.replace(PROGRAM, env!("CARGO_BIN_EXE_lockkeeper")),
    )
    .unwrap();
    let said = analyze(&["verify", "--man=no"], &unit);
    assert!(said.trim().is_empty(), "{said}");
    let said = analyze(&["security", "--offline=true", "--no-pager"], &unit);
    let exposure = said.split("exposure level for lockkeeper.service: ").nth(1);
    let exposure = exposure.and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    println!("exposure {exposure:?}");
    assert!(
        exposure.is_some_and(|exposure| exposure <= EXPOSURE_MAX),
        "{said}"
    );
    // It would notice a word that it does not know.
    fs::write(&unit, UNIT.replace("=strict", "=stict")).unwrap();
    assert!(analyze(&["verify", "--man=no"], &unit).contains("stict"));
}

/// What systemd-analyze says on both outputs.
fn analyze(words: &[&str], unit: &Path) -> String {
    let output = Command::new("systemd-analyze")
        .args(words)
        .arg(unit)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}
