//! Concurrent LOCK, UNLOCK, refresh, expiry, PUT and MOVE on the same few files: some sequential
//! order must explain all answers, and in it at most one exclusive lock covers a file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a seed must be known to be repeated")]

#[path = "lock_history/checker.rs"]
mod checker;
#[path = "lock_history/model.rs"]
mod model;
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use checker::{Event, History, check};
use lockkeeper::lock::{LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::Dav;
use lockkeeper::ops::content::Outcome;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{Overwrite, RequestedTimeout};
use lockkeeper::protocol::time::Timestamp;
use model::{Answer, Call, State, Time};
use support::{Dice, ask, in_memory, over_sled, path, put, user};

const FILES: [&str; 3] = ["/x", "/y", "/z"];
const USERS: [&str; 4] = ["alice", "bob", "alice", "carol"];

/// What the tasks of one run share.
struct Run {
    dav: Arc<Dav>,
    order: AtomicU64,
    clock: AtomicU64,
    tokens: Mutex<Vec<LockToken>>,
}

impl Run {
    fn invent(&self, dice: &mut Dice) -> Call {
        let at = *dice.pick(&FILES);
        let seconds = 1 + dice.roll(20) as u64;
        let known = self.tokens.lock().unwrap().clone();
        // Mostly one of the last tokens: older ones have ended.
        let recent = &known[known.len().saturating_sub(6)..];
        let tokens = if dice.roll(4) == 0 {
            Vec::new()
        } else {
            recent.to_vec()
        };
        match (dice.roll(16), recent.is_empty()) {
            (0..3, false) => Call::Refresh {
                at,
                token: *dice.pick(recent),
                seconds,
            },
            (3..7, false) => Call::Unlock {
                at,
                token: *dice.pick(recent),
            },
            (7..10, _) => Call::Put { at, tokens },
            (10..12, _) => {
                let others: Vec<_> = FILES.into_iter().filter(|file| *file != at).collect();
                let to = *dice.pick(&others);
                Call::Move {
                    from: at,
                    to,
                    tokens,
                }
            }
            (12, _) => Call::Sweep,
            _ => Call::Lock {
                at,
                persistent: dice.roll(4) == 0,
                exclusive: dice.roll(3) != 0,
                seconds,
            },
        }
    }

    async fn call(&self, name: &str, now: Time, call: &Call) -> Answer {
        let (user, now) = (user(name), Timestamp(now));
        match call {
            Call::Lock {
                at,
                persistent,
                exclusive,
                seconds,
            } => {
                let wanted = LockAsk {
                    scope: if *exclusive {
                        LockScope::Exclusive
                    } else {
                        LockScope::Shared
                    },
                    kind: persistent.then_some(LockKind::Persistent),
                    depth: LockDepth::Zero,
                    timeout: RequestedTimeout::Seconds(*seconds),
                    owner_xml: None,
                    comment: None,
                };
                match self.dav.lock(&ask(&user, at, &[], now), &wanted).await {
                    Ok(lock) => {
                        let token = lock.view.lock.token;
                        self.tokens.lock().unwrap().push(token);
                        Answer::Granted(token, lock.created)
                    }
                    Err(error) => refusal(&error),
                }
            }
            Call::Refresh { at, token, seconds } => {
                let ask = ask(&user, at, &[*token], now);
                done(
                    self.dav
                        .refresh(&ask, RequestedTimeout::Seconds(*seconds))
                        .await,
                )
            }
            Call::Unlock { at, token } => {
                let ask = ask(&user, at, &[], now);
                done(self.dav.unlock(&ask, &token.to_string()).await)
            }
            Call::Put { at, tokens } => {
                outcome(put(&self.dav, &ask(&user, at, tokens, now), 10).await)
            }
            Call::Move { from, to, tokens } => {
                let ask = ask(&user, from, tokens, now);
                outcome(self.dav.relocate(&ask, &path(to), Overwrite::Yes).await)
            }
            Call::Sweep => done(self.dav.sweep(now).await),
        }
    }

    async fn task(self: Arc<Self>, user: &'static str, mut dice: Dice, calls: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(calls);
        for _ in 0..calls {
            let call = self.invent(&mut dice);
            let passed = dice.roll(3) as u64 * 500;
            let invoked = self.order.fetch_add(1, Ordering::SeqCst);
            let now = self.clock.fetch_add(passed, Ordering::SeqCst);
            // Over memory a call is over before another begins, unless it waits a little.
            for _ in 0..dice.roll(3) {
                tokio::task::yield_now().await;
            }
            let answer = self.call(user, now, &call).await;
            let returned = self.order.fetch_add(1, Ordering::SeqCst);
            events.push(Event {
                user,
                now,
                call,
                answer,
                invoked,
                returned,
            });
        }
        events
    }
}

fn done<T>(answer: Result<T, DavError>) -> Answer {
    answer.map_or_else(|error| refusal(&error), |_| Answer::Done)
}

fn outcome(answer: Result<Outcome, DavError>) -> Answer {
    match answer {
        Ok(Outcome::Created) => Answer::Created,
        Ok(Outcome::Replaced) => Answer::Replaced,
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &DavError) -> Answer {
    match error {
        DavError::Locked(_) => Answer::Locked,
        DavError::LockConflict(_) => Answer::Conflict,
        DavError::TokenMismatch => Answer::TokenMismatch,
        DavError::NotYourLock(_) => Answer::NotYours,
        DavError::PreconditionFailed(_) => Answer::PreconditionFailed,
        DavError::NotFound => Answer::NotFound,
        other => panic!("no call may end so: {other:?}"),
    }
}

async fn record(dav: Arc<Dav>, seed: u64, calls: usize) -> History {
    let run = Arc::new(Run {
        dav,
        order: AtomicU64::new(0),
        clock: AtomicU64::new(1_000_000),
        tokens: Mutex::default(),
    });
    let tasks = USERS.iter().zip(0..).map(|(user, n)| {
        let dice = Dice(seed.wrapping_mul(31).wrapping_add(n));
        tokio::spawn(Arc::clone(&run).task(user, dice, calls))
    });
    let mut history = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        history.push(task.await.unwrap());
    }
    history
}

/// Names of the answers with how often each was given, and how many calls overlapped another.
#[derive(Debug, Default)]
struct Seen {
    answers: BTreeMap<String, usize>,
    overlapping: usize,
}

impl Seen {
    fn add(&mut self, history: &History) {
        for event in history.iter().flatten() {
            let call = format!("{:?}", event.call);
            let answer = format!("{:?}", event.answer);
            let word = |text: &str| text.split([' ', '(']).next().unwrap().to_owned();
            let name = format!("{} {}", word(&call), word(&answer));
            *self.answers.entry(name).or_default() += 1;
            let overlaps = event.returned > event.invoked + 1;
            self.overlapping += usize::from(overlaps);
        }
    }

    /// Histories without conflicts, losses and overlaps would prove nothing.
    fn require_all(&self) {
        println!("{self:?}");
        assert!(self.overlapping > 500, "nothing happened at the same time");
        for name in [
            "Lock Granted",
            "Lock Conflict",
            "Refresh Done",
            "Refresh Locked",
            "Refresh PreconditionFailed",
            "Unlock Done",
            "Unlock NotYours",
            "Unlock TokenMismatch",
            "Put Replaced",
            "Put Locked",
            "Move Created",
            "Move Replaced",
            "Move Locked",
            "Sweep Done",
        ] {
            assert!(self.answers.contains_key(name), "no history has {name}");
        }
    }
}

fn require_order(history: &History, seed: u64) {
    if let Err(why) = check(history, &State::default()) {
        panic!("seed {seed}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_in_memory_have_an_order() {
    let mut seen = Seen::default();
    for seed in 1..=600 {
        println!("seed {seed}");
        let history = record(in_memory().await, seed, 30).await;
        require_order(&history, seed);
        seen.add(&history);
    }
    seen.require_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_over_sled_have_an_order() {
    let mut seen = Seen::default();
    for seed in 1001..=1040 {
        println!("seed {seed}");
        let (dav, _dir) = over_sled().await;
        let history = record(Arc::clone(&dav), seed, 30).await;
        dav.close().await.unwrap();
        require_order(&history, seed);
        seen.add(&history);
    }
    seen.require_all();
}

/// Requests wait for their turn after the clock was read, so a later one may go first.
#[tokio::test]
async fn a_late_refresh_does_not_revive_a_lapsed_lock() {
    let run = Run {
        dav: in_memory().await,
        order: AtomicU64::new(0),
        clock: AtomicU64::new(0),
        tokens: Mutex::default(),
    };
    let lock = Call::Lock {
        at: "/x",
        persistent: false,
        exclusive: true,
        seconds: 10,
    };
    let Answer::Granted(token, _) = run.call("alice", 0, &lock).await else {
        panic!("nothing is locked yet");
    };
    let refresh = Call::Refresh {
        at: "/x",
        token,
        seconds: 10,
    };
    let successor = run.call("bob", 10_000, &lock).await;
    assert!(matches!(successor, Answer::Granted(_, false)));
    let late = run.call("alice", 9_999, &refresh).await;
    assert_eq!(late, Answer::PreconditionFailed);
    let third = run.call("carol", 19_998, &lock).await;
    assert_eq!(third, Answer::Conflict);
}

mod the_checker {
    use super::*;

    fn token(n: u128) -> LockToken {
        LockToken(uuid::Uuid::from_u128(n))
    }

    fn lock() -> Call {
        Call::Lock {
            at: "/x",
            persistent: false,
            exclusive: true,
            seconds: 10,
        }
    }

    fn put_with(tokens: &[u128]) -> Call {
        Call::Put {
            at: "/x",
            tokens: tokens.iter().map(|n| token(*n)).collect(),
        }
    }

    fn move_away(tokens: &[u128]) -> Call {
        let tokens = tokens.iter().map(|n| token(*n)).collect();
        Call::Move {
            from: "/x",
            to: "/y",
            tokens,
        }
    }

    /// `span` is invoked..returned, `now` in seconds.
    fn event(
        user: &'static str,
        now: Time,
        call: Call,
        answer: Answer,
        span: std::ops::Range<u64>,
    ) -> Event {
        let now = now * 1000;
        Event {
            user,
            now,
            call,
            answer,
            invoked: span.start,
            returned: span.end,
        }
    }

    fn granted(n: u128) -> Answer {
        Answer::Granted(token(n), n == 1)
    }

    #[track_caller]
    fn accepts(history: &History) {
        check(history, &State::default()).unwrap();
    }

    #[track_caller]
    fn rejects(history: &History) {
        assert!(check(history, &State::default()).is_err(), "{history:#?}");
    }

    fn unlock() -> Call {
        Call::Unlock {
            at: "/x",
            token: token(1),
        }
    }

    #[test]
    fn rejects_two_exclusive_locks() {
        let first = || event("alice", 0, lock(), granted(1), 0..10);
        let second = |now, span| event("bob", now, lock(), granted(2), span);
        rejects(&vec![vec![first()], vec![second(1, 20..21)]]);
        rejects(&vec![vec![first()], vec![second(1, 5..6)]]);
        accepts(&vec![vec![first()], vec![second(10, 20..21)]]);
        let released = event("alice", 0, unlock(), Answer::Done, 11..25);
        accepts(&vec![
            vec![first(), released.clone()],
            vec![second(1, 20..30)],
        ]);
        rejects(&vec![vec![first(), released], vec![second(1, 5..8)]]);
    }

    #[test]
    fn rejects_a_write_without_the_lock() {
        let held = || event("alice", 0, lock(), granted(1), 0..10);
        let write =
            |user, tokens: &[u128], span| event(user, 1, put_with(tokens), Answer::Replaced, span);
        rejects(&vec![vec![held()], vec![write("bob", &[], 20..21)]]);
        rejects(&vec![vec![held()], vec![write("bob", &[1], 20..21)]]);
        rejects(&vec![vec![held()], vec![write("alice", &[], 20..21)]]);
        accepts(&vec![vec![held()], vec![write("alice", &[1], 20..21)]]);
        // At the same time it may have come first, but then it made the file.
        rejects(&vec![vec![held()], vec![write("bob", &[], 5..21)]]);
        let made = event("bob", 1, put_with(&[]), Answer::Created, 5..21);
        let found = Answer::Granted(token(1), false);
        let held_later = event("alice", 0, lock(), found, 0..10);
        accepts(&vec![vec![held_later.clone()], vec![made.clone()]]);
        let late = Event {
            invoked: 11,
            ..made
        };
        rejects(&vec![vec![held_later], vec![late]]);
    }

    #[test]
    fn rejects_a_lock_that_ends_twice_or_not_at_all() {
        let held = || event("alice", 0, lock(), granted(1), 0..1);
        let end = |span| event("alice", 1, unlock(), Answer::Done, span);
        rejects(&vec![vec![held(), end(2..3), end(4..5)]]);
        rejects(&vec![vec![held(), end(2..6)], vec![end(3..5)]]);
        let gone = event("alice", 1, unlock(), Answer::TokenMismatch, 4..5);
        accepts(&vec![vec![held(), end(2..3), gone.clone()]]);
        rejects(&vec![vec![held(), gone]]);
        let conflict = event("bob", 1, lock(), Answer::Conflict, 6..7);
        rejects(&vec![vec![held(), end(2..3)], vec![conflict]]);
        let after_its_end = event("alice", 11, unlock(), Answer::Done, 2..3);
        rejects(&vec![vec![held(), after_its_end]]);
    }

    #[test]
    fn rejects_a_lock_that_a_move_leaves_behind() {
        let held = || event("alice", 0, lock(), granted(1), 0..1);
        let moved = |user, tokens| event(user, 1, move_away(tokens), Answer::Created, 2..3);
        let write = |at, user, answer| {
            let call = Call::Put {
                at,
                tokens: Vec::new(),
            };
            event(user, 2, call, answer, 4..5)
        };
        rejects(&vec![vec![held(), moved("bob", &[])]]);
        let by_bearer = moved("alice", &[1]);
        let refused = write("/y", "bob", Answer::Locked);
        accepts(&vec![vec![held(), by_bearer.clone(), refused]]);
        let through = write("/y", "bob", Answer::Replaced);
        rejects(&vec![vec![held(), by_bearer, through]]);
    }

    #[test]
    fn rejects_a_lock_that_comes_back_beside_its_successor() {
        let held = event("alice", 0, lock(), granted(1), 0..1);
        let successor = event("bob", 10, lock(), granted(2), 2..3);
        let refresh = |answer| {
            let call = Call::Refresh {
                at: "/x",
                token: token(1),
                seconds: 10,
            };
            event("alice", 9, call, answer, 4..5)
        };
        let revived = refresh(Answer::Done);
        rejects(&vec![vec![held.clone(), successor.clone(), revived]]);
        let refused = refresh(Answer::PreconditionFailed);
        accepts(&vec![vec![held, successor, refused]]);
    }

    #[test]
    fn rejects_an_end_that_came_too_early() {
        let held = event("alice", 0, lock(), granted(1), 0..1);
        let sweep = event("bob", 5, Call::Sweep, Answer::Done, 2..3);
        let refresh = Call::Refresh {
            at: "/x",
            token: token(1),
            seconds: 10,
        };
        let lost = event(
            "alice",
            6,
            refresh.clone(),
            Answer::PreconditionFailed,
            4..5,
        );
        rejects(&vec![vec![held.clone(), sweep.clone(), lost]]);
        let longer = event("alice", 6, refresh, Answer::Done, 4..5);
        let still = event("bob", 15, lock(), Answer::Conflict, 6..7);
        accepts(&vec![vec![held, sweep, longer, still]]);
    }
}
