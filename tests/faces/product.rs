//! Products of cases, tried side by side, and what came of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::faces::Name;
use crate::naive;
use crate::words::{Kind, Outcome};

const THREADS: usize = 4;

/// The locks of Alice on a file: which kinds, through which faces, in the order of taking.
pub(crate) type Setup = Vec<(Kind, Name)>;

pub(crate) fn kinds(setup: &Setup) -> Vec<Kind> {
    setup.iter().map(|(kind, _)| *kind).collect()
}

/// Each kind through each face that takes it.
pub(crate) fn takings() -> impl Iterator<Item = (Kind, Name)> {
    Name::ALL.into_iter().flat_map(|name| {
        let kinds = name.face().takes().iter();
        kinds.map(move |kind| (*kind, name))
    })
}

/// Nothing; each lock alone; each two locks that may stand together.
pub(crate) fn setups() -> Vec<Setup> {
    let pairs = takings().flat_map(|first| {
        let beside = move |(kind, face): &(Kind, Name)| {
            let alice = crate::words::Standing::Owner;
            naive::take(&[first.0], *face, alice, *kind) == (Outcome::Done, true)
        };
        takings()
            .filter(beside)
            .map(move |second| vec![first, second])
    });
    let alone = takings().map(|taking| vec![taking]);
    std::iter::once(Vec::new())
        .chain(alone)
        .chain(pairs)
        .collect()
}

/// What was tried, and what was answered.
pub(crate) struct Tried<C> {
    pub(crate) case: C,
    pub(crate) found: Outcome,
    /// What is wrong with the file afterwards.
    pub(crate) aftermath: Vec<String>,
}

/// Tries every case, several at once.
pub(crate) fn try_all<C: Send + Sync + Clone>(
    cases: &[C],
    run: impl Fn(&C) -> (Outcome, Vec<String>) + Sync,
) -> Vec<Tried<C>> {
    let next = AtomicUsize::new(0);
    let tried = Mutex::new(Vec::with_capacity(cases.len()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (found, aftermath) = run(case);
            let case = case.clone();
            tried.lock().expect("nobody panicked").push(Tried {
                case,
                found,
                aftermath,
            });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    tried.into_inner().expect("nobody panicked")
}

/// The cases that were answered otherwise than `expect` says.
pub(crate) fn disagreements<C: std::fmt::Debug>(
    tried: &[Tried<C>],
    expect: impl Fn(&C) -> Outcome,
) -> Vec<String> {
    let differs = |tried: &&Tried<C>| expect(&tried.case) != tried.found;
    let wrong = tried.iter().filter(differs);
    wrong
        .map(|tried| {
            let Tried { case, found, .. } = tried;
            format!(
                "{case:?}\n  expected {:?}\n  answered {found:?}",
                expect(case)
            )
        })
        .collect()
}

/// Fails unless everything was answered as expected and left what it should, in at least so many
/// cases: a loop over nothing proves nothing.
#[track_caller]
pub(crate) fn assert_agreement<C: std::fmt::Debug>(
    what: &str,
    tried: &[Tried<C>],
    cases_min: usize,
    expect: impl Fn(&C) -> Outcome,
) {
    println!("{what}: {} cases", tried.len());
    assert!(tried.len() >= cases_min, "{what}: {} cases", tried.len());
    let mut faults = disagreements(tried, expect);
    for Tried {
        case, aftermath, ..
    } in tried
    {
        faults.extend(aftermath.iter().map(|fault| format!("{case:?}\n  {fault}")));
    }
    let count = faults.len();
    faults.truncate(30);
    assert!(count == 0, "{what}: {count} faults\n{}", faults.join("\n"));
}
