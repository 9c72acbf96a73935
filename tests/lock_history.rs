//! Locks are linearizable: whatever users do at the same time to the files and collections of a
//! tree, through WebDAV, the check-out API, the DocSpace API and the commands, some sequential
//! order of it explains all answers by the text of the lock model, and in none of its states do
//! two exclusive locks cover one resource. `LOCKKEEPER_SEED` repeats what users ask; what of it
//! meets is up to the machine. `LOCKKEEPER_CALLS` says how many calls the long form makes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::print_stdout,
    reason = "a seed must be known to be repeated, and figures to be quoted"
)]

#[path = "lock_history/calls.rs"]
mod calls;
#[path = "lock_history/campaign.rs"]
mod campaign;
#[path = "lock_history/checker.rs"]
mod checker;
mod common;
#[path = "lock_history/endings.rs"]
mod endings;
#[path = "lock_history/faces.rs"]
mod faces;
#[path = "lock_history/faulty.rs"]
mod faulty;
#[path = "lock_history/gaps.rs"]
mod gaps;
#[path = "lock_history/illegal.rs"]
mod illegal;
#[path = "lock_history/invent.rs"]
mod invent;
#[path = "lock_history/model.rs"]
mod model;
#[allow(dead_code, reason = "some of it is for other tests")]
#[path = "rules_agree/naive.rs"]
mod naive;
mod support;
#[path = "lock_history/wires.rs"]
mod wires;
#[allow(dead_code, reason = "some of it is for other tests")]
#[path = "faces/words.rs"]
mod words;

use std::sync::Arc;

use calls::Face;
use campaign::{Field, Seen, Violation};
use common::Server;
use faulty::{Fault, Faulty};
use lockkeeper::blobs::Blobs;
use lockkeeper::lock::{LockDepth, LockScope, LockToken};
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::RequestedTimeout;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::store::engine::Engine;
use lockkeeper::store::memory::MemoryEngine;
use support::sled_in;
use wires::{InProcess, Sockets, enrol};

/// A new store after so many calls: what is kept of the past is no part of the fight.
const CALLS_OF_A_STORE: usize = 50_000;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |set| set.parse().unwrap())
}

fn seed() -> u64 {
    let seed = from_environment("LOCKKEEPER_SEED", 1);
    println!("LOCKKEEPER_SEED={seed}");
    seed
}

fn long() -> usize {
    usize::try_from(from_environment("LOCKKEEPER_CALLS", 500_000)).unwrap()
}

/// Trees over an engine; the fault begins when they are planted.
async fn field(
    engine: Arc<dyn Engine>,
    blobs: Blobs,
    (fault, seed): (Fault, u64),
    trees: usize,
) -> Field {
    let engine = Arc::new(Faulty::over(engine, fault, seed));
    let wire = Arc::new(InProcess::over(Arc::clone(&engine) as _, blobs).await);
    enrol(&*wire).await;
    let field = Field::plant(wire, 0..trees).await;
    engine.begin_to_fail();
    field
}

fn require_order(found: Result<(), Violation>, seed: u64) {
    if let Err(Violation { calls, why }) = found {
        panic!("seed {seed}, within {calls} calls: {why}");
    }
}

async fn in_memory(calls: usize) -> Seen {
    let (mut seen, mut seed) = (Seen::default(), seed());
    while seen.calls < calls {
        let engine = Arc::new(MemoryEngine::new());
        let mut field = field(engine, Blobs::memory(), (Fault::None, seed), 4).await;
        let some = CALLS_OF_A_STORE.min(calls - seen.calls);
        require_order(field.fight((seed, some), &mut seen).await, seed);
        seed += 1;
    }
    seen.tell("in memory");
    seen
}

async fn over_sled(calls: usize) -> Seen {
    let (mut seen, mut seed) = (Seen::default(), seed());
    while seen.calls < calls {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("content"), 0)
            .unwrap()
            .remembering(1 << 20);
        // Many trees, so that one sync serves many.
        let mut field = field(sled_in(&dir), blobs, (Fault::None, seed), 24).await;
        let some = CALLS_OF_A_STORE.min(calls - seen.calls);
        let found = field.fight((seed, some), &mut seen).await;
        field.close().await;
        require_order(found, seed);
        seed += 1;
    }
    seen.tell("over sled");
    seen
}

async fn over_sockets(calls: usize) -> Seen {
    let (mut seen, seed) = (Seen::default(), seed());
    let server = Server::start_with(&["--memory"]);
    let wire = Arc::new(Sockets::to(&server));
    enrol(&*wire).await;
    let mut field = Field::plant(wire, 0..4).await;
    require_order(field.fight((seed, calls), &mut seen).await, seed);
    seen.tell("over sockets");
    seen
}

/// Calls with an answer, and the faces through which that has to have happened.
type Happened<'a> = &'a [(&'a str, &'a str, &'a [Face])];

/// Without conflicts and overlaps a history proves nothing.
fn require_a_fight(seen: &Seen) {
    use Face::{CheckOutApi, CommandLine, DocSpace, WebDav};
    let often: Happened<'_> = &[
        (
            "Take",
            "Done",
            &[WebDav, CheckOutApi, DocSpace, CommandLine],
        ),
        ("Take", "Refused", &[WebDav, CheckOutApi, CommandLine]),
        ("Release", "Done", &[WebDav, CommandLine]),
        ("CheckIn", "Done", &[CheckOutApi, DocSpace, CommandLine]),
        ("Steal", "Done", &[CommandLine]),
        ("Refresh", "Refused", &[WebDav]),
        ("Put", "Done", &[WebDav, DocSpace]),
        ("Put", "Refused", &[WebDav]),
        ("Move", "Refused", &[WebDav]),
        ("Delete", "Refused", &[WebDav]),
        ("Look", "Seen", &[WebDav]),
    ];
    assert!(seen.overlapping > seen.calls / 4, "little happened at once");
    require(seen, often);
}

/// What happens less often.
fn require_everything(seen: &Seen) {
    use Face::{CheckOutApi, CommandLine, DocSpace, WebDav};
    require_a_fight(seen);
    let every: Happened<'_> = &[
        ("Take", "Made", &[WebDav]),
        ("Take", "Refused", &[DocSpace]),
        ("Refresh", "Done", &[WebDav, CheckOutApi]),
        ("Refresh", "Refused", &[CheckOutApi]),
        ("Refresh", "Void", &[WebDav, CheckOutApi]),
        ("Release", "Done", &[CheckOutApi]),
        ("Release", "Refused", &[WebDav, CheckOutApi]),
        ("Release", "Void", &[WebDav, CheckOutApi, CommandLine]),
        ("CheckIn", "Refused", &[CheckOutApi, DocSpace]),
        ("Steal", "Done", &[CheckOutApi]),
        ("Steal", "NoPrivilege", &[CheckOutApi]),
        ("Steal", "Refused", &[CheckOutApi, CommandLine]),
        ("Thaw", "Done", &[CommandLine]),
        ("Put", "Made", &[WebDav]),
        ("Put", "Done", &[CheckOutApi]),
        ("Put", "Refused", &[CheckOutApi, DocSpace]),
        ("MakeCollection", "Made", &[WebDav]),
        ("MakeCollection", "Refused", &[WebDav]),
        ("Delete", "Done", &[WebDav, DocSpace]),
        ("Delete", "Refused", &[DocSpace]),
        ("Move", "Made", &[WebDav]),
        ("Move", "Done", &[WebDav, DocSpace]),
        ("Move", "Refused", &[DocSpace]),
        ("Sweep", "Done", &[CommandLine]),
    ];
    require(seen, every);
}

fn require(seen: &Seen, happened: Happened<'_>) {
    for (call, answer, faces) in happened {
        for face in *faces {
            assert!(seen.has(*face, call, answer), "no {face:?} {call} {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_in_memory_have_an_order() {
    require_a_fight(&in_memory(6_000).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_over_sled_have_an_order() {
    require_a_fight(&over_sled(6_000).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_over_sockets_have_an_order() {
    require_a_fight(&over_sockets(3_000).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a campaign, see CONTRIBUTING.md"]
async fn long_histories_in_memory_have_an_order() {
    require_everything(&in_memory(long()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a campaign, see CONTRIBUTING.md"]
async fn long_histories_over_sled_have_an_order() {
    require_everything(&over_sled(long()).await);
}

/// Requests wait for their turn after the clock was read, so a later one may go first.
#[tokio::test]
async fn a_late_refresh_does_not_revive_a_lapsed_lock() {
    let dav = support::in_memory().await;
    let ask = |name: &str, tokens: &[LockToken], now| {
        support::ask(&support::user(name), "/x", tokens, Timestamp(now))
    };
    let ten = RequestedTimeout::Seconds(10);
    let wanted = LockAsk {
        scope: LockScope::Exclusive,
        kind: None,
        depth: LockDepth::Zero,
        timeout: ten,
        owner_xml: None,
        comment: None,
    };
    let lapsed = dav.lock(&ask("alice", &[], 0), &wanted).await.unwrap();
    let lapsed = lapsed.view.lock.token;
    dav.lock(&ask("bob", &[], 10_000), &wanted).await.unwrap();
    let late = dav.refresh(&ask("alice", &[lapsed], 9_999), ten).await;
    assert!(
        matches!(late, Err(DavError::PreconditionFailed(_))),
        "{late:?}"
    );
    let third = dav.lock(&ask("carol", &[], 19_998), &wanted).await;
    assert!(matches!(third, Err(DavError::LockConflict(_))), "{third:?}");
}

/// The store with this fault is noticed, for each of these seeds within so many calls.
async fn is_noticed(fault: Fault, seeds: std::ops::Range<u64>, within: usize) {
    for seed in seeds {
        let engine = Arc::new(MemoryEngine::new());
        let mut field = field(engine, Blobs::memory(), (fault, seed), 4).await;
        let found = field.fight((seed, within), &mut Seen::default()).await;
        let Err(violation) = found else {
            panic!("{fault:?} with seed {seed} goes unnoticed for {within} calls");
        };
        println!(
            "{fault:?}, seed {seed}: noticed within {} calls",
            violation.calls
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_checks_and_then_acts_is_noticed() {
    is_noticed(Fault::CheckThenAct, 1..4, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_loses_a_row_is_noticed() {
    is_noticed(Fault::LostWrite(20), 1..4, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_shows_what_was_is_noticed() {
    is_noticed(Fault::StaleRead(5), 1..4, 5_000).await;
}
