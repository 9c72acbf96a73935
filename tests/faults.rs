//! An engine that fails at every commit, in every way in which an engine may: whoever met the
//! fault is told, everything else is there, what they did happened whole or not at all, and doing
//! it again leads to where it would have led at once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and speak to people"
)]

#[path = "faults/engine.rs"]
mod engine;
#[path = "faults/script.rs"]
mod script;
#[path = "faults/stores.rs"]
mod stores;
mod support;
mod told;

use engine::{PLANTED, Way};
use lockkeeper::ops::check::{Manner, Mend};
use lockkeeper::ops::content::Manner as UploadManner;
use lockkeeper::ops::intake::Intake;
use lockkeeper::protocol::time::Timestamp;
use script::{Desk, MUCH_LATER, STEPS, Step, moment};
use stores::{Form, Saved, Store};
use support::Dice;
use told::{Detail, Told, difference, told};

/// A step when nothing goes wrong.
struct Stage {
    step: Step,
    now: Timestamp,
    /// What the store has before it.
    before: Saved,
    /// What it tells before the step and after it.
    meant: [Told; 2],
    /// The step with which a run begins that is to meet a fault in this one: a sweep has more to
    /// do where the server remembers something of the time since the last.
    begins: usize,
    /// How many commits the step makes then.
    commits: usize,
}

/// All that happens when all goes well.
async fn stages() -> Vec<Stage> {
    let mut before = Saved::first().await;
    let mut stages: Vec<Stage> = Vec::new();
    let mut last_sweep = 0;
    for (number, step) in STEPS.iter().copied().enumerate() {
        let now = moment(number);
        let store = Store::of(Form::Memory, &before).await;
        let desk = store.open(now).await;
        let meant_before = told(&desk.dav, now, Detail::Meaning).await;
        assert_eq!(step.act(&desk).await, Ok(()), "{}", step.name);
        let meant_after = told(&desk.dav, now, Detail::Meaning).await;
        let errors = |told: &Told| told.values().any(|what| what.starts_with(told::ERROR));
        assert!(!errors(&meant_after), "{}: {meant_after:#?}", step.name);
        in_order(&store, now).await.unwrap();
        let after = Saved::of(&store).await;
        let mut begins = number;
        if step.is_many() {
            begins = std::mem::replace(&mut last_sweep, number);
        }
        stages.push(Stage {
            step,
            now,
            before: std::mem::replace(&mut before, after),
            meant: [meant_before, meant_after],
            begins,
            commits: 0,
        });
        let commits = count(&stages).await;
        assert!(commits > 0, "{} changes nothing", step.name);
        stages.last_mut().unwrap().commits = commits;
    }
    stages
}

/// The commits of the last step.
async fn count(stages: &[Stage]) -> usize {
    let last = stages.last().unwrap();
    let store = Store::of(Form::Memory, &stages[last.begins].before).await;
    let desk = come_to(stages, stages.len() - 1, &store).await;
    store.faulty.heal();
    last.step.act(&desk).await.unwrap();
    store.faulty.commits()
}

/// A server that is about to take this step.
async fn come_to(stages: &[Stage], number: usize, store: &Store) -> Desk {
    let begins = stages[number].begins;
    let mut desk = store.open(stages[begins].now).await;
    for stage in &stages[begins..number] {
        desk.now = stage.now;
        stage.step.act(&desk).await.unwrap();
    }
    desk.now = stages[number].now;
    desk
}

/// What is kept fits together, and there is no content that no version names.
async fn in_order(store: &Store, now: Timestamp) -> Result<(), String> {
    let desk = store.open(now).await;
    let manner = Manner {
        mend: Mend::No,
        bytes_per_second: None,
    };
    let report = desk.dav.check(now, manner, &|_| ()).await;
    let report = report.map_err(|error| error.to_string())?;
    if report.faults.is_empty() {
        Ok(())
    } else {
        Err(format!("the check finds {:?}", report.faults))
    }
}

async fn nothing_left_over(store: &Store) -> Result<(), String> {
    let desk = store.open(MUCH_LATER).await;
    let removed = desk.dav.remove_orphans(MUCH_LATER).await;
    match removed {
        Ok(0) => Ok(()),
        other => Err(format!("content files that no version names: {other:?}")),
    }
}

/// Whether the lines are those; else how they differ.
fn same(found: &Told, expected: &Told, when: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{when}:\n{}", difference(found, expected)))
}

/// A fault: in which step, at which of its commits, how, and whether all goes on to the end.
#[derive(Debug, Clone, Copy)]
struct Case {
    number: usize,
    commit: usize,
    way: Way,
    goes_on: bool,
}

/// The step meets the fault.
async fn meet(stages: &[Stage], case: Case, store: &Store) -> Result<(), String> {
    let Case {
        number,
        commit,
        way,
        goes_on,
    } = case;
    let Stage { step, now, .. } = stages[number];
    let desk = come_to(stages, number, store).await;
    let all_before = told(&desk.dav, now, Detail::All).await;
    store.faulty.plant(way, commit);
    match (step.act(&desk).await, way) {
        (Ok(()), Way::Conflicts | Way::Without(_)) => {}
        (Ok(()), _) => return Err("it says that it happened".to_owned()),
        (Err(error), _) => {
            says_so(&error, way)?;
            again(&stages[number], (way, &all_before), &desk, store).await?;
        }
    }
    let found = told(&desk.dav, now, Detail::Meaning).await;
    same(&found, &stages[number].meant[1], "then")?;
    in_order(store, now).await?;
    if goes_on {
        go_on(stages, number, desk).await?;
        nothing_left_over(store).await?;
    }
    Ok(())
}

fn says_so(error: &str, way: Way) -> Result<(), String> {
    let says = match way {
        Way::Failed | Way::Gone => error.contains(PLANTED),
        Way::UnknownLost | Way::UnknownDone => {
            error.contains(PLANTED) && error.contains("not known whether")
        }
        Way::Contended => error.contains("busy") || error.contains("try again"),
        Way::Conflicts | Way::Without(_) => false,
    };
    if says {
        Ok(())
    } else {
        Err(format!("it says only {error:?}"))
    }
}

/// What whoever was told of the fault finds, and what doing it again leads to.
async fn again(
    stage: &Stage,
    (way, all_before): (Way, &Told),
    desk: &Desk,
    store: &Store,
) -> Result<(), String> {
    let Stage { step, now, .. } = *stage;
    let [before, after] = &stage.meant;
    let all = told(&desk.dav, now, Detail::All).await;
    let mut has_happened = false;
    if way == Way::UnknownDone && all != *all_before {
        let meant = told(&desk.dav, now, Detail::Meaning).await;
        has_happened = meant == *after;
        // Of a password nothing is told but its hash.
        if before == after {
            same(&meant, before, "something else happened")?;
        }
    }
    if !has_happened && !step.is_many() {
        same(&all, all_before, "half of it happened")?;
    }
    if way == Way::Gone {
        for _ in 0..2 {
            match step.act(desk).await {
                Ok(()) => return Err("it happens though nothing can be written".to_owned()),
                Err(error) => says_so(&error, way)?,
            }
        }
    }
    store.faulty.heal();
    if has_happened && !step.is_many() {
        return Ok(());
    }
    let done = step.act(desk).await;
    done.map_err(|error| format!("once more: {error}"))
}

async fn go_on(stages: &[Stage], number: usize, mut desk: Desk) -> Result<(), String> {
    for stage in &stages[number + 1..] {
        desk.now = stage.now;
        let done = stage.step.act(&desk).await;
        done.map_err(|error| format!("later, {}: {error}", stage.step.name))?;
    }
    let last = stages.last().unwrap();
    let found = told(&desk.dav, last.now, Detail::Meaning).await;
    same(&found, &last.meant[1], "at the end")
}

/// These faults at every commit of every step. In the long form all go on to the end.
fn cases(stages: &[Stage], ways: &[Way], is_long: bool) -> Vec<Case> {
    let goes_on = |way| is_long || matches!(way, Way::UnknownDone | Way::Gone | Way::Without(_));
    let mut cases = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        for commit in 0..stage.commits {
            cases.extend(ways.iter().map(|way| Case {
                number,
                commit,
                way: *way,
                goes_on: goes_on(*way),
            }));
        }
    }
    cases
}

async fn campaign(form: Form, stages: &[Stage], cases: &[Case]) {
    let mut faults = Vec::new();
    for case in cases {
        let stage = &stages[case.number];
        let store = Store::of(form, &stages[stage.begins].before).await;
        if let Err(what) = meet(stages, *case, &store).await {
            let (step, commit, way) = (stage.step.name, case.commit + 1, case.way);
            faults.push(format!("{way:?} at commit {commit} of {step:?}: {what}"));
        }
        store.close().await;
    }
    println!("{} commits failed over {form:?}", cases.len());
    let told = faults[..faults.len().min(20)].join("\n");
    assert!(faults.is_empty(), "{} faults:\n{told}", faults.len());
}

#[tokio::test]
async fn whatever_commit_fails_nothing_is_lost_or_half_done() {
    let stages = stages().await;
    let cases = cases(&stages, &Way::ALLOWED, false);
    assert!(cases.len() > 600, "{}", cases.len());
    campaign(Form::Memory, &stages, &cases).await;
}

/// What an engine may do otherwise than the one in memory.
const WAYS_OVER_SLED: [Way; 3] = [Way::Failed, Way::UnknownLost, Way::UnknownDone];

#[tokio::test]
async fn the_same_over_sled_here_and_there() {
    let seed = std::env::var("LOCKKEEPER_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("LOCKKEEPER_SEED={seed}");
    let mut dice = Dice(seed);
    let stages = stages().await;
    let mut cases = cases(&stages, &WAYS_OVER_SLED, false);
    cases.retain(|_| dice.roll(30) == 0);
    campaign(Form::Sled, &stages, &cases).await;
}

#[tokio::test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
async fn every_commit_fails_and_all_goes_on_to_the_end() {
    let stages = stages().await;
    let everything = cases(&stages, &Way::ALLOWED, true);
    campaign(Form::Memory, &stages, &everything).await;
    let over_sled = cases(&stages, &WAYS_OVER_SLED, true);
    campaign(Form::Sled, &stages, &over_sled).await;
}

/// The test of the test: an engine that says yes and writes all rows but one is found out. Not
/// where nothing is lost: ids that were reserved and are not used, what the next sweep does again.
#[tokio::test]
async fn a_commit_that_lacks_a_row_is_found() {
    let stages = stages().await;
    let (mut planted, mut missed) = (0, Vec::new());
    for case in cases(&stages, &[0, 1, 4].map(Way::Without), false) {
        let stage = &stages[case.number];
        let store = Store::of(Form::Memory, &stages[stage.begins].before).await;
        let met = meet(&stages, case, &store).await;
        planted += usize::from(store.faulty.left_out());
        if store.faulty.left_out() && met.is_ok() {
            missed.push((stage.step.name, case.commit, case.way));
        }
    }
    println!("{planted} commits lacked a row; not found: {missed:?}");
    assert!(planted > 200, "{planted}");
    assert!(missed.len() * 5 < planted, "{missed:?}");
}

/// Refusals wait in memory until they are written down, so a failure must not lose them.
#[tokio::test]
async fn refusals_that_could_not_be_written_down_are_written_later() {
    let stages = stages().await;
    let refused = |stage: &&Stage| stage.step.name == "be refused";
    let stage = stages.iter().find(refused).unwrap();
    let store = Store::of(Form::Memory, &stage.before).await;
    let desk = store.open(stage.now).await;
    // The first commit draws ids for the upload.
    store.faulty.plant(Way::Failed, stage.commits - 1);
    stage.step.act(&desk).await.unwrap_err();
    desk.dav.record_refusals().await.unwrap();
    let found = told(&desk.dav, stage.now, Detail::Meaning).await;
    same(&found, &stage.meant[1], "written later").unwrap();
}

/// An upload that finds the disk full at any piece leaves what was there, and no bytes.
#[tokio::test]
async fn a_disk_that_fills_during_an_upload_leaves_nothing() {
    const PIECE: usize = 100_000;
    const PIECES: usize = 6;
    for fits in 0..PIECES {
        let room = (fits * PIECE + PIECE / 2) as u64;
        let store = Store::empty(lockkeeper::blobs::Blobs::memory_of(room)).await;
        let desk = store.open(moment(0)).await;
        let ask = support::ask(&support::user("alice"), "/file", &[], desk.now);
        support::put(&desk.dav, &ask, 100).await.unwrap();
        let before = told(&desk.dav, desk.now, Detail::All).await;
        let upload = async {
            let mut intake = Intake::new(&desk.dav, None)?;
            for _ in 0..PIECES {
                intake.push(vec![b'z'; PIECE].into()).await?;
            }
            let content = intake.finish(None).await?;
            desk.dav
                .upload(&ask, content, UploadManner::default())
                .await
        };
        let refused = upload.await.unwrap_err();
        assert_eq!(refused.status(), 507, "{refused}");
        let after = told(&desk.dav, desk.now, Detail::All).await;
        same(&after, &before, "after a full disk").unwrap();
        assert_eq!(desk.dav.space().unwrap().used, 0);
        desk.dav.delete(&ask).await.unwrap();
        in_order(&store, desk.now).await.unwrap();
    }
}

/// The folder of the content files is gone for a while, at the first byte or at the last.
#[tokio::test]
async fn a_content_folder_that_goes_away_is_told_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (content, away) = (dir.path().join("content"), dir.path().join("away"));
    for lost_at in ["the beginning", "the end"] {
        let store = Store::empty(lockkeeper::blobs::Blobs::open(&content, 0).unwrap()).await;
        let desk = store.open(moment(0)).await;
        let ask = support::ask(&support::user("alice"), "/file", &[], desk.now);
        support::put(&desk.dav, &ask, 10_000).await.unwrap();
        let before = told(&desk.dav, desk.now, Detail::All).await;
        let mut intake = Intake::new(&desk.dav, None).unwrap();
        if lost_at == "the end" {
            // More than is gathered before it is written: there is a file.
            intake.push(vec![b'z'; 2_000_000].into()).await.unwrap();
        }
        std::fs::rename(&content, &away).unwrap();
        intake.push(vec![b'z'; 10_000].into()).await.unwrap();
        let failed = intake.finish(None).await.unwrap_err();
        assert_eq!(failed.status(), 500, "{failed}");
        let read = told(&desk.dav, desk.now, Detail::All).await;
        let lost = &read[&("bytes", "/file".to_owned())];
        assert!(lost.starts_with(told::ERROR), "{lost}");
        std::fs::rename(&away, &content).unwrap();
        let after = told(&desk.dav, desk.now, Detail::All).await;
        same(&after, &before, lost_at).unwrap();
        support::put(&desk.dav, &ask, 20_000).await.unwrap();
        desk.dav.sweep(desk.now).await.unwrap();
        // What could not be removed meanwhile goes at the next start.
        let next = store.open(desk.now).await;
        assert!(next.dav.remove_orphans(desk.now).await.unwrap() <= 1);
        in_order(&store, desk.now).await.unwrap();
        next.dav.delete(&ask).await.unwrap();
        next.dav.sweep(desk.now).await.unwrap();
    }
}
