//! Roles on collections: who has which, and giving them. Locks do not matter here: a grant changes
//! who may work on something, not the thing itself.

use super::visit::visit;
use super::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;
use crate::rights::{Grant, Grantee, Privilege, Role};
use crate::store::engine::{StoreError, Txn};
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
    pub grants: Vec<NamedGrant>,
}

/// A grant with the name of who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedGrant {
    /// Who, and which role.
    pub grant: Grant,
    /// Of the user or group; `everyone` for everyone.
    pub name: String,
}

impl Dav {
    /// The grants that decide about a resource: those on it and on every collection above it that
    /// the user may read, the root first.
    pub async fn grants(&self, ask: &Ask) -> Result<Vec<GrantsOn>, DavError> {
        self.read(ask, |txn, ask| Box::pin(grants(txn, ask))).await
    }

    /// Every grant there is, by collection. For administrators.
    pub async fn all_grants(&self) -> Result<Vec<GrantsOn>, DavError> {
        self.read(&(), |txn, ()| Box::pin(all_grants(txn))).await
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
                grants: named(&mut tx, grants).await?,
            });
        }
    }
    Ok(found)
}

async fn all_grants(txn: &mut dyn Txn) -> Result<Vec<GrantsOn>, DavError> {
    let mut tx = Tx::new(txn, Timestamp(0));
    let collections = tx.granted_collections().await?;
    let mut found = Vec::with_capacity(collections.len());
    for collection in collections {
        // What was deleted a moment ago still has its rows until the sweep comes by.
        let Some((path, _)) = tx.path_of(collection).await? else {
            continue;
        };
        let grants = tx.grants_on(&[collection]).await?.pop().unwrap_or_default();
        found.push(GrantsOn {
            collection,
            path,
            grants: named(&mut tx, grants).await?,
        });
    }
    found.sort_by(|one, other| one.path.names().cmp(other.path.names()));
    Ok(found)
}

async fn named(tx: &mut Tx<'_>, grants: Vec<Grant>) -> Result<Vec<NamedGrant>, StoreError> {
    let mut found = Vec::with_capacity(grants.len());
    for grant in grants {
        let name = match grant.to {
            Grantee::User(user) => tx.user_by_id(user).await?.map(|user| user.name),
            Grantee::Group(group) => tx.group_by_id(group).await?.map(|group| group.name),
            Grantee::Everyone => Some("everyone".to_owned()),
        };
        // Grants end with their grantee, in one transaction; so none is without a name.
        found.extend(name.map(|name| NamedGrant { grant, name }));
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
            "at most {GRANTED_COLLECTIONS_MAX} collections can have grants of their own; grant the \
             role further up"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::grants::GrantBook;

    const NOW: Timestamp = Timestamp(1000);

    async fn are_few(dav: &Dav) -> bool {
        let book = dav.read(&(), |txn, ()| {
            Box::pin(async move { Ok(Tx::new(txn, NOW).grant_book().await?) })
        });
        matches!(book.await, Ok(GrantBook::Few(_)))
    }

    /// With many grants they are looked up one by one, and say the same.
    #[tokio::test]
    async fn few_grants_and_many_say_the_same() {
        const MANY: usize = 40;
        let dav = Dav::memory(NOW).await;
        let about = |path: &str| Ask::of(DavPath::from_plain(path, 100).expect("a path"), NOW);
        let mut admin = about("/");
        admin.principal.admin = true;
        let folder = |number: usize| format!("/{number}");
        let on = |path: &str| Ask {
            target: about(path).target,
            ..admin.clone()
        };
        let hides = async |number| dav.find(&about(&folder(number))).await.is_err();
        for number in 0..MANY {
            let at = on(&folder(number));
            dav.make_collection(&at).await.expect("made");
            let role = if number % 2 == 0 {
                Role::None
            } else {
                Role::Reader
            };
            dav.set_grant(&at, Grantee::Everyone, Some(role))
                .await
                .expect("granted");
            assert_eq!(hides(number).await, number % 2 == 0, "{number}");
        }
        assert!(!are_few(&dav).await);
        for number in 0..MANY {
            assert_eq!(hides(number).await, number % 2 == 0, "{number}");
        }
        for number in 10..MANY {
            dav.delete(&on(&folder(number))).await.expect("deleted");
        }
        assert!(are_few(&dav).await);
        assert!(hides(0).await && !hides(1).await);
        let found = dav.all_grants().await.expect("listed");
        assert_eq!(found.len(), 11, "of the root and of ten folders");
    }
}
