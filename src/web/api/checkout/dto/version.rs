//! What is told of the versions of a file.

use std::borrow::Cow;
use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{LockId, LockType};
use crate::lock::UserId;
use crate::ops::versions::{Comparison, LABEL_CHARS_MAX, VersionView};

/// The number of a version in an address.
#[derive(Debug)]
pub(in crate::web::api::checkout) struct VersionNumber;

impl JsonSchema for VersionNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "VersionNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX })
    }
}

/// The body of a restore.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::web::api::checkout) struct RestoreVersion {
    /// The lock under which the version is restored; a transient one must be named.
    pub(in crate::web::api::checkout) lock_id: Option<LockId>,
}

/// Another label.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::web::api::checkout) struct LabelVersion {
    /// What people shall call the version; null takes its label off.
    pub(in crate::web::api::checkout) label: Label,
    /// The lock under which this is done; a transient one must be named.
    #[serde(default)]
    pub(in crate::web::api::checkout) lock_id: Option<LockId>,
}

/// A label, or that there shall be none. It is no mere option: what is left out by mistake takes no
/// label off.
#[derive(Debug, Deserialize)]
pub(in crate::web::api::checkout) struct Label(pub(in crate::web::api::checkout) Option<String>);

impl JsonSchema for Label {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "null"], "minLength": 1, "maxLength": LABEL_CHARS_MAX,
        })
    }
}

/// The names of users who are there, by their ids.
pub(in crate::web::api::checkout) type Names = HashMap<UserId, String>;

/// One version of a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::web::api::checkout) struct ProjectInodeVersionDto {
    /// 1 for the first, one more with each that followed. Those between may be gone.
    number: u32,
    /// Length in bytes.
    size: u64,
    /// Its entity tag; no other version has the same.
    etag: String,
    /// Who made it.
    author: VersionAuthorDto,
    /// When (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    uploaded_at: String,
    /// The file's time of change (RFC 3339): usually the same, or what the author's program said.
    #[schemars(extend("format" = "date-time"))]
    modified_at: String,
    /// The kind of the author's lock under which it was written; null: under none.
    lock_type: Option<LockType>,
    /// What people call it. A version with a label is kept until the label is taken off.
    label: Option<String>,
    /// Whether it is what the file is now.
    is_current: bool,
}

/// Who made a version.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::web::api::checkout) struct VersionAuthorDto {
    /// The UUID of the user.
    id: String,
    /// The user's name; null: the account is gone.
    name: Option<String>,
}

impl ProjectInodeVersionDto {
    pub(in crate::web::api::checkout) fn new(version: VersionView, names: &Names) -> Self {
        Self {
            number: version.number,
            size: version.size,
            etag: version.etag.to_string(),
            author: VersionAuthorDto {
                id: version.author.0.to_string(),
                name: names.get(&version.author).cloned(),
            },
            uploaded_at: version.uploaded.rfc3339(),
            modified_at: version.modified.rfc3339(),
            lock_type: version.under.map(LockType::from),
            label: version.label,
            is_current: version.is_current,
        }
    }
}

/// Two versions of a file beside each other.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::web::api::checkout) struct VersionComparisonDto {
    /// The version that the address names first.
    from: ProjectInodeVersionDto,
    /// The other one.
    to: ProjectInodeVersionDto,
    /// How many bytes the other one has more; below 0: less.
    size_change: i64,
    /// How many seconds after the first the other one was uploaded; below 0: before it.
    seconds_between: i64,
    /// Whether they have the same bytes.
    same_content: bool,
}

impl VersionComparisonDto {
    pub(in crate::web::api::checkout) fn new(compared: Comparison, names: &Names) -> Self {
        let Comparison {
            from,
            to,
            same_content,
        } = compared;
        Self {
            size_change: difference(from.size, to.size),
            seconds_between: difference(from.uploaded.0 / 1000, to.uploaded.0 / 1000),
            same_content,
            from: ProjectInodeVersionDto::new(from, names),
            to: ProjectInodeVersionDto::new(to, names),
        }
    }
}

fn difference(from: u64, to: u64) -> i64 {
    let apart = i64::try_from(to.abs_diff(from)).unwrap_or(i64::MAX);
    if to < from { -apart } else { apart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        assert_eq!(difference(5, 7), 2);
        assert_eq!(difference(7, 5), -2);
        assert_eq!(difference(0, 0), 0);
        assert_eq!(difference(0, u64::MAX), i64::MAX);
        assert_eq!(difference(u64::MAX, 0), -i64::MAX);
    }

    #[test]
    fn a_label_is_taken_off_on_purpose_only() {
        let read = |text: &str| serde_json::from_str::<LabelVersion>(text).ok();
        let label = |text: &str| read(text).map(|body| body.label.0);
        assert_eq!(label(r#"{"label": "sent"}"#), Some(Some("sent".to_owned())));
        assert_eq!(label(r#"{"label": null}"#), Some(None));
        assert_eq!(label("{}"), None);
        assert_eq!(label(r#"{"lockId": null}"#), None);
        assert_eq!(label(r#"{"label": 7}"#), None);
    }
}
