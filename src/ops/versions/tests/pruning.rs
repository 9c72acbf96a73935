//! What goes when there are too many, or when they are too old.

use futures_util::FutureExt as _;

use super::*;
use crate::store::engine::Mode;

const DAY: u64 = 24 * 3600;

async fn assert_no_rows(engine: &Arc<dyn Engine>) {
    for kind in [b'v', b'f', b'c', b'g'] {
        let left = rows(engine, kind).await;
        assert_eq!(left, [], "rows {:?}", char::from(kind));
    }
}

#[tokio::test]
async fn as_many_are_kept_as_configured_and_their_content_no_longer() {
    for (keep, kept) in [(0, vec![5]), (1, vec![5, 4]), (2, vec![5, 4, 3])] {
        let folder = tempfile::tempdir().unwrap();
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let dav = start(&engine, Blobs::open(folder.path(), 0).unwrap(), keep).await;
        for letter in b'a'..=b'e' {
            put(&dav, &ask("/f", 0), letter, LARGE).await;
        }
        assert_eq!(files(&dav).await, kept.len());
        assert_eq!(numbers(&dav, "/f").await, kept);
        for number in kept {
            let letter = char::from(b'a' - 1 + u8::try_from(number).unwrap());
            assert_eq!(letters(&dav, "/f", number).await, (letter, LARGE));
        }
        let gone = dav.read_version(&ask("/f", 0), 1).await;
        assert_eq!(gone.err(), Some(DavError::NotFound));
        dav.delete(&ask("/f", 0)).await.unwrap();
        assert_eq!(files(&dav).await, 0);
    }
}

/// Nothing but the round over all versions knows of them.
#[tokio::test]
async fn the_sweep_finds_what_a_new_configuration_no_longer_keeps() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let before = start(&engine, Blobs::memory(), 300).await;
    for file in ["/a", "/f", "/z"] {
        for _ in 0..=250 {
            put(&before, &ask(file, 0), b'x', 1).await;
        }
    }
    before.sweep(NOW).await.unwrap();
    assert_eq!(numbers(&before, "/f").await.len(), 251);
    drop(before);
    let after = start(&engine, Blobs::memory(), 2).await;
    after.sweep(NOW).await.unwrap();
    for file in ["/a", "/f", "/z"] {
        assert_eq!(numbers(&after, file).await, [251, 250, 249]);
    }
}

/// An engine takes so many rows in one transaction, and a collection has no bound.
#[tokio::test]
async fn a_sweep_counts_old_versions_and_leaves_none() {
    const FILES: usize = 14;
    const VERSIONS: usize = 300;
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = start(&engine, Blobs::memory(), 1000).await;
    dav.make_collection(&ask("/c", 0)).await.unwrap();
    for n in 0..FILES {
        let file = ask(&format!("/c/{n}"), 0);
        put(&dav, &file, b'x', 3).await;
        for _ in 0..VERSIONS {
            dav.restore(&file, 1).await.unwrap();
        }
    }
    dav.delete(&ask("/c", 0)).await.unwrap();
    let step = dav.write(&NOW, |txn, now| {
        Box::pin(async move { Ok(Tx::new(txn, *now).reap(FILES + 1, None).await?.count) })
    });
    let reaped = step.await.unwrap();
    assert!((2..FILES).contains(&reaped), "{reaped} in one step");
    dav.sweep(NOW).await.unwrap();
    assert_no_rows(&engine).await;
}

/// Its age is that of its successor: what was overwritten by mistake today is never too old.
#[tokio::test]
async fn an_old_version_ages_from_the_day_it_was_replaced() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let versions = Versions {
        keep_days: 3,
        ..Versions::default()
    };
    let dav = start_with(&engine, Blobs::memory(), versions).await;
    for (day, letter) in [(0, b'a'), (10, b'b'), (11, b'c'), (12, b'd')] {
        put(&dav, &ask("/f", day * DAY), letter, 3).await;
    }
    let expected: [(u64, &[u32]); 6] = [
        (12 * DAY, &[4, 3, 2, 1]),
        (13 * DAY - 1, &[4, 3, 2, 1]),
        (13 * DAY, &[4, 3, 2]),
        (14 * DAY, &[4, 3]),
        (15 * DAY, &[4]),
        (9999 * DAY, &[4]),
    ];
    for (seconds, kept) in expected {
        dav.sweep(NOW.plus_seconds(seconds)).await.unwrap();
        assert_eq!(numbers(&dav, "/f").await, kept, "after {seconds} s");
    }
}

/// The upload itself removes nothing; it asks for a sweep when there is something to remove.
#[tokio::test]
async fn an_upload_leaves_pruning_to_the_sweep() {
    let dav = in_memory(2).await;
    let is_due = || dav.content_ended().now_or_never().is_some();
    for expected in [false, false, false, true, true] {
        put(&dav, &ask("/f", 0), b'x', 3).await;
        assert_eq!(is_due(), expected);
    }
    assert_eq!(numbers(&dav, "/f").await, [5, 4, 3, 2, 1]);
    dav.sweep(NOW).await.unwrap();
    assert_eq!(numbers(&dav, "/f").await, [5, 4, 3]);
    put(&dav, &ask("/g", 0), b'y', 3).await;
    for (asks, source) in [(true, "/g"), (true, "/f")] {
        let (yes, all) = (Overwrite::Yes, CopyDepth::Infinity);
        let to = if source == "/g" { "/f" } else { "/g" };
        let copied = dav.copy(&ask(source, 0), &path(to), yes, all).await;
        assert_eq!((copied, is_due()), (Ok(Outcome::Replaced), asks));
    }
    dav.restore(&ask("/f", 0), 5).await.unwrap();
    dav.sweep(NOW).await.unwrap();
    assert_eq!(numbers(&dav, "/f").await, [7, 6, 5]);
    assert_eq!(numbers(&dav, "/g").await, [2, 1]);
}

/// Of a file with very many versions some may be left when it has ended.
#[tokio::test]
async fn versions_without_a_file_go() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = start(&engine, Blobs::memory(), 10).await;
    for letter in [b'x', b'y'] {
        put(&dav, &ask("/f", 0), letter, 3).await;
    }
    let (key, version) = rows(&engine, b'v').await.remove(0);
    let (uses, contents) = (rows(&engine, b'f').await, rows(&engine, b'c').await);
    dav.delete(&ask("/f", 0)).await.unwrap();
    assert_no_rows(&engine).await;
    let mut txn = engine.begin(Mode::Write).await.unwrap();
    txn.put(key, version);
    txn.put(uses[0].0.clone(), uses[0].1.clone());
    txn.put(contents[0].0.clone(), contents[0].1.clone());
    txn.commit().await.unwrap();
    dav.sweep(NOW).await.unwrap();
    assert_no_rows(&engine).await;
}

/// As a program on a mount does that saves and saves, while the sweep comes by now and then.
async fn assert_bounded(size: usize, uploads: u32) {
    const KEEP: u32 = 10;
    const BETWEEN_SWEEPS: u32 = 97;
    let folder = tempfile::tempdir().unwrap();
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = start(&engine, Blobs::open(folder.path(), 0).unwrap(), KEEP).await;
    let mut tags = std::collections::HashSet::new();
    let letter_of = |number: u32| b'a' + u8::try_from(number % 26).unwrap();
    for number in 1..=uploads {
        let file = put(&dav, &ask("/f", 0), letter_of(number), size).await;
        assert!(tags.insert(file.etag().unwrap().to_string()));
        if !number.is_multiple_of(BETWEEN_SWEEPS) && number != uploads {
            continue;
        }
        dav.sweep(NOW).await.unwrap();
        let kept: Vec<u32> = (number - KEEP..=number).rev().collect();
        assert_eq!(numbers(&dav, "/f").await, kept);
        for old in kept {
            let letter = char::from(letter_of(old));
            assert_eq!(letters(&dav, "/f", old).await, (letter, size));
        }
        let places = rows(&engine, b'c').await.len() + count_files(&dav).await;
        let counts = (rows(&engine, b'v').await.len(), places);
        assert_eq!(counts, (10, 11), "after {number} uploads");
        assert_eq!(rows(&engine, b'f').await.len(), 11);
    }
}

#[tokio::test]
async fn ten_thousand_uploads_leave_no_more_than_is_kept() {
    assert_bounded(3, 10_000).await;
}

#[tokio::test]
async fn a_thousand_large_uploads_leave_no_more_than_is_kept() {
    assert_bounded(LARGE, 1000).await;
}
