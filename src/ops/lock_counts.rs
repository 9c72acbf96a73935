//! How many locks a user holds at most, so that not each LOCK has to count them all: who holds ten
//! thousand would wait for ten thousand rows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::lock::UserId;

/// One small entry for each user who took a lock since the start.
#[derive(Debug, Default)]
pub(super) struct LockCounts(Mutex<HashMap<UserId, Known>>);

/// What is known of one user without looking.
#[derive(Debug, Default)]
struct Known {
    /// Never less than what is on record and what running requests may add; it does not see locks
    /// end. `None`: nobody knows.
    at_most: Option<usize>,
    /// Requests under way that may add a lock.
    running: usize,
    /// Requests so far.
    begun: u64,
}

/// A request that may add a lock, from before its transaction begins until after its end.
#[derive(Debug)]
#[must_use]
pub(super) struct Taking<'a> {
    counts: &'a LockCounts,
    user: UserId,
    /// Requests that ran when this one began.
    others: usize,
    begun: u64,
    /// See [`Taking::must_count`]; nothing once that is done.
    room: Option<usize>,
}

impl LockCounts {
    /// A request begins that may add a lock of this user, who may hold `max`.
    pub(super) fn begin(&self, user: UserId, max: usize) -> Taking<'_> {
        let mut counts = self.lock();
        let known = counts.entry(user).or_default();
        let at_most = known.at_most.filter(|at_most| *at_most < max);
        if let Some(at_most) = at_most {
            known.at_most = Some(at_most + 1);
        }
        let others = known.running;
        known.running += 1;
        known.begun += 1;
        Taking {
            counts: self,
            user,
            others,
            begun: known.begun,
            room: at_most.is_none().then(|| max.saturating_sub(others)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taking<'_> {
    /// Whether the transaction has to count, for there may be no room: it adds a lock only where
    /// fewer than this many are on record. The limit's other places are kept for the requests that
    /// ran when this one began, which may not be on record yet.
    pub(super) fn must_count(&self) -> Option<usize> {
        self.room
    }

    /// The transaction counted so many before it added its own, and is durable.
    pub(super) fn counted(mut self, before: usize) {
        let mut counts = self.counts.lock();
        let known = counts.entry(self.user).or_default();
        // What ran beside may have added its lock behind the count or before it: both are counted.
        let since = usize::try_from(known.begun - self.begun).unwrap_or(usize::MAX);
        let others = self.others.saturating_add(since);
        known.at_most = Some(before.saturating_add(1).saturating_add(others));
        self.room = None;
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        let known = counts.entry(self.user).or_default();
        known.running = known.running.saturating_sub(1);
        if self.room.is_some() {
            // Given up or failed, perhaps with a commit on its way that is in nobody's sum. The
            // next transaction that counts comes behind it.
            known.at_most = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const MAX: usize = 5;
    const USER: UserId = UserId(Uuid::nil());

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Begin,
        /// The transaction of one of the running requests commits.
        Commit(usize),
        /// One of the running requests ends.
        End(usize),
        Unlock,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Begin),
            3 => any::<usize>().prop_map(Step::Commit),
            3 => any::<usize>().prop_map(Step::End),
            1 => Just(Step::Unlock),
        ]
    }

    /// What the transaction of a request came to.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Done {
        NotYet,
        /// It counted so many first.
        Added(Option<usize>),
        Refused,
    }

    proptest! {
        /// However requests overlap, nobody ever holds more than the limit.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec(step(), 0..200)) {
            let counts = LockCounts::default();
            let mut held = 0;
            let mut running: Vec<(Taking<'_>, Done)> = Vec::new();
            for step in steps {
                match step {
                    Step::Begin => running.push((counts.begin(USER, MAX), Done::NotYet)),
                    Step::Commit(which) if !running.is_empty() => {
                        let which = which % running.len();
                        let (taking, done) = &mut running[which];
                        if *done == Done::NotYet {
                            *done = match taking.must_count() {
                                Some(room) if held >= room => Done::Refused,
                                room => Done::Added(room.map(|_| held)),
                            };
                            held += usize::from(*done != Done::Refused);
                        }
                    }
                    Step::End(which) if !running.is_empty() => {
                        let (taking, done) = running.swap_remove(which % running.len());
                        if let Done::Added(Some(before)) = done {
                            taking.counted(before);
                        }
                    }
                    Step::Unlock => held = held.saturating_sub(1),
                    _ => {}
                }
                prop_assert!(held <= MAX, "{held} locks");
            }
        }
    }

    #[test]
    fn a_count_serves_many() {
        let counts = LockCounts::default();
        let first = counts.begin(USER, MAX);
        assert_eq!(first.must_count(), Some(MAX));
        first.counted(1);
        for _ in 2..MAX {
            assert_eq!(counts.begin(USER, MAX).must_count(), None);
        }
        assert!(counts.begin(USER, MAX).must_count().is_some());
    }

    #[test]
    fn who_gives_up_leaves_nothing_known() {
        let counts = LockCounts::default();
        let counting = counts.begin(USER, MAX);
        counts.begin(USER, MAX).counted(0);
        drop(counting);
        assert!(counts.begin(USER, MAX).must_count().is_some());
    }
}
