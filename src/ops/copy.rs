//! Copying. Content is shared, so a file costs the same whatever its size.

use super::content::Outcome;
use super::events::{tell, tell_overwritten};
use super::gate::{clear, judge};
use super::ids::random_version;
use super::landing::{Landed, Transfer, land, vacate};
use super::target::Destination;
use super::versions::{judge_version, make_present};
use super::visit::{Visitor, visit};
use super::{Ask, Dav};
use crate::event::{VersionFact, What};
use crate::lock::rules::{Cleared, Doing};
use crate::protocol::error::DavError;
use crate::protocol::headers::{Overwrite, Safe};
use crate::protocol::path::Name;
use crate::resource::{Content, Resource, ResourceId};
use crate::rights::Position;
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

/// What a COPY is handed beside.
#[derive(Debug)]
struct Supply {
    /// For what is copied itself. Its members get theirs in the transaction, which is the first to
    /// know how many they are.
    id: ResourceId,
    /// From which the copies' versions are made.
    seed: u64,
    depth: CopyDepth,
}

impl Dav {
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
            number: None,
        };
        let supply = Supply {
            id: self.new_resource_id().await?,
            seed: random_version()?,
            depth,
        };
        self.commit_copy(&(transfer, supply)).await
    }

    /// COPY from version `number` of a file, whose conditions are the request's: with the file's
    /// properties to anywhere else, and to the file itself as [`Dav::restore`] does it.
    pub async fn copy_version(
        &self,
        ask: &Ask,
        number: u32,
        destination: impl Into<Destination>,
        overwrite: Overwrite,
    ) -> Result<Outcome, DavError> {
        self.require_room(0)?;
        let transfer = Transfer {
            dav: self,
            ask,
            destination: destination.into(),
            overwrite,
            number: Some(number),
        };
        let supply = Supply {
            id: self.new_resource_id().await?,
            seed: random_version()?,
            depth: CopyDepth::Zero,
        };
        self.commit_copy(&(transfer, supply)).await
    }

    async fn commit_copy(&self, copying: &(Transfer<'_>, Supply)) -> Result<Outcome, DavError> {
        let landed = self
            .act(copying.0.ask, copying, |txn, (transfer, supply)| {
                Box::pin(copy(txn, transfer, supply))
            })
            .await?;
        Ok(self.tell_landed(&landed))
    }
}

async fn copy(
    txn: &mut dyn Txn,
    transfer: &Transfer<'_>,
    supply: &Supply,
) -> Result<Landed, DavError> {
    let Transfer { dav, ask, .. } = transfer;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let resource = visit.resource()?;
    let landing = land(&mut tx, transfer, &visit).await?;
    let resource = match transfer.number {
        None => {
            judge(&mut tx, ask, &visit, Safe::No).await?;
            resource
        }
        Some(number) => &judge_version(&mut tx, ask, &visit, number, Safe::No).await?,
    };
    let mut copies = Copies {
        seed: supply.seed,
        ask,
        count_max: dav.config.limits.copy_resources_max,
        count: 1,
        property_bytes: 0,
    };
    if let Some((content, target)) = landing.next_version_of(resource) {
        let new = copies.content(content, target.id);
        if target.id == resource.id {
            // Only an old version goes onto its own file: that restores it.
            let cleared = clear(&mut tx, dav, ask, &visit, Doing::Change).await?;
            let file = make_present(&mut tx, (dav, ask), &cleared, &visit, (content.number, new));
            return Ok(Landed::OnFile(file.await?));
        }
        let cleared = clear(&mut tx, dav, ask, &landing.visit, Doing::Overwrite).await?;
        let how = dav.succession();
        let to = tx
            .replace_content(&cleared, landing.parent, target, new, ask.now, how)
            .await?;
        tx.replace_properties(&cleared, landing.parent, resource, &to)
            .await?;
        tell_overwritten(&mut tx, ask, &landing.visit, &to, visit.place())?;
        return Ok(Landed::OnFile(to));
    }
    let cleared = vacate(&mut tx, transfer, &landing).await?;
    let top = copies.of(&cleared, resource, &landing.name, supply.id);
    tx.make(&cleared, landing.parent, &top, None)?;
    copies.properties(&mut tx, resource, top.id).await?;
    if resource.is_collection() && supply.depth == CopyDepth::Infinity {
        let from = (resource.id, visit.position());
        copies
            .members(&mut tx, visit.visitor(), &cleared, from, top.id)
            .await?;
    }
    let place = landing.visit.place_of(top.id, top.is_collection());
    let what = What::Created {
        version: top.content.as_ref().map(VersionFact::from),
        from: Some(visit.place()),
    };
    tell(&mut tx, ask, place, what)?;
    Ok(landing.landed())
}

/// Members read at a time.
const PAGE: usize = 256;

/// Makes the copies of one COPY. Locks are never copied.
struct Copies<'a> {
    seed: u64,
    ask: &'a Ask,
    count_max: usize,
    count: usize,
    property_bytes: usize,
}

/// Properties are copied byte by byte, and until the end a transaction is held in memory.
const COPIED_PROPERTY_BYTES_MAX: usize = 32 << 20;

impl Copies<'_> {
    fn of(&self, cleared: &Cleared, from: &Resource, name: &Name, id: ResourceId) -> Resource {
        let content = from
            .content
            .as_ref()
            .map(|content| self.content(content, id).as_first(cleared, self.ask.now));
        let property_count = from.property_count;
        Resource {
            property_count,
            ..Resource::new(id, name, content, self.ask.principal.id, self.ask.now)
        }
    }

    /// New ids for so many more copies; refuses more than the configuration allows.
    async fn ids(
        &mut self,
        tx: &mut Tx<'_>,
        count: usize,
    ) -> Result<std::ops::Range<u64>, DavError> {
        if count == 0 {
            return Ok(0..0);
        }
        self.count += count;
        if self.count <= self.count_max {
            return Ok(tx.reserve_ids(count as u64).await?);
        }
        let max = self.count_max;
        Err(DavError::InsufficientStorage(format!(
            "one COPY may make at most {max} resources (limits.copy_resources_max); copy the \
             collection's parts"
        )))
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
            let ids = self.ids(tx, page.members.len()).await?;
            for ((member, position), id) in page.members.into_iter().zip(ids) {
                let name = Name::parse(&member.name).map_err(DavError::from)?;
                let copy = self.of(cleared, &member, &name, ResourceId(id));
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

/// Spreads the bits of `n` (the finaliser of `SplitMix64`).
fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
