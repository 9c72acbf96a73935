//! A snapshot shows one moment, whatever others do while it is read.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper::store::engine::{Key, Mode, Order, Snapshot};

use super::{Shared, get, key, put_all};

async fn all(engine: &Shared) -> BTreeMap<Key, Bytes> {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    let range = Bytes::from_static(&[1])..Bytes::from_static(&[255; 9]);
    let rows = txn.scan(range, 100_000, Order::Ascending).await.unwrap();
    rows.into_iter().collect()
}

async fn rest(snapshot: &mut dyn Snapshot, page: usize) -> BTreeMap<Key, Bytes> {
    let mut rows = BTreeMap::new();
    loop {
        let next = snapshot.next(page).await.unwrap();
        if next.is_empty() {
            return rows;
        }
        assert!(next.len() <= page);
        for (key, value) in next {
            assert!(rows.last_key_value().is_none_or(|(last, _)| *last < key));
            rows.insert(key, value);
        }
    }
}

/// Changes everything: some rows go, some come, all others get another value.
async fn churn(engine: &Shared, turn: usize) {
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for row in 0..600 {
        let name = key(&format!("row{row:03}"));
        match (row * 7 + turn * 13) % 5 {
            0 => txn.delete(name),
            _ => txn.put(name, key(&format!("{turn}-{row}"))),
        }
    }
    txn.append(key("log"), key(&turn.to_string()));
    txn.commit().await.unwrap();
}

pub(crate) async fn a_snapshot_shows_one_moment(engine: Shared) {
    for (turn, page) in [1_000, 600, 7, 100, 1].into_iter().enumerate() {
        churn(&engine, turn * 10).await;
        let (before, mut snapshot) = (all(&engine).await, engine.snapshot().await.unwrap());
        let mut seen = BTreeMap::new();
        for step in 1..4 {
            churn(&engine, turn * 10 + step).await;
            seen.extend(snapshot.next(page).await.unwrap());
        }
        seen.extend(rest(&mut *snapshot, page).await);
        assert!(seen == before, "in pages of {page}");
        churn(&engine, turn * 10 + 4).await;
        assert!(
            snapshot.next(page).await.unwrap().is_empty(),
            "it has ended"
        );
    }
}

pub(crate) async fn snapshots_do_not_mix(engine: Shared) {
    let mut moments = Vec::new();
    for turn in 0..4 {
        churn(&engine, turn).await;
        moments.push((all(&engine).await, engine.snapshot().await.unwrap()));
    }
    let numbers: Vec<_> = moments.iter().map(|(_, at)| at.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    // A reader that went away costs nothing and stops nobody.
    drop(moments.remove(1));
    for (before, mut snapshot) in moments {
        assert!(rest(&mut *snapshot, 64).await == before);
    }
}

pub(crate) async fn what_others_appended_lies_before_what_is_appended(engine: Shared) {
    churn(&engine, 0).await;
    let number = engine.snapshot().await.unwrap().number();
    engine.skip_to(number + 1_000_000).await.unwrap();
    engine.skip_to(3).await.unwrap();
    churn(&engine, 1).await;
    assert!(engine.snapshot().await.unwrap().number() > number + 1_000_000);
    put_all(&engine, &[("after", "1")]).await;
    assert_eq!(get(&engine, "after").await, Some(key("1")));
}
