//! Everything about one resource that an API tells of it.

use super::access::Principal;
use super::locking::LockView;
use super::properties::locks_in_force;
use super::visit::visit;
use super::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::resource::{Resource, ResourceId};
use crate::rights::{Privilege, Privileges};
use crate::store::engine::{Mode, Txn};
use crate::store::tx::Tx;

/// One resource as one user may see it.
#[derive(Debug)]
pub struct Detail {
    /// Where it is.
    pub path: DavPath,
    /// What it is.
    pub resource: Resource,
    /// The collections above it that the user may read, the root first. Of the others no more is
    /// told than their names, which are in the path.
    pub ancestors: Vec<Resource>,
    /// The collection that holds it, if the user may read that.
    pub parent: Option<ResourceId>,
    /// The collection at the top of the tree that it is in, or is, if the user may read that.
    pub project: Option<ResourceId>,
    /// What the asking user may do with it.
    pub privileges: Privileges,
    /// The locks in force on it: its own and what covers it.
    pub locks: Vec<LockView>,
}

impl Dav {
    /// The resource with its place, its locks and what the asking user may do with it.
    pub async fn detail(&self, ask: &Ask) -> Result<Detail, DavError> {
        self.read(ask, |txn, ask| Box::pin(detail(txn, ask))).await
    }

    /// Where the resource is, and what another user than the one who asks may do with it.
    pub async fn privileges_of(
        &self,
        user: &Principal,
        ask: &Ask,
    ) -> Result<(DavPath, Privileges), DavError> {
        let as_user = Ask {
            principal: user.clone(),
            ..ask.clone()
        };
        // In one transaction: something that goes in between is not something hidden.
        self.read(&(ask, as_user), |txn, (ask, as_user)| {
            Box::pin(async move {
                let path = detail(txn, ask).await?.path;
                match detail(txn, as_user).await {
                    Ok(seen) => Ok((path, seen.privileges)),
                    Err(DavError::NotFound) => Ok((path, Privileges::NONE)),
                    Err(error) => Err(error),
                }
            })
        })
        .await
    }

    /// Refuses what is locked by anybody, also where the rules would let two locks stand together.
    pub async fn require_unlocked(&self, ask: &Ask) -> Result<(), DavError> {
        self.do_or_note(Mode::Read, ask, ask, |txn, ask| {
            Box::pin(unlocked(txn, ask))
        })
        .await
    }
}

async fn detail(txn: &mut dyn Txn, ask: &Ask) -> Result<Detail, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let resource = visit.resource()?.clone();
    let locks = locks_in_force(&mut tx, ask, &visit).await?;
    let above = visit.walk.ancestors().unwrap_or_default();
    let readable = |above: &&Resource| visit.privileges_at(above.id).has(Privilege::Read);
    let parent = above.last().filter(|above| readable(above));
    Ok(Detail {
        parent: parent.map(|parent| parent.id),
        project: visit.project(),
        privileges: visit.privileges_at(resource.id),
        ancestors: above.iter().filter(readable).cloned().collect(),
        path: visit.path,
        resource,
        locks,
    })
}

async fn unlocked(txn: &mut dyn Txn, ask: &Ask) -> Result<(), DavError> {
    let locks = detail(txn, ask).await?.locks;
    if locks.is_empty() {
        return Ok(());
    }
    let locks = locks.iter().map(LockView::refusing).collect();
    Err(DavError::LockConflict(locks))
}
