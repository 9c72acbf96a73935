//! The commands, what they refuse, and certificates.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use crate::common::{Server, run};
use crate::hook::{Hook, ends};
use crate::receiver::{Manner, Receiver};
use crate::{PATIENT, QUICK};

#[test]
fn the_commands_say_what_is_wrong() {
    let server = Server::start_configured(QUICK);
    server.user("alice");
    let add = |code: i32, url: &str, more: &[&str], reason: &str| {
        let said = ends(&server, code, &[&["webhook", "add", url], more].concat());
        assert!(said.contains(reason), "{said}");
    };
    let alice = &["--user", "alice"];
    add(2, "ftp://example.org/", alice, "https:// or http://");
    add(
        2,
        "https://me:secret@example.org/",
        alice,
        "a user before its host",
    );
    add(
        3,
        "https://example.org/",
        &["--user", "nobody"],
        "there is no user \"nobody\"",
    );
    let nowhere = &["--user", "alice", "--path", "/nowhere"];
    add(3, "https://example.org/", nowhere, "nothing at /nowhere");
    for command in ["remove", "test", "retry"] {
        let said = ends(&server, 3, &["webhook", command, "17"]);
        assert!(said.contains("there is no webhook \"17\""), "{said}");
    }
    let receiver = Receiver::start(Manner::Take);
    let hook = Hook::add(&server, &receiver.url(), alice);
    let said = ends(&server, 0, &["webhook", "test", &hook.id]);
    assert_eq!(said, "the receiver answered 200 OK\n");
    let ping = receiver.messages().pop().unwrap();
    ping.verify(&hook.secret);
    assert!(
        ping.events().is_empty() && ping.id.starts_with("ping_"),
        "{ping:?}"
    );
    receiver.behave(Manner::Answer(401, "X-A: b"));
    let said = ends(&server, 1, &["webhook", "test", &hook.id]);
    assert!(
        said.contains("the receiver answered 401 Unauthorized: no thanks"),
        "{said}"
    );
    assert_eq!(
        hook.entry(&server)["state"],
        "working",
        "a test changes nothing"
    );
    for _ in 1..100 {
        Hook::add(&server, "https://example.org/", alice);
    }
    add(
        4,
        "https://example.org/",
        alice,
        "there are 100 webhooks already",
    );
}

#[test]
fn certificates_are_verified() {
    let mut server = Server::start_configured(PATIENT);
    let alice = server.user("alice");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let trusted = server.folder().join("trusted.pem");
    std::fs::write(&trusted, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let _never_joined = std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut stream = rustls::Stream::new(&mut connection, &mut stream);
            let mut line = String::new();
            if BufReader::new(&mut stream).read_line(&mut line).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                let _ = stream.flush();
            }
        }
    });
    let hook = Hook::add(&server, &url, &["--user", "alice"]);
    alice.put("/a", "x").status(201);
    let failing = hook.wait_for(&server, |entry| entry["state"] == "failing");
    let error = failing["last_error"].as_str().unwrap();
    assert!(
        error.contains("invalid peer certificate: UnknownIssuer"),
        "{error}"
    );

    // While no server runs, the command itself posts: with the certificates that it is told of.
    assert!(server.stop().success());
    let mut test = server.command(&["webhook", "test", &hook.id]);
    let output = run(test.env("SSL_CERT_FILE", &trusted), "");
    assert_eq!(
        output.stdout, b"the receiver answered 204 No Content\n",
        "{output:?}"
    );
    let said = ends(&server, 1, &["webhook", "test", &hook.id]);
    assert!(said.contains("invalid peer certificate"), "{said}");
}
