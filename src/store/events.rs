//! Rows of events: appended by the engine in the order of commits, and removed from the front.
//! Beside them, the grants of collections that are gone: who could read those may still read what
//! happened there, and nobody else.

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

use super::engine::{Key, StoreError};
use super::keys;
use super::tx::{Tx, decode, encode};
use crate::event::{Event, Mark};
use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;
use crate::rights::Grant;

/// What one row holds of an event: long paths make several rows, and each says how many follow.
const PART_BYTES_MAX: usize = 4_000;

/// Most rows of one event.
const ROWS_OF_AN_EVENT_MAX: usize = 1 + u8::MAX as usize;

/// An event with its place and its rows.
struct Whole {
    mark: Mark,
    keys: Vec<Key>,
    event: Event,
}

/// The grants of a collection that is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Gone {
    at: Timestamp,
    /// The last event before it went.
    after: Mark,
    grants: Vec<Grant>,
}

impl Tx<'_> {
    /// Writes down what this transaction does.
    pub fn record(&mut self, event: &Event) -> Result<(), StoreError> {
        let bytes = encode(event)?;
        let mut left = bytes.len().div_ceil(PART_BYTES_MAX);
        for part in bytes.chunks(PART_BYTES_MAX) {
            left -= 1;
            let following = u8::try_from(left)
                .map_err(|_| StoreError::TooLarge("an event of a megabyte".to_owned()))?;
            let row = Bytes::from([&[following], part].concat());
            self.append(keys::all_events().start, row);
        }
        Ok(())
    }

    /// The events in up to `limit` rows behind `after`, each with its place, and whether there may
    /// be more rows. `limit` must be more than 256, or a long event might never be read whole.
    pub async fn events(
        &mut self,
        after: Mark,
        limit: usize,
    ) -> Result<(Vec<(Mark, Event)>, bool), StoreError> {
        let (whole, more) = self.whole_events(after, limit).await?;
        let whole = whole.into_iter().map(|whole| (whole.mark, whole.event));
        Ok((whole.collect(), more))
    }

    async fn whole_events(
        &mut self,
        after: Mark,
        limit: usize,
    ) -> Result<(Vec<Whole>, bool), StoreError> {
        let mut events = Vec::new();
        let (mut keys, mut parts) = (Vec::new(), Vec::new());
        let rows = self.scan(keys::events_behind(after), limit).await?;
        let more = rows.len() == limit;
        for (key, mut value) in rows {
            let following = value.try_get_u8().unwrap_or_default();
            parts.extend_from_slice(&value);
            let mark = mark_of(&key)?;
            keys.push(key);
            if following == 0 {
                events.push(Whole {
                    mark,
                    keys: std::mem::take(&mut keys),
                    event: decode(&parts)?,
                });
                parts.clear();
            }
        }
        Ok((events, more))
    }

    /// How many rows the record has behind `after`, counted no further than `limit`, and where the
    /// last of them is.
    pub async fn count_events(
        &mut self,
        after: Mark,
        limit: usize,
    ) -> Result<(usize, Mark), StoreError> {
        let rows = self.scan(keys::events_behind(after), limit).await?;
        let last = rows.last().map(|(key, _)| mark_of(key)).transpose()?;
        Ok((rows.len(), last.unwrap_or(after)))
    }

    /// The place of the last event, also when it is no longer kept; [`Mark::START`] while there was
    /// none.
    pub async fn last_event(&mut self) -> Result<Mark, StoreError> {
        match self.last_row(keys::all_events()).await? {
            Some((key, _)) => mark_of(&key),
            None => self.pruned_events().await,
        }
    }

    /// The oldest event that is kept.
    pub async fn oldest_event(&mut self) -> Result<Option<Event>, StoreError> {
        let pruned = self.pruned_events().await?;
        let (events, _) = self.events(pruned, ROWS_OF_AN_EVENT_MAX).await?;
        Ok(events.into_iter().next().map(|(_, event)| event))
    }

    /// The place behind which the record is whole: what lies up to it was pruned.
    pub async fn pruned_events(&mut self) -> Result<Mark, StoreError> {
        let pruned = self.row(keys::pruned_events()).await?;
        Ok(pruned.unwrap_or(Mark::START))
    }

    /// Removes the oldest events, in up to `limit` rows: those that `surplus` rows are too many,
    /// and those from before `oldest`. Returns how many rows that were.
    pub async fn prune_events(
        &mut self,
        oldest: Timestamp,
        surplus: usize,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let first = self.pruned_events().await?;
        let mut removed = 0;
        let mut pruned = first;
        for Whole { mark, keys, event } in self.whole_events(first, limit).await?.0 {
            if event.at >= oldest && removed >= surplus {
                break;
            }
            removed += keys.len();
            keys.into_iter().for_each(|key| self.delete(key));
            pruned = mark;
        }
        if pruned != first {
            self.put(keys::pruned_events(), &pruned)?;
        }
        Ok(removed)
    }

    /// Keeps the grants of a collection that ends.
    pub(super) async fn remember_gone(
        &mut self,
        collection: ResourceId,
        grants: Vec<Grant>,
    ) -> Result<(), StoreError> {
        let after = self.last_event().await?;
        let gone = Gone {
            at: self.now,
            after,
            grants,
        };
        self.put(keys::gone(collection), &gone)
    }

    /// The grants that this collection had when it ended.
    pub async fn grants_once_on(&mut self, id: ResourceId) -> Result<Vec<Grant>, StoreError> {
        let gone: Option<Gone> = self.row(keys::gone(id)).await?;
        Ok(gone.map(|gone| gone.grants).unwrap_or_default())
    }

    /// Whether any collection that is gone had grants.
    pub async fn has_gone_grants(&mut self) -> Result<bool, StoreError> {
        Ok(!self.scan(keys::all_gone(), 1).await?.is_empty())
    }

    /// Forgets the grants of collections about which no event is left: the last event about one is
    /// of the commit that removed it, or earlier, or a refusal from before, which may be told a
    /// little later. Looks at so many collections.
    pub async fn forget_gone(&mut self, limit: usize) -> Result<(), StoreError> {
        const REFUSALS_TOLD_SECONDS: u64 = 3600;
        let pruned = self.pruned_events().await?;
        let (left, _) = self.whole_events(pruned, ROWS_OF_AN_EVENT_MAX).await?;
        let oldest = left.first().map_or(self.now, |first| first.event.at);
        let is_cut = |first: &Whole| first.mark.commit() == pruned.commit();
        if left.first().is_some_and(is_cut) {
            // Of the commit up to which it was pruned, events are left.
            return Ok(());
        }
        for (key, value) in self.scan(keys::all_gone(), limit).await? {
            let gone: Gone = decode(&value)?;
            let told = gone.at.plus_seconds(REFUSALS_TOLD_SECONDS) < oldest;
            if told && gone.after < pruned {
                self.delete(key);
            }
        }
        Ok(())
    }

    /// The secret by which places in the record are told without telling how much happens; `fresh`
    /// becomes it in a new store.
    pub async fn event_secret(&mut self, fresh: [u8; 16]) -> Result<[u8; 16], StoreError> {
        if let Some(secret) = self.row(keys::event_secret()).await? {
            return Ok(secret);
        }
        self.put(keys::event_secret(), &fresh)?;
        Ok(fresh)
    }
}

/// The place that an appended key ends with.
fn mark_of(key: &Key) -> Result<Mark, StoreError> {
    let short = || StoreError::Damaged("a row of the record has a short key".to_owned());
    key.last_chunk().copied().map(Mark).ok_or_else(short)
}
