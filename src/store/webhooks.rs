//! Rows of webhooks. One is rewritten with each page of events that its receiver took.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::event::{Mark, WebhookId};
use crate::lock::UserId;
use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;

/// Most webhooks of a server: each of them reads the record.
pub const WEBHOOKS_MAX: usize = 100;

/// The key that pages are signed with. It is kept as it is, for a hash could not sign.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey(pub [u8; 32]);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Another program that is told what happened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Unchanged for life.
    pub id: WebhookId,
    /// Where pages of events are posted. What follows its `?` may be a secret.
    pub url: String,
    /// What they are signed with.
    pub key: SigningKey,
    /// With whose eyes the record is read.
    pub user: UserId,
    /// Only what happened to this resource, or below it.
    pub about: Option<ResourceId>,
    /// When it was added.
    pub created: Timestamp,
    /// Up to here everything was taken.
    pub delivered: Mark,
    /// When a page was last taken.
    pub last_success: Option<Timestamp>,
    /// How it goes.
    pub state: State,
}

/// How it goes with a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The last page was taken, or there was none yet.
    Working,
    /// The last page was not taken.
    Failing {
        /// How often in a row.
        failures: u32,
        /// When it is tried again.
        retry: Timestamp,
        /// How many events the page had, so that it has them again and is the same message.
        events: usize,
        /// What was wrong.
        error: String,
    },
    /// The receiver said that it is gone for good.
    Gone,
}

impl fmt::Debug for Webhook {
    /// Without its URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("about", &self.about)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Tx<'_> {
    /// The webhook with this id.
    pub async fn webhook(&mut self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.row(keys::webhook(id)).await
    }

    /// All webhooks, the oldest first.
    pub async fn webhooks(&mut self) -> Result<Vec<Webhook>, StoreError> {
        let mut all: Vec<Webhook> = self.scan_rows(keys::all_webhooks(), WEBHOOKS_MAX).await?;
        all.sort_by_key(|webhook| (webhook.created, webhook.id));
        Ok(all)
    }

    /// Writes a webhook, new or changed.
    pub fn put_webhook(&mut self, webhook: &Webhook) -> Result<(), StoreError> {
        self.put(keys::webhook(webhook.id), webhook)
    }

    /// Removes a webhook.
    pub fn remove_webhook(&mut self, id: WebhookId) {
        self.delete(keys::webhook(id));
    }

    /// Removes the webhooks that read with the eyes of this user.
    pub(super) async fn remove_webhooks_of(&mut self, user: UserId) -> Result<(), StoreError> {
        for webhook in self.webhooks().await? {
            if webhook.user == user {
                self.remove_webhook(webhook.id);
            }
        }
        Ok(())
    }
}
