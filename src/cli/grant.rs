//! `lockkeeper grant …`.

use clap::{Args, Subcommand, ValueEnum};

use super::print::{Format, table};
use super::{CliError, Place, control};
use crate::ops::admin::grants::{GrantCommand, GrantEntry, GranteeName};
use crate::ops::admin::{AdminCommand, AdminReply};
use crate::rights;

#[derive(Debug, Subcommand)]
pub(super) enum Grant {
    /// Grant a role on a collection and everything below it
    ///
    /// The nearest collection with a grant that concerns somebody decides for them.
    Set {
        /// The collection, as in /projects/bridge
        path: String,
        /// What they are there
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        place: Place,
    },
    /// Take a grant away, so that what is inherited from above counts again
    Remove {
        /// The collection
        path: String,
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        place: Place,
    },
    /// List grants
    List {
        /// Only those that decide about this path: on it and above it
        path: Option<String>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Nothing there exists for them
    None,
    /// Sees everything, changes nothing
    Reader,
    /// Works there: writes, checks out, freezes
    Editor,
    /// Also releases other people's locks and grants roles
    Manager,
}

impl From<Role> for rights::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::None => Self::None,
            Role::Reader => Self::Reader,
            Role::Editor => Self::Editor,
            Role::Manager => Self::Manager,
        }
    }
}

/// To whom.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct To {
    /// To one user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// To the members of a group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// To everyone who can sign in
    #[arg(long)]
    everyone: bool,
}

impl From<To> for GranteeName {
    fn from(to: To) -> Self {
        let user = to.user.map(Self::User);
        user.or(to.group.map(Self::Group)).unwrap_or(Self::Everyone)
    }
}

impl Grant {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Set {
                path,
                role,
                to,
                place,
            } => {
                let (role, to) = (role.into(), to.into());
                let command = GrantCommand::Set { path, role, to };
                control::done(&place, AdminCommand::Grant(command)).await
            }
            Self::Remove { path, to, place } => {
                let command = GrantCommand::Remove {
                    path,
                    to: to.into(),
                };
                control::done(&place, AdminCommand::Grant(command)).await
            }
            Self::List {
                path,
                format,
                place,
            } => list(path, &format, &place).await,
        }
    }
}

async fn list(path: Option<String>, format: &Format, place: &Place) -> Result<(), CliError> {
    let command = AdminCommand::Grant(GrantCommand::List { path });
    match control::run(place, command).await? {
        AdminReply::Grants(grants) => format.print(&grants, |grants| {
            let row = |grant: &GrantEntry| {
                let GrantEntry { path, to, name, .. } = grant;
                [
                    path.clone(),
                    to.clone(),
                    name.clone(),
                    grant.role.to_string(),
                ]
            };
            let rows: Vec<_> = grants.iter().map(row).collect();
            table(["PATH", "TO", "NAME", "ROLE"], &rows)
        }),
        other => Err(control::unexpected(&other)),
    }
}
