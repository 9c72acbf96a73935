//! The command line. Parse, put the configuration together, run one command.
//!
//! Exit codes, the same for every command; the reason is on standard error:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | not done: the server, the store or the system failed |
//! | 2 | wrong usage or settings |
//! | 3 | a user, group, key, path, lock, version, webhook or backup named does not exist |
//! | 4 | refused because of what is there: it exists already, is locked, is the last, is too many |

mod backup;
mod check;
mod config;
mod control;
mod events;
mod export;
mod grant;
mod group;
mod import;
mod lock;
mod log;
mod print;
mod progress;
mod restore;
mod serve;
mod token;
mod transfer;
mod user;
mod version;
mod webhook;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use thiserror::Error;

use crate::backup::BackupError;
use crate::config::{Config, ConfigError, Setting};
use crate::ops::admin::{AdminError, RefusalClass};

/// The table above for `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  not done: the server, the store or the system failed
  2  wrong usage or settings
  3  a user, group, key, path, lock, version, webhook or backup named does not exist
  4  refused because of what is there: it exists already, is locked, is the last, is too many";

/// A WebDAV server whose locks hold.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(serve::Serve),
    /// Add, list, change and remove users, while the server runs or while it does not
    #[command(subcommand)]
    User(user::User),
    /// Add, list, change and remove groups of users
    #[command(subcommand)]
    Group(group::Group),
    /// Grant roles on collections to users, groups and everyone
    #[command(subcommand)]
    Grant(grant::Grant),
    /// List, show, release, steal and take locks, whoever holds them
    #[command(subcommand)]
    Lock(lock::Lock),
    /// List, restore and label the versions of files
    #[command(subcommand)]
    Version(version::Version),
    /// Make, list and revoke API keys: for programs, and as passwords of mounts
    #[command(subcommand)]
    Token(token::Token),
    /// Follow what happens to files and locks, and print it a line an event
    Events(events::Events),
    /// Add, list and remove webhooks: other programs that are told what happens
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Back up everything of one moment, while the server runs or while it does not
    ///
    /// Files with their versions, properties and locks, users, groups, grants, keys, events and
    /// webhooks. Everybody goes on working meanwhile.
    ///
    /// A folder holds any number of moments, and each further run copies only content that is new.
    /// A name that ends in .tar is one file with one moment. `lockkeeper restore` makes a data
    /// folder of either. Keep backups as safe as the data folder: they hold everybody's files.
    Backup(backup::Backup),
    /// Make a new data folder of a backup
    ///
    /// Files, versions, properties, locks, users, groups, grants, keys, events and webhooks are as
    /// they were at that moment. Every byte is checked; if anything is damaged, nothing is made.
    ///
    /// The folder named by --data must not be there yet, or be empty. Start the server on it
    /// afterwards: lockkeeper serve --data FOLDER
    Restore(restore::Restore),
    /// Read everything that is kept and say what is not as it was written
    Check(check::Check),
    /// Copy files and folders out of the store into a plain folder, with their times
    #[command(allow_missing_positional = true)]
    Export(export::Export),
    /// Bring the files and folders of a plain folder in, with the times of files
    ///
    /// It is as if the user uploaded them: locks and rights count. What is refused is named, the
    /// rest goes on, and the exit code tells. Symbolic links and special files are skipped.
    Import(import::Import),
    /// Print the effective configuration, with every default, as TOML
    Config(Place),
}

/// Where the settings and the data are.
#[derive(Debug, Args)]
struct Place {
    /// The file of settings [default: lockkeeper.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder [default: ./lockkeeper-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl Place {
    /// The effective configuration; `more` are the settings of further flags.
    fn load(&self, mut more: Vec<Setting>) -> Result<Config, CliError> {
        if let Some(data) = &self.data {
            more.push(Setting::flag(
                "--data",
                "store.data",
                path_text("--data", data)?,
            ));
        }
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                Some((name, value.to_string_lossy().into_owned()))
            })
            .collect();
        Ok(crate::config::load(
            self.config.as_deref(),
            &environment,
            more,
        )?)
    }
}

/// Settings are text, so a path among them is too.
fn path_text(flag: &str, path: &Path) -> Result<String, CliError> {
    let text = path.to_str().ok_or_else(|| {
        CliError::Usage(format!(
            "{flag} {}: only UTF-8 paths are possible",
            path.display()
        ))
    });
    Ok(text?.to_owned())
}

/// Why a command was not done.
#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// The server, or the operation itself, said no.
    #[error(transparent)]
    Refused(AdminError),
    /// Nobody reads our output any more.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string())
    }

    fn usage(reason: impl Display) -> Self {
        Self::Usage(reason.to_string())
    }

    fn refused(class: RefusalClass, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self::Refused(AdminError { class, reason })
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Refused(error) => match error.class {
                RefusalClass::Failed => 1,
                RefusalClass::Usage => 2,
                RefusalClass::NotFound => 3,
                RefusalClass::Conflict => 4,
            },
        })
    }
}

impl From<BackupError> for CliError {
    fn from(error: BackupError) -> Self {
        match &error {
            BackupError::NotFound(_) => Self::refused(RefusalClass::NotFound, error),
            BackupError::InTheWay(_) => Self::refused(RefusalClass::Conflict, error),
            _ => Self::failed(error),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&CliError::failed(error)),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run().await,
            Command::User(user) => user.run().await,
            Command::Group(group) => group.run().await,
            Command::Token(token) => token.run().await,
            Command::Grant(grant) => grant.run().await,
            Command::Lock(lock) => lock.run().await,
            Command::Version(version) => version.run().await,
            Command::Events(events) => events.run().await,
            Command::Webhook(webhook) => webhook.run().await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::Check(check) => check.run().await,
            Command::Export(export) => export.run().await,
            Command::Import(import) => import.run().await,
            Command::Config(place) => config::print(&place),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn report(error: &CliError) -> ExitCode {
    // If standard error is gone, the exit code still tells.
    let _ = writeln!(io::stderr(), "lockkeeper: {error}");
    error.exit_code()
}

/// Makes the data folder if there is none, closed to other accounts: it holds everybody's files.
fn make_private(data: &Path) -> Result<(), CliError> {
    let make = || {
        if !data.is_dir() {
            let parent = data
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            parent.map_or(Ok(()), fs::create_dir_all)?;
            DirBuilder::new().mode(0o700).create(data)?;
        }
        sync_way_to(data)
    };
    make().map_err(|error| {
        CliError::Failed(format!(
            "the data folder {} cannot be made: {error}",
            data.display()
        ))
    })
}

/// Makes the names on the way to a folder durable, all that its volume knows of: whoever made them,
/// perhaps a start that was cut off, may not have done so, and without a name all in it is lost.
fn sync_way_to(data: &Path) -> io::Result<()> {
    let data = data.canonicalize()?;
    let volume = fs::metadata(&data)?.dev();
    for folder in data.ancestors().skip(1) {
        if fs::metadata(folder)?.dev() != volume {
            break;
        }
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            // Not to be read, so nobody of ours has made it, or anything in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Writes to standard output at once, also into a pipe.
fn say(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_sound() {
        use clap::CommandFactory as _;
        CommandLine::command().debug_assert();
    }
}
