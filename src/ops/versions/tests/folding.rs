//! Which uploads become one version: told in small scripts, with and without folding.

use std::collections::BTreeMap;

use super::*;
use crate::lock::LockToken;

/// Where everything happens.
const FILE: &str = "/c/f";

/// One script. `a` and `b` are people, digits are what they upload:
/// - `a:1` uploads, `a=1` copies another file onto this one, `a>1` saves beside it and moves that
///   over it;
/// - `a+t` takes a program's lock, `a+s` a shared one, `a+p` a check-out, `a+c` a program's lock on
///   the whole folder; `a-t` and so on ends it, `a*t` refreshes it, `b!p` steals the check-out of
///   the other one;
/// - `a^2` restores version 2, `a#2` gives it a label, `a/2` takes that off.
struct Script {
    what: &'static str,
    steps: &'static str,
    /// What the versions hold at the end, the oldest first: with folding,
    folded: &'static str,
    /// and without.
    unfolded: &'static str,
}

const SCRIPTS: &[Script] = &[
    Script {
        what: "without a lock every upload is a version",
        steps: "a:1 a:2 b:3",
        folded: "123",
        unfolded: "123",
    },
    Script {
        what: "a program's lock",
        steps: "a:1 a+t a:2 a:3 a:4 a-t a:5",
        folded: "145",
        unfolded: "12345",
    },
    Script {
        what: "a check-out",
        steps: "a:1 a+p a:2 a:3 a-p b:4",
        folded: "134",
        unfolded: "1234",
    },
    Script {
        what: "of both the check-out counts, whatever programs do meanwhile",
        steps: "a:1 a+p a:2 a+t a:3 a-t a:4 a+t a:5 a-t a-p",
        folded: "15",
        unfolded: "12345",
    },
    Script {
        what: "who checks out what a program holds begins a version",
        steps: "a:1 a+t a:2 a+p a:3 a:4",
        folded: "124",
        unfolded: "1234",
    },
    Script {
        what: "a stolen check-out is another one",
        steps: "a:1 a+p a:2 b!p b:3 b:4 a!p a:5",
        folded: "1245",
        unfolded: "12345",
    },
    Script {
        what: "so is one that is taken anew",
        steps: "a:1 a+t a:2 a-t a+t a:3 a:4",
        folded: "124",
        unfolded: "1234",
    },
    Script {
        what: "a refreshed lock is the same",
        steps: "a:1 a+t a:2 a*t a:3",
        folded: "13",
        unfolded: "123",
    },
    Script {
        what: "between two of one lock comes somebody else's, under another shared one",
        steps: "a:1 a+s b+s a:2 a:3 b:4 a:5 a:6",
        folded: "1346",
        unfolded: "123456",
    },
    Script {
        what: "a label stops it",
        steps: "a:1 a+t a:2 a#2 a:3 a:4",
        folded: "124",
        unfolded: "1234",
    },
    Script {
        what: "until it is taken off",
        steps: "a:1 a+t a:2 a#2 a/2 a:3",
        folded: "13",
        unfolded: "123",
    },
    Script {
        what: "a restore is a version of its own",
        steps: "a:1 a+t a:2 a^1 a^2",
        folded: "1212",
        unfolded: "1212",
    },
    Script {
        what: "and the upload after it takes its place",
        steps: "a:1 a+t a:2 a^1 a:3",
        folded: "123",
        unfolded: "1213",
    },
    Script {
        what: "the empty file that a lock made leaves no trace either way",
        steps: "a+t a:1 a:2",
        folded: "2",
        unfolded: "12",
    },
    Script {
        what: "a safe-save is an upload",
        steps: "a:1 a+t a>2 a>3 a-t a>4",
        folded: "134",
        unfolded: "1234",
    },
    Script {
        what: "so is a copy onto the file",
        steps: "a:1 a+p a=2 a=3 a:4 a=4 a-p a=4",
        folded: "144",
        unfolded: "123444",
    },
    Script {
        what: "a lock on the whole folder",
        steps: "a+c a:1 a:2 a-c a:3",
        folded: "23",
        unfolded: "123",
    },
];

struct Play {
    dav: Dav,
    /// Of each person, by the letter of the lock.
    tokens: BTreeMap<(char, char), LockToken>,
}

impl Play {
    async fn new(versions: Versions) -> Self {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let dav = start_with(&engine, Blobs::memory(), versions).await;
        let mut admin = ask("/", 0);
        admin.principal.admin = true;
        let granted = dav.set_grant(&admin, Grantee::Everyone, Some(Role::Manager));
        granted.await.unwrap();
        dav.make_collection(&ask("/c", 0)).await.unwrap();
        Self {
            dav,
            tokens: BTreeMap::new(),
        }
    }

    /// What a program of this person asks, which knows the person's program locks.
    fn ask(&self, person: char, at: &str) -> Ask {
        let user = if person == 'a' { ALICE } else { BOB };
        let held = "tsc".chars();
        let mut token = held.filter_map(|lock| self.tokens.get(&(person, lock)));
        let mut ask = by(user, ask(at, 0));
        ask.lock_token = token.next().map(ToString::to_string);
        ask
    }

    async fn step(&mut self, step: &str) {
        let [person, verb, what] = step.chars().collect::<Vec<_>>()[..] else {
            panic!("{step} has three letters");
        };
        let file = self.ask(person, FILE);
        let letter = u8::try_from(what).unwrap();
        let number = what.to_digit(10).unwrap_or_default();
        let beside = self.ask(person, "/beside");
        let dav = &self.dav;
        match verb {
            ':' => drop(put(dav, &file, letter, 3).await),
            '=' => {
                put(dav, &beside, letter, 3).await;
                let (yes, all) = (Overwrite::Yes, CopyDepth::Infinity);
                dav.copy(&beside, &path(FILE), yes, all).await.unwrap();
            }
            '>' => {
                put(dav, &beside, letter, 3).await;
                let moved = dav.relocate(&beside, &path(FILE), Overwrite::Yes).await;
                moved.unwrap();
            }
            '+' => self.lock(person, what).await,
            '-' => {
                let token = self.tokens.remove(&(person, what)).unwrap();
                let at = if what == 'c' { "/c" } else { FILE };
                let ask = self.ask(person, at);
                dav.unlock(&ask, &token.to_string()).await.unwrap();
            }
            '*' => {
                let long = RequestedTimeout::Seconds(900);
                assert_eq!(dav.refresh(&file, long).await.unwrap().len(), 1);
            }
            '!' => {
                let other = if person == 'a' { 'b' } else { 'a' };
                let victim = self.tokens.remove(&(other, what)).unwrap();
                let heir = dav.steal(&file, victim).await.unwrap().token;
                self.tokens.insert((person, what), heir.unwrap());
            }
            '^' => drop(dav.restore(&file, number).await.unwrap()),
            '#' => drop(dav.label(&file, number, Some("good")).await.unwrap()),
            '/' => drop(dav.label(&file, number, None).await.unwrap()),
            _ => panic!("{step} says nothing"),
        }
    }

    async fn lock(&mut self, person: char, what: char) {
        use LockScope::{Exclusive, Shared};
        let (at, depth) = match what {
            'c' => ("/c", LockDepth::Infinity),
            _ => (FILE, LockDepth::Zero),
        };
        let wanted = match what {
            'p' => wanted(LockKind::Persistent, Exclusive),
            's' => wanted(LockKind::Transient, Shared),
            _ => wanted(LockKind::Transient, Exclusive),
        };
        let wanted = LockAsk { depth, ..wanted };
        let taken = self.dav.lock(&self.ask(person, at), &wanted).await.unwrap();
        self.tokens
            .insert((person, what), taken.view.token.unwrap());
    }

    /// What the versions hold, the oldest first. Their numbers have no gaps.
    async fn told(&self) -> String {
        let newest_first = numbers(&self.dav, FILE).await;
        let count = u32::try_from(newest_first.len()).unwrap();
        assert!(newest_first.into_iter().rev().eq(1..=count));
        let mut told = String::new();
        for number in 1..=count {
            told.push(letters(&self.dav, FILE, number).await.0);
        }
        told
    }
}

#[tokio::test]
async fn uploads_under_one_lock_are_one_version_if_that_is_wanted() {
    for script in SCRIPTS {
        let ways = [(true, script.folded), (false, script.unfolded)];
        for (fold_while_locked, expected) in ways {
            let versions = Versions {
                fold_while_locked,
                ..Versions::default()
            };
            let mut play = Play::new(versions).await;
            for step in script.steps.split(' ') {
                play.step(step).await;
            }
            let told = play.told().await;
            assert_eq!(told, expected, "{}: {fold_while_locked}", script.what);
        }
    }
}

/// Where no old versions are kept, the present one is what was uploaded last, and is counted.
#[tokio::test]
async fn without_old_versions_folding_only_counts() {
    for (fold_while_locked, number) in [(true, 2), (false, 4)] {
        let versions = Versions {
            keep: 0,
            fold_while_locked,
            ..Versions::default()
        };
        let mut play = Play::new(versions).await;
        for step in ["a:1", "a+t", "a:2", "a:3", "a:4"] {
            play.step(step).await;
        }
        assert_eq!(numbers(&play.dav, FILE).await, [number]);
        assert_eq!(letters(&play.dav, FILE, number).await, ('4', 3));
    }
}

/// It is another state of the file for everybody who holds the last one.
#[tokio::test]
async fn what_takes_the_place_of_a_version_has_its_own_tag_author_and_time() {
    let mut play = Play::new(Versions::default()).await;
    play.step("a:1").await;
    play.step("a+t").await;
    let mut seen = Vec::new();
    for (seconds, letter) in [(1, b'2'), (2, b'3')] {
        let mut file = play.ask('a', FILE);
        file.now = NOW.plus_seconds(seconds);
        put(&play.dav, &file, letter, 3).await;
        seen.push(play.dav.history(&file).await.unwrap().remove(0));
    }
    let [before, after] = &seen[..] else {
        panic!("two were seen");
    };
    assert_eq!((before.number, after.number), (2, 2));
    assert_ne!(before.etag, after.etag);
    let at = |seconds| NOW.plus_seconds(seconds);
    assert_eq!((before.uploaded, before.modified), (at(1), at(1)));
    assert_eq!((after.uploaded, after.modified), (at(2), at(2)));
    assert_eq!(after.under, Some(LockKind::Transient));
}

/// Content that the old and the new state share is used by the same row.
#[tokio::test]
async fn a_version_may_take_the_place_of_one_with_the_same_content() {
    for size in [3, LARGE] {
        let folder = tempfile::tempdir().unwrap();
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let dav = start(&engine, Blobs::open(folder.path(), 0).unwrap(), 10).await;
        put(&dav, &ask("/original", 0), b'x', size).await;
        put(&dav, &ask("/f", 0), b'y', size).await;
        let check_out = wanted(LockKind::Persistent, LockScope::Exclusive);
        dav.lock(&ask("/f", 0), &check_out).await.unwrap();
        let (yes, all) = (Overwrite::Yes, CopyDepth::Infinity);
        for (from, to) in [("/original", "/f"), ("/original", "/f"), ("/f", "/again")] {
            let copied = dav.copy(&ask(from, 0), &path(to), yes, all).await;
            copied.unwrap();
        }
        dav.delete(&ask("/original", 0)).await.unwrap();
        let back = dav.copy(&ask("/again", 0), &path("/f"), yes, all).await;
        back.unwrap();
        dav.delete(&ask("/again", 0)).await.unwrap();
        dav.sweep(NOW).await.unwrap();
        assert_eq!(numbers(&dav, "/f").await, [2, 1]);
        assert_eq!(letters(&dav, "/f", 2).await, ('x', size));
        assert_eq!(letters(&dav, "/f", 1).await, ('y', size));
        put(&dav, &ask("/f", 0), b'z', size).await;
        dav.sweep(NOW).await.unwrap();
        assert_eq!(letters(&dav, "/f", 2).await, ('z', size));
        let expected = if size == LARGE { 2 } else { 0 };
        assert_eq!(count_files(&dav).await, expected);
    }
}

/// davfs2 locks a temporary file, moves it over the original while it is empty, and uploads it
/// a moment later: all of that is under one lock.
#[tokio::test]
async fn what_is_moved_over_a_file_before_it_is_uploaded_is_one_version() {
    let dav = in_memory(10).await;
    put(&dav, &ask("/f", 0), b'x', 3).await;
    for letter in [b'y', b'z'] {
        let mut beside = ask("/.f", 0);
        let exclusive = wanted(LockKind::Transient, LockScope::Exclusive);
        let token = dav.lock(&beside, &exclusive).await.unwrap().view.token;
        beside.lock_token = token.map(|token| token.to_string());
        let moved = dav.relocate(&beside, &path("/f"), Overwrite::Yes).await;
        assert_eq!(moved, Ok(Outcome::Replaced));
        let mut file = ask("/f", 0);
        file.lock_token = beside.lock_token;
        let written = put(&dav, &file, letter, 3).await.content.unwrap();
        assert_eq!(written.under.unwrap().token, token.unwrap());
        let token = file.lock_token.as_deref().unwrap();
        dav.unlock(&file, token).await.unwrap();
    }
    assert_eq!(numbers(&dav, "/f").await, [3, 2, 1]);
    assert_eq!(letters(&dav, "/f", 2).await, ('y', 3));
    assert_eq!(letters(&dav, "/f", 3).await, ('z', 3));
}
