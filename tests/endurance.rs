//! What must stay bounded, however much goes through: the memory of a server that takes and gives
//! a very large file, and the disk under a file that is edited all day.
//!
//! `cargo test --release --test endurance -- --ignored` is the long form, with 20 GB and 100,000
//! edits; `LOCKKEEPER_BYTES` and `LOCKKEEPER_EDITS` say otherwise.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a campaign tells what it measured")]

mod common;

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use common::{Client, Response, Server};

const MIB: u64 = 1 << 20;

/// What the server may take beside what it takes before the first request.
const MEMORY_MAX: u64 = 32 * MIB;

/// Sent and compared at a time.
const PIECE: usize = 1 << 20;

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// The most memory that the process ever had, in bytes.
fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// What tells the piece of this number from every other one.
fn mark(piece: &mut [u8], number: u64) {
    for block in piece.chunks_mut(4096) {
        block[..8].copy_from_slice(&number.to_le_bytes());
    }
}

fn pieces(bytes: u64) -> impl Iterator<Item = (u64, usize)> {
    let starts = (0..bytes).step_by(PIECE);
    starts.map(move |start| {
        let left = usize::try_from(bytes - start).unwrap_or(PIECE);
        (start / PIECE as u64, left.min(PIECE))
    })
}

fn connect(client: &Client) -> TcpStream {
    let stream = TcpStream::connect(client.address()).unwrap();
    // The last sync of a file that large takes its time.
    stream
        .set_read_timeout(Some(Duration::from_secs(600)))
        .unwrap();
    stream
}

fn upload(client: &Client, path: &str, bytes: u64) {
    let mut stream = connect(client);
    let head = client.head_of("PUT", path, &[], &[]);
    let announced = format!("Content-Length: {bytes}\r\n");
    let head = head.replace("Content-Length: 0\r\n", &announced);
    stream.write_all(head.as_bytes()).unwrap();
    let mut piece = vec![0x5a; PIECE];
    for (number, length) in pieces(bytes) {
        mark(&mut piece, number);
        stream.write_all(&piece[..length]).unwrap();
    }
    let answer = Response::read(&mut BufReader::new(stream), "PUT").unwrap();
    answer.status(201);
}

fn download(client: &Client, path: &str, bytes: u64) {
    let mut stream = connect(client);
    let head = client.head_of("GET", path, &[], &[]);
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::with_capacity(PIECE, stream);
    let mut line = String::new();
    let mut lines = 0;
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
        lines += 1;
        assert!(lines > 1 || line.contains(" 200 "), "{line}");
    }
    let (mut expected, mut piece) = (vec![0x5a; PIECE], vec![0; PIECE]);
    for (number, length) in pieces(bytes) {
        mark(&mut expected, number);
        stream.read_exact(&mut piece[..length]).unwrap();
        assert!(
            piece[..length] == expected[..length],
            "the piece {number} is not what was sent"
        );
    }
}

fn in_and_out(bytes: u64) {
    let server = Server::start();
    let client = server.admin();
    client.put("/small", "first").status(201);
    let before = peak_memory(&server);
    upload(&client, "/large", bytes);
    download(&client, "/large", bytes);
    let grown = peak_memory(&server) - before;
    println!("{bytes} bytes in and out took {grown} bytes of memory");
    assert!(grown <= MEMORY_MAX, "{grown} bytes of memory");
    client.delete("/large").status(204);
}

#[test]
fn a_large_file_goes_in_and_out_in_constant_memory() {
    in_and_out(160 * MIB);
}

#[test]
#[ignore = "20 GB on the disk, and minutes"]
fn a_file_of_20_gb_goes_in_and_out_in_constant_memory() {
    in_and_out(number_from("LOCKKEEPER_BYTES", 20_000_000_000));
}

/// What all files below take on the disk.
fn disk_use(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;

    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    // What is removed meanwhile takes nothing.
    let entries = entries.flatten().map(|entry| {
        let path = entry.path();
        match entry.metadata() {
            Ok(found) if found.is_dir() => disk_use(&path),
            Ok(found) => found.blocks() * 512,
            Err(_) => 0,
        }
    });
    entries.sum()
}

/// Ten old versions are kept, those that go wait for the next sweep, and the rows take some.
fn edits(count: u64, size: usize, disk_max: u64) {
    let server = Server::start();
    let client = server.admin();
    let mut connection = client.connect();
    let mut text = vec![0x5a; size];
    let mut most = 0;
    for edit in 0..count {
        mark(&mut text, edit);
        let head = client.head_of("PUT", "/text", &[], &text);
        connection.write(head.as_bytes());
        connection.write(&text);
        let answer = connection.read_response("PUT");
        assert!([201, 204].contains(&answer.status), "{answer}");
        if edit % 50 == 0 {
            most = most.max(disk_use(&server.data()));
            assert!(most <= disk_max, "{most} bytes after {edit} edits");
        }
    }
    println!("{count} edits of {size} bytes took at most {most} bytes of disk");
    assert!(count * size as u64 > disk_max, "too few to tell");
    assert!(client.get("/text").status(200).body == text);
}

#[test]
fn edits_of_one_file_take_a_bounded_piece_of_disk() {
    edits(800, 256 << 10, 128 * MIB);
}

#[test]
#[ignore = "100,000 synced uploads take minutes"]
fn a_day_of_edits_takes_a_bounded_piece_of_disk() {
    let count = number_from("LOCKKEEPER_EDITS", 100_000);
    edits(count, 64 << 10, 512 * MIB);
}
