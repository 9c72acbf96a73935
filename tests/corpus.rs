//! The fuzz targets without libFuzzer: each body of `tests/fuzz/src` runs over its kept corpus, and
//! over mutations of it that a seed decides. `LOCKKEEPER_SEED` replays a run, and
//! `LOCKKEEPER_FUZZ_RUNS` says how many mutations the long form makes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

#[path = "crew/dice.rs"]
mod dice;

#[path = "corpus/mutation.rs"]
mod mutation;

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use dice::Dice;
use mutation::mutate;

const LONG_RUNS: u64 = 1_000_000;

/// A test that replays the corpus of a target and so many mutations, and a long one.
macro_rules! replay {
    ($($target:ident: $runs:expr, long / $slower:expr;)*) => {$(
        mod $target {
            #[test]
            fn corpus_and_mutations() {
                let seed = super::settled_seed();
                super::campaign(stringify!($target), super::targets::$target::target, seed, $runs);
            }

            #[test]
            #[ignore = "long"]
            fn many_mutations() {
                let seed = super::dice::seed();
                let runs = super::long_runs() / $slower;
                super::campaign(stringify!($target), super::targets::$target::target, seed, runs);
            }
        }
    )*};
}

replay! {
    path: 20_000, long / 1;
    headers: 10_000, long / 1;
    conditions: 10_000, long / 1;
    if_header: 10_000, long / 1;
    xml: 5_000, long / 1;
    rows: 5_000, long / 1;
    cursors: 20_000, long / 1;
    config: 500, long / 10;
    api: 1_000, long / 10;
    connection: 1_000, long / 10;
}

/// The campaign is shown to fail: with the corpus of paths it finds the fault of `planted.rs`.
#[test]
fn a_planted_fault_is_found() {
    let corpus = corpus("planted");
    let target = targets::planted::target;
    corpus.iter().for_each(|(_, input)| target(input));
    let found: Vec<u64> = (1..=3)
        .filter_map(|seed| first_failure(target, &corpus, seed, 200_000))
        .map(|failure| failure.run)
        .collect();
    println!("found in runs {found:?} of seeds 1 to 3");
    assert_eq!(found.len(), 3, "the planted fault was not found: {found:?}");
}

/// What a target did not bear.
struct Failure {
    run: u64,
    input: Vec<u8>,
    panic: Box<dyn std::any::Any + Send>,
}

fn campaign(name: &str, target: fn(&[u8]), seed: u64, runs: u64) {
    let corpus = corpus(name);
    assert!(corpus.len() >= 5, "the corpus of {name} is lost");
    for (file, input) in &corpus {
        if let Err(panic) = catch_unwind(|| target(input)) {
            println!(
                "{name} fails for {file}: {:?}",
                String::from_utf8_lossy(input)
            );
            resume_unwind(panic);
        }
    }
    println!(
        "{name}: {} files, then {runs} mutations with LOCKKEEPER_SEED={seed}",
        corpus.len()
    );
    if let Some(failure) = first_failure(target, &corpus, seed, runs) {
        let Failure { run, input, panic } = failure;
        println!(
            "{name} fails in run {run} of LOCKKEEPER_SEED={seed} for {}",
            input.escape_ascii()
        );
        resume_unwind(panic);
    }
}

fn first_failure(
    target: fn(&[u8]),
    corpus: &[(String, Vec<u8>)],
    seed: u64,
    runs: u64,
) -> Option<Failure> {
    let mut dice = Dice::new(seed);
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| &input[..]).collect();
    (0..runs).find_map(|run| {
        let input = mutate(&inputs, &mut dice);
        let done = catch_unwind(AssertUnwindSafe(|| target(&input)));
        done.err().map(|panic| Failure { run, input, panic })
    })
}

/// The kept inputs of a target, by name of file.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut all: Vec<_> = files
        .map(|file| file.unwrap())
        .map(|file| {
            (
                file.file_name().display().to_string(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect();
    all.sort();
    all
}

/// The short form is the same every time, unless it is told otherwise.
fn settled_seed() -> u64 {
    if std::env::var_os("LOCKKEEPER_SEED").is_some() {
        dice::seed()
    } else {
        1
    }
}

fn long_runs() -> u64 {
    let told = std::env::var("LOCKKEEPER_FUZZ_RUNS").ok();
    told.map_or(LONG_RUNS, |text| {
        text.parse().expect("LOCKKEEPER_FUZZ_RUNS is a number")
    })
}
