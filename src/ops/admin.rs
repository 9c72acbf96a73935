//! The commands of an administrator as values: what the command line sends through the control
//! socket of a running server, or runs itself when none does.

use serde::{Deserialize, Serialize};

use super::Dav;
use super::access::{self, AccessError, NewUser, User};
use super::password::Password;
use crate::protocol::time::Timestamp;

/// What an administrator may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdminCommand {
    /// Adds a user.
    UserAdd {
        /// What the user signs in with.
        name: String,
        /// In the clear: it crosses a socket that only this account can open.
        password: Password,
        /// Whether this user may release other people's locks.
        admin: bool,
    },
    /// Lists the users.
    UserList {},
    /// Gives a user another password.
    UserPassword {
        /// Whose.
        name: String,
        /// The new one.
        password: Password,
    },
    /// Removes a user.
    UserRemove {
        /// Whom.
        name: String,
    },
}

impl AdminCommand {
    /// The user whose remembered credentials are void when this has been done.
    pub fn affected_user(&self) -> Option<&str> {
        match self {
            Self::UserPassword { name, .. } | Self::UserRemove { name } => Some(name),
            Self::UserAdd { .. } | Self::UserList {} => None,
        }
    }
}

/// What it gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum AdminReply {
    /// It was done.
    Done {},
    /// The users by name.
    Users {
        /// One entry a user.
        users: Vec<UserEntry>,
    },
    /// It was not done, for this reason.
    Refused {
        /// A sentence.
        reason: String,
    },
}

/// One user in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// What the user signs in with.
    pub name: String,
    /// Whether this user may release other people's locks.
    pub admin: bool,
    /// When the user was added.
    pub created: Timestamp,
}

impl From<User> for UserEntry {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            admin: user.admin,
            created: user.created,
        }
    }
}

/// Runs one command.
pub async fn run(dav: &Dav, command: AdminCommand, now: Timestamp) -> AdminReply {
    let refused = |error: AccessError| AdminReply::Refused {
        reason: error.to_string(),
    };
    try_run(dav, command, now).await.unwrap_or_else(refused)
}

async fn try_run(
    dav: &Dav,
    command: AdminCommand,
    now: Timestamp,
) -> Result<AdminReply, AccessError> {
    match command {
        AdminCommand::UserAdd {
            name,
            password,
            admin,
        } => {
            access::add(
                dav,
                NewUser {
                    name,
                    password,
                    admin,
                },
                now,
            )
            .await?;
        }
        AdminCommand::UserPassword { name, password } => {
            access::set_password(dav, &name, password).await?;
        }
        AdminCommand::UserRemove { name } => access::remove(dav, &name).await?,
        AdminCommand::UserList {} => {
            let users = access::list(dav)
                .await?
                .into_iter()
                .map(UserEntry::from)
                .collect();
            return Ok(AdminReply::Users { users });
        }
    }
    Ok(AdminReply::Done {})
}
