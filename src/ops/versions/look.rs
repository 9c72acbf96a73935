//! Single versions: one, and two beside each other.

use super::{VersionView, file, load_version};
use crate::ops::content::Source;
use crate::ops::gate::judge_if;
use crate::ops::visit::visit;
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::resource::{Resource, Version};
use crate::store::engine::Txn;
use crate::store::tx::Tx;

/// Compared at a time.
const PIECE: usize = 256 * 1024;

/// Two versions of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The one that was named first.
    pub from: VersionView,
    /// The other one.
    pub to: VersionView,
    /// Whether they have the same bytes.
    pub same_content: bool,
}

/// Two versions as their rows have them.
struct Pair {
    from: Version,
    to: Version,
    /// The number of the present version.
    present: u32,
}

impl VersionView {
    /// The present version of `file`; a collection has none.
    pub fn present(file: &Resource) -> Option<Self> {
        let content = file.content.clone()?;
        let number = content.number;
        let version = Version {
            content,
            modified: file.modified,
            replaced: None,
        };
        Some(Self::new(version, number))
    }
}

impl Dav {
    /// Version `number` of the file, old or present.
    pub async fn version(&self, ask: &Ask, number: u32) -> Result<VersionView, DavError> {
        let asking = (ask, number);
        let found = self.read(&asking, |txn, (ask, number)| {
            Box::pin(find_two(txn, ask, [*number; 2]))
        });
        let pair = found.await?;
        Ok(VersionView::new(pair.from, pair.present))
    }

    /// Two versions beside each other. Their bytes are read only where neither their sizes nor
    /// where they are kept tell whether they are the same.
    pub async fn compare_versions(
        &self,
        ask: &Ask,
        numbers: [u32; 2],
    ) -> Result<Comparison, DavError> {
        const ATTEMPTS: usize = 5;
        let asking = (ask, numbers);
        for _ in 0..ATTEMPTS {
            let found = self.read(&asking, |txn, (ask, numbers)| {
                Box::pin(find_two(txn, ask, *numbers))
            });
            let pair = found.await?;
            let same_content = match told_by_rows(&pair) {
                None => self.have_same_bytes(ask, &pair).await?,
                told => told,
            };
            if let Some(same_content) = same_content {
                return Ok(Comparison {
                    from: VersionView::new(pair.from, pair.present),
                    to: VersionView::new(pair.to, pair.present),
                    same_content,
                });
            }
        }
        Err(DavError::Unavailable(
            "the file was written again and again while its versions were compared; try again"
                .to_owned(),
        ))
    }

    /// `None`: one of them is not what it was a moment ago, for what is uploaded under one lock
    /// takes the place of its present version.
    async fn have_same_bytes(&self, ask: &Ask, pair: &Pair) -> Result<Option<bool>, DavError> {
        let (from, mut one) = self.read_version(ask, pair.from.content.number).await?;
        let (to, mut other) = self.read_version(ask, pair.to.content.number).await?;
        let etags = [from.etag(), to.etag()];
        if etags != [&pair.from, &pair.to].map(|version| Some(version.content.etag())) {
            return Ok(None);
        }
        let size = pair.from.content.size;
        Ok(Some(compare(&mut one, &mut other, size).await?))
    }
}

async fn find_two(txn: &mut dyn Txn, ask: &Ask, numbers: [u32; 2]) -> Result<Pair, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let (file, present) = file(&visit)?;
    judge_if(&mut tx, ask, &visit).await?;
    Ok(Pair {
        from: load_version(&mut tx, file, numbers[0]).await?,
        to: load_version(&mut tx, file, numbers[1]).await?,
        present,
    })
}

fn told_by_rows(pair: &Pair) -> Option<bool> {
    let (from, to) = (&pair.from.content, &pair.to.content);
    if from.size != to.size {
        return Some(false);
    }
    (from.place == to.place || from.size == 0).then_some(true)
}

/// Whether two sources of `size` bytes have the same ones.
async fn compare(one: &mut Source, other: &mut Source, size: u64) -> Result<bool, DavError> {
    let mut at = 0;
    while at < size {
        let (left, right) = (one.read(at, PIECE).await?, other.read(at, PIECE).await?);
        let length = left.len().min(right.len());
        if length == 0 {
            return Err(DavError::Internal(
                "a content file is shorter than its row".to_owned(),
            ));
        }
        if left[..length] != right[..length] {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::blobs::Blobs;
    use crate::config::Config;
    use crate::ops::content::Manner;
    use crate::ops::intake::Intake;
    use crate::protocol::path::DavPath;
    use crate::protocol::time::Timestamp;
    use crate::store::memory::MemoryEngine;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn ask(at: &str) -> Ask {
        Ask::of(DavPath::parse(at, 1000).unwrap(), NOW)
    }

    async fn put(dav: &Dav, at: &str, content: Vec<u8>) {
        let mut intake = Intake::new(dav, None).unwrap();
        intake.push(Bytes::from(content)).await.unwrap();
        let content = intake.finish(None).await.unwrap();
        let uploaded = dav.upload(&ask(at), content, Manner::default()).await;
        uploaded.unwrap();
    }

    #[tokio::test]
    async fn versions_are_the_same_if_their_bytes_are() {
        const LARGE: usize = 2 * PIECE + 7;
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path(), 0).unwrap();
        let engine = Arc::new(MemoryEngine::new());
        let dav = Dav::new(engine, blobs, Config::default(), NOW)
            .await
            .unwrap();
        let mut last_differs = vec![b'a'; LARGE];
        last_differs[LARGE - 1] = b'b';
        for content in [
            b"one".to_vec(),
            b"two".to_vec(),
            b"one".to_vec(),
            Vec::new(),
            vec![b'a'; LARGE],
            vec![b'a'; LARGE],
            last_differs,
            Vec::new(),
        ] {
            put(&dav, "/f", content).await;
        }
        dav.restore(&ask("/f"), 7).await.unwrap();
        for (from, to, same) in [
            (1, 1, true),
            (1, 2, false),
            (1, 3, true),
            (3, 4, false),
            (4, 8, true),
            (5, 6, true),
            (6, 7, false),
            (1, 6, false),
            (7, 9, true),
        ] {
            for numbers in [[from, to], [to, from]] {
                let compared = dav.compare_versions(&ask("/f"), numbers).await.unwrap();
                assert_eq!(compared.same_content, same, "{numbers:?}");
                let told = [&compared.from, &compared.to].map(|view| view.number);
                assert_eq!(told, numbers);
                assert_eq!(compared.to.is_current, numbers[1] == 9);
                let one = dav.version(&ask("/f"), numbers[0]).await.unwrap();
                assert_eq!(one, compared.from);
            }
        }
        let present = dav.find(&ask("/f")).await.unwrap();
        let last = dav.version(&ask("/f"), 9).await.unwrap();
        assert_eq!(VersionView::present(&present), Some(last));
        let missing = dav.compare_versions(&ask("/f"), [1, 10]).await;
        assert_eq!(missing.err(), Some(DavError::NotFound));
        let missing = dav.version(&ask("/f"), 0).await;
        assert_eq!(missing.err(), Some(DavError::NotFound));
        let root = dav.version(&ask("/"), 1).await;
        assert!(matches!(root, Err(DavError::NotAllowedHere(_))));
    }
}
