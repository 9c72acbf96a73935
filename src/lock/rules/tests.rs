use uuid::Uuid;

use super::*;

const KINDS: [LockKind; 3] = [
    LockKind::Persistent,
    LockKind::Transient,
    LockKind::ReadOnly,
];
const STANDINGS: [Standing; 3] = [Standing::Bearer, Standing::Owner, Standing::Other];

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn lock(kind: LockKind, scope: LockScope, owner: u128, token: u128) -> Lock {
    Lock {
        token: LockToken(Uuid::from_u128(token)),
        kind,
        scope,
        depth: LockDepth::Infinity,
        root: ResourceId(7),
        owner: user(owner),
        holder: format!("user {owner}"),
        owner_xml: None,
        comment: None,
        since: Timestamp(0),
        deadline: (kind == LockKind::Transient).then_some(Timestamp(1000)),
    }
}

fn asker(user_number: u128, tokens: &[LockToken]) -> Asker<'_> {
    Asker {
        user: user(user_number),
        tokens,
        super_check_in: SuperCheckIn::NotHeld,
    }
}

/// The text's table: a row an action; columns persistent (bearer, owner, other), transient,
/// read-only.
fn table(policy: Policy) -> String {
    let mut text = String::new();
    for action in [Action::Upload, Action::Rename, Action::Move, Action::Delete] {
        text += &format!("{action:?}:");
        for kind in KINDS {
            text.push(' ');
            for standing in STANDINGS {
                text.push(if permits(policy, kind, standing, action) {
                    'y'
                } else {
                    'n'
                });
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_matrix_is_the_one_of_the_text() {
    assert_eq!(
        table(Policy::Drive),
        "Upload: yyn ynn nnn\nRename: nnn ynn nnn\nMove: yyy ynn yyy\nDelete: nnn ynn nnn\n"
    );
    assert_eq!(
        table(Policy::Strict),
        "Upload: yyn ynn nnn\nRename: nnn nnn nnn\nMove: yyy yyy yyy\nDelete: nnn nnn nnn\n"
    );
}

#[test]
fn below_a_locked_collection_it_is_all_or_nothing() {
    let answers: String = KINDS
        .iter()
        .flat_map(|kind| {
            STANDINGS
                .iter()
                .map(|standing| permits_covered(*kind, *standing))
        })
        .map(|yes| if yes { 'y' } else { 'n' })
        .collect();
    assert_eq!(answers, "yynynnnnn");
}

#[test]
fn knowing_a_token_does_not_help_another_user() {
    let held = lock(LockKind::Transient, LockScope::Exclusive, 1, 10);
    let tokens = [held.token];
    let locks = Surroundings {
        here: vec![held.clone()],
        ..Surroundings::default()
    };
    for (who, allowed) in [(1, true), (2, false)] {
        let answer = check(
            Policy::Drive,
            &asker(who, &tokens),
            Doing::Change,
            ResourceId(7),
            &locks,
        );
        assert_eq!(answer.is_ok(), allowed, "user {who}");
    }
    assert!(release(&asker(2, &tokens), &held).is_err());
    assert!(refresh(&asker(2, &tokens), &held, Timestamp(5000), &locks).is_err());
}

#[test]
fn who_has_a_shared_lock_in_hand_shares() {
    use LockKind::*;
    use LockScope::*;
    let others = lock(Transient, Shared, 2, 20);
    let cases = [
        (lock(Transient, Shared, 1, 10), true),
        (lock(Persistent, Shared, 1, 11), true),
        (lock(Transient, Exclusive, 1, 10), false),
        (lock(Persistent, Shared, 3, 11), false),
    ];
    for (own, allowed) in cases {
        let tokens = [LockToken(Uuid::from_u128(10))];
        let around = Surroundings {
            here: vec![others.clone(), own.clone()],
            ..Surroundings::default()
        };
        let asking = asker(1, &tokens);
        let answer = check(
            Policy::Drive,
            &asking,
            Doing::Change,
            ResourceId(7),
            &around,
        );
        assert_eq!(answer.is_ok(), allowed, "beside {own:?}");
    }
    let below = Surroundings {
        here: vec![lock(Transient, Shared, 1, 10)],
        below: vec![Lock {
            root: ResourceId(8),
            ..others
        }],
        ..Surroundings::default()
    };
    for (tokens, allowed) in [
        (vec![LockToken(Uuid::from_u128(10))], true),
        (vec![], false),
    ] {
        let asking = asker(1, &tokens);
        let answer = check(Policy::Drive, &asking, Doing::Remove, ResourceId(7), &below);
        assert_eq!(answer.is_ok(), allowed);
    }
}

/// What is written is written under one lock of the writer's: a check-out, or else the lock of the
/// program that writes, or else the nearest.
#[test]
fn what_is_written_under() {
    use LockKind::{Persistent, Transient};
    let shared = |kind, owner, token| lock(kind, LockScope::Shared, owner, token);
    let token = |number| LockToken(Uuid::from_u128(number));
    let check = |here: &[&Lock], covering: &[&Lock], tokens: &[u128], expected: Option<u128>| {
        let around = Surroundings {
            here: here.iter().copied().cloned().collect(),
            covering: covering.iter().copied().cloned().collect(),
            ..Surroundings::default()
        };
        let tokens: Vec<LockToken> = tokens.iter().copied().map(token).collect();
        let asker = asker(1, &tokens);
        let cleared = super::check(Policy::Drive, &asker, Doing::Change, ResourceId(7), &around);
        let under = cleared.unwrap().under().map(|lock| lock.token);
        assert_eq!(
            under,
            expected.map(token),
            "{here:?} {covering:?} {tokens:?}"
        );
    };
    let (out, one, two) = (
        shared(Persistent, 1, 1),
        shared(Transient, 1, 2),
        shared(Transient, 1, 3),
    );
    let foreign = shared(Transient, 2, 9);
    check(&[], &[], &[2], None);
    check(&[&out, &one], &[], &[2], Some(1));
    check(&[&one], &[&out], &[2], Some(1));
    check(&[&one, &two], &[], &[3], Some(3));
    check(&[&one, &two], &[], &[2, 3], Some(2));
    check(&[&one], &[&two], &[3], Some(3));
    check(&[&foreign, &one], &[&two], &[2, 3], Some(2));
}

#[test]
fn where_each_doing_looks() {
    use Doing::*;
    let frozen = || vec![lock(LockKind::ReadOnly, LockScope::Exclusive, 1, 10)];
    // Frozen here, above, on the parent, below: which of them refuse which doing?
    let cases = [
        (Change, [true, true, false, false]),
        (ChangeWindowsProperties, [true, true, false, false]),
        (Make, [true, true, true, false]),
        (Overwrite, [true, true, true, false]),
        (Remove, [true, true, true, true]),
        (Rename, [true, true, true, false]),
        (Move, [false, true, true, false]),
        (RenameAndMove, [true, true, true, false]),
    ];
    for (doing, expect) in cases {
        let none = Surroundings::default;
        let around = [
            Surroundings {
                here: frozen(),
                ..none()
            },
            Surroundings {
                covering: frozen(),
                ..none()
            },
            Surroundings {
                parent: frozen(),
                ..none()
            },
            Surroundings {
                below: frozen(),
                ..none()
            },
        ];
        let refused = around.map(|locks| {
            check(Policy::Drive, &asker(1, &[]), doing, ResourceId(9), &locks).is_err()
        });
        assert_eq!(refused, expect, "{doing:?}");
    }
}

#[test]
fn a_transient_lock_below_stops_the_move_of_its_collection() {
    let held = lock(LockKind::Transient, LockScope::Exclusive, 1, 10);
    let tokens = [held.token];
    let locks = Surroundings {
        below: vec![held.clone()],
        ..Surroundings::default()
    };
    let at = ResourceId(9);
    assert_eq!(
        check(Policy::Drive, &asker(1, &[]), Doing::Rename, at, &locks).err(),
        Some(Refusal::Below(vec![held]))
    );
    assert!(check(Policy::Drive, &asker(1, &tokens), Doing::Rename, at, &locks).is_ok());
    assert!(check(Policy::Strict, &asker(1, &[]), Doing::Rename, at, &locks).is_ok());
}

#[test]
fn office_patches_windows_properties_without_its_token() {
    let held = lock(LockKind::Transient, LockScope::Exclusive, 1, 10);
    let locks = Surroundings {
        here: vec![held],
        ..Surroundings::default()
    };
    let ask = |who, doing| {
        check(
            Policy::Drive,
            &asker(who, &[]),
            doing,
            ResourceId(7),
            &locks,
        )
        .is_ok()
    };
    assert!(ask(1, Doing::ChangeWindowsProperties));
    assert!(!ask(2, Doing::ChangeWindowsProperties));
    assert!(!ask(1, Doing::Change));
}

#[test]
fn which_locks_may_stand_together() {
    use LockKind::*;
    use LockScope::*;
    let cases = [
        ((Transient, Exclusive, 1), (Transient, Exclusive, 1), false),
        ((Transient, Exclusive, 1), (Transient, Exclusive, 2), false),
        ((Transient, Shared, 1), (Transient, Exclusive, 2), false),
        ((Transient, Shared, 1), (Transient, Shared, 2), true),
        ((Transient, Shared, 1), (Persistent, Shared, 2), true),
        ((Persistent, Exclusive, 1), (Transient, Exclusive, 1), true),
        ((Persistent, Exclusive, 1), (Transient, Exclusive, 2), false),
        (
            (Persistent, Exclusive, 1),
            (Persistent, Exclusive, 1),
            false,
        ),
        ((ReadOnly, Exclusive, 1), (Transient, Shared, 1), false),
        ((ReadOnly, Shared, 1), (ReadOnly, Shared, 1), false),
        ((ReadOnly, Exclusive, 1), (Persistent, Exclusive, 1), false),
    ];
    for ((kind, scope, owner), (kind2, scope2, owner2), expect) in cases {
        let one = lock(kind, scope, owner, 10);
        let two = lock(kind2, scope2, owner2, 11);
        assert_eq!(
            may_stand_together(&one, &two),
            expect,
            "{one:?} beside {two:?}"
        );
        assert_eq!(
            may_stand_together(&two, &one),
            expect,
            "{two:?} beside {one:?}"
        );
    }
}

#[test]
fn an_infinite_lock_looks_below_and_a_flat_one_does_not() {
    let held = lock(LockKind::Transient, LockScope::Exclusive, 2, 10);
    let locks = Surroundings {
        below: vec![held.clone()],
        ..Surroundings::default()
    };
    let infinite = lock(LockKind::Transient, LockScope::Exclusive, 1, 11);
    let flat = Lock {
        depth: LockDepth::Zero,
        ..infinite.clone()
    };
    assert_eq!(
        grant(infinite, &locks).err(),
        Some(Refusal::Below(vec![held]))
    );
    assert!(grant(flat, &locks).is_ok());
}

#[test]
fn a_persistent_lock_is_refreshed_without_gaining_an_end() {
    let held = lock(LockKind::Persistent, LockScope::Exclusive, 1, 10);
    let tokens = [held.token];
    let around = Surroundings {
        here: vec![held.clone()],
        ..Surroundings::default()
    };
    let granted = refresh(&asker(1, &tokens), &held, Timestamp(5000), &around).expect("bearer");
    assert_eq!(granted.lock().deadline, None);
}

#[test]
fn a_refresh_puts_the_end_off_by_whole_seconds() {
    let held = lock(LockKind::Transient, LockScope::Exclusive, 1, 10);
    let tokens = [held.token];
    let until = |deadline| {
        let around = Surroundings::default();
        let granted = refresh(&asker(1, &tokens), &held, Timestamp(deadline), &around);
        granted.expect("bearer").lock().deadline
    };
    assert_eq!(held.deadline, Some(Timestamp(1000)));
    for (asked, runs) in [(1000, 1000), (1999, 1000), (2000, 2000), (999, 999)] {
        assert_eq!(until(asked), Some(Timestamp(runs)), "{asked}");
    }
}

#[test]
fn a_late_refresh_does_not_revive_a_lock_beside_its_successor() {
    let lapsed = lock(LockKind::Transient, LockScope::Exclusive, 1, 10);
    let successor = lock(LockKind::Transient, LockScope::Exclusive, 2, 11);
    let tokens = [lapsed.token];
    let around = Surroundings {
        here: vec![lapsed.clone(), successor.clone()],
        ..Surroundings::default()
    };
    let answer = refresh(&asker(1, &tokens), &lapsed, Timestamp(5000), &around);
    assert_eq!(answer.err(), Some(Refusal::Here(vec![successor])));
}

#[test]
fn a_lock_ends_at_its_deadline() {
    let held = lock(LockKind::Transient, LockScope::Exclusive, 1, 10);
    assert!(lapse(&held, Timestamp(999)).is_none());
    assert!(lapse(&held, Timestamp(1000)).is_some());
    assert!(
        lapse(
            &lock(LockKind::ReadOnly, LockScope::Exclusive, 1, 1),
            Timestamp(u64::MAX)
        )
        .is_none()
    );
}

#[test]
fn every_lock_that_keeps_a_file_from_its_place_is_named() {
    use LockKind::*;
    use LockScope::*;
    let (one, two) = (
        lock(Persistent, Shared, 1, 10),
        lock(ReadOnly, Shared, 2, 11),
    );
    let open = lock(Transient, Shared, 3, 12);
    let locks = vec![one.clone(), open.clone(), two.clone()];
    assert_eq!(
        yield_to(locks).err(),
        Some(Refusal::Here(vec![one.clone(), two.clone()]))
    );
    assert!(yield_to(vec![open.clone()]).is_ok());

    let covering = [one.clone(), two.clone(), lock(Persistent, Exclusive, 4, 13)];
    let conflicting = Refusal::Here(covering[1..].to_vec());
    assert_eq!(
        carry(vec![open.clone()], &covering).err(),
        Some(conflicting)
    );
    assert!(carry(vec![open], &covering[..1]).is_ok());
}

fn holder_of_super_check_in(user_number: u128) -> Asker<'static> {
    Asker {
        super_check_in: SuperCheckIn::Held,
        ..asker(user_number, &[])
    }
}

#[test]
fn what_a_check_in_ends() {
    use LockKind::{Persistent, ReadOnly, Transient};
    /// Locks are kind and owner; the answer is the numbers of those that end, or none: refused.
    #[track_caller]
    fn check(asker: &Asker<'_>, here: &[(LockKind, u128)], expect: Option<&[u128]>) {
        let locks: Vec<Lock> = (0..)
            .zip(here)
            .map(|(number, (kind, owner))| lock(*kind, LockScope::Shared, *owner, number))
            .collect();
        let numbers = |ended: Vec<Ended>| -> Vec<u128> {
            ended
                .iter()
                .map(|ended| ended.0.token.0.as_u128())
                .collect()
        };
        let answer = check_in(asker, &locks).map(numbers);
        match expect {
            Some(ended) => assert_eq!(answer, Ok(ended.to_vec())),
            None => assert_eq!(answer, Err(Refusal::Here(locks))),
        }
    }
    let (alice, boss) = (asker(1, &[]), holder_of_super_check_in(1));
    check(&alice, &[(Persistent, 1)], Some(&[0]));
    check(&alice, &[(ReadOnly, 1)], Some(&[0]));
    check(&alice, &[(Persistent, 1), (Transient, 1)], Some(&[0]));
    check(&alice, &[(Persistent, 2), (Persistent, 1)], Some(&[1]));
    check(&alice, &[(Transient, 1)], None);
    check(&alice, &[(Persistent, 2)], None);
    check(&alice, &[(ReadOnly, 2)], None);
    check(&boss, &[(Persistent, 2), (Persistent, 1)], Some(&[1]));
    check(&boss, &[(Persistent, 2), (Transient, 2)], Some(&[0]));
    check(&boss, &[(Persistent, 2), (Persistent, 3)], Some(&[0, 1]));
    check(&boss, &[(ReadOnly, 2)], Some(&[0]));
    check(&boss, &[(Transient, 2), (Transient, 1)], Some(&[0, 1]));
}

#[test]
fn what_can_be_stolen() {
    use LockKind::{Persistent, ReadOnly, Transient};
    use LockScope::{Exclusive, Shared};
    let heir = |victim: &Lock| Lock {
        owner: user(1),
        token: LockToken(Uuid::from_u128(99)),
        ..victim.clone()
    };
    let around = |here: &[Lock]| Surroundings {
        here: here.to_vec(),
        ..Surroundings::default()
    };
    let boss = holder_of_super_check_in(1);
    let victim = lock(Persistent, Exclusive, 2, 10);

    let open = lock(Transient, Exclusive, 2, 11);
    let here = around(&[victim.clone(), open.clone()]);
    let (ended, granted) = steal(&boss, &victim, heir(&victim), &here).expect("stolen");
    let ended: Vec<Lock> = ended.into_iter().map(|ended| ended.0).collect();
    assert_eq!(ended, [victim.clone(), open], "all that its owner has here");
    assert_eq!(granted.lock().owner, user(1));

    let answer = steal(&asker(1, &[]), &victim, heir(&victim), &here).err();
    assert_eq!(answer, Some(Refusal::Here(vec![victim.clone()])));
    for kind in [Transient, ReadOnly] {
        let other = lock(kind, Exclusive, 2, 10);
        let here = [other];
        let answer = steal(&boss, &here[0], heir(&here[0]), &around(&here));
        assert_eq!(answer.err(), Some(Refusal::Here(here.to_vec())));
    }
    let mine = lock(Transient, Exclusive, 1, 12);
    let beside = around(&[victim.clone(), mine]);
    assert!(steal(&boss, &victim, heir(&victim), &beside).is_ok());
    let shared = lock(Persistent, Shared, 2, 10);
    let third = lock(Persistent, Exclusive, 3, 13);
    let answer = steal(
        &boss,
        &shared,
        heir(&shared),
        &around(&[shared.clone(), third.clone()]),
    );
    assert_eq!(answer.err(), Some(Refusal::Here(vec![third])));
}
