//! One tree with its locks as a sequential machine: what each call would be answered if it were the
//! only one. What locks refuse is left to the naive formulation of the lock model; here are time,
//! ids and the ends of locks (its §6 and §7), for policy `drive`.

use std::collections::BTreeMap;

use crate::calls::{Answer, Call, Face, Place, Shown, Time, To, What};
use crate::naive::{self, Asker, Kind, Lock, Node, Policy, Request, Scope, Tokens, User, World};

/// The tree, and all locks on record, lapsed ones too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(super) world: World,
    /// What is where, by the number of the call that made it.
    made: BTreeMap<String, usize>,
    /// The ids that somebody was shown.
    ids: BTreeMap<u128, usize>,
    /// Of transient locks.
    pub(super) deadlines: BTreeMap<usize, Time>,
    /// When something was done last.
    latest: Time,
}

fn is_within(path: &str, above: &str) -> bool {
    path == above || path.starts_with(&format!("{above}/"))
}

/// The answer that these locks said no.
pub(super) fn refused<'a>(locks: impl IntoIterator<Item = &'a Lock>) -> Answer {
    let named = locks.into_iter().map(|lock| (lock.kind, lock.owner));
    let mut named: Vec<(Kind, User)> = named.collect();
    named.sort();
    named.dedup();
    Answer::Refused(named)
}

impl State {
    /// Nothing but a collection, with its id.
    pub(crate) fn new(top: &str, id: u128) -> Self {
        let nodes = ["/", top].map(|path| (path.to_owned(), Node::Collection));
        Self {
            world: World {
                tree: BTreeMap::from(nodes),
                locks: Vec::new(),
            },
            made: BTreeMap::from([(top.to_owned(), usize::MAX)]),
            ids: BTreeMap::from([(id, usize::MAX)]),
            deadlines: BTreeMap::new(),
            latest: 0,
        }
    }

    /// Whether `answer` is what this call gets here and now; if so, the call takes effect.
    pub(crate) fn explains(&mut self, call: &Call, answer: &Answer) -> bool {
        if !answer.says_nothing_was_done() {
            self.latest = self.latest.max(call.now);
        }
        let lapsed = self.set_lapsed_aside(call.now);
        let explained = self.explains_now(call, answer);
        let locked = match (&call.what, answer) {
            (What::Take { at, .. }, Answer::Done | Answer::Made) => self.resource_at(at),
            _ => None,
        };
        for (resource, lock) in lapsed {
            // A sweep removes its record, and so does whoever takes a lock there.
            if call.what != What::Sweep && Some(resource) != locked {
                self.put_back(resource, lock);
            }
        }
        self.world.locks.sort();
        let World { locks, .. } = &self.world;
        self.deadlines
            .retain(|number, _| locks.iter().any(|lock| lock.number == *number));
        self.ids
            .retain(|_, resource| self.made.values().any(|made| made == resource));
        explained && self.is_lawful()
    }

    /// What no call can see any more when none is under way and the clock has come to `now`.
    pub(crate) fn forget_before(&mut self, now: Time) {
        self.set_lapsed_aside(now);
        let World { locks, .. } = &self.world;
        self.deadlines
            .retain(|number, _| locks.iter().any(|lock| lock.number == *number));
        self.latest = now;
    }

    fn set_lapsed_aside(&mut self, now: Time) -> Vec<(usize, Lock)> {
        let State {
            world,
            made,
            deadlines,
            ..
        } = self;
        let stands = |lock: &Lock| deadlines.get(&lock.number).is_none_or(|end| now < *end);
        let (standing, lapsed) = world.locks.drain(..).partition(stands);
        world.locks = standing;
        let lapsed: Vec<Lock> = lapsed;
        let placed = lapsed.into_iter().map(|lock| (made[&lock.at], lock));
        placed.collect()
    }

    /// The lock hangs on the resource, wherever that is now.
    fn put_back(&mut self, resource: usize, mut lock: Lock) {
        if let Some(at) = self.path_of(resource) {
            lock.at = at;
            self.world.locks.push(lock);
        }
    }

    /// At most one exclusive lock is in force anywhere, but for a user's own check-out beside that
    /// user's own transient lock.
    fn is_lawful(&self) -> bool {
        let stands = |lock: &&Lock| {
            let end = self.deadlines.get(&lock.number);
            end.is_none_or(|end| self.latest < *end)
        };
        let standing = World {
            tree: BTreeMap::new(),
            locks: self.world.locks.iter().filter(stands).cloned().collect(),
        };
        standing.is_lawful()
    }

    fn explains_now(&mut self, call: &Call, answer: &Answer) -> bool {
        if call.face == Face::DocSpace && !self.is_as_addressed(&call.what) {
            return *answer == Answer::Void;
        }
        let expected = match &call.what {
            What::Look { at } => return self.explains_look(at, answer),
            What::Take { .. } => self.take(call, answer),
            What::Put { at, within, tokens } => self.put(call, at, *within, tokens),
            What::MakeCollection { at } => match self.path(at) {
                Some(at) => self.ask(call, &Request::Mkcol(at), &[]),
                None => Answer::Void,
            },
            What::Delete { at, tokens } => match self.path(at) {
                Some(at) => self.ask(call, &Request::Delete(at), tokens),
                None => Answer::Void,
            },
            What::Move {
                from, to, tokens, ..
            } => return self.explains_move(call, (from, to), tokens, answer),
            What::Sweep => Answer::Done,
            What::Refresh { .. }
            | What::Release { .. }
            | What::CheckIn { .. }
            | What::Thaw { .. }
            | What::Steal { .. } => self.end(call),
        };
        let one_of_several = match (&call.what, &expected, answer) {
            // Of the locks that a check-in could mean, one is told.
            (What::CheckIn { .. }, Answer::Refused(all), Answer::Refused(told)) => {
                told.len() == 1 && all.contains(&told[0])
            }
            _ => false,
        };
        one_of_several || agree(call.face, &expected, answer)
    }

    /// DocSpace has one address for files and another for folders.
    fn is_as_addressed(&self, what: &What) -> bool {
        let (at, collection) = match what {
            What::Move {
                from, collection, ..
            } => (from, *collection),
            What::Take { at, .. }
            | What::CheckIn { at }
            | What::Put { at, .. }
            | What::Delete { at, .. } => (at, false),
            _ => return false,
        };
        let path = self.existing(at);
        path.is_some_and(|path| self.is_collection(&path) == collection)
    }

    fn path_of(&self, resource: usize) -> Option<String> {
        let mut found = self.made.iter().filter(|(_, made)| **made == resource);
        found.next().map(|(path, _)| path.clone())
    }

    fn resource_at(&self, place: &Place) -> Option<usize> {
        self.made.get(&self.path(place)?).copied()
    }

    /// The path that is meant, whether or not there is anything.
    fn path(&self, place: &Place) -> Option<String> {
        match place {
            Place::Path(path) => Some(path.clone()),
            Place::Id(id) => self.path_of(*self.ids.get(id)?),
        }
    }

    /// The path that is meant, if something is there.
    pub(super) fn existing(&self, place: &Place) -> Option<String> {
        let path = self.path(place)?;
        self.world.tree.contains_key(&path).then_some(path)
    }

    pub(super) fn is_collection(&self, path: &str) -> bool {
        self.world.tree.get(path) == Some(&Node::Collection)
    }

    /// The locks in force on what is at `path`: its own and what covers it.
    pub(super) fn in_force(&self, path: &str) -> impl Iterator<Item = &Lock> {
        let covers = move |lock: &&Lock| lock.covers(path);
        self.world.locks.iter().filter(covers)
    }

    /// Whether nothing but locks can refuse it; the naive formulation knows nothing else.
    fn is_meaningful(&self, request: &Request) -> bool {
        let exists = |at: &str| self.world.tree.contains_key(at);
        let fits = |at: &str| self.is_collection(naive::parent(at));
        match request {
            Request::Put(at, _) => fits(at) && !self.is_collection(at),
            Request::Patch { at, .. } | Request::Delete(at) => exists(at),
            Request::Mkcol(at) => fits(at) && !exists(at),
            Request::Lock { at, .. } => exists(at) || fits(at),
            Request::Move(from, to) | Request::Copy(from, to) => {
                exists(from) && fits(to) && !is_within(from, to) && !is_within(to, from)
            }
        }
    }

    fn ask(&mut self, call: &Call, request: &Request, tokens: &[usize]) -> Answer {
        if !self.is_meaningful(request) {
            return Answer::Void;
        }
        let asker = Asker {
            policy: Policy::Drive,
            user: call.user,
            tokens: Tokens::These(tokens),
        };
        let is_file = |at: &str| matches!(self.world.tree.get(at), Some(Node::File(_)));
        let onto_file = matches!(request, Request::Move(from, to) if is_file(from) && is_file(to));
        match self.world.ask(request, asker) {
            naive::Answer::Done => {}
            naive::Answer::Locked(no)
            | naive::Answer::Conflict(no)
            | naive::Answer::Members(no) => {
                return refused(&no);
            }
        }
        let is_new = match request {
            Request::Put(at, _) | Request::Mkcol(at) | Request::Lock { at, .. } => {
                let known = self.made.contains_key(at);
                self.made.entry(at.clone()).or_insert(call.number);
                !known
            }
            Request::Delete(at) => {
                self.made.retain(|path, _| !is_within(path, at));
                false
            }
            Request::Move(from, to) => self.carry(from, to, onto_file),
            Request::Patch { .. } | Request::Copy(..) => false,
        };
        if is_new { Answer::Made } else { Answer::Done }
    }

    /// Whether the target is new.
    fn carry(&mut self, from: &str, to: &str, onto_file: bool) -> bool {
        let is_new = !self.made.contains_key(to);
        if onto_file {
            self.made.remove(from);
            return is_new;
        }
        self.made.retain(|path, _| !is_within(path, to));
        let moved = |path: String| match path.strip_prefix(from) {
            Some(below) if is_within(&path, from) => format!("{to}{below}"),
            _ => path,
        };
        let made = std::mem::take(&mut self.made).into_iter();
        self.made = made.map(|(path, made)| (moved(path), made)).collect();
        is_new
    }

    fn put(&mut self, call: &Call, at: &Place, within: Option<u128>, tokens: &[usize]) -> Answer {
        let Some(path) = self.path(at) else {
            return Answer::Void;
        };
        if let Some(folder) = within {
            let folder = self.path(&Place::Id(folder));
            if folder.as_deref() != Some(naive::parent(&path)) {
                return Answer::Void;
            }
        }
        let stands = |number: &usize| self.in_force(&path).any(|lock| lock.number == *number);
        let all_stand = tokens.iter().all(stands);
        let done = self.ask(call, &Request::Put(path, 0), tokens);
        // The check-out API names the lock under which it was written; if that has ended, somebody
        // else may have changed the file since.
        if call.face == Face::CheckOutApi && done == Answer::Done && !all_stand {
            return Answer::Void;
        }
        done
    }

    fn take(&mut self, call: &Call, answer: &Answer) -> Answer {
        let What::Take {
            at,
            kind,
            scope,
            infinite,
            seconds,
        } = &call.what
        else {
            return Answer::Void;
        };
        let path = match call.face {
            // Of an unmapped URL it makes a file (§5).
            Face::WebDav => self.path(at),
            _ => self.existing(at),
        };
        let Some(path) = path else {
            return Answer::Void;
        };
        let mut infinite = *infinite;
        match call.face {
            Face::DocSpace if self.could_unlock(call, &path) => return Answer::Done,
            // The seed: a file that is locked at all is refused, whoever asks. The rules allow
            // more (§5), so it may also be granted: the API asks first and then takes the lock.
            Face::CheckOutApi => {
                infinite = self.is_collection(&path);
                let all = refused(self.in_force(&path));
                if *answer == all && all != Answer::Refused(Vec::new()) {
                    return all;
                }
            }
            _ => {}
        }
        let request = Request::Lock {
            at: path,
            kind: *kind,
            scope: *scope,
            infinite,
        };
        let taken = self.ask(call, &request, &[]);
        let new = self.world.locks.iter_mut();
        for lock in new.filter(|lock| lock.number == usize::MAX) {
            lock.number = call.number;
            if lock.kind == Kind::Transient {
                self.deadlines
                    .insert(call.number, call.now + seconds * 1000);
            }
        }
        taken
    }

    /// DocSpace says yes to who locks again what is theirs, or what they could unlock, and changes
    /// nothing (contracts §1.3, 2).
    fn could_unlock(&self, call: &Call, path: &str) -> bool {
        let new = Lock {
            at: path.to_owned(),
            owner: call.user,
            kind: Kind::Persistent,
            scope: Scope::Exclusive,
            infinite: false,
            number: usize::MAX,
        };
        let conflicts = self.in_force(path).any(|lock| !lock.stands_with(&new));
        let mine = self.in_force(path).all(|lock| lock.owner == call.user);
        conflicts && (mine || holds_super_check_in(call))
    }

    fn explains_move(
        &mut self,
        call: &Call,
        (from, to): (&Place, &To),
        tokens: &[usize],
        answer: &Answer,
    ) -> bool {
        let Some(from) = self.existing(from) else {
            return *answer == Answer::Void;
        };
        let name = from.rsplit('/').next().unwrap_or_default();
        let to = match to {
            To::Path(path) => Some(path.clone()),
            To::Name(name) => Some(format!("{}/{name}", naive::parent(&from))),
            To::Into(folder) => {
                let folder = self.existing(&Place::Id(*folder));
                let folder = folder.filter(|folder| self.is_collection(folder));
                folder.map(|folder| format!("{folder}/{name}"))
            }
        };
        let Some(to) = to else {
            return *answer == Answer::Void;
        };
        if let What::Move {
            to: To::Name(_), ..
        } = &call.what
        {
            if to == from {
                // It has that name already, or got it a moment ago.
                return matches!(answer, Answer::Done | Answer::Void);
            }
            if self.world.tree.contains_key(&to) {
                return *answer == Answer::Void;
            }
        }
        let expected = self.ask(call, &Request::Move(from, to), tokens);
        agree(call.face, &expected, answer)
    }

    /// §8: all locks in force are shown. An id never changes, and never comes back.
    fn explains_look(&mut self, at: &Place, answer: &Answer) -> bool {
        let (Some(path), Some(resource)) = (self.existing(at), self.resource_at(at)) else {
            return *answer == Answer::Void;
        };
        let Answer::Seen { id, locks } = answer else {
            return false;
        };
        let known = self.ids.iter().find(|(_, known)| **known == resource);
        match (known, self.ids.contains_key(id)) {
            (Some((known, _)), _) if known != id => return false,
            (None, true) => return false,
            _ => {}
        }
        let expected: Vec<&Lock> = self.in_force(&path).collect();
        let explained = shows(locks, &expected);
        self.ids.insert(*id, resource);
        explained
    }
}

/// SuperCheckIn (§7): Mona is the manager, and the command line may everything.
pub(super) fn holds_super_check_in(call: &Call) -> bool {
    call.user == User::Mona || call.face == Face::CommandLine
}

/// Whether `shown` are these locks. Of some the number is not known yet: their takers have not been
/// answered, or through a face that tells no token.
fn shows(shown: &[Shown], expected: &[&Lock]) -> bool {
    let mut all: Vec<(Kind, User)> = expected.iter().map(|one| (one.kind, one.owner)).collect();
    let mut seen: Vec<(Kind, User)> = shown.iter().map(|one| (one.0, one.1)).collect();
    all.sort();
    seen.sort();
    let numbered = |(kind, owner, number): &Shown| {
        number.is_none_or(|number| {
            let is_it = |lock: &&&Lock| lock.number == number;
            let lock = expected.iter().find(is_it);
            lock.is_some_and(|lock| (lock.kind, lock.owner) == (*kind, *owner))
        })
    };
    all == seen && shown.iter().all(numbered)
}

/// Only WebDAV says whether it made something, and names every lock of several resources.
fn agree(face: Face, expected: &Answer, answer: &Answer) -> bool {
    let brief = match (expected, answer) {
        (Answer::Made, Answer::Done) => true,
        (Answer::Refused(_), Answer::Refused(named)) => named.is_empty(),
        _ => false,
    };
    expected == answer || (brief && face != Face::WebDav)
}
