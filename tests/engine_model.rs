//! Random operations over a few keys: sled must do and say what the model engine does and says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::store::engine::{Engine, Key, Mode, Order};
use lockkeeper::store::memory::MemoryEngine;
use lockkeeper::store::sled::{SledEngine, SledOptions};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

type Shared = Arc<dyn Engine>;

#[derive(Debug, Clone)]
enum Op {
    Put(Key, Bytes),
    Delete(Key),
    Get(Vec<Key>),
    Scan(Key, Key, usize, Order),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Commit,
    Drop,
    Settle,
}

/// Few and similar keys, so that operations meet.
fn any_key() -> impl Strategy<Value = Key> {
    prop::collection::vec(prop::sample::select(vec![0_u8, 1, b'a', b'b', 255]), 0..3)
        .prop_map(|tail| Bytes::from([b"k".as_slice(), &tail].concat()))
}

fn any_op() -> impl Strategy<Value = Op> {
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    let value = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        4 => (any_key(), value).prop_map(|(key, value)| Op::Put(key, value.into())),
        2 => any_key().prop_map(Op::Delete),
        1 => prop::collection::vec(any_key(), 0..4).prop_map(Op::Get),
        2 => (any_key(), any_key(), 0..9_usize, order)
            .prop_map(|(from, to, limit, order)| Op::Scan(from, to, limit, order)),
    ]
}

fn any_transaction() -> impl Strategy<Value = (Vec<Op>, End)> {
    let end = prop_oneof![4 => Just(End::Commit), 1 => Just(End::Drop), 1 => Just(End::Settle)];
    (prop::collection::vec(any_op(), 0..12), end)
}

/// What a transaction saw, and everything there is after it. Every case has a `prefix` of its own.
async fn run(engine: &Shared, prefix: &[u8], ops: &[Op], end: End) -> Vec<(Key, Option<Bytes>)> {
    let own = |key: &Key| Bytes::from([prefix, key].concat());
    let some = |rows: Vec<(Key, Bytes)>| rows.into_iter().map(|(key, value)| (key, Some(value)));
    let mut seen = Vec::new();
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    for op in ops {
        match op {
            Op::Put(key, value) => txn.put(own(key), value.clone()),
            Op::Delete(key) => txn.delete(own(key)),
            Op::Get(keys) => {
                let keys: Vec<Key> = keys.iter().map(own).collect();
                let values = txn.get(&keys).await.unwrap();
                seen.extend(keys.into_iter().zip(values));
            }
            Op::Scan(from, to, limit, order) => {
                seen.extend(some(
                    txn.scan(own(from)..own(to), *limit, *order).await.unwrap(),
                ));
            }
        }
    }
    match end {
        End::Commit => txn.commit().await.unwrap(),
        End::Drop => drop(txn),
        End::Settle => txn.settle().await.unwrap(),
    }
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    let all = own(&Bytes::from_static(b"a"))..own(&Bytes::from_static(b"z"));
    seen.extend(some(txn.scan(all, 1000, Order::Ascending).await.unwrap()));
    let mut txn = engine.begin(Mode::ReadInPassing).await.unwrap();
    let keys: Vec<Key> = seen.iter().map(|(key, _)| key.clone()).collect();
    let values = txn.get(&keys).await.unwrap();
    seen.extend(keys.into_iter().zip(values));
    seen
}

#[test]
fn sled_does_what_memory_does() {
    let dir = tempfile::tempdir().unwrap();
    // So small that rows are on their way into sled all the time.
    let options = SledOptions {
        journal_bytes: 4096,
        ..SledOptions::default()
    };
    let sled = SledEngine::open(dir.path(), options).unwrap();
    let engines: [Shared; 2] = [Arc::new(MemoryEngine::new()), Arc::new(sled)];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let case = Cell::new(0_u32);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 200,
        ..ProptestConfig::default()
    });
    let result = runner.run(
        &prop::collection::vec(any_transaction(), 1..12),
        |transactions| {
            case.set(case.get() + 1);
            let prefix = [b"t".as_slice(), &case.get().to_be_bytes()].concat();
            for (ops, end) in transactions {
                let [memory, sled] = engines
                    .each_ref()
                    .map(|engine| runtime.block_on(run(engine, &prefix, &ops, end)));
                prop_assert_eq!(memory, sled);
            }
            Ok(())
        },
    );
    result.unwrap();
    runtime.block_on(engines[1].close()).unwrap();
}
