//! What happens on one connection, byte by byte: request lines, keep-alive, bodies, limits, TLS.

#![allow(
    clippy::disallowed_methods,
    reason = "time limits of a real server are measured"
)]

mod common;

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Connection, Response, Server};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The parser would drop `#…` silently, and `DELETE /frag/#ment` would delete `/frag/`.
#[test]
fn a_fragment_in_the_request_target_is_refused() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/frag/").status(201);
    alice.delete("/frag/#ment").status(400);
    alice.get("/frag/").status(200);
    alice.put("/%23", "a name with a number sign").status(201);
    alice.get("/%23").status(200);
}

#[test]
fn also_in_a_later_request_of_the_connection_and_in_small_pieces() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/frag/").status(201);
    let mut connection = alice.connect();
    for _ in 0..2 {
        connection.write(alice.head_of("GET", "/frag/", &[], b"").as_bytes());
        connection.read_response("GET").status(200);
    }
    for byte in alice.head_of("DELETE", "/frag/#ment", &[], b"").as_bytes() {
        connection.write(&[*byte]);
    }
    connection.read_response("DELETE").status(400);
    alice.get("/frag/").status(200);
}

#[test]
fn a_body_that_looks_like_a_request_arrives_unchanged() {
    let server = Server::start();
    let alice = server.user("alice");
    let body = "DELETE /a#b HTTP/1.1\r\nHost: x\r\n\r\nGET /#c HTTP/1.1\r\n\r\n";
    alice.put("/at-once.txt", body).status(201);
    assert_eq!(alice.get("/at-once.txt").status(200).text(), body);

    let mut connection = alice.connect();
    connection.write(
        alice
            .head_of("PUT", "/later.txt", &[], body.as_bytes())
            .as_bytes(),
    );
    for piece in body.as_bytes().chunks(7) {
        std::thread::sleep(Duration::from_millis(2));
        connection.write(piece);
    }
    connection.read_response("PUT").status(201);
    connection.write(alice.head_of("GET", "/later.txt", &[], b"").as_bytes());
    assert_eq!(connection.read_response("GET").status(200).text(), body);

    let pieces: Vec<&[u8]> = body.as_bytes().chunks(5).collect();
    alice
        .send_chunked("PUT", "/chunked.txt", &[], &pieces)
        .status(201);
    assert_eq!(alice.get("/chunked.txt").status(200).text(), body);
}

/// A refused upload leaves the connection at the start of the next request line.
#[test]
fn after_a_refused_body_the_next_request_line_is_looked_at() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/frag/").status(201);
    let mut connection = alice.connect();
    connection.write(
        alice
            .head_of("PUT", "/no/such/a", &[], b"GET /#a")
            .as_bytes(),
    );
    connection.write(b"GET /#a");
    connection.read_response("PUT").status(409);
    connection.write(alice.head_of("DELETE", "/frag/#ment", &[], b"").as_bytes());
    connection.read_response("DELETE").status(400);
    alice.get("/frag/").status(200);
}

/// LibreOffice falls back to HTTP/1.0 for whole sessions.
#[test]
fn http_1_0_is_spoken() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.put("/a.txt", "hello").status(201);
    let mut connection = alice.connect();
    let head = alice
        .head_of("GET", "/a.txt", &[], b"")
        .replace("HTTP/1.1", "HTTP/1.0");
    connection.write(head.as_bytes());
    assert_eq!(connection.read_response("GET").status(200).text(), "hello");
    assert!(connection.is_closed());
    let mut connection = alice.connect();
    let head = alice
        .head_of("PUT", "/b.txt", &[], b"12345")
        .replace("HTTP/1.1", "HTTP/1.0");
    connection.write(head.as_bytes());
    connection.write(b"12345");
    connection.read_response("PUT").status(201);
    let mut connection = alice.connect();
    let head = alice.head_of("PROPFIND", "/", &[("Depth", "1")], b"");
    connection.write(head.replace("HTTP/1.1", "HTTP/1.0").as_bytes());
    let listing = connection.read_response("PROPFIND").status(207);
    assert_eq!(
        listing.header("transfer-encoding"),
        None,
        "chunks are of HTTP/1.1"
    );
    listing.containing("b.txt").containing("</D:multistatus>");
}

#[test]
fn the_body_is_asked_for_only_when_it_is_wanted() {
    let server = Server::start();
    let alice = server.user("alice");
    let accepted = alice
        .send_expecting("PUT", "/a.txt", &[], "hello")
        .status(201);
    assert_eq!(accepted.interim, [100]);
    let refused = alice
        .send_expecting("PUT", "/no/such/a.txt", &[], "hello")
        .status(409);
    assert_eq!(refused.interim, Vec::<u16>::new());
    assert_eq!(alice.get("/a.txt").status(200).text(), "hello");
}

#[test]
fn an_upload_that_breaks_off_changes_nothing() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.put("/a.txt", "whole").status(201);
    let mut connection = alice.connect();
    connection.write(
        alice
            .head_of("PUT", "/a.txt", &[], &vec![b'x'; 100_000])
            .as_bytes(),
    );
    connection.write(&vec![b'x'; 50_000]);
    drop(connection);
    server.log_line("method=\"PUT\" path=\"/a.txt\" status=4");
    assert_eq!(alice.get("/a.txt").status(200).text(), "whole");
}

#[test]
fn heads_are_bounded_in_size() {
    let server = Server::start();
    let alice = server.user("alice");
    alice
        .send(
            "GET",
            "/",
            &[("If-None-Match", &"\"x\", ".repeat(10_000))],
            "",
        )
        .status(200);
    alice
        .send("GET", "/", &[("X-Long", &"x".repeat(100_000))], "")
        .status(431);
    alice.get(&format!("/{}", "x".repeat(5000))).status(414);
}

#[test]
fn silent_connections_end() {
    let server = Server::start_configured(
        "[server]\nheader_seconds_max = 1\nidle_seconds_max = 2\nconnections_max = 3\n",
    );
    let alice = server.user("alice");
    let started = Instant::now();
    let mut silent = alice.connect();
    let mut slow = alice.connect();
    slow.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow");
    let mut idle = alice.connect();
    idle.write(alice.head_of("GET", "/", &[], b"").as_bytes());
    idle.read_response("GET").status(200);
    let idle_since = Instant::now();
    // All places are taken: this one is served when the first has gone.
    let mut waiting = alice.connect();
    waiting.write(alice.head_of("GET", "/", &[], b"").as_bytes());
    waiting.read_response("GET").status(200);
    assert!(
        started.elapsed() >= Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
    assert!(silent.is_closed() && slow.is_closed());
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert!(idle.is_closed());
    assert!(
        idle_since.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        idle_since.elapsed()
    );
    assert!(
        idle_since.elapsed() < Duration::from_secs(8),
        "{:?}",
        idle_since.elapsed()
    );
}

#[test]
fn an_upload_that_falls_silent_ends() {
    let server = Server::start_configured("[server]\nidle_seconds_max = 1\n");
    let alice = server.user("alice");
    let mut connection = alice.connect();
    connection.write(alice.head_of("PUT", "/a.txt", &[], &[b'x'; 10]).as_bytes());
    connection.write(b"xxx");
    let answer = connection.read_response("PUT");
    assert!((400..500).contains(&answer.status), "{answer}");
    assert!(connection.is_closed());
    alice.get("/a.txt").status(404);
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let mut server = Server::start_configured("[server]\nshutdown_seconds_max = 1\n");
    let alice = server.user("alice");
    let mut endless = alice.connect();
    endless.write(alice.head_of("PUT", "/a.txt", &[], &[b'x'; 10]).as_bytes());
    endless.write(b"xxx");
    server.admin().get("/.lockkeeper/health").status(200);
    let started = Instant::now();
    assert!(server.stop().success());
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(endless.is_closed());
    server.log_line("cutting off");
}

/// Credentials in TLS, and the same answers as without.
#[test]
fn tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&cert, made.cert.pem()).expect("writable");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("writable");
    let (cert_path, key_path) = (cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
    let server = Server::start_with(&["--tls-cert", cert_path, "--tls-key", key_path]);
    assert_eq!(server.scheme, "https");
    let alice = server.user("alice");

    let mut roots = RootCertStore::empty();
    let der = rustls::pki_types::CertificateDer::from_pem_file(&cert).expect("a certificate");
    roots.add(der).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect(&server.address).expect("the server accepts");
    let mut stream = BufReader::new(StreamOwned::new(tls, socket));
    for (method, path, body, status) in [
        ("PUT", "/a.txt", "hello", 201),
        ("GET", "/a.txt", "", 200),
        ("GET", "/.lockkeeper/health", "", 200),
        ("DELETE", "/a.txt#x", "", 400),
    ] {
        let head = alice.head_of(method, path, &[], body.as_bytes());
        stream
            .get_mut()
            .write_all(head.as_bytes())
            .expect("writable");
        stream
            .get_mut()
            .write_all(body.as_bytes())
            .expect("writable");
        Response::read(&mut stream, method)
            .expect("an answer")
            .status(status);
    }
    // Without TLS there is no answer in the clear.
    let mut plain = Connection::open(&server.address);
    plain.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!plain.read_some().starts_with(b"HTTP"));
}

#[test]
fn tls_files_that_are_none_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("cert.pem");
    std::fs::write(&file, "nonsense").expect("writable");
    let file = file.to_str().expect("UTF-8");
    let mut serve = common::lockkeeper();
    serve
        .current_dir(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"]);
    let output = common::run(serve.args(["--tls-cert", file, "--tls-key", file]), "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        reason.contains("cert.pem") && reason.contains("PEM file is needed"),
        "{reason}"
    );
}
