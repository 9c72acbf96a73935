//! Which content files belong to rows, told from the rows alone: for backups.

use super::engine::Key;
use super::keys;
use crate::resource::ContentId;

/// Looks at all rows, in their order.
#[derive(Debug, Default)]
pub struct ContentFiles {
    /// Content that is a row itself; all of these come before the uses.
    inline: Vec<ContentId>,
    files: Vec<ContentId>,
}

impl ContentFiles {
    /// Looks at the next row.
    pub fn see(&mut self, key: &Key) {
        if let Some(content) = keys::content_kept_inline(key) {
            self.inline.push(content);
        } else if let Some(content) = keys::content_in_use(key)
            && self.files.last() != Some(&content)
            && self.inline.binary_search(&content).is_err()
        {
            self.files.push(content);
        }
    }

    /// What is in use and no row, each once.
    pub fn found(self) -> Vec<ContentId> {
        self.files
    }
}
