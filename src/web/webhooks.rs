//! Delivers events to webhooks: each in the order of the record, again and again until it is taken,
//! and none of them in the way of another.

mod post;
mod signature;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clock;
use super::metrics::Metrics;
use crate::ops::Dav;
use crate::ops::events::Cursor;
use crate::ops::webhooks::{Answer, Attempt, Courier as _, Due, Parcel, WebhookId};
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;

pub use post::HttpCourier;

/// Most events in one page.
const PAGE: usize = 100;
/// Longer pages are split, down to one event.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Pages posted at once to receivers that took the last one, and as many to those that did not: who
/// hangs holds up only others who may hang.
const POSTS_MAX: usize = 16;
/// After a commit; what is committed in the meantime goes with it.
const GATHER: Duration = Duration::from_millis(100);
/// What was passed over is written down this much later, for it costs a commit.
const NOTE_AFTER: Duration = Duration::from_secs(60);
/// After the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Delivers until dropped.
pub(super) async fn deliver(dav: Arc<Dav>, courier: Arc<HttpCourier>, metrics: Arc<Metrics>) {
    let post_office = Arc::new(PostOffice {
        dav,
        courier,
        metrics,
        reliable: Semaphore::new(POSTS_MAX),
        unreliable: Semaphore::new(POSTS_MAX),
    });
    post_office.run().await;
}

/// What all webhooks share.
struct PostOffice {
    dav: Arc<Dav>,
    courier: Arc<HttpCourier>,
    metrics: Arc<Metrics>,
    reliable: Semaphore,
    unreliable: Semaphore,
}

/// One webhook.
struct Round {
    id: WebhookId,
    /// Whether the receiver took the last page, as far as is known.
    is_reliable: bool,
    /// Up to here there is nothing to post, or it was taken.
    passed: Option<Cursor>,
    /// Since when that is not written down.
    unnoted_since: Option<Duration>,
}

/// What to do after a step.
enum Next {
    Step,
    /// Wait for an event, or for a time to note what was passed over.
    Listen(Option<Duration>),
    /// Wait for this time, or for an administrator.
    Rest(Duration),
    /// Wait for an administrator.
    Stop,
    /// There is no such webhook any more.
    End,
}

impl PostOffice {
    /// Each webhook is followed by a task of its own: one that had just been given its turn in the
    /// store would keep everybody out for as long as the task it shares waits for something else.
    async fn run(self: Arc<Self>) {
        let mut changes = self.dav.webhook_changes();
        let mut rounds = JoinSet::new();
        let mut known = HashSet::new();
        loop {
            changes.borrow_and_update();
            match self.dav.webhooks().await {
                Ok(ids) => {
                    for id in ids.into_iter().filter(|id| known.insert(*id)) {
                        rounds.spawn(Arc::clone(&self).follow(id));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the webhooks could not be read");
                    sleep(STORE_PAUSE).await;
                    continue;
                }
            }
            loop {
                tokio::select! {
                    Some(ended) = rounds.join_next() => match ended {
                        Ok(id) => {
                            known.remove(&id);
                        }
                        Err(error) => tracing::error!(%error, "a webhook is not followed any more"),
                    },
                    _ = changes.changed() => break,
                }
            }
        }
    }

    /// Delivers to one webhook until it is removed.
    async fn follow(self: Arc<Self>, id: WebhookId) -> WebhookId {
        let mut commits = self.dav.commits();
        let mut changes = self.dav.webhook_changes();
        let mut round = Round {
            id,
            is_reliable: false,
            passed: None,
            unnoted_since: None,
        };
        loop {
            commits.borrow_and_update();
            changes.borrow_and_update();
            let next = self.step(&mut round).await.unwrap_or_else(|error| {
                tracing::error!(webhook = %id, %error, "the store failed a webhook");
                Next::Rest(STORE_PAUSE)
            });
            match next {
                Next::Step => {}
                Next::Listen(at_most) => {
                    tokio::select! {
                        () = changed(&mut commits) => sleep(GATHER).await,
                        () = changed(&mut changes) => {}
                        () = sleep_if(at_most) => {}
                    }
                }
                Next::Rest(pause) => {
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = changed(&mut changes) => {}
                    }
                }
                Next::Stop => changed(&mut changes).await,
                Next::End => return id,
            }
        }
    }

    /// Looks what is due and does it. No more than some at once read a page and post it.
    async fn step(&self, round: &mut Round) -> Result<Next, DavError> {
        let room = if round.is_reliable {
            &self.reliable
        } else {
            &self.unreliable
        };
        // It is never closed.
        let _place = room.acquire().await;
        let now = clock::now();
        match self.due(round, now).await? {
            Due::Page(parcel) => {
                self.post(round, &parcel).await?;
                Ok(Next::Step)
            }
            Due::Nothing { passed, more } => self.pass(round, passed, more, now).await,
            Due::Later(time) => Ok(Next::Rest(Duration::from_millis(
                time.0.saturating_sub(now.0),
            ))),
            Due::Stopped => Ok(Next::Stop),
            Due::Removed => Ok(Next::End),
        }
    }

    /// What is due, with so few events that a page is not too long.
    async fn due(&self, round: &Round, now: Timestamp) -> Result<Due, DavError> {
        let mut limit = PAGE;
        loop {
            let due = self.dav.webhook_due(round.id, round.passed, limit, now);
            match due.await? {
                Due::Page(parcel) if is_too_long(&parcel) => limit = parcel.page.events.len() / 2,
                due => return Ok(due),
            }
        }
    }

    async fn post(&self, round: &mut Round, parcel: &Parcel) -> Result<(), DavError> {
        let answer = self.courier.post(parcel).await;
        let (webhook, url) = (round.id, &parcel.shown_url);
        let taken = matches!(answer, Answer::Taken(_));
        self.metrics.delivered(taken);
        round.is_reliable = taken;
        let attempt = match answer {
            Answer::Taken(_) => {
                // Also when this cannot be written down, it is not posted again at once.
                round.passed = Some(parcel.page.next);
                round.unnoted_since = None;
                Attempt::Taken(parcel.page.next)
            }
            Answer::Gone => {
                tracing::warn!(%webhook, url, "the receiver is gone; nothing is posted any more");
                Attempt::Gone
            }
            Answer::Failed(error) => {
                tracing::warn!(%webhook, url, error, "events could not be delivered");
                let events = parcel.page.events.len();
                Attempt::Failed { events, error }
            }
        };
        let now = clock::now();
        self.dav.webhook_attempted(webhook, &attempt, now).await
    }

    /// Nothing was to be posted up to a place.
    async fn pass(
        &self,
        round: &mut Round,
        passed: Option<Cursor>,
        more: bool,
        now: Timestamp,
    ) -> Result<Next, DavError> {
        if passed.is_some() {
            round.passed = passed;
            round.unnoted_since.get_or_insert_with(clock::stopwatch);
        }
        if more {
            return Ok(Next::Step);
        }
        let (Some(since), Some(place)) = (round.unnoted_since, round.passed) else {
            return Ok(Next::Listen(None));
        };
        let left = (since + NOTE_AFTER).saturating_sub(clock::stopwatch());
        if left > Duration::ZERO {
            return Ok(Next::Listen(Some(left)));
        }
        let attempt = Attempt::Passed(place);
        self.dav.webhook_attempted(round.id, &attempt, now).await?;
        round.unnoted_since = None;
        Ok(Next::Listen(None))
    }
}

/// The body of a page.
fn body(parcel: &Parcel) -> Result<Vec<u8>, String> {
    serde_json::to_vec(&parcel.page.told(parcel.reader)).map_err(|error| error.to_string())
}

fn is_too_long(parcel: &Parcel) -> bool {
    let long = body(parcel).is_ok_and(|body| body.len() > BODY_BYTES_MAX);
    long && parcel.page.events.len() > 1
}

/// Ready at a change; never when nothing will change any more.
async fn changed(watched: &mut watch::Receiver<()>) {
    if watched.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn sleep_if(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
