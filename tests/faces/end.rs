//! How locks end: released by whom it belongs to, released by force, and stolen.

use crate::faces::Name;
use crate::naive::{self, Meant};
use crate::product::{Setup, assert_agreement, disagreements, kinds, setups, try_all};
use crate::site::Site;
use crate::words::{Action, File, Kind, Outcome, Standing};

#[derive(Debug, Clone)]
struct Releasing {
    setup: Setup,
    face: Name,
    who: Standing,
    meant: Meant,
}

impl Releasing {
    fn expected(&self) -> (Outcome, Vec<usize>) {
        naive::release(&kinds(&self.setup), self.face, self.who, self.meant)
    }
}

/// Through the command line it is always the same administrator.
fn people(face: Name) -> impl Iterator<Item = Standing> {
    let asks = move |who: &Standing| face.face().knows_users() || *who == Standing::Admin;
    Standing::people().filter(asks)
}

fn releases() -> Vec<Releasing> {
    let mut cases = Vec::new();
    for setup in setups() {
        for face in Name::ALL {
            let mut meanings = vec![Meant::Unnamed];
            if face.face().releases_named() {
                meanings.extend((0..setup.len()).map(Meant::Named));
            }
            if face == Name::CommandLine {
                meanings.push(Meant::Freeze);
            }
            for who in people(face) {
                cases.extend(meanings.iter().map(|meant| Releasing {
                    setup: setup.clone(),
                    face,
                    who,
                    meant: *meant,
                }));
            }
        }
    }
    cases
}

fn release(site: &Site, case: &Releasing) -> (Outcome, Vec<String>) {
    let file = site.file_with(&case.setup);
    let face = case.face.face();
    let found = match case.meant {
        Meant::Named(number) => {
            let token = &file.locks[number].1;
            face.release(site, &file, case.who, Some(token))
        }
        Meant::Unnamed => face.release(site, &file, case.who, None),
        Meant::Freeze => face.thaw(site, &file).expect("the face can"),
    };
    let (_, ended) = case.expected();
    let left: Vec<(Kind, String)> = file
        .locks
        .iter()
        .enumerate()
        .filter(|(number, _)| !ended.contains(number))
        .map(|(_, lock)| lock.clone())
        .collect();
    let mut faults = standing_now(site, &file, &left, !ended.is_empty());
    if !ended.is_empty() {
        faults.extend(uploads_of_another(site, &file, &left));
    }
    (found, faults)
}

/// The faces show these locks and no other; where something has ended, every face is asked.
fn standing_now(site: &Site, file: &File, left: &[(Kind, String)], all: bool) -> Vec<String> {
    let faces = if all { &Name::ALL[..] } else { &[Name::WebDav] };
    let mut expected: Vec<_> = left.iter().map(|(_, token)| Some(token.clone())).collect();
    expected.sort();
    let mut faults = Vec::new();
    for face in faces {
        let seen = face.face().see(site, file, Standing::Admin);
        let seen = seen.map(|locks| {
            let mut tokens: Vec<_> = locks.into_iter().map(|lock| lock.token).collect();
            tokens.sort();
            tokens
        });
        if seen.as_ref() != Ok(&expected) {
            faults.push(format!("{face:?} then shows {seen:?}, not {expected:?}"));
        }
    }
    faults
}

/// What the lock kept from the other editor is theirs again, through every face, unless another
/// lock is left.
fn uploads_of_another(site: &Site, file: &File, left: &[(Kind, String)]) -> Vec<String> {
    let left: Vec<Kind> = left.iter().map(|(kind, _)| *kind).collect();
    let uploads = |face: &Name| face.face().actions().contains(&Action::Upload);
    let mut faults = Vec::new();
    for face in Name::ALL.into_iter().filter(uploads) {
        let found = face.face().act(site, file, Standing::Other, Action::Upload);
        let who = Standing::Other;
        let expected = naive::act(&naive::DRIVE, &left, face, who, Action::Upload);
        if found != expected {
            faults.push(format!("an upload through {face:?} is then {found:?}"));
        }
    }
    faults
}

#[test]
fn locks_end_through_every_face() {
    let site = Site::start();
    let tried = try_all(&releases(), |case| release(&site, case));
    // Of several locks that stand in the way of a release, a refusal need not name every one.
    let told = |case: &Releasing, found: &Outcome| match (case.expected().0, found) {
        (Outcome::RefusedByLock(all), Outcome::RefusedByLock(some))
            if !some.is_empty() && some.iter().all(|lock| all.contains(lock)) =>
        {
            found.clone()
        }
        (expected, _) => expected,
    };
    let by_case = |case: &Releasing| case.expected().0;
    let tried: Vec<_> = tried
        .into_iter()
        .map(|mut tried| {
            if told(&tried.case, &tried.found) == tried.found {
                tried.found = tried.case.expected().0;
            }
            tried
        })
        .collect();
    assert_agreement("releases", &tried, 500, by_case);

    // Tables that forget what belongs to whom are noticed.
    for forgotten in [Standing::Owner, Standing::Other, Standing::Manager] {
        let noticed = disagreements(&tried, |case| {
            let who = if case.who == forgotten {
                Standing::Stranger
            } else {
                case.who
            };
            naive::release(&kinds(&case.setup), case.face, who, case.meant).0
        });
        assert!(!noticed.is_empty(), "{forgotten:?}");
    }
}

#[derive(Debug, Clone)]
struct Refreshing {
    setup: Setup,
    face: Name,
    who: Standing,
    named: usize,
}

impl Refreshing {
    fn expected(&self) -> Outcome {
        naive::refresh(&kinds(&self.setup), self.face, self.who, self.named)
    }
}

/// The end of a transient lock moves when the refresh is granted, and no other one.
fn refresh(site: &Site, case: &Refreshing) -> (Outcome, Vec<String>) {
    let file = site.file_with(&case.setup);
    let (_, token) = &file.locks[case.named];
    let found = case.face.face().refresh(site, &file, case.who, token);
    let seen = Name::CheckOutApi.face().see(site, &file, Standing::Admin);
    let mut faults = Vec::new();
    for lock in seen.expect("a listing") {
        let renewed = lock.token.as_ref() == Some(token) && case.expected() == Outcome::Done;
        let lasts = lock.ends.map(|ends| ends - lock.since);
        let expected = match (lock.kind, renewed) {
            (Kind::Transient, true) => 1200..1260,
            (Kind::Transient, false) => 600..601,
            (Kind::Persistent | Kind::ReadOnly, _) => 0..1,
        };
        if !expected.contains(&lasts.unwrap_or(0)) {
            faults.push(format!("{lock:?} lasts {lasts:?} seconds"));
        }
    }
    (found.expect("the face refreshes"), faults)
}

#[test]
fn locks_are_refreshed_by_their_owner_alone() {
    let site = Site::start();
    let mut cases = Vec::new();
    for setup in setups() {
        for face in [Name::WebDav, Name::CheckOutApi] {
            for who in Standing::people() {
                cases.extend((0..setup.len()).map(|named| Refreshing {
                    setup: setup.clone(),
                    face,
                    who,
                    named,
                }));
            }
        }
    }
    let tried = try_all(&cases, |case| refresh(&site, case));
    assert_agreement("refreshes", &tried, 300, Refreshing::expected);
}

#[derive(Debug, Clone)]
struct Stealing {
    setup: Setup,
    face: Name,
    who: Standing,
    named: Option<usize>,
}

impl Stealing {
    fn expected(&self) -> Outcome {
        naive::steal(&kinds(&self.setup), self.face, self.who, self.named)
    }
}

fn thefts() -> Vec<Stealing> {
    let mut cases = Vec::new();
    for setup in setups() {
        for face in [Name::CheckOutApi, Name::CommandLine] {
            for who in Standing::people() {
                let names = std::iter::once(None).chain((0..setup.len()).map(Some));
                cases.extend(names.map(|named| Stealing {
                    setup: setup.clone(),
                    face,
                    who,
                    named,
                }));
            }
        }
    }
    cases
}

fn steal(site: &Site, case: &Stealing) -> (Outcome, Vec<String>) {
    let file = site.file_with(&case.setup);
    let token = case.named.map(|number| file.locks[number].1.as_str());
    let face = case.face.face();
    let found = face.steal(site, &file, case.who, token);
    let found = found.expect("the face steals");
    if case.expected() != Outcome::Done {
        return (found, standing_now(site, &file, &file.locks, false));
    }
    let thief = case.who.user();
    let mut faults = Vec::new();
    // The check-out is the thief's, and the old owner's other locks have ended with it.
    for name in Name::ALL {
        let seen = name.face().see(site, &file, Standing::Admin);
        let is_new = |token: &Option<String>| match token {
            Some(token) => !file.tokens().contains(token),
            None => false,
        };
        match seen.as_deref() {
            Ok([lock])
                if (lock.kind, lock.holder.as_str()) == (Kind::Persistent, thief)
                    && is_new(&lock.token) => {}
            other => faults.push(format!("{name:?} then shows {other:?}")),
        }
    }
    if thief != "alice" {
        faults.extend(uploads_of_the_robbed(site, &file, thief));
    }
    (found, faults)
}

/// Every write of the old owner is refused by the new lock; with the old token it is one whose
/// condition does not hold, where the token is a condition (RFC 4918 §10.4).
fn uploads_of_the_robbed(site: &Site, file: &File, thief: &str) -> Vec<String> {
    let by_thief = Outcome::RefusedByLock(vec![(Kind::Persistent, thief.to_owned())]);
    let mut faults = Vec::new();
    for face in Name::ALL {
        let shows_tokens = face.face().shows_tokens();
        for action in face.face().actions() {
            // Anybody may move what is checked out.
            if *action == Action::Move {
                continue;
            }
            for who in [Standing::Owner, Standing::Bearer] {
                let expected = match (who, face) {
                    (Standing::Bearer, _) if !shows_tokens => continue,
                    (Standing::Bearer, Name::WebDav) => Outcome::FalseCondition,
                    _ => by_thief.clone(),
                };
                let found = face.face().act(site, file, who, *action);
                if found != expected {
                    faults.push(format!(
                        "{action:?} by {who:?} in {face:?} is then {found:?}"
                    ));
                }
            }
        }
    }
    faults
}

#[test]
fn check_outs_are_stolen_through_every_face_that_can() {
    let site = Site::start();
    let tried = try_all(&thefts(), |case| steal(&site, case));
    assert_agreement("thefts", &tried, 300, Stealing::expected);

    let noticed = disagreements(&tried, |case| {
        naive::steal(&kinds(&case.setup), case.face, Standing::Admin, case.named)
    });
    assert!(!noticed.is_empty(), "thefts without the privilege");
}
