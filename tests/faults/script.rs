//! Every operation that changes anything, one after the other.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use lockkeeper::config::Config;
use lockkeeper::lock::{LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::access::api_keys::{self, NewApiKey};
use lockkeeper::ops::access::sessions::{self, Renewal};
use lockkeeper::ops::access::users::{self, NewUser, UserChange, Verified};
use lockkeeper::ops::access::{Principal, groups};
use lockkeeper::ops::content::{Manner, Then};
use lockkeeper::ops::copy::CopyDepth;
use lockkeeper::ops::intake::Intake;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::password::Password;
use lockkeeper::ops::webhooks::{self, Attempt, Begin, NewWebhook, WebhookId};
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::headers::{ContentRange, Overwrite, RequestedTimeout};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{DeadProperty, PropertyPatch, QName};
use lockkeeper::rights::{Access, Grantee, Role};
use lockkeeper::store::engine::Engine;

use crate::support::{ask, enrol, path, put, user};

/// When the first step is taken.
const BEGIN: Timestamp = Timestamp(1_000_000_000);

/// When everything is over that ends by itself.
pub(crate) const MUCH_LATER: Timestamp = Timestamp(9_000_000_000);

/// What a step said no with.
pub(crate) type Said = Result<(), String>;

/// Something that somebody does.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    act: for<'d> fn(&'d Desk) -> BoxFuture<'d, Said>,
}

impl Step {
    /// Whether it is several transactions, each of which may have happened or not.
    pub(crate) fn is_many(self) -> bool {
        self.name.starts_with("sweep")
    }

    pub(crate) async fn act(self, desk: &Desk) -> Said {
        (self.act)(desk).await
    }
}

/// Where the steps are taken.
pub(crate) struct Desk {
    pub(crate) dav: Arc<Dav>,
    pub(crate) now: Timestamp,
}

/// Few old versions and few events are kept, so that some go.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.versions.keep = 2;
    config.events.keep = 40;
    config
}

/// When step `number` is taken.
pub(crate) fn moment(number: usize) -> Timestamp {
    BEGIN.plus_seconds(10 * number as u64)
}

/// Who is there from the beginning.
pub(crate) async fn enrol_all(engine: &dyn Engine) {
    enrol(engine, &root(), &["staff"]).await;
    enrol(engine, &user("alice"), &[]).await;
    enrol(engine, &user("bob"), &[]).await;
}

fn root() -> Principal {
    Principal {
        admin: true,
        ..user("root")
    }
}

fn said<T, E: Display>(answer: Result<T, E>) -> Said {
    answer.map(drop).map_err(|error| error.to_string())
}

impl Desk {
    fn ask(&self, who: &str, at: &str) -> Ask {
        ask(&principal(who), at, &[], self.now)
    }

    /// With the tokens of all locks that this user has, as a client finds them.
    async fn with_tokens(&self, who: &str, at: &str) -> Ask {
        let locks = self.dav.locks_page(self.now, None).await;
        let (locks, _) = locks.unwrap_or_default();
        let own = locks.iter().filter(|placed| placed.lock.holder == who);
        let tokens: Vec<_> = own.map(|placed| placed.lock.token).collect();
        ask(&principal(who), at, &tokens, self.now)
    }

    async fn token(&self, who: &str, at: &str) -> Result<LockToken, String> {
        let locks = self.dav.locks_page(self.now, None).await;
        let (locks, _) = locks.map_err(|error| error.to_string())?;
        let mut here = locks
            .iter()
            .filter(|placed| placed.path.to_plain() == at && placed.lock.holder == who);
        let found = here
            .next()
            .ok_or_else(|| format!("{who} has no lock on {at}"));
        found.map(|placed| placed.lock.token)
    }

    async fn put(&self, who: &str, at: &str, size: u64) -> Said {
        let ask = self.with_tokens(who, at).await;
        said(put(&self.dav, &ask, size).await)
    }

    async fn collection(&self, at: &str) -> Said {
        said(self.dav.make_collection(&self.ask("alice", at)).await)
    }

    async fn lock(&self, who: &str, at: &str, kind: LockKind, depth: LockDepth) -> Said {
        let wanted = LockAsk {
            kind: Some(kind),
            depth,
            ..transient(LockScope::Exclusive)
        };
        said(self.dav.lock(&self.ask(who, at), &wanted).await)
    }

    async fn share(&self, who: &str, at: &str) -> Said {
        let wanted = transient(LockScope::Shared);
        said(self.dav.lock(&self.ask(who, at), &wanted).await)
    }

    async fn copy(&self, from: &str, to: &str) -> Said {
        let (ask, all) = (self.with_tokens("alice", from).await, CopyDepth::Infinity);
        said(self.dav.copy(&ask, &path(to), Overwrite::Yes, all).await)
    }

    async fn relocate(&self, from: &str, to: &str) -> Said {
        let ask = self.with_tokens("alice", from).await;
        said(self.dav.relocate(&ask, &path(to), Overwrite::Yes).await)
    }

    async fn delete(&self, at: &str) -> Said {
        let ask = self.with_tokens("alice", at).await;
        said(self.dav.delete(&ask).await)
    }

    async fn patch(&self, at: &str, patches: &[PropertyPatch]) -> Said {
        let ask = self.with_tokens("alice", at).await;
        said(self.dav.patch(&ask, patches).await)
    }

    async fn label(&self, at: &str, label: Option<&str>) -> Said {
        let ask = self.with_tokens("alice", at).await;
        said(self.dav.label(&ask, 1, label).await)
    }

    /// Ten bytes in the middle.
    async fn put_part(&self, at: &str) -> Said {
        let ask = self.ask("alice", at);
        let range = ContentRange {
            first: 10,
            last: 19,
            total: None,
        };
        let part = async {
            let file = self.dav.find(&ask).await?;
            let mut intake = self.dav.begin_partial(&file, &range).await?;
            intake.push(Bytes::from_static(b"0123456789")).await?;
            self.dav.end_partial(&file, &range, &mut intake).await?;
            let content = intake.finish(None).await?;
            self.dav.upload(&ask, content, Manner::default()).await
        };
        said(part.await)
    }

    /// A check-out ends with the upload for which it was.
    async fn put_and_check_in(&self, who: &str, at: &str, size: usize) -> Said {
        let ask = self.with_tokens(who, at).await;
        let manner = Manner {
            then: Then::CheckIn(None),
            ..Manner::default()
        };
        let upload = async {
            let mut intake = Intake::new(&self.dav, None)?;
            intake.push(Bytes::from(vec![b'y'; size])).await?;
            let content = intake.finish(Some("text/plain".to_owned())).await?;
            self.dav.upload(&ask, content, manner).await
        };
        said(upload.await)
    }

    /// Alice's lock stands in the way, which is an event.
    async fn refused(&self, at: &str) -> Said {
        match put(&self.dav, &self.ask("bob", at), 1).await {
            Ok(_) => Err(format!("bob may write {at}")),
            Err(error) if error.status() == 423 => said(self.dav.record_refusals().await),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn steal(&self, who: &str, from: &str, at: &str) -> Said {
        let token = self.token(from, at).await?;
        said(self.dav.steal(&self.ask(who, at), token).await)
    }

    async fn unlock(&self, who: &str, at: &str) -> Said {
        let token = self.token(who, at).await?;
        said(
            self.dav
                .unlock(&self.ask(who, at), &token.to_string())
                .await,
        )
    }

    async fn grant(&self, at: &str, to: &[(Grantee, Option<Role>)]) -> Said {
        said(self.dav.set_grants(&self.ask("root", at), to).await)
    }

    async fn add_key(&self, name: &str, seconds: u64) -> Said {
        let key = NewApiKey {
            user: "alice".to_owned(),
            name: name.to_owned(),
            access: Access::Read,
            within: Some("/a".to_owned()),
            expires: Some(self.now.plus_seconds(seconds)),
        };
        said(api_keys::add(&self.dav, key, self.now).await)
    }

    async fn verified(&self) -> Result<Verified, String> {
        let verified = users::verify_password(&self.dav, "carol", password("second"), "");
        let verified = verified.await.map_err(|error| error.to_string())?;
        verified.ok_or_else(|| "carol's password is worth nothing".to_owned())
    }

    async fn sign_in_and_renew(&self) -> Said {
        let carol = self.verified().await?;
        let session = async {
            let tokens = sessions::sign_in(&self.dav, &carol, Renewal::Offered, self.now).await?;
            let refresh = tokens.refresh.unwrap();
            sessions::renew(&self.dav, refresh.reveal(), self.now).await
        };
        match session.await {
            Ok(None) => Err("a fresh token is worth nothing".to_owned()),
            other => said(other),
        }
    }

    async fn attempted(&self, attempt: &Attempt) -> Said {
        let hook = self.hook().await?;
        said(self.dav.webhook_attempted(hook, attempt, self.now).await)
    }

    async fn hook(&self) -> Result<WebhookId, String> {
        let hooks = self
            .dav
            .webhooks()
            .await
            .map_err(|error| error.to_string())?;
        hooks
            .first()
            .copied()
            .ok_or_else(|| "there is no webhook".to_owned())
    }

    async fn sweep(&self, now: Timestamp) -> Said {
        said(self.dav.sweep(now).await)
    }
}

fn principal(who: &str) -> Principal {
    if who == "root" { root() } else { user(who) }
}

fn password(which: &str) -> Password {
    Password::from(format!("carol's {which} password"))
}

fn transient(scope: LockScope) -> LockAsk {
    LockAsk {
        scope,
        kind: Some(LockKind::Transient),
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Seconds(3_600),
        owner_xml: Some("<x>somebody</x>".to_owned()),
        comment: Some("why".to_owned()),
    }
}

fn name(of: &str) -> QName {
    QName {
        ns: "urn:x".to_owned(),
        name: of.to_owned(),
    }
}

fn property(of: &str, length: usize) -> PropertyPatch {
    PropertyPatch::Set(DeadProperty {
        name: name(of),
        xml: format!("<{of} xmlns=\"urn:x\">{}</{of}>", "y".repeat(length)),
    })
}

fn new_hook(url: &str) -> NewWebhook {
    NewWebhook {
        url: url.to_owned(),
        user: "alice".to_owned(),
        path: Some("/a".to_owned()),
        since: Begin::Now,
    }
}

macro_rules! steps {
    ($($name:literal: $desk:ident => $act:expr;)*) => {
        &[$(Step {
            name: $name,
            act: |$desk| Box::pin(async move { $act }),
        }),*]
    };
}

use LockDepth::{Infinity, Zero};
use LockKind::{Persistent, ReadOnly, Transient};

/// Those that hash passwords come first, which takes its time.
pub(crate) const STEPS: &[Step] = steps! {
    "add a user": desk => said(
        users::add(&desk.dav, NewUser::new("carol", password("first")), desk.now).await
    );
    "set a password": desk => said(
        users::set_password(&desk.dav, "carol", password("second")).await
    );
    "sign in and renew": desk => desk.sign_in_and_renew().await;
    "change a user": desk => {
        let email = Some("carol@example.org".to_owned());
        let change = UserChange { email, ..UserChange::default() };
        said(users::change(&desk.dav, "carol", change).await)
    };
    "add a group": desk => said(groups::add(&desk.dav, "makers", desk.now).await);
    "add a member": desk => said(groups::add_member(&desk.dav, "makers", "carol").await);
    "rename a group": desk => said(groups::rename(&desk.dav, "makers", "writers").await);
    "make /a": desk => desk.collection("/a").await;
    "make /a/b": desk => desk.collection("/a/b").await;
    "make /c": desk => desk.collection("/c").await;
    "put an empty file": desk => desk.put("alice", "/a/empty", 0).await;
    "put a small file": desk => desk.put("alice", "/a/small", 100).await;
    "put a large file": desk => desk.put("alice", "/a/large", 10_000).await;
    "put a file below": desk => desk.put("alice", "/a/b/file", 5_000).await;
    "put another file": desk => desk.put("bob", "/c/file", 300).await;
    "put the next version": desk => desk.put("alice", "/a/small", 200).await;
    "put a part": desk => desk.put_part("/a/large").await;
    "lock exclusively": desk => desk.lock("alice", "/a/small", Transient, Zero).await;
    "put under a lock": desk => desk.put("alice", "/a/small", 300).await;
    "put under it again": desk => desk.put("alice", "/a/small", 400).await;
    "be refused": desk => desk.refused("/a/small").await;
    "refresh": desk => {
        let ask = desk.with_tokens("alice", "/a/small").await;
        said(desk.dav.refresh(&ask, RequestedTimeout::Seconds(7_200)).await)
    };
    "share a lock": desk => desk.share("alice", "/c/file").await;
    "share it, too": desk => desk.share("bob", "/c/file").await;
    "unlock": desk => desk.unlock("bob", "/c/file").await;
    "lock a name": desk => desk.lock("alice", "/a/null", Transient, Zero).await;
    "lock a folder": desk => desk.lock("alice", "/a/b", Transient, Infinity).await;
    "freeze": desk => desk.lock("root", "/a/empty", ReadOnly, Zero).await;
    "check out": desk => desk.lock("bob", "/a/large", Persistent, Zero).await;
    "put and check in": desk => desk.put_and_check_in("bob", "/a/large", 6_000).await;
    "check out again": desk => desk.lock("bob", "/a/large", Persistent, Zero).await;
    "steal": desk => desk.steal("root", "bob", "/a/large").await;
    "check in": desk => said(desk.dav.check_in(&desk.ask("root", "/a/large"), None).await);
    "restore": desk => {
        let ask = desk.with_tokens("alice", "/a/small").await;
        said(desk.dav.restore(&ask, 1).await)
    };
    "label": desk => desk.label("/a/small", Some("the first")).await;
    "set properties": desk => {
        let patches = [property("short", 10), property("long", 9_000)];
        desk.patch("/a/small", &patches).await
    };
    "change properties": desk => {
        let patches = [property("long", 10), PropertyPatch::Remove(name("short"))];
        desk.patch("/a/small", &patches).await
    };
    "set a property of a folder": desk => desk.patch("/c", &[property("short", 20)]).await;
    "copy a file": desk => desk.copy("/a/large", "/c/copy").await;
    "copy onto a file": desk => desk.copy("/a/small", "/c/copy").await;
    "copy a tree": desk => desk.copy("/a", "/d").await;
    "copy onto a tree": desk => desk.copy("/c", "/d/b").await;
    "copy a version": desk => {
        let (ask, to) = (desk.with_tokens("alice", "/a/small").await, path("/c/old"));
        said(desk.dav.copy_version(&ask, 1, &to, Overwrite::Yes).await)
    };
    "move a file": desk => desk.relocate("/c/copy", "/c/moved").await;
    "move onto a file": desk => desk.relocate("/d/large", "/c/moved").await;
    "move a tree": desk => desk.relocate("/d", "/e").await;
    "move a locked tree": desk => desk.relocate("/a/b", "/c/b").await;
    "delete a file": desk => desk.delete("/c/moved").await;
    "delete a tree": desk => desk.delete("/e").await;
    "take a label off": desk => desk.label("/a/small", None).await;
    "grant": desk => {
        let to = [
            (Grantee::User(user("bob").id), Some(Role::Reader)),
            (Grantee::Group(crate::support::group_id("staff")), Some(Role::Manager)),
        ];
        desk.grant("/c", &to).await
    };
    "take a grant away": desk => {
        desk.grant("/c", &[(Grantee::User(user("bob").id), None)]).await
    };
    "add an API key": desk => desk.add_key("mount", 5_000).await;
    "add another API key": desk => desk.add_key("program", 600_000_000).await;
    "add a webhook": desk => {
        let new = new_hook("https://example.org/one");
        said(webhooks::add(&desk.dav, new, desk.now).await)
    };
    "fail to deliver": desk => {
        let error = "nobody there".to_owned();
        desk.attempted(&Attempt::Failed { events: 0, error }).await
    };
    "a receiver is gone": desk => desk.attempted(&Attempt::Gone).await;
    "deliver at once": desk => {
        let hook = desk.hook().await?.to_string();
        said(webhooks::retry(&desk.dav, &hook, desk.now).await)
    };
    "remove a webhook": desk => {
        let hook = desk.hook().await?.to_string();
        said(webhooks::remove(&desk.dav, &hook).await)
    };
    "sweep": desk => desk.sweep(desk.now).await;
    "put one version more": desk => desk.put("alice", "/c/file", 20_000).await;
    "put yet another": desk => desk.put("alice", "/c/file", 400).await;
    "put too many": desk => desk.put("alice", "/c/file", 500).await;
    "sweep versions": desk => desk.sweep(desk.now).await;
    "revoke an API key": desk => said(api_keys::revoke(&desk.dav, "alice", "program").await);
    "remove a member": desk => {
        said(groups::remove_member(&desk.dav, "writers", "carol").await)
    };
    "remove a group": desk => said(groups::remove(&desk.dav, "staff").await);
    "remove a user": desk => said(users::remove(&desk.dav, "carol").await);
    "delete what was granted": desk => desk.delete("/c").await;
    "sweep what lapsed": desk => desk.sweep(MUCH_LATER).await;
};
