//! Commands about users.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply};
use crate::ops::Dav;
use crate::ops::access::{self, NewUser, User, UserChange};
use crate::ops::password::Password;
use crate::protocol::time::Timestamp;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UserCommand {
    /// Adds a user.
    Add {
        /// What the user signs in with.
        name: String,
        /// What people call this user; by default the name.
        display_name: Option<String>,
        /// May be empty.
        email: String,
        /// In the clear: it crosses a socket that only this account can open.
        password: Password,
        /// Whether this user may do everything everywhere.
        admin: bool,
    },
    /// Lists the users.
    List,
    /// Changes what is known about a user.
    Set {
        /// About whom.
        name: String,
        /// What people call this user.
        display_name: Option<String>,
        /// May be empty.
        email: Option<String>,
        /// Whether this user may do everything everywhere.
        admin: Option<bool>,
    },
    /// Gives a user another password.
    Password {
        /// Whose.
        name: String,
        /// The new one.
        password: Password,
    },
    /// Removes a user.
    Remove {
        /// Whom.
        name: String,
    },
}

impl UserCommand {
    pub(super) fn affected_user(&self) -> Option<&str> {
        match self {
            Self::Set { name, .. } | Self::Password { name, .. } | Self::Remove { name } => {
                Some(name)
            }
            Self::Add { .. } | Self::List => None,
        }
    }
}

/// One user in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// A UUID, unchanged for life.
    pub id: String,
    /// What the user signs in with.
    pub name: String,
    /// What people call this user.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Whether this user may do everything everywhere.
    pub admin: bool,
    /// When the user was added (RFC 3339).
    pub created: String,
}

impl From<User> for UserEntry {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0.to_string(),
            name: user.name,
            display_name: user.display_name,
            email: user.email,
            admin: user.admin,
            created: user.created.rfc3339(),
        }
    }
}

pub(super) async fn run(
    dav: &Dav,
    command: UserCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    match command {
        UserCommand::Add {
            name,
            display_name,
            email,
            password,
            admin,
        } => {
            let new = NewUser {
                name,
                display_name,
                email,
                password,
                admin,
            };
            access::add(dav, new, now).await?;
        }
        UserCommand::Set {
            name,
            display_name,
            email,
            admin,
        } => {
            let change = UserChange {
                display_name,
                email,
                admin,
            };
            access::change(dav, &name, change).await?;
        }
        UserCommand::Password { name, password } => {
            access::set_password(dav, &name, password).await?;
        }
        UserCommand::Remove { name } => access::remove(dav, &name).await?,
        UserCommand::List => {
            let users = access::list(dav).await?;
            let entries = users.into_iter().map(UserEntry::from).collect();
            return Ok(AdminReply::Users(entries));
        }
    }
    Ok(AdminReply::Done)
}
