//! Files in one collection and their locks, as a sequential machine: what each call would answer
//! if it were the only one. Written from the text of the lock model for policy `drive`.

use std::collections::BTreeMap;

use lockkeeper::lock::LockToken;

/// Milliseconds.
pub(crate) type Time = u64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Lock {
        at: &'static str,
        persistent: bool,
        exclusive: bool,
        seconds: u64,
    },
    Refresh {
        at: &'static str,
        token: LockToken,
        seconds: u64,
    },
    Unlock {
        at: &'static str,
        token: LockToken,
    },
    Put {
        at: &'static str,
        tokens: Vec<LockToken>,
    },
    Move {
        from: &'static str,
        to: &'static str,
        tokens: Vec<LockToken>,
    },
    Sweep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A lock, and whether a file was made for it.
    Granted(LockToken, bool),
    Done,
    Created,
    Replaced,
    Locked,
    Conflict,
    TokenMismatch,
    NotYours,
    PreconditionFailed,
    NotFound,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lock {
    token: LockToken,
    owner: &'static str,
    persistent: bool,
    exclusive: bool,
    /// [`Time::MAX`] for a persistent lock.
    deadline: Time,
}

/// The files there are, with their locks on record, lapsed ones too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    files: BTreeMap<&'static str, Vec<Lock>>,
    latest: Time,
}

impl Lock {
    fn is_in_the_hands_of(&self, user: &str, tokens: &[LockToken]) -> bool {
        self.owner == user && (self.persistent || tokens.contains(&self.token))
    }

    fn stands_with(&self, other: &Self) -> bool {
        (self.owner == other.owner && self.persistent != other.persistent)
            || (!self.exclusive && !other.exclusive)
    }
}

impl State {
    fn standing(&self, at: &str, now: Time) -> Vec<&Lock> {
        let locks = self.files.get(at).into_iter().flatten();
        locks.filter(|lock| now < lock.deadline).collect()
    }

    fn may_upload(&self, at: &str, user: &str, tokens: &[LockToken], now: Time) -> bool {
        let standing = self.standing(at, now);
        let in_hand = |lock: &&&Lock| lock.is_in_the_hands_of(user, tokens);
        let shares = standing.iter().filter(in_hand).any(|lock| !lock.exclusive);
        let mut others = standing.iter().filter(|lock| !in_hand(lock));
        others.all(|lock| shares && !lock.exclusive)
    }

    /// Renaming is an upload in this respect, but nobody renames what is checked out.
    fn may_rename(&self, at: &str, user: &str, tokens: &[LockToken], now: Time) -> bool {
        let checked_out = self.standing(at, now).iter().any(|lock| lock.persistent);
        !checked_out && self.may_upload(at, user, tokens, now)
    }

    /// Whether `answer` is what this call gives here and now; if so, the call takes effect.
    pub(crate) fn explains(
        &mut self,
        (user, now): (&'static str, Time),
        call: &Call,
        answer: &Answer,
    ) -> bool {
        self.latest = self.latest.max(now);
        let expected = match call {
            Call::Lock { .. } => return self.explains_lock((user, now), call, answer),
            Call::Refresh { at, token, seconds } => self.refresh(at, *token, *seconds, user, now),
            Call::Unlock { at, token } => self.unlock(at, *token, user, now),
            Call::Put { at, .. } if !self.files.contains_key(at) => {
                self.files.insert(at, Vec::new());
                Answer::Created
            }
            Call::Put { at, tokens } => {
                let allowed = self.may_upload(at, user, tokens, now);
                if allowed {
                    Answer::Replaced
                } else {
                    Answer::Locked
                }
            }
            Call::Move { from, to, tokens } => self.rename(from, to, user, tokens, now),
            Call::Sweep => {
                for locks in self.files.values_mut() {
                    locks.retain(|lock| now < lock.deadline);
                }
                Answer::Done
            }
        };
        expected == *answer
    }

    fn explains_lock(
        &mut self,
        (user, now): (&'static str, Time),
        call: &Call,
        answer: &Answer,
    ) -> bool {
        let Call::Lock {
            at,
            persistent,
            exclusive,
            seconds,
        } = *call
        else {
            return false;
        };
        let deadline = if persistent {
            Time::MAX
        } else {
            now + seconds * 1000
        };
        let mut lock = Lock {
            token: LockToken(uuid::Uuid::nil()),
            owner: user,
            persistent,
            exclusive,
            deadline,
        };
        let free = self
            .standing(at, now)
            .iter()
            .all(|held| held.stands_with(&lock));
        let created = !self.files.contains_key(at);
        match answer {
            Answer::Granted(token, made) => {
                lock.token = *token;
                let locks = self.files.entry(at).or_default();
                // Whoever takes a lock clears away what has lapsed there.
                locks.retain(|held| now < held.deadline);
                locks.push(lock);
                free && *made == created
            }
            other => !free && *other == Answer::Conflict,
        }
    }

    /// A lock that has lapsed for somebody who then took another does not come back.
    fn refresh(
        &mut self,
        at: &str,
        token: LockToken,
        seconds: u64,
        user: &str,
        now: Time,
    ) -> Answer {
        if !self.files.contains_key(at) {
            return Answer::NotFound;
        }
        let standing = self.standing(at, now);
        let Some(lock) = standing.iter().find(|lock| lock.token == token) else {
            return Answer::PreconditionFailed;
        };
        let mut others = standing.iter().filter(|other| other.token != token);
        if lock.owner != user || !others.all(|other| other.stands_with(lock)) {
            return Answer::Locked;
        }
        let locks = self.files.get_mut(at).into_iter().flatten();
        for lock in locks.filter(|lock| lock.token == token && !lock.persistent) {
            lock.deadline = now + seconds * 1000;
        }
        Answer::Done
    }

    fn unlock(&mut self, at: &str, token: LockToken, user: &str, now: Time) -> Answer {
        let owner = self
            .standing(at, now)
            .iter()
            .find(|lock| lock.token == token)
            .map(|l| l.owner);
        match owner {
            None => Answer::TokenMismatch,
            Some(owner) if owner != user => Answer::NotYours,
            Some(_) => {
                let locks = self.files.get_mut(at).into_iter();
                locks.for_each(|locks| locks.retain(|lock| lock.token != token));
                Answer::Done
            }
        }
    }

    fn rename(
        &mut self,
        from: &'static str,
        to: &'static str,
        user: &str,
        tokens: &[LockToken],
        now: Time,
    ) -> Answer {
        if !self.files.contains_key(from) {
            return Answer::NotFound;
        }
        if !self.may_rename(from, user, tokens, now) || !self.may_upload(to, user, tokens, now) {
            return Answer::Locked;
        }
        let replaces = self.files.contains_key(to);
        let target_is_locked = !self.standing(to, now).is_empty();
        let mut travelling = self.files.remove(from).unwrap_or_default();
        if replaces {
            // The file that was moved ends, and with it what is not carried over.
            travelling.retain(|lock| now < lock.deadline && !target_is_locked);
        }
        self.files.entry(to).or_default().extend(travelling);
        if replaces {
            Answer::Replaced
        } else {
            Answer::Created
        }
    }

    /// Whether the locks that stand on one file now may stand together: at most one is exclusive,
    /// but for a user's own check-out beside that user's own transient lock.
    pub(crate) fn is_lawful(&self) -> bool {
        self.files.keys().all(|at| {
            let standing = self.standing(at, self.latest);
            let mut pairs = standing.iter().enumerate();
            pairs.all(|(n, one)| standing[n + 1..].iter().all(|two| one.stands_with(two)))
        })
    }
}
