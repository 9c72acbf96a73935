//! `lockkeeper version …`.

use clap::{Args, Subcommand};

use super::print::{Format, table};
use super::{CliError, Place, control};
use crate::ops::admin::versions::{VersionCommand, VersionEntry};
use crate::ops::admin::{AdminCommand, AdminReply};

#[derive(Debug, Subcommand)]
pub(super) enum Version {
    /// List the versions of a file, the newest first
    List {
        /// As in /projects/plan.odt
        path: String,
        #[command(flatten)]
        printing: Printing,
    },
    /// Make an old version the present one again, as a new version
    Restore {
        #[command(flatten)]
        change: Change,
    },
    /// Give a version a label: it is kept until the label is taken off
    Label {
        #[command(flatten)]
        change: Change,
        /// What people shall call it, 1 to 100 characters
        label: String,
    },
    /// Take the label of a version off
    Unlabel {
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, Args)]
pub(super) struct Printing {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// As in /projects/plan.odt
    path: String,
    /// Which version, as version list shows it
    number: u32,
    /// Who does it: a user who may upload there
    #[arg(long = "as", value_name = "USER")]
    user: String,
    #[command(flatten)]
    printing: Printing,
}

impl Version {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::List { path, printing } => printing.print(VersionCommand::List { path }).await,
            Self::Restore { change } => {
                let Change {
                    path, number, user, ..
                } = change;
                let command = VersionCommand::Restore { path, number, user };
                change.printing.print(command).await
            }
            Self::Label { change, label } => change.label(Some(label)).await,
            Self::Unlabel { change } => change.label(None).await,
        }
    }
}

impl Change {
    async fn label(self, label: Option<String>) -> Result<(), CliError> {
        let command = VersionCommand::Label {
            path: self.path,
            number: self.number,
            label,
            user: self.user,
        };
        self.printing.print(command).await
    }
}

impl Printing {
    /// Prints the versions that a command gives.
    async fn print(&self, command: VersionCommand) -> Result<(), CliError> {
        let reply = control::run(&self.place, AdminCommand::Version(command)).await?;
        let AdminReply::Versions(versions) = reply else {
            return Err(control::unexpected(&reply));
        };
        self.format.print(&versions, |versions| {
            let titles = ["VERSION", "SIZE", "AUTHOR", "UPLOADED", "UNDER", "LABEL"];
            table(titles, &versions.iter().map(row).collect::<Vec<_>>())
        })
    }
}

fn row(version: &VersionEntry) -> [String; 6] {
    let told = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        version.number.to_string(),
        version.size.to_string(),
        told(&version.author),
        version.uploaded.clone(),
        told(&version.under),
        told(&version.label),
    ]
}
