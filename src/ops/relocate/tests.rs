use super::*;
use crate::lock::{LockDepth, LockKind, LockScope, UserId};
use crate::ops::copy::CopyDepth;
use crate::ops::locking::LockAsk;
use crate::ops::target::Target;
use crate::protocol::headers::RequestedTimeout;
use crate::protocol::path::{DavPath, Name};
use crate::protocol::time::Timestamp;
use crate::rights::{Grantee, Role};

const NOW: Timestamp = Timestamp(1000);

fn chain(top: &str, levels: usize) -> DavPath {
    let names = std::iter::once(top).chain(std::iter::repeat_n("d", levels - 1));
    names.map(|name| Name::parse(name).unwrap()).collect()
}

/// A tree of this depth called `top`: as deep as no request could make it by MKCOL.
async fn deep_tree(dav: &Dav, top: &str, doublings: u32) -> usize {
    dav.make_collection(&Ask::of(chain(top, 1), NOW))
        .await
        .unwrap();
    let mut levels = 1;
    for _ in 0..doublings {
        let (from, half) = (Ask::of(chain(top, 1), NOW), chain("half", 1));
        let whole = CopyDepth::Infinity;
        dav.copy(&from, &half, Overwrite::No, whole).await.unwrap();
        let half = Ask::of(half, NOW);
        dav.relocate(&half, &chain(top, levels + 1), Overwrite::No)
            .await
            .unwrap();
        levels *= 2;
    }
    levels
}

#[tokio::test]
async fn no_lock_is_moved_so_deep_that_it_could_not_be_removed() {
    let dav = Dav::memory(NOW).await;
    let levels = deep_tree(&dav, "a", 11).await;
    deep_tree(&dav, "b", 12).await;
    let wanted = LockAsk {
        scope: LockScope::Exclusive,
        kind: None,
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Infinite,
        owner_xml: None,
        comment: None,
    };
    let bottom = Ask::of(chain("a", levels), NOW);
    dav.lock(&bottom, &wanted).await.unwrap();
    let moving = Ask::of(chain("a", 1), NOW);
    let deep: DavPath = chain("b", 2100)
        .names()
        .iter()
        .cloned()
        .chain([Name::parse("new").unwrap()])
        .collect();
    let refused = dav.relocate(&moving, &deep, Overwrite::No).await;
    assert!(
        matches!(refused, Err(DavError::InsufficientStorage(_))),
        "{refused:?}"
    );
    let moved = dav.relocate(&moving, &chain("b", 5), Overwrite::Yes).await;
    assert_eq!(moved, Ok(Outcome::Replaced));
}

fn check_out() -> LockAsk {
    LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(LockKind::Persistent),
        depth: LockDepth::Zero,
        timeout: RequestedTimeout::Infinite,
        owner_xml: None,
        comment: None,
    }
}

fn path(text: &str) -> DavPath {
    DavPath::from_plain(text, 100).unwrap()
}

/// A check-out may be moved by anybody, but not to where the mover could end it.
#[tokio::test]
async fn a_move_gains_nobody_the_power_over_others_locks() {
    let dav = Dav::memory(NOW).await;
    let alice = |at: &str| Ask::of(path(at), NOW);
    let as_user = |number: u128, admin: bool, at: &str| {
        let mut ask = alice(at);
        ask.principal.id = UserId(uuid::Uuid::from_u128(number));
        ask.principal.admin = admin;
        ask
    };
    for at in ["/a", "/b", "/managed"] {
        dav.make_collection(&alice(at)).await.unwrap();
    }
    let managed = as_user(9, true, "/managed");
    dav.set_grant(&managed, Grantee::Everyone, Some(Role::Manager))
        .await
        .unwrap();
    dav.lock(&as_user(2, false, "/a/bobs"), &check_out())
        .await
        .unwrap();
    dav.lock(&alice("/a/mine"), &check_out()).await.unwrap();

    let moved = async |ask: Ask, to: &str| dav.relocate(&ask, &path(to), Overwrite::No).await;
    let refused = DavError::NeedsPrivilege {
        href: "/a/bobs".to_owned(),
        privilege: "super-check-in",
    };
    let answers = [
        moved(alice("/a/bobs"), "/managed/bobs").await,
        moved(as_user(3, false, "/a"), "/managed/a").await,
        moved(alice("/a/mine"), "/managed/mine").await,
        moved(alice("/a/bobs"), "/b/bobs").await,
        moved(as_user(9, true, "/b/bobs"), "/managed/bobs").await,
    ];
    let whole = DavError::NeedsPrivilege {
        href: "/a/".to_owned(),
        privilege: "super-check-in",
    };
    let created = || Ok(Outcome::Created);
    let expected = [Err(refused), Err(whole), created(), created(), created()];
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn the_servers_own_names_are_nobodys() {
    let dav = Dav::memory(NOW).await;
    let folder = Ask::of(path("/folder"), NOW);
    dav.make_collection(&folder).await.unwrap();
    let api = Name::parse("api").unwrap();
    let in_root = Target::Member(ResourceId::ROOT, api.clone());
    let made = Ask {
        target: in_root,
        ..folder.clone()
    };
    assert_eq!(dav.make_collection(&made).await, Err(DavError::Reserved));
    let sibling = Destination::Sibling(api.clone());
    let renamed = dav.relocate(&folder, sibling, Overwrite::Yes).await;
    assert_eq!(renamed, Err(DavError::Reserved));
    let inner = Ask::of(path("/folder/api"), NOW);
    assert_eq!(dav.make_collection(&inner).await, Ok(()));
    let up = Destination::Into(ResourceId::ROOT);
    let moved = dav.relocate(&inner, up, Overwrite::Yes).await;
    assert_eq!(moved, Err(DavError::Reserved));
}

#[tokio::test]
async fn what_has_left_its_collection_is_not_found_there() {
    let dav = Dav::memory(NOW).await;
    for at in ["/a", "/a/f", "/a/f/c", "/b"] {
        dav.make_collection(&Ask::of(path(at), NOW)).await.unwrap();
    }
    let id_of = async |at| dav.find(&Ask::of(path(at), NOW)).await.unwrap().id;
    let (a, f, id) = (
        id_of("/a").await,
        id_of("/a/f").await,
        id_of("/a/f/c").await,
    );
    let is_found = async |project, folder| {
        let target = Target::Within {
            project,
            folder,
            id,
        };
        let inside = Ask {
            target,
            ..Ask::of(path("/"), NOW)
        };
        match dav.find(&inside).await {
            Ok(found) => found.id == id,
            Err(error) => {
                assert_eq!(error, DavError::NotFound);
                false
            }
        }
    };
    let moved = async |from, to| {
        let from = Ask::of(path(from), NOW);
        let moved = dav.relocate(&from, &path(to), Overwrite::No).await;
        moved.unwrap();
    };
    assert!(is_found(a, None).await);
    assert!(is_found(a, Some(f)).await);
    assert!(!is_found(a, Some(a)).await, "its folder is another one");
    assert!(!is_found(f, None).await, "no project, but a folder in one");
    moved("/a/f/c", "/a/c").await;
    assert!(is_found(a, None).await);
    assert!(!is_found(a, Some(f)).await);
    moved("/a/c", "/b/c").await;
    assert!(!is_found(a, None).await);
    assert!(!is_found(a, Some(a)).await);
}
