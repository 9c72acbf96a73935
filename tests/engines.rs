//! What the seam promises (`store::engine`), asked of every engine by one suite. A new engine joins
//! with a module like `on_sled`.
//! Beside it stands `engine_model.rs`: random operations, whose outcome memory foretells.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "engines/snapshots.rs"]
mod snapshots;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use lockkeeper::store::engine::{
    APPENDED_KEY_BYTES, CommitError, Engine, Key, Mode, Order, StoreError,
};
use lockkeeper::store::memory::MemoryEngine;
use lockkeeper::store::sled::{SledEngine, SledOptions};
use lockkeeper::store::transact::transact;
use snapshots::{
    a_snapshot_shows_one_moment, snapshots_do_not_mix,
    what_others_appended_lies_before_what_is_appended,
};
use tempfile::TempDir;

type Shared = Arc<dyn Engine>;

fn key(text: &str) -> Key {
    Bytes::copy_from_slice(text.as_bytes())
}

/// With a journal so small that rows are on their way into sled all the time.
fn options() -> SledOptions {
    SledOptions {
        journal_bytes: 4096,
        ..SledOptions::default()
    }
}

fn sled(dir: &TempDir) -> Shared {
    Arc::new(SledEngine::open(dir.path(), options()).unwrap())
}

async fn put_all(engine: &Shared, rows: &[(&str, &str)]) {
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for (name, value) in rows {
        txn.put(key(name), key(value));
    }
    txn.commit().await.unwrap();
}

async fn get(engine: &Shared, name: &str) -> Option<Bytes> {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    txn.get(&[key(name)]).await.unwrap().remove(0)
}

async fn names(engine: &Shared, from: &str, to: &str, limit: usize, order: Order) -> Vec<String> {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    let rows = txn.scan(key(from)..key(to), limit, order).await.unwrap();
    rows.iter()
        .map(|(key, _)| String::from_utf8(key.to_vec()).unwrap())
        .collect()
}

/// Runs `body` `count` times at once.
async fn at_once<F, T>(count: usize, body: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    try_join_all((0..count).map(|turn| tokio::spawn(body(turn))))
        .await
        .unwrap()
}

async fn no_update_is_lost(engine: Shared) {
    let tasks = at_once(16, |_| {
        let engine = Arc::clone(&engine);
        async move {
            for _ in 0..20 {
                transact(&*engine, Mode::Write, &key("counter"), |txn, counter| {
                    Box::pin(async move {
                        let old = txn.get(std::slice::from_ref(counter)).await?.remove(0);
                        let old: u64 =
                            old.map_or(0, |old| String::from_utf8_lossy(&old).parse().unwrap());
                        txn.put(counter.clone(), key(&(old + 1).to_string()));
                        Ok::<_, StoreError>(())
                    })
                })
                .await
                .unwrap();
            }
        }
    });
    tasks.await;
    assert_eq!(get(&engine, "counter").await, Some(key("320")));
}

/// Each of two writes its row only if the other's is absent: one must see the other.
async fn no_write_skew_on_absent_rows(engine: Shared) {
    for round in 0..20 {
        let won = at_once(2, |me| {
            let engine = Arc::clone(&engine);
            let rows = [
                key(&format!("skew{round}-{me}")),
                key(&format!("skew{round}-{}", 1 - me)),
            ];
            async move {
                transact(&*engine, Mode::Write, &rows, |txn, [mine, other]| {
                    Box::pin(async move {
                        let free = txn.get(std::slice::from_ref(other)).await?[0].is_none();
                        if free {
                            txn.put(mine.clone(), key("taken"));
                        }
                        Ok::<_, StoreError>(free)
                    })
                })
                .await
                .unwrap()
            }
        });
        assert_eq!(won.await.iter().filter(|won| **won).count(), 1);
    }
}

/// Each adds a row numbered by how many it found: no number comes twice.
async fn no_phantoms(engine: Shared) {
    let mut numbers = at_once(24, |_| {
        let engine = Arc::clone(&engine);
        async move {
            transact(&*engine, Mode::Write, &(), |txn, ()| {
                Box::pin(async move {
                    let found = txn
                        .scan(key("row-")..key("row."), 1000, Order::Ascending)
                        .await?
                        .len();
                    txn.put(key(&format!("row-{found:04}")), Bytes::new());
                    Ok::<_, StoreError>(found)
                })
            })
            .await
            .unwrap()
        }
    })
    .await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..24).collect::<Vec<_>>());
}

async fn a_transaction_reads_its_own_writes(engine: Shared) {
    put_all(&engine, &[("a", "old"), ("b", "old"), ("c", "old")]).await;
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    txn.put(key("a"), key("new"));
    txn.delete(key("b"));
    txn.delete(key("c"));
    txn.put(key("c"), key("back"));
    txn.put(key("d"), key("new"));
    txn.delete(key("d"));
    let keys = ["a", "b", "c", "d", "a"].map(key);
    let expect = [Some("new"), None, Some("back"), None, Some("new")].map(|v| v.map(key));
    assert_eq!(txn.get(&keys).await.unwrap(), expect);
    txn.commit().await.unwrap();
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    assert_eq!(txn.get(&keys).await.unwrap(), expect);
}

async fn a_scan_mixes_in_own_writes(engine: Shared) {
    put_all(&engine, &[("b", "1"), ("d", "1"), ("f", "1"), ("h", "1")]).await;
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for own in ["a", "c", "f", "i"] {
        txn.put(key(own), key("2"));
    }
    txn.delete(key("d"));
    txn.delete(key("x"));
    let rows = [
        ("a", "2"),
        ("b", "1"),
        ("c", "2"),
        ("f", "2"),
        ("h", "1"),
        ("i", "2"),
    ];
    let mut rows = rows.map(|(name, value)| (key(name), key(value))).to_vec();
    let all = key("a")..key("z");
    for limit in 0..8 {
        let found = txn
            .scan(all.clone(), limit, Order::Ascending)
            .await
            .unwrap();
        assert_eq!(found, rows[..limit.min(6)], "limit {limit}");
    }
    let found = txn
        .scan(key("b")..key("h"), 9, Order::Ascending)
        .await
        .unwrap();
    assert_eq!(found, rows[1..4]);
    rows.reverse();
    for limit in 0..8 {
        let found = txn
            .scan(all.clone(), limit, Order::Descending)
            .await
            .unwrap();
        assert_eq!(found, rows[..limit.min(6)], "limit {limit}");
    }
}

async fn a_range_has_its_start_but_not_its_end(engine: Shared) {
    put_all(&engine, &[("a", ""), ("b", ""), ("ba", ""), ("c", "")]).await;
    let cases: [(&str, &str, &[&str]); 7] = [
        ("a", "c", &["a", "b", "ba"]),
        ("b", "ba", &["b"]),
        ("b", "b", &[]),
        ("c", "a", &[]),
        ("aa", "bz", &["b", "ba"]),
        ("", "b", &["a"]),
        ("bb", "zzz", &["c"]),
    ];
    for (from, to, expect) in cases {
        assert_eq!(
            names(&engine, from, to, 9, Order::Ascending).await,
            expect,
            "{from}..{to}"
        );
        let mut reversed = expect.to_vec();
        reversed.reverse();
        assert_eq!(
            names(&engine, from, to, 9, Order::Descending).await,
            reversed,
            "{from}..{to}"
        );
    }
    assert_eq!(
        names(&engine, "a", "d", 2, Order::Ascending).await,
        ["a", "b"]
    );
    assert_eq!(
        names(&engine, "a", "d", 2, Order::Descending).await,
        ["c", "ba"]
    );
}

/// Eight append at once while others read on from where they were: nobody ever misses a row.
async fn appended_rows_lie_in_the_order_of_their_commits(engine: Shared) {
    put_all(&engine, &[("log", "of another prefix"), ("logz", "too")]).await;
    let read_on = |engine: Shared, mode| async move {
        let mut seen: Vec<(Key, Bytes)> = Vec::new();
        let mut from = key("log!");
        while seen.len() < 8 * 20 * 2 {
            let mut txn = engine.begin(mode).await.unwrap();
            let page = txn.scan(from.clone()..key("log\""), 7, Order::Ascending);
            let page = page.await.unwrap();
            txn.settle().await.unwrap();
            if let Some((last, _)) = page.last() {
                from = Bytes::from([last.as_ref(), b"\0"].concat());
            }
            seen.extend(page);
            tokio::task::yield_now().await;
        }
        seen
    };
    let modes = [
        Mode::Read,
        Mode::ReadInPassing,
        Mode::ReadDurable,
        Mode::Write,
    ];
    let readers = modes.map(|mode| tokio::spawn(read_on(Arc::clone(&engine), mode)));
    at_once(8, |me| {
        let engine = Arc::clone(&engine);
        async move {
            for turn in 0..20 {
                let mut txn = engine.begin(Mode::Write).await.unwrap();
                txn.append(key("log!"), key(&format!("{me}-{turn:02}a")));
                txn.append(key("log!"), key(&format!("{me}-{turn:02}b")));
                let all = key("log!")..key("log\"");
                let before = txn.scan(all, 1000, Order::Ascending).await.unwrap();
                assert_eq!(before.len() % 2, 0, "its own are not there yet");
                match turn % 10 {
                    9 => drop(txn),
                    _ => txn.commit().await.unwrap(),
                }
                if turn % 10 == 9 {
                    let mut txn = engine.begin(Mode::Write).await.unwrap();
                    txn.append(key("log!"), key(&format!("{me}-{turn:02}a")));
                    txn.append(key("log!"), key(&format!("{me}-{turn:02}b")));
                    txn.commit().await.unwrap();
                }
            }
        }
    })
    .await;
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    let all = txn.scan(key("log!")..key("log\""), 1000, Order::Ascending);
    let all = all.await.unwrap();
    drop(txn);
    assert_eq!(all.len(), 8 * 20 * 2);
    for (row, _) in &all {
        assert_eq!(row.len(), b"log!".len() + APPENDED_KEY_BYTES);
    }
    for me in 0..8 {
        let mine = |(_, value): &&(Key, Bytes)| value.starts_with(&[b'0' + me]);
        let values: Vec<&Bytes> = all.iter().filter(mine).map(|(_, value)| value).collect();
        assert!(values.is_sorted(), "{values:?}");
    }
    for pair in all.chunks(2) {
        let [(_, one), (_, two)] = pair else { panic!() };
        assert_eq!(one[..4], two[..4], "of one commit");
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), all);
    }
}

async fn only_a_commit_changes_anything(engine: Shared) {
    put_all(&engine, &[("kept", "1")]).await;
    for ending in ["dropped", "settled"] {
        let mut txn = engine.begin(Mode::Write).await.unwrap();
        txn.put(key(ending), key("1"));
        txn.delete(key("kept"));
        match ending {
            "settled" => txn.settle().await.unwrap(),
            _ => drop(txn),
        }
    }
    assert_eq!(
        names(&engine, "a", "z", 9, Order::Ascending).await,
        ["kept"]
    );
}

async fn a_read_transaction_cannot_write(engine: Shared) {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    txn.put(key("a"), key("1"));
    assert!(matches!(
        txn.commit().await,
        Err(CommitError::Failed(StoreError::Failed(_)))
    ));
    assert_eq!(get(&engine, "a").await, None);
    engine
        .begin(Mode::Read)
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
    engine
        .begin(Mode::Read)
        .await
        .unwrap()
        .settle()
        .await
        .unwrap();
}

async fn an_empty_commit_is_fine(engine: Shared) {
    engine
        .begin(Mode::Write)
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    txn.delete(key("never there"));
    txn.commit().await.unwrap();
    assert_eq!(names(&engine, "", "z", 9, Order::Ascending).await, [""; 0]);
}

async fn what_exceeds_a_limit_is_refused_whole(engine: Shared) {
    let limits = engine.limits();
    let long = |len: usize| Bytes::from(vec![b'x'; len]);
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    txn.put(long(limits.key_bytes_max), long(limits.value_bytes_max));
    txn.commit().await.unwrap();
    let rows = [
        (key("value"), long(limits.value_bytes_max + 1)),
        (long(limits.key_bytes_max + 1), Bytes::new()),
    ];
    for (name, value) in rows {
        let mut txn = engine.begin(Mode::Write).await.unwrap();
        txn.put(key("companion"), key("1"));
        txn.put(name, value);
        let refused = txn.commit().await;
        assert!(
            matches!(refused, Err(CommitError::Failed(StoreError::TooLarge(_)))),
            "{refused:?}"
        );
    }
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for row in 0..=limits.rows_per_transaction_max {
        txn.put(key(&format!("m{row}")), Bytes::new());
    }
    let refused = txn.commit().await;
    assert!(
        matches!(refused, Err(CommitError::Failed(StoreError::TooLarge(_)))),
        "{refused:?}"
    );
    assert_eq!(names(&engine, "a", "w", 9, Order::Ascending).await, [""; 0]);
}

async fn the_rows_of_the_engine_are_its_own(engine: Shared) {
    for name in [b"\0commit".as_slice(), b"\0format", b"\0", b""] {
        let mut txn = engine.begin(Mode::Write).await.unwrap();
        txn.append(Bytes::from_static(name), key("1"));
        assert!(txn.commit().await.is_err(), "{name:?}");
        let mut txn = engine.begin(Mode::Write).await.unwrap();
        assert_eq!(txn.get(&[Bytes::from_static(name)]).await.unwrap(), [None]);
        txn.put(Bytes::from_static(name), key("1"));
        assert!(txn.commit().await.is_err(), "{name:?}");
    }
    put_all(&engine, &[("a", "1")]).await;
    assert_eq!(names(&engine, "", "z", 9, Order::Ascending).await, ["a"]);
    assert_eq!(names(&engine, "\0", "z", 9, Order::Descending).await, ["a"]);
}

async fn ten_thousand_rows_fit_in_one_transaction(engine: Shared) {
    let name = |row: usize| format!("row{row:05}");
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for row in 0..10_000 {
        txn.put(key(&name(row)), key("some value"));
    }
    txn.commit().await.unwrap();
    let expect: Vec<String> = (0..10_000).map(name).collect();
    assert_eq!(
        names(&engine, "row", "rox", 20_000, Order::Ascending).await,
        expect
    );
    assert_eq!(
        names(&engine, "row", "rox", 700, Order::Ascending).await,
        expect[..700]
    );
    let last: Vec<String> = expect.iter().rev().take(700).cloned().collect();
    assert_eq!(
        names(&engine, "row", "rox", 700, Order::Descending).await,
        last
    );
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for row in expect.iter().filter(|row| !row.ends_with('7')) {
        txn.delete(key(row));
    }
    let left = txn
        .scan(key("row")..key("rox"), 20_000, Order::Ascending)
        .await
        .unwrap();
    assert_eq!(left.len(), 1000);
    txn.commit().await.unwrap();
    assert_eq!(
        names(&engine, "row", "rox", 20_000, Order::Descending)
            .await
            .len(),
        1000
    );
}

async fn a_read_view_holds_while_writers_run(engine: Shared) {
    put_all(&engine, &[("left", "0"), ("right", "0")]).await;
    at_once(8, |me| {
        let engine = Arc::clone(&engine);
        async move {
            for turn in 0..50 {
                if me < 4 {
                    let value = format!("{me}-{turn}");
                    put_all(&engine, &[("left", &value), ("right", &value)]).await;
                } else {
                    let mut txn = engine.begin(Mode::Read).await.unwrap();
                    let left = txn.get(&[key("left")]).await.unwrap();
                    tokio::task::yield_now().await;
                    let right = txn.get(&[key("right")]).await.unwrap();
                    assert_eq!(left, right);
                    let both = txn
                        .scan(key("l")..key("s"), 9, Order::Ascending)
                        .await
                        .unwrap();
                    assert_eq!(both[0].1, both[1].1);
                    txn.settle().await.unwrap();
                }
            }
        }
    })
    .await;
}

/// A caller may give up waiting for a commit; the others must not notice.
async fn an_abandoned_commit_blocks_nobody(engine: Shared) {
    for turn in 0..50 {
        let mut txn = engine.begin(Mode::Write).await.unwrap();
        txn.put(key(&format!("row{turn}")), key("1"));
        let commit = txn.commit();
        let abandoned = async { tokio::task::yield_now().await };
        tokio::select! { biased; _ = commit => {}, () = abandoned => {} }
    }
    put_all(&engine, &[("after", "1")]).await;
    assert_eq!(get(&engine, "after").await, Some(key("1")));
}

macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(std::sync::Arc::new(super::MemoryEngine::new())).await;
            })*
        }
        mod on_sled {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let dir = tempfile::tempdir().unwrap();
                let engine = super::sled(&dir);
                super::$test(std::sync::Arc::clone(&engine)).await;
                engine.close().await.unwrap();
                assert!(engine.begin(super::Mode::Read).await.is_err(), "closed");
            })*
        }
    };
}

conformance! {
    no_update_is_lost,
    no_write_skew_on_absent_rows,
    no_phantoms,
    a_transaction_reads_its_own_writes,
    a_scan_mixes_in_own_writes,
    a_range_has_its_start_but_not_its_end,
    appended_rows_lie_in_the_order_of_their_commits,
    only_a_commit_changes_anything,
    a_read_transaction_cannot_write,
    an_empty_commit_is_fine,
    what_exceeds_a_limit_is_refused_whole,
    the_rows_of_the_engine_are_its_own,
    ten_thousand_rows_fit_in_one_transaction,
    a_read_view_holds_while_writers_run,
    an_abandoned_commit_blocks_nobody,
    a_snapshot_shows_one_moment,
    snapshots_do_not_mix,
    what_others_appended_lies_before_what_is_appended,
}

#[tokio::test]
async fn sled_keeps_rows_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for turn in 0..5 {
        let engine = sled(&dir);
        assert_eq!(
            names(&engine, "a", "z", 99, Order::Ascending).await.len(),
            turn
        );
        put_all(&engine, &[(&format!("row{turn}"), "1")]).await;
        // A number that was left out stays left out.
        let number = engine.snapshot().await.unwrap().number();
        assert!(number >= 1_000 * turn as u64, "{number}");
        engine.skip_to(number + 1_000).await.unwrap();
        engine.close().await.unwrap();
        engine.close().await.unwrap();
    }
}
