//! Work that no request waits for: expired locks and credentials, detached trees, old versions,
//! unused content files.

use tokio::sync::watch;

use super::Dav;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::ContentId;
use crate::store::Reaped;
use crate::store::engine::Key;
use crate::store::tx::Tx;

/// How much one transaction of the sweep does, so that requests never wait long for it.
const PAGE: usize = 200;

/// How many members of deleted collections go at a time while others work.
const REAPED_MIN: usize = 8;

/// How many locks whose time has passed end at a time while others work.
const LAPSED_MIN: usize = 16;

/// How much each step of the sweep does: little while others work, since they wait for it, and
/// more when nobody else has changed anything meanwhile: then all that counts is to have fewer
/// syncs.
pub(super) struct Pace {
    commits: watch::Receiver<()>,
    min: usize,
    step: usize,
}

impl Pace {
    /// Begins with `min`.
    pub(super) fn new(dav: &Dav, min: usize) -> Self {
        let commits = dav.commits();
        let step = min;
        Self { commits, min, step }
    }

    /// What this step may do.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// To be called between two steps.
    pub(super) fn go_on(&mut self) {
        let are_others_at_work = self.commits.has_changed().unwrap_or(false);
        self.commits.mark_unchanged();
        self.step = if are_others_at_work {
            self.min
        } else {
            PAGE.min(self.step * 2)
        };
    }
}

impl Dav {
    /// Removes what has ended: locks and credentials whose time has passed, members of deleted
    /// collections, versions that are not kept, content files that nobody uses. Stops at the first
    /// error; the next sweep goes on.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DavError> {
        self.sweep_locks(now).await?;
        while self.sweep_credentials(now).await? == PAGE {}
        self.sweep_detached(now).await?;
        self.sweep_versions(now).await?;
        self.sweep_doubtful(now).await?;
        while self.sweep_content(now).await? == PAGE {}
        self.prune_events(now).await?;
        // Those that could not be written when they were noted.
        self.record_refusals().await?;
        // Locks may have lapsed; and who broke off right behind a commit has told nobody of it.
        self.tell_commit();
        Ok(())
    }

    /// Returns when content files may have become unused, so that a sweep is due before its time:
    /// overwriting large files again and again would fill the disk between two rounds.
    pub async fn content_ended(&self) {
        self.content_ended.notified().await;
    }

    async fn sweep_locks(&self, now: Timestamp) -> Result<(), DavError> {
        let mut pace = Pace::new(self, LAPSED_MIN);
        let mut after = self.end_lapsed_locks(now, None, pace.step()).await?;
        while after.is_some() {
            pace.go_on();
            after = self.end_lapsed_locks(now, after, pace.step()).await?;
        }
        Ok(())
    }

    async fn end_lapsed_locks(
        &self,
        now: Timestamp,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Option<Key>, DavError> {
        self.write(&(now, after), |txn, (now, after)| {
            Box::pin(async move {
                let page = (after.as_ref(), limit);
                Ok(Tx::new(txn, *now).end_lapsed_locks(page).await?)
            })
        })
        .await
    }

    async fn sweep_credentials(&self, now: Timestamp) -> Result<usize, DavError> {
        self.write(&now, |txn, now| {
            Box::pin(async move { Ok(Tx::new(txn, *now).end_expired_credentials(PAGE).await?) })
        })
        .await
    }

    async fn sweep_detached(&self, now: Timestamp) -> Result<(), DavError> {
        let mut pace = Pace::new(self, REAPED_MIN);
        let mut reaped = self.reap(now, pace.step(), None).await?;
        while reaped.count > 0 {
            pace.go_on();
            reaped = self.reap(now, pace.step(), Some(&reaped)).await?;
        }
        Ok(())
    }

    async fn reap(
        &self,
        now: Timestamp,
        limit: usize,
        before: Option<&Reaped>,
    ) -> Result<Reaped, DavError> {
        self.write(&(now, limit, before), |txn, (now, limit, before)| {
            Box::pin(async move { Ok(Tx::new(txn, *now).reap(*limit, *before).await?) })
        })
        .await
    }

    async fn sweep_content(&self, now: Timestamp) -> Result<usize, DavError> {
        // What is unused now may belong to a backup that is being made.
        let Ok(_may_remove) = self.content_kept.try_write() else {
            return Ok(0);
        };
        // A file must not go before the row that says nobody uses it.
        let unused = self
            .read_durable(&now, |txn, now| {
                Box::pin(async move { Ok(Tx::new(txn, *now).unused_content(PAGE).await?) })
            })
            .await?;
        self.blobs.remove(&unused).await?;
        if !unused.is_empty() {
            let forgetting = (now, &unused);
            self.write(&forgetting, |txn, (now, unused)| {
                Box::pin(async move {
                    let mut tx = Tx::new(txn, *now);
                    unused
                        .iter()
                        .for_each(|content| tx.forget_unused_content(*content));
                    Ok(())
                })
            })
            .await?;
        }
        Ok(unused.len())
    }

    /// Removes files of uploads that failed or were given up. Their transactions have ended one way
    /// or the other: content is doubtful only once its request runs no more.
    async fn sweep_doubtful(&self, now: Timestamp) -> Result<(), DavError> {
        let Ok(_may_remove) = self.content_kept.try_write() else {
            return Ok(());
        };
        loop {
            let Some(content) = self.doubtful().last().copied() else {
                return Ok(());
            };
            if !self.is_content_used(now, content).await? {
                self.blobs.remove(&[content]).await?;
            }
            self.doubtful().retain(|other| *other != content);
        }
    }

    /// Once at the start: removes content files of uploads that a crash cut off. Ids given out
    /// since belong to uploads under way and are left alone.
    pub async fn remove_orphans(&self, now: Timestamp) -> Result<u64, DavError> {
        let mut removed = 0;
        for folder in 0..=u8::MAX {
            let _may_remove = self.content_kept.write().await;
            for content in self
                .blobs
                .list_older_than(self.ids.first_free_at_start, folder)
                .await?
            {
                if !self.is_content_used(now, content).await? {
                    self.blobs.remove(&[content]).await?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    pub(super) async fn is_content_used(
        &self,
        now: Timestamp,
        content: ContentId,
    ) -> Result<bool, DavError> {
        let asking = (now, content);
        self.read_durable(&asking, |txn, (now, content)| {
            Box::pin(async move { Ok(Tx::new(txn, *now).is_content_used(*content).await?) })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::blobs::Blobs;
    use crate::config::Config;
    use crate::lock::{LockDepth, LockScope};
    use crate::ops::Ask;
    use crate::ops::content::{Manner, Outcome};
    use crate::ops::copy::CopyDepth;
    use crate::ops::intake::Intake;
    use crate::ops::locking::LockAsk;
    use crate::protocol::headers::{Overwrite, RequestedTimeout};
    use crate::protocol::path::DavPath;
    use crate::protocol::xml::{DeadProperty, PropertyPatch, QName};
    use crate::store::engine::{Engine, Mode};
    use crate::store::memory::MemoryEngine;

    const NOW: Timestamp = Timestamp(1000);

    fn ask(path: &str) -> Ask {
        Ask::of(DavPath::parse(path, 4096).expect("a path"), NOW)
    }

    async fn start(engine: &Arc<dyn Engine>, folder: &std::path::Path) -> Dav {
        let blobs = Blobs::open(folder, 0).expect("a folder");
        let mut config = Config::default();
        config.versions.keep = 1;
        Dav::new(Arc::clone(engine), blobs, config, NOW)
            .await
            .expect("a tree")
    }

    async fn large_upload(dav: &Dav) -> crate::store::NewContent {
        let mut intake = Intake::new(dav, None).expect("room");
        intake
            .push(Bytes::from(vec![7; 10_000]))
            .await
            .expect("written");
        intake.finish(None).await.expect("synced")
    }

    async fn empty(dav: &Dav) -> crate::store::NewContent {
        let intake = Intake::new(dav, None).expect("room");
        intake.finish(None).await.expect("nothing to sync")
    }

    fn property(number: usize) -> PropertyPatch {
        PropertyPatch::Set(DeadProperty {
            name: QName {
                ns: "urn:x".to_owned(),
                name: format!("p{number}"),
            },
            xml: format!("<p{number} xmlns=\"urn:x\"/>"),
        })
    }

    fn one_second() -> LockAsk {
        LockAsk {
            scope: LockScope::Exclusive,
            kind: None,
            depth: LockDepth::Zero,
            timeout: RequestedTimeout::Seconds(1),
            owner_xml: None,
            comment: None,
        }
    }

    async fn files(dav: &Dav) -> usize {
        let mut count = 0;
        for folder in 0..=u8::MAX {
            count += dav
                .blobs
                .list_older_than(ContentId(u64::MAX), folder)
                .await
                .unwrap()
                .len();
        }
        count
    }

    #[tokio::test]
    async fn a_start_removes_what_a_crash_left_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let before = start(&engine, folder.path()).await;
        for _version in 1..=2 {
            let kept = large_upload(&before).await;
            let uploaded = before.upload(&ask("/kept"), kept, Manner::default()).await;
            uploaded.expect("uploaded");
        }
        let _never_named = large_upload(&before).await;
        drop(before);

        let after = start(&engine, folder.path()).await;
        let _under_way = large_upload(&after).await;
        assert_eq!(files(&after).await, 4);
        assert_eq!(after.remove_orphans(NOW).await, Ok(1));
        assert_eq!(files(&after).await, 3);
        assert!(after.read_version(&ask("/kept"), 1).await.is_ok());
        assert!(after.read_version(&ask("/kept"), 2).await.is_ok());
    }

    #[tokio::test]
    async fn an_upload_given_up_at_its_last_step_leaves_no_file() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let folder = tempfile::tempdir().expect("a folder");
        let dav = start(&engine, folder.path()).await;
        let content = large_upload(&dav).await;
        let somebody = engine.begin(Mode::Write).await.expect("begun");
        let ask_a = ask("/a");
        let upload = dav.upload(&ask_a, content, Manner::default());
        assert!(upload.now_or_never().is_none(), "it waits for its turn");
        drop(somebody);
        assert_eq!(files(&dav).await, 1);
        dav.sweep(NOW).await.expect("swept");
        assert_eq!(files(&dav).await, 0);
        assert_eq!(dav.find(&ask_a).await.err(), Some(DavError::NotFound));
    }

    /// An engine takes 100,000 rows in one transaction; here a page of locks, and one of files with
    /// properties, have more.
    #[tokio::test]
    async fn no_tree_is_too_much_for_one_step_of_the_sweep() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let folder = tempfile::tempdir().expect("a folder");
        let dav = start(&engine, folder.path()).await;
        let patches: Vec<_> = (0..510).map(property).collect();
        let mut deep = String::new();
        for _ in 0..510 {
            deep.push_str("/c");
            dav.make_collection(&ask(&deep)).await.expect("made");
        }
        for n in 0..PAGE {
            let file = ask(&format!("{deep}/{n}"));
            let content = empty(&dav).await;
            dav.upload(&file, content, Manner::default())
                .await
                .expect("made");
            dav.patch(&file, &patches).await.expect("set");
            dav.lock(&file, &one_second()).await.expect("locked");
        }
        let later = NOW.plus_seconds(2);
        dav.sweep(later).await.expect("swept");
        let left = dav.count_locks(NOW).await.expect("counted");
        assert_eq!(left.map(|(_, count)| count), [0; 3], "on record");
        let top = Ask {
            now: later,
            ..ask("/c")
        };
        dav.delete(&top).await.expect("deleted");
        dav.sweep(later).await.expect("swept");
    }

    #[tokio::test]
    async fn replaced_and_deleted_content_goes_with_the_sweep() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let dav = start(&engine, folder.path()).await;
        dav.make_collection(&ask("/c")).await.expect("made");
        for path in ["/c/a", "/c/a", "/c/a", "/c/b"] {
            let content = large_upload(&dav).await;
            dav.upload(&ask(path), content, Manner::default())
                .await
                .expect("uploaded");
        }
        assert_eq!(files(&dav).await, 4);
        dav.sweep(NOW).await.expect("swept");
        assert_eq!(files(&dav).await, 3, "of one an old version is kept");
        dav.delete(&ask("/c")).await.expect("deleted");
        dav.sweep(NOW).await.expect("swept");
        assert_eq!(files(&dav).await, 0);
    }

    #[tokio::test]
    async fn whatever_ends_content_asks_for_a_sweep() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let dav = start(&engine, folder.path()).await;
        let is_due = || dav.content_ended().now_or_never().is_some();
        for path in ["/a", "/b", "/c"] {
            let content = large_upload(&dav).await;
            let uploaded = dav.upload(&ask(path), content, Manner::default()).await;
            uploaded.expect("uploaded");
        }
        let to = |path| DavPath::parse(path, 4096).expect("a path");
        let (all, yes) = (CopyDepth::Infinity, Overwrite::Yes);
        let _of_the_uploads = is_due();

        let moved = dav.relocate(&ask("/a"), &to("/free"), yes).await;
        assert_eq!((moved, is_due()), (Ok(Outcome::Created), false));
        let moved = dav.relocate(&ask("/free"), &to("/b"), yes).await;
        assert_eq!((moved, is_due()), (Ok(Outcome::Replaced), true));
        let copied = dav.copy(&ask("/b"), &to("/c"), yes, all).await;
        assert_eq!((copied, is_due()), (Ok(Outcome::Replaced), true));
        let deleted = dav.delete(&ask("/c")).await;
        assert_eq!((deleted, is_due()), (Ok(()), true));
    }
}
