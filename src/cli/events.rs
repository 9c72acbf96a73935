//! `lockkeeper events`.

mod words;

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use super::{CliError, Place, control, say};
use crate::ops::admin::events::{EventCommand, EventReply, FromWhere};
use crate::ops::admin::{AdminCommand, AdminReply};
use crate::ops::events::PAGE_MAX;

/// Between two looks at the record. Looking costs the server less than a waiting follower would:
/// its control socket has few places.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Events {
    /// End with what has happened so far
    #[arg(long)]
    no_follow: bool,
    /// From where on: start (the oldest that is kept), now, or behind the event of an id [default:
    /// now; start with --no-follow]
    // One id in 64 begins with a hyphen.
    #[arg(long, value_name = "start|now|ID", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only what happens to this file or collection or below it; of what is gone, its id
    #[arg(long, value_name = "PATH|ID")]
    path: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print each event as one line of JSON, as /api/events has it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Events {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let done = tokio::select! {
            done = self.print() => done,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        match done {
            // Whoever reads has seen enough: `lockkeeper events | head`.
            Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    }

    async fn print(&self) -> Result<(), CliError> {
        let follows = !self.no_follow && control::is_served(&self.place).await?;
        let since = match self.since.as_deref() {
            Some("start") => FromWhere::Start,
            Some("now") => FromWhere::Now,
            Some(id) => FromWhere::After(id.to_owned()),
            None if follows => FromWhere::Now,
            None => FromWhere::Start,
        };
        let mut reading = Reading {
            since,
            about: self.path.clone(),
            left: self.limit.unwrap_or(u64::MAX),
        };
        loop {
            let asked = reading.command();
            let reply = if follows {
                control::run_served(&self.place, asked).await?
            } else {
                control::run(&self.place, asked).await?
            };
            let AdminReply::Events(reply) = reply else {
                return Err(control::unexpected(&reply));
            };
            self.show(&reply)?;
            let more = reply.page.more;
            reading.go_on(reply);
            if reading.left == 0 {
                return Ok(());
            }
            if !more {
                if !follows {
                    break;
                }
                sleep(LOOK_EVERY).await;
            }
        }
        if self.no_follow {
            return Ok(());
        }
        remark("no server runs on the data folder, so nothing more happens")
    }

    fn show(&self, EventReply { page, .. }: &EventReply) -> Result<(), CliError> {
        if page.missed {
            remark("events before these are no longer kept")?;
        }
        let mut lines = String::new();
        for event in &page.events {
            if self.json {
                lines += &serde_json::to_string(event).map_err(CliError::failed)?;
            } else {
                lines += &words::line(event);
            }
            lines += "\n";
        }
        say(&lines)
    }
}

/// Beside the events, so that scripts read events only.
fn remark(text: &str) -> Result<(), CliError> {
    Ok(writeln!(io::stderr(), "lockkeeper: {text}")?)
}

/// How far the record has been read.
struct Reading {
    since: FromWhere,
    about: Option<String>,
    /// How many events are still wanted.
    left: u64,
}

impl Reading {
    fn command(&self) -> AdminCommand {
        let left = usize::try_from(self.left).unwrap_or(PAGE_MAX);
        AdminCommand::Events(EventCommand {
            since: self.since.clone(),
            about: self.about.clone(),
            limit: left.min(PAGE_MAX),
        })
    }

    fn go_on(&mut self, EventReply { page, about }: EventReply) {
        self.left = self.left.saturating_sub(page.events.len() as u64);
        self.since = FromWhere::After(page.next);
        self.about = about;
    }
}
