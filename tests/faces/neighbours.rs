//! Many thieves through several faces, and managers next door.

use std::sync::Barrier;

use crate::faces::Name;
use crate::naive::{self, Meant};
use crate::product::takings;
use crate::site::Site;
use crate::words::{File, Kind, Outcome, Seen, Standing};

const THIEVES: usize = 50;

/// Half of them through the check-out API, half through the command line, all naming the same lock.
#[test]
fn of_fifty_thieves_through_two_faces_one_wins() {
    let site = Site::start();
    let file = site.file_with(&[(Kind::Persistent, Name::DocSpace)]);
    let token = &file.locks[0].1;
    let start = Barrier::new(THIEVES);
    let outcomes: Vec<(Name, Standing, Outcome)> = std::thread::scope(|scope| {
        let thief = |number: usize| {
            let name = [Name::CheckOutApi, Name::CommandLine][number % 2];
            let who = [Standing::Manager, Standing::Admin][number / 2 % 2];
            let (site, file, start) = (&site, &file, &start);
            scope.spawn(move || {
                start.wait();
                let outcome = name.face().steal(site, file, who, Some(token));
                (name, who, outcome.expect("the face steals"))
            })
        };
        let running: Vec<_> = (0..THIEVES).map(thief).collect();
        running
            .into_iter()
            .map(|thief| thief.join().expect("a thief ends"))
            .collect()
    });
    let (winners, late): (Vec<_>, Vec<_>) = outcomes
        .into_iter()
        .partition(|(_, _, outcome)| *outcome == Outcome::Done);
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (name, _, outcome) in late {
        assert_eq!(outcome, naive::late_theft(name), "{name:?}");
    }
    let winner = winners[0].1.user();
    for face in Name::ALL {
        let seen: Vec<Seen> = face
            .face()
            .see(&site, &file, Standing::Admin)
            .expect("a listing");
        assert_eq!(seen.len(), 1, "{face:?}: {seen:?}");
        assert_eq!(seen[0].kind, Kind::Persistent);
        assert_eq!(seen[0].holder, winner);
        assert_ne!(seen[0].token.as_ref(), Some(token));
    }
}

/// Mona manages one folder and is an editor next door: there her privilege is nobody's.
#[test]
fn super_check_in_does_not_reach_the_neighbour() {
    let site = Site::start();
    let (mona, as_editor) = (Standing::Manager, Standing::Other);
    let mut cases = 0;
    for taking in takings() {
        let held = [taking.0];
        let file = site.file_in(&site.next_door, &[taking]);
        // The other folder's project does not lend its privilege either.
        let at_home = File {
            project: site.file_with(&[]).project,
            ..file.clone()
        };
        let token = file.locks[0].1.as_str();
        for name in [Name::WebDav, Name::CheckOutApi, Name::DocSpace] {
            let face = name.face();
            let mut ways = vec![(None, Meant::Unnamed)];
            if face.releases_named() {
                ways.push((Some(token), Meant::Named(0)));
            }
            for (token, meant) in ways {
                let (expected, _) = naive::release(&held, name, as_editor, meant);
                let found = face.release(&site, &file, mona, token);
                assert_eq!(found, expected, "{taking:?} {name:?} {meant:?}");
                let named = token.map(|_| 0);
                if let Some(found) = face.steal(&site, &file, mona, token) {
                    let expected = naive::steal(&held, name, as_editor, named);
                    assert_eq!(found, expected, "{taking:?} {name:?} {meant:?}");
                    let detour = face.release(&site, &at_home, mona, token);
                    assert_eq!(detour, Outcome::NotFound);
                    let detour = face.steal(&site, &at_home, mona, token);
                    assert_eq!(detour, Some(Outcome::NotFound));
                }
                cases += 1;
            }
            // And she is not told the token.
            let seen = face.see(&site, &file, mona).expect("a listing");
            assert_eq!(seen.len(), 1, "{taking:?} {name:?}: {seen:?}");
            assert_eq!(seen[0].token, None);
        }
        // It does reach what it was granted for.
        let mine = site.file_with(&[taking]);
        let token = mine.locks[0].1.as_str();
        let released = Name::WebDav.face().release(&site, &mine, mona, Some(token));
        assert_eq!(released, Outcome::Done);
    }
    println!("next door: {cases} cases");
    assert!(cases >= 40, "{cases}");
}

/// Alice is made a reader while she holds locks: she changes nothing any more, but what is hers she
/// lets go through every face.
#[test]
fn an_owner_who_lost_the_role_still_lets_go() {
    let site = Site::start();
    let owner = Standing::Owner;
    let mut files = Vec::new();
    for taking in takings() {
        for name in [Name::WebDav, Name::CheckOutApi, Name::DocSpace] {
            files.push((taking, name, site.file_in(&site.next_door, &[taking])));
        }
    }
    site.command(&["grant", "set", "/next", "reader", "--user", "alice"]);
    for (taking, name, file) in &files {
        let face = name.face();
        for action in face.actions() {
            let found = face.act(&site, file, owner, *action);
            assert_eq!(
                found,
                Outcome::NoPrivilege,
                "{taking:?} {name:?} {action:?}"
            );
        }
        let token = file.locks[0].1.as_str();
        let (token, meant) = if face.releases_named() {
            (Some(token), Meant::Named(0))
        } else {
            (None, Meant::Unnamed)
        };
        let (expected, _) = naive::release(&[taking.0], *name, owner, meant);
        let found = face.release(&site, file, owner, token);
        assert_eq!(found, expected, "{taking:?} {name:?}");
    }
    assert!(files.len() >= 27, "{}", files.len());
}
