//! What has to be answered, naively: one table for each question, written from the text of the lock
//! model (its sections are named) and of the contracts of the faces, without a look at the rules.

use crate::faces::Name;
use crate::words::{Action, Kind, Outcome, Refusing, Standing};

/// What a user is to Alice's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    Bearer,
    Owner,
    Other,
}

fn hand(who: Standing) -> Hand {
    match who {
        Standing::Bearer => Hand::Bearer,
        Standing::Owner => Hand::Owner,
        _ => Hand::Other,
    }
}

pub(crate) type Matrix = [(Kind, Hand, [bool; 4]); 9];

const YES: bool = true;
const NO: bool = false;

/// §3, policy drive. The columns are those of [`Action::ALL`]: upload, rename, move, delete.
pub(crate) const DRIVE: Matrix = [
    (Kind::Persistent, Hand::Bearer, [YES, NO, YES, NO]),
    (Kind::Persistent, Hand::Owner, [YES, NO, YES, NO]),
    (Kind::Persistent, Hand::Other, [NO, NO, YES, NO]),
    (Kind::Transient, Hand::Bearer, [YES, YES, YES, YES]),
    (Kind::Transient, Hand::Owner, [NO, NO, NO, NO]),
    (Kind::Transient, Hand::Other, [NO, NO, NO, NO]),
    (Kind::ReadOnly, Hand::Bearer, [NO, NO, YES, NO]),
    (Kind::ReadOnly, Hand::Owner, [NO, NO, YES, NO]),
    (Kind::ReadOnly, Hand::Other, [NO, NO, YES, NO]),
];

/// §4: below the root of a lock of depth infinity it is all or nothing.
pub(crate) const COVERED: Matrix = [
    (Kind::Persistent, Hand::Bearer, [YES, YES, YES, YES]),
    (Kind::Persistent, Hand::Owner, [YES, YES, YES, YES]),
    (Kind::Persistent, Hand::Other, [NO, NO, NO, NO]),
    (Kind::Transient, Hand::Bearer, [YES, YES, YES, YES]),
    (Kind::Transient, Hand::Owner, [NO, NO, NO, NO]),
    (Kind::Transient, Hand::Other, [NO, NO, NO, NO]),
    (Kind::ReadOnly, Hand::Bearer, [NO, NO, NO, NO]),
    (Kind::ReadOnly, Hand::Owner, [NO, NO, NO, NO]),
    (Kind::ReadOnly, Hand::Other, [NO, NO, NO, NO]),
];

/// §3: may somebody of this standing do that to a file with one such lock of Alice?
fn may(matrix: &Matrix, kind: Kind, who: Standing, action: Action) -> bool {
    let row = matrix
        .iter()
        .find(|row| (row.0, row.1) == (kind, hand(who)));
    let column = Action::ALL.iter().position(|one| *one == action);
    row.expect("a row").2[column.expect("a column")]
}

fn refused(kinds: impl Iterator<Item = Kind>) -> Outcome {
    let mut refusing: Vec<Refusing> = kinds.map(|kind| (kind, "alice".to_owned())).collect();
    refusing.sort();
    Outcome::RefusedByLock(refusing)
}

/// Holders may release any lock of any kind (§7): managers of the place, and admins.
pub(crate) fn has_super_check_in(who: Standing) -> bool {
    matches!(who, Standing::Manager | Standing::Admin)
}

/// What somebody who may not read is told: the same as of something that never was. For PUT and
/// LOCK of WebDAV that is a missing parent (RFC 4918 §9.7.1), for its UNLOCK a token that covers
/// nothing (§7 of the lock model).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Act(Action),
    Take,
    Release,
    Refresh,
    Steal,
}

pub(crate) fn of_nothing(face: Name, step: Step) -> Outcome {
    match (face, step) {
        (Name::WebDav, Step::Act(Action::Upload) | Step::Take | Step::Release) => Outcome::Conflict,
        _ => Outcome::NotFound,
    }
}

/// A change of a file on which Alice has locks of these kinds.
pub(crate) fn act(
    matrix: &Matrix,
    held: &[Kind],
    face: Name,
    who: Standing,
    action: Action,
) -> Outcome {
    match who {
        Standing::Stranger => return of_nothing(face, Step::Act(action)),
        Standing::Reader => return Outcome::NoPrivilege,
        _ => {}
    }
    let say_no = |kind: &&Kind| !may(matrix, **kind, who, action);
    let refusing: Vec<&Kind> = held.iter().filter(say_no).collect();
    if refusing.is_empty() {
        Outcome::Done
    } else {
        refused(refusing.into_iter().copied())
    }
}

/// An old version of such a file is brought back, or given a label: §3 calls the restore an upload,
/// and a label is asked as one. On the command line a user does it who must be able to, and who has
/// no token there.
pub(crate) fn of_version(matrix: &Matrix, held: &[Kind], face: Name, who: Standing) -> Outcome {
    match who {
        Standing::Stranger if face == Name::CommandLine => Outcome::NoPrivilege,
        // Whoever copies something is told of the source first.
        Standing::Stranger => Outcome::NotFound,
        _ => act(matrix, held, face, who, Action::Upload),
    }
}

/// §5, for two exclusive locks.
pub(crate) fn stand_together(held: Kind, new: Kind, by_alice: bool) -> bool {
    let check_out_and_program = matches!(
        (held, new),
        (Kind::Persistent, Kind::Transient) | (Kind::Transient, Kind::Persistent)
    );
    by_alice && check_out_and_program
}

/// A further lock, and whether it is there afterwards: DocSpace says yes to who locks again what
/// is theirs, or what they could unlock, and changes nothing (contracts §1.3, 2).
pub(crate) fn take(held: &[Kind], face: Name, who: Standing, kind: Kind) -> (Outcome, bool) {
    let is_alice = who.user() == "alice";
    let conflicting: Vec<Kind> = held
        .iter()
        .copied()
        .filter(|held| !stand_together(*held, kind, is_alice))
        .collect();
    // The command line takes locks only for users who could take them.
    if face == Name::CommandLine {
        if !could_lock(who) {
            return (Outcome::NoPrivilege, false);
        }
    } else {
        match who {
            Standing::Stranger => return (of_nothing(face, Step::Take), false),
            // The seed: a file that is locked at all is 401 and 22, whoever asks.
            _ if face == Name::CheckOutApi && !held.is_empty() => {
                return (refused(held.iter().copied()), false);
            }
            Standing::Reader => return (Outcome::NoPrivilege, false),
            _ => {}
        }
    }
    if conflicting.is_empty() {
        return (Outcome::Done, true);
    }
    let could_unlock = is_alice || has_super_check_in(who);
    if face == Name::DocSpace && could_unlock {
        return (Outcome::Done, false);
    }
    (refused(conflicting.into_iter()), false)
}

/// Which lock a release means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    /// The one with this number, by its token.
    Named(usize),
    /// Whatever a check-in without a name means.
    Unnamed,
    /// A freeze (`lock thaw`).
    Freeze,
}

/// §2 "ends by", §7: what a release answers, and which locks have ended then.
pub(crate) fn release(
    held: &[Kind],
    face: Name,
    who: Standing,
    meant: Meant,
) -> (Outcome, Vec<usize>) {
    let numbers_of = |wanted: &dyn Fn(Kind) -> bool| -> Vec<usize> {
        (0..held.len()).filter(|at| wanted(held[*at])).collect()
    };
    let done = |ended: Vec<usize>| (Outcome::Done, ended);
    let not_done = |outcome: Outcome| (outcome, Vec::new());
    let by_force = face == Name::CommandLine || has_super_check_in(who);
    let own = face != Name::CommandLine && who.user() == "alice";
    if who == Standing::Stranger {
        return not_done(of_nothing(face, Step::Release));
    }
    match meant {
        Meant::Named(number) if own || by_force => done(vec![number]),
        Meant::Named(number) => not_done(refused([held[number]].into_iter())),
        Meant::Freeze => match numbers_of(&|kind| kind == Kind::ReadOnly) {
            none if none.is_empty() => not_done(Outcome::NotFound),
            freeze => done(freeze),
        },
        // UNLOCK always names a lock; here one that is unknown.
        Meant::Unnamed if face == Name::WebDav => not_done(Outcome::Conflict),
        Meant::Unnamed if held.is_empty() => not_done(match (face, who) {
            (Name::DocSpace, Standing::Reader) => Outcome::NoPrivilege,
            (Name::DocSpace, _) => Outcome::Done,
            (Name::CommandLine, _) => Outcome::NotFound,
            _ => Outcome::NotLocked,
        }),
        Meant::Unnamed => {
            let mut ways: Vec<Vec<usize>> = Vec::new();
            if own {
                ways.push(numbers_of(&|kind| kind == Kind::Persistent));
                ways.push(numbers_of(&|kind| kind == Kind::ReadOnly));
            }
            if by_force {
                ways.push(numbers_of(&|kind| kind != Kind::Transient));
                ways.push(numbers_of(&|kind| kind == Kind::Transient));
            }
            match ways.into_iter().find(|ended| !ended.is_empty()) {
                Some(ended) => done(ended),
                None => not_done(refused(held.iter().copied())),
            }
        }
    }
}

/// §6: a lock is refreshed by its owner, who names it; nobody else's request lets it run on.
pub(crate) fn refresh(held: &[Kind], face: Name, who: Standing, named: usize) -> Outcome {
    match who.user() {
        "alice" => Outcome::Done,
        _ if who == Standing::Stranger => of_nothing(face, Step::Refresh),
        _ => refused([held[named]].into_iter()),
    }
}

fn could_lock(who: Standing) -> bool {
    !matches!(who, Standing::Stranger | Standing::Reader)
}

/// §7: persistent locks only, SuperCheckIn needed; of an unlocked file there is nothing to steal.
pub(crate) fn steal(held: &[Kind], face: Name, who: Standing, named: Option<usize>) -> Outcome {
    let check_out = match named {
        Some(number) => held[number] == Kind::Persistent,
        None => held.contains(&Kind::Persistent),
    };
    if face == Name::CommandLine {
        if !could_lock(who) {
            return Outcome::NoPrivilege;
        }
        return match (check_out, named) {
            (true, _) => Outcome::Done,
            (false, Some(number)) => refused([held[number]].into_iter()),
            (false, None) => Outcome::NotFound,
        };
    }
    match (who, check_out) {
        (Standing::Stranger, _) => of_nothing(face, Step::Steal),
        (_, _) if held.is_empty() => Outcome::NotLocked,
        // Without a name nothing is found that could be stolen, whoever asks.
        (_, false) if named.is_none() => Outcome::Conflict,
        _ if !has_super_check_in(who) => Outcome::NoPrivilege,
        (_, true) => Outcome::Done,
        (_, false) => Outcome::Conflict,
    }
}

/// Of several thieves who name the same lock, what the late ones are told: the lock that they name
/// has ended.
pub(crate) fn late_theft(face: Name) -> Outcome {
    if face == Name::CommandLine {
        Outcome::NotFound
    } else {
        Outcome::Conflict
    }
}

/// §8: the token is shown to the lock's owner and to holders of SuperCheckIn.
pub(crate) fn sees_token(face: Name, who: Standing) -> bool {
    face == Name::CommandLine || who.user() == "alice" || has_super_check_in(who)
}
