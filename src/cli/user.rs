//! `lockkeeper user …`: through the control socket of the server that runs on the data folder, or,
//! when none does, directly on the store.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::{CliError, Place, make_private, say};
use crate::config::Config;
use crate::ops::admin::{self, AdminCommand, AdminReply, UserEntry};
use crate::ops::password::{PASSWORD_BYTES_MAX, Password};
use crate::ops::{Dav, NoObserver};
use crate::web::{clock, control};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user
    Add {
        /// What the user signs in with
        name: String,
        /// May release other people's locks and read the metrics
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        place: Place,
    },
    /// List the users
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Give a user another password
    Passwd {
        /// Whose password
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a user
    Remove {
        /// Whom
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from standard input; without this a random one is made and printed
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    fn password(&self) -> Result<Password, CliError> {
        if !self.password_stdin {
            return Password::random().map_err(CliError::failed);
        }
        let mut text = String::new();
        // One byte and a line end more than allowed, so that a longer one is noticed.
        let limit = PASSWORD_BYTES_MAX as u64 + 3;
        io::stdin()
            .take(limit)
            .read_to_string(&mut text)
            .map_err(|error| {
                CliError::Failed(format!("the password on standard input: {error}"))
            })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let password = Password::from(line.strip_suffix('\r').unwrap_or(line).to_owned());
        password.check().map_err(CliError::failed)?;
        Ok(password)
    }

    /// Tells a password that nobody has seen yet.
    fn tell(&self, password: &Password) -> Result<(), CliError> {
        if self.password_stdin {
            return Ok(());
        }
        say(&format!("password {}\n", password.reveal()))
    }
}

impl User {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add {
                name,
                admin,
                password: source,
                place,
            } => {
                let password = source.password()?;
                let command = AdminCommand::UserAdd {
                    name,
                    password: password.clone(),
                    admin,
                };
                run(&place, command).await?;
                source.tell(&password)
            }
            Self::Passwd {
                name,
                password: source,
                place,
            } => {
                let password = source.password()?;
                let command = AdminCommand::UserPassword {
                    name,
                    password: password.clone(),
                };
                run(&place, command).await?;
                source.tell(&password)
            }
            Self::Remove { name, place } => run(&place, AdminCommand::UserRemove { name })
                .await
                .map(drop),
            Self::List { place } => say(&table(&run(&place, AdminCommand::UserList {}).await?)),
        }
    }
}

/// Has a command done. The users, if it was to list them.
async fn run(place: &Place, command: AdminCommand) -> Result<Vec<UserEntry>, CliError> {
    let config = place.load(Vec::new())?;
    let asked = control::ask(&config.store.data, &command)
        .await
        .map_err(CliError::failed)?;
    let reply = match asked {
        Some(reply) => reply,
        None => run_directly(&config, command).await?,
    };
    match reply {
        AdminReply::Done {} => Ok(Vec::new()),
        AdminReply::Users { users } => Ok(users),
        AdminReply::Refused { reason } => Err(CliError::Failed(reason)),
    }
}

async fn run_directly(config: &Config, command: AdminCommand) -> Result<AdminReply, CliError> {
    if config.store.memory {
        let reason = "store.memory is set: there is nothing to change while no server runs";
        return Err(CliError::Failed(reason.to_owned()));
    }
    let data = &config.store.data;
    if matches!(command, AdminCommand::UserAdd { .. }) {
        make_private(data)?;
    } else if !data.is_dir() {
        return Err(CliError::Failed(format!(
            "there is no data folder {}",
            data.display()
        )));
    }
    let now = clock::now();
    let dav = Dav::open(config, now, clock::stopwatch, Arc::new(NoObserver)).await;
    let dav = dav.map_err(CliError::failed)?;
    let reply = admin::run(&dav, command, now).await;
    dav.close().await.map_err(CliError::failed)?;
    Ok(reply)
}

/// Columns as wide as their widest entry.
fn table(users: &[UserEntry]) -> String {
    let width = users
        .iter()
        .map(|user| user.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut text = format!("{:width$}  ROLE   ADDED\n", "NAME");
    for UserEntry {
        name,
        admin,
        created,
    } in users
    {
        let role = if *admin { "admin" } else { "user" };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name:width$}  {role:5}  {created}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    #[test]
    fn the_table_lines_up() {
        let user = |name: &str, admin| UserEntry {
            name: name.to_owned(),
            admin,
            created: Timestamp(1_795_320_696_000),
        };
        assert_eq!(
            table(&[user("Jörg Müller", true), user("al", false)]),
            "NAME         ROLE   ADDED\n\
             Jörg Müller  admin  2026-11-22T04:11:36Z\n\
             al           user   2026-11-22T04:11:36Z\n"
        );
        assert_eq!(table(&[]), "NAME  ROLE   ADDED\n");
    }
}
