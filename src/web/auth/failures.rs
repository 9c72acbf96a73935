//! The brake on guessing passwords: who failed often waits before the next answer. Counts per user
//! and per address, in bounded memory; never refuses, so nobody can be locked out by somebody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use crate::protocol::time::Timestamp;
use crate::web::address::network;

/// Counted names and addresses, each.
const ENTRIES_MAX: usize = 10_000;
/// After this long without a failure the slate is clean.
const FORGIVEN_AFTER_MS: u64 = 15 * 60 * 1000;
/// Failures that cost nothing: people mistype, and programs try an old password first.
const FREE: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// How long the next attempt waits after so many failures in a row.
fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(more) => FIRST_DELAY
            .saturating_mul(1 << (more - 1).min(16))
            .min(DELAY_MAX),
    }
}

/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Failures {
    users: Counts<String>,
    peers: Counts<IpAddr>,
}

impl Failures {
    /// How long an attempt at this name from this address waits.
    pub(super) fn delay(&self, name: &str, peer: IpAddr, now: Timestamp) -> Duration {
        let failures = self
            .users
            .get(&short(name), now)
            .max(self.peers.get(&network(peer), now));
        delay_after(failures)
    }

    /// How long an attempt from this address waits that names no user.
    pub(super) fn delay_of_peer(&self, peer: IpAddr, now: Timestamp) -> Duration {
        delay_after(self.peers.get(&network(peer), now))
    }

    /// An attempt failed.
    pub(super) fn note(&mut self, name: &str, peer: IpAddr, now: Timestamp) {
        self.users.add(short(name), now);
        self.note_peer(peer, now);
    }

    /// An attempt that named no user failed.
    pub(super) fn note_peer(&mut self, peer: IpAddr, now: Timestamp) {
        self.peers.add(network(peer), now);
    }

    /// An attempt at this name succeeded. The address is not forgiven: it may guess at others.
    pub(super) fn forgive(&mut self, name: &str) {
        self.users.0.remove(&short(name));
    }
}

/// Enough of a name to tell users apart; what is longer is no user's name.
fn short(name: &str) -> String {
    name.chars().take(65).collect()
}

#[derive(Debug)]
struct Counts<K>(HashMap<K, (u32, Timestamp)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    fn get(&self, key: &K, now: Timestamp) -> u32 {
        let entry = self.0.get(key).filter(|(_, last)| is_fresh(*last, now));
        entry.map_or(0, |(count, _)| *count)
    }

    fn add(&mut self, key: K, now: Timestamp) {
        if self.0.len() >= ENTRIES_MAX && !self.0.contains_key(&key) {
            self.0.retain(|_, (_, last)| is_fresh(*last, now));
        }
        if self.0.len() >= ENTRIES_MAX && !self.0.contains_key(&key) {
            // A flood of names: the ones that failed once are its foam.
            self.0.retain(|_, (count, _)| *count > FREE);
        }
        if self.0.len() < ENTRIES_MAX || self.0.contains_key(&key) {
            let count = self.get(&key, now).saturating_add(1);
            self.0.insert(key, (count, now));
        }
    }
}

fn is_fresh(last: Timestamp, now: Timestamp) -> bool {
    now.0.saturating_sub(last.0) < FORGIVEN_AFTER_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_a_limit() {
        fn check(failures: u32, milliseconds: u64) {
            assert_eq!(
                delay_after(failures),
                Duration::from_millis(milliseconds),
                "{failures}"
            );
        }
        check(0, 0);
        check(3, 0);
        check(4, 250);
        check(5, 500);
        check(6, 1000);
        check(7, 2000);
        check(8, 4000);
        check(9, 5000);
        check(100, 5000);
        check(u32::MAX, 5000);
    }

    const NOW: Timestamp = Timestamp(10_000_000);

    fn fail(failures: &mut Failures, times: u32, name: &str, peer: &str) {
        for _ in 0..times {
            failures.note(name, peer.parse().unwrap(), NOW);
        }
    }

    #[test]
    fn users_and_addresses_are_counted_apart_and_forgiven() {
        let mut failures = Failures::default();
        fail(&mut failures, 5, "alice", "192.0.2.1");
        let check = |failures: &Failures, name: &str, peer: &str, now, milliseconds| {
            let delay = failures.delay(name, peer.parse().unwrap(), now);
            assert_eq!(delay, Duration::from_millis(milliseconds), "{name} {peer}");
        };
        check(&failures, "alice", "192.0.2.9", NOW, 500);
        check(&failures, "bob", "192.0.2.1", NOW, 500);
        check(&failures, "bob", "::ffff:192.0.2.1", NOW, 500);
        check(&failures, "bob", "192.0.2.9", NOW, 0);
        check(
            &failures,
            "alice",
            "192.0.2.1",
            NOW.plus_seconds(15 * 60),
            0,
        );
        failures.forgive("alice");
        check(&failures, "alice", "192.0.2.9", NOW, 0);
        check(&failures, "alice", "192.0.2.1", NOW, 500);
        fail(&mut failures, 4, "carol", "2001:db8::1");
        check(&failures, "dave", "2001:db8::2", NOW, 250);
        check(&failures, "dave", "2001:db8:0:1::2", NOW, 0);
    }

    #[test]
    fn a_flood_of_names_neither_grows_nor_hides_the_worst() {
        let mut failures = Failures::default();
        fail(&mut failures, 9, "alice", "192.0.2.1");
        for number in 0..3 * ENTRIES_MAX {
            fail(&mut failures, 1, &format!("user{number}"), "192.0.2.2");
        }
        assert!(failures.users.0.len() <= ENTRIES_MAX);
        let delay = failures.delay("alice", "192.0.2.9".parse().unwrap(), NOW);
        assert_eq!(delay, DELAY_MAX);
    }
}
