//! Removing, moving and copying.

use super::content::{Outcome, new_resource};
use super::gate::{clear, clear_vacated, judge, refused};
use super::ids::random_version;
use super::target::{Destination, Target};
use super::visit::{Visit, Visitor, visit, visit_target};
use super::{Ask, Dav};
use crate::lock::Lock;
use crate::lock::rules::{self, Cleared, Doing, SuperCheckIn};
use crate::protocol::error::DavError;
use crate::protocol::headers::{Overwrite, Safe};
use crate::protocol::path::{DavPath, Name};
use crate::resource::{Content, Resource, ResourceId};
use crate::rights::{Position, Privilege};
use crate::store::NewContent;
use crate::store::engine::Txn;
use crate::store::tx::Tx;

/// How much of a collection a COPY takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDepth {
    /// The collection and its properties, without members.
    Zero,
    /// Everything below it.
    Infinity,
}

/// A COPY or MOVE.
#[derive(Debug)]
struct Transfer<'a> {
    dav: &'a Dav,
    ask: &'a Ask,
    destination: Destination,
    overwrite: Overwrite,
}

/// What a COPY is handed beside.
#[derive(Debug)]
struct Supply {
    /// New ids for the resources that it makes, as many as there were a moment ago.
    ids: std::ops::Range<u64>,
    /// From which the copies' versions are made.
    seed: u64,
    depth: CopyDepth,
}

/// Where a COPY or MOVE ends up.
#[derive(Debug)]
struct Landing<'a> {
    visit: Visit<'a>,
    parent: ResourceId,
    name: Name,
}

impl Dav {
    /// DELETE: the resource and everything below it, or nothing.
    pub async fn delete(&self, ask: &Ask) -> Result<(), DavError> {
        let deleting = (self, ask);
        self.write(&deleting, |txn, (dav, ask)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, ask.now);
                let visit = visit(&mut tx, ask).await?;
                let (resource, parent) = source(&visit)?;
                judge(&mut tx, ask, &visit, Safe::No).await?;
                let cleared = clear(&mut tx, dav, ask, &visit, Doing::Remove).await?;
                Ok(tx.remove(&cleared, parent, resource).await?)
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
        };
        let outcome = self
            .write(&transfer, |txn, transfer| Box::pin(relocate(txn, transfer)))
            .await?;
        self.tell_replaced(outcome);
        Ok(outcome)
    }

    /// COPY. Content is shared, so a file costs the same whatever its size.
    pub async fn copy(
        &self,
        ask: &Ask,
        destination: impl Into<Destination>,
        overwrite: Overwrite,
        depth: CopyDepth,
    ) -> Result<Outcome, DavError> {
        self.require_room(0)?;
        let transfer = Transfer {
            dav: self,
            ask,
            destination: destination.into(),
            overwrite,
        };
        let counting = (self, ask, depth);
        let count = self.read(&counting, |txn, (dav, ask, depth)| {
            Box::pin(count_copies(txn, dav, ask, *depth))
        });
        let supply = Supply {
            ids: self.new_ids(count.await?).await?,
            seed: random_version()?,
            depth,
        };
        let copying = (transfer, supply);
        let outcome = self
            .write(&copying, |txn, (transfer, supply)| {
                Box::pin(copy(txn, transfer, supply))
            })
            .await?;
        self.tell_replaced(outcome);
        Ok(outcome)
    }

    /// What a COPY or MOVE replaced may have been the last to use its content.
    fn tell_replaced(&self, outcome: Outcome) {
        if outcome == Outcome::Replaced {
            self.content_ended.notify_one();
        }
    }
}

/// What a request wants removed, moved or copied, and the collection that holds it.
fn source<'a>(visit: &'a Visit<'_>) -> Result<(&'a Resource, ResourceId), DavError> {
    let resource = visit.resource()?;
    let parent = visit.walk.parent().ok_or_else(|| {
        DavError::Forbidden("the root collection cannot be removed, moved or replaced".to_owned())
    })?;
    Ok((resource, parent.id))
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
async fn land<'a>(
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
    if to == source {
        return Err(DavError::Forbidden(
            "source and destination are the same".to_owned(),
        ));
    }
    let is_collection = from.resource()?.is_collection();
    if (is_collection && to.is_within(source)) || source.is_within(to) {
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

/// Whether the destination is a file that gets its next version from another file.
fn is_next_version<'a>(landing: &'a Landing<'_>, from: &Resource) -> Option<&'a Resource> {
    let occupant = landing.visit.walk.found();
    occupant.filter(|to| !to.is_collection() && !from.is_collection())
}

/// Removes what is at the destination, if anything, and asks for leave to make something there.
async fn vacate(
    tx: &mut Tx<'_>,
    transfer: &Transfer<'_>,
    landing: &Landing<'_>,
) -> Result<Cleared, DavError> {
    let Transfer { dav, ask, .. } = transfer;
    if let Some(occupant) = landing.visit.walk.found() {
        let cleared = clear(tx, dav, ask, &landing.visit, Doing::Remove).await?;
        tx.remove(&cleared, landing.parent, occupant).await?;
    }
    clear_vacated(tx, dav, ask, &landing.visit, landing.parent).await
}

fn outcome(landing: &Landing<'_>) -> Outcome {
    if landing.visit.walk.found().is_some() {
        Outcome::Replaced
    } else {
        Outcome::Created
    }
}

async fn relocate(txn: &mut dyn Txn, transfer: &Transfer<'_>) -> Result<Outcome, DavError> {
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
    if let Some(target) = is_next_version(&landing, resource) {
        let cleared = clear(&mut tx, dav, ask, &landing.visit, Doing::Overwrite).await?;
        move_onto_file(
            &mut tx,
            (&leaving, parent, resource),
            (&cleared, &landing, target),
            dav.config.versions.keep,
        )
        .await?;
        return Ok(Outcome::Replaced);
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
    Ok(outcome(&landing))
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
        Err(refusal) => Err(refused(tx, refusal, DavError::Locked).await?),
    }
}

/// The target keeps its id, its locks and its history, and takes content, properties and, if it
/// had none, locks of the source, which ends with its own history.
async fn move_onto_file(
    tx: &mut Tx<'_>,
    (leaving, parent, from): (&Cleared, ResourceId, &Resource),
    (cleared, landing, target): (&Cleared, &Landing<'_>, &Resource),
    keep: u32,
) -> Result<(), DavError> {
    merge_locks(tx, from, landing, target).await?;
    if let Some(content) = &from.content {
        let new = NewContent::sharing(content, content.version);
        let to = tx
            .replace_content(cleared, landing.parent, target, new, from.modified, keep)
            .await?;
        tx.replace_properties(cleared, landing.parent, from, &to)
            .await?;
    }
    Ok(tx.remove(leaving, parent, from).await?)
}

/// The locks of a file that is moved onto `target` go along if that has none, and end otherwise.
async fn merge_locks(
    tx: &mut Tx<'_>,
    from: &Resource,
    landing: &Landing<'_>,
    target: &Resource,
) -> Result<(), DavError> {
    let locks = tx.locks_on(from.id).await?;
    if !tx.locks_on(target.id).await?.is_empty() {
        let ended = match rules::yield_to(locks) {
            Ok(ended) => ended,
            Err(refusal) => return Err(refused(tx, refusal, DavError::Locked).await?),
        };
        for ended in &ended {
            tx.end_lock(ended).await?;
        }
        return Ok(());
    }
    let ancestors = landing.visit.walk.ancestors().unwrap_or_default();
    let covering = tx.covering_locks(ancestors).await?;
    let moved = |old: &Lock| Lock {
        root: target.id,
        ..old.clone()
    };
    let granted = match rules::carry(locks.iter().map(moved).collect(), &covering) {
        Ok(granted) => granted,
        Err(refusal) => return Err(refused(tx, refusal, DavError::Locked).await?),
    };
    let above = landing.visit.walk.ancestor_ids();
    for (old, granted) in locks.iter().zip(&granted) {
        tx.rehang_lock(old, granted, &above).await?;
    }
    Ok(())
}

async fn copy(
    txn: &mut dyn Txn,
    transfer: &Transfer<'_>,
    supply: &Supply,
) -> Result<Outcome, DavError> {
    let Transfer { dav, ask, .. } = transfer;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let resource = visit.resource()?;
    let landing = land(&mut tx, transfer, &visit).await?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let mut copies = Copies {
        ids: supply.ids.clone(),
        seed: supply.seed,
        ask,
        property_bytes: 0,
    };
    if let Some(target) = is_next_version(&landing, resource) {
        let cleared = clear(&mut tx, dav, ask, &landing.visit, Doing::Overwrite).await?;
        if let Some(content) = &resource.content {
            let new = copies.content(content, target.id);
            let keep = dav.config.versions.keep;
            let to = tx
                .replace_content(&cleared, landing.parent, target, new, ask.now, keep)
                .await?;
            tx.replace_properties(&cleared, landing.parent, resource, &to)
                .await?;
        }
        return Ok(Outcome::Replaced);
    }
    let cleared = vacate(&mut tx, transfer, &landing).await?;
    let top = copies.of(&cleared, resource, &landing.name)?;
    tx.make(&cleared, landing.parent, &top, None)?;
    copies.properties(&mut tx, resource, top.id).await?;
    if resource.is_collection() && supply.depth == CopyDepth::Infinity {
        let from = (resource.id, visit.position());
        copies
            .members(&mut tx, visit.visitor(), &cleared, from, top.id)
            .await?;
    }
    Ok(outcome(&landing))
}

/// Members read at a time.
const PAGE: usize = 256;

/// Makes the copies of one COPY. Locks are never copied.
struct Copies<'a> {
    ids: std::ops::Range<u64>,
    seed: u64,
    ask: &'a Ask,
    property_bytes: usize,
}

/// Properties are copied byte by byte, and until the end a transaction is held in memory.
const COPIED_PROPERTY_BYTES_MAX: usize = 32 << 20;

impl Copies<'_> {
    fn of(
        &mut self,
        cleared: &Cleared,
        from: &Resource,
        name: &Name,
    ) -> Result<Resource, DavError> {
        let id = self.ids.next().map(ResourceId).ok_or_else(|| {
            DavError::Unavailable("the collection grew while it was copied; try again".to_owned())
        })?;
        let content = from
            .content
            .as_ref()
            .map(|content| self.content(content, id).as_first(cleared, self.ask.now));
        let property_count = from.property_count;
        Ok(Resource {
            property_count,
            ..new_resource(id, name, self.ask, content)
        })
    }

    /// The same bytes as another version: of another file, or after another one.
    fn content(&self, content: &Content, of: ResourceId) -> NewContent {
        NewContent::sharing(content, scatter(self.seed ^ scatter(of.0)))
    }

    async fn properties(
        &mut self,
        tx: &mut Tx<'_>,
        from: &Resource,
        to: ResourceId,
    ) -> Result<(), DavError> {
        self.property_bytes += tx.copy_properties(from, to).await?;
        if self.property_bytes <= COPIED_PROPERTY_BYTES_MAX {
            return Ok(());
        }
        Err(DavError::InsufficientStorage(format!(
            "one COPY may make at most {COPIED_PROPERTY_BYTES_MAX} bytes of properties; copy the \
             collection's parts"
        )))
    }

    /// What the user may not read is not there to be copied.
    async fn members(
        &mut self,
        tx: &mut Tx<'_>,
        visitor: &Visitor<'_>,
        cleared: &Cleared,
        from: (ResourceId, Position),
        to: ResourceId,
    ) -> Result<(), DavError> {
        let mut pending = vec![(from, to, None::<String>)];
        while let Some((from, to, after)) = pending.pop() {
            let page = visitor.members(tx, from, after.as_deref(), PAGE).await?;
            if page.next.is_some() {
                pending.push((from, to, page.next));
            }
            for (member, position) in page.members {
                let name = Name::parse(&member.name).map_err(DavError::from)?;
                let copy = self.of(cleared, &member, &name)?;
                tx.make_within_new(cleared, to, &copy)?;
                self.properties(tx, &member, copy.id).await?;
                if member.is_collection() {
                    pending.push(((member.id, position), copy.id, None));
                }
            }
        }
        Ok(())
    }
}

/// How many resources a COPY would make; refuses more than the configuration allows.
async fn count_copies(
    txn: &mut dyn Txn,
    dav: &Dav,
    ask: &Ask,
    depth: CopyDepth,
) -> Result<u64, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let resource = visit.resource()?;
    let max = dav.config.limits.copy_resources_max;
    let mut count = 1_usize;
    let mut pending = vec![((resource.id, visit.position()), None::<String>)];
    if !resource.is_collection() || depth == CopyDepth::Zero {
        pending.clear();
    }
    while let Some((collection, after)) = pending.pop() {
        let visitor = visit.visitor();
        let page = visitor
            .members(&mut tx, collection, after.as_deref(), PAGE)
            .await?;
        count += page.members.len();
        if count > max {
            return Err(DavError::InsufficientStorage(format!(
                "one COPY may make at most {max} resources (limits.copy_resources_max); copy the \
                 collection's parts"
            )));
        }
        if page.next.is_some() {
            pending.push((collection, page.next));
        }
        let members = page.members.into_iter();
        let collections = members.filter(|(member, _)| member.is_collection());
        pending.extend(collections.map(|(member, position)| ((member.id, position), None)));
    }
    Ok(count as u64)
}

/// Spreads the bits of `n` (the finaliser of `SplitMix64`).
fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::{LockDepth, LockScope};
    use crate::ops::locking::LockAsk;
    use crate::protocol::headers::RequestedTimeout;
    use crate::protocol::time::Timestamp;

    const NOW: Timestamp = Timestamp(1000);

    fn chain(top: &str, levels: usize) -> DavPath {
        let names = std::iter::once(top).chain(std::iter::repeat_n("d", levels - 1));
        names.map(|name| Name::parse(name).unwrap()).collect()
    }

    /// A tree of this depth called `top`: as deep as no request could make it by MKCOL.
    async fn deep_tree(dav: &Dav, top: &str, doublings: u32) -> usize {
        dav.make_collection(&Ask::of(chain(top, 1), NOW))
            .await
            .unwrap();
        let mut levels = 1;
        for _ in 0..doublings {
            let (from, half) = (Ask::of(chain(top, 1), NOW), chain("half", 1));
            let whole = CopyDepth::Infinity;
            dav.copy(&from, &half, Overwrite::No, whole).await.unwrap();
            let half = Ask::of(half, NOW);
            dav.relocate(&half, &chain(top, levels + 1), Overwrite::No)
                .await
                .unwrap();
            levels *= 2;
        }
        levels
    }

    #[tokio::test]
    async fn no_lock_is_moved_so_deep_that_it_could_not_be_removed() {
        let dav = Dav::memory(NOW).await;
        let levels = deep_tree(&dav, "a", 11).await;
        deep_tree(&dav, "b", 12).await;
        let wanted = LockAsk {
            scope: LockScope::Exclusive,
            kind: None,
            depth: LockDepth::Zero,
            timeout: RequestedTimeout::Infinite,
            owner_xml: None,
            comment: None,
        };
        let bottom = Ask::of(chain("a", levels), NOW);
        dav.lock(&bottom, &wanted).await.unwrap();
        let moving = Ask::of(chain("a", 1), NOW);
        let deep: DavPath = chain("b", 2100)
            .names()
            .iter()
            .cloned()
            .chain([Name::parse("new").unwrap()])
            .collect();
        let refused = dav.relocate(&moving, &deep, Overwrite::No).await;
        assert!(
            matches!(refused, Err(DavError::InsufficientStorage(_))),
            "{refused:?}"
        );
        let moved = dav.relocate(&moving, &chain("b", 5), Overwrite::Yes).await;
        assert_eq!(moved, Ok(Outcome::Replaced));
    }
}
