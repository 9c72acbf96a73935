//! What is to be delivered next, and what came of it. Everything is kept in the row of the webhook,
//! so a restart goes on where the last one ended.

use std::fmt;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::{WebhookError, address, backoff, named};
use crate::config;
use crate::event::{Mark, WebhookId};
use crate::lock::UserId;
use crate::ops::Dav;
use crate::ops::access::Principal;
use crate::ops::events::{Cursor, EventAsk, EventPage, Since};
use crate::ops::target::Target;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::store::engine::Mode;
use crate::store::transact::transact;
use crate::store::tx::Tx;
use crate::store::webhooks::{SigningKey, State, Webhook};

/// Most characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 300;

/// What there is to do for a webhook.
#[derive(Debug)]
pub enum Due {
    /// This is to be posted.
    Page(Parcel),
    /// Nothing that its user may see.
    Nothing {
        /// The place behind all that was passed over, if anything was.
        passed: Option<Cursor>,
        /// Whether there may be more behind it already.
        more: bool,
    },
    /// It failed and rests until then.
    Later(Timestamp),
    /// Its receiver is gone; nothing until an administrator says so.
    Stopped,
    /// There is no such webhook any more.
    Removed,
}

/// A page for a receiver.
pub struct Parcel {
    /// Where to.
    pub url: String,
    /// The same for lists and logs.
    pub shown_url: String,
    /// What it is to be signed with.
    pub key: SigningKey,
    /// The name of the message: the same each time these events are tried.
    pub message: String,
    /// Whose eyes saw its events.
    pub reader: UserId,
    /// The events.
    pub page: EventPage,
}

impl fmt::Debug for Parcel {
    /// Without what follows the `?` of the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("url", &self.shown_url)
            .field("message", &self.message)
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

/// Posts pages: the server's HTTP client.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Posts one page and waits for what its receiver says.
    async fn post(&self, parcel: &Parcel) -> Answer;
}

/// What a receiver said to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It took the page; with its status.
    Taken(String),
    /// It wants nothing any more.
    Gone,
    /// It did not take the page, or could not be reached: a sentence.
    Failed(String),
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver took the page that ended here.
    Taken(Cursor),
    /// There was nothing to post up to here.
    Passed(Cursor),
    /// The receiver did not take a page.
    Failed {
        /// How many events it had.
        events: usize,
        /// What was wrong.
        error: String,
    },
    /// The receiver wants nothing any more.
    Gone,
}

impl Dav {
    /// All webhooks, the oldest first.
    pub async fn webhooks(&self) -> Result<Vec<WebhookId>, DavError> {
        self.read(&(), |txn, ()| {
            Box::pin(async move {
                let all = Tx::new(txn, Timestamp(0)).webhooks().await?;
                Ok(all.into_iter().map(|webhook| webhook.id).collect())
            })
        })
        .await
    }

    /// Tells when webhooks are added, or are to be tried at once.
    pub fn webhook_changes(&self) -> watch::Receiver<()> {
        self.webhooks_changed.subscribe()
    }

    /// What is due for a webhook. `passed` is a place up to which there was nothing for it; a page
    /// has at most `limit` events. What it tells is durable.
    pub async fn webhook_due(
        &self,
        id: WebhookId,
        passed: Option<Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Due, DavError> {
        let Some((webhook, principal)) = self.webhook_with_user(id).await? else {
            return Ok(Due::Removed);
        };
        let limit = match webhook.state {
            State::Gone => return Ok(Due::Stopped),
            // A clock that was set back must not make it rest for as long.
            State::Failing { retry, .. } if retry > now && retry <= self.latest_retry(now) => {
                return Ok(Due::Later(retry));
            }
            State::Failing { events, .. } if events > 0 => limit.min(events),
            State::Failing { .. } | State::Working => limit,
        };
        let passed = passed
            .map(|place| self.places.decipher(place))
            .transpose()?;
        let since = passed.map_or(webhook.delivered, |passed| passed.max(webhook.delivered));
        let asked = self.webhook_asks(&webhook, principal, since, (limit, now))?;
        let page = self.events(&asked).await?;
        if page.events.is_empty() && !page.missed {
            let moved = self.places.decipher(page.next)? > since;
            return Ok(Due::Nothing {
                passed: moved.then_some(page.next),
                more: page.more,
            });
        }
        let message = message(&webhook, since, &page);
        Ok(Due::Page(parcel(&webhook, message, page)))
    }

    /// A webhook and whose eyes it has; `None` where either is gone.
    pub(super) async fn webhook_with_user(
        &self,
        id: WebhookId,
    ) -> Result<Option<(Webhook, Principal)>, DavError> {
        self.read(&id, |txn, id| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, Timestamp(0));
                let Some(webhook) = tx.webhook(*id).await? else {
                    return Ok(None);
                };
                let user = tx.user_by_id(webhook.user).await?;
                Ok(user.map(|user| (webhook, Principal::from(&user))))
            })
        })
        .await
    }

    /// When the next attempt is due at the latest.
    fn latest_retry(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.config.webhooks.retry_seconds_max)
    }

    /// What a webhook wants to know.
    pub(super) fn webhook_asks(
        &self,
        webhook: &Webhook,
        principal: Principal,
        since: Mark,
        (limit, now): (usize, Timestamp),
    ) -> Result<EventAsk, DavError> {
        Ok(EventAsk {
            principal,
            now,
            since: Since::After(self.places.of_page(since)?),
            about: webhook.about.map(Target::Id),
            limit,
        })
    }

    /// A page without events for a webhook, to see what its receiver says.
    pub(super) async fn webhook_ping(&self, id: &str) -> Result<Parcel, WebhookError> {
        let pinging = (id, Uuid::new_v4().simple(), &self.places);
        transact(
            self.engine(),
            Mode::Read,
            &pinging,
            |txn, (id, nonce, places)| {
                Box::pin(async move {
                    let mut tx = Tx::new(txn, Timestamp(0));
                    let webhook = named(&mut tx, id).await?;
                    let page = EventPage {
                        events: Vec::new(),
                        about: webhook.about,
                        next: places.of_page(webhook.delivered)?,
                        more: false,
                        missed: false,
                    };
                    let message = format!("ping_{nonce}");
                    Ok::<_, WebhookError>(parcel(&webhook, message, page))
                })
            },
        )
        .await
    }

    /// Writes down what came of an attempt. This is no event, so nobody is told of the commit.
    pub async fn webhook_attempted(
        &self,
        id: WebhookId,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), DavError> {
        let place = match attempt {
            Attempt::Taken(place) | Attempt::Passed(place) => Some(self.places.decipher(*place)?),
            Attempt::Failed { .. } | Attempt::Gone => None,
        };
        // Without randomness webhooks only come back together.
        let random = getrandom::u32().unwrap_or_default();
        let writing = (id, attempt, place, random, &self.config.webhooks);
        transact(
            self.engine(),
            Mode::Write,
            &(writing, now),
            |txn, (writing, now)| {
                Box::pin(async move {
                    let (id, attempt, place, random, config) = writing;
                    let mut tx = Tx::new(txn, *now);
                    let Some(mut webhook) = tx.webhook(*id).await? else {
                        return Ok(());
                    };
                    if let Some(place) = place {
                        webhook.delivered = webhook.delivered.max(*place);
                    }
                    note(&mut webhook, attempt, (*random, config), *now);
                    Ok(tx.put_webhook(&webhook)?)
                })
            },
        )
        .await
    }
}

fn note(
    webhook: &mut Webhook,
    attempt: &Attempt,
    (random, config): (u32, &config::Webhooks),
    now: Timestamp,
) {
    match attempt {
        Attempt::Passed(_) => {}
        Attempt::Taken(_) => {
            webhook.last_success = Some(now);
            webhook.state = State::Working;
        }
        Attempt::Failed { events, error } => {
            let failures = match webhook.state {
                State::Failing { failures, .. } => failures.saturating_add(1),
                State::Working | State::Gone => 1,
            };
            let pause = backoff::pause(failures, random, config).as_millis();
            let pause = u64::try_from(pause).unwrap_or(u64::MAX);
            webhook.state = State::Failing {
                failures,
                retry: Timestamp(now.0.saturating_add(pause)),
                events: *events,
                error: error.chars().take(ERROR_CHARS_MAX).collect(),
            };
        }
        Attempt::Gone => webhook.state = State::Gone,
    }
}

fn parcel(webhook: &Webhook, message: String, page: EventPage) -> Parcel {
    Parcel {
        url: webhook.url.clone(),
        shown_url: address::shown(&webhook.url),
        key: webhook.key,
        message,
        reader: webhook.user,
        page,
    }
}

/// The name of a message: made from the events in it, so that the same ones have the same name
/// without it being kept anywhere. A page that only says that events were missed is told from
/// others like it by where it begins.
fn message(webhook: &Webhook, since: Mark, page: &EventPage) -> String {
    let mut hash = Sha256::new();
    hash.update(webhook.id.0.as_bytes());
    hash.update([u8::from(page.missed)]);
    if page.missed {
        hash.update(since.0);
    }
    for event in &page.events {
        hash.update(event.id.to_string());
    }
    let hash = hash.finalize();
    format!("msg_{}", BASE64.encode(&hash[..16]))
}
