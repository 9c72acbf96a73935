//! The way to a resource, and what the asking user may do along it. What the user may not read is
//! forgotten here, before anything else looks at it, so that no later step can give it away.

use super::Ask;
use super::access::Principal;
use super::target::Target;
use crate::lock::rules::{Doing, SuperCheckIn};
use crate::protocol::error::DavError;
use crate::protocol::path::{DavPath, Name};
use crate::resource::{Resource, ResourceId};
use crate::rights::{
    Access, Grant, GroupId, Position, Privilege, Privileges, Subject, Where, needs_write,
};
use crate::store::Walk;
use crate::store::engine::StoreError;
use crate::store::grants::GrantBook;
use crate::store::tx::Tx;

/// The asking user with what grants are compared with.
#[derive(Debug)]
pub(super) struct Visitor<'a> {
    principal: &'a Principal,
    groups: Vec<GroupId>,
    book: GrantBook,
}

/// Where a path leads for one user.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    visitor: Visitor<'a>,
    /// The path that was asked about, or on which the resource was found by its id.
    pub(super) path: DavPath,
    /// The way, without what the user may not read at its end.
    pub(super) walk: Walk,
    /// What the user may do at each resource on the way.
    positions: Vec<Position>,
    /// Whether there is something at the path that the user must not know of.
    occupied: bool,
}

/// One page of a listing: what the user may read of it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) members: Vec<(Resource, Position)>,
    /// The name behind which to go on; `None` at the end.
    pub(super) next: Option<String>,
}

impl<'a> Visitor<'a> {
    pub(super) async fn of(tx: &mut Tx<'_>, principal: &'a Principal) -> Result<Self, StoreError> {
        let book = tx.grant_book().await?;
        let groups = if book.may_name_groups() {
            tx.groups_of(principal.id).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            principal,
            groups,
            book,
        })
    }

    /// The grants on each of these resources.
    pub(super) async fn grants_on(
        &self,
        tx: &mut Tx<'_>,
        ids: &[ResourceId],
    ) -> Result<Vec<Vec<Grant>>, StoreError> {
        let GrantBook::Few(all) = &self.book else {
            return tx.grants_on(ids).await;
        };
        let of = |id: &ResourceId| {
            let found = all.iter().find(|(collection, _)| collection == id);
            found.map(|(_, grants)| grants.clone()).unwrap_or_default()
        };
        Ok(ids.iter().map(of).collect())
    }

    /// Every collection that has grants.
    async fn granted_collections(&self, tx: &mut Tx<'_>) -> Result<Vec<ResourceId>, StoreError> {
        match &self.book {
            GrantBook::Few(all) => Ok(all.iter().map(|(collection, _)| *collection).collect()),
            GrantBook::Many => tx.granted_collections().await,
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            user: self.principal.id,
            groups: &self.groups,
            admin: self.principal.admin,
            scope: self.principal.scope,
        }
    }

    pub(super) fn privileges(&self, position: Position) -> Privileges {
        position.privileges(&self.subject())
    }

    /// The positions along a way from the root down.
    fn along(&self, ids: impl Iterator<Item = ResourceId>, grants: &[Vec<Grant>]) -> Vec<Position> {
        let subject = self.subject();
        let mut here = Position::START;
        ids.zip(grants)
            .map(|(id, grants)| {
                here = here.down(&subject, id, grants);
                here
            })
            .collect()
    }

    /// Follows `path`.
    pub(super) async fn walk(
        self,
        tx: &mut Tx<'_>,
        path: DavPath,
    ) -> Result<Visit<'a>, StoreError> {
        let mut walk = tx.walk(&path).await?;
        let mut ids: Vec<ResourceId> = walk.chain().iter().map(|step| step.id).collect();
        let found = ids.len();
        // As many look-ups as if everything were there.
        ids.resize(path.names().len() + 1, ResourceId::ABOVE_ROOT);
        let grants = self.grants_on(tx, &ids).await?;
        let mut positions = self.along(ids.into_iter().take(found), &grants);
        let is_there = walk.found().is_some();
        while let Some(last) = positions.last()
            && !self.privileges(*last).has(Privilege::Read)
        {
            positions.pop();
            walk.hide_last();
        }
        let occupied = is_there && walk.found().is_none();
        Ok(Visit {
            visitor: self,
            path,
            walk,
            positions,
            occupied,
        })
    }

    /// The members of a collection behind the name `after`, without those that are hidden.
    pub(super) async fn members(
        &self,
        tx: &mut Tx<'_>,
        (collection, position): (ResourceId, Position),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let found = tx.members(collection, after, limit).await?;
        let next = (found.len() == limit)
            .then(|| found.last().map(|last| last.name.clone()))
            .flatten();
        let inner = found.iter().filter(|member| member.is_collection());
        let inner: Vec<ResourceId> = inner.map(|member| member.id).collect();
        let mut grants = self.grants_on(tx, &inner).await?.into_iter();
        let subject = self.subject();
        let step = |member: Resource| {
            let own = if member.is_collection() {
                grants.next()
            } else {
                None
            };
            let here = position.down(&subject, member.id, &own.unwrap_or_default());
            (member, here)
        };
        let readable =
            |(_, here): &(Resource, Position)| here.privileges(&subject).has(Privilege::Read);
        let members = found.into_iter().map(step).filter(readable).collect();
        Ok(Page { members, next })
    }
}

/// Goes where `ask` points.
pub(super) async fn visit<'a>(tx: &mut Tx<'_>, ask: &'a Ask) -> Result<Visit<'a>, DavError> {
    visit_target(tx, ask, &ask.target).await
}

/// Goes somewhere else for the user who asks.
pub(super) async fn visit_target<'a>(
    tx: &mut Tx<'_>,
    ask: &'a Ask,
    target: &Target,
) -> Result<Visit<'a>, DavError> {
    let (path, named) = match target {
        Target::Path(path) => (path.clone(), None),
        Target::Id(id) | Target::Within { id, .. } => (path_of(tx, *id).await?, Some(*id)),
        Target::Member(parent, name) => {
            let path = path_of(tx, *parent).await?;
            (path.member(name.clone()), Some(*parent))
        }
    };
    let visitor = Visitor::of(tx, &ask.principal).await?;
    let visit = visitor.walk(tx, path).await?;
    // The id of something hidden is one that nobody ever had: not even a way to a gap.
    let hidden = |id| !visit.privileges_at(id).has(Privilege::Read);
    if named.is_some_and(hidden) {
        return Err(DavError::NotFound);
    }
    if let Target::Within {
        project, folder, ..
    } = target
    {
        let held_by = visit.walk.parent().map(|above| above.id);
        if visit.project() != Some(*project) || folder.is_some() && *folder != held_by {
            return Err(DavError::NotFound);
        }
    }
    Ok(visit)
}

async fn path_of(tx: &mut Tx<'_>, id: ResourceId) -> Result<DavPath, DavError> {
    let found = tx.path_of(id).await?;
    found.map(|(path, _)| path).ok_or(DavError::NotFound)
}

impl Visit<'_> {
    pub(super) fn visitor(&self) -> &Visitor<'_> {
        &self.visitor
    }

    /// The resource at the path.
    pub(super) fn resource(&self) -> Result<&Resource, DavError> {
        self.walk.found().ok_or(DavError::NotFound)
    }

    /// The topmost collection on the way, which the APIs call a project, if the user may see it.
    pub(super) fn project(&self) -> Option<ResourceId> {
        let top = self.walk.chain().get(1)?;
        let is_seen = top.is_collection() && self.privileges_at(top.id).has(Privilege::Read);
        is_seen.then_some(top.id)
    }

    /// Where the user stands at the end of the way.
    pub(super) fn position(&self) -> Position {
        self.positions.last().copied().unwrap_or(Position::START)
    }

    /// What the user may do at a resource on the way.
    pub(super) fn privileges_at(&self, id: ResourceId) -> Privileges {
        let on_the_way = self.walk.chain().iter().zip(&self.positions);
        let mut found = on_the_way.filter(|(step, _)| step.id == id);
        found.next().map_or(Privileges::NONE, |(_, position)| {
            self.visitor.privileges(*position)
        })
    }

    pub(super) fn super_check_in_at(&self, id: ResourceId) -> SuperCheckIn {
        if self.privileges_at(id).has(Privilege::SuperCheckIn) {
            SuperCheckIn::Held
        } else {
            SuperCheckIn::NotHeld
        }
    }

    /// The parent and the name of something that is to be made where nothing was found.
    pub(super) fn gap(&self) -> Result<(ResourceId, &Name), DavError> {
        if self.path.is_reserved() {
            return Err(DavError::Reserved);
        }
        let parent = self.walk.parent().ok_or(DavError::ParentMissing)?;
        let name = self.path.name().ok_or(DavError::ParentMissing)?;
        Ok((parent.id, name))
    }

    /// Refuses to make something where the user must not know that something is. Asked last, so
    /// that only who could make it there learns that the name is taken.
    pub(super) fn require_free_name(&self) -> Result<(), DavError> {
        if self.occupied {
            return Err(DavError::Forbidden(
                "this name cannot be used here; choose another one".to_owned(),
            ));
        }
        Ok(())
    }

    /// [`Self::gap`] for a new file: neither PUT nor LOCK makes one whose address ends in a slash.
    pub(super) fn file_gap(&self) -> Result<(ResourceId, &Name), DavError> {
        if self.path.has_trailing_slash() {
            return Err(DavError::Conflict(
                "an address that ends in a slash is a collection; MKCOL makes one".to_owned(),
            ));
        }
        self.gap()
    }

    /// Refuses what the user may not write.
    pub(super) async fn require_write(
        &self,
        tx: &mut Tx<'_>,
        doing: Doing,
    ) -> Result<(), DavError> {
        for place in needs_write(doing) {
            match place {
                Where::Here => self.require(Privilege::Write)?,
                Where::Parent => self.require_at_parent(Privilege::Write)?,
                Where::Below => self.require_below(tx, Privilege::Write).await?,
            }
        }
        Ok(())
    }

    /// Refuses the user who does not hold `privilege` at the end of the way.
    pub(super) fn require(&self, privilege: Privilege) -> Result<(), DavError> {
        let is_collection = self.walk.found().is_some_and(Resource::is_collection);
        self.require_of(self.position(), privilege, || self.path.href(is_collection))
    }

    /// The same at the collection that holds it.
    fn require_at_parent(&self, privilege: Privilege) -> Result<(), DavError> {
        let above = self.walk.ancestors().unwrap_or_default().len();
        let Some(position) = above
            .checked_sub(1)
            .and_then(|last| self.positions.get(last))
        else {
            // The root has no parent; what may be done to it is decided elsewhere.
            return Ok(());
        };
        let href = || self.path.parent().unwrap_or_else(DavPath::root).href(true);
        self.require_of(*position, privilege, href)
    }

    fn require_of(
        &self,
        position: Position,
        privilege: Privilege,
        href: impl FnOnce() -> String,
    ) -> Result<(), DavError> {
        if self.visitor.privileges(position).has(privilege) {
            return Ok(());
        }
        self.require_writing_credential()?;
        Err(DavError::NeedsPrivilege {
            href: href(),
            privilege: privilege.as_str(),
        })
    }

    /// Refuses a credential that is for reading, also for what its user may do without privileges.
    pub(super) fn require_writing_credential(&self) -> Result<(), DavError> {
        if self.visitor.principal.scope.access == Access::Write {
            return Ok(());
        }
        Err(DavError::Forbidden(
            "this API key is for reading only; make one with scope write".to_owned(),
        ))
    }

    /// Refuses the user who lacks `privilege` at a collection below that has grants of its own. The
    /// answer does not say which one it is: the user may not be allowed to know.
    pub(super) async fn require_below(
        &self,
        tx: &mut Tx<'_>,
        privilege: Privilege,
    ) -> Result<(), DavError> {
        let Some(top) = self.walk.found().filter(|found| found.is_collection()) else {
            return Ok(());
        };
        if self.visitor.principal.is_administrator() {
            return Ok(());
        }
        for collection in self.visitor.granted_collections(tx).await? {
            let Some((mut way, _)) = tx.locate(collection).await? else {
                continue;
            };
            if !way.contains(&top.id) {
                continue;
            }
            way.push(collection);
            let grants = self.visitor.grants_on(tx, &way).await?;
            let positions = self.visitor.along(way.into_iter(), &grants);
            let there = positions.last().copied().unwrap_or(Position::START);
            if !self.visitor.privileges(there).has(privilege) {
                return Err(DavError::Forbidden(format!(
                    "a part of {} is not yours to change, so it cannot be changed or locked as a \
                     whole",
                    self.path.href(true)
                )));
            }
        }
        Ok(())
    }
}
