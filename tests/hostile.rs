//! Hostile input over the socket: each attack is refused in so many words, costs little, runs
//! nothing that was smuggled along, and leaves a server that serves the next request.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

#[path = "hostile/attack.rs"]
mod attack;
#[path = "hostile/browsers.rs"]
mod browsers;
mod common;
#[path = "hostile/costly.rs"]
mod costly;
#[path = "hostile/crowd.rs"]
mod crowd;
#[path = "hostile/load.rs"]
mod load;
#[path = "hostile/peers.rs"]
mod peers;
#[path = "hostile/slow.rs"]
mod slow;
#[path = "hostile/smuggling.rs"]
mod smuggling;
#[path = "hostile/toy.rs"]
mod toy;

use attack::{Attack, Attacker};
use common::{Client, Server};

/// What the attacks may leave in memory: caches that fill, and what the allocator keeps.
const MEMORY_MAX: u64 = 96 << 20;

/// All attacks, one after the other, against one server.
fn withstand(attacks: impl FnOnce(&Attacker) -> Vec<Attack>) {
    let server = Server::start();
    let attacker = Attacker::new(&server.address, server.user("mallory"));
    let attacks = attacks(&attacker);
    let before = memory_of(&server);
    let faults: Vec<String> = attacks
        .iter()
        .filter_map(|attack| attacker.judge(attack).err())
        .collect();
    let grown = memory_of(&server).saturating_sub(before);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(grown < MEMORY_MAX, "{} MiB were kept", grown >> 20);
}

/// The most memory that the server ever had at once.
fn memory_of(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id()));
    let status = status.expect("a running process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.split_whitespace().next());
    peak.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        << 10
}

#[test]
fn nothing_is_smuggled() {
    withstand(smuggling::attacks);
}

#[test]
fn nothing_costs_more_than_it_may() {
    withstand(costly::attacks);
}

/// The test of the test: a server that believes everything runs what is smuggled, and the judge
/// says so.
#[test]
fn a_server_that_believes_everything_is_found_out() {
    let address = toy::start();
    let attacker = Attacker::new(&address, Client::new(&address, None));
    let mut fooled = 0;
    for attack in smuggling::attacks(&attacker) {
        let hastened = Attack {
            // The toy closes when there is nothing more to come.
            bytes: [attack.bytes.as_slice(), &attacker.fill("{end}")].concat(),
            ..attack
        };
        let verdict = attacker.judge(&hastened);
        let ran = |fault: &String| {
            fault.contains("canary is dead") || fault.contains("smuggled request ran")
        };
        fooled += usize::from(verdict.err().as_ref().is_some_and(ran));
    }
    assert!(fooled >= 20, "only {fooled} attacks fooled it");
}

/// And so it does of the real server, where a request that must not run is no smuggled one.
#[test]
fn a_request_that_runs_is_noticed() {
    let server = Server::start();
    let attacker = Attacker::new(&server.address, server.user("mallory"));
    let plain = "PUT /yard/a HTTP/1.1\r\n{h}Content-Length: 0\r\n\r\n{smuggled}{end}";
    let attack = Attack::new("plain", &[201, 204, 201, 404], attacker.fill(plain));
    assert_eq!(
        attacker.judge(&attack),
        Err("plain: the canary is dead (404) a smuggled request ran".to_owned())
    );
    let attack = Attack::new("a wrong status", &[404], attacker.fill("{end}"));
    let fault = attacker.judge(&attack).expect_err("a wrong status");
    assert!(
        fault.starts_with("a wrong status: answered [200]"),
        "{fault}"
    );
}
