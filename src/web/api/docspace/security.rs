//! Rights in the words of this face: the access level, the level that a level sets, and what the
//! `security` dictionary says may be done. Pure; nothing here decides, it only tells beforehand.

use std::collections::BTreeMap;

use crate::lock::{LockKind, UserId};
use crate::ops::locking::LockView;
use crate::resource::{Resource, ResourceId};
use crate::rights::{Privilege, Privileges, Role};

/// Everything.
pub(super) const OWNER: u8 = 0;
const READ_WRITE: u8 = 1;
const READ: u8 = 2;
/// What was inherited is taken away.
pub(super) const RESTRICT: u8 = 3;
const ROOM_MANAGER: u8 = 9;
const EDITING: u8 = 10;
const CONTENT_CREATOR: u8 = 11;

/// The level that a role is. Of DocSpace's levels for people who write, `ContentCreator` is the one
/// that may lock and release its own locks, as editors may here.
pub(super) fn level(role: Role) -> u8 {
    match role {
        Role::None => RESTRICT,
        Role::Reader => READ,
        Role::Editor => CONTENT_CREATOR,
        Role::Manager => ROOM_MANAGER,
    }
}

/// The level of somebody with these privileges.
pub(super) fn level_of(privileges: Privileges, is_admin: bool) -> u8 {
    let fits = |role: &&Role| role.privileges() == privileges;
    match Role::ALL.iter().rev().find(fits) {
        Some(Role::Manager) if is_admin => OWNER,
        Some(role) => level(*role),
        None => READ,
    }
}

/// The role that a level sets; `None`: the grant is taken away and what is inherited counts again.
pub(super) fn role_of(level: u8) -> Result<Option<Role>, String> {
    match level {
        OWNER => Ok(None),
        READ => Ok(Some(Role::Reader)),
        RESTRICT => Ok(Some(Role::None)),
        READ_WRITE | EDITING | CONTENT_CREATOR => Ok(Some(Role::Editor)),
        ROOM_MANAGER => Ok(Some(Role::Manager)),
        other => Err(format!(
            "access must be 0 (as inherited), 1, 10 or 11 (editor), 2 (reader), 3 (nothing) or 9 \
             (manager), not {other}"
        )),
    }
}

/// What stands in the way of somebody who shows no lock token, as everybody on this face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    Nothing,
    /// The user's own check-out of the resource itself: it is neither renamed nor deleted.
    OwnCheckOut,
    /// Nothing but looking.
    Everything,
}

fn hindrance(resource: ResourceId, locks: &[LockView], me: UserId) -> Hindrance {
    let own_check_out =
        |view: &LockView| view.lock.kind == LockKind::Persistent && view.lock.owner == me;
    if !locks.iter().all(own_check_out) {
        Hindrance::Everything
    } else if locks.iter().any(|view| view.lock.root == resource) {
        Hindrance::OwnCheckOut
    } else {
        Hindrance::Nothing
    }
}

/// What may be done to a file or collection, by DocSpace's names. What only DocSpace has is false.
pub(super) fn security(
    resource: &Resource,
    privileges: Privileges,
    locks: &[LockView],
    me: UserId,
) -> BTreeMap<&'static str, bool> {
    const ALWAYS_FALSE: [&str; 11] = [
        "Comment",
        "FillForms",
        "Review",
        "CreateFrom",
        "CustomFilter",
        "EditRoom",
        "Pin",
        "Mute",
        "SubmitToFormGallery",
        "Convert",
        "ReadLinks",
    ];
    let read = privileges.has(Privilege::Read);
    let write = privileges.has(Privilege::Write);
    let hindrance = hindrance(resource.id, locks, me);
    let change = write && hindrance != Hindrance::Everything;
    let is_root = resource.id == ResourceId::ROOT;
    let end = write && hindrance == Hindrance::Nothing && !is_root;
    let (file, folder) = (!resource.is_collection(), resource.is_collection());
    let mine = locks.iter().all(|view| view.lock.owner == me);
    let lock = privileges.has(Privilege::Lock) && (mine || privileges.has(Privilege::SuperCheckIn));
    let told = [
        ("Read", read),
        ("ReadHistory", read && file),
        ("Download", read && file),
        ("Copy", read && !is_root),
        ("Duplicate", write && file),
        ("Lock", lock && file),
        ("Edit", change && file),
        ("EditHistory", change && file),
        ("Create", change && folder),
        ("CopyTo", change && folder),
        ("MoveTo", change && folder),
        ("Rename", end),
        ("Delete", end),
        ("Move", change && !is_root),
        ("EditAccess", privileges.has(Privilege::Manage) && folder),
        ("CopySharedLink", false),
    ];
    told.into_iter()
        .chain(ALWAYS_FALSE.map(|name| (name, false)))
        .collect()
}

#[cfg(test)]
mod tests;
