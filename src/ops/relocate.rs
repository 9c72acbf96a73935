//! Removing and moving.

use super::content::Outcome;
use super::events::{lock_released, tell, tell_overwritten};
use super::gate::{clear, judge, refused};
use super::landing::{Landed, Landing, Transfer, land, remove, vacate};
use super::target::Destination;
use super::visit::{Visit, visit};
use super::{Ask, Dav};
use crate::event::{Place, What};
use crate::lock::Lock;
use crate::lock::rules::{self, Cleared, Doing, SuperCheckIn};
use crate::protocol::error::DavError;
use crate::protocol::headers::{Overwrite, Safe};
use crate::resource::{Resource, ResourceId, Under};
use crate::rights::Privilege;
use crate::store::NewContent;
use crate::store::engine::Txn;
use crate::store::tx::Tx;

impl Dav {
    /// DELETE: the resource and everything below it, or nothing.
    pub async fn delete(&self, ask: &Ask) -> Result<(), DavError> {
        let deleting = (self, ask);
        self.act(ask, &deleting, |txn, (dav, ask)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, ask.now);
                let visit = visit(&mut tx, ask).await?;
                let (resource, parent) = source(&visit)?;
                judge(&mut tx, ask, &visit, Safe::No).await?;
                let cleared = clear(&mut tx, dav, ask, &visit, Doing::Remove).await?;
                remove(&mut tx, ask, &cleared, (parent, resource), visit.place()).await
            })
        })
        .await?;
        self.content_ended.notify_one();
        Ok(())
    }

    /// MOVE or rename. One step for the store, whatever is below; locks go along.
    pub async fn relocate(
        &self,
        ask: &Ask,
        destination: impl Into<Destination>,
        overwrite: Overwrite,
    ) -> Result<Outcome, DavError> {
        let transfer = Transfer {
            dav: self,
            ask,
            destination: destination.into(),
            overwrite,
            number: None,
        };
        let landed = self
            .act(ask, &transfer, |txn, transfer| {
                Box::pin(relocate(txn, transfer))
            })
            .await?;
        Ok(self.tell_landed(&landed))
    }
}

/// What a request wants removed or moved, and the collection that holds it.
fn source<'a>(visit: &'a Visit<'_>) -> Result<(&'a Resource, ResourceId), DavError> {
    let resource = visit.resource()?;
    let parent = visit.walk.parent().ok_or_else(|| {
        DavError::Forbidden("the root collection cannot be removed, moved or replaced".to_owned())
    })?;
    Ok((resource, parent.id))
}

async fn relocate(txn: &mut dyn Txn, transfer: &Transfer<'_>) -> Result<Landed, DavError> {
    let Transfer { dav, ask, .. } = transfer;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let (resource, parent) = source(&visit)?;
    let landing = land(&mut tx, transfer, &visit).await?;
    judge(&mut tx, ask, &visit, Safe::No).await?;

    let stays_in_collection = landing.parent == parent;
    let keeps_name = visit.path.name() == Some(&landing.name);
    let doing = match (stays_in_collection, keeps_name) {
        (true, _) => Doing::Rename,
        (false, true) => Doing::Move,
        (false, false) => Doing::RenameAndMove,
    };
    let leaving = clear(&mut tx, dav, ask, &visit, doing).await?;
    require_no_gain(&mut tx, ask, (&visit, resource.id), &landing).await?;
    if let Some((content, target)) = landing.next_version_of(resource) {
        let cleared = clear(&mut tx, dav, ask, &landing.visit, Doing::Overwrite).await?;
        let file = move_onto_file(
            &mut tx,
            transfer,
            (&leaving, parent, &visit),
            (&cleared, &landing, target),
            NewContent::sharing(content, content.version),
        );
        return Ok(Landed::OnFile(file.await?));
    }
    let entering = vacate(&mut tx, transfer, &landing).await?;
    carry_locks(&mut tx, resource, &landing).await?;
    let ancestors = landing.visit.walk.ancestor_ids();
    tx.relocate(
        &leaving,
        &entering,
        (parent, resource),
        (&ancestors, &landing.name),
    )
    .await?;
    let is_collection = resource.is_collection();
    let to = landing.visit.place_of(resource.id, is_collection);
    let from = Some(visit.place());
    tell(&mut tx, ask, to, What::Moved { from })?;
    Ok(landing.landed())
}

/// Somebody else's lock goes along to where the user may not release it either, or the privilege
/// SuperCheckIn would reach whatever can be moved to where it is held, and back.
async fn require_no_gain(
    tx: &mut Tx<'_>,
    ask: &Ask,
    (from, resource): (&Visit<'_>, ResourceId),
    landing: &Landing<'_>,
) -> Result<(), DavError> {
    let held_at = |visit: &Visit<'_>, id| visit.super_check_in_at(id) == SuperCheckIn::Held;
    if !held_at(&landing.visit, landing.parent) || held_at(from, resource) {
        return Ok(());
    }
    let mut travelling = tx.locks_on(resource).await?;
    travelling.extend(tx.locks_below(resource).await?);
    if travelling.iter().any(|lock| lock.owner != ask.principal.id) {
        return from.require(Privilege::SuperCheckIn);
    }
    Ok(())
}

/// Every lock that goes along must be able to stand where it comes to.
async fn carry_locks(
    tx: &mut Tx<'_>,
    resource: &Resource,
    landing: &Landing<'_>,
) -> Result<(), DavError> {
    let covering = tx
        .covering_locks(landing.visit.walk.ancestors().unwrap_or_default())
        .await?;
    if covering.is_empty() {
        return Ok(());
    }
    let mut travelling = tx.locks_on(resource.id).await?;
    travelling.extend(tx.locks_below(resource.id).await?);
    match rules::carry(travelling, &covering) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(refused(tx, &landing.visit, refusal, DavError::Locked).await?),
    }
}

/// The target keeps its id, its locks and its history, and takes content, properties and, if it
/// had none, locks of the source, which ends with its own history.
async fn move_onto_file(
    tx: &mut Tx<'_>,
    transfer: &Transfer<'_>,
    (leaving, parent, visit): (&Cleared, ResourceId, &Visit<'_>),
    (cleared, landing, target): (&Cleared, &Landing<'_>, &Resource),
    new: NewContent,
) -> Result<Resource, DavError> {
    let Transfer { dav, ask, .. } = transfer;
    let (from, how) = (visit.resource()?, dav.succession());
    let carried = merge_locks(tx, ask, (from, visit.place()), landing, target).await?;
    // davfs2 moves a temporary file over the original before it uploads it: then it goes on writing
    // the same version under the same lock.
    let goes_along = |under: &Under| carried.iter().any(|lock| lock.token == under.token);
    let new = NewContent {
        under: leaving.under().filter(goes_along),
        ..new
    };
    let to = tx
        .replace_content(cleared, landing.parent, target, new, from.modified, how)
        .await?;
    tx.replace_properties(cleared, landing.parent, from, &to)
        .await?;
    tell_overwritten(tx, ask, &landing.visit, &to, visit.place())?;
    remove(tx, ask, leaving, (parent, from), visit.place()).await?;
    Ok(to)
}

/// The locks of a file that is moved onto `target` go along if that has none, and end otherwise.
/// Returns those that went along.
async fn merge_locks(
    tx: &mut Tx<'_>,
    ask: &Ask,
    (from, place): (&Resource, Place),
    landing: &Landing<'_>,
    target: &Resource,
) -> Result<Vec<Lock>, DavError> {
    let locks = tx.locks_on(from.id).await?;
    if !tx.locks_on(target.id).await?.is_empty() {
        let ended = match rules::yield_to(locks) {
            Ok(ended) => ended,
            Err(refusal) => {
                return Err(refused(tx, &landing.visit, refusal, DavError::Locked).await?);
            }
        };
        for ended in &ended {
            lock_released(tx, ask, ended.lock(), place.clone())?;
            tx.end_lock(ended, &landing.visit.walk).await?;
        }
        return Ok(Vec::new());
    }
    let ancestors = landing.visit.walk.ancestors().unwrap_or_default();
    let covering = tx.covering_locks(ancestors).await?;
    let moved = |old: &Lock| Lock {
        root: target.id,
        ..old.clone()
    };
    let granted = match rules::carry(locks.iter().map(moved).collect(), &covering) {
        Ok(granted) => granted,
        Err(refusal) => return Err(refused(tx, &landing.visit, refusal, DavError::Locked).await?),
    };
    let above = landing.visit.walk.ancestor_ids();
    for (old, granted) in locks.iter().zip(&granted) {
        tx.rehang_lock(old, granted, &above).await?;
    }
    Ok(locks)
}

#[cfg(test)]
mod tests;
