use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::Config;
use crate::event::Face;
use crate::lock::UserId;
use crate::ops::access::Principal;
use crate::ops::events::{EventAsk, Since};
use crate::ops::target::Target;
use crate::ops::{Ask, NoObserver};
use crate::protocol::headers::Overwrite;
use crate::rights::{Grantee, Role, Scope};
use crate::store::users::User;

const NOW: Timestamp = Timestamp(1_000_000);
const ALICE: UserId = UserId(Uuid::from_u128(1));
const BOB: UserId = UserId(Uuid::from_u128(2));

async fn start(keep: usize) -> Arc<Dav> {
    let mut config = Config::default();
    config.store.memory = true;
    config.events.keep = keep;
    let dav = Dav::open(&config, NOW, || Duration::ZERO, Arc::new(NoObserver)).await;
    let dav = dav.unwrap();
    for (id, name) in [(ALICE, "alice"), (BOB, "bob")] {
        let user = User {
            id,
            name: name.to_owned(),
            display_name: name.to_owned(),
            email: String::new(),
            admin: false,
            password_hash: String::new(),
            created: NOW,
        };
        dav.write(&user, |txn, user| {
            Box::pin(async move { Ok(Tx::new(txn, NOW).put_user(user)?) })
        })
        .await
        .unwrap();
    }
    dav
}

fn by(principal: Principal, path: &str) -> Ask {
    let path = DavPath::from_plain(path, 4096).unwrap();
    Ask::new(principal, NOW, (Face::WebDav, "test".to_owned()), path)
}

fn alice() -> Principal {
    Principal {
        id: ALICE,
        name: "alice".to_owned(),
        admin: false,
        scope: Scope::default(),
    }
}

async fn make(dav: &Dav, path: &str) {
    dav.make_collection(&by(alice(), path)).await.unwrap();
}

async fn hook(dav: &Dav, user: &str, path: Option<&str>, since: Begin) -> WebhookId {
    let new = NewWebhook {
        url: "http://127.0.0.1:1/?sesame".to_owned(),
        user: user.to_owned(),
        path: path.map(str::to_owned),
        since,
    };
    add(dav, new, NOW).await.unwrap().0.id
}

async fn page(dav: &Dav, id: WebhookId, now: Timestamp) -> Parcel {
    match dav.webhook_due(id, None, 100, now).await.unwrap() {
        Due::Page(parcel) => parcel,
        other => panic!("a page was due, not {other:?}"),
    }
}

fn paths(parcel: &Parcel) -> Vec<&str> {
    let events = parcel.page.events.iter();
    events.map(|view| view.event.place.path.as_str()).collect()
}

async fn failed(dav: &Dav, id: WebhookId, events: usize) {
    let error = "no".to_owned();
    let attempt = Attempt::Failed { events, error };
    dav.webhook_attempted(id, &attempt, NOW).await.unwrap();
}

#[tokio::test]
async fn what_failed_rests_and_comes_again_as_it_was() {
    let dav = start(100).await;
    let id = hook(&dav, "alice", None, Begin::Now).await;
    make(&dav, "/a").await;
    let first = page(&dav, id, NOW).await;
    assert_eq!(paths(&first), ["/a"]);
    let shown = format!("{first:?}");
    assert!(
        shown.contains("127.0.0.1") && !shown.contains("sesame"),
        "{shown}"
    );
    failed(&dav, id, 1).await;
    make(&dav, "/b").await;
    let Due::Later(time) = dav.webhook_due(id, None, 100, NOW).await.unwrap() else {
        panic!("it rests");
    };
    assert!((3_750..=5_000).contains(&(time.0 - NOW.0)), "{time:?}");
    let again = page(&dav, id, time).await;
    assert_eq!(paths(&again), ["/a"]);
    assert_eq!(again.message, first.message);
    let taken = Attempt::Taken(again.page.next);
    dav.webhook_attempted(id, &taken, NOW).await.unwrap();
    let next = page(&dav, id, NOW).await;
    assert_eq!(paths(&next), ["/b"]);
    assert_ne!(next.message, first.message);

    failed(&dav, id, 1).await;
    retry(&dav, &id.to_string(), NOW).await.unwrap();
    assert_eq!(paths(&page(&dav, id, NOW).await), ["/b"], "at once");
}

#[tokio::test]
async fn what_was_pruned_is_said_to_be_missed_once() {
    let dav = start(3).await;
    make(&dav, "/0").await;
    let from_now = hook(&dav, "alice", None, Begin::Now).await;
    let from_start = hook(&dav, "alice", None, Begin::Start).await;
    for path in ["/1", "/2", "/3", "/4", "/5"] {
        make(&dav, path).await;
    }
    dav.sweep(NOW).await.unwrap();
    let first = page(&dav, from_now, NOW).await;
    assert_eq!(paths(&first), ["/3", "/4", "/5"]);
    assert!(first.page.missed);
    assert_eq!(page(&dav, from_now, NOW).await.message, first.message);
    let taken = Attempt::Taken(first.page.next);
    dav.webhook_attempted(from_now, &taken, NOW).await.unwrap();
    make(&dav, "/6").await;
    assert!(!page(&dav, from_now, NOW).await.page.missed);
    assert!(
        page(&dav, from_start, NOW).await.page.missed,
        "it wanted all"
    );
    let late = hook(&dav, "alice", None, Begin::Start).await;
    let what_there_is = page(&dav, late, NOW).await;
    assert!(!what_there_is.page.missed);
}

#[tokio::test]
async fn a_place_that_was_passed_over_is_not_looked_at_again() {
    let dav = start(100).await;
    let root = Grantee::User(BOB);
    dav.set_grant(&by(Principal::command_line(), "/"), root, Some(Role::None))
        .await
        .unwrap();
    let id = hook(&dav, "bob", None, Begin::Start).await;
    make(&dav, "/a").await;
    let due = dav.webhook_due(id, None, 100, NOW).await.unwrap();
    let Due::Nothing {
        passed,
        more: false,
    } = due
    else {
        panic!("bob sees nothing, not {due:?}");
    };
    assert!(passed.is_some());
    let due = dav.webhook_due(id, passed, 100, NOW).await.unwrap();
    assert!(matches!(due, Due::Nothing { passed: None, .. }), "{due:?}");
    dav.webhook_attempted(id, &Attempt::Passed(passed.unwrap()), NOW)
        .await
        .unwrap();
    let due = dav.webhook_due(id, None, 100, NOW).await.unwrap();
    assert!(matches!(due, Due::Nothing { passed: None, .. }), "{due:?}");
}

#[tokio::test]
async fn where_something_came_from_is_not_told_by_what_is_asked_about() {
    let dav = start(100).await;
    for path in ["/hidden", "/hidden/x", "/open"] {
        make(&dav, path).await;
    }
    let hidden = by(Principal::command_line(), "/hidden");
    let id = dav.find(&hidden).await.unwrap().id;
    for (to, role) in [
        (Grantee::User(BOB), Role::None),
        (Grantee::User(ALICE), Role::Editor),
    ] {
        dav.set_grant(&hidden, to, Some(role)).await.unwrap();
    }
    let about_hidden = hook(&dav, "bob", Some("/hidden"), Begin::Now).await;
    let about_all = hook(&dav, "bob", None, Begin::Now).await;
    let to = DavPath::from_plain("/open/x", 4096).unwrap();
    dav.relocate(&by(alice(), "/hidden/x"), &to, Overwrite::No)
        .await
        .unwrap();
    assert_eq!(paths(&page(&dav, about_all, NOW).await), ["/open/x"]);
    let due = dav.webhook_due(about_hidden, None, 100, NOW).await.unwrap();
    assert!(matches!(due, Due::Nothing { .. }), "{due:?}");
    let bob = Principal { id: BOB, ..alice() };
    let asked = EventAsk {
        principal: bob,
        now: NOW,
        since: Since::Start,
        about: Some(Target::Id(id)),
        limit: 100,
    };
    assert_eq!(dav.events(&asked).await.unwrap().events, []);
}

#[tokio::test]
async fn who_is_gone_gets_nothing() {
    let dav = start(100).await;
    let id = hook(&dav, "bob", None, Begin::Now).await;
    make(&dav, "/a").await;
    dav.webhook_attempted(id, &Attempt::Gone, NOW)
        .await
        .unwrap();
    let due = dav.webhook_due(id, None, 100, NOW).await.unwrap();
    assert!(matches!(due, Due::Stopped), "{due:?}");
    retry(&dav, &id.to_string(), NOW).await.unwrap();
    assert_eq!(paths(&page(&dav, id, NOW).await), ["/a"]);
    dav.write(&(), |txn, ()| {
        Box::pin(async move {
            let mut tx = Tx::new(txn, NOW);
            let bob = tx.user("bob").await?.unwrap();
            Ok(tx.remove_user(&bob).await?)
        })
    })
    .await
    .unwrap();
    let due = dav.webhook_due(id, None, 100, NOW).await.unwrap();
    assert!(matches!(due, Due::Removed), "{due:?}");
    failed(&dav, id, 1).await;
    assert_eq!(list(&dav, NOW).await, Ok(Vec::new()));
}
