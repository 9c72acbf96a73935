//! Locks on what is locked already, and how every face shows what stands.

use crate::faces::Name;
use crate::naive;
use crate::product::{Setup, assert_agreement, disagreements, kinds, setups, takings, try_all};
use crate::site::{Site, ghost};
use crate::words::{File, Kind, Outcome, Seen, Standing};

/// The date of an answer and the moment that it speaks of differ on a busy machine.
const NEAR_SECONDS: u64 = 10;

#[derive(Debug, Clone)]
struct Taking {
    setup: Setup,
    face: Name,
    who: Standing,
    kind: Kind,
}

impl Taking {
    fn expected(&self) -> (Outcome, bool) {
        naive::take(&kinds(&self.setup), self.face, self.who, self.kind)
    }
}

fn cases() -> Vec<Taking> {
    let mut cases = Vec::new();
    for setup in setups() {
        for (kind, face) in takings() {
            cases.extend(Standing::people().map(|who| Taking {
                setup: setup.clone(),
                face,
                who,
                kind,
            }));
        }
    }
    cases
}

fn run(site: &Site, case: &Taking) -> (Outcome, Vec<String>) {
    let file = site.file_with(&case.setup);
    let found = case.face.face().take(site, &file, case.who, case.kind);
    let mut faults = Vec::new();
    let seen = Name::WebDav.face().see(site, &file, Standing::Admin);
    let mut standing: Vec<(Kind, String)> = seen
        .expect("a listing")
        .into_iter()
        .map(|lock| (lock.kind, lock.holder))
        .collect();
    let mut expected: Vec<(Kind, String)> = kinds(&case.setup)
        .into_iter()
        .map(|kind| (kind, "alice".to_owned()))
        .collect();
    if case.expected().1 {
        expected.push((case.kind, case.who.user().to_owned()));
    }
    standing.sort();
    expected.sort();
    if standing != expected {
        faults.push(format!("{standing:?} stand there afterwards"));
    }
    if case.who == Standing::Stranger && case.face.face().knows_users() {
        let of_nothing = case.face.face().take(site, &ghost(), case.who, case.kind);
        if of_nothing != found {
            faults.push(format!("of what never was: {of_nothing:?}"));
        }
    }
    (found, faults)
}

#[test]
fn locks_stand_together_where_the_model_says_so() {
    let site = Site::start();
    let tried = try_all(&cases(), |case| run(&site, case));
    assert_agreement("further locks", &tried, 1000, |case| case.expected().0);

    // A table that forgets the one exception of §5 is noticed.
    let noticed = disagreements(&tried, |case| match case.expected() {
        (Outcome::Done, true) if !case.setup.is_empty() => Outcome::Conflict,
        (expected, _) => expected,
    });
    assert!(!noticed.is_empty());
}

#[derive(Debug, Clone)]
struct Looking {
    setup: Setup,
    face: Name,
    who: Standing,
}

/// The locks as WebDAV shows them to an admin, with and without their tokens.
fn as_told(site: &Site, file: &File) -> Vec<Seen> {
    let seen = Name::WebDav.face().see(site, file, Standing::Admin);
    seen.expect("a listing")
}

fn differences(case: &Looking, truth: &[Seen], shown: &[Seen]) -> Vec<String> {
    let with_token = naive::sees_token(case.face, case.who);
    let expected: Vec<Seen> = truth
        .iter()
        .cloned()
        .map(|lock| Seen {
            token: lock.token.filter(|_| with_token),
            ..lock
        })
        .collect();
    // WebDAV tells how long a lock still stands, in whole seconds.
    let near = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) <= NEAR_SECONDS,
        (one, other) => one == other,
    };
    let agree = |(expected, shown): (&Seen, &Seen)| {
        let same_ends = Seen {
            ends: expected.ends,
            ..shown.clone()
        };
        same_ends == *expected && near(shown.ends, expected.ends)
    };
    if expected.len() == shown.len() && expected.iter().zip(shown).all(agree) {
        Vec::new()
    } else {
        vec![format!("expected {expected:?}\n  shown    {shown:?}")]
    }
}

fn look(site: &Site, case: &Looking) -> (Outcome, Vec<String>) {
    let file = site.file_with(&case.setup);
    let truth = as_told(site, &file);
    let mut faults = Vec::new();
    let mut taken: Vec<(Kind, Option<u64>, String)> = Vec::new();
    for lock in &truth {
        taken.push((lock.kind, lock.ends, lock.holder.clone()));
        let lasts = lock
            .ends
            .map(|ends| ends.abs_diff(lock.since).abs_diff(600) <= NEAR_SECONDS);
        if lasts != (lock.kind == Kind::Transient).then_some(true) || lock.holder != "alice" {
            faults.push(format!("{lock:?} is not what was taken"));
        }
    }
    let mut kinds = kinds(&case.setup);
    kinds.sort();
    if truth.iter().map(|lock| lock.kind).ne(kinds) {
        faults.push(format!("{truth:?} is not what was taken"));
    }
    match case.face.face().see(site, &file, case.who) {
        Ok(shown) => {
            faults.extend(differences(case, &truth, &shown));
            (Outcome::Done, faults)
        }
        Err(outcome) => (outcome, faults),
    }
}

#[test]
fn every_face_shows_the_same_locks() {
    let site = Site::start();
    let mut cases = Vec::new();
    for setup in setups() {
        for face in Name::ALL {
            let asks = |who: &Standing| face.face().knows_users() || *who == Standing::Admin;
            cases.extend(Standing::people().filter(asks).map(|who| Looking {
                setup: setup.clone(),
                face,
                who,
            }));
        }
    }
    let tried = try_all(&cases, |case| look(&site, case));
    assert_agreement("looks", &tried, 300, |case| {
        if case.who == Standing::Stranger {
            Outcome::NotFound
        } else {
            Outcome::Done
        }
    });
}

/// The comparison sees each member.
#[test]
fn what_is_shown_wrongly_is_noticed() {
    let lock = Seen {
        kind: Kind::Transient,
        holder: "alice".to_owned(),
        since: 1000,
        ends: Some(1600),
        token: Some("urn:uuid:a".to_owned()),
    };
    let case = |who| Looking {
        setup: Vec::new(),
        face: Name::WebDav,
        who,
    };
    let check = |who, change: &dyn Fn(&mut Seen), noticed: bool| {
        let mut shown = lock.clone();
        change(&mut shown);
        let found = differences(&case(who), std::slice::from_ref(&lock), &[shown]);
        assert_eq!(!found.is_empty(), noticed, "{found:?}");
    };
    check(Standing::Owner, &|_| {}, false);
    check(Standing::Owner, &|lock| lock.ends = Some(1602), false);
    check(Standing::Owner, &|lock| lock.kind = Kind::Persistent, true);
    check(Standing::Owner, &|lock| lock.holder.clear(), true);
    check(Standing::Owner, &|lock| lock.since += 1, true);
    check(Standing::Owner, &|lock| lock.ends = None, true);
    check(Standing::Owner, &|lock| lock.ends = Some(1800), true);
    check(Standing::Owner, &|lock| lock.token = None, true);
    check(Standing::Other, &|lock| lock.token = None, false);
    check(Standing::Other, &|_| {}, true);
}
