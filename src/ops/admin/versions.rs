//! Commands about the versions of files. A restored version has an author, so it is a user who
//! restores it, with no more power than that user has; the same holds for labels.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply, RefusalClass, as_user, ask_about};
use crate::lock::UserId;
use crate::ops::access::{self, Principal};
use crate::ops::versions::VersionView;
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::rights::Privilege;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VersionCommand {
    /// Lists the versions of a file, the newest first.
    List {
        /// Where it is.
        path: String,
    },
    /// Makes an old version the present one again.
    Restore {
        /// Where the file is.
        path: String,
        /// Which version.
        number: u32,
        /// For whom.
        user: String,
    },
    /// Gives a version another label, or takes it off.
    Label {
        /// Where the file is.
        path: String,
        /// Which version.
        number: u32,
        /// What people shall call it.
        label: Option<String>,
        /// For whom.
        user: String,
    },
}

/// One version in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionEntry {
    /// 1 for the first, one more with each that followed.
    pub number: u32,
    /// Whether it is what the file is now.
    pub current: bool,
    /// Length in bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: String,
    /// The name of the user who made it, unless the account is gone.
    pub author: Option<String>,
    /// That user's id.
    pub author_id: String,
    /// When it was made (RFC 3339).
    pub uploaded: String,
    /// The file's time of change (RFC 3339).
    pub modified: String,
    /// The kind of the author's lock under which it was written.
    pub under: Option<String>,
    /// What people call it.
    pub label: Option<String>,
}

pub(super) async fn run(
    dav: &Dav,
    command: VersionCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    let about = |path: &str| ask_about(dav, Principal::command_line(), path, now);
    let versions = match command {
        VersionCommand::List { path } => dav.history(&about(&path)?).await?,
        VersionCommand::Restore { path, number, user } => {
            let ask = of_writer(dav, user, about(&path)?).await?;
            let restored = dav.restore(&ask, number).await;
            let file = restored.map_err(|error| of_version(error, number))?.file;
            VersionView::present(&file).into_iter().collect()
        }
        VersionCommand::Label {
            path,
            number,
            label,
            user,
        } => {
            let ask = of_writer(dav, user, about(&path)?).await?;
            let labelled = dav.label(&ask, number, label.as_deref()).await;
            vec![labelled.map_err(|error| of_version(error, number))?]
        }
    };
    Ok(AdminReply::Versions(entries(dav, versions).await?))
}

async fn of_writer(dav: &Dav, user: String, ask: Ask) -> Result<Ask, AdminError> {
    let principal = as_user(dav, user, &ask, Privilege::Write).await?;
    Ok(Ask { principal, ..ask })
}

/// The file itself was found a moment ago.
fn of_version(error: DavError, number: u32) -> AdminError {
    match error {
        DavError::NotFound => AdminError {
            class: RefusalClass::NotFound,
            reason: format!(
                "there is no version {number}, or it is not kept any more; version list shows them"
            ),
        },
        other => other.into(),
    }
}

async fn entries(dav: &Dav, versions: Vec<VersionView>) -> Result<Vec<VersionEntry>, AdminError> {
    let mut authors: Vec<UserId> = versions.iter().map(|version| version.author).collect();
    authors.sort_unstable();
    authors.dedup();
    let known = access::find_all(dav, &authors).await?;
    let names: HashMap<UserId, String> =
        known.into_iter().map(|user| (user.id, user.name)).collect();
    let entry = |version: VersionView| VersionEntry {
        number: version.number,
        current: version.is_current,
        size: version.size,
        etag: version.etag.to_string(),
        author: names.get(&version.author).cloned(),
        author_id: version.author.0.to_string(),
        uploaded: version.uploaded.rfc3339(),
        modified: version.modified.rfc3339(),
        under: version.under.map(|kind| kind.to_string()),
        label: version.label,
    };
    Ok(versions.into_iter().map(entry).collect())
}
