//! Roles on collections: who has which, and giving them. Locks do not matter here: a grant changes
//! who may work on something, not the thing itself.

use super::visit::visit;
use super::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::resource::ResourceId;
use crate::rights::{Grant, Grantee, Privilege, Role};
use crate::store::engine::Txn;
use crate::store::grants::{GRANTED_COLLECTIONS_MAX, GRANTS_PER_COLLECTION_MAX};
use crate::store::tx::Tx;

/// The grants on one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantsOn {
    /// Its id.
    pub collection: ResourceId,
    /// Where it is.
    pub path: DavPath,
    /// The roles granted there.
    pub grants: Vec<Grant>,
}

impl Dav {
    /// The grants that decide about a resource: those on it and on every collection above it that
    /// the user may read, the root first.
    pub async fn grants(&self, ask: &Ask) -> Result<Vec<GrantsOn>, DavError> {
        self.read(ask, |txn, ask| Box::pin(grants(txn, ask))).await
    }

    /// Grants a role on a collection, in the place of the one that `to` had there; `None` takes the
    /// grant away, so that what is inherited counts again.
    pub async fn set_grant(
        &self,
        ask: &Ask,
        to: Grantee,
        role: Option<Role>,
    ) -> Result<(), DavError> {
        self.set_grants(ask, &[(to, role)]).await
    }

    /// The same for several at once: all of them or none.
    pub async fn set_grants(
        &self,
        ask: &Ask,
        roles: &[(Grantee, Option<Role>)],
    ) -> Result<(), DavError> {
        let granting = (ask, roles);
        self.write(&granting, |txn, (ask, roles)| {
            Box::pin(set_grants(txn, ask, roles))
        })
        .await
    }
}

async fn grants(txn: &mut dyn Txn, ask: &Ask) -> Result<Vec<GrantsOn>, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    visit.resource()?;
    let way: Vec<ResourceId> = visit.walk.chain().iter().map(|step| step.id).collect();
    let mut found = Vec::new();
    for (level, grants) in tx.grants_on(&way).await?.into_iter().enumerate() {
        let readable = visit.privileges_at(way[level]).has(Privilege::Read);
        if readable && !grants.is_empty() {
            found.push(GrantsOn {
                collection: way[level],
                path: visit.path.names()[..level].iter().cloned().collect(),
                grants,
            });
        }
    }
    Ok(found)
}

async fn set_grants(
    txn: &mut dyn Txn,
    ask: &Ask,
    roles: &[(Grantee, Option<Role>)],
) -> Result<(), DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let collection = visit.resource()?;
    if !collection.is_collection() {
        return Err(DavError::BadRequest(
            "roles are granted on collections, and reach the files in them".to_owned(),
        ));
    }
    visit.require(Privilege::Manage)?;
    for (to, role) in roles {
        if role.is_some() {
            require_grantee(&mut tx, *to).await?;
            require_room_for(&mut tx, collection.id, *to).await?;
        }
        tx.set_grant(collection.id, *to, *role).await?;
    }
    Ok(())
}

/// Somebody who was removed a moment ago is granted nothing.
async fn require_grantee(tx: &mut Tx<'_>, to: Grantee) -> Result<(), DavError> {
    let is_there = match to {
        Grantee::User(user) => tx.user_by_id(user).await?.is_some(),
        Grantee::Group(group) => tx.group_by_id(group).await?.is_some(),
        Grantee::Everyone => true,
    };
    if is_there {
        Ok(())
    } else {
        Err(DavError::BadRequest(
            "a role can only be granted to a user or group that exists".to_owned(),
        ))
    }
}

async fn require_room_for(
    tx: &mut Tx<'_>,
    collection: ResourceId,
    to: Grantee,
) -> Result<(), DavError> {
    let here = tx.grants_on(&[collection]).await?.pop().unwrap_or_default();
    if here.iter().any(|grant| grant.to == to) {
        return Ok(());
    }
    if here.len() >= GRANTS_PER_COLLECTION_MAX {
        return Err(DavError::InsufficientStorage(format!(
            "a collection has at most {GRANTS_PER_COLLECTION_MAX} grants; use a group"
        )));
    }
    if here.is_empty() && tx.granted_collections().await?.len() >= GRANTED_COLLECTIONS_MAX {
        return Err(DavError::InsufficientStorage(format!(
            "at most {GRANTED_COLLECTIONS_MAX} collections have grants of their own"
        )));
    }
    Ok(())
}
