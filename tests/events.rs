//! The record of events as its readers see it: pages, streams and the command line of the real
//! binary, over sockets. Every answer is held against the published description.

#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::disallowed_methods,
    reason = "how long it takes is what is tested"
)]

mod common;

#[path = "events/command.rs"]
mod command;
#[path = "checkout/contract.rs"]
#[allow(dead_code, reason = "not every test binary asks for everything")]
mod contract;
#[path = "events/kinds.rs"]
mod kinds;
#[path = "events/pages.rs"]
mod pages;
#[path = "events/stream.rs"]
mod stream;
#[path = "events/streams.rs"]
mod streams;

use std::sync::OnceLock;
use std::time::Duration;

use common::{Client, Response, Server, run};
use contract::Contract;
use serde_json::Value;

/// A server with nothing but its users.
struct Site {
    server: Server,
    admin: Client,
    alice: Client,
    bob: Client,
}

impl Site {
    fn start() -> Self {
        Self::on(Server::start_with(&["--memory"]))
    }

    fn on(server: Server) -> Self {
        Self {
            alice: server.user("alice"),
            bob: server.user("bob"),
            admin: server.admin(),
            server,
        }
    }

    /// Runs a command, which must succeed, and gives what it printed.
    #[track_caller]
    fn command(&self, arguments: &[&str]) -> String {
        let output = run(&mut self.server.command(arguments), "");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn grant(&self, path: &str, role: &str, user: &str) {
        self.command(&["grant", "set", path, role, "--user", user]);
    }
}

/// Asks for events, and holds the answer against the description.
#[track_caller]
fn ask(client: &Client, query: &str) -> Response {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    let contract = CONTRACT.get_or_init(|| Contract::read_by(client));
    let path = format!("/api/events{query}");
    let answer = client.get(&path);
    contract.check(("GET", &path), answer).response
}

/// A page.
#[track_caller]
fn page(client: &Client, query: &str) -> Value {
    let answer = ask(client, query).status(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// The types and paths of events.
fn short(events: &Value) -> Vec<String> {
    let events = events.as_array().expect("events").iter();
    let line = |event: &Value| format!("{} {}", text(&event["type"]), text(&event["path"]));
    events.map(line).collect()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is text"))
}

/// Tries again until it is so: refusals are written down a moment later.
#[track_caller]
fn until<T>(mut find: impl FnMut() -> Option<T>) -> T {
    for _ in 0..250 {
        if let Some(found) = find() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it does not become so");
}
