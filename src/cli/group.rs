//! `lockkeeper group …`.

use clap::Subcommand;

use super::print::{Format, table};
use super::{CliError, Place, control};
use crate::ops::admin::groups::{GroupCommand, GroupDetail, GroupEntry};
use crate::ops::admin::{AdminCommand, AdminReply};

#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// Add a group without members
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the groups
    List {
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// Show a group with its members
    Show {
        /// Which group
        name: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a group; its members stay users
    Remove {
        /// Which group
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Give a group another name; members and grants stay
    Rename {
        /// Which group
        name: String,
        /// The new name
        to: String,
        #[command(flatten)]
        place: Place,
    },
    /// Put a user into a group
    AddMember {
        /// Into which group
        group: String,
        /// Which user
        user: String,
        #[command(flatten)]
        place: Place,
    },
    /// Take a user out of a group
    RemoveMember {
        /// Out of which group
        group: String,
        /// Which user
        user: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Group {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let done =
            async |place: &Place, command| control::done(place, AdminCommand::Group(command)).await;
        match self {
            Self::Add { name, place } => done(&place, GroupCommand::Add { name }).await,
            Self::Remove { name, place } => done(&place, GroupCommand::Remove { name }).await,
            Self::Rename { name, to, place } => {
                done(&place, GroupCommand::Rename { name, to }).await
            }
            Self::AddMember { group, user, place } => {
                done(&place, GroupCommand::AddMember { group, user }).await
            }
            Self::RemoveMember { group, user, place } => {
                done(&place, GroupCommand::RemoveMember { group, user }).await
            }
            Self::List { format, place } => list(&format, &place).await,
            Self::Show {
                name,
                format,
                place,
            } => show(name, &format, &place).await,
        }
    }
}

async fn list(format: &Format, place: &Place) -> Result<(), CliError> {
    match control::run(place, AdminCommand::Group(GroupCommand::List)).await? {
        AdminReply::Groups(groups) => format.print(&groups, |groups| {
            let row =
                |group: &GroupEntry| [&group.name, &group.created, &group.id].map(Clone::clone);
            let rows: Vec<_> = groups.iter().map(row).collect();
            table(["NAME", "ADDED", "ID"], &rows)
        }),
        other => Err(control::unexpected(&other)),
    }
}

async fn show(name: String, format: &Format, place: &Place) -> Result<(), CliError> {
    let command = AdminCommand::Group(GroupCommand::Show { name });
    match control::run(place, command).await? {
        AdminReply::Group(group) => format.print(&group, |GroupDetail { group, members }| {
            let lines = [
                format!("name     {}\n", group.name),
                format!("id       {}\n", group.id),
                format!("added    {}\n", group.created),
            ];
            let members = members.iter().map(|member| format!("member   {member}\n"));
            lines.into_iter().chain(members).collect()
        }),
        other => Err(control::unexpected(&other)),
    }
}
