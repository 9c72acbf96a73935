//! The words of the naive model: what there is, what is asked, what is answered.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    None,
    Reader,
    Editor,
    Manager,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    Alice,
    /// Alice is in both groups.
    Staff,
    Guests,
    Everyone,
}

/// Alice's credential; `admin` is Alice herself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) admin: bool,
    pub(crate) only_reads: bool,
    /// The address of the collection beyond which it is of no use.
    pub(crate) within: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    File(u64),
    Collection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Persistent,
    Transient,
    ReadOnly,
}

/// An exclusive lock; those of Bob and Alice that stand beforehand are persistent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lock {
    pub(crate) at: String,
    pub(crate) of_alice: bool,
    pub(crate) kind: Kind,
    pub(crate) infinite: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) tree: BTreeMap<String, Node>,
    pub(crate) grants: BTreeMap<(String, To), Role>,
    pub(crate) locks: BTreeSet<Lock>,
}

/// What is named: by its path, or by the id of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    Path(String),
    Id(String),
    /// So called in the collection with the id of what is there.
    In(String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Find(Spot),
    Read(Spot),
    /// 0, 1 or infinity.
    Search(Spot, Option<u8>),
    Detail(Spot),
    Grants(Spot),
    Put(Spot),
    Mkcol(Spot),
    Delete(Spot),
    Patch(Spot),
    SetGrant(Spot),
    Move(Spot, String, bool),
    MoveInto(Spot, String),
    Rename(Spot, String),
    /// To where, with Overwrite, with members.
    Copy(Spot, String, bool, bool),
    CopyInto(Spot, String),
    Lock(Spot, Kind, bool),
    /// The lock on that address.
    Unlock(Spot, String),
    Refresh(Spot, String),
    Steal(Spot, String),
    CheckIn(Spot),
    History(Spot),
    ReadVersion(Spot, u32),
    Restore(Spot, u32),
    Label(Spot, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With what it shows, line by line.
    Done(BTreeSet<String>),
    NotFound,
    ParentMissing,
    NotAllowedHere,
    PreconditionFailed,
    BadRequest,
    TokenMismatch,
    NotLocked,
    NotYourLock,
    /// Some lock stands in the way.
    Locked,
    Needs(&'static str, String),
    Forbidden(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    NameTaken,
    PartNotYours,
    KeyOnlyReads,
    Root,
    Same,
    IntoItself,
}

/// A rule that is put wrong on purpose, to see that the comparison notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    FarthestWins,
    EveryoneBeatsUser,
    HighestOfGroupsWins,
    PartsForgotten,
    CopyTakesAll,
    TakenNamesAreFree,
    LocksFirst,
    ScopeForgotten,
    ParentForgotten,
    IdsFindAll,
}

impl Twist {
    pub(crate) const ALL: [Self; 10] = [
        Self::FarthestWins,
        Self::EveryoneBeatsUser,
        Self::HighestOfGroupsWins,
        Self::PartsForgotten,
        Self::CopyTakesAll,
        Self::TakenNamesAreFree,
        Self::LocksFirst,
        Self::ScopeForgotten,
        Self::ParentForgotten,
        Self::IdsFindAll,
    ];
}
