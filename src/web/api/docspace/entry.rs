//! Resources into the files and folders of this face. Pure: who is who, and where the server is,
//! is handed in.

use std::collections::{BTreeMap, HashMap};

use crate::lock::{LockKind, UserId};
use crate::ops::access::{Principal, User};
use crate::ops::detail::Detail;
use crate::ops::locking::LockView;
use crate::ops::properties::Found;
use crate::ops::versions::VersionView;
use crate::resource::{Resource, ResourceId};
use crate::rights::{Privilege, Privileges};

use super::describe::{FileType, api_time, extension, human_size};
use super::dto::{
    EditHistoryAuthor, EditHistoryDto, EmployeeDto, EntryDto, FileDto, FolderDto, LockDto,
    LocksDto, PathPart,
};
use super::person;
use super::security::{level_of, security};

/// The kind of the root folder: what belongs to the user.
const ROOT_TYPE: u8 = 5;
const FOLDER: u8 = 1;
const FILE: u8 = 2;
const IS_EDITING: u8 = 1;
const NOT_REQUIRED: u8 = 3;

/// A resource with what one user may see of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) resource: &'a Resource,
    pub(super) parent: ResourceId,
    pub(super) href: &'a str,
    pub(super) privileges: Privileges,
    pub(super) locks: &'a [LockView],
}

impl<'a> Entry<'a> {
    pub(super) fn of(detail: &'a Detail, href: &'a str) -> Self {
        Self {
            resource: &detail.resource,
            parent: detail.parent.unwrap_or(ResourceId::ABOVE_ROOT),
            href,
            privileges: detail.privileges,
            locks: &detail.locks,
        }
    }

    pub(super) fn found(found: &'a Found, parent: ResourceId) -> Self {
        Self {
            resource: &found.resource,
            parent,
            href: &found.href,
            privileges: found.privileges,
            locks: &found.locks,
        }
    }

    /// Whose names are told with it.
    pub(super) fn people(&self) -> impl Iterator<Item = UserId> {
        let author = self.resource.content.as_ref().map(|content| content.author);
        let holders = self.locks.iter().map(|view| view.lock.owner);
        std::iter::once(self.resource.made_by)
            .chain(author)
            .chain(holders)
    }
}

/// Who looks, from where, and who is who.
#[derive(Debug)]
pub(super) struct Teller<'a> {
    pub(super) base: &'a str,
    pub(super) me: &'a Principal,
    pub(super) known: HashMap<UserId, User>,
}

impl Teller<'_> {
    fn employee(&self, id: UserId) -> EmployeeDto {
        match self.known.get(&id) {
            Some(user) => person::employee(user, self.base),
            None => person::removed(id, self.base),
        }
    }

    /// What people call the owner of a lock; of somebody who is gone, the name at that time.
    fn holder(&self, view: &LockView) -> String {
        let known = self.known.get(&view.lock.owner);
        known.map_or_else(
            || view.lock.holder.clone(),
            |user| user.display_name.clone(),
        )
    }

    fn entry(&self, entry: &Entry<'_>, kind: u8) -> EntryDto {
        let Entry {
            resource,
            privileges,
            locks,
            ..
        } = *entry;
        let content = resource.content.as_ref();
        let author = content.map_or(resource.made_by, |content| content.author);
        EntryDto {
            id: resource.id.0,
            title: title(resource),
            root_folder_id: ResourceId::ROOT.0,
            root_folder_type: ROOT_TYPE,
            file_entry_type: kind,
            access: level_of(privileges, self.me.admin),
            can_share: resource.is_collection() && privileges.has(Privilege::Manage),
            created: api_time(resource.created),
            created_by: self.employee(resource.made_by),
            updated: api_time(resource.modified),
            updated_by: self.employee(author),
            security: security(resource, privileges, locks, self.me.id),
            lockkeeper: tell_locks(locks),
        }
    }

    /// A file. `None` for a collection.
    pub(super) fn file(&self, entry: &Entry<'_>) -> Option<FileDto> {
        let content = entry.resource.content.as_ref()?;
        let id = entry.resource.id.0;
        let foreign = |view: &&LockView| view.lock.owner != self.me.id;
        let open = entry
            .locks
            .iter()
            .filter(|view| view.lock.kind == LockKind::Transient);
        let editing_by: BTreeMap<_, _> = open
            .map(|view| (view.lock.owner.0, self.holder(view)))
            .collect();
        Some(FileDto {
            entry: self.entry(entry, FILE),
            folder_id: entry.parent.0,
            version: content.number,
            version_group: content.number,
            comment: content.label.clone(),
            content_length: human_size(content.size),
            pure_content_length: (content.size > 0).then_some(content.size),
            file_status: if editing_by.is_empty() { 0 } else { IS_EDITING },
            file_type: FileType::of(&entry.resource.name) as u8,
            file_exst: extension(&entry.resource.name),
            view_url: format!(
                "{}/api/2.0/files/file/{id}/download?version={}",
                self.base, content.number
            ),
            web_url: format!("{}{}", self.base, entry.href),
            locked: (!entry.locks.is_empty()).then_some(true),
            locked_by: entry
                .locks
                .iter()
                .find(foreign)
                .map(|view| self.holder(view)),
            editing_by,
            thumbnail_status: NOT_REQUIRED,
            encrypted: false,
        })
    }

    /// The file as it is, or was, in one of its versions.
    pub(super) fn version(&self, now: &FileDto, version: &VersionView) -> FileDto {
        let mut file = now.clone();
        let id = file.entry.id;
        file.version = version.number;
        file.version_group = version.number;
        file.comment.clone_from(&version.label);
        file.content_length = human_size(version.size);
        file.pure_content_length = (version.size > 0).then_some(version.size);
        file.entry.updated = api_time(version.modified);
        file.entry.updated_by = self.employee(version.author);
        file.view_url = format!(
            "{}/api/2.0/files/file/{id}/download?version={}",
            self.base, version.number
        );
        file
    }

    /// A version as a line of the editing history.
    pub(super) fn edit(&self, file: ResourceId, version: &VersionView) -> EditHistoryDto {
        EditHistoryDto {
            id: file.0,
            key: version.etag.to_string().trim_matches('"').to_owned(),
            version: version.number,
            version_group: version.number,
            user: EditHistoryAuthor {
                id: version.author.0.to_string(),
                name: self.employee(version.author).display_name,
            },
            created: api_time(version.uploaded),
        }
    }

    /// A collection.
    pub(super) fn folder(&self, entry: &Entry<'_>) -> FolderDto {
        let told = self.entry(entry, FOLDER);
        FolderDto {
            parent_id: entry.parent.0,
            files_count: None,
            folders_count: None,
            is_shareable: told.can_share,
            entry: told,
        }
    }
}

/// The locks in this server's own words; `None` where there are none.
fn tell_locks(views: &[LockView]) -> Option<LocksDto> {
    let lock = |view: &LockView| LockDto {
        kind: view.lock.kind.as_str(),
        holder: view.lock.holder.clone(),
        href: view.href.clone(),
        since: api_time(view.lock.since),
        expires: view.lock.deadline.map(api_time),
        comment: view.lock.comment.clone(),
        token: view.token.map(|token| token.to_string()),
    };
    (!views.is_empty()).then(|| LocksDto {
        locks: views.iter().map(lock).collect(),
    })
}

/// The root has no name of its own.
fn title(resource: &Resource) -> String {
    if resource.id == ResourceId::ROOT {
        "Documents".to_owned()
    } else {
        resource.name.clone()
    }
}

/// The way to a collection, with the collection itself.
pub(super) fn path_parts(detail: &Detail) -> Vec<PathPart> {
    let step = |resource: &Resource| PathPart {
        id: resource.id.0,
        title: title(resource),
        folder_type: if resource.id == ResourceId::ROOT {
            ROOT_TYPE
        } else {
            0
        },
    };
    detail
        .ancestors
        .iter()
        .chain([&detail.resource])
        .map(step)
        .collect()
}
