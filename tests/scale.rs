//! Servers that have grown: millions of resources, long listings, thousands of connections and of
//! locks. Each has a short form, which every run of the tests makes, and a long one, which prints
//! figures. `LOCKKEEPER_SCALE_…` in the environment changes the counts of the long ones.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "figures for people, of a real server"
)]
#![allow(unreachable_pub, dead_code, reason = "a test binary has no outside")]

mod common;
#[path = "scale/connections.rs"]
mod connections;
#[path = "../benches/load/cpu.rs"]
mod cpu;
#[path = "scale/growth.rs"]
mod growth;
#[path = "scale/locks.rs"]
mod locks;
#[path = "scale/site.rs"]
mod site;

/// How many, where the environment does not say otherwise.
fn count(name: &str, default: usize) -> usize {
    let variable = format!("LOCKKEEPER_SCALE_{name}");
    match std::env::var(&variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => default,
    }
}

#[test]
fn a_grown_store_is_whole_after_a_kill() {
    growth::grow(&growth::Size {
        small: 100,
        files: 400,
        resources: 1_500,
        tree: 100,
        cache_mib: 64,
        requests: 50,
    });
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn two_million_resources() {
    let grown = growth::grow(&growth::Size {
        small: 10_000,
        files: count("FILES", 1_000_000),
        resources: count("RESOURCES", 2_000_000),
        tree: 10_000,
        cache_mib: count("CACHE_MIB", 512),
        requests: count("REQUESTS", 20_000),
    });
    grown.assert_fast_enough();
}

#[test]
fn hundreds_of_connections_are_answered() {
    connections::crowd(300);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn ten_thousand_connections() {
    connections::crowd(count("CONNECTIONS", 10_000));
}

#[test]
fn hundreds_of_locks_are_kept() {
    locks::hold(300);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn a_hundred_thousand_locks() {
    let locks = count("LOCKS", 100_000);
    locks::hold(locks);
    locks::let_expire(locks, count("LOCK_SECONDS", 180));
}
