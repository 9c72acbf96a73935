//! What one user notices while another one does their worst, in figures.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people, of a real server"
)]

use std::io::BufReader;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Client, Connection, Response, Server};

/// Files in the folder that is listed.
const FILES: usize = 1000;

/// One round of the abuser on one of many connections; `false`: the connection is of no more use.
type Abuse = fn(&Client, &mut Connection, usize) -> bool;

const ABUSES: [(&str, Abuse); 5] = [
    ("uploads that never end", upload_slowly),
    ("listings of a thousand files", list),
    ("listings of everything", list_all),
    ("saving without a pause", save),
    ("guessing passwords", guess),
];

fn upload_slowly(mallory: &Client, connection: &mut Connection, number: usize) -> bool {
    let head = mallory.head_of("PUT", &format!("/mallory-{number}"), &[], &[b'x'; 1000]);
    connection.write(head.as_bytes());
    for _ in 0..20 {
        connection.write(b"x");
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

fn list(mallory: &Client, connection: &mut Connection, _number: usize) -> bool {
    connection.write(
        mallory
            .head_of("PROPFIND", "/many/", &[("Depth", "1")], b"")
            .as_bytes(),
    );
    is_good(connection, "PROPFIND")
}

fn list_all(mallory: &Client, connection: &mut Connection, _number: usize) -> bool {
    let head = mallory.head_of("PROPFIND", "/", &[("Depth", "infinity")], b"");
    connection.write(head.as_bytes());
    is_good(connection, "PROPFIND")
}

fn save(mallory: &Client, connection: &mut Connection, number: usize) -> bool {
    let body = [b'x'; 1000];
    let head = mallory.head_of("PUT", &format!("/mallory-{number}"), &[], &body);
    connection.write(&[head.as_bytes(), &body].concat());
    is_good(connection, "PUT")
}

fn guess(mallory: &Client, connection: &mut Connection, number: usize) -> bool {
    let guesser = mallory.authorized(&format!("Basic bWFsbG9yeTp3{number:04}"));
    connection.write(guesser.head_of("GET", "/", &[], b"").as_bytes());
    is_good(connection, "GET")
}

fn is_good(connection: &mut Connection, method: &str) -> bool {
    connection
        .try_read_response(method)
        .is_some_and(|answer| answer.status < 500)
}

/// How long each small request of Alice took, the shortest first; and all of it.
fn work(alice: &Client, time: Duration) -> (Vec<Duration>, Duration) {
    let stream = TcpStream::connect(alice.address()).expect("the server accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a live socket");
    stream.set_nodelay(true).expect("a live socket");
    let mut stream = BufReader::new(stream);
    let mut taken = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        for (method, path, status) in [
            ("PROPFIND", "/alice.txt", 207),
            ("GET", "/alice.txt", 200),
            ("PUT", "/alice.txt", 204),
        ] {
            let body: &[u8] = if method == "PUT" { b"small" } else { b"" };
            let head = alice.head_of(method, path, &[("Depth", "0")], body);
            let asked = Instant::now();
            std::io::Write::write_all(stream.get_mut(), &[head.as_bytes(), body].concat())
                .expect("a live socket");
            Response::read(&mut stream, method)
                .expect("an answer")
                .status(status);
            taken.push(asked.elapsed());
        }
    }
    let elapsed = begun.elapsed();
    taken.sort();
    (taken, elapsed)
}

/// One line: the abuse, Alice's requests a second and how long they took, the abuser's rounds.
fn told(name: &str, taken: &[Duration], time: Duration, rounds: usize) -> String {
    let at = |share: f64| {
        let index = (taken.len() as f64 * share) as usize;
        taken[index.min(taken.len() - 1)].as_secs_f64() * 1000.0
    };
    let each = |count: usize| count as f64 / time.as_secs_f64();
    format!(
        "{name:<30} | {:>8.0}/s | {:>7.1} ms | {:>7.1} ms | {:>7.1} ms | {:>8.0}/s",
        each(taken.len()),
        at(0.5),
        at(0.99),
        at(1.0),
        each(rounds)
    )
}

/// Every abuse on so many connections for so long.
fn suffer(connections: usize, time: Duration) {
    let server = Server::start_configured("[log]\nlevel = \"warn\"\n");
    let (alice, mallory) = (server.user("alice"), server.user("mallory"));
    alice.put("/alice.txt", "small").status(201);
    mallory.mkcol("/many/").status(201);
    for number in 0..FILES {
        mallory.put(&format!("/many/{number}"), "x").status(201);
    }
    let (before, elapsed) = work(&alice, time);
    println!(
        "{:<30} | requests   |     p50    |     p99    |     max    | abuser",
        "Alice while"
    );
    println!("{}", told("nobody disturbs", &before, elapsed, 0));
    for (name, abuse) in ABUSES {
        let (ends, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        let taken = std::thread::scope(|scope| {
            for number in 0..connections {
                let (mallory, ends, rounds) = (&mallory, &ends, &rounds);
                scope.spawn(move || {
                    while !ends.load(Ordering::Relaxed) {
                        let mut connection = mallory.connect();
                        while !ends.load(Ordering::Relaxed)
                            && abuse(mallory, &mut connection, number)
                        {
                            rounds.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(500));
            rounds.store(0, Ordering::Relaxed);
            let (taken, elapsed) = work(&alice, time);
            println!(
                "{}",
                told(name, &taken, elapsed, rounds.load(Ordering::Relaxed))
            );
            ends.store(true, Ordering::Relaxed);
            taken
        });
        assert!(!taken.is_empty(), "Alice got nothing done during {name}");
    }
    let peak = crate::memory_of(&server) >> 20;
    println!("the server had at most {peak} MiB");
}

/// Alice's requests all succeed, whatever Mallory does.
#[test]
fn one_user_does_not_starve_another() {
    suffer(20, Duration::from_millis(500));
}

/// The figures of `docs/reliability.md`.
#[test]
#[ignore = "a minute; prints figures"]
fn figures_of_one_user_beside_another() {
    let seconds = std::env::var("LOCKKEEPER_SECONDS").ok();
    let seconds = seconds.map_or(10, |text| text.parse().expect("a number of seconds"));
    suffer(200, Duration::from_secs(seconds));
}
