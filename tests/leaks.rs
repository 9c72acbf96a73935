//! Whoever may not read a folder is told the same whether anything happens in it or not: by pages,
//! streams and webhooks. The same is done in the open on two servers, and on one of them much more
//! where Bob must not look; what he gets is held against each other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "how long an answer waits is part of what it tells"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
#[path = "leaks/eyes.rs"]
mod eyes;
#[path = "webhooks/hook.rs"]
#[allow(dead_code, reason = "not every test binary asks for everything")]
mod hook;
#[path = "leaks/house.rs"]
mod house;
#[path = "webhooks/receiver.rs"]
#[allow(dead_code, reason = "not every test binary asks for everything")]
mod receiver;

use std::time::{Duration, Instant};

use eyes::Eyes;
use house::{House, grants, locks, plain, refusals, releases, replaced, versions, work};

/// Longer than from one pulse of a stream to the next, and shorter than to the one after.
const QUIET: Duration = Duration::from_secs(20);
/// As long as an answer waits for events that do not come.
const WAIT: Duration = Duration::from_secs(4);
/// Refusals are written down and webhooks are posted a moment later.
const MOMENT: Duration = Duration::from_millis(350);

/// What is done in the open by one request, after something was done where Bob must not look.
struct Step {
    hidden: &'static [fn(&House)],
    open: fn(&House) -> String,
    /// How many events that is for Bob.
    tells: usize,
}

const fn step(hidden: &'static [fn(&House)], open: fn(&House) -> String, tells: usize) -> Step {
    Step {
        hidden,
        open,
        tells,
    }
}

const STEPS: &[Step] = &[
    step(
        &[work],
        |at| plain(&at.alice.put("/open/a", "two").status(204)),
        1,
    ),
    step(
        &[locks, work],
        |at| plain(&at.bob.put("/open/mine", "x").status(201)),
        1,
    ),
    // Bob may not delete what he may not see.
    step(
        &[refusals],
        |at| plain(&at.bob.delete("/open").status(403)),
        0,
    ),
    step(
        &[],
        |at| {
            at.lock(&at.alice, "/open/a", "Infinite");
            String::new()
        },
        1,
    ),
    step(
        &[],
        |at| plain(&at.carol.put("/open/a", "no").status(423)).replace(&at.server.address, ""),
        1,
    ),
    // Refused by this lock, and on one server by a hidden one as well.
    step(
        &[],
        |at| {
            let refused = at.carol.delete("/open");
            assert!(!refused.text().is_empty());
            String::new()
        },
        1,
    ),
    step(
        &[releases, versions],
        |at| {
            at.unlock(&at.alice, "/open/a");
            String::new()
        },
        1,
    ),
    step(
        &[work, versions],
        |at| plain(&at.alice.rename("/open/hid/out", "/open/out").status(201)),
        1,
    ),
    step(
        &[locks],
        |at| plain(&at.alice.rename("/open/b", "/open/hid/b").status(201)),
        1,
    ),
    step(
        &[grants],
        |at| plain(&at.alice.copy("/open/hid/f", "/open/copied").status(201)),
        1,
    ),
    step(
        &[versions],
        |at| plain(&at.alice.copy("/open/hid/f", "/open/copied").status(204)),
        1,
    ),
    step(
        &[work],
        |at| plain(&at.carol.put("/open/hid/deep/shown/s", "two").status(204)),
        1,
    ),
    step(
        &[locks],
        |at| {
            plain(
                &at.alice
                    .copy("/open/hid/deep/shown", "/open/shown")
                    .status(201),
            )
        },
        1,
    ),
    step(
        &[work],
        |at| plain(&at.alice.rename("/open/side", "/open/hid/side").status(201)),
        1,
    ),
    step(
        &[grants],
        |at| plain(&at.alice.rename("/open/hid/side", "/open/side").status(201)),
        1,
    ),
    step(
        &[refusals, releases],
        |at| {
            at.lock(&at.bob, "/open/mine", "Infinite");
            String::new()
        },
        1,
    ),
    step(
        &[locks],
        |at| {
            at.call(&at.alice, "/open/mine", ("POST", "/steallock"), "");
            String::new()
        },
        1,
    ),
    step(
        &[versions],
        |at| {
            at.call(
                &at.alice,
                "/open/a",
                ("PUT", "/version/1/label"),
                "{\"label\":\"first\"}",
            );
            String::new()
        },
        1,
    ),
    step(
        &[versions],
        |at| {
            at.call(&at.alice, "/open/a", ("POST", "/version/1/restore"), "");
            String::new()
        },
        1,
    ),
    // What Bob may read in it goes first, or he would see it go.
    step(
        &[grants],
        |at| plain(&at.alice.delete("/open/hid/deep/shown").status(204)),
        1,
    ),
    step(
        &[replaced],
        |at| plain(&at.alice.delete("/open/out").status(204)),
        1,
    ),
    step(
        &[work, locks, versions, replaced],
        |at| plain(&at.alice.mkcol("/open/last").status(201)),
        1,
    ),
];

/// All that somebody was told, in the order of a channel.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    pages: Vec<String>,
    streamed: Vec<String>,
    posted: Vec<String>,
}

/// What is asked about: by id and by path, what is hidden and what is not.
fn abouts(house: &House) -> Vec<String> {
    let shown = "/open/hid/deep/shown";
    let by_id = [
        "/open/hid",
        "/open/hid/f",
        "/open/hid/deep/g",
        "/open/side/inner",
        "/open",
        "/open/a",
        shown,
    ];
    let by_path = ["/", "/open", "/open/a", "/open/hid", "/open/hid/f", shown];
    let by_id = by_id.into_iter().map(|at| house.id(at));
    by_id.chain(by_path.map(ToOwned::to_owned)).collect()
}

/// What Bob is told, and what Alice is, who may read everything.
fn told(busy: bool) -> [Told; 2] {
    let house = House::new();
    let about = abouts(&house);
    let mut bob = Eyes::open(&house.server, house.bob.clone(), "bob");
    let alice = Eyes::open(&house.server, house.alice.clone(), "alice");
    let mut pages = Vec::new();
    let mut events = 0;
    for (number, step) in STEPS.iter().enumerate() {
        if busy && !step.hidden.is_empty() {
            step.hidden.iter().for_each(|hidden| hidden(&house));
            std::thread::sleep(MOMENT);
        }
        // The page is full when it has what there is to see, and on one server not the last row.
        let before = bob.look(&[], &[events.max(1)]);
        let answer = (step.open)(&house);
        events += step.tells;
        bob.wait_for(events, &format!("step {number}"));
        let after = bob.look(&about, &[1000]);
        for (case, told) in [("before", before), ("after", after), ("of", vec![answer])] {
            let told = told.into_iter();
            pages.extend(told.map(|told| format!("{case} step {number}: {told}")));
        }
    }
    let begun = Instant::now();
    be_quiet(&house, busy);
    std::thread::sleep(QUIET.saturating_sub(begun.elapsed()));
    pages.extend(bob.look(&about, &[1, 7, 1000, 2]));
    [(bob, pages), (alice, Vec::new())].map(|(mut eyes, mut pages)| {
        pages.extend(eyes.look(&about, &[1000]));
        Told {
            pages,
            streamed: eyes.streamed(),
            posted: eyes.posted(),
        }
    })
}

/// Nothing happens for Bob, and an answer that he waits for does not come early.
fn be_quiet(house: &House, busy: bool) {
    let bob = house.bob.clone();
    let waiting = std::thread::spawn(move || {
        let begun = Instant::now();
        let query = format!("since=now&wait={}", WAIT.as_secs());
        let answer = bob.get(&format!("/api/events?{query}")).status(200);
        (
            answer.text().contains("\"events\":[]"),
            begun.elapsed() >= WAIT,
        )
    });
    while busy && !waiting.is_finished() {
        house.alice.put("/open/hid/f", "busy");
        house.carol.put("/open/hid/deep/new", "busy");
    }
    assert_eq!(waiting.join().unwrap(), (true, true));
}

#[track_caller]
fn same(one: &[String], other: &[String]) {
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn what_happens_where_one_may_not_look_is_told_by_nothing() {
    let quiet = std::thread::spawn(|| told(false));
    let [busy_bob, busy_alice] = told(true);
    let [quiet_bob, quiet_alice] = quiet.join().unwrap();
    same(&busy_bob.pages, &quiet_bob.pages);
    same(&busy_bob.streamed, &quiet_bob.streamed);
    same(&busy_bob.posted, &quiet_bob.posted);
    let events: usize = STEPS.iter().map(|step| step.tells).sum();
    // The first answer, all events, and the pulse of the quiet time at the end.
    assert_eq!(quiet_bob.streamed.len(), 2 + events + 1);
    assert_eq!(quiet_bob.posted.len(), events);
    // Who may look is told more by each.
    assert_ne!(busy_alice.pages, quiet_alice.pages);
    assert!(busy_alice.streamed.len() > quiet_alice.streamed.len() + 200);
    assert!(busy_alice.posted.len() > quiet_alice.posted.len());
}
