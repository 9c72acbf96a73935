//! How events are told to programs: over the API, to webhooks and on the command line the same.
//! These types are the API's description as well: their comments are published. Names in them are
//! promised.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventPage, EventView};
use crate::event::{self, LockFact, Obstacle, Place, VersionFact, What, Who};
use crate::lock::{LockDepth, UserId};
use crate::protocol::time::Timestamp;

/// One page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Events")]
pub struct ToldPage {
    /// What happened, in its order.
    pub events: Vec<ToldEvent>,
    /// What `since` must say to go on behind this page, also when it is empty.
    pub next: String,
    /// Whether there may be more already.
    pub more: bool,
    /// Whether events between `since` and this page are no longer kept.
    pub missed: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Event")]
pub struct ToldEvent {
    /// Its name, always the same; `since` takes it.
    pub id: String,
    /// When (RFC 3339, with milliseconds); of a lock that lapsed, its deadline.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// What it was. There may be more types in the future.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = What::NAMES))]
    pub kind: String,
    /// Who did it; null: nobody, it was time.
    pub user: Option<ToldUser>,
    /// Through which face of the server.
    #[schemars(extend("enum" = event::Face::ALL.map(event::Face::as_str)))]
    pub face: String,
    /// With which program (User-Agent); empty when nobody did it.
    pub program: String,
    /// What it is about, where that was when it happened.
    pub path: String,
    /// The id of what it is about: 32 hexadecimal digits, unchanged for life.
    pub resource: String,
    /// Whether that is a folder.
    pub is_collection: bool,
    /// Where it was before a move; what was copied, or moved onto it. Left out where there is none,
    /// and where the user who asks may not know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ToldPlace>,
    /// The version that was uploaded, restored or labelled, or the first of a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ToldVersion>,
    /// The number of the version that was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u32>,
    /// The label that the version has from now on; left out when it lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The lock that was taken, ran anew or ended; of a steal the one that stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ToldLock>,
    /// The locks that a steal ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<ToldLock>,
    /// The locks that stood in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_by: Vec<ToldObstacle>,
    /// How often locks refused it, when the same program tried again at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// A user, as they were called then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventUser")]
pub struct ToldUser {
    /// A UUID, unchanged for life.
    pub id: String,
    /// What the user signs in with.
    pub name: String,
}

/// Another place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventPlace")]
pub struct ToldPlace {
    /// Its path.
    pub path: String,
    /// The id of what is or was there.
    pub resource: String,
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventVersion")]
pub struct ToldVersion {
    /// Its number; the first is 1.
    pub number: u32,
    /// Its length in bytes; left out when it was labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its entity tag; left out when it was labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventLock")]
pub struct ToldLock {
    /// persistent (a check-out), transient (a program's) or read-only (a freeze).
    pub kind: String,
    /// exclusive or shared.
    pub scope: String,
    /// 0, or infinity for a folder with everything in it.
    pub depth: String,
    /// The name of the user whose lock it is.
    pub holder: String,
    /// The UUID of that user.
    pub owner: String,
    /// When it was taken (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// When it ends by itself (RFC 3339); null: never.
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
    /// Why it was taken.
    pub comment: Option<String>,
    /// Its name; only for its owner and for holders of SuperCheckIn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A lock that stood in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventObstacle")]
pub struct ToldObstacle {
    /// persistent (a check-out), transient (a program's) or read-only (a freeze).
    pub kind: String,
    /// The name of the user whose lock it is.
    pub holder: String,
    /// Where its root was.
    pub root: ToldPlace,
}

impl EventPage {
    /// The page, as it is told to `reader`.
    pub fn told(&self, reader: UserId) -> ToldPage {
        ToldPage {
            events: self.events.iter().map(|view| view.told(reader)).collect(),
            next: self.next.to_string(),
            more: self.more,
            missed: self.missed,
        }
    }
}

impl EventView {
    /// The event, as it is told to `reader`.
    pub fn told(&self, reader: UserId) -> ToldEvent {
        let event::Event {
            at,
            by,
            face,
            program,
            place,
            what,
        } = &self.event;
        let plain = ToldEvent {
            id: self.id.to_string(),
            at: at.rfc3339_millis(),
            kind: what.as_str().to_owned(),
            user: by.as_ref().map(ToldUser::from),
            face: face.to_string(),
            program: program.clone(),
            path: place.path.clone(),
            resource: place.id().to_string(),
            is_collection: place.is_collection,
            from: what.from().map(ToldPlace::from),
            version: None,
            source: None,
            label: None,
            lock: None,
            lost: Vec::new(),
            refused_by: Vec::new(),
            times: None,
        };
        let lock = |fact: &LockFact| {
            let shown = self.shows_token || fact.owner.id == reader;
            ToldLock::new(fact, shown)
        };
        match what {
            What::Created { version, .. } => ToldEvent {
                version: version.as_ref().map(ToldVersion::from),
                ..plain
            },
            What::Uploaded { version, .. } => ToldEvent {
                version: Some(version.into()),
                ..plain
            },
            What::Restored { version, source } => ToldEvent {
                version: Some(version.into()),
                source: Some(*source),
                ..plain
            },
            What::Labelled { number, label } => ToldEvent {
                version: Some(ToldVersion {
                    number: *number,
                    size: None,
                    etag: None,
                }),
                label: label.clone(),
                ..plain
            },
            What::Changed | What::Moved { .. } | What::Deleted => plain,
            What::Lock(_, fact) => ToldEvent {
                lock: Some(lock(fact)),
                ..plain
            },
            What::Stolen { lock: fact, lost } => ToldEvent {
                lock: Some(lock(fact)),
                lost: lost.iter().map(lock).collect(),
                ..plain
            },
            What::Refused { by, times } => ToldEvent {
                refused_by: by.iter().map(ToldObstacle::from).collect(),
                times: Some(*times),
                ..plain
            },
        }
    }
}

impl ToldLock {
    fn new(fact: &LockFact, shows_token: bool) -> Self {
        Self {
            kind: fact.kind.to_string(),
            scope: fact.scope.to_string(),
            depth: match fact.depth {
                LockDepth::Zero => "0".to_owned(),
                LockDepth::Infinity => "infinity".to_owned(),
            },
            holder: fact.owner.name.clone(),
            owner: fact.owner.id.0.to_string(),
            since: fact.since.rfc3339_millis(),
            expires: fact.deadline.map(Timestamp::rfc3339_millis),
            comment: fact.comment.clone(),
            token: shows_token.then(|| fact.token.to_string()),
        }
    }
}

impl From<&Who> for ToldUser {
    fn from(who: &Who) -> Self {
        Self {
            id: who.id.0.to_string(),
            name: who.name.clone(),
        }
    }
}

impl From<&Place> for ToldPlace {
    fn from(place: &Place) -> Self {
        Self {
            path: place.path.clone(),
            resource: place.id().to_string(),
        }
    }
}

impl From<&VersionFact> for ToldVersion {
    fn from(fact: &VersionFact) -> Self {
        Self {
            number: fact.number,
            size: Some(fact.size),
            etag: Some(fact.etag().to_string()),
        }
    }
}

impl From<&Obstacle> for ToldObstacle {
    fn from(obstacle: &Obstacle) -> Self {
        Self {
            kind: obstacle.kind.to_string(),
            holder: obstacle.holder.clone(),
            root: ToldPlace::from(&obstacle.root),
        }
    }
}

#[cfg(test)]
mod tests;
