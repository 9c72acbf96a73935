//! One user who asks for too much at once waits, and nobody else does.

use std::time::Duration;

use crate::common::{Client, Connection, Server};

/// An upload of which the last byte is missing.
fn hold(client: &Client, number: usize) -> Connection {
    let mut connection = client.connect();
    let path = format!("/held-{number}");
    let wish = [("Expect", "100-continue")];
    let head = client.head_of("PUT", &path, &wish, &[b'x'; 10]);
    connection.write(head.as_bytes());
    connection.read_one_response("PUT").status(100);
    connection.write(&[b'x'; 9]);
    connection
}

#[test]
fn who_asks_for_too_much_waits_and_nobody_else_does() {
    const MAX: usize = 4;
    let server = Server::start_configured(&format!("[server]\nrequests_per_user_max = {MAX}\n"));
    let (mallory, alice) = (server.user("mallory"), server.user("alice"));
    let mut held: Vec<Connection> = (0..MAX).map(|number| hold(&mallory, number)).collect();
    let ask = |path| {
        let mut connection = mallory.connect();
        connection.write(mallory.head_of("GET", path, &[], b"").as_bytes());
        connection
    };
    let (mut refused, mut refused_api) = (ask("/"), ask("/api/project"));
    // Whoever waits is served as soon as something ends; in the order in which they came.
    for _ in 0..20 {
        alice.get("/").status(200);
        alice.put("/alice", "x");
        alice.get("/api/project").status(200);
        std::thread::sleep(Duration::from_millis(50));
    }
    for connection in [&mut refused, &mut refused_api] {
        let answer = connection.read_response("GET").status(503);
        let answer = answer.containing("server.requests_per_user_max");
        assert!(
            matches!(answer.expect_header("retry-after"), "1" | "5"),
            "{answer}"
        );
    }
    let mut waiting = ask("/");
    std::thread::sleep(Duration::from_millis(300));
    let mut first = held.swap_remove(0);
    first.write(b"x");
    first.read_response("PUT").status(201);
    waiting.read_response("GET").status(200);
    for connection in &mut held {
        connection.write(b"x");
        connection.read_response("PUT").status(201);
    }
    mallory.get("/").status(200);
}

/// An answer counts until it has gone out, or its client has gone away.
#[test]
fn a_listing_that_nobody_reads_counts() {
    let server = Server::start_configured("[server]\nrequests_per_user_max = 1\n");
    let mallory = server.user("mallory");
    mallory.put("/big", vec![b'x'; 64 << 20]).status(201);
    let mut reader = mallory.connect();
    reader.write(mallory.head_of("GET", "/big", &[], b"").as_bytes());
    assert!(reader.read_some().starts_with(b"HTTP/1.1 200"));
    mallory.get("/").status(503);
    drop(reader);
    mallory.get("/").status(200);
}
