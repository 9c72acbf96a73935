//! What this face sends: the members that clients of DocSpace read, in their spelling. What is not
//! known is left out, never null.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// A person, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Employee")]
pub(super) struct EmployeeDto {
    pub(super) id: Uuid,
    pub(super) display_name: String,
    /// Always false: this server keeps no pictures.
    pub(super) has_avatar: bool,
    pub(super) profile_url: String,
    /// Always false.
    pub(super) is_anonim: bool,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EmployeeFull")]
#[allow(clippy::struct_excessive_bools, reason = "the wire has them")]
pub(super) struct EmployeeFullDto {
    #[serde(flatten)]
    pub(super) employee: EmployeeDto,
    pub(super) first_name: String,
    pub(super) last_name: String,
    /// What the person signs in with.
    pub(super) user_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email: String,
    /// 1: active.
    pub(super) status: u8,
    /// 1: activated.
    pub(super) activation_status: u8,
    pub(super) is_admin: bool,
    pub(super) is_room_admin: bool,
    pub(super) is_owner: bool,
    pub(super) is_visitor: bool,
    pub(super) is_collaborator: bool,
    #[serde(rename = "isLDAP")]
    pub(super) is_ldap: bool,
    #[serde(rename = "isSSO")]
    pub(super) is_sso: bool,
    pub(super) registration_date: String,
}

/// Somebody who may read a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MentionWrapper {
    pub(super) user: UserInfo,
    pub(super) id: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email: String,
    /// Always true: whoever has no access is not in the list.
    pub(super) has_access: bool,
    /// The access level. An addition of this server.
    pub(super) access: u8,
}

/// A person as the account has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserInfo {
    pub(super) id: Uuid,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) user_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email: String,
    /// 1: active.
    pub(super) status: u8,
    /// 1: activated.
    pub(super) activation_status: u8,
    pub(super) is_active: bool,
    pub(super) removed: bool,
    pub(super) create_date: String,
}

/// What files and folders have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Entry")]
pub(super) struct EntryDto {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) root_folder_id: u64,
    /// 5: what belongs to the user.
    pub(super) root_folder_type: u8,
    /// 1: a folder, 2: a file.
    pub(super) file_entry_type: u8,
    /// 0 everything, 2 read, 9 manage, 11 write and lock.
    pub(super) access: u8,
    /// Whether this user may give others a role here.
    pub(super) can_share: bool,
    pub(super) created: String,
    pub(super) created_by: EmployeeDto,
    pub(super) updated: String,
    pub(super) updated_by: EmployeeDto,
    /// What this user may do, by DocSpace's names, while the locks are as they are.
    pub(super) security: BTreeMap<&'static str, bool>,
    /// The locks, in this server's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lockkeeper: Option<LocksDto>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "File")]
pub(super) struct FileDto {
    #[serde(flatten)]
    pub(super) entry: EntryDto,
    pub(super) folder_id: u64,
    pub(super) version: u32,
    /// The same: every version stands for itself.
    pub(super) version_group: u32,
    /// What people call this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    /// For people: `12.1 KB`.
    pub(super) content_length: String,
    /// Bytes; absent for an empty file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pure_content_length: Option<u64>,
    /// 1: open in somebody's program; otherwise 0.
    pub(super) file_status: u8,
    pub(super) file_type: u8,
    /// With the dot, in lower case.
    pub(super) file_exst: String,
    /// Gives the bytes of this version.
    pub(super) view_url: String,
    /// The file on the WebDAV tree.
    pub(super) web_url: String,
    /// True, or absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locked: Option<bool>,
    /// The display name of who holds the lock, if that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locked_by: Option<String>,
    /// In whose programs it is open.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) editing_by: BTreeMap<Uuid, String>,
    /// 3: there is none and none is wanted.
    pub(super) thumbnail_status: u8,
    pub(super) encrypted: bool,
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Folder")]
pub(super) struct FolderDto {
    #[serde(flatten)]
    pub(super) entry: EntryDto,
    pub(super) parent_id: u64,
    /// Known of a folder whose content is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) files_count: Option<usize>,
    /// Known of a folder whose content is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) folders_count: Option<usize>,
    /// The same as `canShare`.
    pub(super) is_shareable: bool,
}

/// A folder and a page of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FolderContent")]
pub(super) struct FolderContentDto {
    pub(super) files: Vec<FileDto>,
    pub(super) folders: Vec<FolderDto>,
    pub(super) current: FolderDto,
    /// From the root down to the folder itself.
    pub(super) path_parts: Vec<PathPart>,
    pub(super) start_index: usize,
    /// How many are on this page.
    pub(super) count: usize,
    /// How many there are in all.
    pub(super) total: usize,
    /// Always 0.
    pub(super) new: u8,
}

/// A step on the way to a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PathPart {
    pub(super) id: u64,
    pub(super) title: String,
    /// 5: the root; 0: any other.
    pub(super) folder_type: u8,
}

/// The locks in force on something. An addition of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Locks")]
pub(super) struct LocksDto {
    pub(super) locks: Vec<LockDto>,
}

/// One lock. An addition of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Lock")]
pub(super) struct LockDto {
    /// `persistent`, `transient` or `read-only`.
    pub(super) kind: &'static str,
    /// The name of the user who holds it.
    pub(super) holder: String,
    /// The path of the lock root: this resource, or a collection above it.
    pub(super) href: String,
    pub(super) since: String,
    /// When it ends by itself; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    /// What its owner said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    /// Its token, for its owner and for those who may release it anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
}

/// A version of a file that was made the present one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EditHistory")]
pub(super) struct EditHistoryDto {
    pub(super) id: u64,
    /// Another one with every version.
    pub(super) key: String,
    pub(super) version: u32,
    pub(super) version_group: u32,
    pub(super) user: EditHistoryAuthor,
    pub(super) created: String,
}

/// Who made a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct EditHistoryAuthor {
    pub(super) id: String,
    pub(super) name: String,
}

/// Who may do what with something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FileShare")]
#[allow(clippy::struct_excessive_bools, reason = "the wire has them")]
pub(super) struct FileShareDto {
    pub(super) access: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shared_to_user: Option<EmployeeFullDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shared_to_group: Option<GroupDto>,
    /// Whether it is inherited: then it is changed at the folder that has it.
    pub(super) is_locked: bool,
    pub(super) is_owner: bool,
    pub(super) can_edit_access: bool,
    pub(super) can_edit_internal: bool,
    pub(super) can_edit_deny_download: bool,
    pub(super) can_edit_expiration_date: bool,
    pub(super) can_revoke: bool,
    /// 0: a user, 2: a group.
    pub(super) subject_type: u8,
}

/// A group, or everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Group")]
pub(super) struct GroupDto {
    pub(super) id: Uuid,
    pub(super) name: String,
    /// Whether it is no group but all users.
    pub(super) is_system: bool,
}

/// Something that was done to files and folders. It is over when it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "FileOperation")]
pub(super) struct FileOperationDto {
    pub(super) id: String,
    /// 0 move, 1 copy, 2 delete.
    #[serde(rename = "Operation")]
    pub(super) operation: u8,
    /// Always 100.
    pub(super) progress: u8,
    /// Why some of it was not done; empty: all was.
    pub(super) error: String,
    /// How much was done.
    pub(super) processed: String,
    /// Always true.
    pub(super) finished: bool,
    pub(super) files: Vec<FileDto>,
    pub(super) folders: Vec<FolderDto>,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuthenticationToken")]
pub(super) struct AuthenticationTokenDto {
    /// For `Authorization: Bearer`.
    pub(super) token: String,
    pub(super) expires: String,
    /// Always false: there is no second factor.
    pub(super) sms: bool,
    /// Always false: there is no second factor.
    pub(super) tfa: bool,
}
