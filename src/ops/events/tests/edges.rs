//! What few ever do, and an attacker does at once.

use super::*;
use crate::lock::rules::Policy;
use crate::protocol::path::Name;

/// Collections of the longest name in one another, deeper than a request can name, with a lock at
/// the bottom. Returns its path.
async fn deep_lock(dav: &Dav) -> DavPath {
    let name = Name::parse(&"n".repeat(255)).unwrap();
    let levels = |count: usize| -> DavPath { std::iter::repeat_n(name.clone(), count).collect() };
    let ask = |path: &DavPath| Ask {
        target: path.clone().into(),
        ..by(1, "/")
    };
    dav.make_collection(&ask(&levels(1))).await.unwrap();
    let (whole, no) = (CopyDepth::Infinity, Overwrite::No);
    let mut depth = 1;
    for _ in 0..10 {
        let half = path("/half");
        dav.copy(&ask(&levels(1)), &half, no, whole).await.unwrap();
        let below = levels(depth + 1);
        dav.relocate(&by(1, "/half"), &below, no).await.unwrap();
        depth *= 2;
    }
    let bottom = levels(depth);
    let open = lock_of(LockKind::Transient);
    dav.lock(&ask(&bottom), &open).await.unwrap();
    bottom
}

#[tokio::test]
async fn no_path_is_too_long_to_be_told() {
    let dav = Dav::memory(NOW).await;
    let bottom = deep_lock(&dav).await;
    let other = Ask {
        target: bottom.into(),
        ..by(2, "/")
    };
    let anew = lock_of(LockKind::Transient);
    for _ in 0..3 {
        dav.lock(&other, &anew).await.unwrap_err();
    }
    dav.record_refusals().await.unwrap();
    dav.sweep(NOW.plus_seconds(60)).await.unwrap();
    let page = dav.events(&wanting(1)).await.unwrap();
    let told: Vec<&str> = page
        .events
        .iter()
        .map(|view| view.event.what.as_str())
        .collect();
    assert_eq!(
        told[told.len() - 3..],
        ["lock.taken", "lock.refused", "lock.expired"]
    );
    let last = &page.events.last().unwrap().event.place;
    assert!(last.path.starts_with('…') && last.path.len() < 10_000);
    assert_eq!(last.way.len(), 1025);
    dav.delete(&by(1, &format!("/{}", "n".repeat(255))))
        .await
        .unwrap();
}

/// A thousand events of 30 KB would be a page of 30 MB.
#[tokio::test]
async fn a_page_is_no_longer_than_a_megabyte_or_so() {
    let dav = Dav::memory(NOW).await;
    let deep = deep_lock(&dav).await;
    let bearer = Ask {
        target: deep.into(),
        ..by(1, "/")
    };
    let name = |number| QName {
        ns: "urn:x".to_owned(),
        name: format!("p{number}"),
    };
    let token = dav.locks_page(NOW, None).await.unwrap().0[0].lock.token;
    for number in 0..200 {
        let ask = Ask {
            lock_token: Some(token.to_string()),
            ..bearer.clone()
        };
        let (name, xml) = (name(number), "<p xmlns=\"urn:x\"/>".to_owned());
        let patch = PropertyPatch::Set(DeadProperty { name, xml });
        dav.patch(&ask, &[patch]).await.unwrap();
    }
    let mut since = Since::Start;
    let mut changed = 0;
    loop {
        let page = dav
            .events(&EventAsk {
                since,
                ..wanting(1)
            })
            .await
            .unwrap();
        let bytes: usize = page.events.iter().map(|view| view.event.bytes()).sum();
        assert!(bytes < 2 << 20, "{bytes}");
        let of_properties = |view: &&EventView| matches!(view.event.what, What::Changed);
        changed += page.events.iter().filter(of_properties).count();
        since = Since::After(page.next);
        if !page.more {
            break;
        }
    }
    assert_eq!(changed, 200);
}

#[tokio::test]
async fn a_refused_save_is_found_at_the_file_that_refused_it() {
    let dav = Dav::memory(NOW).await;
    for at in ["/plan", "/temporary"] {
        put(&dav, &by(1, at), Manner::default()).await.unwrap();
    }
    let check_out = lock_of(LockKind::Persistent);
    dav.lock(&by(1, "/plan"), &check_out).await.unwrap();
    let yes = Overwrite::Yes;
    let onto = path("/plan");
    dav.relocate(&by(2, "/temporary"), &onto, yes)
        .await
        .unwrap_err();
    put(&dav, &by(2, "/plan"), Manner::default())
        .await
        .unwrap_err();
    dav.record_refusals().await.unwrap();
    let about = Some(path("/plan").into());
    let page = dav
        .events(&EventAsk {
            about,
            ..wanting(3)
        })
        .await
        .unwrap();
    let told: Vec<String> = page.events.iter().map(short).collect();
    let expect = [
        "resource.created /plan",
        "lock.taken /plan",
        "lock.refused /temporary",
    ];
    assert_eq!(told[..3], expect);
    assert_eq!(told[3], "lock.refused /plan");
}

/// What was to be made is not there, so what is told of is where it should have been made.
#[tokio::test]
async fn what_was_not_made_is_told_at_its_collection() {
    let dav = Dav::memory(NOW).await;
    dav.make_collection(&by(1, "/c")).await.unwrap();
    let frozen = lock_of(LockKind::ReadOnly);
    dav.lock(&by(1, "/c"), &frozen).await.unwrap();
    put(&dav, &by(2, "/c/new"), Manner::default())
        .await
        .unwrap_err();
    dav.record_refusals().await.unwrap();
    let page = dav.events(&wanting(1)).await.unwrap();
    let refused = &page.events.last().unwrap().event;
    assert_eq!(refused.what.as_str(), "lock.refused");
    let collection = dav.find(&by(1, "/c")).await.unwrap().id;
    let place = &refused.place;
    assert_eq!((place.path.as_str(), place.id()), ("/c", collection));
    assert!(place.is_collection);
}

/// A lock that gives way to those of the file onto which its own is moved was not forced.
#[tokio::test]
async fn a_lock_that_gives_way_is_released() {
    let mut dav = Arc::into_inner(Dav::memory(NOW).await).unwrap();
    dav.config.locks.policy = Policy::Strict;
    for at in ["/a", "/b/a"] {
        if at == "/b/a" {
            dav.make_collection(&by(1, "/b")).await.unwrap();
        }
        put(&dav, &by(1, at), Manner::default()).await.unwrap();
    }
    let open = lock_of(LockKind::Transient);
    dav.lock(&by(1, "/a"), &open).await.unwrap();
    let check_out = lock_of(LockKind::Persistent);
    dav.lock(&by(2, "/b/a"), &check_out).await.unwrap();
    let to = path("/b/a");
    dav.relocate(&by(2, "/a"), &to, Overwrite::Yes)
        .await
        .unwrap();
    let told = seen(&dav, 1).await;
    let expect = [
        "lock.released /a",
        "version.uploaded /b/a from /a",
        "resource.deleted /a",
    ];
    assert_eq!(told[told.len() - 3..], expect);
}

#[tokio::test]
async fn who_began_on_an_empty_record_learns_that_something_is_missing() {
    let dav = Dav::memory(NOW).await;
    let began = now(&dav).await;
    for n in 0..1_200 {
        put(&dav, &by(1, &format!("/{n}")), Manner::default())
            .await
            .unwrap();
    }
    let mut dav = Arc::into_inner(dav).unwrap();
    dav.config.events.keep = 1_000;
    dav.sweep(NOW).await.unwrap();
    let since = Since::After(began);
    let page = dav
        .events(&EventAsk {
            since,
            ..wanting(1)
        })
        .await
        .unwrap();
    assert_eq!((page.events.len(), page.missed), (1_000, true));
    let days = u64::from(dav.config.events.keep_days) + 1;
    let late = NOW.plus_seconds(days * 24 * 3600);
    dav.sweep(late).await.unwrap();
    assert!(seen(&dav, 1).await.is_empty());
    let since = Since::After(now(&dav).await);
    let page = dav
        .events(&EventAsk {
            since,
            ..wanting(1)
        })
        .await
        .unwrap();
    assert!(!page.missed, "nothing has happened since");
}
