//! Rows of grants: one for each collection that has any, an index by grantee, and one that has them
//! all while they are few.

use serde::{Deserialize, Serialize};

use super::engine::StoreError;
use super::keys;
use super::tx::{Tx, decode};
use crate::resource::ResourceId;
use crate::rights::{Grant, Grantee, Role};

/// Most grants on one collection: they are one row, and rows are short.
pub const GRANTS_PER_COLLECTION_MAX: usize = 100;

/// Most collections with grants. Removing or moving a collection looks at those below it.
pub const GRANTED_COLLECTIONS_MAX: usize = 10_000;

/// Most collections in the book, and most grants.
const BOOK_COLLECTIONS_MAX: usize = 32;
const BOOK_GRANTS_MAX: usize = 64;

/// All grants there are, while they are few. Every request needs those on its way; of most stores
/// one look-up tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantBook {
    /// The grants of each collection that has any.
    Few(Vec<(ResourceId, Vec<Grant>)>),
    /// More than fit: each collection is asked for its own.
    Many,
}

impl GrantBook {
    /// Whether it matters which groups somebody is in.
    pub fn may_name_groups(&self) -> bool {
        let of_group = |grant: &Grant| matches!(grant.to, Grantee::Group(_));
        match self {
            Self::Few(all) => all.iter().any(|(_, grants)| grants.iter().any(of_group)),
            Self::Many => true,
        }
    }
}

impl Tx<'_> {
    /// All grants, while they are few.
    pub async fn grant_book(&mut self) -> Result<GrantBook, StoreError> {
        let book = self.row(keys::grant_book()).await?;
        Ok(book.unwrap_or(GrantBook::Many))
    }

    /// After a change of grants.
    async fn rewrite_book(&mut self) -> Result<(), StoreError> {
        let book = self.book_of_grants().await?;
        self.put(keys::grant_book(), &book)
    }

    /// What the book must be, as the grants are.
    pub(super) async fn book_of_grants(&mut self) -> Result<GrantBook, StoreError> {
        let rows = self
            .scan(keys::all_grants(), BOOK_COLLECTIONS_MAX + 1)
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for (key, value) in &rows {
            let grants: Vec<Grant> = decode(value)?;
            all.extend(keys::id_at_end(key).map(|id| (ResourceId(id), grants)));
        }
        let grants: usize = all.iter().map(|(_, grants)| grants.len()).sum();
        if all.len() > BOOK_COLLECTIONS_MAX || grants > BOOK_GRANTS_MAX {
            return Ok(GrantBook::Many);
        }
        Ok(GrantBook::Few(all))
    }

    /// The grants on each of these resources, in their order.
    pub async fn grants_on(&mut self, ids: &[ResourceId]) -> Result<Vec<Vec<Grant>>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| keys::grants(*id)).collect();
        let rows = self.rows(&keys).await?;
        Ok(rows.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Every collection that has grants.
    pub async fn granted_collections(&mut self) -> Result<Vec<ResourceId>, StoreError> {
        let rows = self.scan_all(keys::all_grants()).await?;
        let id = |(key, _)| keys::id_at_end(&key).map(ResourceId);
        Ok(rows.into_iter().filter_map(id).collect())
    }

    /// Grants a role on a collection in the place of another; `None` takes the grant away.
    pub async fn set_grant(
        &mut self,
        collection: ResourceId,
        to: Grantee,
        role: Option<Role>,
    ) -> Result<(), StoreError> {
        let mut grants = self
            .grants_on(&[collection])
            .await?
            .pop()
            .unwrap_or_default();
        grants.retain(|grant| grant.to != to);
        match role {
            Some(role) => {
                grants.push(Grant { to, role });
                grants.sort_by_key(|grant| grant.to);
                self.mark(keys::granted(to, collection));
            }
            None => self.delete(keys::granted(to, collection)),
        }
        if grants.is_empty() {
            self.delete(keys::grants(collection));
        } else {
            self.put(keys::grants(collection), &grants)?;
        }
        self.rewrite_book().await
    }

    /// Takes away everything that was granted to somebody who is no more.
    pub async fn drop_grants_to(&mut self, grantee: Grantee) -> Result<(), StoreError> {
        for (key, _) in self.scan_all(keys::all_granted(grantee)).await? {
            if let Some(collection) = keys::id_at_end(&key).map(ResourceId) {
                self.set_grant(collection, grantee, None).await?;
            }
        }
        Ok(())
    }

    /// Removes the grants of a collection that ends. What happened there stays theirs to read who
    /// could read it.
    pub(super) async fn drop_grants_on(&mut self, id: ResourceId) -> Result<(), StoreError> {
        let grants = self.grants_on(&[id]).await?.pop().unwrap_or_default();
        for grant in &grants {
            self.delete(keys::granted(grant.to, id));
        }
        if grants.is_empty() {
            return Ok(());
        }
        self.delete(keys::grants(id));
        self.remember_gone(id, grants).await?;
        self.rewrite_book().await
    }
}
