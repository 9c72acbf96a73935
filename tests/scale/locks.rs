//! Many live locks: taken, listed, refreshed, kept over restarts, and gone when their time is over.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::site::{Lane, Site};
use crate::common::{LOCK_EXCLUSIVE, Server, run};

/// Nobody waits longer for a small request while locks expire.
const PAUSE_MAX: Duration = Duration::from_secs(1);
const START_MAX: Duration = Duration::from_secs(5);
/// How often locks that have expired are swept away.
const SWEEP: Duration = Duration::from_secs(10);

fn file(number: usize) -> String {
    format!("/locked/{}/{number}", number / 1000)
}

fn take(lane: &mut Lane, number: usize, seconds: usize) -> String {
    let timeout = format!("Second-{seconds}");
    let headers = [("Timeout", timeout.as_str()), ("Depth", "0")];
    let body = LOCK_EXCLUSIVE.as_bytes();
    // A file that is not there yet is made, empty and locked.
    let answer = lane.ask("LOCK", &file(number), &headers, body);
    assert!(
        [200, 201].contains(&answer.status),
        "LOCK answered {}",
        answer.status
    );
    answer.lock_token()
}

/// Locks so many files; gives the token of each.
fn take_all(site: &Site, locks: usize, seconds: usize) -> Vec<String> {
    site.user.mkcol("/locked/").status(201);
    for folder in 0..locks.div_ceil(1000) {
        site.user.mkcol(&format!("/locked/{folder}/")).status(201);
    }
    let tokens = Mutex::new(vec![String::new(); locks]);
    let cost = site.each(0..locks, |lane, number| {
        let token = take(lane, number, seconds);
        tokens.lock().expect("nobody panicked")[number] = token;
    });
    println!("{locks} locks taken: {cost}; {}", site.memory());
    tokens.into_inner().expect("nobody panicked")
}

/// As the command line counts them.
fn listed(site: &Site) -> usize {
    let begin = Instant::now();
    let output = run(&mut site.server.command(&["lock", "list", "--json"]), "");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.matches("\"token\"").count();
    println!("{found} locks listed in {:.2?}", begin.elapsed());
    found
}

pub fn hold(locks: usize) {
    let mut site = Site::open(64);
    let tokens = take_all(&site, locks, 1800);
    assert_eq!(listed(&site), locks);
    let cost = site.each(0..locks.min(10_000), |lane, number| {
        let condition = format!("(<{}>)", tokens[number]);
        let headers = [("If", condition.as_str()), ("Timeout", "Second-1800")];
        lane.ask("LOCK", &file(number), &headers, b"").status(200);
    });
    println!("refreshed: {cost}");
    for end in [stop as fn(&mut Server), Server::kill] {
        let took;
        (site, took) = site.restart(end);
        println!("started in {took:.2?}; {}", site.memory());
        assert!(
            locks < 10_000 || took < START_MAX,
            "a start took {took:.2?}"
        );
        assert_eq!(listed(&site), locks);
    }
    let cost = site.each(0..locks, |lane, number| {
        lane.ask("PUT", &file(number), &[], b"x").status(423);
        let token = format!("<{}>", tokens[number]);
        lane.ask("UNLOCK", &file(number), &[("Lock-Token", &token)], b"")
            .status(204);
    });
    println!("refused and released: {cost}");
    assert_eq!(listed(&site), 0);
}

fn stop(server: &mut Server) {
    assert!(server.stop().success());
}

/// Waits until they have expired, and looks how long a small request takes meanwhile.
pub fn let_expire(locks: usize, seconds: usize) {
    let site = Site::open(64);
    site.user.put("/small", "small").status(201);
    let begin = Instant::now();
    take_all(&site, locks, seconds);
    let (lifetime, taken) = (Duration::from_secs(seconds as u64), begin.elapsed());
    assert!(
        taken < lifetime,
        "locks expired while others were taken: more seconds"
    );
    let calm = lifetime.saturating_sub(SWEEP).saturating_sub(taken);
    thread::sleep(calm);
    let mut lane = Lane::open(&site.user);
    let mut waits = Vec::new();
    while begin.elapsed() < lifetime + taken + 3 * SWEEP {
        let asked = Instant::now();
        lane.ask("PUT", "/small", &[], b"small").status(204);
        waits.push(asked.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
    waits.sort();
    let [middle, most, longest] = [50, 99, 100].map(|part| waits[(waits.len() - 1) * part / 100]);
    println!("a PUT meanwhile: {middle:.1?}, p99 {most:.1?}, longest {longest:.1?}");
    assert!(longest < PAUSE_MAX, "a PUT took {longest:.2?}");
    assert_eq!(listed(&site), 0);
}
