//! Writing events down, by the transaction that does what they tell of.

use crate::event::{Event, LockChange, Place, VersionFact, What, Who};
use crate::lock::Lock;
use crate::ops::Ask;
use crate::ops::access::Principal;
use crate::ops::visit::Visit;
use crate::protocol::path::DavPath;
use crate::resource::{Resource, ResourceId};
use crate::store::engine::StoreError;
use crate::store::tx::Tx;

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            id: principal.id,
            name: principal.name.clone(),
        }
    }
}

/// Writes down what the asking user does at `place`.
pub(in crate::ops) fn tell(
    tx: &mut Tx<'_>,
    ask: &Ask,
    place: Place,
    what: What,
) -> Result<(), StoreError> {
    tx.record(&event_of(ask, place, what))
}

/// What the asking user does at `place`.
pub(super) fn event_of(ask: &Ask, place: Place, what: What) -> Event {
    Event {
        at: ask.now,
        by: Some(Who::from(&ask.principal)),
        face: ask.face,
        program: ask.program.clone(),
        place,
        what,
    }
}

/// Writes down that these locks end with what they hang on, or have lapsed before.
pub(in crate::ops) fn locks_lost(
    tx: &mut Tx<'_>,
    ask: &Ask,
    lost: Vec<(Lock, Place)>,
) -> Result<(), StoreError> {
    for (lock, place) in lost {
        if lock.stands_at(ask.now) {
            lock_released(tx, ask, &lock, place)?;
        } else {
            tx.record(&Event::expired(&lock, place))?;
        }
    }
    Ok(())
}

/// Writes down that a lock ends with its resource, or gives way to others, whoever does that.
pub(in crate::ops) fn lock_released(
    tx: &mut Tx<'_>,
    ask: &Ask,
    lock: &Lock,
    place: Place,
) -> Result<(), StoreError> {
    tell(
        tx,
        ask,
        place,
        What::Lock(LockChange::Released, lock.into()),
    )
}

/// Writes down that the asking user ends a lock, which still stands.
pub(in crate::ops) fn lock_ended(
    tx: &mut Tx<'_>,
    ask: &Ask,
    lock: &Lock,
    place: Place,
) -> Result<(), StoreError> {
    let change = if lock.owner == ask.principal.id {
        LockChange::Released
    } else {
        LockChange::Forced
    };
    tell(tx, ask, place, What::Lock(change, lock.into()))
}

/// Writes down that `made` is new at the end of the way.
pub(in crate::ops) fn tell_made(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
    made: &Resource,
) -> Result<(), StoreError> {
    let what = What::Created {
        version: made.content.as_ref().map(VersionFact::from),
        from: None,
    };
    let place = visit.place_of(made.id, made.is_collection());
    tell(tx, ask, place, what)
}

/// Writes down that a file got its next version from another one.
pub(in crate::ops) fn tell_overwritten(
    tx: &mut Tx<'_>,
    ask: &Ask,
    there: &Visit<'_>,
    file: &Resource,
    from: Place,
) -> Result<(), StoreError> {
    let Some(content) = &file.content else {
        return Ok(());
    };
    let what = What::Uploaded {
        version: content.into(),
        from: Some(from),
    };
    tell(tx, ask, there.place(), what)
}

impl Visit<'_> {
    /// The place of what was found, or else of the last collection on the way.
    pub(in crate::ops) fn place(&self) -> Place {
        let last = self.walk.chain().last();
        self.place_on_way(last.map_or(ResourceId::ROOT, |last| last.id))
    }

    /// The place of something on the way, such as the root of a lock that covers its end.
    pub(in crate::ops) fn place_on_way(&self, id: ResourceId) -> Place {
        let chain = self.walk.chain();
        let index = chain.iter().position(|step| step.id == id);
        let chain = &chain[..index.map_or(chain.len(), |index| index + 1)];
        let names = self.path.names().iter().take(chain.len() - 1).cloned();
        let way = chain.iter().map(|step| step.id).collect();
        let is_collection = chain.last().is_some_and(Resource::is_collection);
        Place::new(way, names.collect::<DavPath>().to_plain(), is_collection)
    }

    /// The place of what is made, or put in the place of something else, at the end of the way.
    pub(in crate::ops) fn place_of(&self, id: ResourceId, is_collection: bool) -> Place {
        let above = self.walk.ancestor_ids();
        let way = above.into_iter().chain([id]).collect();
        Place::new(way, self.path.to_plain(), is_collection)
    }
}
