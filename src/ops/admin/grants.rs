//! Commands about roles on collections.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply, ask_about};
use crate::ops::Dav;
use crate::ops::access::{self, AccessError, Noun, Principal, groups};
use crate::ops::grants::GrantsOn;
use crate::protocol::time::Timestamp;
use crate::rights::{Grantee, Role};

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GrantCommand {
    /// Grants a role, in the place of the one that was granted there.
    Set {
        /// On which collection.
        path: String,
        /// Which role.
        role: Role,
        /// To whom.
        to: GranteeName,
    },
    /// Takes a grant away, so that what is inherited counts again.
    Remove {
        /// On which collection.
        path: String,
        /// Whose.
        to: GranteeName,
    },
    /// Lists grants.
    List {
        /// Only those that decide about this path: on it and above it.
        path: Option<String>,
    },
}

/// A grantee as people call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GranteeName {
    /// The user of this name.
    User(String),
    /// The group of this name.
    Group(String),
    /// Every user.
    Everyone,
}

/// One grant in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantEntry {
    /// Where the collection is.
    pub path: String,
    /// 32 hexadecimal digits, unchanged for life.
    pub collection: String,
    /// `user`, `group` or `everyone`.
    pub to: String,
    /// The name of the user or group; `everyone` for everyone.
    pub name: String,
    /// `none`, `reader`, `editor` or `manager`.
    pub role: Role,
}

pub(super) async fn run(
    dav: &Dav,
    command: GrantCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    let about = |path: &str| ask_about(dav, Principal::command_line(), path, now);
    match command {
        GrantCommand::Set { path, role, to } => {
            let to = grantee(dav, to).await?;
            dav.set_grant(&about(&path)?, to, Some(role)).await?;
            Ok(AdminReply::Done)
        }
        GrantCommand::Remove { path, to } => {
            let (ask, to) = (about(&path)?, grantee(dav, to).await?);
            dav.set_grant(&ask, to, None).await?;
            Ok(AdminReply::Done)
        }
        GrantCommand::List { path } => {
            let found = match path {
                Some(path) => dav.grants(&about(&path)?).await?,
                None => dav.all_grants().await?,
            };
            Ok(AdminReply::Grants(found.iter().flat_map(entries).collect()))
        }
    }
}

async fn grantee(dav: &Dav, name: GranteeName) -> Result<Grantee, AccessError> {
    match name {
        GranteeName::User(name) => match access::find(dav, &name).await? {
            Some(user) => Ok(Grantee::User(user.id)),
            None => Err(AccessError::NoSuch(Noun::User, name)),
        },
        GranteeName::Group(name) => {
            let (group, _) = groups::show(dav, &name).await?;
            Ok(Grantee::Group(group.id))
        }
        GranteeName::Everyone => Ok(Grantee::Everyone),
    }
}

fn entries(on: &GrantsOn) -> impl Iterator<Item = GrantEntry> {
    on.grants.iter().map(|named| GrantEntry {
        path: on.path.to_plain(),
        collection: on.collection.to_string(),
        to: match named.grant.to {
            Grantee::User(_) => "user",
            Grantee::Group(_) => "group",
            Grantee::Everyone => "everyone",
        }
        .to_owned(),
        name: named.name.clone(),
        role: named.grant.role,
    })
}
