//! Webhooks: other programs that are told what happened. An administrator adds them on the command
//! line, and each sees what its user may see at the moment of a delivery.

mod address;
mod backoff;
mod delivery;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::Dav;
use super::access::{self, AccessError, Noun, Secret};
use super::events::PAGE_MAX;
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;
use crate::store::engine::{Mode, StoreError};
use crate::store::transact::transact;
use crate::store::tx::Tx;
use crate::store::webhooks::Webhook;

pub use crate::event::WebhookId;
pub use crate::store::webhooks::{SigningKey, State, WEBHOOKS_MAX};
pub use address::AddressError;
pub use delivery::{Answer, Attempt, Courier, Due, Parcel};

/// What is wrong with a webhook whose receiver wants nothing any more.
pub(super) const GONE: &str = "the receiver answered 410 Gone";

/// A webhook to be.
pub struct NewWebhook {
    /// Where events are to be posted.
    pub url: String,
    /// With whose eyes the record is read: a name.
    pub user: String,
    /// Only what happens to the resource at this path, or below it.
    pub path: Option<String>,
    /// The first event that is wanted.
    pub since: Begin,
}

impl fmt::Debug for NewWebhook {
    /// Without what follows the `?` of the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhook")
            .field("url", &address::shown(&self.url))
            .field("user", &self.user)
            .field("path", &self.path)
            .field("since", &self.since)
            .finish()
    }
}

/// From where on a new webhook is told of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// The oldest that is kept.
    Start,
    /// Only what has not happened yet.
    Now,
}

/// A webhook as it is listed: everything but its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookView {
    /// Unchanged for life.
    pub id: WebhookId,
    /// Where events are posted, without the query.
    pub url: String,
    /// The name of the user with whose eyes the record is read.
    pub user: String,
    /// What it is confined to, if it is.
    pub about: Option<About>,
    /// When it was added.
    pub created: Timestamp,
    /// When a page was last taken.
    pub last_success: Option<Timestamp>,
    /// How it goes.
    pub state: State,
    /// Events that wait to be delivered.
    pub waiting: usize,
    /// Whether more of them wait than were counted.
    pub more_waiting: bool,
}

/// The resource that a webhook is confined to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its id.
    pub id: String,
    /// Where it is; `None`: it was deleted.
    pub path: Option<DavPath>,
}

/// Why something was not done with a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// Nothing can be posted there.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is none.
    #[error("there is no webhook {0:?}; lockkeeper webhook list shows their ids")]
    NoSuch(String),
    /// The user, the path or the number of webhooks is wrong.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A page was posted, and not taken.
    #[error("{0}")]
    NotTaken(String),
    /// The store said no.
    #[error(transparent)]
    Dav(#[from] DavError),
}

impl From<StoreError> for WebhookError {
    fn from(error: StoreError) -> Self {
        Self::Dav(error.into())
    }
}

/// What has to be known before the transaction.
struct Making {
    new: NewWebhook,
    id: WebhookId,
    key: SigningKey,
    path: Option<DavPath>,
}

impl Making {
    async fn make(&self, tx: &mut Tx<'_>) -> Result<(), WebhookError> {
        let user = access::load(tx, &self.new.user).await?;
        if tx.webhooks().await?.len() >= WEBHOOKS_MAX {
            let (what, max) = ("webhooks", WEBHOOKS_MAX);
            return Err(AccessError::TooMany { what, max }.into());
        }
        let about = match &self.path {
            Some(path) => {
                let walk = tx.walk(path).await?;
                let found = walk.found().map(|found| found.id);
                Some(found.ok_or_else(|| AccessError::NothingAt(path.to_plain()))?)
            }
            None => None,
        };
        let webhook = Webhook {
            id: self.id,
            url: self.new.url.clone(),
            key: self.key,
            user: user.id,
            about,
            created: tx.now,
            delivered: match self.new.since {
                Begin::Start => tx.pruned_events().await?,
                Begin::Now => tx.last_event().await?,
            },
            last_success: None,
            state: State::Working,
        };
        Ok(tx.put_webhook(&webhook)?)
    }
}

/// Adds a webhook. The secret is for its receiver; it is told only now.
pub async fn add(
    dav: &Dav,
    new: NewWebhook,
    now: Timestamp,
) -> Result<(WebhookView, Secret), WebhookError> {
    address::check(&new.url)?;
    let path_bytes_max = dav.config().limits.path_bytes_max;
    let path = new.path.as_deref();
    let path = path.map(|path| DavPath::from_plain(path, path_bytes_max));
    let path = path.transpose().map_err(AccessError::from)?;
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| AccessError::NoRandomness(error.to_string()))?;
    let user = access::plain_name(Noun::User, &new.user)?;
    let making = Making {
        new: NewWebhook { user, ..new },
        id: WebhookId(Uuid::new_v4()),
        key: SigningKey(key),
        path,
    };
    let context = (&making, now);
    let made = transact(dav.engine(), Mode::Write, &context, |txn, (making, now)| {
        Box::pin(async move { making.make(&mut Tx::new(txn, *now)).await })
    });
    made.await?;
    dav.webhooks_changed.send_replace(());
    let made = view(dav, making.id, now).await?;
    let removed = || WebhookError::NoSuch(making.id.to_string());
    Ok((made.ok_or_else(removed)?, Secret::of_webhook(&key)))
}

/// All webhooks, the oldest first.
pub async fn list(dav: &Dav, now: Timestamp) -> Result<Vec<WebhookView>, WebhookError> {
    let mut all = Vec::new();
    for id in dav.webhooks().await? {
        all.extend(view(dav, id, now).await?);
    }
    Ok(all)
}

/// Removes a webhook.
pub async fn remove(dav: &Dav, id: &str) -> Result<(), WebhookError> {
    transact(dav.engine(), Mode::Write, id, |txn, id| {
        Box::pin(async move {
            let mut tx = Tx::new(txn, Timestamp(0));
            let webhook = named(&mut tx, id).await?;
            tx.remove_webhook(webhook.id);
            Ok::<_, WebhookError>(())
        })
    })
    .await?;
    dav.webhooks_changed.send_replace(());
    Ok(())
}

/// Has what waits tried at once, also where the receiver was gone for good.
pub async fn retry(dav: &Dav, id: &str, now: Timestamp) -> Result<(), WebhookError> {
    let retrying = (id, now);
    let retried = transact(dav.engine(), Mode::Write, &retrying, |txn, (id, now)| {
        Box::pin(async move {
            let mut tx = Tx::new(txn, *now);
            let mut webhook = named(&mut tx, id).await?;
            match &mut webhook.state {
                State::Working => {}
                State::Failing { retry, .. } => *retry = *now,
                gone @ State::Gone => *gone = State::Working,
            }
            Ok::<_, WebhookError>(tx.put_webhook(&webhook)?)
        })
    });
    retried.await?;
    dav.webhooks_changed.send_replace(());
    Ok(())
}

/// Posts a page without events and gives what its receiver answered. Nothing is remembered of it.
pub async fn ping(dav: &Dav, courier: &dyn Courier, id: &str) -> Result<String, WebhookError> {
    let parcel = dav.webhook_ping(id).await?;
    match courier.post(&parcel).await {
        Answer::Taken(status) => Ok(status),
        Answer::Gone => Err(WebhookError::NotTaken(GONE.to_owned())),
        Answer::Failed(reason) => Err(WebhookError::NotTaken(reason)),
    }
}

/// The webhook with this id, as it was typed.
async fn named(tx: &mut Tx<'_>, id: &str) -> Result<Webhook, WebhookError> {
    let found = match Uuid::try_parse(id) {
        Ok(uuid) => tx.webhook(WebhookId(uuid)).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| WebhookError::NoSuch(id.chars().take(64).collect()))
}

async fn view(
    dav: &Dav,
    id: WebhookId,
    now: Timestamp,
) -> Result<Option<WebhookView>, WebhookError> {
    let Some((webhook, principal)) = dav.webhook_with_user(id).await? else {
        return Ok(None);
    };
    let user = principal.name.clone();
    let asked = dav.webhook_asks(&webhook, principal, webhook.delivered, (PAGE_MAX, now))?;
    let page = dav.events(&asked).await?;
    let about = match webhook.about {
        Some(id) => Some(About {
            id: id.to_string(),
            path: path_of(dav, id).await?,
        }),
        None => None,
    };
    Ok(Some(WebhookView {
        id: webhook.id,
        url: address::shown(&webhook.url),
        user,
        about,
        created: webhook.created,
        last_success: webhook.last_success,
        state: webhook.state,
        waiting: page.events.len(),
        more_waiting: page.more,
    }))
}

async fn path_of(dav: &Dav, id: ResourceId) -> Result<Option<DavPath>, DavError> {
    dav.read(&id, |txn, id| {
        Box::pin(async move {
            let found = Tx::new(txn, Timestamp(0)).path_of(*id).await?;
            Ok(found.map(|(path, _)| path))
        })
    })
    .await
}

#[cfg(test)]
mod tests;
