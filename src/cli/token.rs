//! `lockkeeper token …`: API keys.

use std::time::SystemTime;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::print::{Format, table};
use super::{CliError, Place, control};
use crate::ops::access::Secret;
use crate::ops::admin::tokens::{KeyEntry, TokenCommand};
use crate::ops::admin::{AdminCommand, AdminReply};
use crate::protocol::time::Timestamp;
use crate::rights::Access;
use crate::web::clock;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make an API key and print it, this once
    ///
    /// Programs send it as `Authorization: Bearer KEY`; mounts take it as the password of its user.
    Add {
        /// Whose key
        user: String,
        /// By which the user tells it from others
        #[arg(long)]
        name: String,
        /// What the key may be used for
        #[arg(long, value_enum, default_value_t = Scope::Write)]
        scope: Scope,
        /// Only the collection at this path, and what is below it
        #[arg(long, value_name = "PATH")]
        within: Option<String>,
        /// When it ends: after a time (90d, 12h), at a date (2027-01-31, midnight UTC) or at a
        /// moment (2027-01-31T18:00:00Z) [default: never]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// List API keys
    List {
        /// Only those of this user
        user: Option<String>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// Revoke an API key; it is worth nothing from then on
    Revoke {
        /// Whose key
        user: String,
        /// Its name or its id
        key: String,
        #[command(flatten)]
        place: Place,
    },
}

/// How far a key reaches.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Scope {
    /// Looking at what its user may see
    Read,
    /// Whatever its user may do
    Write,
}

impl From<Scope> for Access {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Write => Self::Write,
        }
    }
}

/// A new key for scripts.
#[derive(Debug, Serialize)]
struct NewKey {
    #[serde(flatten)]
    entry: KeyEntry,
    key: Secret,
}

impl Token {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add {
                user,
                name,
                scope,
                within,
                expires,
                format,
                place,
            } => {
                let expires = expires.as_deref();
                let expires = expires.map(|text| parse_expiry(text, clock::now()));
                let command = TokenCommand::Add {
                    user,
                    name,
                    scope: scope.into(),
                    within,
                    expires: expires.transpose()?,
                };
                add(command, &format, &place).await
            }
            Self::List {
                user,
                format,
                place,
            } => list(user, &format, &place).await,
            Self::Revoke { user, key, place } => {
                let command = TokenCommand::Revoke { user, key };
                control::done(&place, AdminCommand::Token(command)).await
            }
        }
    }
}

async fn add(command: TokenCommand, format: &Format, place: &Place) -> Result<(), CliError> {
    match control::run(place, AdminCommand::Token(command)).await? {
        AdminReply::NewKey(entry, key) => {
            let plain = |new: &NewKey| format!("{}\n", new.key.reveal());
            format.print(&NewKey { entry, key }, plain)
        }
        other => Err(control::unexpected(&other)),
    }
}

async fn list(user: Option<String>, format: &Format, place: &Place) -> Result<(), CliError> {
    let command = AdminCommand::Token(TokenCommand::List { user });
    match control::run(place, command).await? {
        AdminReply::Keys(keys) => format.print(&keys, |keys| {
            let titles = ["USER", "NAME", "SCOPE", "WITHIN", "ADDED", "EXPIRES", "ID"];
            table(titles, &keys.iter().map(row).collect::<Vec<_>>())
        }),
        other => Err(control::unexpected(&other)),
    }
}

fn row(key: &KeyEntry) -> [String; 7] {
    let scope = match key.scope {
        Access::Read => "read",
        Access::Write => "write",
    };
    let within = key.within.as_ref();
    let gone = || "(deleted)".to_owned();
    [
        key.user.clone(),
        key.name.clone(),
        scope.to_owned(),
        within.map_or_else(String::new, |within| {
            within.path.clone().unwrap_or_else(gone)
        }),
        key.created.clone(),
        key.expires.clone().unwrap_or_else(|| "never".to_owned()),
        key.id.clone(),
    ]
}

fn parse_expiry(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    let at = |time: SystemTime| (time > SystemTime::UNIX_EPOCH).then(|| Timestamp::from(time));
    let moment = |text: &str| humantime::parse_rfc3339(text).ok().and_then(at);
    let after = || {
        let time = humantime::parse_duration(text).ok()?;
        Some(now.plus_seconds(time.as_secs()))
    };
    after()
        .or_else(|| moment(text))
        .or_else(|| moment(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| {
            CliError::Usage(format!(
                "--expires {text}: give a time such as 90d or 12h, a date such as 2027-01-31, or \
                 a moment such as 2027-01-31T18:00:00Z"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries() {
        const NOW: Timestamp = Timestamp(1_795_320_696_000);
        fn check(text: &str, expect: Option<&str>) {
            let parsed = parse_expiry(text, NOW).ok().map(Timestamp::rfc3339);
            assert_eq!(parsed.as_deref(), expect, "{text:?}");
        }
        check("90d", Some("2027-02-20T04:11:36Z"));
        check("12h", Some("2026-11-22T16:11:36Z"));
        check("2027-01-31", Some("2027-01-31T00:00:00Z"));
        check("2027-01-31T18:00:00Z", Some("2027-01-31T18:00:00Z"));
        check("2027-02-31", None);
        check("soon", None);
        check("90", None);
        check("-1d", None);
        check("", None);
    }
}
