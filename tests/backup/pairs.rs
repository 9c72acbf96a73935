//! Writers whose history says which states there can be at one moment: each writes a number into
//! one file and then the same number into another. At any moment the first is as far as the second,
//! or one further; whoever reads the two at different moments sees more.
//!
//! Half of the writers lock the first file before they begin a number and unlock it when both are
//! written: where there is no lock, both files are equally far.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lockkeeper::backup::take::take;
use lockkeeper::backup::{Progress, Target, Vault};
use lockkeeper::config::Config;
use lockkeeper::ops::backups::restore_into;
use lockkeeper::ops::content::Manner;
use lockkeeper::ops::intake::Intake;
use lockkeeper::ops::{Dav, NoObserver};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::store::engine::{Engine, Key, Mode, Order, Snapshot, StoreError};
use serde_json::Value;

use crate::common::{Client, Server};
use crate::{back_up, ends, restore, support};

const WRITERS: usize = 6;
const NOW: Timestamp = Timestamp(1_000_000);

pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
}

/// The names are such that rows are read in one order by some, and in the other by others.
fn names(writer: usize) -> (String, String) {
    let (first, second) = (format!("/{writer}-a"), format!("/{writer}-z"));
    if writer.is_multiple_of(2) {
        (first, second)
    } else {
        (second, first)
    }
}

/// Some fit into a row, some have a file of their own.
fn spelled(number: u64, writer: usize) -> Vec<u8> {
    let mut text = format!("{number:020}").into_bytes();
    text.resize([20, 5_000, 100_000][writer % 3], b'.');
    text
}

fn number_in(bytes: &[u8]) -> Result<u64, String> {
    let digits = bytes.get(..20).ok_or("a file is cut")?;
    let digits = std::str::from_utf8(digits).map_err(|error| error.to_string())?;
    digits
        .parse()
        .map_err(|_| format!("not a number: {digits}"))
}

/// What the two files of a writer may be at one moment.
fn judge(writer: usize, first: u64, second: u64) -> Result<(), String> {
    if first == second || first == second + 1 {
        Ok(())
    } else {
        Err(format!(
            "writer {writer}: the first is at {first}, the second at {second}"
        ))
    }
}

/// Holds all pairs in a data folder, on which no server runs, against what can be.
async fn check_pairs(data: &Path) -> Result<Vec<(u64, u64)>, String> {
    let mut config = Config::default();
    config.store.data = data.to_path_buf();
    let dav = Dav::open(&config, NOW, || Duration::ZERO, Arc::new(NoObserver)).await;
    let dav = dav.map_err(|error| error.to_string())?;
    let mut numbers = Vec::new();
    let mut judged = Ok(());
    for writer in 0..WRITERS {
        let (first, second) = names(writer);
        let (first, second) = (read(&dav, &first).await?, read(&dav, &second).await?);
        judged = judged.and_then(|()| judge(writer, first, second));
        numbers.push((first, second));
    }
    dav.close().await.map_err(|error| error.to_string())?;
    judged.map(|()| numbers)
}

async fn read(dav: &Dav, path: &str) -> Result<u64, String> {
    let mut reader = support::user("reader");
    reader.admin = true;
    let ask = support::ask(&reader, path, &[], NOW);
    let found = dav.read_content(&ask).await;
    let (file, mut source) = found.map_err(|error| format!("{path}: {error}"))?;
    let (mut bytes, size) = (Vec::new(), file.size().unwrap_or_default());
    while (bytes.len() as u64) < size {
        let piece = source.read(bytes.len() as u64, 1 << 20).await;
        bytes.extend_from_slice(&piece.map_err(|error| error.to_string())?);
    }
    number_in(&bytes)
}

fn write_pairs(client: &Client, writer: usize, stop: &AtomicBool, written: &AtomicU64) {
    let (first, second) = names(writer);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let mut held = String::new();
        if writer >= WRITERS / 2 {
            let token = client.lock(&first, "Second-600").status(200).lock_token();
            held = format!("<{}> (<{token}>)", client.url(&first));
        }
        for path in [&first, &second] {
            let headers = [("If", held.as_str())];
            let headers = if held.is_empty() {
                &[][..]
            } else {
                &headers[..]
            };
            client
                .send("PUT", path, headers, spelled(number, writer))
                .status(204);
        }
        if let Some(token) = held.split("(<").nth(1) {
            client
                .unlock(&first, token.trim_end_matches(">)"))
                .status(204);
        }
        written.fetch_add(2, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_shows_one_moment_while_others_write() {
    let server = Server::start();
    let alice = server.user("alice");
    for writer in 0..WRITERS {
        let (first, second) = names(writer);
        for path in [first, second] {
            alice.put(&path, spelled(0, writer)).status(201);
        }
    }
    // So many rows that reading them takes a while.
    alice.mkcol("/many").status(201);
    for n in 0..400 {
        alice.put(&format!("/many/{n}"), "x").status(201);
    }
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    let mut during = 0;
    let moments: Vec<String> = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (alice, stop, written) = (&alice, &stop, &written);
            scope.spawn(move || write_pairs(alice, writer, stop, written));
        }
        let take = |_| {
            thread::sleep(Duration::from_millis(300));
            let before = written.load(Ordering::Relaxed);
            let taken = back_up(&backups, &server.data(), &[]);
            during += written.load(Ordering::Relaxed) - before;
            taken["moment"].as_str().unwrap().to_owned()
        };
        let moments = (0..5).map(take).collect();
        stop.store(true, Ordering::Relaxed);
        moments
    });
    println!("{during} uploads while five backups were made");
    assert!(during > 10, "only {during} uploads happened meanwhile");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut last = vec![(0, 0); WRITERS];
    for moment in moments {
        let new = folder.path().join(&moment);
        ends(
            0,
            &["restore", crate::text(&backups), "--moment", &moment],
            &new,
        );
        let numbers = runtime.block_on(check_pairs(&new)).unwrap();
        assert!(numbers.iter().zip(&last).all(|(now, last)| now >= last));
        check_locks(&new, &numbers);
        last = numbers;
    }
    assert!(last.iter().all(|(first, _)| *first > 0), "{last:?}");
    let whole = folder.path().join("whole");
    restore(&backups, &whole);
}

fn check_locks(data: &Path, numbers: &[(u64, u64)]) {
    let locks: Value = serde_json::from_str(&ends(0, &["lock", "list", "--json"], data)).unwrap();
    let locks = locks.as_array().unwrap().iter();
    let locked: Vec<&str> = locks.map(|lock| lock["path"].as_str().unwrap()).collect();
    for (writer, (first, second)) in numbers.iter().enumerate().skip(WRITERS / 2) {
        let is_locked = locked.contains(&&*names(writer).0);
        assert!(
            is_locked || first == second,
            "{writer}: {first}, {second}, {locked:?}"
        );
    }
}

/// What a backup must never be made of: the rows of two moments.
struct Torn {
    rows: Vec<(Key, Bytes)>,
}

impl Torn {
    async fn read(engine: &dyn Engine, between: impl AsyncFnOnce()) -> Self {
        let middle = Bytes::from_static(b"e\0\0\0\0\0\0\0\x013-m");
        let (start, end) = (Bytes::from_static(&[1]), Bytes::from_static(&[255; 9]));
        let mut rows = scan(engine, start..middle.clone()).await;
        between().await;
        rows.extend(scan(engine, middle..end).await);
        Self { rows }
    }
}

async fn scan(engine: &dyn Engine, range: std::ops::Range<Key>) -> Vec<(Key, Bytes)> {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    txn.scan(range, 100_000, Order::Ascending).await.unwrap()
}

#[async_trait]
impl Snapshot for Torn {
    fn number(&self) -> u64 {
        1_000_000
    }

    async fn next(&mut self, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let count = limit.min(self.rows.len());
        Ok(self.rows.drain(..count).collect())
    }
}

/// All pairs, one number after the other.
async fn write_all(dav: &Dav, numbers: std::ops::Range<u64>) {
    let mut writer = support::user("writer");
    writer.admin = true;
    for number in numbers {
        for pair in 0..WRITERS {
            let (first, second) = names(pair);
            for path in [first, second] {
                let mut intake = Intake::new(dav, None).unwrap();
                intake.push(spelled(number, 2).into()).await.unwrap();
                let content = intake.finish(None).await.unwrap();
                let ask = support::ask(&writer, &path, &[], NOW);
                dav.upload(&ask, content, Manner::default()).await.unwrap();
            }
        }
    }
}

/// The test of the test: the same check, of a backup whose rows are of two moments.
#[tokio::test]
async fn a_torn_snapshot_is_caught() {
    for torn in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let engine = support::sled_in(&folder);
        let content = folder.path().join("content");
        let blobs = lockkeeper::blobs::Blobs::open(&content, 0).unwrap();
        let mut config = Config::default();
        config.versions.keep = 100;
        let dav = support::open_with(engine.clone(), blobs, config).await;
        write_all(&dav, 0..2).await;
        let between = async || {
            if torn {
                write_all(&dav, 2..5).await;
            }
        };
        let mut snapshot = Torn::read(&*engine, between).await;
        let (backups, new) = (folder.path().join("backups"), folder.path().join("new"));
        let target = Target::open(&backups).unwrap();
        take(&mut snapshot, &content, target, NOW, &Silent)
            .await
            .unwrap();
        let vault = Vault::open(&backups).unwrap();
        let moment = vault.moment(None).unwrap();
        let restored = restore_into(&new, &vault, &moment, 8 << 20, &Silent).await;
        restored.unwrap();
        let judged = check_pairs(&new).await;
        println!("torn: {torn}, judged: {judged:?}");
        assert_eq!(judged.is_err(), torn, "{judged:?}");
    }
}
