//! Bits flip in any file of a data folder, sectors, ends of files and whole files are lost: that is
//! harmless, or it is reported; never is anything else served as what was kept, and never does the
//! process end over it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and speak to people"
)]

#[path = "flips/folder.rs"]
mod folder;
#[path = "check/house.rs"]
mod house;
#[path = "flips/reading.rs"]
mod reading;
mod support;
mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use folder::{Damage, copy};
use house::{NOW, furnished};
use lockkeeper::blobs::Blobs;
use lockkeeper::lock::{LockDepth, LockKind, LockScope};
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::protocol::headers::RequestedTimeout;
use lockkeeper::store::engine::Engine;
use reading::{FOLDER, Found, read_and_leave, read_apart};
use support::{Dice, ask, put, sled_in};
use tempfile::TempDir;
use told::ERROR;

/// What became of some damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Harmless,
    /// The store says that it is damaged, and is not opened.
    AtOpen,
    /// The check names it, and reading gives errors.
    ByCheck,
}

/// Everything that a folder tells, by section and place.
type Lines = BTreeMap<(String, String), String>;

/// Two folders with the same history, as a stop and as a kill leaves them, and what they tell.
struct Truth {
    dirs: [TempDir; 2],
    lines: Lines,
}

impl Truth {
    async fn new() -> Self {
        let [live, killed] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let engine = sled_in(&live);
        let blobs = Blobs::open(&live.path().join("content"), 0).unwrap();
        let dav = furnished(Arc::clone(&engine) as Arc<dyn Engine>, blobs).await;
        let root = told::reader();
        // So much that sled's log has more than one segment, and old ones.
        let on = ask(&root, "/history", &[], NOW);
        dav.make_collection(&on).await.unwrap();
        for number in 0..150_u64 {
            let at = format!("/history/{}", number % 7);
            let size = 700 * (number % 7);
            put(&dav, &ask(&root, &at, &[], NOW), size).await.unwrap();
        }
        for number in 0..40 {
            let wanted = LockAsk {
                scope: LockScope::Shared,
                kind: Some(LockKind::Transient),
                depth: LockDepth::Zero,
                timeout: RequestedTimeout::Seconds(100 + number),
                owner_xml: None,
                comment: Some(format!("number {number}")),
            };
            let at = format!("/history/{}", number % 7);
            dav.lock(&ask(&root, &at, &[], NOW), &wanted).await.unwrap();
        }
        copy(live.path(), killed.path());
        dav.close().await.unwrap();
        let dirs = [live, killed];
        let found = dirs.each_ref().map(|dir| {
            let aside = tempfile::tempdir().unwrap();
            copy(dir.path(), aside.path());
            read_apart(aside.path()).unwrap()
        });
        let [one, other] = found.map(|found| match found {
            Found::Opened { faults, told } if faults.is_empty() => lines(told),
            found => panic!("a sound folder: {found:?}"),
        });
        assert!(one == other, "as a kill and as a stop leave it");
        assert!(one.len() > 300, "{}", one.len());
        assert!(!one.values().any(|what| what.starts_with(ERROR)));
        Self { dirs, lines: one }
    }

    /// What becomes of the folder in `dir`; `Err`: that must not be.
    fn verdict(&self, dir: &Path) -> Result<Verdict, String> {
        match read_apart(dir)? {
            Found::Refused(sentence) if sentence.trim().is_empty() => Err("no word".to_owned()),
            Found::Refused(sentence) => {
                println!("refused: {}", shortened(&sentence, dir));
                Ok(Verdict::AtOpen)
            }
            Found::Opened { faults, told } => self.compare(&faults, &lines(told)),
        }
    }

    fn compare(&self, faults: &[String], found: &Lines) -> Result<Verdict, String> {
        let mut lacking = Vec::new();
        for (key, what) in &self.lines {
            match found.get(key) {
                Some(same) if same == what => {}
                Some(error) if error.starts_with(ERROR) => lacking.push(key),
                // Lists can lack something: that counts as lacking.
                Some(shorter) if is_list(&key.0) && shorter.len() < what.len() => lacking.push(key),
                Some(other) => return Err(format!("{key:?} is served as {other}, not {what}")),
                None => lacking.push(key),
            }
        }
        let invented = |(key, what): &(&(String, String), &String)| {
            !self.lines.contains_key(key) && !what.starts_with(ERROR)
        };
        if let Some((key, what)) = found.iter().find(invented) {
            return Err(format!("{key:?} never was: {what}"));
        }
        match (lacking.is_empty(), faults.is_empty()) {
            (true, true) => Ok(Verdict::Harmless),
            (_, false) => Ok(Verdict::ByCheck),
            (false, true) => Err(format!(
                "the check finds nothing, but these lack: {lacking:?}"
            )),
        }
    }
}

/// Without the folder's own name, and not too long.
fn shortened(sentence: &str, dir: &Path) -> String {
    let plain = sentence.replace(&dir.display().to_string(), "");
    plain.chars().take(160).collect()
}

/// Whether the lines of a section have several things in them.
fn is_list(section: &str) -> bool {
    ["versions", "shown locks", "group"].contains(&section)
}

fn lines(told: Vec<(String, String, String)>) -> Lines {
    let keyed = told
        .into_iter()
        .map(|(section, place, what)| ((section, place), what));
    keyed.collect()
}

/// So many times a copy of the folder is damaged and read.
async fn campaign(times: usize, seed: u64) {
    println!("LOCKKEEPER_SEED={seed}");
    let truth = Truth::new().await;
    let mut dice = Dice(seed);
    let mut verdicts: BTreeMap<String, BTreeMap<Verdict, usize>> = BTreeMap::new();
    let mut faults = Vec::new();
    for number in 0..times {
        let sound = truth.dirs[number % 2].path();
        let damage = Damage::draw(sound, &mut dice);
        let dir = tempfile::tempdir().unwrap();
        copy(sound, dir.path());
        damage.inflict(dir.path());
        match truth.verdict(dir.path()) {
            Ok(verdict) => {
                println!("{damage}: {verdict:?}");
                let of_file = verdicts.entry(damage.kind()).or_default();
                *of_file.entry(verdict).or_default() += 1;
            }
            Err(what) => {
                let state = ["stopped", "killed"][number % 2];
                println!("FAULT {number} ({state}) {damage}: {what}");
                faults.push(format!("{damage}: {what}"));
            }
        }
    }
    println!("| file | harmless | refused at open | found by check |\n|---|---|---|---|");
    for (file, of_file) in &verdicts {
        let count = |verdict| of_file.get(&verdict).copied().unwrap_or_default();
        let [harmless, at_open, by_check] =
            [Verdict::Harmless, Verdict::AtOpen, Verdict::ByCheck].map(count);
        println!("| `{file}` | {harmless} | {at_open} | {by_check} |");
    }
    assert!(faults.is_empty(), "{} of {times} faults", faults.len());
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test]
async fn damage_is_harmless_or_reported() {
    campaign(60, number_from("LOCKKEEPER_SEED", 1)).await;
}

#[tokio::test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
async fn much_damage_is_harmless_or_reported() {
    let times = number_from("LOCKKEEPER_FLIPS", 1_000);
    campaign(
        usize::try_from(times).unwrap(),
        number_from("LOCKKEEPER_SEED", 2),
    )
    .await;
}

/// Not a test: the process that reads what the others damaged.
#[tokio::test]
#[ignore = "started by the other tests"]
async fn the_folder_that_is_named() {
    if let Some(dir) = std::env::var_os(FOLDER) {
        read_and_leave(&PathBuf::from(dir)).await;
    }
}

/// Changes rows behind the engine's back.
fn meddle(dir: &Path, change: impl Fn(&sled::Db)) {
    let db = sled::Config::new()
        .path(dir.join("meta"))
        .flush_every_ms(None)
        .open()
        .unwrap();
    change(&db);
    db.flush().unwrap();
    drop(db);
    let log = std::fs::File::open(dir.join("meta/db")).unwrap();
    // sled's own threads let go of its files a moment later.
    while log.try_lock().is_err() {
        std::thread::yield_now();
    }
}

/// The first row of a kind.
fn first(db: &sled::Db, kind: u8) -> (sled::IVec, sled::IVec) {
    db.scan_prefix([kind]).next().unwrap().unwrap()
}

/// The test of the test: other bytes with a sum that fits are no damage to any check, and are seen
/// only beside what was written.
#[tokio::test]
async fn another_byte_with_the_right_sum_is_found() {
    let truth = Truth::new().await;
    let dir = tempfile::tempdir().unwrap();
    copy(truth.dirs[0].path(), dir.path());
    meddle(dir.path(), |db| {
        let (key, value) = first(db, b'c');
        let mut bytes = value[..value.len() - 4].to_vec();
        bytes[0] ^= 1;
        let sum = crc32fast::hash(&[&key[..], &bytes[..]].concat());
        bytes.extend_from_slice(&sum.to_le_bytes());
        db.insert(key, bytes).unwrap();
    });
    let verdict = truth.verdict(dir.path());
    assert!(
        verdict.as_ref().is_err_and(|what| what.contains("served")),
        "{verdict:?}"
    );
}

/// The test of the test: an event that is gone without a word is missed.
#[tokio::test]
async fn a_row_that_is_gone_without_a_word_is_found() {
    let truth = Truth::new().await;
    let dir = tempfile::tempdir().unwrap();
    copy(truth.dirs[1].path(), dir.path());
    meddle(dir.path(), |db| {
        let (key, _) = first(db, b'E');
        db.remove(key).unwrap();
    });
    let verdict = truth.verdict(dir.path());
    assert!(
        verdict.as_ref().is_err_and(|what| what.contains("lack")),
        "{verdict:?}"
    );
}
