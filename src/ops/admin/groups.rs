//! Commands about groups.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply};
use crate::ops::Dav;
use crate::ops::access::groups::{self, Group};
use crate::protocol::time::Timestamp;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GroupCommand {
    /// Adds a group without members.
    Add {
        /// Its name.
        name: String,
    },
    /// Lists the groups.
    List,
    /// Shows one group with its members.
    Show {
        /// Which.
        name: String,
    },
    /// Removes a group; its members stay users.
    Remove {
        /// Which.
        name: String,
    },
    /// Gives a group another name.
    Rename {
        /// Which.
        name: String,
        /// The new name.
        to: String,
    },
    /// Puts a user into a group.
    AddMember {
        /// Into which.
        group: String,
        /// Whom.
        user: String,
    },
    /// Takes a user out of a group.
    RemoveMember {
        /// Out of which.
        group: String,
        /// Whom.
        user: String,
    },
}

/// One group in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// A UUID, unchanged for life.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When the group was added (RFC 3339).
    pub created: String,
}

/// One group with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDetail {
    /// The group itself.
    #[serde(flatten)]
    pub group: GroupEntry,
    /// The names of the users in it.
    pub members: Vec<String>,
}

impl From<Group> for GroupEntry {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.0.to_string(),
            name: group.name,
            created: group.created.rfc3339(),
        }
    }
}

pub(super) async fn run(
    dav: &Dav,
    command: GroupCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    match command {
        GroupCommand::Add { name } => groups::add(dav, &name, now).await?,
        GroupCommand::Remove { name } => groups::remove(dav, &name).await?,
        GroupCommand::Rename { name, to } => groups::rename(dav, &name, &to).await?,
        GroupCommand::AddMember { group, user } => groups::add_member(dav, &group, &user).await?,
        GroupCommand::RemoveMember { group, user } => {
            groups::remove_member(dav, &group, &user).await?;
        }
        GroupCommand::List => {
            let groups = groups::list(dav).await?;
            let entries = groups.into_iter().map(GroupEntry::from).collect();
            return Ok(AdminReply::Groups(entries));
        }
        GroupCommand::Show { name } => {
            let (group, members) = groups::show(dav, &name).await?;
            let group = GroupEntry::from(group);
            return Ok(AdminReply::Group(GroupDetail { group, members }));
        }
    }
    Ok(AdminReply::Done)
}
