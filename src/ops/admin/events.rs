//! The command that reads the record of events.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply};
use crate::ops::Dav;
use crate::ops::access::Principal;
use crate::ops::events::told::ToldPage;
use crate::ops::events::{EventAsk, Since};
use crate::ops::target::Target;
use crate::protocol::time::Timestamp;

/// Asks for the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct EventCommand {
    /// From where on.
    pub since: FromWhere,
    /// Only about this, or below it: a path, or 32 hexadecimal digits.
    pub about: Option<String>,
    /// Most events.
    pub limit: usize,
}

/// From where on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWhere {
    /// The oldest event that is kept.
    Start,
    /// What happens next.
    Now,
    /// Behind the event of this id, or behind an earlier page.
    After(String),
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReply {
    /// The events.
    pub page: ToldPage,
    /// The id of what they are about, under which it can be asked for when it has moved.
    pub about: Option<String>,
}

pub(super) async fn run(
    dav: &Dav,
    command: EventCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    let bytes_max = dav.config().limits.path_bytes_max;
    let about = command.about.as_deref();
    let about = about.map(|text| Target::parse(text, bytes_max));
    let ask = EventAsk {
        principal: Principal::command_line(),
        now,
        since: match command.since {
            FromWhere::Start => Since::Start,
            FromWhere::Now => Since::Now,
            FromWhere::After(place) => Since::After(place.parse()?),
        },
        about: about.transpose()?,
        limit: command.limit,
    };
    let page = dav.events(&ask).await?;
    Ok(AdminReply::Events(EventReply {
        page: page.told(ask.principal.id),
        about: page.about.map(|id| id.to_string()),
    }))
}
