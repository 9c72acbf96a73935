//! Commands that are followed by more than one line each way.

use serde::{Deserialize, Serialize};

use crate::ops::check::{Manner, Progress, Report};

/// What the command line begins a conversation with. The server answers with a reply: `Done`, or
/// why not. What follows is up to the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TransferCommand {
    /// The server tells all rows, as [`crate::backup::rows`] has them. Then the client sends a byte
    /// whenever it has come further, and no content file goes until it hangs up.
    Backup,
    /// The server reads everything that it keeps and tells [`CheckLine`]s, a line each.
    Check(Manner),
    /// The server sends an item and, of a file, its bytes, until all are sent.
    Export {
        /// What, as typed.
        path: String,
    },
    /// The client sends items. The server answers each; when it says so, the bytes of a file
    /// follow, and another answer.
    Import {
        /// Who brings them in.
        user: String,
        /// Whether files that are there get a new version, rather than stay as they are.
        overwrite: bool,
    },
}

/// What the server says of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CheckLine {
    /// How far it has come.
    Progress(Progress),
    /// The last line: what it found, or why it broke off.
    End(Result<Report, String>),
}
