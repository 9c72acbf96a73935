//! The lock model once more, naively: the tree is a map of paths, a lock sits on a path, and each
//! request is put as the plain questions that the normative text says it asks. Written from that
//! text alone; it shares no code with the server and does not care about speed.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum User {
    Alice,
    Bob,
    Mona,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Persistent,
    Transient,
    ReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    Exclusive,
    Shared,
}

/// A lock; `number` is its token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lock {
    pub(crate) at: String,
    pub(crate) owner: User,
    pub(crate) kind: Kind,
    pub(crate) scope: Scope,
    pub(crate) infinite: bool,
    pub(crate) number: usize,
}

/// What is at a path: a file with so many bytes, or a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    File(u64),
    Collection,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tree: BTreeMap<String, Node>,
    pub(crate) locks: Vec<Lock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Drive,
    Strict,
}

/// The tokens that a request submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tokens<'a> {
    All,
    These(&'a [usize]),
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker<'a> {
    pub(crate) policy: Policy,
    pub(crate) user: User,
    pub(crate) tokens: Tokens<'a>,
}

impl Tokens<'_> {
    pub(crate) const NONE: Self = Self::These(&[]);

    fn has(self, number: usize) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(&number),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// So many bytes.
    Put(String, u64),
    Patch {
        at: String,
        only_win32: bool,
    },
    Delete(String),
    Mkcol(String),
    Lock {
        at: String,
        kind: Kind,
        scope: Scope,
        infinite: bool,
    },
    Move(String, String),
    Copy(String, String),
}

/// The locks that said no, or nobody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// 423, a change is refused.
    Locked(BTreeSet<Lock>),
    /// 423, a lock is refused.
    Conflict(BTreeSet<Lock>),
    /// 207, each of these with 423.
    Members(BTreeSet<Lock>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Upload,
    UploadOnlyWin32,
    Rename,
    Move,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Bearer,
    Owner,
    Other,
}

pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(end) => &path[..end],
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn is_below(path: &str, above: &str) -> bool {
    path != above && (above == "/" || path.starts_with(&format!("{above}/")))
}

impl Request {
    pub(crate) fn paths(&self) -> Vec<&str> {
        match self {
            Self::Put(at, _) | Self::Delete(at) | Self::Mkcol(at) => vec![at],
            Self::Patch { at, .. } | Self::Lock { at, .. } => vec![at],
            Self::Move(from, to) | Self::Copy(from, to) => vec![from, to],
        }
    }
}

impl Lock {
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.at == path || (self.infinite && is_below(path, &self.at))
    }

    /// §1.
    fn standing(&self, asker: Asker<'_>) -> Standing {
        match (self.owner == asker.user, asker.tokens.has(self.number)) {
            (true, true) => Standing::Bearer,
            (true, false) => Standing::Owner,
            (false, _) => Standing::Other,
        }
    }

    /// A persistent lock belongs to a user, a transient one to the token (§2).
    fn is_in_the_hands_of(&self, asker: Asker<'_>) -> bool {
        match self.kind {
            Kind::Persistent => self.standing(asker) != Standing::Other,
            Kind::Transient => self.standing(asker) == Standing::Bearer,
            Kind::ReadOnly => false,
        }
    }

    /// §3 for the lock root, §4 for what is covered indirectly.
    fn allows(&self, path: &str, action: Action, standing: Standing, policy: Policy) -> bool {
        let bearer = standing == Standing::Bearer;
        let owner = standing != Standing::Other;
        if action == Action::UploadOnlyWin32 {
            let excepted = self.kind == Kind::Transient && owner;
            return excepted || self.allows(path, Action::Upload, standing, policy);
        }
        if self.at != path {
            return match self.kind {
                Kind::Transient => bearer,
                Kind::Persistent => owner,
                Kind::ReadOnly => false,
            };
        }
        match (self.kind, action) {
            (Kind::Persistent, Action::Upload) => owner,
            (Kind::Transient, Action::Upload) => bearer,
            (Kind::ReadOnly, Action::Upload) => false,
            (Kind::Persistent | Kind::ReadOnly, Action::Move) => true,
            (Kind::Persistent | Kind::ReadOnly, _) => false,
            (Kind::Transient, Action::Move) => policy == Policy::Strict || bearer,
            (Kind::Transient, _) => policy == Policy::Drive && bearer,
        }
    }

    /// §5.
    pub(crate) fn stands_with(&self, other: &Self) -> bool {
        if self.kind == Kind::ReadOnly || other.kind == Kind::ReadOnly {
            return false;
        }
        let own_pair = self.owner == other.owner && self.kind != other.kind;
        own_pair || (self.scope == Scope::Shared && other.scope == Scope::Shared)
    }
}

impl World {
    /// Whether these locks may stand together on this tree.
    pub(crate) fn is_lawful(&self) -> bool {
        self.locks.iter().enumerate().all(|(index, one)| {
            let meets = |other: &Lock| one.covers(&other.at) || other.covers(&one.at);
            self.locks[index + 1..]
                .iter()
                .all(|other| !meets(other) || one.stands_with(other))
        })
    }

    fn locks_below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Lock> + 'a {
        self.locks.iter().filter(|lock| is_below(&lock.at, path))
    }

    fn refusals(&self, path: &str, action: Action, asker: Asker<'_>) -> BTreeSet<Lock> {
        self.refusals_within(path, path, action, asker)
    }

    /// Who of the locks that cover `path` says no, in a request for `address`. Who has a shared
    /// lock in hand is to the other shared locks as their bearers are: "any principal that has […]
    /// a valid lock can use the locked resource" (RFC 4918 §6.2). That lock must stand on the same
    /// resource or cover the whole request.
    fn refusals_within(
        &self,
        address: &str,
        path: &str,
        action: Action,
        asker: Asker<'_>,
    ) -> BTreeSet<Lock> {
        let covering = || self.locks.iter().filter(|lock| lock.covers(path));
        let shares = covering()
            .filter(|lock| lock.at == path || lock.covers(address))
            .any(|lock| lock.scope == Scope::Shared && lock.is_in_the_hands_of(asker));
        let standing = |lock: &Lock| match lock.scope {
            Scope::Shared if shares => Standing::Bearer,
            _ => lock.standing(asker),
        };
        let refuses = |lock: &&Lock| !lock.allows(path, action, standing(lock), asker.policy);
        covering().filter(refuses).cloned().collect()
    }

    /// The collection's list of members changes: asked of its own locks at any depth (§3), and of
    /// the locks that reach down to the member.
    fn member_refusals(&self, member: &str, asker: Asker<'_>) -> BTreeSet<Lock> {
        let collection = parent(member);
        let mut no = self.refusals(collection, Action::Upload, asker);
        no.retain(|lock| lock.at == collection);
        no.extend(self.refusals_from_above(member, asker));
        no
    }

    fn refusals_from_above(&self, path: &str, asker: Asker<'_>) -> BTreeSet<Lock> {
        let mut no = self.refusals(path, Action::Upload, asker);
        no.retain(|lock| lock.at != path);
        no
    }

    /// What is at `path` goes, with all below.
    fn delete_refusals(&self, path: &str, asker: Asker<'_>) -> (BTreeSet<Lock>, BTreeSet<Lock>) {
        let at = self.refusals(path, Action::Delete, asker);
        (at, self.below_refusals(path, Action::Delete, asker))
    }

    fn below_refusals(&self, path: &str, action: Action, asker: Asker<'_>) -> BTreeSet<Lock> {
        let roots = self.locks_below(path).map(|lock| lock.at.clone());
        let mut no = BTreeSet::new();
        for root in roots {
            let there = self.refusals_within(path, &root, action, asker);
            no.extend(there.into_iter().filter(|lock| lock.at == root));
        }
        no
    }

    /// Answers the request, and changes the world if the answer is [`Answer::Done`].
    pub(crate) fn ask(&mut self, request: &Request, asker: Asker<'_>) -> Answer {
        match request {
            Request::Put(at, size) => {
                let no = if self.tree.contains_key(at) {
                    self.refusals(at, Action::Upload, asker)
                } else {
                    self.member_refusals(at, asker)
                };
                self.unless(no, BTreeSet::new(), |world| {
                    world.tree.insert(at.clone(), Node::File(*size));
                })
            }
            Request::Patch { at, only_win32 } => {
                let action = if *only_win32 {
                    Action::UploadOnlyWin32
                } else {
                    Action::Upload
                };
                let no = self.refusals(at, action, asker);
                self.unless(no, BTreeSet::new(), |_| ())
            }
            Request::Mkcol(at) => {
                let no = self.member_refusals(at, asker);
                self.unless(no, BTreeSet::new(), |world| {
                    world.tree.insert(at.clone(), Node::Collection);
                })
            }
            Request::Delete(at) => {
                let (mut no, below) = self.delete_refusals(at, asker);
                no.extend(self.member_refusals(at, asker));
                self.unless(no, below, |world| world.remove(at))
            }
            Request::Lock {
                at,
                kind,
                scope,
                infinite,
            } => self.lock(
                Lock {
                    at: at.clone(),
                    owner: asker.user,
                    kind: *kind,
                    scope: *scope,
                    infinite: *infinite,
                    number: usize::MAX,
                },
                asker,
            ),
            Request::Copy(from, to) => self.copy(from, to, asker),
            Request::Move(from, to) => self.relocate(from, to, asker),
        }
    }

    /// What refuses the request at its own address answers first, with 423; a 207 names what
    /// refuses only below it. (The text does not say which answer wins where both would do.)
    fn unless(
        &mut self,
        no: BTreeSet<Lock>,
        below: BTreeSet<Lock>,
        change: impl FnOnce(&mut Self),
    ) -> Answer {
        if !no.is_empty() {
            return Answer::Locked(no);
        }
        if !below.is_empty() {
            return Answer::Members(below);
        }
        change(self);
        Answer::Done
    }

    fn remove(&mut self, path: &str) {
        let stays = |other: &str| other != path && !is_below(other, path);
        self.tree.retain(|other, _| stays(other));
        self.locks.retain(|lock| stays(&lock.at));
    }

    fn lock(&mut self, new: Lock, asker: Asker<'_>) -> Answer {
        let conflicts = |lock: &&Lock| !lock.stands_with(&new);
        let here: BTreeSet<Lock> = self
            .locks
            .iter()
            .filter(|lock| lock.covers(&new.at))
            .filter(conflicts)
            .cloned()
            .collect();
        let below: BTreeSet<Lock> = self
            .locks_below(&new.at)
            .filter(|_| new.infinite)
            .filter(conflicts)
            .cloned()
            .collect();
        if !here.is_empty() {
            return Answer::Conflict(here);
        }
        if !below.is_empty() {
            return Answer::Members(below);
        }
        if !self.tree.contains_key(&new.at) {
            let no = self.member_refusals(&new.at, asker);
            if !no.is_empty() {
                return Answer::Locked(no);
            }
            self.tree.insert(new.at.clone(), Node::File(0));
        }
        self.locks.push(new);
        Answer::Done
    }

    fn is_file(&self, path: &str) -> bool {
        matches!(self.tree.get(path), Some(Node::File(_)))
    }

    /// What a COPY or MOVE puts in the place of a target is a new member, without its locks.
    fn replacement_refusals(&self, from: &str, to: &str, asker: Asker<'_>) -> BTreeSet<Lock> {
        if self.is_file(from) && self.is_file(to) {
            return BTreeSet::new();
        }
        let mut vacated = self.clone();
        vacated.remove(to);
        vacated.member_refusals(to, asker)
    }

    /// What the target of a COPY or MOVE is asked: (here or above, below).
    fn target_refusals(
        &self,
        from: &str,
        to: &str,
        asker: Asker<'_>,
    ) -> (BTreeSet<Lock>, BTreeSet<Lock>) {
        let mut no = self.member_refusals(to, asker);
        if !self.tree.contains_key(to) {
            return (no, BTreeSet::new());
        }
        if self.is_file(from) && self.is_file(to) {
            no.extend(self.refusals(to, Action::Upload, asker));
            return (no, BTreeSet::new());
        }
        let (at, below) = self.delete_refusals(to, asker);
        no.extend(at);
        (no, below)
    }

    fn copy(&mut self, from: &str, to: &str, asker: Asker<'_>) -> Answer {
        let (mut no, below) = self.target_refusals(from, to, asker);
        if no.is_empty() && below.is_empty() {
            no = self.replacement_refusals(from, to, asker);
        }
        self.unless(no, below, |world| {
            let both_files = world.is_file(from) && world.is_file(to);
            let copies: Vec<_> = world
                .tree
                .iter()
                .filter(|(path, _)| *path == from || is_below(path, from))
                .map(|(path, node)| (format!("{to}{}", &path[from.len()..]), *node))
                .collect();
            if !both_files {
                world.remove(to);
            }
            world.tree.extend(copies);
        })
    }

    fn relocate(&mut self, from: &str, to: &str, asker: Asker<'_>) -> Answer {
        let mut no = self.member_refusals(from, asker);
        let below = self.below_refusals(from, Action::Move, asker);
        if name(from) != name(to) {
            no.extend(self.refusals(from, Action::Rename, asker));
        }
        if parent(from) != parent(to) {
            no.extend(self.refusals(from, Action::Move, asker));
        }
        // The source is asked first, then the target.
        let replacement = self.replacement_refusals(from, to, asker);
        let target = self.target_refusals(from, to, asker);
        for (no, below) in [(no, below), target, (replacement, BTreeSet::new())] {
            if !no.is_empty() || !below.is_empty() {
                return self.unless(no, below, |_| ());
            }
        }

        let onto_file = self.is_file(from) && self.is_file(to);
        let target_is_locked = onto_file && self.locks.iter().any(|lock| lock.at == to);
        let own = |lock: &&Lock| lock.at == from;
        if target_is_locked {
            let never_ends: BTreeSet<Lock> = self
                .locks
                .iter()
                .filter(own)
                .filter(|lock| lock.kind != Kind::Transient)
                .cloned()
                .collect();
            if !never_ends.is_empty() {
                return Answer::Locked(never_ends);
            }
            self.locks.retain(|lock| lock.at != from);
        }
        let in_the_way = self.met_at_destination(from, to);
        if !in_the_way.is_empty() {
            return Answer::Locked(in_the_way);
        }
        self.carry(from, to, onto_file);
        Answer::Done
    }

    /// The locks over the destination that cannot stand with a lock that travels there.
    fn met_at_destination(&self, from: &str, to: &str) -> BTreeSet<Lock> {
        let travels = |lock: &Lock| lock.at == from || is_below(&lock.at, from);
        self.locks
            .iter()
            .filter(|over| over.at != to && over.covers(to) && !over.covers(from))
            .filter(|over| {
                self.locks
                    .iter()
                    .any(|lock| travels(lock) && !lock.stands_with(over))
            })
            .cloned()
            .collect()
    }

    fn carry(&mut self, from: &str, to: &str, onto_file: bool) {
        if !onto_file {
            self.remove(to);
        }
        let moved = |path: &str| {
            let travels = path == from || is_below(path, from);
            travels.then(|| format!("{to}{}", &path[from.len()..]))
        };
        self.tree = std::mem::take(&mut self.tree)
            .into_iter()
            .filter(|(path, _)| !(onto_file && path == to))
            .map(|(path, node)| (moved(&path).unwrap_or(path), node))
            .collect();
        for lock in &mut self.locks {
            if let Some(at) = moved(&lock.at) {
                lock.at = at;
            }
        }
    }
}
