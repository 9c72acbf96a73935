//! A store in which there is something of every kind.

use std::sync::Arc;

use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::{LockDepth, LockKind, LockScope};
use lockkeeper::ops::Dav;
use lockkeeper::ops::access::api_keys::{self, NewApiKey};
use lockkeeper::ops::access::sessions::{self, Renewal};
use lockkeeper::ops::access::users::{self, NewUser};
use lockkeeper::ops::access::{Principal, groups};
use lockkeeper::ops::copy::CopyDepth;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::password::Password;
use lockkeeper::ops::webhooks::{self, Begin, NewWebhook};
use lockkeeper::protocol::headers::{Overwrite, RequestedTimeout};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{DeadProperty, PropertyPatch, QName};
use lockkeeper::rights::{Access, Grantee, Role};
use lockkeeper::store::engine::Engine;

use crate::support::{ask, path, put};

pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

fn lock(kind: LockKind, depth: LockDepth) -> LockAsk {
    LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(kind),
        depth,
        timeout: RequestedTimeout::Seconds(600),
        owner_xml: Some("somebody".to_owned()),
        comment: Some("why".to_owned()),
    }
}

fn property(name: &str, length: usize) -> PropertyPatch {
    PropertyPatch::Set(DeadProperty {
        name: QName {
            ns: "urn:x".to_owned(),
            name: name.to_owned(),
        },
        xml: format!("<{name} xmlns=\"urn:x\">{}</{name}>", "y".repeat(length)),
    })
}

/// Whoever may do everything.
async fn admin(dav: &Dav) -> Principal {
    let password = Password::random().unwrap();
    let new = NewUser {
        admin: true,
        ..NewUser::new("root", password.clone())
    };
    users::add(dav, new, NOW).await.unwrap();
    let verified = users::verify_password(dav, "root", password, "").await;
    let verified = verified.unwrap().unwrap();
    sessions::sign_in(dav, &verified, Renewal::Offered, NOW)
        .await
        .unwrap();
    verified.principal
}

async fn people(dav: &Dav, root: &Principal) {
    groups::add(dav, "staff", NOW).await.unwrap();
    groups::add_member(dav, "staff", "root").await.unwrap();
    let (staff, _) = groups::show(dav, "staff").await.unwrap();
    let grants = [
        (Grantee::Group(staff.id), Some(Role::Reader)),
        (Grantee::User(root.id), Some(Role::Manager)),
    ];
    let on = |at| ask(root, at, &[], NOW);
    dav.set_grants(&on("/docs"), &grants).await.unwrap();
    dav.set_grants(&on("/gone"), &grants).await.unwrap();
    let key = NewApiKey {
        user: "root".to_owned(),
        name: "mount".to_owned(),
        access: Access::Read,
        within: Some("/docs".to_owned()),
        expires: Some(NOW.plus_seconds(1_000)),
    };
    api_keys::add(dav, key, NOW).await.unwrap();
    let webhook = NewWebhook {
        url: "https://example.org/hook".to_owned(),
        user: "root".to_owned(),
        path: None,
        since: Begin::Now,
    };
    webhooks::add(dav, webhook, NOW).await.unwrap();
}

async fn files(dav: &Dav, root: &Principal) {
    let on = |at| ask(root, at, &[], NOW);
    for (at, size) in [
        ("/docs/small", 100),
        ("/docs/small", 200),
        ("/docs/large", 20_000),
        ("/docs/large", 10_000),
        ("/docs/empty", 0),
        ("/docs/deep/inner/file", 10),
        ("/gone/file", 5_000),
        ("/passing", 5_000),
    ] {
        put(dav, &on(at), size).await.unwrap();
    }
    dav.label(&on("/docs/small"), 1, Some("first"))
        .await
        .unwrap();
    let to = path("/docs/copy");
    dav.copy(&on("/docs/large"), &to, Overwrite::Yes, CopyDepth::Infinity)
        .await
        .unwrap();
    let patches = [property("short", 10), property("long", 9_000)];
    dav.patch(&on("/docs/small"), &patches).await.unwrap();
    dav.patch(&on("/docs"), &patches[..1]).await.unwrap();
}

async fn locks(dav: &Dav, root: &Principal) {
    let on = |at| ask(root, at, &[], NOW);
    for (at, kind, depth) in [
        ("/docs/small", LockKind::Persistent, LockDepth::Zero),
        ("/docs/small", LockKind::Transient, LockDepth::Zero),
        ("/docs/empty", LockKind::ReadOnly, LockDepth::Zero),
        ("/docs/deep", LockKind::Transient, LockDepth::Infinity),
    ] {
        dav.lock(&on(at), &lock(kind, depth)).await.unwrap();
    }
}

/// A tree with files of all sizes, versions, properties, locks, people, events, a webhook, and a
/// collection that was deleted and is not yet swept away.
pub(crate) async fn furnished(engine: Arc<dyn Engine>, blobs: Blobs) -> Dav {
    let dav = Dav::new(engine, blobs, Config::default(), NOW)
        .await
        .unwrap();
    let root = admin(&dav).await;
    let on = |at| ask(&root, at, &[], NOW);
    for at in ["/docs", "/docs/deep", "/docs/deep/inner", "/gone"] {
        dav.make_collection(&on(at)).await.unwrap();
    }
    people(&dav, &root).await;
    files(&dav, &root).await;
    locks(&dav, &root).await;
    dav.delete(&on("/gone")).await.unwrap();
    dav.delete(&on("/passing")).await.unwrap();
    dav
}
