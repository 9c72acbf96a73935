//! Who may do what, once more and naively: the tree is a map of paths, a grant sits on a path, and
//! every request is put as the plain questions of the text. It shares no code with the server:
//!
//! The role at an address is that of the nearest collection, itself included, with a grant that
//! concerns the user; what is granted to the user there beats what is granted to everyone. An
//! admin is manager everywhere. A credential only takes away. What a user may not read does not
//! exist for them, but for the root, which all may look at. To make something at a name that is
//! secretly taken is forbidden, and only who might make it is told so. To remove, move or lock a
//! collection whole, one must be allowed to do so with all that is in it. A COPY leaves out what
//! the user may not read. Privileges are asked before locks.

use std::collections::BTreeSet;

use crate::addresses::{is_below, is_within, member, name, parent, upwards};
use crate::words::{Answer, Kind, Lock, Node, Request, Role, Spot, To, Twist, Who, Why, World};

type Step = Result<(), Answer>;

fn of_role(role: Role) -> &'static [&'static str] {
    match role {
        Role::None => &[],
        Role::Reader => &["read"],
        Role::Editor => &["read", "write", "lock", "freeze"],
        Role::Manager => &[
            "read",
            "write",
            "lock",
            "freeze",
            "super-check-in",
            "manage",
        ],
    }
}

fn to_take(kind: Kind) -> &'static str {
    match kind {
        Kind::Persistent | Kind::Transient => "lock",
        Kind::ReadOnly => "freeze",
    }
}

/// Every file has one version.
fn must_be_kept(number: u32) -> Step {
    if number == 1 {
        Ok(())
    } else {
        Err(Answer::NotFound)
    }
}

fn must_not_be_root(at: &str) -> Step {
    if at == "/" {
        Err(Answer::Forbidden(Why::Root))
    } else {
        Ok(())
    }
}

fn done() -> Answer {
    Answer::Done(BTreeSet::new())
}

/// Alice asks a world.
pub(crate) struct Asking<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) who: &'a Who,
    pub(crate) twist: Option<Twist>,
}

impl Asking<'_> {
    pub(crate) fn ask(&mut self, request: &Request) -> Answer {
        match self.try_ask(request) {
            Ok(answer) | Err(answer) => answer,
        }
    }

    fn twisted(&self, twist: Twist) -> bool {
        self.twist == Some(twist)
    }

    fn role(&self, at: &str) -> Role {
        if self.who.admin {
            return Role::Manager;
        }
        let mut way = upwards(at);
        if self.twisted(Twist::FarthestWins) {
            way.reverse();
        }
        let granted = way.iter().find_map(|at| self.granted_on(at));
        granted.unwrap_or(Role::None)
    }

    /// What the grants of one collection say to Alice.
    fn granted_on(&self, at: &str) -> Option<Role> {
        let granted = |to| self.world.grants.get(&(at.to_owned(), to)).copied();
        let of_groups: BTreeSet<Role> = granted(To::Staff)
            .into_iter()
            .chain(granted(To::Guests))
            .collect();
        let takes_away = of_groups.contains(&Role::None);
        let of_groups = if takes_away && !self.twisted(Twist::HighestOfGroupsWins) {
            Some(Role::None)
        } else {
            of_groups.last().copied()
        };
        if self.twisted(Twist::EveryoneBeatsUser) {
            return granted(To::Everyone).or(granted(To::Alice));
        }
        granted(To::Alice).or(of_groups).or(granted(To::Everyone))
    }

    fn privileges(&self, at: &str) -> Vec<&'static str> {
        let outside = self
            .who
            .within
            .as_ref()
            .is_some_and(|top| !is_within(at, top));
        let outside = outside && !self.twisted(Twist::ScopeForgotten);
        let mut all = of_role(self.role(at)).to_vec();
        all.retain(|one| !outside && (*one == "read" || !self.who.only_reads));
        if at == "/" && !all.contains(&"read") {
            all.push("read");
        }
        all
    }

    fn may(&self, what: &str, at: &str) -> bool {
        self.privileges(at).contains(&what)
    }

    pub(crate) fn sees(&self, at: &str) -> bool {
        self.world.tree.contains_key(at) && self.may("read", at)
    }

    fn is_collection(&self, at: &str) -> bool {
        self.world.tree.get(at) == Some(&Node::Collection)
    }

    fn href(&self, at: &str) -> String {
        if self.is_collection(at) && at != "/" {
            format!("{at}/")
        } else {
            at.to_owned()
        }
    }

    fn below(&self, at: &str) -> Vec<String> {
        let all = self.world.tree.keys().filter(|inner| is_below(inner, at));
        all.cloned().collect()
    }

    fn must_exist(&self, at: &str) -> Step {
        if self.sees(at) {
            Ok(())
        } else {
            Err(Answer::NotFound)
        }
    }

    fn must_be_a_file(&self, at: &str) -> Step {
        self.must_exist(at)?;
        if self.is_collection(at) {
            return Err(Answer::NotAllowedHere);
        }
        Ok(())
    }

    fn must_fit(&self, at: &str) -> Step {
        let above = parent(at);
        if at != "/" && self.sees(&above) && self.is_collection(&above) {
            Ok(())
        } else {
            Err(Answer::ParentMissing)
        }
    }

    fn key_must_write(&self) -> Step {
        if self.who.only_reads {
            Err(Answer::Forbidden(Why::KeyOnlyReads))
        } else {
            Ok(())
        }
    }

    fn need(&self, what: &'static str, at: &str) -> Step {
        if self.may(what, at) {
            return Ok(());
        }
        self.key_must_write()?;
        Err(Answer::Needs(what, self.href(at)))
    }

    /// Everything below must be theirs too.
    fn need_below(&self, what: &str, at: &str) -> Step {
        let lacking = self.below(at).iter().any(|inner| !self.may(what, inner));
        if lacking && !self.twisted(Twist::PartsForgotten) {
            return Err(Answer::Forbidden(Why::PartNotYours));
        }
        Ok(())
    }

    fn need_to_remove(&self, at: &str) -> Step {
        self.need("write", at)?;
        if !self.twisted(Twist::ParentForgotten) {
            self.need("write", &parent(at))?;
        }
        self.need_below("write", at)
    }

    fn name_must_be_free(&self, at: &str) -> Step {
        let taken = self.world.tree.contains_key(at) && !self.sees(at);
        if taken && !self.twisted(Twist::TakenNamesAreFree) {
            return Err(Answer::Forbidden(Why::NameTaken));
        }
        Ok(())
    }

    /// Locks of other people on what is there, or above it.
    fn no_foreign_lock(&self, at: &str) -> Step {
        let in_force = |lock: &Lock| lock.at == at || (lock.infinite && is_below(at, &lock.at));
        self.no_lock(|lock| !lock.of_alice && in_force(lock))
    }

    /// Locks of other people on a collection whose members change.
    fn no_foreign_lock_on_parent(&self, at: &str) -> Step {
        self.no_foreign_lock(&parent(at))
    }

    fn no_lock(&self, stands: impl Fn(&Lock) -> bool) -> Step {
        if self.world.locks.iter().any(stands) {
            Err(Answer::Locked)
        } else {
            Ok(())
        }
    }

    /// Check-outs and freezes keep everybody from removing what they stand on.
    fn no_lock_keeps_it(&self, at: &str) -> Step {
        self.no_foreign_lock(at)?;
        self.no_foreign_lock_on_parent(at)?;
        self.no_lock(|lock| is_within(&lock.at, at))
    }

    /// The path of what is named.
    fn find(&self, spot: &Spot) -> Result<String, Answer> {
        let (named, at) = match spot {
            Spot::Path(at) => return Ok(at.clone()),
            Spot::Id(at) => (at, at.clone()),
            Spot::In(of, name) => (of, member(of, name)),
        };
        if !self.twisted(Twist::IdsFindAll) {
            self.must_exist(named)?;
        }
        Ok(at)
    }

    fn try_ask(&mut self, request: &Request) -> Result<Answer, Answer> {
        match request {
            Request::Find(spot) | Request::Read(spot) => {
                self.must_exist(&self.find(spot)?)?;
                Ok(done())
            }
            Request::Search(spot, depth) => self.search(&self.find(spot)?, *depth),
            Request::Detail(spot) => self.detail(&self.find(spot)?),
            Request::Grants(spot) => self.grants(&self.find(spot)?),
            Request::SetGrant(spot) => self.set_grant(self.find(spot)?),
            Request::Put(spot) => self.put(self.find(spot)?),
            Request::Mkcol(spot) => self.mkcol(self.find(spot)?),
            Request::Delete(spot) => self.delete(&self.find(spot)?),
            Request::Patch(spot) => {
                let at = self.find(spot)?;
                self.must_exist(&at)?;
                self.need("write", &at)?;
                self.no_foreign_lock(&at)?;
                Ok(done())
            }
            Request::Move(spot, to, overwrite) => self.relocate(&self.find(spot)?, to, *overwrite),
            Request::Rename(spot, name) => {
                let from = self.find(spot)?;
                self.relocate(&from, &member(&parent(&from), name), false)
            }
            Request::MoveInto(spot, of) => {
                let from = self.find(spot)?;
                self.must_exist(&from)?;
                must_not_be_root(&from)?;
                self.must_exist(of)?;
                self.relocate(&from, &member(of, name(&from)), false)
            }
            Request::Copy(spot, to, overwrite, whole) => {
                self.copy(&self.find(spot)?, to, *overwrite, *whole)
            }
            Request::CopyInto(spot, of) => {
                let from = self.find(spot)?;
                self.must_exist(&from)?;
                self.must_exist(of)?;
                self.copy(&from, &member(of, name(&from)), false, true)
            }
            Request::Lock(spot, kind, infinite) => self.lock(self.find(spot)?, *kind, *infinite),
            Request::Unlock(spot, root) => self.unlock(&self.find(spot)?, root),
            Request::Refresh(spot, root) => self.refresh(&self.find(spot)?, root),
            Request::Steal(spot, root) => self.steal(&self.find(spot)?, root),
            Request::History(spot) => {
                self.must_be_a_file(&self.find(spot)?)?;
                Ok(done())
            }
            Request::ReadVersion(spot, number) => {
                self.must_be_a_file(&self.find(spot)?)?;
                must_be_kept(*number)?;
                Ok(done())
            }
            Request::Restore(spot, number) | Request::Label(spot, number) => {
                let at = self.find(spot)?;
                self.must_be_a_file(&at)?;
                self.need("write", &at)?;
                self.no_foreign_lock(&at)?;
                must_be_kept(*number)?;
                Ok(done())
            }
            Request::CheckIn(spot) => self.check_in(&self.find(spot)?),
        }
    }

    fn search(&self, at: &str, depth: Option<u8>) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        let line = |at: &String| format!("{} {}", self.href(at), self.privileges(at).join(" "));
        let reached = |inner: &String| {
            let mut way = upwards(inner).into_iter().take_while(|step| step != at);
            let levels = upwards(inner).iter().position(|step| step == at).unwrap();
            depth.is_none_or(|depth| levels <= usize::from(depth)) && way.all(|at| self.sees(&at))
        };
        let below = self.below(at).into_iter().filter(reached);
        let all = std::iter::once(at.to_owned()).chain(below);
        Ok(Answer::Done(all.map(|at| line(&at)).collect()))
    }

    fn detail(&self, at: &str) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        let mut lines = BTreeSet::from([format!("{at} {}", self.privileges(at).join(" "))]);
        let above = upwards(at).into_iter().skip(1).filter(|at| self.sees(at));
        lines.extend(above.map(|at| format!("in {}", name(&at))));
        Ok(Answer::Done(lines))
    }

    fn grants(&self, at: &str) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        let concerns = |on: &String| is_within(at, on) && self.sees(on);
        let grants = self.world.grants.iter().filter(|((on, _), _)| concerns(on));
        let lines = grants.map(|((on, to), role)| format!("{on} {to:?} {role:?}"));
        Ok(Answer::Done(lines.collect()))
    }

    fn set_grant(&mut self, at: String) -> Result<Answer, Answer> {
        self.must_exist(&at)?;
        if !self.is_collection(&at) {
            return Err(Answer::BadRequest);
        }
        self.need("manage", &at)?;
        self.world.grants.insert((at, To::Everyone), Role::Reader);
        Ok(done())
    }

    fn may_make(&self, at: &str) -> Step {
        self.must_fit(at)?;
        if self.twisted(Twist::LocksFirst) {
            self.no_foreign_lock_on_parent(at)?;
        }
        self.need("write", &parent(at))?;
        self.no_foreign_lock_on_parent(at)?;
        self.name_must_be_free(at)
    }

    fn put(&mut self, at: String) -> Result<Answer, Answer> {
        if !self.sees(&at) {
            self.may_make(&at)?;
        } else if self.is_collection(&at) {
            return Err(Answer::NotAllowedHere);
        } else {
            self.need("write", &at)?;
            self.no_foreign_lock(&at)?;
        }
        self.world.tree.insert(at, Node::File(9));
        Ok(done())
    }

    fn mkcol(&mut self, at: String) -> Result<Answer, Answer> {
        if self.sees(&at) {
            return Err(Answer::NotAllowedHere);
        }
        self.may_make(&at)?;
        self.world.tree.insert(at, Node::Collection);
        Ok(done())
    }

    fn delete(&mut self, at: &str) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        must_not_be_root(at)?;
        self.need_to_remove(at)?;
        self.no_lock_keeps_it(at)?;
        self.cut(at);
        Ok(done())
    }

    /// Takes a tree out, with its grants.
    fn cut(&mut self, at: &str) -> World {
        let stays = |inner: &String| !is_within(inner, at);
        let tree = self.world.tree.clone();
        let grants = self.world.grants.clone();
        self.world.tree.retain(|inner, _| stays(inner));
        self.world.grants.retain(|(on, _), _| stays(on));
        World {
            tree: tree
                .into_iter()
                .filter(|(inner, _)| !stays(inner))
                .collect(),
            grants: grants
                .into_iter()
                .filter(|((on, _), _)| !stays(on))
                .collect(),
            locks: BTreeSet::new(),
        }
    }

    /// What is refused to COPY and MOVE alike.
    fn must_land(&self, from: &str, to: &str, overwrite: bool) -> Step {
        if from == to {
            return Err(Answer::Forbidden(Why::Same));
        }
        let contains = self.is_collection(from) && is_below(to, from);
        if contains || is_below(from, to) {
            return Err(Answer::Forbidden(Why::IntoItself));
        }
        if !self.sees(to) {
            self.must_fit(to)
        } else if overwrite {
            Ok(())
        } else {
            Err(Answer::PreconditionFailed)
        }
    }

    /// Whether one file becomes the next version of another.
    fn is_next_version(&self, from: &str, to: &str) -> bool {
        self.sees(to) && !self.is_collection(from) && !self.is_collection(to)
    }

    fn may_land(&self, from: &str, to: &str) -> Step {
        if self.is_next_version(from, to) {
            return self.need("write", to);
        }
        if self.sees(to) {
            self.need_to_remove(to)?;
        }
        self.need("write", &parent(to))?;
        self.name_must_be_free(to)
    }

    fn relocate(&mut self, from: &str, to: &str, overwrite: bool) -> Result<Answer, Answer> {
        self.must_exist(from)?;
        must_not_be_root(from)?;
        self.must_land(from, to, overwrite)?;
        self.need_to_remove(from)?;
        self.may_land(from, to)?;
        self.cut(to);
        let World { tree, grants, .. } = self.cut(from);
        let moved = |inner: String| format!("{to}{}", &inner[from.len()..]);
        let tree = tree.into_iter().map(|(at, node)| (moved(at), node));
        self.world.tree.extend(tree);
        let grants = grants.into_iter();
        let grants = grants.map(|((on, whom), role)| ((moved(on), whom), role));
        self.world.grants.extend(grants);
        Ok(done())
    }

    fn copy(&mut self, from: &str, to: &str, overwrite: bool, all: bool) -> Result<Answer, Answer> {
        self.must_exist(from)?;
        self.must_land(from, to, overwrite)?;
        self.may_land(from, to)?;
        let reached = |inner: &String| {
            let mut way = upwards(inner).into_iter().take_while(|step| step != from);
            self.twisted(Twist::CopyTakesAll) || way.all(|at| self.sees(&at))
        };
        let below = self.below(from).into_iter();
        let below = below.filter(|inner| all && reached(inner));
        let taken: Vec<String> = std::iter::once(from.to_owned()).chain(below).collect();
        self.cut(to);
        for inner in taken {
            let node = self.world.tree[&inner];
            let copy = format!("{to}{}", &inner[from.len()..]);
            self.world.tree.insert(copy, node);
        }
        Ok(done())
    }

    fn lock(&mut self, at: String, kind: Kind, infinite: bool) -> Result<Answer, Answer> {
        let is_new = !self.sees(&at);
        let privilege = to_take(kind);
        if is_new {
            self.must_fit(&at)?;
            if !self.may(privilege, &parent(&at)) {
                self.key_must_write()?;
                return Err(Answer::Needs(privilege, at));
            }
        } else {
            self.need(privilege, &at)?;
            if infinite {
                self.need_below(privilege, &at)?;
            }
        }
        let conflicts = |lock: &Lock| !lock.of_alice || kind != Kind::Transient;
        self.no_lock(|lock| {
            let here = lock.at == at && !is_new;
            let above = lock.infinite && is_below(&at, &lock.at);
            let below = infinite && !is_new && is_below(&lock.at, &at);
            conflicts(lock) && (here || above || below)
        })?;
        if is_new {
            self.may_make(&at)?;
            self.world.tree.insert(at.clone(), Node::File(0));
        }
        self.world.locks.insert(Lock {
            at,
            of_alice: true,
            kind,
            infinite,
        });
        Ok(done())
    }

    /// The lock on `root`, if it is in force at the address.
    fn in_force(&self, at: &str, root: &str) -> Option<Lock> {
        let covers =
            |lock: &&Lock| lock.at == root && (at == root || (lock.infinite && is_below(at, root)));
        self.world.locks.iter().find(covers).cloned()
    }

    fn unlock(&mut self, at: &str, root: &str) -> Result<Answer, Answer> {
        let lock = self.in_force(at, root).filter(|_| self.sees(at));
        let lock = lock.ok_or(Answer::TokenMismatch)?;
        self.key_must_write()?;
        if !lock.of_alice && !self.may("super-check-in", root) {
            return Err(Answer::NotYourLock);
        }
        self.world.locks.remove(&lock);
        Ok(done())
    }

    fn refresh(&mut self, at: &str, root: &str) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        self.key_must_write()?;
        let lock = self.in_force(at, root).ok_or(Answer::PreconditionFailed)?;
        if lock.of_alice {
            Ok(done())
        } else {
            Err(Answer::Locked)
        }
    }

    fn steal(&mut self, at: &str, root: &str) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        self.need("super-check-in", at)?;
        let lock = self.in_force(at, root).filter(|_| at == root);
        let lock = lock.ok_or(Answer::TokenMismatch)?;
        if lock.infinite {
            self.need_below("lock", at)?;
            self.no_lock(|inner| is_below(&inner.at, at))?;
        }
        self.world.locks.remove(&lock);
        self.world.locks.insert(Lock {
            of_alice: true,
            ..lock
        });
        Ok(done())
    }

    fn check_in(&mut self, at: &str) -> Result<Answer, Answer> {
        self.must_exist(at)?;
        self.key_must_write()?;
        let lock = self.in_force(at, at).ok_or(Answer::NotLocked)?;
        if !lock.of_alice && !self.may("super-check-in", at) {
            return Err(Answer::NotYourLock);
        }
        self.world.locks.remove(&lock);
        Ok(done())
    }
}
