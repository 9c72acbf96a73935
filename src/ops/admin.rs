//! The commands of an administrator as values: what the command line sends through the control
//! socket of a running server, or runs itself when none does. Each group of commands has its own
//! file; names in JSON are promised to scripts.

pub mod events;
pub mod grants;
pub mod groups;
pub mod locks;
pub mod tokens;
pub mod transfers;
pub mod users;
pub mod versions;
pub mod webhooks;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::access::{self, AccessError, Noun, Principal, Secret};
use super::password::PasswordError;
use super::webhooks::Courier;
use super::{Ask, Dav};
use crate::event::Face;
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::rights::Privilege;

use events::{EventCommand, EventReply};
use grants::{GrantCommand, GrantEntry};
use groups::{GroupCommand, GroupDetail, GroupEntry};
use locks::{LockCommand, LockEntry};
use tokens::{KeyEntry, TokenCommand};
use users::{UserCommand, UserEntry};
use versions::{VersionCommand, VersionEntry};
use webhooks::{WebhookCommand, WebhookEntry};

/// What an administrator may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminCommand {
    /// About users.
    User(UserCommand),
    /// About groups.
    Group(GroupCommand),
    /// About API keys.
    Token(TokenCommand),
    /// About roles on collections.
    Grant(GrantCommand),
    /// About locks.
    Lock(LockCommand),
    /// About the versions of files.
    Version(VersionCommand),
    /// About what happened.
    Events(EventCommand),
    /// About webhooks.
    Webhook(WebhookCommand),
}

impl AdminCommand {
    /// The user whose remembered credentials are void when this has been done.
    pub fn affected_user(&self) -> Option<&str> {
        match self {
            Self::User(command) => command.affected_user(),
            Self::Group(_)
            | Self::Token(_)
            | Self::Grant(_)
            | Self::Lock(_)
            | Self::Version(_)
            | Self::Events(_)
            | Self::Webhook(_) => None,
        }
    }
}

/// What it gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminReply {
    /// It was done.
    Done,
    /// The users by name.
    Users(Vec<UserEntry>),
    /// The groups by name.
    Groups(Vec<GroupEntry>),
    /// One group.
    Group(GroupDetail),
    /// API keys, by user and age.
    Keys(Vec<KeyEntry>),
    /// The key that was made. This is the only time that its secret is told.
    NewKey(KeyEntry, Secret),
    /// Grants by collection.
    Grants(Vec<GrantEntry>),
    /// Locks, and what to ask for to see the next ones.
    Locks(Vec<LockEntry>, Option<String>),
    /// Versions of a file, the newest first.
    Versions(Vec<VersionEntry>),
    /// Events in their order.
    Events(EventReply),
    /// The webhooks by age.
    Webhooks(Vec<WebhookEntry>),
    /// The webhook that was added. This is the only time that its secret is told.
    NewWebhook(WebhookEntry, Secret),
    /// What the receiver of a webhook answered.
    Answered(String),
    /// It was not done.
    Refused(AdminError),
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{reason}")]
pub struct AdminError {
    /// What a script can do about it.
    pub class: RefusalClass,
    /// A sentence.
    pub reason: String,
}

/// What kind of refusal it is; the command line has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalClass {
    /// The server or the store failed; it may work another time.
    Failed,
    /// The command says something that cannot be meant.
    Usage,
    /// What it names does not exist.
    NotFound,
    /// What is there stands in the way.
    Conflict,
}

impl From<AccessError> for AdminError {
    fn from(error: AccessError) -> Self {
        let class = match &error {
            AccessError::Name(..)
            | AccessError::DisplayName(_)
            | AccessError::Email(_)
            | AccessError::Password(PasswordError::Unfit)
            | AccessError::Expired(_)
            | AccessError::Path(_) => RefusalClass::Usage,
            AccessError::NoSuch(..) | AccessError::NotMember { .. } | AccessError::NothingAt(_) => {
                RefusalClass::NotFound
            }
            AccessError::Exists(..)
            | AccessError::Member { .. }
            | AccessError::NotACollection(_)
            | AccessError::LastAdmin(_)
            | AccessError::TooMany { .. }
            | AccessError::TooManyToList(_)
            | AccessError::PasswordChanged => RefusalClass::Conflict,
            AccessError::Password(PasswordError::Failed(_))
            | AccessError::NoRandomness(_)
            | AccessError::Store(_) => RefusalClass::Failed,
        };
        Self {
            class,
            reason: error.to_string(),
        }
    }
}

impl From<DavError> for AdminError {
    fn from(error: DavError) -> Self {
        let class = match &error {
            DavError::BadRequest(_) | DavError::PathTooLong(_) => RefusalClass::Usage,
            DavError::NotFound
            | DavError::ParentMissing
            | DavError::NotLocked(_)
            | DavError::TokenMismatch => RefusalClass::NotFound,
            DavError::Internal(_) | DavError::Unavailable(_) => RefusalClass::Failed,
            _ => RefusalClass::Conflict,
        };
        Self {
            class,
            reason: error.to_string(),
        }
    }
}

/// A question of the command line about the resource at `path`, as it was typed.
fn ask_about(
    dav: &Dav,
    principal: Principal,
    path: &str,
    now: Timestamp,
) -> Result<Ask, AdminError> {
    let path = DavPath::from_plain(path, dav.config().limits.path_bytes_max);
    let path = path.map_err(DavError::from)?;
    Ok(Ask::new(
        principal,
        now,
        (Face::CommandLine, "lockkeeper".to_owned()),
        path,
    ))
}

/// The user for whom something is done at `ask`'s target, who must have the privilege for it:
/// nobody is given a lock, or made the author of a version, where they could not even look.
async fn as_user(
    dav: &Dav,
    name: String,
    ask: &Ask,
    privilege: Privilege,
) -> Result<Principal, AdminError> {
    let Some(user) = access::find(dav, &name).await? else {
        return Err(AccessError::NoSuch(Noun::User, name).into());
    };
    let principal = Principal::from(&user);
    let (path, privileges) = dav.privileges_of(&principal, ask).await?;
    if privileges.has(privilege) {
        return Ok(principal);
    }
    Err(AdminError {
        class: RefusalClass::Conflict,
        reason: format!(
            "{name} lacks the privilege {privilege} at {path}; grant a role first (lockkeeper \
             grant set)"
        ),
    })
}

/// Runs one command.
pub async fn run(
    dav: &Dav,
    courier: &dyn Courier,
    command: AdminCommand,
    now: Timestamp,
) -> AdminReply {
    let done = match command {
        AdminCommand::User(command) => users::run(dav, command, now).await,
        AdminCommand::Group(command) => groups::run(dav, command, now).await,
        AdminCommand::Token(command) => tokens::run(dav, command, now).await,
        AdminCommand::Grant(command) => grants::run(dav, command, now).await,
        AdminCommand::Lock(command) => locks::run(dav, command, now).await,
        AdminCommand::Version(command) => versions::run(dav, command, now).await,
        AdminCommand::Events(command) => events::run(dav, command, now).await,
        AdminCommand::Webhook(command) => webhooks::run(dav, courier, command, now).await,
    };
    done.unwrap_or_else(AdminReply::Refused)
}
