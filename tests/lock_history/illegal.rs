//! Histories made by hand: the checker accepts what the lock model allows, and nothing else.

use std::collections::HashSet;
use std::ops::Range;

use crate::calls::{Answer, Call, Event, Face, Place, Time, To, What};
use crate::checker::{Segment, check};
use crate::model::State;
use crate::naive::{Kind, Scope, User};

const ALICE: User = User::Alice;
const BOB: User = User::Bob;
const MONA: User = User::Mona;

fn start() -> HashSet<State> {
    HashSet::from([State::new("/t", 1)])
}

#[track_caller]
fn accepts(segment: &Segment) -> HashSet<State> {
    check(segment, &start()).unwrap()
}

#[track_caller]
fn rejects(segment: &Segment) {
    assert!(check(segment, &start()).is_err(), "{segment:#?}");
}

/// `span` is where it began and where it ended, `now` in seconds.
fn event(user: User, now: Time, what: What, answer: Answer, span: Range<usize>) -> Event {
    let by_id = matches!(&what, What::Steal { .. });
    let call = Call {
        face: if by_id {
            Face::CheckOutApi
        } else {
            Face::WebDav
        },
        user,
        now: now * 1000,
        number: span.start,
        what,
    };
    Event {
        call,
        answer,
        returned: span.end,
    }
}

fn at(path: &str) -> Place {
    Place::Path(path.to_owned())
}

/// For ten seconds, if it ends by itself.
fn take(path: &str, kind: Kind, infinite: bool) -> What {
    What::Take {
        at: at(path),
        kind,
        scope: Scope::Exclusive,
        infinite,
        seconds: 10,
    }
}

fn lock() -> What {
    take("/t/x", Kind::Transient, false)
}

fn put(path: &str, tokens: &[usize]) -> What {
    What::Put {
        at: at(path),
        within: None,
        tokens: tokens.to_vec(),
    }
}

fn move_away(tokens: &[usize]) -> What {
    What::Move {
        from: at("/t/x"),
        to: To::Path("/t/y".to_owned()),
        collection: false,
        tokens: tokens.to_vec(),
    }
}

fn unlock(number: usize) -> What {
    What::Release {
        at: at("/t/x"),
        lock: number,
    }
}

fn refresh(number: usize) -> What {
    What::Refresh {
        at: at("/t/x"),
        lock: number,
        seconds: 10,
    }
}

fn refused_by(user: User) -> Answer {
    Answer::Refused(vec![(Kind::Transient, user)])
}

/// Alice's lock 1, on a file that it makes.
fn held(end: usize) -> Event {
    event(ALICE, 0, lock(), Answer::Made, 1..end)
}

#[test]
fn two_exclusive_locks() {
    let second = |now, span| event(BOB, now, lock(), Answer::Done, span);
    rejects(&vec![vec![held(10)], vec![second(1, 20..21)]]);
    rejects(&vec![vec![held(10)], vec![second(1, 5..6)]]);
    accepts(&vec![vec![held(10)], vec![second(10, 20..21)]]);
    let released = event(ALICE, 0, unlock(1), Answer::Done, 11..25);
    accepts(&vec![
        vec![held(10), released.clone()],
        vec![second(1, 20..30)],
    ]);
    rejects(&vec![vec![held(10), released], vec![second(1, 5..8)]]);
}

#[test]
fn a_write_without_the_lock() {
    let write =
        |user, tokens: &[usize], span| event(user, 1, put("/t/x", tokens), Answer::Done, span);
    rejects(&vec![vec![held(10)], vec![write(BOB, &[], 20..21)]]);
    rejects(&vec![vec![held(10)], vec![write(BOB, &[1], 20..21)]]);
    rejects(&vec![vec![held(10)], vec![write(ALICE, &[], 20..21)]]);
    accepts(&vec![vec![held(10)], vec![write(ALICE, &[1], 20..21)]]);
    // At the same time it may have come first, but then it made the file.
    rejects(&vec![vec![held(10)], vec![write(BOB, &[], 5..21)]]);
    let made = event(BOB, 1, put("/t/x", &[]), Answer::Made, 5..21);
    let found = event(ALICE, 0, lock(), Answer::Done, 1..10);
    accepts(&vec![vec![found.clone()], vec![made.clone()]]);
    let late = event(BOB, 1, put("/t/x", &[]), Answer::Made, 11..21);
    rejects(&vec![vec![found], vec![late]]);
}

#[test]
fn a_lock_that_ends_twice_or_not_at_all() {
    let end = |span| event(ALICE, 1, unlock(1), Answer::Done, span);
    rejects(&vec![vec![held(2), end(3..4), end(5..6)]]);
    rejects(&vec![vec![held(2), end(3..7)], vec![end(4..6)]]);
    let gone = event(ALICE, 1, unlock(1), Answer::Void, 5..6);
    accepts(&vec![vec![held(2), end(3..4), gone.clone()]]);
    rejects(&vec![vec![held(2), gone]]);
    let conflict = event(BOB, 1, lock(), refused_by(ALICE), 7..8);
    rejects(&vec![vec![held(2), end(3..4)], vec![conflict]]);
    let after_its_end = event(ALICE, 11, unlock(1), Answer::Done, 3..4);
    rejects(&vec![vec![held(2), after_its_end]]);
}

#[test]
fn a_refusal_that_names_the_wrong_lock() {
    let conflict = |holder| event(BOB, 1, lock(), refused_by(holder), 7..8);
    accepts(&vec![vec![held(2)], vec![conflict(ALICE)]]);
    rejects(&vec![vec![held(2)], vec![conflict(MONA)]]);
}

#[test]
fn a_lock_that_a_move_leaves_behind() {
    let moved = |user, tokens: &[usize]| event(user, 1, move_away(tokens), Answer::Made, 3..4);
    let write = |user, answer| event(user, 2, put("/t/y", &[]), answer, 5..6);
    rejects(&vec![vec![held(2)], vec![moved(BOB, &[])]]);
    let by_bearer = moved(ALICE, &[1]);
    let refused = write(BOB, refused_by(ALICE));
    accepts(&vec![vec![held(2), by_bearer.clone(), refused]]);
    rejects(&vec![vec![held(2), by_bearer, write(BOB, Answer::Done)]]);
}

#[test]
fn a_lock_that_comes_back_beside_its_successor() {
    let successor = event(BOB, 10, lock(), Answer::Done, 3..4);
    let late = |answer| event(ALICE, 9, refresh(1), answer, 5..6);
    rejects(&vec![vec![held(2), successor.clone(), late(Answer::Done)]]);
    accepts(&vec![vec![held(2), successor, late(Answer::Void)]]);
}

#[test]
fn an_end_that_came_too_early() {
    let sweep = event(BOB, 5, What::Sweep, Answer::Done, 3..4);
    let lost = event(ALICE, 6, refresh(1), Answer::Void, 5..6);
    rejects(&vec![vec![held(2), sweep.clone(), lost]]);
    let longer = event(ALICE, 6, refresh(1), Answer::Done, 5..6);
    let still = event(BOB, 15, lock(), refused_by(ALICE), 7..8);
    accepts(&vec![vec![held(2), sweep, longer, still]]);
}

#[test]
fn a_write_into_a_locked_collection() {
    let folder = What::MakeCollection { at: at("/t/a") };
    let folder = event(ALICE, 0, folder, Answer::Made, 1..2);
    let lock = |infinite| {
        let lock = take("/t/a", Kind::Persistent, infinite);
        event(ALICE, 0, lock, Answer::Done, 3..4)
    };
    let check_out = Answer::Refused(vec![(Kind::Persistent, ALICE)]);
    let write = |user, answer| event(user, 1, put("/t/a/x", &[]), answer, 5..6);
    for infinite in [false, true] {
        let so = |write| vec![vec![folder.clone(), lock(infinite), write]];
        rejects(&so(write(BOB, Answer::Made)));
        accepts(&so(write(BOB, check_out.clone())));
        accepts(&so(write(ALICE, Answer::Made)));
    }
}

#[test]
fn two_thieves_who_both_win() {
    let taken = take("/t/x", Kind::Persistent, false);
    let taken = event(ALICE, 0, taken, Answer::Made, 1..2);
    let steal = |answer, span| {
        let steal = What::Steal {
            at: at("/t/x"),
            lock: 1,
        };
        event(MONA, 1, steal, answer, span)
    };
    let one = steal(Answer::Done, 3..9);
    rejects(&vec![
        vec![taken.clone(), one.clone()],
        vec![steal(Answer::Done, 4..8)],
    ]);
    accepts(&vec![vec![taken, one], vec![steal(Answer::Void, 4..8)]]);
}

#[test]
fn an_id_that_changes() {
    let make = event(ALICE, 0, put("/t/x", &[]), Answer::Made, 1..2);
    let look = |path: &str, id, span| {
        let locks = Vec::new();
        event(
            BOB,
            1,
            What::Look { at: at(path) },
            Answer::Seen { id, locks },
            span,
        )
    };
    let moved = event(ALICE, 1, move_away(&[]), Answer::Made, 5..6);
    let so = |id| {
        vec![vec![
            make.clone(),
            look("/t/x", 7, 3..4),
            moved.clone(),
            look("/t/y", id, 7..8),
        ]]
    };
    accepts(&so(7));
    rejects(&so(8));
}

/// Of two that happened at once, either may have been the first: what comes later may show which,
/// but not both.
#[test]
fn an_order_that_shows_later() {
    let made = |user, span: Range<usize>| {
        let folder = What::MakeCollection { at: at("/t/a") };
        event(user, 0, folder, Answer::Made, span)
    };
    let refresh_to = |now, seconds, span| {
        let refresh = What::Refresh {
            at: at("/t/x"),
            lock: 1,
            seconds,
        };
        event(ALICE, now, refresh, Answer::Done, span)
    };
    let (short, long) = (refresh_to(1, 2, 3..6), refresh_to(1, 5, 4..7));
    let ends = accepts(&vec![vec![held(2), short], vec![long]]);
    assert_eq!(ends.len(), 2);
    let conflict = |now, span| event(BOB, now, lock(), refused_by(ALICE), span);
    let taken = |now, span| event(BOB, now, lock(), Answer::Done, span);
    assert!(check(&vec![vec![conflict(4, 8..9)]], &ends).is_ok());
    assert!(check(&vec![vec![taken(4, 8..9)]], &ends).is_ok());
    assert!(check(&vec![vec![conflict(6, 8..9)]], &ends).is_err());
    let both = vec![vec![conflict(4, 8..9), taken(4, 10..11)]];
    assert!(check(&both, &ends).is_err());
    rejects(&vec![vec![made(ALICE, 1..5)], vec![made(BOB, 2..4)]]);
}
