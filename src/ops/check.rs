//! Whether everything that is kept is what was written: every row, what belongs together among
//! them, and every block of every content file that a version names.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::Dav;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::ContentId;
use crate::store::engine::{Key, Mode, StoreError};
use crate::store::transact::transact;
use crate::store::tx::Tx;

pub use crate::store::check::{Fault, Mend};

/// Rows in one transaction: writers wait for so long at most.
const ROWS_PER_PAGE: usize = 200;
/// About what a row comes to, where bytes are counted.
const ROW_BYTES: u64 = 500;
/// More are only counted.
const FAULTS_TOLD_MAX: usize = 10_000;
const PIECE: usize = 256 * 1024;

/// How a check goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Whether what other rows tell is written again.
    pub mend: Mend,
    /// Bytes read in a second at most, so that requests are served as before; `None`: no limit.
    pub bytes_per_second: Option<u64>,
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Rows that were read.
    pub rows: u64,
    /// Content files that were read.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// How many faults were found.
    pub faults: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What was read.
    pub read: Progress,
    /// What is wrong; at most 10,000 are told.
    pub faults: Vec<Fault>,
    /// Content files that no version names: a crash left them, and the next start removes them.
    pub left_over: u64,
}

/// A check under way.
struct Check<'c> {
    dav: &'c Dav,
    now: Timestamp,
    manner: Manner,
    tell: &'c (dyn Fn(Progress) + Sync),
    report: Report,
    /// Content files that were looked at.
    seen: HashSet<ContentId>,
}

impl Dav {
    /// Reads everything, while others work. `tell` hears how far it has come.
    pub async fn check(
        &self,
        now: Timestamp,
        manner: Manner,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, DavError> {
        let mut check = Check {
            dav: self,
            now,
            manner,
            tell,
            report: Report::default(),
            seen: HashSet::new(),
        };
        check.rows().await?;
        check.left_over().await?;
        Ok(check.report)
    }
}

impl Check<'_> {
    async fn rows(&mut self) -> Result<(), DavError> {
        let mut after: Option<Key> = None;
        loop {
            let mode = match self.manner.mend {
                Mend::No => Mode::ReadInPassing,
                Mend::Yes => Mode::Write,
            };
            let asking = (self.now, after.clone(), self.manner.mend);
            let page = transact(&*self.dav.engine, mode, &asking, |txn, asking| {
                Box::pin(async move {
                    let (now, after, mend) = asking;
                    let mut tx = Tx::new(txn, *now);
                    tx.check_rows(after.as_ref(), ROWS_PER_PAGE, *mend).await
                })
            });
            let page = match page.await {
                Ok(page) => page,
                Err(error @ StoreError::Damaged(_)) => {
                    self.fault(Fault {
                        what: format!("{error}; the rows that follow cannot be read"),
                        concerns: "all that they tell".to_owned(),
                        mended: false,
                    });
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            page.faults.into_iter().for_each(|fault| self.fault(fault));
            self.report.read.rows += page.rows as u64;
            self.pace(page.rows as u64 * ROW_BYTES).await;
            for (content, size) in page.files {
                self.file(content, size).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads a content file that a version names.
    async fn file(&mut self, content: ContentId, size: u64) -> Result<(), DavError> {
        if !self.seen.insert(content) {
            return Ok(());
        }
        let Err(error) = self.read(content, size).await else {
            self.report.read.files += 1;
            (self.tell)(self.report.read);
            return Ok(());
        };
        let asking = (self.now, content);
        let (used, concerns) = self
            .dav
            .read_durable(&asking, |txn, (now, content)| {
                Box::pin(async move {
                    let mut tx = Tx::new(txn, *now);
                    let used = tx.is_content_used(*content).await?;
                    Ok((used, tx.concerned_by_content(*content).await))
                })
            })
            .await?;
        // Meanwhile its last version may have gone, and it with it.
        if used {
            self.fault(Fault {
                what: error.to_string(),
                concerns,
                mended: false,
            });
        }
        Ok(())
    }

    async fn read(&mut self, content: ContentId, size: u64) -> Result<(), StoreError> {
        let mut reader = self.dav.blobs.open_stored(content).await?;
        if reader.size() != size {
            let (id, found) = (content.0, reader.size());
            return Err(StoreError::Damaged(format!(
                "the content file {id:016x} has {found} bytes, but its row tells of {size}"
            )));
        }
        let mut at = 0;
        while at < size {
            let read = reader.read(at, PIECE).await?.len() as u64;
            at += read;
            self.report.read.bytes += read;
            self.pace(read).await;
        }
        Ok(())
    }

    /// Counts files that no version names and no upload is writing.
    async fn left_over(&mut self) -> Result<(), DavError> {
        for folder in 0..=u8::MAX {
            let before = self.dav.ids.first_free_at_start;
            for content in self.dav.blobs.list_older_than(before, folder).await? {
                if self.seen.contains(&content) {
                    continue;
                }
                // A damaged row was told in its turn.
                if self.dav.is_content_used(self.now, content).await == Ok(false) {
                    self.report.left_over += 1;
                }
            }
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault) {
        self.report.read.faults += 1;
        if self.report.faults.len() < FAULTS_TOLD_MAX {
            self.report.faults.push(fault);
        }
    }

    /// Takes the time that reading so much may take.
    async fn pace(&self, bytes: u64) {
        (self.tell)(self.report.read);
        if let Some(rate) = self.manner.bytes_per_second {
            let nanos = bytes.saturating_mul(1_000_000_000) / rate.max(1);
            sleep(Duration::from_nanos(nanos)).await;
        }
    }
}
