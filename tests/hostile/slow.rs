//! Who sends or reads slowly, or not at all, holds a connection for a while and nothing else.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Client, Connection, Response, Server};
use crate::peers::connect_from;

const WATCHDOG: Duration = Duration::from_secs(40);

/// Patience for heads and for strangers is short, for everybody else it is longer than a test.
const HASTY: &str = "[server]\nheader_seconds_max = 2\nidle_seconds_max = 300\n";
/// The other way round.
const WATCHFUL: &str = "[server]\nheader_seconds_max = 60\nidle_seconds_max = 2\n";

/// Writes a byte now and then until the server has closed, and gives back what it said.
fn dribble(stream: &mut TcpStream, byte: u8) -> String {
    let pause = Some(Duration::from_millis(100));
    stream.set_read_timeout(pause).expect("a live socket");
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    for _ in 0..WATCHDOG.as_millis() / 100 {
        let written = stream.write_all(&[byte]);
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(read) => said.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock && written.is_ok() => {}
            Err(_) => return String::from_utf8_lossy(&said).into_owned(),
        }
    }
    panic!("the server has been waiting for {WATCHDOG:?}");
}

fn open(server: &Server, begin: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("the server accepts");
    stream.write_all(begin.as_bytes()).expect("a live socket");
    stream
}

#[test]
fn a_head_that_comes_byte_by_byte_is_given_up() {
    let server = Server::start_configured(HASTY);
    let alice = server.user("alice");
    let plain = alice.head_of("GET", "/", &[], b"");
    for begin in [
        String::new(),
        "GET / HTTP/1.1\r\nX: ".to_owned(),
        // Behind another request, too.
        format!("{plain}GET / HTTP/1.1\r\nX: "),
    ] {
        let said = dribble(&mut open(&server, &begin), b'x');
        assert!(!said.contains("HTTP/1.1 4"), "{said}");
    }
    alice.get("/").status(200);
}

/// The public health check holds nothing for a stranger; a user's connection may rest.
#[test]
fn strangers_rest_for_a_shorter_time() {
    let server = Server::start_configured(HASTY);
    let alice = server.user("alice");
    let mut known = alice.connect();
    known.write(alice.head_of("GET", "/", &[], b"").as_bytes());
    known.read_response("GET").status(200);
    let mut stranger = server.anonymous().connect();
    let health = server
        .anonymous()
        .head_of("GET", "/.lockkeeper/health", &[], b"");
    stranger.write(health.as_bytes());
    stranger.read_response("GET").status(200);
    assert!(stranger.is_closed());
    known.write(alice.head_of("GET", "/", &[], b"").as_bytes());
    known.read_response("GET").status(200);
}

/// Each byte comes in time; the body as a whole does not.
#[test]
fn a_body_in_memory_that_comes_byte_by_byte_is_given_up() {
    let server = Server::start_configured(WATCHFUL);
    let alice = server.user("alice");
    let json = [("Content-Type", "application/json")];
    for head in [
        server
            .anonymous()
            .head_of("POST", "/api/token", &json, &[b' '; 10_000]),
        alice.head_of("PROPFIND", "/", &[], &[b' '; 10_000]),
        alice.head_of("LOCK", "/a", &[], &[b' '; 10_000]),
    ] {
        let said = dribble(&mut open(&server, &head), b' ');
        assert!(
            said.starts_with("HTTP/1.1 400") && said.contains("not whole after 2 s"),
            "{said}"
        );
    }
    alice.get("/").status(200);
}

/// An upload may be slow, for lines are; it may not stop.
#[test]
fn an_upload_may_be_slow() {
    let server = Server::start_configured(WATCHFUL);
    let alice = server.user("alice");
    let mut slow = alice.connect();
    slow.write(alice.head_of("PUT", "/slow", &[], &[b'x'; 30]).as_bytes());
    for _ in 0..30 {
        std::thread::sleep(Duration::from_millis(100));
        slow.write(b"x");
    }
    slow.read_response("PUT").status(201);
}

/// Nothing is read ahead for who does not read.
#[test]
fn answers_that_nobody_reads_cost_little_and_end() {
    const READERS: usize = 50;
    const SIZE: usize = 32 << 20;
    let server = Server::start_configured(WATCHFUL);
    let alice = server.user("alice");
    alice.put("/big", vec![b'x'; SIZE]).status(201);
    let before = crate::memory_of(&server);
    let head = alice.head_of("GET", "/big", &[], b"");
    let mut readers: Vec<TcpStream> = (0..READERS).map(|_| open(&server, &head)).collect();
    alice.get("/").status(200);
    for reader in &mut readers {
        reader
            .set_read_timeout(Some(WATCHDOG))
            .expect("a live socket");
        // The server gives up before this begins to read; what is on the way still comes.
        std::thread::sleep(Duration::from_secs(3) / u32::try_from(READERS).expect("few"));
    }
    std::thread::sleep(Duration::from_secs(3));
    for reader in &mut readers {
        let mut got = 0;
        let mut buffer = vec![0; 1 << 20];
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            got += read;
        }
        assert!(got < SIZE, "the whole file came");
    }
    let grown = crate::memory_of(&server).saturating_sub(before);
    assert!(
        grown < 64 << 20,
        "{} MiB for {READERS} readers",
        grown >> 20
    );
    alice.get("/").status(200);
}

/// One address has its connections, and then a sentence; everybody else is served.
#[test]
fn thousands_of_idle_connections() {
    const OF_ADDRESS: usize = 1500;
    let server = Server::start_configured(&format!(
        "[server]\nconnections_max = 3000\nconnections_per_address_max = {OF_ADDRESS}\n"
    ));
    let alice = server.user("alice");
    // Hashing a password takes 19 MiB for a moment.
    assert_eq!(answer_of_stranger(&server, &alice).status, 200);
    let before = crate::memory_of(&server);
    let idle: Vec<Connection> = (0..OF_ADDRESS).map(|_| alice.connect()).collect();
    for _ in 0..1000 {
        let mut turned_away = alice.connect();
        let answer = turned_away.read_response("GET").status(503);
        answer.containing("server.connections_per_address_max");
        assert_eq!(answer_of_stranger(&server, &alice).status, 200);
        assert!(turned_away.is_closed());
    }
    let grown = crate::memory_of(&server).saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB for idle connections", grown >> 20);
    drop(idle);
    // Their places are free again, a moment later.
    let freed = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let mut connection = alice.connect();
        connection.write(alice.head_of("GET", "/", &[], b"").as_bytes());
        connection.read_some().starts_with(b"HTTP/1.1 200")
    });
    assert!(freed, "the places are still taken");
}

/// From the second address of this machine.
fn answer_of_stranger(server: &Server, client: &Client) -> Response {
    let mut stream = connect_from([127, 0, 0, 2], &server.address);
    let head = client.head_of("GET", "/", &[("Connection", "close")], b"");
    stream.write_all(head.as_bytes()).expect("a live socket");
    Response::read(&mut BufReader::new(stream), "GET").expect("an answer")
}

/// Shells and systemd begin with few open files; the server takes what it may have.
#[test]
fn the_limit_of_open_files_is_raised() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = env!("CARGO_BIN_EXE_lockkeeper");
    let script = format!("ulimit -Sn 256; exec {program} serve --memory --listen 127.0.0.1:0");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = output.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("listening on ")));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id()));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let limits = limits.expect("a running process");
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let files: Vec<&str> = files.expect("a limit").split_whitespace().collect();
    assert_eq!(files[0], files[1], "{limits}");
    assert_ne!(files[0], "256");
}
