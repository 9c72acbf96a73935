//! Commands about webhooks.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply, RefusalClass};
use crate::ops::Dav;
use crate::ops::webhooks::{
    self, Begin, Courier, GONE, NewWebhook, State, WebhookError, WebhookView,
};
use crate::protocol::time::Timestamp;

/// What may be asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WebhookCommand {
    /// Adds a webhook.
    Add {
        /// Where events are to be posted.
        url: String,
        /// With whose eyes the record is read.
        user: String,
        /// Only what happens to the resource at this path, or below it.
        path: Option<String>,
        /// The first event that is wanted.
        since: Begin,
    },
    /// Lists the webhooks.
    List,
    /// Removes a webhook.
    Remove {
        /// Its id.
        id: String,
    },
    /// Has what waits tried at once.
    Retry {
        /// Its id.
        id: String,
    },
    /// Posts a page without events.
    Test {
        /// Its id.
        id: String,
    },
}

impl std::fmt::Debug for WebhookCommand {
    /// Without the URL, which may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookCommand(…)")
    }
}

/// One webhook in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEntry {
    /// A UUID, unchanged for life.
    pub id: String,
    /// Where events are posted, without what follows the `?`.
    pub url: String,
    /// With whose eyes the record is read.
    pub user: String,
    /// What it is confined to, if it is.
    pub about: Option<About>,
    /// When it was added (RFC 3339).
    pub created: String,
    /// How it goes.
    pub state: StateName,
    /// Events that wait to be delivered, as far as they were counted.
    pub backlog: usize,
    /// Whether even more wait.
    pub backlog_is_longer: bool,
    /// When a page was last taken (RFC 3339), if one was.
    pub last_success: Option<String>,
    /// How many tries failed in a row.
    pub failures: u32,
    /// When it is tried again (RFC 3339), if the last try failed.
    pub next_try: Option<String>,
    /// Why the last try failed, if it did.
    pub last_error: Option<String>,
}

/// The resource that a webhook is confined to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// 32 hexadecimal digits, unchanged for life.
    pub id: String,
    /// Where it is; nothing if it was deleted.
    pub path: Option<String>,
}

/// How it goes with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Whatever was posted was taken.
    Working,
    /// The last try failed; there will be another one.
    Failing,
    /// The receiver answered 410 Gone; there will be no other try until an administrator says so.
    Gone,
}

impl StateName {
    /// Its name in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }
}

impl From<WebhookView> for WebhookEntry {
    fn from(view: WebhookView) -> Self {
        let (state, failures, retry, last_error) = match view.state {
            State::Working => (StateName::Working, 0, None, None),
            State::Failing {
                failures,
                retry,
                error,
                ..
            } => (StateName::Failing, failures, Some(retry), Some(error)),
            State::Gone => (StateName::Gone, 0, None, Some(GONE.to_owned())),
        };
        Self {
            id: view.id.to_string(),
            url: view.url,
            user: view.user,
            about: view.about.map(|about| About {
                id: about.id,
                path: about.path.map(|path| path.to_plain()),
            }),
            created: view.created.rfc3339(),
            state,
            backlog: view.waiting,
            backlog_is_longer: view.more_waiting,
            last_success: view.last_success.map(Timestamp::rfc3339),
            failures,
            next_try: retry.map(Timestamp::rfc3339),
            last_error,
        }
    }
}

impl From<WebhookError> for AdminError {
    fn from(error: WebhookError) -> Self {
        let class = match error {
            WebhookError::Access(error) => return error.into(),
            WebhookError::Dav(error) => return error.into(),
            WebhookError::Address(_) => RefusalClass::Usage,
            WebhookError::NoSuch(_) => RefusalClass::NotFound,
            WebhookError::NotTaken(_) => RefusalClass::Failed,
        };
        Self {
            class,
            reason: error.to_string(),
        }
    }
}

pub(super) async fn run(
    dav: &Dav,
    courier: &dyn Courier,
    command: WebhookCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    match command {
        WebhookCommand::Add {
            url,
            user,
            path,
            since,
        } => {
            let new = NewWebhook {
                url,
                user,
                path,
                since,
            };
            let (webhook, secret) = webhooks::add(dav, new, now).await?;
            Ok(AdminReply::NewWebhook(webhook.into(), secret))
        }
        WebhookCommand::List => {
            let all = webhooks::list(dav, now).await?;
            Ok(AdminReply::Webhooks(
                all.into_iter().map(WebhookEntry::from).collect(),
            ))
        }
        WebhookCommand::Remove { id } => {
            webhooks::remove(dav, &id).await?;
            Ok(AdminReply::Done)
        }
        WebhookCommand::Retry { id } => {
            webhooks::retry(dav, &id, now).await?;
            Ok(AdminReply::Done)
        }
        WebhookCommand::Test { id } => {
            let answer = webhooks::ping(dav, courier, &id).await?;
            Ok(AdminReply::Answered(answer))
        }
    }
}
