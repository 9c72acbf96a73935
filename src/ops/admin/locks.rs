//! Commands about locks. Whoever may open the control socket holds SuperCheckIn everywhere; what is
//! taken belongs to a user all the same, who must be able to take it, so that somebody is there to
//! ask.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply, RefusalClass, as_user, ask_about};
use crate::lock::{Lock, LockDepth, LockKind, LockScope, LockToken};
use crate::ops::access::Principal;
use crate::ops::lock_list::Cursor;
use crate::ops::locking::{LockAsk, LockView};
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::headers::{RequestedTimeout, TagList};
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::rights::Privilege;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LockCommand {
    /// Lists all locks, page by page.
    List {
        /// What the page before said.
        after: Option<String>,
    },
    /// Shows the locks in force on one resource: its own and what covers it.
    Show {
        /// Where it is.
        path: String,
    },
    /// Ends a lock of anybody.
    Release {
        /// Where it is.
        path: String,
        /// Which lock; without it what a check-in means.
        token: Option<String>,
    },
    /// Ends the freeze of a resource.
    Thaw {
        /// Where it is.
        path: String,
    },
    /// Takes a check-out over.
    Steal {
        /// Where it is.
        path: String,
        /// For whom.
        user: String,
        /// The lock that is meant; without it the present one.
        token: Option<String>,
    },
    /// Takes a check-out or a freeze.
    Take {
        /// Where it is.
        path: String,
        /// For whom.
        user: String,
        /// Which of the two.
        kind: LockKind,
        /// Whether it covers what is below.
        depth: LockDepth,
        /// Why, for people to read.
        comment: Option<String>,
    },
}

/// One lock in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockEntry {
    /// Where its root is.
    pub path: String,
    /// The root's id: 32 hexadecimal digits, unchanged for life.
    pub resource: String,
    /// `persistent`, `transient` or `read-only`.
    pub kind: String,
    /// `exclusive` or `shared`.
    pub scope: String,
    /// `0` or `infinity`.
    pub depth: String,
    /// The name of the user who took it.
    pub holder: String,
    /// That user's id.
    pub owner: String,
    /// When it was taken (RFC 3339).
    pub since: String,
    /// When it ends by itself (RFC 3339), if it does.
    pub expires: Option<String>,
    /// Its name.
    pub token: String,
    /// Why it was taken.
    pub comment: Option<String>,
}

pub(super) async fn run(
    dav: &Dav,
    command: LockCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    let about = |path: &str| ask_about(dav, Principal::command_line(), path, now);
    let locks = |entries| Ok(AdminReply::Locks(entries, None));
    match command {
        LockCommand::List { after } => list(dav, after, now).await,
        LockCommand::Show { path } => {
            let detail = dav.detail(&about(&path)?).await?;
            let mut entries = Vec::with_capacity(detail.locks.len());
            for view in detail.locks {
                entries.push(entry_of(dav, view)?);
            }
            locks(entries)
        }
        LockCommand::Release { path, token } => {
            let token = token.as_deref().map(parse_token).transpose()?;
            release(dav, &about(&path)?, token).await
        }
        LockCommand::Thaw { path } => {
            let ask = about(&path)?;
            let freeze = find(dav, &ask, LockKind::ReadOnly).await?;
            release(dav, &ask, Some(freeze.token)).await
        }
        LockCommand::Steal { path, user, token } => {
            let mut ask = about(&path)?;
            ask.principal = as_user(dav, user, &ask, Privilege::Lock).await?;
            // The power to steal is the command line's; the check-out will be the user's.
            ask.principal.admin = true;
            let named = match token.as_deref().map(parse_token).transpose()? {
                Some(token) => token,
                None => find(dav, &ask, LockKind::Persistent).await?.token,
            };
            let view = dav.steal(&ask, named).await?;
            locks(vec![entry_of(dav, view)?])
        }
        LockCommand::Take {
            path,
            user,
            kind,
            depth,
            comment,
        } => {
            let mut ask = about(&path)?;
            ask.principal = as_user(dav, user, &ask, Privilege::to_take(kind)).await?;
            let wanted = LockAsk {
                scope: LockScope::Exclusive,
                kind: Some(kind),
                depth,
                timeout: RequestedTimeout::Infinite,
                owner_xml: None,
                comment,
            };
            // Where nothing is any more, a lock would make a file.
            ask.conditions.if_match = Some(TagList::Any);
            let taken = dav.lock(&ask, &wanted).await.map_err(|error| match error {
                DavError::PreconditionFailed(_) => DavError::NotFound,
                other => other,
            })?;
            locks(vec![entry_of(dav, taken.view)?])
        }
    }
}

async fn list(dav: &Dav, after: Option<String>, now: Timestamp) -> Result<AdminReply, AdminError> {
    let after = after.as_deref().map(parse_cursor).transpose()?;
    let (placed, next) = dav.locks_page(now, after).await?;
    let entries = placed
        .into_iter()
        .map(|placed| entry(placed.lock, &placed.path))
        .collect();
    Ok(AdminReply::Locks(
        entries,
        next.map(|next| next.to_string()),
    ))
}

async fn release(dav: &Dav, ask: &Ask, named: Option<LockToken>) -> Result<AdminReply, AdminError> {
    // Looked up before, for once the locks have ended, what they were on may be gone.
    let before = dav.detail(ask).await?;
    let ended = dav.check_in(ask, named).await?;
    let mut entries = Vec::with_capacity(ended.len());
    for lock in ended {
        let mut known = before.locks.iter();
        let root = match known.find(|view| view.lock.token == lock.token) {
            Some(view) => root_of(dav, view)?,
            None => before.path.clone(),
        };
        entries.push(entry(lock, &root));
    }
    Ok(AdminReply::Locks(entries, None))
}

/// The lock of this kind on the resource itself.
async fn find(dav: &Dav, ask: &Ask, kind: LockKind) -> Result<Lock, AdminError> {
    let detail = dav.detail(ask).await?;
    let here = detail.resource.id;
    let mut locks = detail.locks.into_iter().map(|view| view.lock);
    locks
        .find(|lock| lock.root == here && lock.kind == kind)
        .ok_or_else(|| AdminError {
            class: RefusalClass::NotFound,
            reason: format!("{} has no {kind} lock", detail.path),
        })
}

fn parse_token(text: &str) -> Result<LockToken, AdminError> {
    let uuid = text.strip_prefix("urn:uuid:").unwrap_or(text);
    LockToken::parse(&format!("urn:uuid:{uuid}")).ok_or_else(|| AdminError {
        class: RefusalClass::Usage,
        reason: format!("{text:?} is no lock token; lock list --json shows them"),
    })
}

fn parse_cursor(text: &str) -> Result<Cursor, AdminError> {
    text.parse().map_err(|()| AdminError {
        class: RefusalClass::Usage,
        reason: format!("{text:?} is no place in the list of locks"),
    })
}

fn root_of(dav: &Dav, view: &LockView) -> Result<DavPath, DavError> {
    let path = DavPath::parse(&view.href, dav.config().limits.path_bytes_max);
    Ok(path?)
}

fn entry_of(dav: &Dav, view: LockView) -> Result<LockEntry, DavError> {
    let path = root_of(dav, &view)?;
    Ok(entry(view.lock, &path))
}

fn entry(lock: Lock, path: &DavPath) -> LockEntry {
    LockEntry {
        path: path.to_plain(),
        resource: lock.root.to_string(),
        kind: lock.kind.to_string(),
        scope: lock.scope.to_string(),
        depth: match lock.depth {
            LockDepth::Zero => "0".to_owned(),
            LockDepth::Infinity => "infinity".to_owned(),
        },
        holder: lock.holder,
        owner: lock.owner.0.to_string(),
        since: lock.since.rfc3339(),
        expires: lock.deadline.map(Timestamp::rfc3339),
        token: lock.token.to_string(),
        comment: lock.comment,
    }
}
