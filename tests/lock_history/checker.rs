//! Does some sequential order explain what concurrent users were answered? The search of Wing and
//! Gong with the memory of Lowe: what ended before something else began stays before it, the rest
//! is tried, and no pair of what was done and what came of it is tried twice.
//!
//! A history is cut where nothing was under way. Of each segment *every* state that it may have
//! ended in goes on to the next, so a long history is decided as one, in bounded memory.

use std::collections::HashSet;

use crate::calls::Event;
use crate::model::State;

/// The calls of one segment, a list for each user in the order of that user's calls.
pub(crate) type Segment = Vec<Vec<Event>>;

/// More than this many states, and the answer is not known.
const STATES_MAX: usize = 2_000_000;
/// How many calls of how many users a [`Done`] can count.
const CALLS_MAX: usize = 255;
const USERS_MAX: usize = 8;

/// How many calls of each user have been put in order, a byte for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Done(u64);

impl Done {
    fn of(self, user: usize) -> usize {
        usize::from(self.0.to_le_bytes()[user])
    }

    fn and(self, user: usize) -> Self {
        Self(self.0 + (1 << (8 * user)))
    }

    fn count(self) -> usize {
        self.0.to_le_bytes().map(usize::from).iter().sum()
    }
}

/// The states in which a segment may have ended that began in one of `starts`; `Err` says how far
/// the best attempt came.
pub(crate) fn check(segment: &Segment, starts: &HashSet<State>) -> Result<HashSet<State>, String> {
    assert!(segment.len() <= USERS_MAX && segment.iter().all(|calls| calls.len() <= CALLS_MAX));
    let total: usize = segment.iter().map(Vec::len).sum();
    let mut seen: HashSet<(Done, State)> = HashSet::new();
    let mut pending: Vec<(Done, State)> = Vec::new();
    pending.extend(starts.iter().map(|start| (Done::default(), start.clone())));
    let mut ends = HashSet::new();
    let mut best = Done::default();
    while let Some((done, state)) = pending.pop() {
        if done.count() == total {
            ends.insert(state);
            continue;
        }
        if done.count() >= best.count() {
            best = done;
        }
        if seen.len() >= STATES_MAX {
            return Err("the segment has too many orders to be decided".to_owned());
        }
        for next in steps(segment, done, &state) {
            if !seen.contains(&next) {
                seen.insert(next.clone());
                pending.push(next);
            }
        }
    }
    if ends.is_empty() {
        Err(told(segment, best, total))
    } else {
        Ok(ends)
    }
}

/// What may come next. Of calls that are explained and do nothing here, nor ever where they are
/// answered so, one is enough: to put it off would not change what comes of the others.
fn steps(segment: &Segment, done: Done, state: &State) -> Vec<(Done, State)> {
    let next = |user: usize| &segment[user][done.of(user)];
    let step = |user: usize| {
        let mut after = state.clone();
        let explained = after.explains(&next(user).call, &next(user).answer);
        explained.then(|| (done.and(user), after))
    };
    let (idle, busy): (Vec<usize>, Vec<usize>) =
        may_be_next(segment, done).partition(|user| next(*user).answer.says_nothing_was_done());
    let mut steps = Vec::new();
    for user in idle {
        match step(user) {
            Some(step) if step.1 == *state => return vec![step],
            other => steps.extend(other),
        }
    }
    steps.extend(busy.into_iter().filter_map(step));
    steps
}

/// The users whose next call began before every call that is left over ended.
fn may_be_next(segment: &Segment, done: Done) -> impl Iterator<Item = usize> {
    let next = move |user: usize| segment[user].get(done.of(user));
    let ends = (0..segment.len())
        .filter_map(next)
        .map(|next| next.returned);
    let first_end = ends.min().unwrap_or_default();
    let began = move |user: &usize| next(*user).is_some_and(|next| next.call.number < first_end);
    (0..segment.len()).filter(began)
}

fn told(segment: &Segment, best: Done, total: usize) -> String {
    let lines = |mut events: Vec<&Event>| {
        events.sort_by_key(|event| event.call.number);
        let line = |event: &Event| {
            let Event {
                call,
                answer,
                returned,
            } = event;
            format!("  {call:?} until {returned}: {answer:?}\n")
        };
        events.into_iter().map(line).collect::<String>()
    };
    let users = || segment.iter().zip(0..);
    let before = users().flat_map(|(calls, user)| &calls[..best.of(user)]);
    let stuck = users().filter_map(|(calls, user)| calls.get(best.of(user)));
    format!(
        "after {} of {total} calls\n{}no order explains any of\n{}",
        best.count(),
        lines(before.collect()),
        lines(stuck.collect()),
    )
}
