//! Finding resources with their properties, page by page, and changing properties.

mod told;

use std::collections::VecDeque;
use std::sync::Arc;

use super::events::tell;
use super::gate::{clear, judge, judge_if, lock_root_href};
use super::locking::LockView;
use super::visit::{Visit, Visitor, visit};
use super::{Ask, Dav};
use crate::event::What;
use crate::lock::LockDepth;
use crate::lock::rules::Doing;
use crate::protocol::error::DavError;
use crate::protocol::headers::{Depth, Safe};
use crate::protocol::live;
use crate::protocol::path::encode_segment;
use crate::protocol::xml::{DeadProperty, PropertyPatch, QName};
use crate::resource::{Resource, ResourceId};
use crate::rights::{Position, Privileges};
use crate::store::engine::Txn;
use crate::store::tx::Tx;

pub use told::{Telling, Told};

/// Members read in one transaction.
const PAGE: usize = 256;

/// What the resources of one page may have with them in bytes, but for the last: with many large
/// properties or locks a page is shorter, so that a search stays small in memory.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// What a search looks up beside the resources themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Dead properties.
    pub dead: Look,
    /// Locks in force.
    pub locks: Look,
}

/// Whether to look something up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is wanted.
    Up,
    /// Nobody asked.
    Away,
}

/// One resource that a search found.
#[derive(Debug)]
pub struct Found {
    /// Its address, encoded.
    pub href: String,
    /// The resource.
    pub resource: Resource,
    /// Its dead properties, if wanted.
    pub dead: Vec<DeadProperty>,
    /// The locks in force on it, if wanted.
    pub locks: Vec<LockView>,
    /// What the asking user may do with it.
    pub privileges: Privileges,
    position: Position,
}

/// A search in progress: each page is one consistent view, and memory stays constant however
/// large the collection is.
#[derive(Debug)]
pub struct Search {
    dav: Arc<Dav>,
    ask: Ask,
    wanted: Wanted,
    depth: Depth,
    first: Option<Found>,
    pending: VecDeque<Collection>,
}

/// A collection whose members are still to be listed.
#[derive(Debug, Clone)]
pub(super) struct Collection {
    id: ResourceId,
    href: String,
    /// Where the user stands there.
    position: Position,
    /// Depth-infinity locks on it or above it.
    inherited: Vec<LockView>,
    /// The last name listed so far.
    after: Option<String>,
}

/// What became of one property of a PROPPATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// Set or removed.
    Done,
    /// No client may set it.
    Protected,
    /// It, or one property more, would be too large.
    TooLarge(String),
    /// Nothing was wrong with it, but with another.
    Failed,
}

impl Dav {
    /// Starts a PROPFIND: its first page is the resource itself.
    pub async fn search(
        self: &Arc<Self>,
        ask: Ask,
        depth: Depth,
        wanted: Wanted,
    ) -> Result<Search, DavError> {
        let starting = (&ask, wanted);
        let (first, collection) = self
            .read(&starting, |txn, (ask, wanted)| {
                Box::pin(async move { start(&mut Tx::new(txn, ask.now), ask, *wanted).await })
            })
            .await?;
        let pending: VecDeque<Collection> = if depth == Depth::Zero {
            None
        } else {
            collection
        }
        .into_iter()
        .collect();
        if let (Depth::Infinity, Some(top)) = (depth, pending.front()) {
            self.require_bounded(&ask, top).await?;
        }
        Ok(Search {
            dav: Arc::clone(self),
            ask,
            wanted,
            depth,
            first: Some(first),
            pending,
        })
    }

    /// Refuses a depth-infinity search of more resources than the configuration allows, before
    /// the answer begins.
    async fn require_bounded(&self, ask: &Ask, top: &Collection) -> Result<(), DavError> {
        let max = self.config.limits.propfind_infinity_resources_max;
        let mut count = 1_usize;
        let mut pending = vec![((top.id, top.position), None::<String>)];
        while let Some((collection, after)) = pending.pop() {
            let wanted = (ask, collection, &after);
            let page = self
                .read(&wanted, |txn, (ask, collection, after)| {
                    Box::pin(async move {
                        let mut tx = Tx::new(txn, ask.now);
                        let visitor = Visitor::of(&mut tx, &ask.principal).await?;
                        Ok(visitor
                            .members(&mut tx, *collection, after.as_deref(), PAGE)
                            .await?)
                    })
                })
                .await?;
            count += page.members.len();
            if count > max {
                return Err(DavError::FiniteDepthOnly(format!(
                    "a PROPFIND of depth infinity answers for at most {max} resources here; use \
                     depth 1"
                )));
            }
            if page.next.is_some() {
                pending.push((collection, page.next));
            }
            let members = page.members.into_iter();
            let collections = members.filter(|(member, _)| member.is_collection());
            pending.extend(collections.map(|(member, position)| ((member.id, position), None)));
        }
        Ok(())
    }

    /// PROPPATCH: all of it or nothing. Says for each patch, in order, what became of it.
    pub async fn patch(
        &self,
        ask: &Ask,
        patches: &[PropertyPatch],
    ) -> Result<Vec<Patched>, DavError> {
        self.require_room(0)?;
        let patching = (self, ask, patches);
        self.act(ask, &patching, |txn, (dav, ask, patches)| {
            Box::pin(patch(txn, dav, ask, patches))
        })
        .await
    }
}

impl Search {
    /// Leaves out the resource itself, and its members up to the name `after`.
    #[must_use]
    pub fn behind(mut self, after: Option<String>) -> Self {
        self.first = None;
        if let Some(collection) = self.pending.front_mut() {
            collection.after = after;
        }
        self
    }

    /// The next resources; `None` when there are no more.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Found>>, DavError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(vec![first]));
        }
        let Some(mut collection) = self.pending.pop_front() else {
            return Ok(None);
        };
        let listing = (&self.ask, self.wanted, &collection);
        let (found, next) = self
            .dav
            .read(&listing, |txn, (ask, wanted, collection)| {
                Box::pin(
                    async move { list(&mut Tx::new(txn, ask.now), ask, *wanted, collection).await },
                )
            })
            .await?;
        if self.depth == Depth::Infinity {
            for member in found
                .iter()
                .filter(|member| member.resource.is_collection())
            {
                self.pending.push_back(below(member));
            }
        }
        if next.is_some() {
            collection.after = next;
            self.pending.push_front(collection);
        }
        Ok(Some(found))
    }
}

impl Found {
    /// About what it costs to hold and to tell.
    fn bytes(&self) -> usize {
        const FIXED: usize = 512;
        let dead = self.dead.iter().map(|property| property.xml.len());
        let locks = self.locks.iter().map(|view| {
            let told = [&view.lock.owner_xml, &view.lock.comment];
            let told = told.into_iter().flatten().map(String::len).sum::<usize>();
            FIXED + told + view.href.len()
        });
        FIXED + self.href.len() + dead.sum::<usize>() + locks.sum::<usize>()
    }
}

impl Collection {
    /// About what it costs to remember, without locks, which end by themselves.
    pub(super) fn bytes(&self) -> usize {
        self.href.len() + self.after.as_ref().map_or(0, String::len)
    }
}

/// The search for the members of what was found.
fn below(found: &Found) -> Collection {
    let infinite = found
        .locks
        .iter()
        .filter(|view| view.lock.depth == LockDepth::Infinity);
    Collection {
        id: found.resource.id,
        href: found.href.clone(),
        position: found.position,
        inherited: infinite.cloned().collect(),
        after: None,
    }
}

/// The locks in force where `visit` led.
pub(super) async fn locks_in_force(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
) -> Result<Vec<LockView>, DavError> {
    let mut views = Vec::new();
    for lock in tx.surroundings(&visit.walk, false).await?.in_force() {
        let href = lock_root_href(tx, visit, lock).await?;
        let at_root = visit.privileges_at(lock.root);
        views.push(LockView::new(lock.clone(), href, &ask.principal, at_root));
    }
    Ok(views)
}

async fn start(
    tx: &mut Tx<'_>,
    ask: &Ask,
    wanted: Wanted,
) -> Result<(Found, Option<Collection>), DavError> {
    let visit = visit(tx, ask).await?;
    let resource = visit.resource()?.clone();
    judge_if(tx, ask, &visit).await?;
    let locks = match wanted.locks {
        Look::Up => locks_in_force(tx, ask, &visit).await?,
        Look::Away => Vec::new(),
    };
    let dead = match wanted.dead {
        Look::Up => tx.dead_properties(&resource).await?,
        Look::Away => Vec::new(),
    };
    let href = visit.path.href(resource.is_collection());
    let id = resource.id;
    let found = Found {
        href,
        resource,
        dead,
        locks,
        privileges: visit.privileges_at(id),
        position: visit.position(),
    };
    let collection = found.resource.is_collection().then(|| below(&found));
    Ok((found, collection))
}

/// One page of members, and the name behind which there may be more.
async fn list(
    tx: &mut Tx<'_>,
    ask: &Ask,
    wanted: Wanted,
    collection: &Collection,
) -> Result<(Vec<Found>, Option<String>), DavError> {
    let visitor = Visitor::of(tx, &ask.principal).await?;
    let place = (collection.id, collection.position);
    let page = visitor
        .members(tx, place, collection.after.as_deref(), PAGE)
        .await?;
    let look_for_locks = wanted.locks == Look::Up && tx.has_locks_below(collection.id).await?;
    let mut next = page.next;
    let mut found: Vec<Found> = Vec::with_capacity(page.members.len());
    let mut bytes = 0;
    for (resource, position) in page.members {
        if bytes > PAGE_BYTES_MAX {
            next = found.last().map(|last| last.resource.name.clone());
            break;
        }
        let privileges = visitor.privileges(position);
        let mut href = String::with_capacity(collection.href.len() + resource.name.len() + 1);
        href.push_str(&collection.href);
        encode_segment(&resource.name, &mut href);
        if resource.is_collection() {
            href.push('/');
        }
        let mut locks = collection.inherited.clone();
        if look_for_locks {
            for lock in tx.locks_on(resource.id).await? {
                locks.push(LockView::new(
                    lock,
                    href.clone(),
                    &ask.principal,
                    privileges,
                ));
            }
        }
        let dead = match wanted.dead {
            Look::Up => tx.dead_properties(&resource).await?,
            Look::Away => Vec::new(),
        };
        let member = Found {
            href,
            resource,
            dead,
            locks,
            privileges,
            position,
        };
        bytes += member.bytes();
        found.push(member);
    }
    Ok((found, next))
}

async fn patch(
    txn: &mut dyn Txn,
    dav: &Dav,
    ask: &Ask,
    patches: &[PropertyPatch],
) -> Result<Vec<Patched>, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let resource = visit.resource()?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let only_windows = patches
        .iter()
        .all(|patch| is_windows_property(patch.name()));
    let doing = if only_windows {
        Doing::ChangeWindowsProperties
    } else {
        Doing::Change
    };
    let cleared = clear(&mut tx, dav, ask, &visit, doing).await?;

    let mut answers: Vec<Patched> = patches
        .iter()
        .map(|patch| judge_patch(dav, patch))
        .collect();
    if answers.iter().any(|answer| *answer != Patched::Done) {
        for answer in answers
            .iter_mut()
            .filter(|answer| **answer == Patched::Done)
        {
            *answer = Patched::Failed;
        }
        return Ok(answers);
    }
    let parent = visit
        .walk
        .parent()
        .map_or(ResourceId::ABOVE_ROOT, |parent| parent.id);
    let patched = tx
        .patch_properties(&cleared, parent, resource, patches)
        .await?;
    tell(&mut tx, ask, visit.place(), What::Changed)?;
    let max = dav.config.limits.properties_per_resource_max;
    let over = usize::try_from(patched.property_count).is_ok_and(|count| count > max);
    if over && patched.property_count > resource.property_count {
        return Err(DavError::InsufficientStorage(format!(
            "a resource may have at most {max} dead properties \
             (limits.properties_per_resource_max)"
        )));
    }
    let sets = |patch: &PropertyPatch| matches!(patch, PropertyPatch::Set(_));
    if patches.iter().any(sets) {
        require_moderate(&mut tx, dav, &patched).await?;
    }
    Ok(answers)
}

/// Refuses more properties than one request could have brought: every PROPFIND holds all that a
/// resource has in memory, and a thousand of the longest would be 64 MB.
async fn require_moderate(tx: &mut Tx<'_>, dav: &Dav, patched: &Resource) -> Result<(), DavError> {
    let max = dav.config.limits.xml_bytes_max;
    let dead = tx.dead_properties(patched).await?;
    let bytes: usize = dead.iter().map(|property| property.xml.len()).sum();
    if bytes <= max {
        return Ok(());
    }
    Err(DavError::InsufficientStorage(format!(
        "the dead properties of a resource may have at most {max} bytes together \
         (limits.xml_bytes_max), here they would have {bytes}"
    )))
}

/// What Windows sets after each upload; Office does it without the token of its lock.
fn is_windows_property(name: &QName) -> bool {
    name.ns == "urn:schemas-microsoft-com:" && name.name.starts_with("Win32")
}

fn judge_patch(dav: &Dav, patch: &PropertyPatch) -> Patched {
    let name = patch.name();
    if live::find(name).is_some() {
        return Patched::Protected;
    }
    let max = dav.config.limits.property_bytes_max;
    match patch {
        PropertyPatch::Set(property) if property.xml.len() > max => Patched::TooLarge(format!(
            "the property {} of {} bytes is too large; at most {max} are kept \
             (limits.property_bytes_max)",
            name.name,
            property.xml.len()
        )),
        PropertyPatch::Set(_) if name.ns.len() + name.name.len() > NAME_BYTES_MAX => {
            Patched::TooLarge(format!(
                "a property's namespace and name may have {NAME_BYTES_MAX} bytes together"
            ))
        }
        _ => Patched::Done,
    }
}

/// Property names are part of keys in the store, which are short.
const NAME_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::UserId;
    use crate::ops::access::Principal;
    use crate::ops::copy::CopyDepth;
    use crate::protocol::headers::{Conditions, Overwrite};
    use crate::protocol::path::DavPath;
    use crate::protocol::time::Timestamp;

    const NOW: Timestamp = Timestamp(1000);

    fn path(path: &str) -> DavPath {
        DavPath::parse(path, 4096).expect("a path")
    }

    fn ask(about: &str) -> Ask {
        Ask {
            principal: Principal {
                id: UserId(uuid::Uuid::from_u128(1)),
                name: "alice".to_owned(),
                admin: false,
                scope: crate::rights::Scope::default(),
            },
            now: NOW,
            program: "test".to_owned(),
            face: crate::event::Face::WebDav,
            target: path(about).into(),
            if_header: None,
            conditions: Conditions::default(),
            lock_token: None,
        }
    }

    /// As many properties of the greatest length as a resource may have.
    fn heavy(dav: &Dav) -> Vec<PropertyPatch> {
        let limits = &dav.config().limits;
        let property = |number: usize| {
            let (start, end) = (
                format!("<p{number} xmlns=\"urn:x\">"),
                format!("</p{number}>"),
            );
            let fill = limits.property_bytes_max - start.len() - end.len();
            PropertyPatch::Set(DeadProperty {
                name: QName {
                    ns: "urn:x".to_owned(),
                    name: format!("p{number}"),
                },
                xml: format!("{start}{}{end}", "x".repeat(fill)),
            })
        };
        (0..limits.xml_bytes_max / limits.property_bytes_max)
            .map(property)
            .collect()
    }

    #[tokio::test]
    async fn no_request_holds_the_properties_of_many_resources() {
        const MEMBERS: usize = 40;
        let dav = Dav::memory(NOW).await;
        let heavy = heavy(&dav);
        dav.make_collection(&ask("/c")).await.expect("made");
        for n in 0..MEMBERS {
            let member = ask(&format!("/c/{n}"));
            dav.make_collection(&member).await.expect("made");
            dav.patch(&member, &heavy).await.expect("set");
        }

        let wanted = Wanted {
            dead: Look::Up,
            locks: Look::Up,
        };
        let search = dav.search(ask("/c"), Depth::One, wanted).await;
        let mut search = search.expect("a search");
        let mut found = 0;
        while let Some(page) = search.next_page().await.expect("a page") {
            let bytes: usize = page.iter().map(Found::bytes).sum();
            assert!(bytes < 2 << 20, "a page of {bytes} bytes");
            found += page.len();
        }
        assert_eq!(found, MEMBERS + 1);

        let copied = dav
            .copy(&ask("/c"), &path("/d"), Overwrite::No, CopyDepth::Infinity)
            .await;
        let refused = matches!(copied, Err(DavError::InsufficientStorage(ref why))
            if why.contains("of properties"));
        assert!(refused, "{copied:?}");
        assert_eq!(dav.find(&ask("/d")).await.err(), Some(DavError::NotFound));
    }
}
