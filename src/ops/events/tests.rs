mod edges;

use std::sync::Arc;

use super::*;
use crate::event::{Face, LockChange, What};
use crate::lock::{LockDepth, LockKind, LockScope, LockToken, UserId};
use crate::ops::access::Principal;
use crate::ops::content::{Manner, Then};
use crate::ops::copy::CopyDepth;
use crate::ops::intake::Intake;
use crate::ops::locking::LockAsk;
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::headers::{Overwrite, RequestedTimeout};
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::protocol::xml::{DeadProperty, PropertyPatch, QName};
use crate::rights::{Grantee, Role, Scope};
use crate::store::tx::Tx;

const NOW: Timestamp = Timestamp(1_000_000);

fn principal(user: u128) -> Principal {
    Principal {
        id: UserId(uuid::Uuid::from_u128(user)),
        name: format!("user {user}"),
        admin: user == 0,
        scope: Scope::default(),
    }
}

fn path(at: &str) -> DavPath {
    DavPath::from_plain(at, 100_000).unwrap()
}

fn by(user: u128, at: &str) -> Ask {
    let program = "test".to_owned();
    Ask::new(principal(user), NOW, (Face::WebDav, program), path(at))
}

fn wanting(user: u128) -> EventAsk {
    EventAsk {
        principal: principal(user),
        now: NOW,
        since: Since::Start,
        about: None,
        limit: PAGE_MAX,
    }
}

fn lock_of(kind: LockKind) -> LockAsk {
    LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(kind),
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Seconds(10),
        owner_xml: None,
        comment: Some("why".to_owned()),
    }
}

async fn put(dav: &Dav, ask: &Ask, manner: Manner) -> Result<(), DavError> {
    let content = Intake::new(dav, None)?.finish(None).await?;
    dav.upload(ask, content, manner).await.map(drop)
}

/// What happened, in short: `lock.taken /a/b`.
fn short(view: &EventView) -> String {
    let what = view.event.what.as_str();
    let from = view.event.what.from();
    let from = from.map_or(String::new(), |from| format!(" from {}", from.path));
    format!("{what} {}{from}", view.event.place.path)
}

async fn seen(dav: &Dav, user: u128) -> Vec<String> {
    let page = dav.events(&wanting(user)).await.unwrap();
    page.events.iter().map(short).collect()
}

/// Does nothing but let the next events begin.
async fn now(dav: &Dav) -> Cursor {
    let since = Since::Now;
    let ask = EventAsk {
        since,
        ..wanting(0)
    };
    dav.events(&ask).await.unwrap().next
}

async fn check(dav: &Dav, since: &mut Cursor, expect: &[&str]) {
    dav.record_refusals().await.unwrap();
    let ask = EventAsk {
        since: Since::After(*since),
        ..wanting(0)
    };
    let page = dav.events(&ask).await.unwrap();
    let told: Vec<String> = page.events.iter().map(short).collect();
    assert_eq!(told, expect);
    assert!(!page.more && !page.missed);
    for view in &page.events {
        assert_eq!(view.event.at, NOW, "{view:?}");
        assert_eq!(view.event.by.as_ref().unwrap().name, "user 1");
        let (face, program) = (view.event.face, view.event.program.as_str());
        assert_eq!((face, program), (Face::WebDav, "test"));
        let place = &view.event.place;
        assert_eq!(place.way.len(), path(&place.path).names().len() + 1);
    }
    *since = page.next;
}

#[tokio::test]
async fn whatever_is_done_is_told() {
    let dav = Dav::memory(NOW).await;
    let mut since = now(&dav).await;
    let to = |at: &str| path(at);
    let (yes, all) = (Overwrite::Yes, CopyDepth::Infinity);
    let ask = |at: &str| by(1, at);
    let nothing = Manner::default();

    dav.make_collection(&ask("/c")).await.unwrap();
    put(&dav, &ask("/c/a"), nothing).await.unwrap();
    put(&dav, &ask("/c/a"), nothing).await.unwrap();
    let expect = [
        "resource.created /c",
        "resource.created /c/a",
        "version.uploaded /c/a",
    ];
    check(&dav, &mut since, &expect).await;

    dav.copy(&ask("/c"), &to("/d"), yes, all).await.unwrap();
    dav.copy(&ask("/c/a"), &to("/d/a"), yes, all).await.unwrap();
    dav.relocate(&ask("/c/a"), &to("/c/b"), yes).await.unwrap();
    dav.relocate(&ask("/c/b"), &to("/d/a"), yes).await.unwrap();
    dav.relocate(&ask("/d"), &to("/c"), yes).await.unwrap();
    let expect = [
        "resource.created /d from /c",
        "version.uploaded /d/a from /c/a",
        "resource.moved /c/b from /c/a",
        "version.uploaded /d/a from /c/b",
        "resource.deleted /c/b",
        "resource.deleted /c",
        "resource.moved /c from /d",
    ];
    check(&dav, &mut since, &expect).await;

    dav.restore(&ask("/c/a"), 1).await.unwrap();
    dav.label(&ask("/c/a"), 1, Some("first")).await.unwrap();
    let (file, old) = (ask("/c/a"), to("/c/old"));
    dav.copy_version(&file, 1, &old, yes).await.unwrap();
    let itself = to("/c/a");
    dav.copy_version(&file, 1, &itself, yes).await.unwrap();
    let name = QName {
        ns: "urn:x".to_owned(),
        name: "p".to_owned(),
    };
    let xml = "<p xmlns=\"urn:x\"/>".to_owned();
    let patch = PropertyPatch::Set(DeadProperty { name, xml });
    dav.patch(&ask("/c"), &[patch]).await.unwrap();
    let open = lock_of(LockKind::Transient);
    let token = dav.lock(&ask("/c/a"), &open).await.unwrap().view.lock.token;
    let bearer = Ask {
        lock_token: Some(token.to_string()),
        ..ask("/c/a")
    };
    let anew = RequestedTimeout::Unspecified;
    dav.refresh(&bearer, anew).await.unwrap();
    dav.unlock(&bearer, &token.to_string()).await.unwrap();
    let check_out = lock_of(LockKind::Persistent);
    dav.lock(&ask("/c/a"), &check_out).await.unwrap();
    let manner = Manner {
        then: Then::CheckIn(None),
        ..nothing
    };
    put(&dav, &ask("/c/a"), manner).await.unwrap();
    let mine = lock_of(LockKind::Transient);
    let token = dav
        .lock(&ask("/c/new"), &mine)
        .await
        .unwrap()
        .view
        .lock
        .token;
    let bearer = Ask {
        lock_token: Some(token.to_string()),
        ..ask("/c/new")
    };
    dav.delete(&bearer).await.unwrap();
    let expect = [
        "version.restored /c/a",
        "version.labelled /c/a",
        "resource.created /c/old from /c/a",
        "version.restored /c/a",
        "resource.changed /c",
        "lock.taken /c/a",
        "lock.refreshed /c/a",
        "lock.released /c/a",
        "lock.taken /c/a",
        "version.uploaded /c/a",
        "lock.released /c/a",
        "resource.created /c/new",
        "lock.taken /c/new",
        "lock.released /c/new",
        "resource.deleted /c/new",
    ];
    check(&dav, &mut since, &expect).await;
}

/// Locks on the way to what was asked about are told where they are.
#[tokio::test]
async fn a_lock_is_told_at_its_root() {
    let dav = Dav::memory(NOW).await;
    dav.make_collection(&by(1, "/c")).await.unwrap();
    dav.make_collection(&by(1, "/c/d")).await.unwrap();
    let mut since = now(&dav).await;
    let wanted = LockAsk {
        depth: LockDepth::Infinity,
        ..lock_of(LockKind::Transient)
    };
    let token = dav
        .lock(&by(1, "/c"), &wanted)
        .await
        .unwrap()
        .view
        .lock
        .token;
    let below = Ask {
        lock_token: Some(token.to_string()),
        ..by(1, "/c/d")
    };
    dav.refresh(&below, RequestedTimeout::Unspecified)
        .await
        .unwrap();
    dav.unlock(&below, &token.to_string()).await.unwrap();
    let expect = ["lock.taken /c", "lock.refreshed /c", "lock.released /c"];
    check(&dav, &mut since, &expect).await;
}

#[tokio::test]
async fn of_fifty_thieves_one_is_told_of_and_the_others_were_refused() {
    let dav = Dav::memory(NOW).await;
    put(&dav, &by(1, "/a"), Manner::default()).await.unwrap();
    let check_out = lock_of(LockKind::Persistent);
    let named = dav
        .lock(&by(1, "/a"), &check_out)
        .await
        .unwrap()
        .view
        .lock
        .token;
    let since = Since::After(now(&dav).await);
    let thieves = (2..52).map(|thief| {
        let dav = Arc::clone(&dav);
        tokio::spawn(async move {
            let mut ask = by(thief, "/a");
            ask.principal.admin = true;
            dav.steal(&ask, named).await.map(|view| view.lock.token)
        })
    });
    let mut won: Vec<LockToken> = Vec::new();
    for thief in thieves.collect::<Vec<_>>() {
        won.extend(thief.await.unwrap().ok());
    }
    dav.record_refusals().await.unwrap();
    let page = dav
        .events(&EventAsk {
            since,
            ..wanting(0)
        })
        .await
        .unwrap();
    let [told] = &page.events[..] else {
        panic!("{:?}", page.events);
    };
    let What::Stolen { lock, lost } = &told.event.what else {
        panic!("{told:?}");
    };
    assert_eq!((vec![lock.token], lost[0].token), (won, named));
    assert_eq!(lost[0].owner.name, "user 1");
    assert_eq!(told.event.by.as_ref(), Some(&lock.owner));
}

#[tokio::test]
async fn refusals_are_told_once_with_their_number() {
    let dav = Dav::memory(NOW).await;
    put(&dav, &by(1, "/a"), Manner::default()).await.unwrap();
    dav.lock(&by(1, "/a"), &lock_of(LockKind::Persistent))
        .await
        .unwrap();
    let since = Since::After(now(&dav).await);
    for _ in 0..3 {
        dav.may_upload(&by(2, "/a")).await.unwrap_err();
    }
    dav.delete(&by(3, "/a")).await.unwrap_err();
    put(&dav, &by(2, "/a"), Manner::default())
        .await
        .unwrap_err();
    let missing = dav.delete(&by(2, "/missing")).await;
    assert_eq!(missing, Err(DavError::NotFound), "no lock refused that");
    dav.record_refusals().await.unwrap();
    let page = dav
        .events(&EventAsk {
            since,
            ..wanting(2)
        })
        .await
        .unwrap();
    let refused = |view: &EventView| match &view.event.what {
        What::Refused { by, times } => {
            let who = view.event.by.clone().unwrap().name;
            (who, by[0].holder.clone(), by[0].kind, *times)
        }
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = page.events.iter().map(refused).collect();
    let persistent = LockKind::Persistent;
    let row = |who: &str, times| (who.to_owned(), "user 1".to_owned(), persistent, times);
    assert_eq!(told, [row("user 2", 4), row("user 3", 1)]);
}

/// The end of a lock is told before what came after it, also when nobody has swept yet.
#[tokio::test]
async fn a_lock_that_lapsed_is_told_of_before_its_successor() {
    let dav = Dav::memory(NOW).await;
    put(&dav, &by(1, "/a"), Manner::default()).await.unwrap();
    put(&dav, &by(1, "/b"), Manner::default()).await.unwrap();
    for at in ["/a", "/b"] {
        dav.lock(&by(1, at), &lock_of(LockKind::Transient))
            .await
            .unwrap();
    }
    let since = Since::After(now(&dav).await);
    let later = NOW.plus_seconds(60);
    let ask = Ask {
        now: later,
        ..by(2, "/a")
    };
    dav.lock(&ask, &lock_of(LockKind::Transient)).await.unwrap();
    dav.sweep(later).await.unwrap();
    let page = dav
        .events(&EventAsk {
            since,
            ..wanting(2)
        })
        .await
        .unwrap();
    let told: Vec<String> = page.events.iter().map(short).collect();
    assert_eq!(
        told,
        ["lock.expired /a", "lock.taken /a", "lock.expired /b"]
    );
    for expired in [&page.events[0].event, &page.events[2].event] {
        assert_eq!(
            (expired.at, expired.by.as_ref()),
            (NOW.plus_seconds(10), None)
        );
        assert_eq!(expired.face, Face::Server);
    }
}

/// As a grant would to a user whom the store knows.
async fn hide(dav: &Dav, at: &str, from: u128) {
    let hiding = (dav.find(&by(0, at)).await.unwrap().id, from);
    let hidden = dav.write(&hiding, |txn, (collection, from)| {
        Box::pin(async move {
            let user = Grantee::User(principal(*from).id);
            let mut tx = Tx::new(txn, NOW);
            Ok(tx.set_grant(*collection, user, Some(Role::None)).await?)
        })
    });
    hidden.await.unwrap();
}

#[tokio::test]
async fn nobody_learns_what_happens_where_they_may_not_read() {
    let dav = Dav::memory(NOW).await;
    for at in ["/open", "/hidden", "/hidden/inner"] {
        dav.make_collection(&by(1, at)).await.unwrap();
    }
    hide(&dav, "/hidden", 2).await;
    let nothing = Manner::default();
    put(&dav, &by(1, "/open/a"), nothing).await.unwrap();
    put(&dav, &by(1, "/hidden/inner/b"), nothing).await.unwrap();
    let yes = Overwrite::Yes;
    dav.relocate(&by(1, "/open/a"), &path("/hidden/a"), yes)
        .await
        .unwrap();
    dav.relocate(&by(1, "/hidden/inner/b"), &path("/open/b"), yes)
        .await
        .unwrap();
    let all = CopyDepth::Infinity;
    dav.copy(&by(1, "/hidden/a"), &path("/open/c"), yes, all)
        .await
        .unwrap();
    dav.copy(&by(1, "/hidden/a"), &path("/open/c"), yes, all)
        .await
        .unwrap();
    let frozen = lock_of(LockKind::ReadOnly);
    dav.lock(&by(1, "/hidden/a"), &frozen).await.unwrap();
    dav.delete(&by(3, "/hidden/a")).await.unwrap_err();
    dav.record_refusals().await.unwrap();
    let expect = [
        "resource.created /open",
        "resource.created /open/a",
        "resource.deleted /open/a",
        "resource.moved /open/b",
        "resource.created /open/c",
        "version.uploaded /open/c",
    ];
    assert_eq!(seen(&dav, 2).await, expect);
    assert_eq!(seen(&dav, 1).await.len(), 11);

    // What stands in the way of a whole may lie where the reader must not look.
    dav.delete(&by(1, "/hidden")).await.unwrap_err();
    dav.make_collection(&by(1, "/open/inner")).await.unwrap();
    let name = path("/open/inner/hidden");
    dav.relocate(&by(1, "/hidden"), &name, yes).await.unwrap();
    dav.delete(&by(1, "/open/inner")).await.unwrap_err();
    dav.record_refusals().await.unwrap();
    let back = path("/hidden");
    let moving = by(1, "/open/inner/hidden");
    dav.relocate(&moving, &back, yes).await.unwrap();
    let expect = [&expect[..], &["resource.created /open/inner"]].concat();
    assert_eq!(seen(&dav, 2).await, expect);
    let refused = seen(&dav, 1).await;
    assert!(refused.contains(&"lock.refused /open/inner".to_owned()));

    // What is gone stays hidden from whom it was hidden, and open to whom it was open.
    let frozen = dav.check_in(&by(1, "/hidden/a"), None).await;
    assert_eq!(frozen.unwrap().len(), 1);
    let told_to_1 = seen(&dav, 1).await;
    dav.delete(&by(1, "/hidden")).await.unwrap();
    dav.sweep(NOW).await.unwrap();
    assert_eq!(seen(&dav, 2).await, expect);
    let after = [told_to_1, vec!["resource.deleted /hidden".to_owned()]].concat();
    assert_eq!(seen(&dav, 1).await, after);

    let about = |user, at: &str| EventAsk {
        about: Some(path(at).into()),
        ..wanting(user)
    };
    let gone = dav.events(&about(1, "/hidden")).await;
    assert_eq!(gone.err(), Some(DavError::NotFound));
    let open = dav.events(&about(2, "/open/b")).await.unwrap();
    let open: Vec<String> = open.events.iter().map(short).collect();
    assert_eq!(open, ["resource.moved /open/b"]);
}

#[tokio::test]
async fn a_token_is_shown_to_whom_it_is_shown_anyway() {
    let dav = Dav::memory(NOW).await;
    put(&dav, &by(1, "/a"), Manner::default()).await.unwrap();
    dav.lock(&by(1, "/a"), &lock_of(LockKind::Persistent))
        .await
        .unwrap();
    for (user, expect) in [(0, true), (1, false), (2, false)] {
        let page = dav.events(&wanting(user)).await.unwrap();
        let view = page.events.last().unwrap();
        assert!(matches!(view.event.what, What::Lock(LockChange::Taken, _)));
        assert_eq!(view.shows_token, expect, "{user}");
    }
}

/// A path of 8 KB takes several rows.
#[tokio::test]
async fn long_events_come_back_whole_and_in_pages() {
    let dav = Dav::memory(NOW).await;
    let name = "n".repeat(255);
    let mut at = String::new();
    for _ in 0..31 {
        at = format!("{at}/{name}");
        dav.make_collection(&by(1, &at)).await.unwrap();
    }
    let mut since = Since::Start;
    let mut paths: Vec<String> = Vec::new();
    loop {
        let page = dav
            .events(&EventAsk {
                since,
                ..wanting(1)
            })
            .await
            .unwrap();
        paths.extend(page.events.iter().map(|view| view.event.place.path.clone()));
        since = Since::After(page.next);
        if !page.more {
            break;
        }
    }
    let expect = (1..=31).map(|levels| format!("/{name}").repeat(levels));
    assert!(paths.into_iter().eq(expect));
}

/// Whether a full page is the last one does not tell what lies behind it and is not to be seen.
#[tokio::test]
async fn more_is_said_only_of_what_may_be_seen() {
    let dav = Dav::memory(NOW).await;
    let nothing = Manner::default();
    dav.make_collection(&by(0, "/hidden")).await.unwrap();
    hide(&dav, "/hidden", 2).await;
    put(&dav, &by(1, "/a"), nothing).await.unwrap();
    let behind = async |since| {
        let wanted = EventAsk {
            since,
            limit: 1,
            ..wanting(2)
        };
        let page = dav.events(&wanted).await.unwrap();
        let told: Vec<String> = page.events.iter().map(short).collect();
        (told, page.more, Since::After(page.next))
    };
    let a = vec!["resource.created /a".to_owned()];
    let (told, more, _) = behind(Since::Start).await;
    assert_eq!((&told, more), (&a, false));
    for _ in 0..2_100 {
        put(&dav, &by(1, "/hidden/f"), nothing).await.unwrap();
    }
    let (told, more, _) = behind(Since::Start).await;
    assert_eq!((&told, more), (&a, false));
    put(&dav, &by(1, "/b"), nothing).await.unwrap();
    let (told, more, next) = behind(Since::Start).await;
    assert_eq!((told, more), (a, true));
    let (told, more, next) = behind(next).await;
    assert_eq!(
        (told, more),
        (vec!["resource.created /b".to_owned()], false)
    );
    let (told, more, _) = behind(next).await;
    assert!(told.is_empty() && !more);
}

#[tokio::test]
async fn the_record_is_as_long_as_wanted_and_says_what_is_missing() {
    let dav = Dav::memory(NOW).await;
    dav.make_collection(&by(0, "/hidden")).await.unwrap();
    hide(&dav, "/hidden", 2).await;
    let first = dav.events(&wanting(1)).await.unwrap().next;
    dav.delete(&by(0, "/hidden")).await.unwrap();
    for n in 0..1_500 {
        put(&dav, &by(1, &format!("/{n}")), Manner::default())
            .await
            .unwrap();
    }
    let mut dav = Arc::into_inner(dav).unwrap();
    dav.config.events.keep = 1_000;
    dav.sweep(NOW).await.unwrap();
    let page = dav.events(&wanting(2)).await.unwrap();
    let told: Vec<String> = page.events.iter().map(short).collect();
    let expect: Vec<String> = (500..1_500)
        .map(|n| format!("resource.created /{n}"))
        .collect();
    assert_eq!((told, page.missed), (expect, false));
    let behind = |cursor| EventAsk {
        since: Since::After(cursor),
        ..wanting(2)
    };
    let missed = dav.events(&behind(first)).await.unwrap();
    assert_eq!((missed.events.len(), missed.missed), (1_000, true));
    let on = dav.events(&behind(page.next)).await.unwrap();
    assert_eq!((on.events.len(), on.missed, on.more), (0, false, false));

    put(&dav, &by(1, "/last"), Manner::default()).await.unwrap();
    dav.sweep(NOW).await.unwrap();
    assert_eq!(dav.events(&wanting(1)).await.unwrap().events.len(), 1_000);
    let days = 24 * 3600 * (u64::from(dav.config.events.keep_days) + 1);
    let late = NOW.plus_seconds(days);
    put(
        &dav,
        &Ask {
            now: late,
            ..by(1, "/late")
        },
        Manner::default(),
    )
    .await
    .unwrap();
    dav.sweep(late).await.unwrap();
    assert_eq!(seen(&dav, 1).await, ["resource.created /late"]);
    assert_eq!(
        rows_of_the_gone(&dav).await,
        0,
        "nobody asks for their grants"
    );
}

async fn rows_of_the_gone(dav: &Dav) -> usize {
    let rows = dav.read(&(), |txn, ()| {
        Box::pin(async move {
            let all = bytes::Bytes::from_static(b"d")..bytes::Bytes::from_static(b"e");
            Ok(txn
                .scan(all, 9, crate::store::engine::Order::Ascending)
                .await?)
        })
    });
    rows.await.unwrap().len()
}
