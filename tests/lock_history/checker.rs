//! Does some sequential order explain what concurrent tasks were answered? A search in the manner
//! of Wing and Gong: what ended before something else began stays before it; the rest is tried.

use std::collections::HashSet;

use crate::model::{Answer, Call, State, Time};

/// One call with its answer. `invoked` and `returned` are places in one total order.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) user: &'static str,
    pub(crate) now: Time,
    pub(crate) call: Call,
    pub(crate) answer: Answer,
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
}

/// One list for each task, in the order of its calls.
pub(crate) type History = Vec<Vec<Event>>;

/// More than this many states, and the answer is not known.
const STATES_MAX: usize = 2_000_000;

/// `Err` says how far the best attempt came.
pub(crate) fn check(history: &History, start: &State) -> Result<(), String> {
    let total: usize = history.iter().map(Vec::len).sum();
    let mut seen = HashSet::new();
    let mut pending = vec![(vec![0_usize; history.len()], start.clone())];
    let mut best = (0, Vec::new());
    while let Some((done, state)) = pending.pop() {
        let count: usize = done.iter().sum();
        if count == total {
            return Ok(());
        }
        if count >= best.0 {
            best = (count, done.clone());
        }
        assert!(
            seen.len() < STATES_MAX,
            "the history is too large to be decided"
        );
        for task in may_be_next(history, &done) {
            let event = &history[task][done[task]];
            let mut after = state.clone();
            if after.explains((event.user, event.now), &event.call, &event.answer)
                && after.is_lawful()
            {
                let mut done = done.clone();
                done[task] += 1;
                if seen.insert((done.clone(), after.clone())) {
                    pending.push((done, after));
                }
            }
        }
    }
    let stuck: Vec<&Event> = best
        .1
        .iter()
        .zip(history)
        .filter_map(|(n, list)| list.get(*n))
        .collect();
    Err(format!(
        "after {} of {total} calls no order explains any of {stuck:#?}",
        best.0
    ))
}

/// The tasks whose next call began before every call that is left over ended.
fn may_be_next(history: &History, done: &[usize]) -> Vec<usize> {
    let next = |task: usize| history[task].get(done[task]);
    let first_end = (0..history.len())
        .filter_map(next)
        .map(|event| event.returned)
        .min();
    let began = |task: &usize| next(*task).is_some_and(|event| Some(event.invoked) < first_end);
    (0..history.len()).filter(began).collect()
}
