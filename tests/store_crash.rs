//! `kill -9` of the store alone, under load: what was acknowledged is there afterwards, and nothing
//! is there by half.
//!
//! The test runs itself again as a child, which writes and acknowledges through a pipe; the parent
//! kills it at a random moment, opens the store and checks. The quick test makes 10 rounds over one
//! store; more: `cargo test --test store_crash -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::resource::ContentId;
use lockkeeper::store::engine::{Engine, Key, Mode, StoreError, Txn};
use lockkeeper::store::sled::{OpenError, SledEngine, SledOptions};
use lockkeeper::store::transact::transact;

/// Names the folder to the child; without it the child's part is skipped.
const CHILD_DIR: &str = "LOCKKEEPER_CRASH_TEST_DIR";
const WRITERS: u64 = 4;
const KEYS: u64 = 8;

fn open(dir: &Path) -> Result<SledEngine, OpenError> {
    // So small that rows are on their way into sled when the kill comes.
    let options = SledOptions {
        journal_bytes: 64 * 1024,
        ..SledOptions::default()
    };
    SledEngine::open(&dir.join("meta"), options)
}

fn blobs(dir: &Path) -> Blobs {
    Blobs::open(&dir.join("content"), 0)
        .unwrap()
        .remembering(1 << 20)
}

/// The keys of one writer lie all over the store.
fn keys(writer: u64) -> Vec<Key> {
    (0..KEYS)
        .map(|key| Bytes::from(format!("group-{:02}-{writer}", key * 11)))
        .collect()
}

/// The value of a key: its generation, and bytes that follow from it.
fn value(generation: u64, key: usize) -> Bytes {
    let len = usize::try_from(generation * 37 % 300).unwrap() + key;
    Bytes::from(format!("{generation:016x}{}", "v".repeat(len)))
}

/// Every third generation comes with a content file, of up to 700 KB.
fn content(writer: u64, generation: u64) -> Option<(ContentId, Bytes)> {
    let id = ContentId(writer << 40 | generation);
    let len = usize::try_from(generation * 7919 % 700_000).unwrap();
    generation
        .is_multiple_of(3)
        .then(|| (id, Bytes::from(vec![id.0.to_be_bytes()[7]; len])))
}

/// The generation of a writer's group, after a check that it is whole; 0: there is none yet.
async fn generation(engine: &dyn Engine, writer: u64) -> u64 {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    let found = txn.get(&keys(writer)).await.unwrap();
    if found.iter().all(Option::is_none) {
        return 0;
    }
    let first = String::from_utf8(found[0].clone().expect("torn group").to_vec()).unwrap();
    let generation = u64::from_str_radix(&first[..16], 16).unwrap();
    for (key, found) in found.into_iter().enumerate() {
        assert_eq!(
            found,
            Some(value(generation, key)),
            "torn group of {writer}"
        );
    }
    generation
}

struct Group {
    writer: u64,
    generation: u64,
}

async fn put_group(txn: &mut dyn Txn, group: &Group) -> Result<(), StoreError> {
    let keys = keys(group.writer);
    let before = txn.get(&keys).await?;
    assert!(
        before
            .iter()
            .all(|value| value.is_some() == (group.generation > 1))
    );
    for (at, key) in keys.into_iter().enumerate() {
        txn.put(key, value(group.generation, at));
    }
    Ok(())
}

async fn write_for_ever(engine: Arc<SledEngine>, blobs: Blobs, writer: u64) {
    let mut group = Group {
        writer,
        generation: generation(&*engine, writer).await,
    };
    loop {
        group.generation += 1;
        if let Some((id, bytes)) = content(writer, group.generation) {
            // A round before this one may have been killed between file and row.
            blobs.remove(&[id]).await.unwrap();
            let mut file = blobs.create(id).unwrap();
            file.write(bytes).await.unwrap();
            file.finish().await.unwrap();
        }
        transact(&*engine, Mode::Write, &group, |txn, group| {
            Box::pin(put_group(txn, group))
        })
        .await
        .unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {writer} {}", group.generation).unwrap();
        out.flush().unwrap();
    }
}

/// Not a test: what the killed process runs.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, blobs) = (Arc::new(open(&dir).unwrap()), blobs(&dir));
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(write_for_ever(Arc::clone(&engine), blobs.clone(), writer));
        }
        tasks.join_all().await;
    });
}

/// The highest generation that each writer got acknowledged.
#[derive(Default)]
struct Acks(BTreeMap<u64, u64>);

impl Acks {
    /// Takes a line of the child; others are those of the test harness.
    fn take(&mut self, line: &str) -> bool {
        // A kill may cut the last line: it is then no acknowledgement that anybody could read.
        let Some(numbers) = line
            .split("ack ")
            .nth(1)
            .and_then(|line| line.strip_suffix('\n'))
        else {
            return false;
        };
        let (writer, generation) = numbers.split_once(' ').unwrap();
        self.0
            .insert(writer.parse().unwrap(), generation.parse().unwrap());
        true
    }
}

fn start(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Lets a child run for `count` acknowledgements and kills it; returns all that it gave.
fn run_and_kill(dir: &Path, count: u32, acks: &mut Acks) {
    let (mut child, mut output) = start(dir);
    let mut line = String::new();
    let mut seen = 0;
    while seen < count {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the child ended by itself"
        );
        seen += u32::from(acks.take(&line));
    }
    assert!(
        matches!(open(dir), Err(OpenError::InUse { .. })),
        "two processes must not have the same store open"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    line.clear();
    while output.read_line(&mut line).unwrap() > 0 {
        acks.take(&line);
        line.clear();
    }
}

async fn check(dir: &Path, acks: &mut Acks) {
    let (engine, blobs) = (open(dir).unwrap(), blobs(dir));
    for writer in 0..WRITERS {
        let found = generation(&engine, writer).await;
        let acked = acks.0.get(&writer).copied().unwrap_or(0);
        // One more may have been committed than the child could still say.
        assert!(
            (acked..=acked + 1).contains(&found),
            "{writer}: {found}, but {acked} acknowledged"
        );
        // What was once seen must stay as well, acknowledged or not.
        acks.0.insert(writer, found);
        for generation in (1..=found).rev().take(30) {
            let Some((id, bytes)) = content(writer, generation) else {
                continue;
            };
            let mut file = blobs.open_content(id).await.unwrap();
            assert_eq!(file.size(), bytes.len() as u64);
            let mut at = 0;
            while at < bytes.len() {
                let piece = file.read(at as u64, bytes.len()).await.unwrap();
                assert!(piece == bytes.slice(at..at + piece.len()), "other content");
                at += piece.len();
            }
        }
    }
    engine.close().await.unwrap();
}

fn rounds(count: u32) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acks = Acks::default();
    for _ in 0..count {
        let count = getrandom::u32().unwrap() % 300 + 1;
        run_and_kill(dir.path(), count, &mut acks);
        runtime.block_on(check(dir.path(), &mut acks));
    }
}

#[test]
fn ten_kills_lose_nothing() {
    rounds(10);
}

#[test]
#[ignore = "takes a minute"]
fn two_hundred_kills_lose_nothing() {
    rounds(200);
}
