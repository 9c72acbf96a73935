//! What users ask in a campaign, and what they are answered, in words that are those of no face.

use crate::naive::{Kind, Scope, User};

/// Milliseconds.
pub(crate) type Time = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Face {
    WebDav,
    CheckOutApi,
    DocSpace,
    CommandLine,
}

/// WebDAV and the command line name a resource by its path, the APIs by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Path(String),
    Id(u128),
}

/// Where a resource is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Path(String),
    /// To another name in the same collection, if that is free.
    Name(String),
    /// Into the collection with this id.
    Into(u128),
}

/// A lock is named by the number of the call that took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Take {
        at: Place,
        kind: Kind,
        scope: Scope,
        infinite: bool,
        seconds: u64,
    },
    Refresh {
        at: Place,
        lock: usize,
        seconds: u64,
    },
    /// UNLOCK, or a check-in that names the lock.
    Release {
        at: Place,
        lock: usize,
    },
    /// The end of whatever a check-in without a name means.
    CheckIn {
        at: Place,
    },
    /// The end of a freeze.
    Thaw {
        at: Place,
    },
    Steal {
        at: Place,
        lock: usize,
    },
    Put {
        at: Place,
        /// The collection that holds it, where the address names that as well.
        within: Option<u128>,
        tokens: Vec<usize>,
    },
    MakeCollection {
        at: Place,
    },
    Delete {
        at: Place,
        tokens: Vec<usize>,
    },
    Move {
        from: Place,
        to: To,
        /// Whether it is a collection, where the request says so.
        collection: bool,
        tokens: Vec<usize>,
    },
    Look {
        at: Place,
    },
    Sweep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) face: Face,
    pub(crate) user: User,
    /// When, by the clock of the server.
    pub(crate) now: Time,
    /// Its place in the order in which calls begin and end, and so a name for what it makes.
    pub(crate) number: usize,
    pub(crate) what: What,
}

/// A lock that a PROPFIND shows, with its number where that is known already.
pub(crate) type Shown = (Kind, User, Option<usize>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// Done, and there is a resource that was not there.
    Made,
    /// By these locks, each kind and owner once; none where a face does not name them.
    Refused(Vec<(Kind, User)>),
    NoPrivilege,
    /// There is nothing to do it with, or nothing such can be done with it.
    Void,
    Seen {
        id: u128,
        locks: Vec<Shown>,
    },
    /// Not in the words of this face, or a failure.
    Odd(String),
}

impl Answer {
    /// Whether nothing is ever done that is answered so.
    pub(crate) fn says_nothing_was_done(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::NoPrivilege | Self::Void | Self::Seen { .. }
        )
    }
}

/// One call with its answer. It began at the place `call.number`.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) call: Call,
    pub(crate) answer: Answer,
    pub(crate) returned: usize,
}
