//! The check finds nothing in a store that is in order, whatever was done in it, and whatever row
//! is lost or changed, it says so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "check/house.rs"]
mod house;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use house::{NOW, furnished};
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::ops::Dav;
use lockkeeper::ops::check::{Manner, Mend, Report};
use lockkeeper::store::engine::{Engine, Key, Mode, spell};
use lockkeeper::store::memory::MemoryEngine;

type Rows = BTreeMap<Key, Bytes>;

async fn rows(engine: &dyn Engine) -> Rows {
    let mut snapshot = engine.snapshot().await.unwrap();
    let mut rows = Rows::new();
    loop {
        let page = snapshot.next(1_000).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

async fn engine_of(rows: &Rows) -> Arc<dyn Engine> {
    let engine = MemoryEngine::new();
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for (key, value) in rows {
        txn.put(key.clone(), value.clone());
    }
    txn.commit().await.unwrap();
    Arc::new(engine)
}

async fn look(dav: &Dav, mend: Mend) -> Report {
    let manner = Manner {
        mend,
        bytes_per_second: None,
    };
    dav.check(NOW, manner, &|_| ()).await.unwrap()
}

/// What the check says of these rows; `None`: not even a start is possible.
async fn verdict(rows: &Rows, blobs: &Blobs) -> Option<Report> {
    let engine = engine_of(rows).await;
    let dav = Dav::new(engine, blobs.clone(), Config::default(), NOW).await;
    Some(look(&dav.ok()?, Mend::No).await)
}

#[tokio::test]
async fn a_store_in_order_has_no_fault() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = furnished(Arc::clone(&engine), Blobs::memory()).await;
    let report = look(&dav, Mend::No).await;
    assert_eq!(report.faults, []);
    assert_eq!(report.read.rows, rows(&*engine).await.len() as u64);
    assert!(report.read.files >= 2 && report.read.bytes > 20_000);
    // Half-done, the sweep leaves nothing that looks like damage either.
    dav.sweep(NOW.plus_seconds(100_000)).await.unwrap();
    assert_eq!(look(&dav, Mend::No).await.faults, []);
}

/// What a store can lose without a trace: an event, a webhook, the grants of what is gone, how far
/// the record was pruned, the secret of its places (the start draws another), and that a content
/// file is to be removed (it is then left over).
fn may_go_unnoticed(key: &Key) -> bool {
    b"EWdg".contains(&key[0]) || [&b"m/pruned"[..], b"m/secret"].contains(&&key[..])
}

#[tokio::test]
async fn whatever_row_is_lost_is_missed() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let blobs = Blobs::memory();
    drop(furnished(Arc::clone(&engine), blobs.clone()).await);
    let all = rows(&*engine).await;
    let mut kinds = std::collections::BTreeSet::new();
    for key in all.keys() {
        kinds.insert(key[0]);
        let mut left = all.clone();
        left.remove(key);
        let noticed = match verdict(&left, &blobs).await {
            Some(report) => !report.faults.is_empty(),
            None => true,
        };
        assert!(noticed || may_go_unnoticed(key), "{} was lost", spell(key));
    }
    let kinds = String::from_utf8(kinds.into_iter().collect()).unwrap();
    let every = "EWabcdefghijklmnopqrstuvwxyz";
    assert_eq!(kinds, every, "there is one of every kind");
}

#[tokio::test]
async fn whatever_row_is_another_s_is_noticed() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let blobs = Blobs::memory();
    drop(furnished(Arc::clone(&engine), blobs.clone()).await);
    let all = rows(&*engine).await;
    for (key, value) in &all {
        if value.is_empty() {
            continue;
        }
        let mut changed = all.clone();
        changed.insert(key.clone(), value.slice(..value.len() - 1));
        let noticed = match verdict(&changed, &blobs).await {
            Some(report) => !report.faults.is_empty(),
            None => true,
        };
        // The bytes of inline content have no form, but a length.
        assert!(noticed, "{} was cut", spell(key));
    }
}

/// Rows that follow from others are written again, and then everything is as before.
#[tokio::test]
async fn what_other_rows_tell_is_mended() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let blobs = Blobs::memory();
    drop(furnished(Arc::clone(&engine), blobs.clone()).await);
    let all = rows(&*engine).await;
    let mut mended = 0;
    for key in all.keys().filter(|key| b"rftxobiwyhj".contains(&key[0])) {
        let mut left = all.clone();
        left.remove(key);
        let engine = engine_of(&left).await;
        let dav = Dav::new(Arc::clone(&engine), blobs.clone(), Config::default(), NOW).await;
        let dav = dav.unwrap();
        let report = look(&dav, Mend::Yes).await;
        mended += report.faults.iter().filter(|fault| fault.mended).count();
        // What was looked at before it was mended is in order now.
        assert_eq!(look(&dav, Mend::No).await.faults, [], "{}", spell(key));
        assert!(rows(&*engine).await == all, "{}", spell(key));
    }
    assert!(mended > 40, "{mended}");
}
