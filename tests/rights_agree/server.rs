//! The server under comparison: its real operations over the memory engine, with the naive model's
//! requests put to it and its answers put back into the model's words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::{LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::access::Principal;
use lockkeeper::ops::copy::CopyDepth;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::properties::{Look, Wanted};
use lockkeeper::ops::target::{Destination, Target};
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{Depth, Overwrite, RequestedTimeout};
use lockkeeper::protocol::path::Name;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{DeadProperty, PropertyPatch, QName};
use lockkeeper::resource::ResourceId;
use lockkeeper::rights::{Access, Grantee, Privilege, Privileges, Role as RealRole, Scope};
use lockkeeper::store::engine::{Engine, Mode, Order};
use lockkeeper::store::memory::MemoryEngine;

use crate::support::{ask, enrol, group_id, path, put, user};
use crate::words::{Answer, Kind, Lock, Node, Request, Role, Spot, To, Who, Why, World};

const NOW: Timestamp = Timestamp(1_000_000);

/// The id that nothing ever had.
const NO_ID: ResourceId = ResourceId(1 << 40);

pub(crate) struct Server {
    engine: MemoryEngine,
    dav: Arc<Dav>,
    ids: BTreeMap<String, ResourceId>,
    tokens: BTreeMap<String, LockToken>,
}

impl Server {
    /// A server with the tree and the locks of `world`, where everybody may do everything.
    pub(crate) async fn of(world: &World) -> Self {
        let engine = MemoryEngine::new();
        enrol(&engine, &user("alice"), &["staff", "guests"]).await;
        let mut server = Self::on(engine, BTreeMap::new(), BTreeMap::new()).await;
        for (at, node) in world.tree.iter().filter(|(at, _)| *at != "/") {
            let ask = ask(&admin(), at, &[], NOW);
            match node {
                Node::File(size) => drop(put(&server.dav, &ask, *size).await.unwrap()),
                Node::Collection => server.dav.make_collection(&ask).await.unwrap(),
            }
        }
        for at in world.tree.keys() {
            let found = server.dav.find(&ask(&admin(), at, &[], NOW)).await.unwrap();
            server.ids.insert(at.clone(), found.id);
        }
        for lock in &world.locks {
            let owner = user(if lock.of_alice { "alice" } else { "bob" });
            let ask = ask(&owner, &lock.at, &[], NOW);
            let wanted = lock_ask(lock.kind, lock.infinite);
            let taken = server.dav.lock(&ask, &wanted).await.unwrap();
            server.tokens.insert(lock.at.clone(), taken.view.lock.token);
        }
        server
    }

    async fn on(
        engine: MemoryEngine,
        ids: BTreeMap<String, ResourceId>,
        tokens: BTreeMap<String, LockToken>,
    ) -> Self {
        let store = Arc::new(engine.clone());
        let dav = Dav::new(store, Blobs::memory(), Config::default(), NOW).await;
        Self {
            engine,
            dav: Arc::new(dav.unwrap()),
            ids,
            tokens,
        }
    }

    /// The same once more, row by row.
    pub(crate) async fn copy(&self) -> Self {
        let engine = MemoryEngine::new();
        let mut from = self.engine.begin(Mode::Read).await.unwrap();
        let mut to = engine.begin(Mode::Write).await.unwrap();
        let all = Bytes::from_static(b"\x00")..Bytes::from_static(b"\xff\xff");
        for (key, value) in from.scan(all, usize::MAX, Order::Ascending).await.unwrap() {
            to.put(key, value);
        }
        to.commit().await.unwrap();
        Self::on(engine, self.ids.clone(), self.tokens.clone()).await
    }

    /// The same with the grants of `world` and no others.
    pub(crate) async fn granting(&self, world: &World) -> Self {
        let server = self.copy().await;
        let root = ask(&admin(), "/", &[], NOW);
        let everyone = Grantee::Everyone;
        server.dav.set_grant(&root, everyone, None).await.unwrap();
        for ((on, to), role) in &world.grants {
            let ask = ask(&admin(), on, &[], NOW);
            let role = Some(real_role(*role));
            server
                .dav
                .set_grant(&ask, grantee(*to), role)
                .await
                .unwrap();
        }
        server
    }

    /// Puts Alice's request.
    pub(crate) async fn ask(&self, request: &Request, who: &Who) -> Result<Answer, String> {
        match self.send(request, &self.alice(who)).await {
            Ok(lines) => Ok(Answer::Done(lines.into_iter().collect())),
            Err(error) => answer_of(&error),
        }
    }

    fn alice(&self, who: &Who) -> Principal {
        let access = if who.only_reads {
            Access::Read
        } else {
            Access::Write
        };
        let within = who.within.as_ref();
        Principal {
            admin: who.admin,
            scope: Scope {
                access,
                within: within.map(|at| self.id(at)),
            },
            ..user("alice")
        }
    }

    fn id(&self, at: &str) -> ResourceId {
        self.ids.get(at).copied().unwrap_or(NO_ID)
    }

    fn target(&self, spot: &Spot) -> Target {
        match spot {
            Spot::Path(at) => path(at).into(),
            Spot::Id(at) => self.id(at).into(),
            Spot::In(of, name) => Target::Member(self.id(of), Name::parse(name).unwrap()),
        }
    }

    fn token(&self, root: &str) -> LockToken {
        self.tokens[root]
    }

    async fn send(&self, request: &Request, alice: &Principal) -> Result<Vec<String>, DavError> {
        let dav = &self.dav;
        let ask = |spot: &Spot| Ask {
            target: self.target(spot),
            ..ask(alice, "/", &[], NOW)
        };
        let overwriting = |overwrite: bool| {
            if overwrite {
                Overwrite::Yes
            } else {
                Overwrite::No
            }
        };
        let nothing = Vec::new;
        match request {
            Request::Find(at) => dav.find(&ask(at)).await.map(|_| nothing()),
            Request::Read(at) => dav.read_content(&ask(at)).await.map(|_| nothing()),
            Request::Search(at, depth) => self.search(ask(at), *depth).await,
            Request::Detail(at) => self.detail(&ask(at)).await,
            Request::Grants(at) => grants(dav, &ask(at)).await,
            Request::SetGrant(at) => {
                let role = Some(RealRole::Reader);
                let granted = dav.set_grant(&ask(at), Grantee::Everyone, role).await;
                granted.map(|()| nothing())
            }
            Request::Put(at) => put(dav, &ask(at), 9).await.map(|_| nothing()),
            Request::Mkcol(at) => dav.make_collection(&ask(at)).await.map(|()| nothing()),
            Request::Delete(at) => dav.delete(&ask(at)).await.map(|()| nothing()),
            Request::Patch(at) => {
                let patched = dav.patch(&ask(at), &[colour()]).await;
                patched.map(|_| nothing())
            }
            Request::Move(at, to, overwrite) => {
                let (ask, to) = (ask(at), path(to));
                let moved = dav.relocate(&ask, &to, overwriting(*overwrite)).await;
                moved.map(|_| nothing())
            }
            Request::MoveInto(at, of) => {
                let into = Destination::Into(self.id(of));
                let moved = dav.relocate(&ask(at), into, Overwrite::No).await;
                moved.map(|_| nothing())
            }
            Request::Rename(at, name) => {
                let sibling = Destination::Sibling(Name::parse(name).unwrap());
                let moved = dav.relocate(&ask(at), sibling, Overwrite::No).await;
                moved.map(|_| nothing())
            }
            Request::Copy(at, to, overwrite, whole) => {
                let depth = if *whole {
                    CopyDepth::Infinity
                } else {
                    CopyDepth::Zero
                };
                let (ask, to) = (ask(at), path(to));
                let copied = dav.copy(&ask, &to, overwriting(*overwrite), depth).await;
                copied.map(|_| nothing())
            }
            Request::CopyInto(at, of) => {
                let into = Destination::Into(self.id(of));
                let depth = CopyDepth::Infinity;
                let copied = dav.copy(&ask(at), into, Overwrite::No, depth).await;
                copied.map(|_| nothing())
            }
            Request::Lock(at, kind, infinite) => {
                let taken = dav.lock(&ask(at), &lock_ask(*kind, *infinite)).await;
                taken.map(|_| nothing())
            }
            Request::Unlock(at, root) => {
                let token = self.token(root).to_string();
                dav.unlock(&ask(at), &token).await.map(|()| nothing())
            }
            Request::Refresh(at, root) => {
                let ask = Ask {
                    lock_token: Some(self.token(root).to_string()),
                    ..ask(at)
                };
                let refreshed = dav.refresh(&ask, RequestedTimeout::Unspecified).await;
                refreshed.map(|_| nothing())
            }
            Request::Steal(at, root) => {
                let stolen = dav.steal(&ask(at), self.token(root)).await;
                stolen.map(|_| nothing())
            }
            Request::History(at) => dav.history(&ask(at)).await.map(|_| nothing()),
            Request::ReadVersion(at, number) => {
                let read = dav.read_version(&ask(at), *number).await;
                read.map(|_| nothing())
            }
            Request::Restore(at, number) => dav.restore(&ask(at), *number).await.map(|_| nothing()),
            Request::Label(at, number) => {
                let labelled = dav.label(&ask(at), *number, Some("mine")).await;
                labelled.map(|_| nothing())
            }
            Request::CheckIn(at) => dav.check_in(&ask(at), None).await.map(|_| nothing()),
        }
    }

    async fn search(&self, ask: Ask, depth: Option<u8>) -> Result<Vec<String>, DavError> {
        let depth = match depth {
            Some(0) => Depth::Zero,
            Some(_) => Depth::One,
            None => Depth::Infinity,
        };
        let wanted = Wanted {
            dead: Look::Up,
            locks: Look::Up,
        };
        let mut search = self.dav.search(ask, depth, wanted).await?;
        let mut lines = Vec::new();
        while let Some(page) = search.next_page().await? {
            let line = |href: &str, held| format!("{href} {}", words(held));
            lines.extend(page.iter().map(|found| line(&found.href, found.privileges)));
        }
        Ok(lines)
    }

    async fn detail(&self, ask: &Ask) -> Result<Vec<String>, DavError> {
        let detail = self.dav.detail(ask).await?;
        let mut lines = vec![format!("{} {}", detail.path, words(detail.privileges))];
        let above = detail.ancestors.iter();
        lines.extend(above.map(|above| format!("in {}", above.name)));
        Ok(lines)
    }

    /// All that is there, as an admin sees it.
    pub(crate) async fn world(&self) -> World {
        let wanted = Wanted {
            dead: Look::Away,
            locks: Look::Up,
        };
        let everything = ask(&admin(), "/", &[], NOW);
        let search = self.dav.search(everything, Depth::Infinity, wanted).await;
        let mut search = search.unwrap();
        let mut world = World {
            tree: BTreeMap::new(),
            grants: BTreeMap::new(),
            locks: BTreeSet::new(),
        };
        while let Some(page) = search.next_page().await.unwrap() {
            for found in page {
                let at = match found.href.trim_end_matches('/') {
                    "" => "/",
                    at => at,
                };
                let node = found.resource.size().map_or(Node::Collection, Node::File);
                world.tree.insert(at.to_owned(), node);
                if node == Node::Collection {
                    self.add_grants(&mut world, at).await;
                }
                let own = found.locks.iter().map(|view| &view.lock);
                let own = own.filter(|lock| lock.root == found.resource.id);
                world.locks.extend(own.map(|lock| Lock {
                    at: at.to_owned(),
                    of_alice: lock.owner == user("alice").id,
                    kind: naive_kind(lock.kind),
                    infinite: lock.depth == LockDepth::Infinity,
                }));
            }
        }
        world
    }

    async fn add_grants(&self, world: &mut World, at: &str) {
        let on_the_way = self.dav.grants(&ask(&admin(), at, &[], NOW)).await.unwrap();
        let here = on_the_way.iter().filter(|on| on.path.to_string() == at);
        for grant in here.flat_map(|on| &on.grants) {
            let key = (at.to_owned(), naive_grantee(grant.grant.to));
            world.grants.insert(key, naive_role(grant.grant.role));
        }
    }
}

async fn grants(dav: &Dav, ask: &Ask) -> Result<Vec<String>, DavError> {
    let found = dav.grants(ask).await?;
    let lines = found.iter().flat_map(|on| {
        let line = |to, role| format!("{} {:?} {:?}", on.path, naive_grantee(to), naive_role(role));
        on.grants
            .iter()
            .map(move |grant| line(grant.grant.to, grant.grant.role))
    });
    Ok(lines.collect())
}

fn admin() -> Principal {
    Principal {
        admin: true,
        ..user("admin")
    }
}

fn words(privileges: Privileges) -> String {
    let all: Vec<&str> = privileges.iter().map(Privilege::as_str).collect();
    all.join(" ")
}

fn colour() -> PropertyPatch {
    PropertyPatch::Set(DeadProperty {
        name: QName {
            ns: "urn:x".to_owned(),
            name: "colour".to_owned(),
        },
        xml: "<x:colour xmlns:x=\"urn:x\">1</x:colour>".to_owned(),
    })
}

fn lock_ask(kind: Kind, infinite: bool) -> LockAsk {
    LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(match kind {
            Kind::Persistent => LockKind::Persistent,
            Kind::Transient => LockKind::Transient,
            Kind::ReadOnly => LockKind::ReadOnly,
        }),
        depth: if infinite {
            LockDepth::Infinity
        } else {
            LockDepth::Zero
        },
        timeout: RequestedTimeout::Unspecified,
        owner_xml: None,
        comment: None,
    }
}

fn naive_kind(kind: LockKind) -> Kind {
    match kind {
        LockKind::Persistent => Kind::Persistent,
        LockKind::Transient => Kind::Transient,
        LockKind::ReadOnly => Kind::ReadOnly,
    }
}

fn real_role(role: Role) -> RealRole {
    match role {
        Role::None => RealRole::None,
        Role::Reader => RealRole::Reader,
        Role::Editor => RealRole::Editor,
        Role::Manager => RealRole::Manager,
    }
}

fn naive_role(role: RealRole) -> Role {
    match role {
        RealRole::None => Role::None,
        RealRole::Reader => Role::Reader,
        RealRole::Editor => Role::Editor,
        RealRole::Manager => Role::Manager,
    }
}

fn grantee(to: To) -> Grantee {
    match to {
        To::Alice => Grantee::User(user("alice").id),
        To::Staff => Grantee::Group(group_id("staff")),
        To::Guests => Grantee::Group(group_id("guests")),
        To::Everyone => Grantee::Everyone,
    }
}

fn naive_grantee(to: Grantee) -> To {
    match to {
        Grantee::Everyone => To::Everyone,
        Grantee::User(_) => To::Alice,
        Grantee::Group(id) if id == group_id("staff") => To::Staff,
        Grantee::Group(_) => To::Guests,
    }
}

/// A refusal in the model's words; sentences that the model does not know are an error.
fn answer_of(error: &DavError) -> Result<Answer, String> {
    let answer = match error {
        DavError::NotFound => Answer::NotFound,
        DavError::ParentMissing => Answer::ParentMissing,
        DavError::NotAllowedHere(_) => Answer::NotAllowedHere,
        DavError::PreconditionFailed(_) => Answer::PreconditionFailed,
        DavError::BadRequest(_) => Answer::BadRequest,
        DavError::TokenMismatch => Answer::TokenMismatch,
        DavError::NotLocked(_) => Answer::NotLocked,
        DavError::NotYourLock(_) => Answer::NotYourLock,
        DavError::Locked(_) | DavError::LockConflict(_) | DavError::Members(_) => Answer::Locked,
        DavError::NeedsPrivilege { href, privilege } => Answer::Needs(privilege, href.clone()),
        DavError::Forbidden(why) => {
            const SENTENCES: [(&str, Why); 6] = [
                ("this name cannot be used here", Why::NameTaken),
                ("is not yours to change", Why::PartNotYours),
                ("is for reading only", Why::KeyOnlyReads),
                ("the root collection cannot be", Why::Root),
                ("source and destination are the same", Why::Same),
                ("can neither go into itself", Why::IntoItself),
            ];
            let known = SENTENCES.iter().find(|(text, _)| why.contains(text));
            Answer::Forbidden(known.ok_or_else(|| why.clone())?.1)
        }
        other => return Err(format!("{other:?}")),
    };
    Ok(answer)
}
