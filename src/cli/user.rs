//! `lockkeeper user …`.

use std::io::{self, Read as _};

use clap::{Args, Subcommand};

use super::print::{Format, table};
use super::{CliError, Place, control, say};
use crate::ops::admin::users::{UserCommand, UserEntry};
use crate::ops::admin::{AdminCommand, AdminReply};
use crate::ops::password::{PASSWORD_BYTES_MAX, Password};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user
    Add {
        /// What the user signs in with
        name: String,
        /// What people call this user [default: the name]
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        /// Where the user gets mail
        #[arg(
            long,
            value_name = "ADDRESS",
            default_value = "",
            hide_default_value = true
        )]
        email: String,
        /// May do everything everywhere, release other people's locks and read the metrics
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
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// Change what is known about a user
    #[group(id = "what", required = true, multiple = true)]
    Set {
        /// About whom
        name: String,
        /// What people call this user
        #[arg(long, value_name = "TEXT", group = "what")]
        display_name: Option<String>,
        /// Where the user gets mail; empty: nowhere
        #[arg(long, value_name = "ADDRESS", group = "what")]
        email: Option<String>,
        /// Whether the user may do everything everywhere
        #[arg(long, value_name = "true|false", group = "what")]
        admin: Option<bool>,
        #[command(flatten)]
        place: Place,
    },
    /// Give a user another password; their sessions end, their API keys stay
    Passwd {
        /// Whose password
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a user with API keys, memberships and grants; their locks stay until somebody with
    /// super-check-in releases them
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
        password.check().map_err(CliError::usage)?;
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
        let done =
            async |place: &Place, command| control::done(place, AdminCommand::User(command)).await;
        match self {
            Self::Add {
                name,
                display_name,
                email,
                admin,
                password: source,
                place,
            } => {
                let password = source.password()?;
                let command = UserCommand::Add {
                    name,
                    display_name,
                    email,
                    password: password.clone(),
                    admin,
                };
                done(&place, command).await?;
                source.tell(&password)
            }
            Self::Passwd {
                name,
                password: source,
                place,
            } => {
                let password = source.password()?;
                let command = UserCommand::Password {
                    name,
                    password: password.clone(),
                };
                done(&place, command).await?;
                source.tell(&password)
            }
            Self::Set {
                name,
                display_name,
                email,
                admin,
                place,
            } => {
                let command = UserCommand::Set {
                    name,
                    display_name,
                    email,
                    admin,
                };
                done(&place, command).await
            }
            Self::Remove { name, place } => done(&place, UserCommand::Remove { name }).await,
            Self::List { format, place } => list(&format, &place).await,
        }
    }
}

async fn list(format: &Format, place: &Place) -> Result<(), CliError> {
    let command = AdminCommand::User(UserCommand::List);
    match control::run(place, command).await? {
        AdminReply::Users(users) => format.print(&users, |users| {
            let rows: Vec<_> = users.iter().map(row).collect();
            table(["NAME", "ROLE", "ADDED", "DISPLAY NAME", "E-MAIL"], &rows)
        }),
        other => Err(control::unexpected(&other)),
    }
}

fn row(user: &UserEntry) -> [String; 5] {
    let role = if user.admin { "admin" } else { "user" };
    [
        user.name.clone(),
        role.to_owned(),
        user.created.clone(),
        user.display_name.clone(),
        user.email.clone(),
    ]
}
