//! Where a COPY or MOVE ends up: finding the destination, refusing what can never be, and making
//! room there.

use super::content::Outcome;
use super::events::{locks_lost, tell};
use super::gate::{clear, clear_vacated};
use super::target::{Destination, Target};
use super::visit::{Visit, visit_target};
use super::{Ask, Dav};
use crate::event::{Place, What};
use crate::lock::rules::{Cleared, Doing};
use crate::protocol::error::DavError;
use crate::protocol::headers::Overwrite;
use crate::protocol::path::{DavPath, Name};
use crate::resource::{Content, Resource, ResourceId};
use crate::store::tx::Tx;

/// A COPY or MOVE.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) dav: &'a Dav,
    pub(super) ask: &'a Ask,
    pub(super) destination: Destination,
    pub(super) overwrite: Overwrite,
    /// The version of a file that is copied instead of the present one, and may go onto the file.
    pub(super) number: Option<u32>,
}

/// What a COPY or MOVE has done.
#[derive(Debug)]
pub(super) enum Landed {
    /// This file has its next version from a file.
    OnFile(Resource),
    /// Something is there that was not.
    Anew(Outcome),
}

impl Dav {
    /// What a COPY or MOVE replaced may have been the last to use its content, or is a version too
    /// many.
    pub(super) fn tell_landed(&self, landed: &Landed) -> Outcome {
        let outcome = match landed {
            Landed::OnFile(file) => {
                self.tell_succeeded(file);
                Outcome::Replaced
            }
            Landed::Anew(outcome) => *outcome,
        };
        if outcome == Outcome::Replaced {
            self.content_ended.notify_one();
        }
        outcome
    }
}

/// Where a COPY or MOVE ends up.
#[derive(Debug)]
pub(super) struct Landing<'a> {
    pub(super) visit: Visit<'a>,
    pub(super) parent: ResourceId,
    pub(super) name: Name,
}

/// What the destination of `from` is.
fn target_of(destination: &Destination, from: &Visit<'_>) -> Result<Target, DavError> {
    let own_name = || from.path.name().cloned().ok_or(DavError::NotFound);
    Ok(match destination {
        Destination::Path(path) => Target::Path(path.clone()),
        Destination::Sibling(name) => {
            let parent = from.path.parent().unwrap_or_else(DavPath::root);
            Target::Path(parent.member(name.clone()))
        }
        Destination::Into(collection) => Target::Member(*collection, own_name()?),
    })
}

/// Finds the destination and refuses what can never be.
pub(super) async fn land<'a>(
    tx: &mut Tx<'_>,
    transfer: &Transfer<'a>,
    from: &Visit<'_>,
) -> Result<Landing<'a>, DavError> {
    let target = target_of(&transfer.destination, from)?;
    let visit = visit_target(tx, transfer.ask, &target).await?;
    let (to, source) = (&visit.path, &from.path);
    if to.is_reserved() {
        return Err(DavError::Reserved);
    }
    let is_itself = to == source;
    if is_itself && transfer.number.is_none() {
        return Err(DavError::Forbidden(
            "source and destination are the same".to_owned(),
        ));
    }
    let is_collection = from.resource()?.is_collection();
    if (is_collection && to.is_within(source)) || (source.is_within(to) && !is_itself) {
        return Err(DavError::Forbidden(
            "a collection can neither go into itself nor replace a collection it is in".to_owned(),
        ));
    }
    let parent = visit.walk.parent().ok_or(DavError::ParentMissing)?.id;
    let name = to.name().ok_or(DavError::ParentMissing)?.clone();
    if visit.walk.found().is_some() && transfer.overwrite == Overwrite::No {
        return Err(DavError::PreconditionFailed(
            "the destination exists and Overwrite is F".to_owned(),
        ));
    }
    Ok(Landing {
        visit,
        parent,
        name,
    })
}

impl Landing<'_> {
    /// The content of a file that becomes the next version of another one, and that, if this is
    /// so.
    pub(super) fn next_version_of<'r>(
        &'r self,
        from: &'r Resource,
    ) -> Option<(&'r Content, &'r Resource)> {
        let occupant = self.visit.walk.found();
        from.content
            .as_ref()
            .zip(occupant.filter(|to| !to.is_collection()))
    }

    pub(super) fn landed(&self) -> Landed {
        Landed::Anew(match self.visit.walk.found() {
            Some(_) => Outcome::Replaced,
            None => Outcome::Created,
        })
    }
}

/// Removes what is at the destination, if anything, and asks for leave to make something there.
pub(super) async fn vacate(
    tx: &mut Tx<'_>,
    transfer: &Transfer<'_>,
    landing: &Landing<'_>,
) -> Result<Cleared, DavError> {
    let Transfer { dav, ask, .. } = transfer;
    if let Some(occupant) = landing.visit.walk.found() {
        let cleared = clear(tx, dav, ask, &landing.visit, Doing::Remove).await?;
        let place = landing.visit.place();
        remove(tx, ask, &cleared, (landing.parent, occupant), place).await?;
    }
    clear_vacated(tx, dav, ask, &landing.visit, landing.parent).await
}

/// Removes something and writes that down.
pub(super) async fn remove(
    tx: &mut Tx<'_>,
    ask: &Ask,
    cleared: &Cleared,
    (parent, resource): (ResourceId, &Resource),
    place: Place,
) -> Result<(), DavError> {
    let lost = tx.remove(cleared, parent, resource).await?;
    locks_lost(tx, ask, lost)?;
    Ok(tell(tx, ask, place, What::Deleted)?)
}
