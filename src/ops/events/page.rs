//! Reading the record: what one user may see of it.

use std::collections::HashMap;

use super::{Cursor, Places};
use crate::event::{Event, Face, Obstacle, Place, What};
use crate::ops::access::Principal;
use crate::ops::target::Target;
use crate::ops::visit::{Visitor, visit};
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;
use crate::rights::{Grant, Position, Privilege, Privileges};
use crate::store::engine::{StoreError, Txn};
use crate::store::tx::Tx;

/// Most events in one page.
pub const PAGE_MAX: usize = 1_000;

/// Rows that one transaction looks through: for somebody who may read little most are passed over.
const ROWS_MAX: usize = 2_000;

/// What a page may have in bytes, but for its last event: most events have some 200.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Rows that one page looks through.
const LOOKED_THROUGH_MAX: usize = 200_000;

/// From where on events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The oldest that is kept.
    Start,
    /// Only what has not happened yet.
    Now,
    /// Behind this place.
    After(Cursor),
}

/// Which events are wanted, and by whom.
#[derive(Debug, Clone)]
pub struct EventAsk {
    /// Who asks.
    pub principal: Principal,
    /// When.
    pub now: Timestamp,
    /// From where on.
    pub since: Since,
    /// Only what happened to this resource, or below it. A path must lead to it now; an id may
    /// be of something that is gone, for of each event it is asked who may know of it.
    pub about: Option<Target>,
    /// Most events in the page; at most [`PAGE_MAX`].
    pub limit: usize,
}

/// Some events in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Those that the user may see.
    pub events: Vec<EventView>,
    /// What these events are about, if that was asked for: whoever goes on by the id is not lost
    /// when it is moved or goes.
    pub about: Option<ResourceId>,
    /// Where to go on.
    pub next: Cursor,
    /// Whether there may be more already.
    pub more: bool,
    /// Whether events behind the place that was asked for are no longer kept.
    pub missed: bool,
}

/// One event as one user may see it: tokens and places that they must not know are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its name, which stays the same.
    pub id: Cursor,
    /// What happened.
    pub event: Event,
    /// Whether the token of its lock is shown.
    pub shows_token: bool,
}

impl EventPage {
    fn bytes(&self) -> usize {
        self.events.iter().map(|view| view.event.bytes()).sum()
    }
}

/// What still fits into a page; one event always does.
#[derive(Debug, Clone, Copy)]
struct Room {
    events: usize,
    bytes: usize,
}

/// What one transaction read of a page.
struct Part {
    page: EventPage,
    /// Whether an event that the reader may see did not fit.
    is_full: bool,
}

impl Dav {
    /// The next page of the record. What it tells is durable. It says that there may be more only
    /// where there is more that this user may see: what is passed over must not tell that it is.
    pub async fn events(&self, ask: &EventAsk) -> Result<EventPage, DavError> {
        let limit = ask.limit.clamp(1, PAGE_MAX);
        let room = |events: usize, bytes: usize| Room {
            events: limit - events,
            bytes: PAGE_BYTES_MAX.saturating_sub(bytes),
        };
        let first = self.read_part(ask, ask.since, room(0, 0)).await?;
        let (mut whole, mut is_full) = (first.page, first.is_full);
        let mut looked_through = ROWS_MAX;
        while whole.more && !is_full && looked_through < LOOKED_THROUGH_MAX {
            let since = Since::After(whole.next);
            let left = room(whole.events.len(), whole.bytes());
            let part = self.read_part(ask, since, left).await?;
            whole.events.extend(part.page.events);
            (whole.next, whole.more) = (part.page.next, part.page.more);
            whole.missed |= part.page.missed;
            is_full = part.is_full;
            looked_through += ROWS_MAX;
        }
        Ok(whole)
    }

    async fn read_part(&self, ask: &EventAsk, since: Since, room: Room) -> Result<Part, DavError> {
        let reading = (&self.places, ask, since, room);
        self.read_durable(&reading, |txn, (places, ask, since, room)| {
            Box::pin(part(txn, places, ask, (*since, *room)))
        })
        .await
    }
}

async fn part(
    txn: &mut dyn Txn,
    places: &Places,
    ask: &EventAsk,
    (since, room): (Since, Room),
) -> Result<Part, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let about = match &ask.about {
        Some(Target::Id(id)) => Some(*id),
        Some(target) => Some(find(&mut tx, ask, target).await?),
        None => None,
    };
    let pruned = tx.pruned_events().await?;
    let asked_behind = matches!(since, Since::After(_));
    let since = match since {
        Since::Start => pruned,
        Since::Now => tx.last_event().await?,
        Since::After(cursor) => places.decipher(cursor)?,
    };
    let missed = asked_behind && since < pruned;
    let (found, more) = tx.events(since.max(pruned), ROWS_MAX).await?;
    let mut reader = Reader::of(&mut tx, &ask.principal).await?;
    let mut events = Vec::new();
    let mut next = since.max(pruned);
    let (mut bytes, mut is_full) = (0, false);
    for (mark, event) in found {
        let view = reader.view_about(&mut tx, event, about).await?;
        let no_room = events.len() == room.events || bytes >= room.bytes;
        is_full = view.is_some() && no_room;
        if is_full {
            break;
        }
        next = mark;
        bytes += view.as_ref().map_or(0, |(event, _)| event.bytes());
        events.extend(view.map(|(event, shows_token)| EventView {
            id: places.of_event(mark),
            event,
            shows_token,
        }));
    }
    let page = EventPage {
        events,
        about,
        next: places.of_page(next)?,
        more: more || is_full,
        missed,
    };
    Ok(Part { page, is_full })
}

async fn find(tx: &mut Tx<'_>, ask: &EventAsk, target: &Target) -> Result<ResourceId, DavError> {
    let ask = Ask::new(
        ask.principal.clone(),
        ask.now,
        (Face::Server, String::new()),
        target.clone(),
    );
    let visit = visit(tx, &ask).await?;
    Ok(visit.resource()?.id)
}

fn concerns(event: &Event, id: ResourceId) -> bool {
    let is_on = |place: &Place| place.way.contains(&id);
    let refused = match &event.what {
        What::Refused { by, .. } => &by[..],
        _ => &[],
    };
    is_on(&event.place)
        || event.what.from().is_some_and(is_on)
        || refused.iter().any(|lock| is_on(&lock.root))
}

/// Somebody who reads the record, with the grants that were looked up so far.
struct Reader<'a> {
    visitor: Visitor<'a>,
    has_gone: bool,
    grants: HashMap<ResourceId, Vec<Grant>>,
}

impl<'a> Reader<'a> {
    async fn of(tx: &mut Tx<'_>, principal: &'a Principal) -> Result<Self, StoreError> {
        Ok(Self {
            visitor: Visitor::of(tx, principal).await?,
            has_gone: tx.has_gone_grants().await?,
            grants: HashMap::new(),
        })
    }

    /// The same as [`Reader::view`], if it is about what is wanted.
    async fn view_about(
        &mut self,
        tx: &mut Tx<'_>,
        event: Event,
        about: Option<ResourceId>,
    ) -> Result<Option<(Event, bool)>, StoreError> {
        let is_wanted = |event: &Event| about.is_none_or(|id| concerns(event, id));
        if !is_wanted(&event) {
            return Ok(None);
        }
        // Once more: where something came from may be what the reader must not know.
        let view = self.view(tx, event).await?;
        Ok(view.filter(|(event, _)| is_wanted(event)))
    }

    /// The event without what the reader must not know, and whether they may know the token of its
    /// lock; `None`: they must not know of it.
    async fn view(
        &mut self,
        tx: &mut Tx<'_>,
        event: Event,
    ) -> Result<Option<(Event, bool)>, StoreError> {
        let here = self.privileges(tx, &event.place).await?;
        let from_is_known = match event.what.from() {
            Some(from) => self.privileges(tx, from).await?.has(Privilege::Read),
            None => true,
        };
        let shows_token = here.has(Privilege::SuperCheckIn);
        let event = match event.what {
            What::Refused { by, times } => {
                let by = self.readable(tx, by).await?;
                if by.is_empty() {
                    return Ok(None);
                }
                let what = What::Refused { by, times };
                Event { what, ..event }
            }
            what => Event { what, ..event },
        };
        Ok(match (here.has(Privilege::Read), event.what) {
            (true, what) => {
                let what = if from_is_known {
                    what
                } else {
                    without_from(what)
                };
                Some((Event { what, ..event }, shows_token))
            }
            // For whoever sees only where it was, it is gone.
            (false, What::Moved { from: Some(from) }) if from_is_known => {
                let (place, what) = (from, What::Deleted);
                Some((
                    Event {
                        place,
                        what,
                        ..event
                    },
                    false,
                ))
            }
            (false, _) => None,
        })
    }

    /// The locks that the reader may know of: what refused something may lie below it.
    async fn readable(
        &mut self,
        tx: &mut Tx<'_>,
        by: Vec<Obstacle>,
    ) -> Result<Vec<Obstacle>, StoreError> {
        let mut readable = Vec::with_capacity(by.len());
        for lock in by {
            let there = self.privileges(tx, &lock.root).await?;
            readable.extend(there.has(Privilege::Read).then_some(lock));
        }
        Ok(readable)
    }

    /// What the reader may do at a place, by the grants on its way: of collections that are gone,
    /// by those that they had.
    async fn privileges(
        &mut self,
        tx: &mut Tx<'_>,
        place: &Place,
    ) -> Result<Privileges, StoreError> {
        let mut position = Position::START;
        for id in &place.way {
            if !self.grants.contains_key(id) {
                let found = self.look_up(tx, *id).await?;
                self.grants.insert(*id, found);
            }
            let grants = self.grants.get(id).map_or(&[][..], Vec::as_slice);
            position = position.down(&self.visitor.subject(), *id, grants);
        }
        Ok(self.visitor.privileges(position))
    }

    async fn look_up(&self, tx: &mut Tx<'_>, id: ResourceId) -> Result<Vec<Grant>, StoreError> {
        let found = self.visitor.grants_on(tx, &[id]).await?.pop();
        match found.unwrap_or_default() {
            none if none.is_empty() && self.has_gone => tx.grants_once_on(id).await,
            found => Ok(found),
        }
    }
}

/// Without the other place that it tells of.
fn without_from(what: What) -> What {
    match what {
        What::Created { version, .. } => What::Created {
            version,
            from: None,
        },
        What::Uploaded { version, .. } => What::Uploaded {
            version,
            from: None,
        },
        What::Moved { .. } => What::Moved { from: None },
        other => other,
    }
}
