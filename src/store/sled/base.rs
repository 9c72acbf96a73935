//! sled as what lies under the journal: rows are put there, many at once, and made durable.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::overlay::Overlay;
use super::seal::seal;

/// The row that holds the number of the last commit.
pub(super) const COMMIT_ROW: &[u8] = b"\0commit";

/// Where rows are moved to.
pub(super) struct Base {
    pub(super) db: sled::Db,
    /// sled's log with a descriptor of our own, for its `flush` does not sync.
    pub(super) log: File,
}

impl Base {
    /// Writes these rows, and then the number of the last commit among them. A crash in between
    /// leaves some of them; all are in the journal and are written again. `step` is told after each
    /// how many are written.
    pub(super) fn take(
        &self,
        rows: &Overlay,
        number: u64,
        step: impl Fn(usize),
    ) -> Result<(), String> {
        no_panic(|| {
            for (before, (key, value)) in rows.changes().enumerate() {
                let put = match value {
                    Some(value) => self.db.insert(key, seal(key, value)),
                    None => self.db.remove(key),
                };
                put.map_err(|error| format!("sled cannot write: {error}"))?;
                step(before + 1);
            }
            self.sync()?;
            let number = number.to_be_bytes();
            let put = self.db.insert(COMMIT_ROW, seal(COMMIT_ROW, &number));
            put.map_err(|error| format!("sled cannot write: {error}"))?;
            self.sync()
        })
    }

    pub(super) fn sync(&self) -> Result<(), String> {
        let flushed = self.db.flush();
        flushed.map_err(|error| format!("sled cannot flush: {error}"))?;
        let synced = self.log.sync_data();
        synced.map_err(|error| format!("sled's log cannot be synced: {error}"))
    }
}

/// Runs `step`; a panic becomes an error with the text of the panic.
pub(super) fn no_panic<T>(step: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!(
            "sled panicked: {}",
            text.unwrap_or("no reason given")
        ))
    })
}
