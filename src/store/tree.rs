//! Rows of the tree: entries and whereabouts. Names are edges, so moving any tree changes
//! two rows; removing any tree detaches it with one, and its members go bit by bit later.

use bytes::Bytes;

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::event::Place;
use crate::lock::Lock;
use crate::lock::rules::Cleared;
use crate::protocol::path::{DavPath, Name};
use crate::resource::{Resource, ResourceId, UserId};
use crate::rights::{Grantee, Role};

/// When one step of a sweep has changed so many rows, the rest is for the next: everybody waits for
/// it, and an engine refuses much larger transactions, this one then for ever.
pub(super) const SWEEP_ROWS_MAX: usize = 1_000;

/// Its entry, its whereabouts, its use of content and what becomes of that.
const ROWS_OF_A_RESOURCE: usize = 4;

/// What a step of removing detached trees did. The next one goes on behind it: until sled has heard
/// of them, whoever looks from the beginning passes all rows that are gone.
#[derive(Debug, Clone, Default)]
pub struct Reaped {
    /// How many resources it found; 0: there are no more.
    pub count: usize,
    tree: Option<ResourceId>,
    /// The name of the last member that is gone.
    last: Option<String>,
}

/// What a path leads to.
#[derive(Debug)]
pub struct Walk {
    /// What exists on the way, from the root on.
    chain: Vec<Resource>,
    /// How many names of the path lead nowhere; 0: the last of `chain` is the resource itself.
    missing: usize,
}

impl Walk {
    /// The resource at the path.
    pub fn found(&self) -> Option<&Resource> {
        if self.missing == 0 {
            self.chain.last()
        } else {
            None
        }
    }

    /// The collections above the path, from the root on; `None` when one is missing or a file.
    pub fn ancestors(&self) -> Option<&[Resource]> {
        let above = match self.missing {
            0 => &self.chain[..self.chain.len() - 1],
            1 => &self.chain[..],
            _ => return None,
        };
        above
            .last()
            .is_none_or(Resource::is_collection)
            .then_some(above)
    }

    /// What exists on the way, from the root on.
    pub fn chain(&self) -> &[Resource] {
        &self.chain
    }

    /// The path of a resource on the way, and whether that is a collection; `None` when it is not
    /// on the way.
    pub fn path_to(&self, id: ResourceId) -> Result<Option<(DavPath, bool)>, StoreError> {
        let Some(index) = self.chain.iter().position(|step| step.id == id) else {
            return Ok(None);
        };
        let path = path_along(&self.chain[..=index])?;
        Ok(Some((path, self.chain[index].is_collection())))
    }

    /// The ids of the collections above a resource on the way; `None` when it is not on the way.
    pub fn above(&self, id: ResourceId) -> Option<Vec<ResourceId>> {
        let index = self.chain.iter().position(|step| step.id == id)?;
        Some(self.chain[..index].iter().map(|above| above.id).collect())
    }

    /// Forgets that the last resource on the way exists.
    pub fn hide_last(&mut self) {
        if self.chain.len() > 1 {
            self.chain.pop();
            self.missing += 1;
        }
    }

    /// The ids of the collections above the path, from the root on.
    pub fn ancestor_ids(&self) -> Vec<ResourceId> {
        let ancestors = self.ancestors().unwrap_or_default();
        ancestors.iter().map(|above| above.id).collect()
    }

    /// The collection that holds the path, or could; `None` for the root.
    pub fn parent(&self) -> Option<&Resource> {
        self.ancestors()?.last()
    }
}

impl Tx<'_> {
    /// Makes the root collection of a new store.
    pub async fn make_root(&mut self) -> Result<(), StoreError> {
        if self
            .find_member(ResourceId::ABOVE_ROOT, "")
            .await?
            .is_none()
        {
            if self.bytes(keys::grant_book()).await?.is_some() {
                // A new root would be open to everyone, and hide that the old one is lost.
                return Err(StoreError::Damaged("the root is missing".to_owned()));
            }
            let root = Resource {
                id: ResourceId::ROOT,
                name: String::new(),
                content: None,
                made_by: UserId::NOBODY,
                created: self.now,
                modified: self.now,
                property_count: 0,
            };
            self.put(keys::entry(ResourceId::ABOVE_ROOT, ""), &root)?;
            // Whoever can sign in can work, until somebody grants otherwise.
            self.set_grant(ResourceId::ROOT, Grantee::Everyone, Some(Role::Editor))
                .await?;
        }
        Ok(())
    }

    /// The member of `parent` called `name`.
    async fn find_member(
        &mut self,
        parent: ResourceId,
        name: &str,
    ) -> Result<Option<Resource>, StoreError> {
        self.row(keys::entry(parent, name)).await
    }

    /// Follows `path` from the root.
    pub async fn walk(&mut self, path: &DavPath) -> Result<Walk, StoreError> {
        let root = self.find_member(ResourceId::ABOVE_ROOT, "").await?;
        let root = root.ok_or_else(|| StoreError::Damaged("the root is missing".to_owned()))?;
        let names = path.names();
        let mut here = root.id;
        let mut chain = Vec::with_capacity(names.len() + 1);
        chain.push(root);
        for (index, name) in names.iter().enumerate() {
            let Some(resource) = self.find_member(here, name.key()).await? else {
                // As many look-ups as if all were there: a user must not be able to tell by time
                // what is missing from what is hidden.
                for name in &names[index + 1..] {
                    self.find_member(ResourceId::ABOVE_ROOT, name.key()).await?;
                }
                return Ok(Walk {
                    chain,
                    missing: names.len() - index,
                });
            };
            here = resource.id;
            chain.push(resource);
        }
        Ok(Walk { chain, missing: 0 })
    }

    /// Up to `limit` members of `parent`, in the order of their names, behind the name `after`.
    pub async fn members(
        &mut self,
        parent: ResourceId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Resource>, StoreError> {
        self.scan_rows(keys::entries(parent, after), limit).await
    }

    /// The resource with this id and the ids of the collections above it, the root first; `None`
    /// when it has ended.
    pub async fn locate(
        &mut self,
        id: ResourceId,
    ) -> Result<Option<(Vec<ResourceId>, Resource)>, StoreError> {
        Ok(self.trail(id).await?.and_then(|mut trail| {
            let resource = trail.pop()?;
            Some((trail.iter().map(|above| above.id).collect(), resource))
        }))
    }

    /// The resource with this id behind everything above it, the root first.
    async fn trail(&mut self, id: ResourceId) -> Result<Option<Vec<Resource>>, StoreError> {
        let mut trail = Vec::new();
        let (mut here, mut passed) = (id, None);
        loop {
            // Brent's way of noticing a circle: whoever walks in one comes by where they were.
            if passed == Some(here) {
                return Err(StoreError::Damaged(format!("{id} is below itself")));
            }
            if trail.len().is_power_of_two() {
                passed = Some(here);
            }
            let Some((parent, resource)) = self.find_by_id(here).await? else {
                return Ok(None);
            };
            trail.push(resource);
            if here == ResourceId::ROOT {
                trail.reverse();
                return Ok(Some(trail));
            }
            here = parent;
        }
    }

    /// The resource with this id and its parent, whether or not both are in reach; `None` when it
    /// has ended.
    pub(super) async fn find_by_id(
        &mut self,
        id: ResourceId,
    ) -> Result<Option<(ResourceId, Resource)>, StoreError> {
        let (parent, name): (ResourceId, String) = if id == ResourceId::ROOT {
            (ResourceId::ABOVE_ROOT, String::new())
        } else {
            match self.row(keys::whereabouts(id)).await? {
                Some(whereabouts) => whereabouts,
                None => return Ok(None),
            }
        };
        let found = self.find_member(parent, &name).await?;
        let found = found.filter(|resource| resource.id == id);
        Ok(found.map(|resource| (parent, resource)))
    }

    /// The path of the resource with this id and whether it is a collection; `None` when it ended.
    pub async fn path_of(&mut self, id: ResourceId) -> Result<Option<(DavPath, bool)>, StoreError> {
        let Some(trail) = self.trail(id).await? else {
            return Ok(None);
        };
        let path = path_along(&trail)?;
        Ok(Some((
            path,
            trail.last().is_some_and(Resource::is_collection),
        )))
    }

    /// What is at the path, as a place; `None` when nothing is.
    pub async fn place_at(&mut self, path: &DavPath) -> Result<Option<Place>, StoreError> {
        let walk = self.walk(path).await?;
        Ok(walk.found().map(|found| {
            let way = walk.chain().iter().map(|step| step.id).collect();
            Place::new(way, path.to_plain(), found.is_collection())
        }))
    }

    /// The same as a place with the ids on the way to it.
    pub(super) async fn place_of(&mut self, id: ResourceId) -> Result<Option<Place>, StoreError> {
        let Some(trail) = self.trail(id).await? else {
            return Ok(None);
        };
        let way = trail.iter().map(|step| step.id).collect();
        let path = path_along(&trail)?.to_plain();
        let is_collection = trail.last().is_some_and(Resource::is_collection);
        Ok(Some(Place::new(way, path, is_collection)))
    }

    /// Makes `resource` a member of `parent`, with `content` unless it is a collection.
    pub fn make(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        resource: &Resource,
        inline: Option<Bytes>,
    ) -> Result<(), StoreError> {
        demand(cleared, parent)?;
        self.attach(parent, resource, inline)
    }

    /// A member of a collection that this transaction has made itself, and so nobody has locked.
    pub fn make_within_new(
        &mut self,
        _cleared: &Cleared,
        parent: ResourceId,
        resource: &Resource,
    ) -> Result<(), StoreError> {
        self.attach(parent, resource, None)
    }

    fn attach(
        &mut self,
        parent: ResourceId,
        resource: &Resource,
        inline: Option<Bytes>,
    ) -> Result<(), StoreError> {
        self.put(keys::entry(parent, &resource.name), resource)?;
        self.put(
            keys::whereabouts(resource.id),
            &(parent, keys::nfc(&resource.name)),
        )?;
        if let Some(content) = &resource.content {
            self.hold_content(content, resource.id, inline);
        }
        Ok(())
    }

    /// Writes down that the resource's own row changed: its property count or its times.
    pub(super) fn rewrite(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        resource: &Resource,
    ) -> Result<(), StoreError> {
        demand(cleared, resource.id)?;
        self.put(keys::entry(parent, &resource.name), resource)
    }

    /// Removes `resource` and everything below it. What a collection held is out of reach at once
    /// and removed bit by bit by [`Tx::reap`]. Returns the locks that end with it.
    pub async fn remove(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        resource: &Resource,
    ) -> Result<Vec<(Lock, Place)>, StoreError> {
        demand(cleared, resource.id)?;
        let lost = self.drop_locks(resource.id).await?;
        self.drop_rows(parent, resource).await?;
        Ok(lost)
    }

    /// Takes a resource out of its parent, and what it has with it; returns how many rows its
    /// properties and old versions had.
    async fn drop_rows(
        &mut self,
        parent: ResourceId,
        resource: &Resource,
    ) -> Result<usize, StoreError> {
        self.delete(keys::entry(parent, &resource.name));
        self.delete(keys::whereabouts(resource.id));
        let properties = match resource.property_count {
            0 => 0,
            _ => self.drop_properties(resource.id).await?,
        };
        if resource.is_collection() {
            self.drop_grants_on(resource.id).await?;
            self.mark(keys::detached(resource.id));
        }
        Ok(properties + self.drop_versions(resource).await?)
    }

    /// Gives `resource` another parent, another name, or both. `ancestors` are the ids of the
    /// collections above the new place, its new parent last.
    pub async fn relocate(
        &mut self,
        leaving: &Cleared,
        entering: &Cleared,
        (parent, resource): (ResourceId, &Resource),
        (ancestors, name): (&[ResourceId], &Name),
    ) -> Result<(), StoreError> {
        demand(leaving, resource.id)?;
        let new_parent = ancestors.last().copied().unwrap_or(ResourceId::ROOT);
        demand(entering, new_parent)?;
        self.rehang_below_rows(resource.id, ancestors).await?;
        self.delete(keys::entry(parent, &resource.name));
        let moved = Resource {
            name: name.as_str().to_owned(),
            ..resource.clone()
        };
        self.put(keys::entry(new_parent, &moved.name), &moved)?;
        self.put(keys::whereabouts(moved.id), &(new_parent, name.key()))
    }

    /// Removes up to `limit` resources of detached trees, fewer when they have many properties or
    /// old versions, behind those that were removed just before.
    pub async fn reap(
        &mut self,
        limit: usize,
        before: Option<&Reaped>,
    ) -> Result<Reaped, StoreError> {
        let Some(id) = self.next_detached(before).await? else {
            return Ok(Reaped::default());
        };
        let before = before.filter(|before| before.tree == Some(id));
        let behind = before.and_then(|before| before.last.clone());
        let members = self.members(id, behind.as_deref(), limit).await?;
        let (mut reaped, mut rows) = (0, 0);
        for member in &members {
            if rows >= SWEEP_ROWS_MAX {
                break;
            }
            rows += ROWS_OF_A_RESOURCE + self.drop_rows(id, member).await?;
            reaped += 1;
        }
        if reaped == members.len() && reaped < limit {
            self.delete(keys::detached(id));
        }
        let last = reaped.checked_sub(1).map(|last| members[last].name.clone());
        Ok(Reaped {
            count: reaped + 1,
            tree: Some(id),
            last: last.or(behind),
        })
    }

    /// The tree that is being removed, or another one.
    async fn next_detached(
        &mut self,
        before: Option<&Reaped>,
    ) -> Result<Option<ResourceId>, StoreError> {
        let all = keys::all_detached();
        let mut found = Vec::new();
        if let Some(tree) = before.and_then(|before| before.tree) {
            found = self.scan(keys::detached(tree)..all.end.clone(), 1).await?;
        }
        if found.is_empty() {
            found = self.scan(all, 1).await?;
        }
        let Some((row, _)) = found.pop() else {
            return Ok(None);
        };
        // The root is never detached.
        let id = keys::id_at_end(&row).map(ResourceId);
        let id = id.filter(|id| *id > ResourceId::ROOT);
        id.map(Some).ok_or_else(|| {
            StoreError::Damaged("a tree that is to be removed has no id of one".to_owned())
        })
    }
}

/// The path of the last of these, of which each is a member of the one before.
fn path_along(trail: &[Resource]) -> Result<DavPath, StoreError> {
    let name = |resource: &Resource| {
        let id = resource.id;
        Name::parse(&resource.name).map_err(|_| {
            StoreError::Damaged(format!("resource {id} has a name that no path can have"))
        })
    };
    trail[1..].iter().map(name).collect()
}

/// The store's side of the bargain: what is changed is what the rules were asked about.
pub(super) fn demand(cleared: &Cleared, id: ResourceId) -> Result<(), StoreError> {
    if cleared.at() == id {
        Ok(())
    } else {
        Err(StoreError::Failed(format!(
            "resource {id} was to be changed without leave"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;
    use crate::store::engine::{Engine as _, Mode};
    use crate::store::memory::MemoryEngine;

    fn folder(id: u64, name: &str) -> Resource {
        let name = Name::parse(name).unwrap();
        Resource::new(ResourceId(id), &name, None, UserId::NOBODY, Timestamp(0))
    }

    #[tokio::test]
    async fn a_tree_that_goes_round_is_damaged() {
        let mut txn = MemoryEngine::new().begin(Mode::Write).await.unwrap();
        let mut tx = Tx::new(&mut *txn, Timestamp(0));
        for (parent, id) in [(12, 10), (10, 11), (11, 12), (12, 13)] {
            let name = format!("folder {id}");
            let (parent, id) = (ResourceId(parent), ResourceId(id));
            tx.put(keys::entry(parent, &name), &folder(id.0, &name))
                .unwrap();
            tx.put(keys::whereabouts(id), &(parent, &name)).unwrap();
        }
        for id in 10..=13 {
            let found = tx.path_of(ResourceId(id)).await;
            assert!(
                matches!(found, Err(StoreError::Damaged(_))),
                "{id}: {found:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_damaged_mark_removes_nothing() {
        let mut txn = MemoryEngine::new().begin(Mode::Write).await.unwrap();
        let mut tx = Tx::new(&mut *txn, Timestamp(0));
        tx.make_root().await.unwrap();
        tx.mark(keys::detached(ResourceId::ABOVE_ROOT));
        let reaped = tx.reap(10, None).await.map(|reaped| reaped.count);
        assert!(matches!(reaped, Err(StoreError::Damaged(_))), "{reaped:?}");
        assert!(tx.walk(&DavPath::root()).await.unwrap().found().is_some());
    }
}
