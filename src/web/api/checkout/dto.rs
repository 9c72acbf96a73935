//! What goes over the wire in the check-out API. These types are its description as well: their
//! comments are published.

pub(super) mod version;

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::lock::{Lock, LockKind, LockToken};
use crate::ops::locking::LockView;
use crate::resource::{Resource, ResourceId};
use crate::rights::{Privilege, Privileges};
use crate::web::api::fault::Fault;
use crate::web::api::route::no_field_is_null;
use crate::web::api::whole::Whole;
use crate::web::download::media_type;

/// 32 hexadecimal digits, the spelling of ids in this API; upper case is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HexId(pub(super) ResourceId);

impl FromStr for HexId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().map(Self)
    }
}

impl JsonSchema for HexId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HexId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" })
    }
}

/// How many members a page has at most.
#[derive(Debug)]
pub(super) struct Limit;

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 })
    }
}

/// The bytes of a file.
pub(super) fn content(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "contentMediaType": "application/octet-stream" })
}

/// What kind of lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LockType {
    /// A check-out: the user's in every session, until it is checked in.
    #[default]
    Persistent,
    /// A program's lock: its token is needed, and it ends unless it is refreshed.
    Transient,
    /// A freeze: nobody may change the file.
    ReadOnly,
}

impl From<LockType> for LockKind {
    fn from(kind: LockType) -> Self {
        match kind {
            LockType::Persistent => Self::Persistent,
            LockType::Transient => Self::Transient,
            LockType::ReadOnly => Self::ReadOnly,
        }
    }
}

impl From<LockKind> for LockType {
    fn from(kind: LockKind) -> Self {
        match kind {
            LockKind::Persistent => Self::Persistent,
            LockKind::Transient => Self::Transient,
            LockKind::ReadOnly => Self::ReadOnly,
        }
    }
}

/// The body of a check-out; every member may be left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CheckOut {
    /// What kind of lock.
    #[serde(rename = "type")]
    pub(super) kind: Option<LockType>,
    /// Why, for the others to read.
    #[schemars(length(max = 1000))]
    pub(super) comment: Option<String>,
    /// Seconds until a transient lock ends; the server may grant less. The other kinds do not
    /// expire, and for them it means nothing.
    pub(super) timeout: Option<Seconds>,
}

/// The body of a check-in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CheckIn {
    /// The lock that is to end.
    pub(super) lock_id: Option<LockId>,
}

/// The body of a steal.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StealLock {
    /// The lock that is meant to be replaced; without it the one that stands.
    pub(super) lock_id: Option<LockId>,
}

/// The body of a refresh.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshLock {
    /// The lock that is to run anew.
    pub(super) lock_id: LockId,
    /// Seconds until it ends; the server may grant less.
    #[serde(default)]
    pub(super) timeout: Option<Seconds>,
}

/// A time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Whole<u64>")]
pub(super) struct Seconds(pub(super) u64);

impl Seconds {
    /// The longest that WebDAV can say (RFC 4918 §10.7).
    const MAX: u64 = u32::MAX as u64;
}

impl TryFrom<Whole<u64>> for Seconds {
    type Error = String;

    fn try_from(Whole(seconds): Whole<u64>) -> Result<Self, String> {
        let allowed = (1..=Self::MAX).contains(&seconds);
        let error = || format!("timeout is in seconds, 1 to {}", Self::MAX);
        allowed.then_some(Self(seconds)).ok_or_else(error)
    }
}

impl JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": Self::MAX })
    }
}

/// The name of a lock: `urn:uuid:` and a UUID, or the UUID alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct LockId(pub(super) LockToken);

impl FromStr for LockId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let token = if text.starts_with("urn:uuid:") {
            LockToken::parse(text)
        } else {
            LockToken::parse(&format!("urn:uuid:{text}"))
        };
        token
            .map(Self)
            .ok_or_else(|| "a lockId is urn:uuid: and a UUID, or the UUID alone".to_owned())
    }
}

impl TryFrom<String> for LockId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl JsonSchema for LockId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LockId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let hex = "[0-9a-fA-F]";
        let uuid = format!("{hex}{{8}}-{hex}{{4}}-{hex}{{4}}-{hex}{{4}}-{hex}{{12}}");
        json_schema!({ "type": "string", "pattern": format!("^(urn:uuid:)?{uuid}$") })
    }
}

/// A new version as a form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = no_field_is_null)]
#[expect(dead_code, reason = "the form is read in pieces; this describes it")]
pub(super) struct UploadForm {
    /// The bytes.
    #[schemars(extend("contentMediaType" = "application/octet-stream"))]
    file: String,
    /// The lock under which the file is uploaded; a transient one must be named.
    lock_id: Option<LockId>,
    /// Whether the file is checked in with it.
    check_in: Option<bool>,
}

/// A lock.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectInodeLockDto {
    /// The project.
    project_id: String,
    /// What was locked: the file, or a folder above it that was locked with everything in it.
    inode_id: String,
    /// What kind of lock.
    lock_type: LockType,
    /// Its name; only for its owner and for holders of SuperCheckIn.
    lock_id: Option<String>,
    /// The name of the user who holds it.
    username: String,
    /// The UUID of that user.
    user_id: String,
    /// When it was taken (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    /// When it ends by itself (RFC 3339); null: never.
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<String>,
    /// Why it was taken.
    comment: Option<String>,
}

impl ProjectInodeLockDto {
    pub(super) fn new(project: ResourceId, lock: &Lock, token: Option<LockToken>) -> Self {
        Self {
            project_id: project.to_string(),
            inode_id: lock.root.to_string(),
            lock_type: lock.kind.into(),
            lock_id: token.map(|token| token.to_string()),
            username: lock.holder.clone(),
            user_id: lock.owner.0.to_string(),
            created_at: lock.since.rfc3339(),
            expires_at: lock.deadline.map(crate::protocol::time::Timestamp::rfc3339),
            comment: lock.comment.clone(),
        }
    }

    pub(super) fn of(project: ResourceId, view: &LockView) -> Self {
        Self::new(project, &view.lock, view.token)
    }
}

/// A project.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectDto {
    /// Its id, which is that of its top folder.
    project_id: String,
    /// Its name.
    name: String,
    /// When it was made (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    /// What the user who asks may do: read, write, lock, freeze, super-check-in, manage.
    privileges: Vec<String>,
}

impl ProjectDto {
    pub(super) fn new(project: &Resource, privileges: Privileges) -> Self {
        Self {
            project_id: project.id.to_string(),
            name: project.name.clone(),
            created_at: project.created.rfc3339(),
            privileges: names(privileges),
        }
    }
}

/// A file or folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectInodeDto {
    /// The project.
    project_id: String,
    /// The folder that holds it; of a project's top folder null.
    folder_id: Option<String>,
    /// Its id.
    inode_id: String,
    /// Its name.
    name: String,
    /// Whether it is a folder.
    is_folder: bool,
    /// Length in bytes; of a folder null.
    size: Option<u64>,
    /// What it is; of a folder null.
    content_type: Option<String>,
    /// The entity tag of this version, for If-Match; of a folder null.
    etag: Option<String>,
    /// The number of this version; of a folder null.
    version: Option<u32>,
    /// When it was made (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    /// When it was last changed (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    modified_at: String,
    /// What the user who asks may do: read, write, lock, freeze, super-check-in, manage.
    privileges: Vec<String>,
    /// The locks in force on it.
    locks: Vec<ProjectInodeLockDto>,
}

impl ProjectInodeDto {
    pub(super) fn new(
        (project, folder): (ResourceId, Option<ResourceId>),
        resource: &Resource,
        privileges: Privileges,
        locks: &[LockView],
    ) -> Self {
        let is_folder = resource.is_collection();
        let of = |view| ProjectInodeLockDto::of(project, view);
        Self {
            project_id: project.to_string(),
            folder_id: folder.map(|folder| folder.to_string()),
            inode_id: resource.id.to_string(),
            name: resource.name.clone(),
            is_folder,
            size: resource.size(),
            content_type: (!is_folder).then(|| media_type(resource)),
            etag: resource.etag().map(|etag| etag.to_string()),
            version: resource.content.as_ref().map(|content| content.number),
            created_at: resource.created.rfc3339(),
            modified_at: resource.modified.rfc3339(),
            privileges: names(privileges),
            locks: locks.iter().map(of).collect(),
        }
    }
}

fn names(privileges: Privileges) -> Vec<String> {
    privileges
        .iter()
        .map(Privilege::as_str)
        .map(str::to_owned)
        .collect()
}

/// One page of a listing.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Listing_{T}")]
pub(super) struct Listing<T> {
    /// What is on this page.
    pub(super) items: Vec<T>,
    /// What `after` must say for the next page; null at the end.
    pub(super) next: Option<String>,
}

/// The field `lockId` of a form.
pub(super) fn lock_id_of_field(text: Option<&str>) -> Result<Option<LockId>, Fault> {
    text.map(|text| text.parse().map_err(Fault::bad_request))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        fn check(text: &str, expect: Option<u64>) {
            let id = text.parse::<HexId>().ok().map(|id| id.0.0);
            assert_eq!(id, expect, "{text}");
        }
        check("0000000000000000000000000000000a", Some(10));
        check("0000000000000000000000000000000A", Some(10));
        check("0000000000000000ffffffffffffffff", Some(u64::MAX));
        check("00000000000000010000000000000000", Some(0));
        check("a", None);
        check("", None);
        check("+000000000000000000000000000000a", None);
        check("0000000000000000000000000000000g", None);
        check("00000000000000000000000000000000a", None);
    }

    #[test]
    fn lock_ids() {
        let uuid = "1d9b0d4e-5b2f-4bb4-9f4e-3e8f8d3c1a11";
        let urn = format!("urn:uuid:{uuid}");
        let parse = |text: &str| text.parse::<LockId>().ok().map(|id| id.0.to_string());
        assert_eq!(parse(uuid), Some(urn.clone()));
        assert_eq!(parse(&urn), Some(urn.clone()));
        assert_eq!(parse(&urn.to_uppercase()), None);
        assert_eq!(parse(&uuid.replace('-', "")), None);
        assert_eq!(parse(""), None);
    }
}
