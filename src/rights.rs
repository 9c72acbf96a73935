//! Who may do what where: roles, the privileges behind them, and which grant counts. Pure, as the
//! lock rules are: grants in, privileges out.
//!
//! A grant gives a role on a collection to a user, a group or everyone. It reaches everything
//! below; on the way down the nearest collection with a grant that concerns somebody decides for
//! them, and the role `none` takes away what was inherited.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lock::UserId;
use crate::lock::rules::Doing;
use crate::protocol::lock_kinds::{LockKind, UnknownWord};
use crate::resource::ResourceId;

/// One thing that a role lets its holder do (the names follow RFC 3744 where it has one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// See that it exists, and what is in it.
    Read,
    /// Change it: content, properties, members, name, place.
    Write,
    /// Take persistent and transient locks.
    Lock,
    /// Freeze it: take a read-only lock.
    Freeze,
    /// Release anybody's lock of any kind, and steal check-outs.
    SuperCheckIn,
    /// Grant roles.
    Manage,
}

impl Privilege {
    /// Every privilege.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Write,
        Self::Lock,
        Self::Freeze,
        Self::SuperCheckIn,
        Self::Manage,
    ];

    /// Its name on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Lock => "lock",
            Self::Freeze => "freeze",
            Self::SuperCheckIn => "super-check-in",
            Self::Manage => "manage",
        }
    }

    /// What taking a lock of this kind needs.
    pub const fn to_take(kind: LockKind) -> Self {
        match kind {
            LockKind::Persistent | LockKind::Transient => Self::Lock,
            LockKind::ReadOnly => Self::Freeze,
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of privileges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Privileges(u8);

impl Privileges {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// These.
    pub const fn of(privileges: &[Privilege]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < privileges.len() {
            bits |= 1 << privileges[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether this privilege is among them.
    pub const fn has(self, privilege: Privilege) -> bool {
        self.0 & (1 << privilege as u8) != 0
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The privileges in their usual order.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL
            .into_iter()
            .filter(move |privilege| self.has(*privilege))
    }
}

/// What somebody is at a collection and below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Nothing there exists for them.
    None,
    /// Sees everything, changes nothing.
    Reader,
    /// Works there: writes, checks out, freezes.
    Editor,
    /// Also releases other people's locks and grants roles.
    Manager,
}

impl Role {
    /// Every role, from the least to the most.
    pub const ALL: [Self; 4] = [Self::None, Self::Reader, Self::Editor, Self::Manager];

    /// Its name on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Manager => "manager",
        }
    }

    /// THE table: what each role may do.
    pub const fn privileges(self) -> Privileges {
        use Privilege::{Freeze, Lock, Manage, Read, SuperCheckIn, Write};
        match self {
            Self::None => Privileges::NONE,
            Self::Reader => Privileges::of(&[Read]),
            Self::Editor => Privileges::of(&[Read, Write, Lock, Freeze]),
            Self::Manager => Privileges::of(&[Read, Write, Lock, Freeze, SuperCheckIn, Manage]),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownWord::new("role", text, "none, reader, editor, manager"))
    }
}

/// The identity of a group, unchanged when the group is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub Uuid);

/// To whom a role is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Grantee {
    /// One user.
    User(UserId),
    /// The members of a group.
    Group(GroupId),
    /// Every user (RFC 3744 calls them `DAV:authenticated`).
    Everyone,
}

/// One role for one grantee, on the collection that keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To whom.
    pub to: Grantee,
    /// Which role.
    pub role: Role,
}

/// What a credential may be used for: all that its user may do, or less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Reading alone, or everything.
    pub access: Access,
    /// Only this collection and what is below it.
    pub within: Option<ResourceId>,
}

/// How far a credential reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It can only look.
    Read,
    /// Whatever the user may do.
    #[default]
    Write,
}

impl Scope {
    /// Whether the credential stands for its user without any restriction.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

/// Somebody whose privileges are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The user.
    pub user: UserId,
    /// The groups that the user is in.
    pub groups: &'a [GroupId],
    /// Whether the user may do everything everywhere.
    pub admin: bool,
    /// What the credential allows.
    pub scope: Scope,
}

/// Where somebody stands on the way from the root down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    at: ResourceId,
    role: Role,
    in_scope: bool,
}

impl Position {
    /// Before the first step.
    pub const START: Self = Self {
        at: ResourceId::ABOVE_ROOT,
        role: Role::None,
        in_scope: false,
    };

    /// One step down, to a resource on which these grants lie; files have none.
    #[must_use]
    pub fn down(self, subject: &Subject<'_>, to: ResourceId, grants: &[Grant]) -> Self {
        Self {
            at: to,
            role: granted(subject, grants).unwrap_or(self.role),
            in_scope: self.in_scope || subject.scope.within.is_none_or(|within| within == to),
        }
    }

    /// What the subject may do here. Everybody who may sign in sees the root itself, or could not
    /// mount it; its members only who may read them.
    pub fn privileges(self, subject: &Subject<'_>) -> Privileges {
        const READ: Privileges = Privileges::of(&[Privilege::Read]);
        let role = if subject.admin {
            Role::Manager
        } else {
            self.role
        };
        let allowed = match (self.in_scope, subject.scope.access) {
            (false, _) => Privileges::NONE,
            (true, Access::Read) => role.privileges().and(READ),
            (true, Access::Write) => role.privileges(),
        };
        if self.at == ResourceId::ROOT {
            allowed.or(READ)
        } else {
            allowed
        }
    }
}

/// The role that the grants of one collection give: what is granted to the user beats what is
/// granted to groups, and that what is granted to everyone. Of several groups `none` wins, for it
/// was meant to take away, and otherwise the highest role.
fn granted(subject: &Subject<'_>, grants: &[Grant]) -> Option<Role> {
    let to = |wanted: Grantee| grants.iter().find(|grant| grant.to == wanted);
    let of_groups = || {
        let concerns = |grant: &&Grant| match grant.to {
            Grantee::Group(group) => subject.groups.contains(&group),
            Grantee::User(_) | Grantee::Everyone => false,
        };
        let roles = grants.iter().filter(concerns).map(|grant| grant.role);
        let (least, most) = (roles.clone().min(), roles.max());
        least.filter(|role| *role == Role::None).or(most)
    };
    to(Grantee::User(subject.user))
        .map(|grant| grant.role)
        .or_else(of_groups)
        .or_else(|| to(Grantee::Everyone).map(|grant| grant.role))
}

/// Where a privilege must be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// At the resource itself.
    Here,
    /// At the collection that holds it.
    Parent,
    /// At every collection below it that has grants of its own.
    Below,
}

/// Where a doing needs [`Privilege::Write`]. What is removed or moved is changed as a whole, so
/// nobody removes or moves what they may not change, or not even see.
pub fn needs_write(doing: Doing) -> &'static [Where] {
    use Where::{Below, Here, Parent};
    match doing {
        Doing::Change | Doing::ChangeWindowsProperties | Doing::Overwrite => &[Here],
        Doing::Make => &[Parent],
        Doing::Remove | Doing::Rename | Doing::Move | Doing::RenameAndMove => {
            &[Here, Parent, Below]
        }
    }
}

#[cfg(test)]
mod tests;
