//! Stores that cannot be opened say why in a sentence: in use, cut short, damaged, too new. None of
//! it may end in a panic, and never may damage be served as data.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper::store::engine::{Engine, Key, Mode, Order, StoreError};
use lockkeeper::store::sled::{OpenError, SledEngine, SledOptions};
use tempfile::TempDir;

const COMMITS: u32 = 600;

fn open(dir: &Path) -> Result<SledEngine, OpenError> {
    open_within(dir, SledOptions::default().open_time_max)
}

fn open_within(dir: &Path, open_time_max: Duration) -> Result<SledEngine, OpenError> {
    SledEngine::open(
        dir,
        SledOptions {
            // So small that most of the rows are in sled, and the latest in the journal.
            journal_bytes: 16 * 1024,
            open_time_max,
            ..SledOptions::default()
        },
    )
}

fn key(number: u32) -> Key {
    Bytes::from(format!("row{:03}", number % 400))
}

/// A store with a history: 600 commits over 400 rows of 500 bytes.
async fn fill(dir: &Path) -> SledEngine {
    let engine = open(dir).unwrap();
    for number in 0..COMMITS {
        let mut txn = engine.begin(Mode::Write).await.unwrap();
        txn.put(key(number), Bytes::from(format!("{number:0500}")));
        txn.commit().await.unwrap();
    }
    engine
}

async fn rows(engine: &SledEngine) -> Result<Vec<(Key, Bytes)>, StoreError> {
    let mut txn = engine.begin(Mode::Read).await?;
    txn.scan(key(0)..Bytes::from_static(b"z"), 10_000, Order::Ascending)
        .await
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The folder as it is between two commits, which is how a killed process leaves it.
async fn killed_store() -> TempDir {
    let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = fill(live.path()).await;
    copy(live.path(), dead.path());
    engine.close().await.unwrap();
    dead
}

fn log(dir: &Path) -> fs::File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(dir.join("db"))
        .unwrap()
}

#[tokio::test]
async fn a_log_cut_short_is_refused() {
    let dir = killed_store().await;
    let log = log(dir.path());
    log.set_len(log.metadata().unwrap().len() - 64 * 1024)
        .unwrap();
    let error = open(dir.path()).unwrap_err();
    let OpenError::LostHistory {
        found, promised, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(promised, u64::from(COMMITS));
    assert!(found < promised);
    assert!(
        error
            .to_string()
            .contains("restore it from a backup, or remove the file"),
        "{error}"
    );
    let error = open(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::LostHistory { .. }),
        "also the second time: {error}"
    );
    // The way out that the sentence names.
    fs::remove_file(dir.path().join("commit-number")).unwrap();
    let engine = open(dir.path()).unwrap();
    assert!(!rows(&engine).await.unwrap().is_empty());
    engine.close().await.unwrap();
    open(dir.path()).unwrap().close().await.unwrap();
}

/// The journal ends where a record is not what was written: what was acknowledged and lies behind
/// it is missed.
#[tokio::test]
async fn a_damaged_journal_is_refused() {
    let sound = killed_store().await;
    let mut refused = 0;
    for file in ["journal-0", "journal-1", "journal-2"] {
        for place in 0..10 {
            let dir = tempfile::tempdir().unwrap();
            copy(sound.path(), dir.path());
            let path = dir.path().join(file);
            let mut bytes = fs::read(&path).unwrap();
            // Behind them is room for more.
            let records = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            let Some(byte) = bytes.get_mut(records * place / 10) else {
                continue;
            };
            *byte ^= 16;
            fs::write(&path, bytes).unwrap();
            match open(dir.path()) {
                // It hit what sled has already.
                Ok(engine) => {
                    assert_eq!(rows(&engine).await.unwrap().len(), 400);
                    engine.close().await.unwrap();
                }
                Err(OpenError::LostHistory { promised, .. }) => {
                    assert_eq!(promised, u64::from(COMMITS));
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(refused > 0, "no flip hit anything");
}

#[tokio::test]
async fn an_emptied_log_is_refused() {
    let dir = killed_store().await;
    // Whatever is sled's.
    for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() && entry.file_name() != "commit-number" {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let error = open(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::LostHistory { found: 0, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_flipped_byte_is_an_error_or_harmless() {
    let sound = killed_store().await;
    let whole = tempfile::tempdir().unwrap();
    copy(sound.path(), whole.path());
    let engine = open(whole.path()).unwrap();
    let expect = rows(&engine).await.unwrap();
    engine.close().await.unwrap();
    assert_eq!(expect.len(), 400);

    let len = log(sound.path()).metadata().unwrap().len();
    let (mut refused, mut damaged) = (0, 0);
    for place in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        copy(sound.path(), dir.path());
        let at = len / 40 * place + 40;
        let mut bytes = [0; 8];
        log(dir.path()).read_exact_at(&mut bytes, at).unwrap();
        log(dir.path())
            .write_all_at(&bytes.map(|byte| !byte), at)
            .unwrap();
        let engine = match open(dir.path()) {
            Ok(engine) => engine,
            Err(OpenError::Damaged { .. } | OpenError::LostHistory { .. }) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        match rows(&engine).await {
            Ok(found) => assert!(found == expect, "other data after a flip at {at}"),
            Err(StoreError::Damaged(_)) => damaged += 1,
            Err(other) => panic!("{other}"),
        }
        engine.close().await.unwrap();
    }
    assert!(refused + damaged > 0, "no flip hit anything");
}

#[tokio::test]
async fn damage_to_the_small_files_is_named() {
    for (file, damage) in [
        ("commit-number", "x".repeat(16)),
        ("commit-number", String::new()),
        ("format", "x".repeat(16)),
        ("format", String::new()),
    ] {
        let dir = killed_store().await;
        fs::write(dir.path().join(file), damage).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
    }
    let dir = killed_store().await;
    fs::write(dir.path().join("conf"), "x".repeat(40)).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string()),
        "{error}"
    );
}

/// A power cut may tear the number that was being written, and a crash amid a start may leave half
/// of what sled then writes. Neither says that anything is lost.
#[tokio::test]
async fn what_a_crash_may_tear_is_no_damage() {
    for place in [0, 4096] {
        let dir = killed_store().await;
        let mut options = OpenOptions::new();
        let note = dir.path().join("commit-number");
        let note = options.write(true).open(note).unwrap();
        note.write_all_at(b"torn", place + 6).unwrap();
        let draft = dir.path().join("snap.7FFFFFFFFFFFFFFF.generating");
        fs::write(&draft, "").unwrap();
        let engine = open(dir.path()).unwrap();
        assert_eq!(rows(&engine).await.unwrap().len(), 400);
        engine.close().await.unwrap();
        assert!(!draft.exists());
        open(dir.path()).unwrap().close().await.unwrap();
    }
}

/// A new store gets its name when it is whole: what a crash left of one is not used.
#[tokio::test]
async fn half_of_a_new_store_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let draft = folder.path().join("meta.new");
    fs::create_dir(&draft).unwrap();
    for (name, half) in [
        ("db", "x"),
        ("conf", "segment_size: 5"),
        ("commit-number", ""),
    ] {
        fs::write(draft.join(name), half).unwrap();
    }
    let engine = open(&folder.path().join("meta")).unwrap();
    assert!(rows(&engine).await.unwrap().is_empty());
    engine.close().await.unwrap();
    assert!(!draft.exists());
}

#[tokio::test]
async fn a_store_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(
        error.to_string().contains("stop that Lockkeeper first"),
        "{error}"
    );
    engine.close().await.unwrap();
    open(dir.path()).unwrap().close().await.unwrap();
}

/// A row that changed behind the engine's back, in a way that sled's own sums do not show.
#[tokio::test]
async fn a_row_that_changed_is_not_served() {
    for (row, value) in [
        ("row007", &b"shorter"[..]),
        ("row007", &[b'0'; 504]),
        ("\0commit", &[0; 12]),
    ] {
        let dir = killed_store().await;
        insert(dir.path(), row.as_bytes(), Some(value));
        let engine = match open(dir.path()) {
            Err(OpenError::Damaged { what, .. }) => {
                assert!(what.contains("is not what was written"), "{what}");
                continue;
            }
            opened => opened.unwrap(),
        };
        let Err(error @ StoreError::DamagedRow(_)) = rows(&engine).await else {
            panic!("served")
        };
        let told = error.to_string();
        assert!(told.contains("the row r:6f77303037 is not what"), "{told}");
        engine.close().await.unwrap();
    }
}

/// Changes a row that only the engine can reach.
fn set_format(dir: &Path, format: Option<&[u8]>) {
    insert(dir, b"\0format", format);
}

fn insert(dir: &Path, row: &[u8], value: Option<&[u8]>) {
    let db = sled::Config::new()
        .path(dir)
        .flush_every_ms(None)
        .open()
        .unwrap();
    match value {
        Some(value) => db.insert(row, value).unwrap(),
        None => db.remove(row).unwrap(),
    };
    db.flush().unwrap();
    drop(db);
    // sled's own threads let go of its files a moment later.
    while log(dir).try_lock().is_err() {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn only_known_formats_are_opened() {
    let cases: [(Option<&[u8]>, &str); 4] = [
        (
            Some(&[0, 0, 0, 0, 0, 0, 0, 4]),
            "was made by a newer Lockkeeper (format 4; this one knows formats up to 3); use that \
             version or a later one",
        ),
        (
            Some(&[0, 0, 0, 0, 0, 0, 0, 1]),
            "was made by a test build from before Lockkeeper 0.1 (format 1;",
        ),
        (
            Some(b"two"),
            "is damaged (the row that tells its format is torn)",
        ),
        (
            None,
            "is damaged (it has rows, but none that tells its format)",
        ),
    ];
    for (format, expect) in cases {
        let dir = killed_store().await;
        set_format(dir.path(), format);
        let error = open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(expect), "{format:?}: {error}");
    }
}

#[test]
fn opening_has_a_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let error = open_within(dir.path(), Duration::ZERO).unwrap_err();
    assert!(matches!(error, OpenError::TimeLimit { .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("meta")).unwrap_err();
    assert!(matches!(error, OpenError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("file/meta"), "{error}");
}
