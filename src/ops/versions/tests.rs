mod folding;
mod histories;
mod labels;
mod pruning;
mod sources;

use std::sync::Arc;

use super::*;
use crate::blobs::Blobs;
use crate::config::{Config, Versions};
use crate::lock::{LockDepth, LockScope};
use crate::ops::content::Manner;
use crate::ops::copy::CopyDepth;
use crate::ops::intake::Intake;
use crate::ops::locking::LockAsk;
use crate::protocol::headers::{Overwrite, RequestedTimeout};
use crate::protocol::path::DavPath;
use crate::resource::{ContentId, INLINE_BYTES_MAX};
use crate::rights::{Grantee, Role};
use crate::store::engine::{Engine, Key, Mode, Order};
use crate::store::memory::MemoryEngine;

const NOW: Timestamp = Timestamp(1_000_000);
const ALICE: u128 = 1;
const BOB: u128 = 2;
/// Bytes of a version that has a file of its own.
const LARGE: usize = INLINE_BYTES_MAX + 1;

fn path(text: &str) -> DavPath {
    DavPath::parse(text, 4096).unwrap()
}

/// What alice asks, so many seconds after the beginning.
fn ask(at: &str, seconds: u64) -> Ask {
    Ask::of(path(at), NOW.plus_seconds(seconds))
}

fn by(user: u128, ask: Ask) -> Ask {
    let mut ask = ask;
    ask.principal.id = UserId(uuid::Uuid::from_u128(user));
    ask
}

/// A tree that keeps `keep` old versions, in a folder when content files shall be counted.
async fn start(engine: &Arc<dyn Engine>, blobs: Blobs, keep: u32) -> Dav {
    let versions = Versions {
        keep,
        ..Versions::default()
    };
    start_with(engine, blobs, versions).await
}

async fn start_with(engine: &Arc<dyn Engine>, blobs: Blobs, versions: Versions) -> Dav {
    let config = Config {
        versions,
        ..Config::default()
    };
    let dav = Dav::new(Arc::clone(engine), blobs, config, NOW).await;
    dav.unwrap()
}

async fn in_memory(keep: u32) -> Dav {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    start(&engine, Blobs::memory(), keep).await
}

async fn put(dav: &Dav, ask: &Ask, letter: u8, size: usize) -> Resource {
    try_put(dav, ask, letter, size).await.unwrap()
}

async fn try_put(dav: &Dav, ask: &Ask, letter: u8, size: usize) -> Result<Resource, DavError> {
    let mut intake = Intake::new(dav, None).unwrap();
    intake.push(Bytes::from(vec![letter; size])).await.unwrap();
    let content = intake.finish(None).await.unwrap();
    let uploaded = dav.upload(ask, content, Manner::default()).await?;
    Ok(uploaded.file)
}

/// The rows of one kind, in their order.
async fn rows(engine: &Arc<dyn Engine>, kind: u8) -> Vec<(Key, Bytes)> {
    let mut txn = engine.begin(Mode::Read).await.unwrap();
    let all = Bytes::copy_from_slice(&[kind])..Bytes::copy_from_slice(&[kind + 1]);
    txn.scan(all, usize::MAX, Order::Ascending).await.unwrap()
}

async fn numbers(dav: &Dav, at: &str) -> Vec<u32> {
    let history = dav.history(&ask(at, 0)).await.unwrap();
    history.iter().map(|version| version.number).collect()
}

/// The bytes of a version as one letter and how many there are of it.
async fn letters(dav: &Dav, at: &str, number: u32) -> (char, usize) {
    let (_, mut source) = dav.read_version(&ask(at, 0), number).await.unwrap();
    let bytes = source.read(0, 1 << 20).await.unwrap();
    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]));
    (char::from(bytes[0]), bytes.len())
}

async fn files(dav: &Dav) -> usize {
    dav.sweep(NOW).await.unwrap();
    count_files(dav).await
}

async fn count_files(dav: &Dav) -> usize {
    let mut count = 0;
    for folder in 0..=u8::MAX {
        let listed = dav.blobs.list_older_than(ContentId(u64::MAX), folder);
        count += listed.await.unwrap().len();
    }
    count
}

fn wanted(kind: LockKind, scope: LockScope) -> LockAsk {
    LockAsk {
        scope,
        kind: Some(kind),
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Seconds(600),
        owner_xml: None,
        comment: None,
    }
}

#[tokio::test]
async fn the_history_tells_who_wrote_what_and_when() {
    let dav = in_memory(10).await;
    let first = put(&dav, &ask("/a", 1), b'x', 3).await;
    let second = put(&dav, &by(BOB, ask("/a", 2)), b'y', LARGE).await;
    assert_eq!(first.made_by, second.made_by, "whoever made the file");

    let history = dav.history(&ask("/a", 3)).await.unwrap();
    let told = |view: &VersionView| {
        let author = view.author.0.as_u128();
        (
            view.number,
            view.size,
            author,
            view.uploaded,
            view.is_current,
        )
    };
    let at = |seconds| NOW.plus_seconds(seconds);
    let large = LARGE as u64;
    assert_eq!(
        history.iter().map(told).collect::<Vec<_>>(),
        [(2, large, BOB, at(2), true), (1, 3, ALICE, at(1), false)]
    );
    assert_eq!(Some(&history[0].etag), second.etag().as_ref());
    assert_eq!(Some(&history[1].etag), first.etag().as_ref());
    assert_eq!(letters(&dav, "/a", 1).await, ('x', 3));
    assert_eq!(letters(&dav, "/a", 2).await, ('y', LARGE));
}

#[tokio::test]
async fn an_old_version_keeps_the_time_that_its_author_gave() {
    let dav = in_memory(10).await;
    let content = Intake::new(&dav, None).unwrap();
    let (long_ago, content) = (Timestamp(5), content.finish(Some("text/x".to_owned())));
    let file = ask("/a", 1);
    put(&dav, &file, b'x', 3).await;
    let manner = Manner {
        modified: Some(long_ago),
        ..Manner::default()
    };
    let uploaded = dav.upload(&file, content.await.unwrap(), manner).await;
    uploaded.unwrap();
    put(&dav, &ask("/a", 2), b'y', 3).await;

    let (then, _) = dav.read_version(&file, 2).await.unwrap();
    assert_eq!((then.modified, then.size()), (long_ago, Some(0)));
    let seen = &dav.history(&file).await.unwrap()[1];
    assert_eq!((seen.modified, seen.uploaded), (long_ago, file.now));
    assert_eq!(seen.media_type.as_deref(), Some("text/x"));
}

#[tokio::test]
async fn a_restored_version_is_the_next_one_and_shares_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = start(&engine, Blobs::open(folder.path(), 0).unwrap(), 2).await;
    for letter in [b'x', b'y'] {
        put(&dav, &ask("/f", 0), letter, LARGE).await;
    }
    let again = dav.restore(&by(BOB, ask("/f", 9)), 1).await.unwrap();
    assert_eq!(again.outcome, Outcome::Replaced);
    let content = again.file.content.clone().unwrap();
    assert_eq!((content.number, content.author.0.as_u128()), (3, BOB));
    assert_eq!(again.file.modified, NOW.plus_seconds(9));
    let history = dav.history(&ask("/f", 0)).await.unwrap();
    assert_eq!((history[0].number, history[0].is_current), (3, true));
    assert_ne!(history[0].etag, history[2].etag, "tags never repeat");
    assert_eq!(files(&dav).await, 2);

    // The present one once more; with it number 1 goes, whose bytes number 3 still needs.
    dav.restore(&ask("/f", 0), 3).await.unwrap();
    assert_eq!(files(&dav).await, 2);
    assert_eq!(numbers(&dav, "/f").await, [4, 3, 2]);
    assert_eq!(letters(&dav, "/f", 4).await, ('x', LARGE));
    assert_eq!(letters(&dav, "/f", 2).await, ('y', LARGE));
    for number in [0, 1, 5, u32::MAX] {
        let gone = dav.restore(&ask("/f", 0), number).await;
        assert_eq!(gone.err(), Some(DavError::NotFound));
    }
    dav.delete(&ask("/f", 0)).await.unwrap();
    assert_eq!(files(&dav).await, 0);
}

/// What the next version brings may be the content of the very version that goes with it.
#[tokio::test]
async fn the_oldest_version_is_restored_while_it_goes() {
    for size in [1, LARGE] {
        let dav = in_memory(1).await;
        for letter in [b'x', b'y'] {
            put(&dav, &ask("/f", 0), letter, size).await;
        }
        dav.restore(&ask("/f", 0), 1).await.unwrap();
        dav.sweep(NOW).await.unwrap();
        assert_eq!(numbers(&dav, "/f").await, [3, 2]);
        assert_eq!(letters(&dav, "/f", 3).await, ('x', size));
    }
}

#[tokio::test]
async fn a_restore_asks_conditions_and_locks_as_an_upload_does() {
    let dav = in_memory(10).await;
    let file = ask("/f", 0);
    for letter in [b'x', b'y'] {
        put(&dav, &file, letter, 3).await;
    }
    let stale = dav.history(&file).await.unwrap()[1].etag.clone();
    let mut headers = http::HeaderMap::new();
    headers.insert("If-Match", stale.to_string().parse().unwrap());
    let conditional = Ask {
        conditions: crate::protocol::headers::Conditions::from_headers(&headers).unwrap(),
        ..file.clone()
    };
    let refused = dav.restore(&conditional, 1).await;
    assert!(matches!(refused, Err(DavError::PreconditionFailed(_))));

    let check_out = wanted(LockKind::Persistent, LockScope::Exclusive);
    dav.lock(&file, &check_out).await.unwrap();
    let refused = dav.restore(&by(BOB, file.clone()), 1).await;
    assert!(matches!(refused, Err(DavError::Locked(_))), "{refused:?}");
    let restored = dav.restore(&file, 1).await.unwrap();
    let under = restored.file.content.unwrap().under.unwrap();
    assert_eq!(under.kind, LockKind::Persistent);
    assert_eq!(numbers(&dav, "/f").await, [3, 2, 1]);
}

#[tokio::test]
async fn conditions_of_a_download_are_held_against_the_version() {
    let dav = in_memory(10).await;
    let file = ask("/f", 0);
    for letter in [b'x', b'y'] {
        put(&dav, &file, letter, 3).await;
    }
    let old = dav.history(&file).await.unwrap()[1].etag.clone();
    let mut headers = http::HeaderMap::new();
    headers.insert("If-None-Match", old.to_string().parse().unwrap());
    let known = Ask {
        conditions: crate::protocol::headers::Conditions::from_headers(&headers).unwrap(),
        ..file
    };
    assert!(dav.read_version(&known, 2).await.is_ok());
    let unchanged = dav.read_version(&known, 1).await;
    assert!(matches!(unchanged, Err(DavError::NotModified)));
}

/// davfs2 and `LibreOffice` lock an address before they upload to it for the first time.
#[tokio::test]
async fn the_empty_file_that_a_lock_made_is_no_version_of_its_own() {
    let dav = in_memory(10).await;
    let mut file = ask("/f", 0);
    let exclusive = wanted(LockKind::Transient, LockScope::Exclusive);
    let taken = dav.lock(&file, &exclusive).await.unwrap();
    assert_eq!(numbers(&dav, "/f").await, [1]);
    file.lock_token = taken.view.token.map(|token| token.to_string());
    put(&dav, &file, b'x', 3).await;
    let history = dav.history(&file).await.unwrap();
    assert_eq!((history.len(), history[0].number), (1, 1));
    assert_eq!(history[0].under, Some(LockKind::Transient));
    dav.unlock(&file, file.lock_token.as_deref().unwrap())
        .await
        .unwrap();
    // An empty version that follows another one tells something: somebody emptied the file.
    put(&dav, &file, b'x', 0).await;
    put(&dav, &file, b'y', 3).await;
    assert_eq!(numbers(&dav, "/f").await, [3, 2, 1]);
}

#[tokio::test]
async fn a_check_out_counts_for_more_than_the_lock_of_a_program() {
    let dav = in_memory(10).await;
    let (folder, mut file) = (ask("/c", 0), ask("/c/f", 0));
    dav.make_collection(&folder).await.unwrap();
    put(&dav, &file, b'x', 3).await;
    let check_out = LockAsk {
        depth: LockDepth::Infinity,
        ..wanted(LockKind::Persistent, LockScope::Exclusive)
    };
    dav.lock(&folder, &check_out).await.unwrap();
    let opened = wanted(LockKind::Transient, LockScope::Exclusive);
    let taken = dav.lock(&file, &opened).await.unwrap();
    file.lock_token = taken.view.token.map(|token| token.to_string());
    let written = put(&dav, &file, b'y', 3).await.content.unwrap();
    assert_eq!(written.under.unwrap().kind, LockKind::Persistent);
}

#[tokio::test]
async fn a_move_onto_a_file_is_its_next_version_and_a_copy_begins_anew() {
    let dav = in_memory(10).await;
    for (at, letter) in [("/a", b'1'), ("/a", b'2'), ("/b", b'3'), ("/b", b'4')] {
        put(&dav, &ask(at, 0), letter, LARGE).await;
    }
    let original = dav.find(&ask("/b", 0)).await.unwrap();
    let mover = by(BOB, ask("/a", 5));
    dav.relocate(&mover, &path("/b"), Overwrite::Yes)
        .await
        .unwrap();
    let history = dav.history(&ask("/b", 0)).await.unwrap();
    let authors: Vec<_> = history.iter().map(|one| one.author.0.as_u128()).collect();
    assert_eq!(numbers(&dav, "/b").await, [3, 2, 1]);
    assert_eq!(authors, [BOB, ALICE, ALICE]);
    assert_eq!(letters(&dav, "/b", 3).await, ('2', LARGE));
    let moved = dav.find(&ask("/b", 0)).await.unwrap();
    assert_eq!((moved.id, moved.made_by), (original.id, original.made_by));

    let copier = by(BOB, ask("/b", 6));
    for expected in [vec![1], vec![2, 1]] {
        dav.copy(&copier, &path("/c"), Overwrite::Yes, CopyDepth::Infinity)
            .await
            .unwrap();
        assert_eq!(numbers(&dav, "/c").await, expected);
    }
    let copy = dav.find(&ask("/c", 0)).await.unwrap();
    let content = copy.content.as_ref().unwrap();
    assert_eq!(
        (copy.made_by, content.author),
        (copier.principal.id, copier.principal.id)
    );
    assert_eq!(content.uploaded, copier.now);
}

#[tokio::test]
async fn only_files_have_versions() {
    let dav = in_memory(10).await;
    dav.make_collection(&ask("/c", 0)).await.unwrap();
    let history = dav.history(&ask("/c", 0)).await.err();
    assert!(matches!(history, Some(DavError::NotAllowedHere(_))));
    let restored = dav.restore(&ask("/c", 0), 1).await.err();
    assert!(matches!(restored, Some(DavError::NotAllowedHere(_))));
    let nothing = dav.history(&ask("/none", 0)).await.err();
    assert_eq!(nothing, Some(DavError::NotFound));
}

#[tokio::test]
async fn who_may_read_sees_the_history_and_who_may_write_restores() {
    let dav = in_memory(10).await;
    let (folder, file) = (ask("/c", 0), ask("/c/f", 0));
    dav.make_collection(&folder).await.unwrap();
    for letter in [b'x', b'y'] {
        put(&dav, &file, letter, 3).await;
    }
    let mut admin = folder;
    admin.principal.admin = true;
    let everyone = async |role| {
        let granted = dav.set_grant(&admin, Grantee::Everyone, Some(role)).await;
        granted.unwrap();
    };
    everyone(Role::Reader).await;
    assert_eq!(numbers(&dav, "/c/f").await, [2, 1]);
    assert!(dav.read_version(&file, 1).await.is_ok());
    let refused = dav.restore(&file, 1).await;
    assert!(matches!(refused, Err(DavError::NeedsPrivilege { .. })));

    everyone(Role::None).await;
    let hidden = Some(DavError::NotFound);
    assert_eq!(dav.history(&file).await.err(), hidden);
    assert_eq!(dav.read_version(&file, 1).await.err(), hidden);
    assert_eq!(dav.restore(&file, 1).await.err(), hidden);
}
