//! THE lock policy: what each kind of lock lets whom do, where an action looks for locks, and
//! which locks may stand together. Pure: locks in, answers out; no store, no clock.
//!
//! Nothing is written without one of this file's answers: the store's writing functions demand a
//! [`Cleared`], [`Granted`] or [`Ended`], and only this file makes them.

use serde::{Deserialize, Serialize};

use super::{Lock, LockDepth, LockKind, LockScope, LockToken, UserId};
use crate::protocol::time::Timestamp;
use crate::resource::{ResourceId, Under};

/// What the matrix is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A new version: other content, other properties, other members.
    Upload,
    /// Another name in the same collection.
    Rename,
    /// The same name in another collection.
    Move,
    /// The end of the resource.
    Delete,
}

/// Which matrix holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    #[default]
    /// For mounted drives, which rename and delete while they still hold their transient lock.
    Drive,
    /// Nobody renames or deletes what is locked, and everybody may move it.
    Strict,
}

/// What the user who asks is to one lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The lock's owner, who also submitted its token.
    Bearer,
    /// The lock's owner without the token.
    Owner,
    /// Anybody else, with or without the token.
    Other,
}

/// The action matrix: may someone of this standing do this to the root of a lock of this kind?
pub fn permits(policy: Policy, kind: LockKind, standing: Standing, action: Action) -> bool {
    use Action::{Delete, Move, Rename, Upload};
    match (kind, action) {
        (LockKind::ReadOnly | LockKind::Persistent, Move) => true,
        (LockKind::ReadOnly, Upload | Rename | Delete) => false,
        (LockKind::Persistent, Upload) => standing != Standing::Other,
        (LockKind::Persistent, Rename | Delete) => false,
        (LockKind::Transient, Upload) => standing == Standing::Bearer,
        (LockKind::Transient, Rename | Delete) => {
            policy == Policy::Drive && standing == Standing::Bearer
        }
        (LockKind::Transient, Move) => policy == Policy::Strict || standing == Standing::Bearer,
    }
}

/// The same for what lies below the root of a depth-infinity lock: all or nothing.
pub fn permits_covered(kind: LockKind, standing: Standing) -> bool {
    match kind {
        LockKind::Transient => standing == Standing::Bearer,
        LockKind::Persistent => standing != Standing::Other,
        LockKind::ReadOnly => false,
    }
}

/// What a request does at one address of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doing {
    /// New content or properties for what is there.
    Change,
    /// New values for nothing but Windows' own `Win32…` properties.
    ChangeWindowsProperties,
    /// A new member at an unmapped address.
    Make,
    /// COPY or MOVE onto a file: its next version.
    Overwrite,
    /// DELETE; COPY or MOVE onto anything that is not a file, or of something that is not.
    Remove,
    /// The source of a MOVE to another name in the same collection.
    Rename,
    /// The source of a MOVE to the same name in another collection.
    Move,
    /// The source of a MOVE to another name in another collection.
    RenameAndMove,
}

/// Where an action looks for locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the resource, and depth-infinity locks above it.
    Here,
    /// On the collection that holds it, at any depth: its list of members changes (RFC 4918 §7.4).
    Parent,
    /// Anywhere below it.
    Below,
}

/// What each doing asks, and of which locks.
fn questions(doing: Doing) -> &'static [(Place, Action)] {
    use Place::{Below, Here, Parent};
    match doing {
        Doing::Change | Doing::ChangeWindowsProperties => &[(Here, Action::Upload)],
        Doing::Make | Doing::Overwrite => &[(Here, Action::Upload), (Parent, Action::Upload)],
        Doing::Remove => &[
            (Here, Action::Delete),
            (Parent, Action::Upload),
            (Below, Action::Delete),
        ],
        Doing::Rename => &[
            (Here, Action::Rename),
            (Parent, Action::Upload),
            (Below, Action::Move),
        ],
        Doing::Move => &[
            (Here, Action::Move),
            (Parent, Action::Upload),
            (Below, Action::Move),
        ],
        Doing::RenameAndMove => &[
            (Here, Action::Rename),
            (Here, Action::Move),
            (Parent, Action::Upload),
            (Below, Action::Move),
        ],
    }
}

/// Whether locks below the resource matter to this doing.
pub fn looks_below(doing: Doing) -> bool {
    questions(doing)
        .iter()
        .any(|(place, _)| *place == Place::Below)
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The authenticated user.
    pub user: UserId,
    /// The tokens that the request submitted.
    pub tokens: &'a [LockToken],
    /// Whether the user may release other people's locks here.
    pub super_check_in: SuperCheckIn,
}

/// The privilege to release any lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuperCheckIn {
    /// Held.
    Held,
    /// Not held.
    NotHeld,
}

impl Asker<'_> {
    fn standing(&self, lock: &Lock) -> Standing {
        match (lock.owner == self.user, self.tokens.contains(&lock.token)) {
            (true, true) => Standing::Bearer,
            (true, false) => Standing::Owner,
            (false, _) => Standing::Other,
        }
    }
}

/// The standing locks around one address, as the store found them.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Locks whose root is the resource itself.
    pub here: Vec<Lock>,
    /// Depth-infinity locks on collections above it.
    pub covering: Vec<Lock>,
    /// Locks of any depth on the collection that holds it.
    pub parent: Vec<Lock>,
    /// Locks whose root lies below it; filled only when [`looks_below`] says so.
    pub below: Vec<Lock>,
}

impl Surroundings {
    /// The locks in force on the resource itself: its own, and what covers it from above.
    pub fn in_force(&self) -> impl Iterator<Item = &Lock> {
        self.here.iter().chain(&self.covering)
    }
}

/// Leave to change what lies at one address. Made by [`check`] alone.
#[derive(Debug)]
#[must_use]
pub struct Cleared {
    at: ResourceId,
    by: UserId,
    under: Option<Under>,
}

impl Cleared {
    /// The resource that may be changed; for a new member, the collection that will hold it.
    pub fn at(&self) -> ResourceId {
        self.at
    }

    /// The user who has leave.
    pub fn by(&self) -> UserId {
        self.by
    }

    /// That user's lock in force there.
    pub fn under(&self) -> Option<Under> {
        self.under
    }
}

/// The locks that said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Locks on the resource, above it or on its parent.
    Here(Vec<Lock>),
    /// Only locks below it: the answer names each of them (RFC 4918 §9.6.1).
    Below(Vec<Lock>),
}

/// The one gate: may `asker` do this at the address whose locks are `locks`? `at` is the resource
/// there, or for a new member its parent.
pub fn check(
    policy: Policy,
    asker: &Asker<'_>,
    doing: Doing,
    at: ResourceId,
    locks: &Surroundings,
) -> Result<Cleared, Refusal> {
    let mut here: Vec<Lock> = Vec::new();
    let mut below: Vec<Lock> = Vec::new();
    for (place, action) in questions(doing) {
        let (answer, direct) = match place {
            Place::Here => (&mut here, &locks.here),
            Place::Parent => (&mut here, &locks.parent),
            Place::Below => (&mut below, &locks.below),
        };
        let standing = |lock: &Lock| match asker.standing(lock) {
            Standing::Bearer => Standing::Bearer,
            _ if shares(asker, lock, direct, *place, locks) => Standing::Bearer,
            // Office sets the Win32 times of the file it holds without sending its token.
            Standing::Owner
                if doing == Doing::ChangeWindowsProperties && lock.kind == LockKind::Transient =>
            {
                Standing::Bearer
            }
            other => other,
        };
        collect(answer, direct, |lock| {
            !permits(policy, lock.kind, standing(lock), *action)
        });
        if *place == Place::Here {
            collect(answer, &locks.covering, |lock| {
                !permits_covered(lock.kind, standing(lock))
            });
        }
    }
    match (here.is_empty(), below.is_empty()) {
        (true, true) => Ok(Cleared {
            at,
            by: asker.user,
            under: under(asker, locks),
        }),
        (true, false) => Err(Refusal::Below(below)),
        (false, _) => Err(Refusal::Here(here)),
    }
}

/// The asker's lock in force. Beside a check-out, the lock of a program that opened the file says
/// less about why it changed; of several programs one whose token was submitted writes.
fn under(asker: &Asker<'_>, locks: &Surroundings) -> Option<Under> {
    let own = locks.in_force().filter(|lock| lock.owner == asker.user);
    let lock = own.min_by_key(|lock| {
        let is_check_out = lock.kind == LockKind::Persistent;
        (!is_check_out, !asker.tokens.contains(&lock.token))
    })?;
    Some(Under {
        kind: lock.kind,
        token: lock.token,
    })
}

/// Whether `lock` is shared, and so is a lock of the asking user that is in force at its root or
/// at the whole address asked about: then it keeps the user out no more than its own bearer, for
/// "any principal that has both access privileges and a valid lock can use the locked resource"
/// (RFC 4918 §6.2).
fn shares(
    asker: &Asker<'_>,
    lock: &Lock,
    direct: &[Lock],
    place: Place,
    locks: &Surroundings,
) -> bool {
    let beside = direct
        .iter()
        .filter(|own| place == Place::Here || own.root == lock.root);
    let above = locks
        .here
        .iter()
        .filter(|own| place == Place::Below && own.depth == LockDepth::Infinity);
    let shared = |lock: &Lock| lock.scope == LockScope::Shared;
    let in_hand = |own: &Lock| permits_covered(own.kind, asker.standing(own));
    shared(lock)
        && beside
            .chain(above)
            .chain(&locks.covering)
            .any(|own| shared(own) && in_hand(own))
}

/// Adds the locks that `refuse`, each once.
fn collect(answer: &mut Vec<Lock>, locks: &[Lock], refuse: impl Fn(&Lock) -> bool) {
    for lock in locks.iter().filter(|lock| refuse(lock)) {
        if !answer.iter().any(|known| known.token == lock.token) {
            answer.push(lock.clone());
        }
    }
}

/// Whether two locks may be in force on one resource at the same time.
pub fn may_stand_together(one: &Lock, other: &Lock) -> bool {
    use LockKind::{Persistent, ReadOnly, Transient};
    match (one.kind, other.kind) {
        (ReadOnly, _) | (_, ReadOnly) => false,
        // Someone who has checked a file out in the browser then opens it in Word.
        (Persistent, Transient) | (Transient, Persistent) if one.owner == other.owner => true,
        _ => one.scope == LockScope::Shared && other.scope == LockScope::Shared,
    }
}

/// Leave to write this lock down. Made by [`grant`], [`refresh`], [`carry`] and [`steal`] alone.
#[derive(Debug)]
#[must_use]
pub struct Granted(Lock);

impl Granted {
    /// The lock to write.
    pub fn lock(&self) -> &Lock {
        &self.0
    }
}

/// May `lock` be taken where `locks` stand?
pub fn grant(lock: Lock, locks: &Surroundings) -> Result<Granted, Refusal> {
    let conflicting = |held: &[Lock]| -> Vec<Lock> {
        held.iter()
            .filter(|held| held.token != lock.token && !may_stand_together(&lock, held))
            .cloned()
            .collect()
    };
    let mut here = conflicting(&locks.here);
    here.extend(conflicting(&locks.covering));
    if !here.is_empty() {
        return Err(Refusal::Here(here));
    }
    if lock.depth == LockDepth::Infinity {
        let below = conflicting(&locks.below);
        if !below.is_empty() {
            return Err(Refusal::Below(below));
        }
    }
    Ok(Granted(lock))
}

/// May the bearer's `lock` run anew until `deadline`? A lock without end stays without end.
///
/// Its time is told in whole seconds (RFC 4918 §10.7): what would put its end off by less than one
/// leaves it as it is.
///
/// `locks` are those around its root. Requests need not come in the order of their times: when a
/// later one has found this lock lapsed and taken another, this one must not come back to life.
pub fn refresh(
    asker: &Asker<'_>,
    lock: &Lock,
    deadline: Timestamp,
    locks: &Surroundings,
) -> Result<Granted, Refusal> {
    if asker.standing(lock) != Standing::Bearer {
        return Err(Refusal::Here(vec![lock.clone()]));
    }
    let deadline = lock.deadline.map(|until| {
        let put_off = deadline.0.checked_sub(until.0);
        let hardly = put_off.is_some_and(|milliseconds| milliseconds < 1000);
        if hardly { until } else { deadline }
    });
    let renewed = Lock {
        deadline,
        ..lock.clone()
    };
    grant(renewed, locks)
}

/// May `locks` go along to a place that `covering` locks cover? Without this, moving a locked file
/// into somebody's locked collection would put two exclusive locks on it.
pub fn carry(locks: Vec<Lock>, covering: &[Lock]) -> Result<Vec<Granted>, Refusal> {
    let mut conflicting = Vec::new();
    for lock in &locks {
        collect(&mut conflicting, covering, |held| {
            !may_stand_together(lock, held)
        });
    }
    if conflicting.is_empty() {
        Ok(locks.into_iter().map(Granted).collect())
    } else {
        Err(Refusal::Here(conflicting))
    }
}

/// Leave to remove this lock. Made by [`release`], [`check_in`], [`steal`], [`lapse`] and
/// [`yield_to`] alone.
#[derive(Debug)]
#[must_use]
pub struct Ended(Lock);

impl Ended {
    /// The lock to remove.
    pub fn lock(&self) -> &Lock {
        &self.0
    }
}

/// UNLOCK: the owner who names the lock, or a holder of SuperCheckIn.
pub fn release(asker: &Asker<'_>, lock: &Lock) -> Result<Ended, Refusal> {
    if asker.user == lock.owner || asker.super_check_in == SuperCheckIn::Held {
        Ok(Ended(lock.clone()))
    } else {
        Err(Refusal::Here(vec![lock.clone()]))
    }
}

/// CheckIn without a lock's name, where `here` are the locks on the resource itself: the user's own
/// check-out; else the user's own freeze; else, for a holder of SuperCheckIn, what people have set
/// on purpose; else, for the same, what programs hold. A program's lock is its own to end: without
/// its token not even its owner ends it this way.
pub fn check_in(asker: &Asker<'_>, here: &[Lock]) -> Result<Vec<Ended>, Refusal> {
    let own = |lock: &Lock| lock.owner == asker.user;
    let force = |_: &Lock| asker.super_check_in == SuperCheckIn::Held;
    let is = |lock: &Lock, kind: LockKind| lock.kind == kind;
    let ways: [&dyn Fn(&Lock) -> bool; 4] = [
        &|lock| is(lock, LockKind::Persistent) && own(lock),
        &|lock| is(lock, LockKind::ReadOnly) && own(lock),
        &|lock| !is(lock, LockKind::Transient) && force(lock),
        &|lock| is(lock, LockKind::Transient) && force(lock),
    ];
    for way in ways {
        let ended: Vec<Ended> = here
            .iter()
            .filter(|lock| way(lock))
            .cloned()
            .map(Ended)
            .collect();
        if !ended.is_empty() {
            return Ok(ended);
        }
    }
    Err(Refusal::Here(here.to_vec()))
}

/// StealLock: the `victim` and what else its owner has on the resource end, and `heir` is granted
/// if nobody else's lock stands against it. Only check-outs can be stolen.
pub fn steal(
    asker: &Asker<'_>,
    victim: &Lock,
    heir: Lock,
    locks: &Surroundings,
) -> Result<(Vec<Ended>, Granted), Refusal> {
    if asker.super_check_in == SuperCheckIn::NotHeld || victim.kind != LockKind::Persistent {
        return Err(Refusal::Here(vec![victim.clone()]));
    }
    let (lost, here): (Vec<Lock>, Vec<Lock>) = locks
        .here
        .iter()
        .cloned()
        .partition(|lock| lock.owner == victim.owner);
    let left = Surroundings {
        here,
        ..locks.clone()
    };
    let granted = grant(heir, &left)?;
    Ok((lost.into_iter().map(Ended).collect(), granted))
}

/// The end of a lock whose time has passed.
pub fn lapse(lock: &Lock, now: Timestamp) -> Option<Ended> {
    (!lock.stands_at(now)).then(|| Ended(lock.clone()))
}

/// A file with `locks` is moved onto another that has locks of its own: those stay and the source's
/// transient locks end. Locks that people set on purpose never end this way.
pub fn yield_to(locks: Vec<Lock>) -> Result<Vec<Ended>, Refusal> {
    let (transient, on_purpose): (Vec<_>, Vec<_>) = locks
        .into_iter()
        .partition(|lock| lock.kind == LockKind::Transient);
    if on_purpose.is_empty() {
        Ok(transient.into_iter().map(Ended).collect())
    } else {
        Err(Refusal::Here(on_purpose))
    }
}

#[cfg(test)]
mod tests;
