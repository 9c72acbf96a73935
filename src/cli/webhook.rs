//! `lockkeeper webhook …`: other programs that are told what happens.

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::print::{Format, table};
use super::{CliError, Place, control, say};
use crate::ops::access::Secret;
use crate::ops::admin::webhooks::{WebhookCommand, WebhookEntry};
use crate::ops::admin::{AdminCommand, AdminReply};
use crate::ops::webhooks::Begin;

#[derive(Debug, Subcommand)]
pub(super) enum Webhook {
    /// Have events posted to another program, and print the secret that it checks signatures with
    ///
    /// The server posts pages of events, signed as Standard Webhooks says, until the program has
    /// taken them.
    Add {
        /// Where to, as in https://example.org/hooks/lockkeeper
        url: String,
        /// With whose eyes: what this user may not see is not told
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Only what happens to the file or folder at this path, and below it
        #[arg(long)]
        path: Option<String>,
        /// The first event that is wanted
        #[arg(long, value_enum, default_value_t = Since::Now)]
        since: Since,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// List webhooks: how they go, and how many events wait
    List {
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a webhook
    Remove {
        /// Its id
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Post a page without events now, and say what the program answered
    Test {
        /// Its id
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Try at once what could not be delivered, also where the program had said that it was gone
    Retry {
        /// Its id
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// The first event that a webhook is told of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Since {
    /// The oldest that is kept
    Start,
    /// What happens from now on
    Now,
}

impl From<Since> for Begin {
    fn from(since: Since) -> Self {
        match since {
            Since::Start => Self::Start,
            Since::Now => Self::Now,
        }
    }
}

/// A new webhook for scripts.
#[derive(Debug, Serialize)]
struct NewWebhook {
    #[serde(flatten)]
    entry: WebhookEntry,
    secret: Secret,
}

impl Webhook {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add {
                url,
                user,
                path,
                since,
                format,
                place,
            } => {
                let command = WebhookCommand::Add {
                    url,
                    user,
                    path,
                    since: since.into(),
                };
                add(command, &format, &place).await
            }
            Self::List { format, place } => list(&format, &place).await,
            Self::Remove { id, place } => done(WebhookCommand::Remove { id }, &place).await,
            Self::Test { id, place } => test(id, &place).await,
            Self::Retry { id, place } => done(WebhookCommand::Retry { id }, &place).await,
        }
    }
}

async fn done(command: WebhookCommand, place: &Place) -> Result<(), CliError> {
    control::done(place, AdminCommand::Webhook(command)).await
}

async fn add(command: WebhookCommand, format: &Format, place: &Place) -> Result<(), CliError> {
    match control::run(place, AdminCommand::Webhook(command)).await? {
        AdminReply::NewWebhook(entry, secret) => {
            let new = NewWebhook { entry, secret };
            format.print(&new, |new| {
                let (id, secret) = (&new.entry.id, new.secret.reveal());
                format!("id      {id}\nsecret  {secret}\n")
            })
        }
        other => Err(control::unexpected(&other)),
    }
}

async fn test(id: String, place: &Place) -> Result<(), CliError> {
    let command = AdminCommand::Webhook(WebhookCommand::Test { id });
    match control::run(place, command).await? {
        AdminReply::Answered(answer) => say(&format!("the receiver answered {answer}\n")),
        other => Err(control::unexpected(&other)),
    }
}

async fn list(format: &Format, place: &Place) -> Result<(), CliError> {
    let command = AdminCommand::Webhook(WebhookCommand::List);
    match control::run(place, command).await? {
        AdminReply::Webhooks(all) => format.print(&all, |all| {
            let titles = [
                "ID",
                "URL",
                "USER",
                "PATH",
                "STATE",
                "BACKLOG",
                "NEXT TRY",
                "LAST ERROR",
            ];
            table(titles, &all.iter().map(row).collect::<Vec<_>>())
        }),
        other => Err(control::unexpected(&other)),
    }
}

fn row(webhook: &WebhookEntry) -> [String; 8] {
    let about = webhook.about.as_ref();
    let gone = || "(deleted)".to_owned();
    let more = if webhook.backlog_is_longer { "+" } else { "" };
    [
        webhook.id.clone(),
        webhook.url.clone(),
        webhook.user.clone(),
        about.map_or_else(String::new, |about| about.path.clone().unwrap_or_else(gone)),
        webhook.state.as_str().to_owned(),
        format!("{}{more}", webhook.backlog),
        webhook.next_try.clone().unwrap_or_default(),
        webhook.last_error.clone().unwrap_or_default(),
    ]
}
