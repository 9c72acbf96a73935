//! A server in which something is hidden, and everybody who may try to get at it.

use std::sync::Arc;
use std::time::Duration;

use lockkeeper::config::Config;
use lockkeeper::lock::{LockDepth, LockKind, LockScope};
use lockkeeper::ops::access::api_keys::{self, NewApiKey};
use lockkeeper::ops::access::sessions::{self, Renewal};
use lockkeeper::ops::access::{self, NewUser, Principal};
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::password::Password;
use lockkeeper::ops::{Dav, NoObserver};
use lockkeeper::protocol::headers::RequestedTimeout;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::rights::{Access, Grantee, Role};

use crate::common::{Client, Server};
use crate::requests::Ids;
use crate::support::{ask, put};

/// Long ago: what expires a moment later has expired when the server looks at the clock.
const NOW: Timestamp = Timestamp(1_000_000);
/// So far away that no resource of these tests has the id.
const ABSENT: u64 = 1 << 40;
pub(crate) const OWN: &str = "/in/own.txt";
pub(crate) const INSIDE: [&str; 4] = ["", "/sub", "/file.txt", "/sub/deep.txt"];
const PASSWORD: &str = "a password of seven words or so";

/// Tokens by what they are.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Of the admin, of whom nothing is kept.
    pub(crate) admin: String,
    /// They open the door, and reach nothing of what is hidden.
    pub(crate) blind: Vec<(&'static str, String)>,
    /// They see everything and may change nothing.
    pub(crate) looking: Vec<(&'static str, String)>,
    /// They open nothing.
    pub(crate) dead: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) tokens: Tokens,
    /// About what is hidden.
    pub(crate) hidden: Ids,
}

/// All who show wrong tokens come at once, and from one address.
const CROWD: &str = "[server]\nconnections_max = 4096\nconnections_per_address_max = 4096\n";

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.data = folder.path().join("data");
        let opened = Dav::open(&config, NOW, || Duration::ZERO, Arc::new(NoObserver)).await;
        let dav = opened.unwrap();
        let people = enrol(&dav).await;
        let hidden = furnish(&dav, &people).await;
        let tokens = make_tokens(&dav).await;
        dav.close().await.unwrap();
        Self {
            server: Server::start_in(folder, CROWD, &config.store.data, Vec::new()),
            tokens,
            hidden,
        }
    }

    pub(crate) fn client(&self, token: &str) -> Client {
        let anonymous = self.server.anonymous();
        anonymous.authorized(&format!("Bearer {token}"))
    }

    /// The same requests about ids that nothing has.
    pub(crate) fn absent(&self) -> Ids {
        let others = self.hidden.others.iter().map(|id| id + ABSENT);
        Ids {
            others: others.collect(),
            ..self.hidden.clone()
        }
    }

    /// An answer about absent ids as it would be about the hidden ones.
    pub(crate) fn as_if_hidden(&self, text: &str) -> String {
        let mut text = text.replace("absent", "hidden");
        for id in &self.hidden.others {
            text = text.replace(&(id + ABSENT).to_string(), &id.to_string());
            text = text.replace(&format!("{:032x}", id + ABSENT), &format!("{id:032x}"));
        }
        text
    }

    /// All that requests could change.
    pub(crate) fn snapshot(&self) -> String {
        let admin = self.client(&self.tokens.admin);
        let mut all = admin.propfind("/", "infinity", "").status(207).text();
        let [hidden, sub, ..] = self.hidden.others[..] else {
            panic!("{:?}", self.hidden);
        };
        for id in [1, self.hidden.project, hidden, sub] {
            let told = admin.get(&format!("/api/2.0/files/folder/{id}/share"));
            all.push_str(&told.text());
        }
        all + &admin.get("/api/2.0/people").status(200).text()
    }
}

/// Ada (admin), Alice, Bob, Gus, Nora, Rea.
async fn enrol(dav: &Dav) -> Vec<Principal> {
    let mut people = Vec::new();
    for name in ["ada", "alice", "bob", "gus", "nora", "rea", "gone"] {
        let new = NewUser {
            admin: name == "ada",
            display_name: (name == "bob").then(|| "Hidden Bob".to_owned()),
            ..NewUser::new(name, Password::from(PASSWORD.to_owned()))
        };
        access::add(dav, new, NOW).await.unwrap();
        let found = access::find(dav, name).await.unwrap().unwrap();
        people.push(Principal::from(&found));
    }
    people
}

/// `/in` is what some reach, `/hidden` what they do not.
async fn furnish(dav: &Dav, people: &[Principal]) -> Ids {
    let [ada, alice, bob, gus, nora, rea, _] = people else {
        panic!("{people:?}");
    };
    let by = |who: &Principal, at: &str| ask(who, at, &[], NOW);
    for (at, who, role) in [
        ("/", alice, Role::Manager),
        ("/", rea, Role::Reader),
        ("/", bob, Role::Editor),
        ("/", gus, Role::None),
        ("/", nora, Role::None),
    ] {
        let to = Grantee::User(who.id);
        dav.set_grant(&by(ada, at), to, Some(role)).await.unwrap();
    }
    for at in ["/in", "/hidden", "/hidden/sub"] {
        dav.make_collection(&by(alice, at)).await.unwrap();
    }
    let to_gus = Grantee::User(gus.id);
    let editor = Some(Role::Editor);
    dav.set_grant(&by(ada, "/in"), to_gus, editor)
        .await
        .unwrap();
    for at in [
        OWN,
        "/hidden/file.txt",
        "/hidden/file.txt",
        "/hidden/sub/deep.txt",
    ] {
        put(dav, &by(alice, at), 5).await.unwrap();
    }
    let wanted = LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(LockKind::Persistent),
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Unspecified,
        owner_xml: None,
        comment: Some("a hidden comment".to_owned()),
    };
    let taken = dav.lock(&by(bob, "/hidden/file.txt"), &wanted).await;
    let mut others = Vec::new();
    for inner in INSIDE {
        let found = dav.find(&by(ada, &format!("/hidden{inner}"))).await;
        others.push(found.unwrap().id.0);
    }
    Ids {
        project: dav.find(&by(ada, "/in")).await.unwrap().id.0,
        file: dav.find(&by(ada, OWN)).await.unwrap().id.0,
        others,
        lock: taken.unwrap().view.lock.token.to_string(),
    }
}

async fn make_tokens(dav: &Dav) -> Tokens {
    use Access::{Read, Write};
    let key = async |user: &str, name: &'static str, access, within: Option<&str>, expires| {
        let new = NewApiKey {
            user: user.to_owned(),
            name: name.to_owned(),
            access,
            within: within.map(str::to_owned),
            expires,
        };
        let made = api_keys::add(dav, new, NOW).await.unwrap();
        (name, made.1.reveal().to_owned())
    };
    let within = Some("/in");
    let soon = Some(NOW.plus_seconds(1));
    let revoked = key("alice", "revoked", Write, None, None).await;
    api_keys::revoke(dav, "alice", revoked.0).await.unwrap();
    let removed = key("gone", "of a removed user", Write, None, None).await;
    access::remove(dav, "gone").await.unwrap();
    let whole = key("alice", "whole", Write, None, None).await.1;
    let password = || Password::from(PASSWORD.to_owned());
    let alice = access::verify_password(dav, "alice", password(), "").await;
    let alice = alice.unwrap().unwrap();
    let session = sessions::sign_in(dav, &alice, Renewal::Offered, NOW).await;
    let session = session.unwrap();
    let refresh = session.refresh.as_ref().unwrap().reveal();
    Tokens {
        admin: key("ada", "all", Write, None, None).await.1,
        blind: vec![
            key("alice", "confined", Write, within, None).await,
            key("alice", "confined to reading", Read, within, None).await,
            key("ada", "confined admin", Write, within, None).await,
            key("gus", "of a guest", Write, None, None).await,
            key("nora", "of nobody", Write, None, None).await,
        ],
        looking: vec![
            key("alice", "reading", Read, None, None).await,
            key("ada", "reading admin", Read, None, None).await,
            key("rea", "of a reader", Write, None, None).await,
        ],
        dead: vec![
            key("alice", "expired", Write, None, soon).await,
            revoked,
            removed,
            ("an ended session", session.access.reveal().to_owned()),
            ("a refresh token", refresh.to_owned()),
            ("truncated", whole[..whole.len() - 1].to_owned()),
            ("longer", format!("{whole}A")),
            ("another kind", whole.replacen("sk-", "at-", 1)),
            ("another case", whole.to_uppercase()),
            ("forged", format!("sk-{}", "A".repeat(43))),
            ("nothing", String::new()),
        ],
    }
}
