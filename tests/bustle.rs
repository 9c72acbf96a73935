//! Everything at once, and nobody waits for ever: people at work on the same few files, webhooks
//! that come and go, with receivers that take, hang or are not there, followers of the record,
//! checks and backups that are stopped or given up half-way, and clients that leave in the middle.
//! Every request and every command that is not given up has to end in time, and none may fail for
//! a reason that lies in the server.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure how long something took"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
#[path = "crew/dice.rs"]
mod dice;
#[path = "bustle/office.rs"]
mod office;
#[path = "bustle/people.rs"]
mod people;
#[path = "bustle/rude.rs"]
mod rude;

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Client, Response, Server};
use dice::Dice;

/// Whoever waits for so long waits for ever. A build may run beside this.
const PATIENCE: Duration = Duration::from_secs(60);
const SECONDS_IN_CI: u64 = 8;
const SECONDS_AT_LENGTH: u64 = 600;

/// Receivers do not hold up a command for longer, rows are on their way into sled all the time, and
/// versions go while others come.
const SETTINGS: &str = "[webhooks]\nanswer_seconds_max = 1\nretry_seconds_min = 1\n\
                        retry_seconds_max = 2\n[versions]\nkeep = 3\n[events]\nkeep = 5000\n\
                        [store]\njournal_bytes_max = 65536\n";

/// One thing that somebody does; why it could not be done.
type Act = fn(&Stage, &mut Dice) -> Result<(), String>;

/// Who does what, and how many do it.
const ROLES: [(&str, u64, Act); 7] = [
    ("people", 4, people::work),
    ("webhooks", 2, office::change_webhooks),
    ("accounts", 1, office::change_accounts),
    ("checks", 1, office::check),
    ("backups", 1, office::back_up),
    ("followers", 2, rude::follow),
    ("rude", 3, rude::leave),
];

/// Where it happens.
struct Stage<'s> {
    server: &'s Server,
    alice: Client,
    bob: Client,
    mallory: Client,
    receivers: [String; 3],
    /// Connections to it are made, and nobody ever takes one.
    _hangs: TcpListener,
    patience: Duration,
}

impl<'s> Stage<'s> {
    fn set(server: &'s Server, patience: Duration) -> Self {
        let (alice, bob) = (server.user("alice"), server.user("bob"));
        let mallory = server.user("mallory");
        alice.mkcol("/team/").status(201);
        for (folder, files) in [("/some/", 20), ("/many/", 300)] {
            alice.mkcol(folder).status(201);
            for number in 0..files {
                alice.put(&format!("{folder}{number}"), "x").status(201);
            }
        }
        alice.put("/big", vec![b'x'; 8 << 20]).status(201);
        let (receivers, hangs) = receivers();
        Self {
            server,
            alice,
            bob,
            mallory,
            receivers,
            _hangs: hangs,
            patience,
        }
    }

    /// A request, and its answer in time.
    fn ask(
        &self,
        client: &Client,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, String> {
        let what = |error: std::io::Error| format!("{method} {path}: no answer: {error}");
        let mut stream = self.connect().map_err(what)?;
        let head = client.head_of(method, path, headers, body);
        // An error is none yet: the server may have answered early.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
        let answer = Response::read(&mut BufReader::new(stream), method).map_err(what)?;
        if answer.status >= 500 {
            return Err(format!("{method} {path}: {answer}"));
        }
        Ok(answer)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.server.address)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        Ok(stream)
    }
}

/// URLs where webhooks are taken, where they are never answered as long as the listener is there,
/// and where nobody listens.
fn receivers() -> ([String; 3], TcpListener) {
    let url = |listener: &TcpListener| format!("http://{}/", listener.local_addr().unwrap());
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (takes, hangs, gone) = (free(), free(), free());
    let urls = [url(&takes), url(&hangs), url(&gone)];
    std::thread::spawn(move || {
        for mut stream in takes.incoming().flatten() {
            let taken = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(taken);
        }
    });
    (urls, hangs)
}

/// Lets everybody loose for so long: how often each role did what it does, or who waits.
fn bustle(stage: &Stage, seed: u64, time: Duration) -> Result<BTreeMap<&'static str, u64>, String> {
    let (over, fault) = (AtomicBool::new(false), Mutex::new(None));
    let end = Instant::now() + time;
    let play = |name: &str, number: u64, act: Act| {
        let mut dice = Dice::new(seed + number);
        let mut times = 0;
        while !over.load(Ordering::Relaxed) && Instant::now() < end {
            if let Err(reason) = act(stage, &mut dice) {
                let fault = &mut *fault.lock().unwrap();
                fault.get_or_insert_with(|| format!("{name}: {reason}"));
                over.store(true, Ordering::Relaxed);
            }
            times += 1;
        }
        times
    };
    let mut counts = BTreeMap::new();
    std::thread::scope(|scope| {
        let mut players = Vec::new();
        for (role, (name, count, act)) in (0..).zip(ROLES) {
            for number in 0..count {
                let number = role * 100 + number;
                players.push((name, scope.spawn(move || play(name, number, act))));
            }
        }
        for (name, player) in players {
            *counts.entry(name).or_default() += player.join().unwrap();
        }
    });
    fault.into_inner().unwrap().map_or(Ok(counts), Err)
}

fn everything_at_once(seconds: u64) {
    let mut server = Server::start_configured(SETTINGS);
    let stage = Stage::set(&server, PATIENCE);
    let time = Duration::from_secs(seconds);
    let counts = bustle(&stage, dice::seed(), time).unwrap_or_else(|fault| panic!("{fault}"));
    println!("{seconds} s: {counts:?}");
    assert!(counts.values().all(|count| *count > 0), "{counts:?}");
    office::assert_sound(&stage);
    assert!(server.stop().success());
}

#[test]
fn nobody_waits_for_ever() {
    everything_at_once(SECONDS_IN_CI);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn nobody_waits_for_ever_at_length() {
    let seconds = std::env::var("LOCKKEEPER_SECONDS");
    everything_at_once(seconds.map_or(SECONDS_AT_LENGTH, |seconds| seconds.parse().unwrap()));
}

/// A server that stands still is noticed.
#[test]
fn silence_is_heard() {
    let server = Server::start_configured(SETTINGS);
    let stage = Stage::set(&server, Duration::from_secs(2));
    let fault = std::thread::scope(|scope| {
        let bustling = scope.spawn(|| bustle(&stage, 1, Duration::from_secs(30)));
        std::thread::sleep(Duration::from_millis(500));
        office::signal("-STOP", server.process_id());
        let heard = bustling.join().unwrap();
        office::signal("-CONT", server.process_id());
        heard
    });
    let fault = fault.unwrap_err();
    assert!(
        fault.contains("no answer") || fault.contains("has not ended"),
        "{fault}"
    );
}
