//! How locks run on and how they end (§6 and §7 of the lock model, and "ends by" in its §2).

use crate::calls::{Answer, Call, Face, What};
use crate::model::{State, holds_super_check_in, refused};
use crate::naive::{Kind, Lock};

/// What stands against `lock`: at its root and above, or else below.
fn in_the_way_of<'a>(lock: &Lock, held: &'a [Lock]) -> Vec<&'a Lock> {
    let others = || held.iter().filter(|held| held.number != lock.number);
    let conflicting = || others().filter(|held| !held.stands_with(lock));
    let here: Vec<&Lock> = conflicting().filter(|held| held.covers(&lock.at)).collect();
    if here.is_empty() {
        conflicting().filter(|held| lock.covers(&held.at)).collect()
    } else {
        here
    }
}

impl State {
    pub(super) fn end(&mut self, call: &Call) -> Answer {
        let (What::Refresh { at, .. }
        | What::Release { at, .. }
        | What::CheckIn { at }
        | What::Thaw { at }
        | What::Steal { at, .. }) = &call.what
        else {
            return Answer::Void;
        };
        let Some(path) = self.existing(at) else {
            return Answer::Void;
        };
        match &call.what {
            What::Refresh { lock, seconds, .. } => self.refresh(call, &path, *lock, *seconds),
            What::Release { lock, .. } => self.release(call, &path, *lock),
            What::CheckIn { .. } => self.check_in(call, &path),
            What::Thaw { .. } => {
                let freeze = |lock: &Lock| lock.at == path && lock.kind == Kind::ReadOnly;
                self.remove(freeze)
            }
            What::Steal { lock, .. } => self.steal(call, &path, *lock),
            _ => Answer::Void,
        }
    }

    fn find(&self, path: &str, number: usize) -> Option<Lock> {
        let mut in_force = self.in_force(path);
        in_force.find(|lock| lock.number == number).cloned()
    }

    fn remove(&mut self, ends: impl Fn(&Lock) -> bool) -> Answer {
        let before = self.world.locks.len();
        self.world.locks.retain(|lock| !ends(lock));
        if self.world.locks.len() < before {
            Answer::Done
        } else {
            Answer::Void
        }
    }

    /// §6. A lock that has lapsed for somebody who then took another does not come back.
    fn refresh(&mut self, call: &Call, path: &str, number: usize, seconds: u64) -> Answer {
        let Some(lock) = self.find(path, number) else {
            return Answer::Void;
        };
        if lock.owner != call.user {
            return refused([&lock]);
        }
        let in_the_way = in_the_way_of(&lock, &self.world.locks);
        if !in_the_way.is_empty() {
            return refused(in_the_way);
        }
        if let Some(deadline) = self.deadlines.get_mut(&number) {
            let wanted = call.now + seconds * 1000;
            // By less than a second nothing is put off.
            if !(*deadline..*deadline + 1000).contains(&wanted) {
                *deadline = wanted;
            }
        }
        Answer::Done
    }

    fn release(&mut self, call: &Call, path: &str, number: usize) -> Answer {
        match self.find(path, number) {
            None => Answer::Void,
            Some(lock) if lock.owner == call.user || holds_super_check_in(call) => {
                self.remove(|lock| lock.number == number)
            }
            Some(lock) => refused([&lock]),
        }
    }

    /// The user's own check-out; else the user's own freeze; else, for who holds SuperCheckIn, what
    /// people have set on purpose, and else what programs hold.
    fn check_in(&mut self, call: &Call, path: &str) -> Answer {
        let own = |lock: &Lock| lock.owner == call.user && call.face != Face::CommandLine;
        let force = holds_super_check_in(call);
        let ways: [&dyn Fn(&Lock) -> bool; 4] = [
            &|lock| lock.kind == Kind::Persistent && own(lock),
            &|lock| lock.kind == Kind::ReadOnly && own(lock),
            &|lock| lock.kind != Kind::Transient && force,
            &|lock| lock.kind == Kind::Transient && force,
        ];
        for way in ways {
            if self.remove(|lock| lock.at == path && way(lock)) == Answer::Done {
                return Answer::Done;
            }
        }
        let here = self.in_force(path).filter(|lock| lock.at == path);
        let no = refused(here);
        if no != Answer::Refused(Vec::new()) {
            return no;
        }
        // What is not locked can be unlocked in DocSpace; what stands above is released there.
        match (call.face, refused(self.in_force(path))) {
            (Face::DocSpace, Answer::Refused(above)) if above.is_empty() => Answer::Done,
            (Face::DocSpace, above) => above,
            _ => Answer::Void,
        }
    }

    /// Only check-outs, and only by name. In one step the old owner's locks on the resource end and
    /// a check-out of the thief begins.
    fn steal(&mut self, call: &Call, path: &str, number: usize) -> Answer {
        if call.face == Face::CheckOutApi && self.in_force(path).next().is_none() {
            return Answer::Void;
        }
        if !holds_super_check_in(call) {
            return Answer::NoPrivilege;
        }
        let Some(victim) = self.find(path, number).filter(|lock| lock.at == path) else {
            return Answer::Void;
        };
        if victim.kind != Kind::Persistent {
            return refused([&victim]);
        }
        let is_lost = |lock: &Lock| lock.at == path && lock.owner == victim.owner;
        let left = self.world.locks.iter().filter(|lock| !is_lost(lock));
        let left: Vec<Lock> = left.cloned().collect();
        let heir = Lock {
            owner: call.user,
            number: call.number,
            ..victim.clone()
        };
        let in_the_way = in_the_way_of(&heir, &left);
        if !in_the_way.is_empty() {
            return refused(in_the_way);
        }
        self.world.locks = left;
        self.world.locks.push(heir);
        Answer::Done
    }
}
