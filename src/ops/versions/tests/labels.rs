//! Names that people give to versions.

use super::*;

async fn labels(dav: &Dav, at: &str) -> Vec<(u32, Option<String>)> {
    let history = dav.history(&ask(at, 0)).await.unwrap();
    let told = history.into_iter().map(|view| (view.number, view.label));
    told.collect()
}

#[tokio::test]
async fn a_label_stays_with_its_version_and_changes_nothing_else() {
    let dav = in_memory(10).await;
    for letter in [b'x', b'y'] {
        put(&dav, &ask("/f", 1), letter, 3).await;
    }
    let before = dav.history(&ask("/f", 0)).await.unwrap();
    for number in [1, 2] {
        let labelled = dav.label(&ask("/f", 9), number, Some("  as sent ")).await;
        let labelled = labelled.unwrap();
        let unlabelled = &before[usize::from(number == 1)];
        assert_eq!(labelled.label.as_deref(), Some("as sent"));
        let label = None;
        assert_eq!(VersionView { label, ..labelled }, *unlabelled);
    }
    put(&dav, &ask("/f", 2), b'z', 3).await;
    dav.restore(&ask("/f", 3), 1).await.unwrap();
    let sent = || Some("as sent".to_owned());
    let expected = [(4, None), (3, None), (2, sent()), (1, sent())];
    assert_eq!(labels(&dav, "/f").await, expected);
    dav.label(&ask("/f", 9), 1, Some("first")).await.unwrap();
    let taken_off = dav.label(&ask("/f", 9), 2, None).await.unwrap();
    assert_eq!(taken_off.label, None);
    dav.label(&ask("/f", 9), 3, None).await.unwrap();
    let expected = [(4, None), (3, None), (2, None), (1, Some("first".into()))];
    assert_eq!(labels(&dav, "/f").await, expected);
}

#[tokio::test]
async fn what_is_as_it_was_is_no_event() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = start(&engine, Blobs::memory(), 10).await;
    put(&dav, &ask("/f", 0), b'x', 3).await;
    let before = rows(&engine, b'E').await.len();
    for (label, events) in [(None, 0), (Some("a"), 1), (Some(" a "), 1), (None, 2)] {
        dav.label(&ask("/f", 0), 1, label).await.unwrap();
        assert_eq!(rows(&engine, b'E').await.len(), before + events);
    }
}

#[tokio::test]
async fn a_labelled_version_is_kept_until_the_label_is_taken_off() {
    let day = 24 * 3600;
    for (keep, keep_days) in [(0, 0), (1, 0), (10, 1)] {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let versions = Versions {
            keep,
            keep_days,
            ..Versions::default()
        };
        let dav = start_with(&engine, Blobs::memory(), versions).await;
        for (number, letter) in (1_u32..).zip(b'a'..=b'e') {
            put(&dav, &ask("/f", 0), letter, 3).await;
            if [2, 3].contains(&number) {
                dav.label(&ask("/f", 0), number, Some("kept"))
                    .await
                    .unwrap();
            }
        }
        let swept = async |expected: &[u32]| {
            dav.sweep(NOW.plus_seconds(5 * day)).await.unwrap();
            let kept: Vec<u32> = numbers(&dav, "/f").await;
            let always = if (keep, keep_days) == (1, 0) {
                &[5, 4][..]
            } else {
                &[5]
            };
            assert_eq!(kept, [always, expected].concat(), "{keep} {keep_days}");
        };
        swept(&[3, 2]).await;
        assert_eq!(letters(&dav, "/f", 2).await, ('b', 3));
        dav.label(&ask("/f", 0), 2, None).await.unwrap();
        swept(&[3]).await;
        dav.label(&ask("/f", 0), 3, None).await.unwrap();
        swept(&[]).await;
    }
}

#[tokio::test]
async fn what_a_label_may_be() {
    let dav = in_memory(10).await;
    let file = ask("/f", 0);
    put(&dav, &file, b'x', 3).await;
    let (longest, too_long) = ("ä".repeat(100), "ä".repeat(101));
    for label in ["1", "Übergabe an die Behörde", longest.as_str()] {
        let labelled = dav.label(&file, 1, Some(label)).await.unwrap();
        assert_eq!(labelled.label.as_deref(), Some(label));
    }
    for label in ["", "  ", "two\nlines", "\u{7f}", too_long.as_str()] {
        let refused = dav.label(&file, 1, Some(label)).await.err();
        assert!(
            matches!(&refused, Some(DavError::BadRequest(why)) if why.contains("100")),
            "{label:?}: {refused:?}"
        );
    }
    assert_eq!(labels(&dav, "/f").await, [(1, Some(longest))]);
}

#[tokio::test]
async fn so_many_versions_of_a_file_have_labels_and_no_more() {
    let dav = in_memory(0).await;
    let file = ask("/f", 0);
    let most = u32::try_from(LABELLED_MAX).unwrap();
    for number in 1..=most {
        put(&dav, &file, b'x', 3).await;
        dav.label(&file, number, Some("another")).await.unwrap();
    }
    put(&dav, &file, b'x', 3).await;
    let refused = dav.label(&file, most + 1, Some("one more")).await.err();
    assert!(matches!(refused, Some(DavError::InsufficientStorage(_))));
    dav.label(&file, 7, Some("renamed")).await.unwrap();
    dav.label(&file, 7, None).await.unwrap();
    dav.label(&file, most + 1, Some("one more")).await.unwrap();
    dav.sweep(NOW).await.unwrap();
    assert_eq!(numbers(&dav, "/f").await.len(), LABELLED_MAX);
}

#[tokio::test]
async fn a_label_is_asked_of_conditions_rights_and_locks_as_an_upload_is() {
    let dav = in_memory(10).await;
    let (folder, file) = (ask("/c", 0), ask("/c/f", 0));
    dav.make_collection(&folder).await.unwrap();
    for letter in [b'x', b'y'] {
        put(&dav, &file, letter, 3).await;
    }
    let label = Some("mine");
    for number in [0, 3, u32::MAX] {
        let missing = dav.label(&file, number, label).await.err();
        assert_eq!(missing, Some(DavError::NotFound));
    }
    let of_folder = dav.label(&folder, 1, label).await.err();
    assert!(matches!(of_folder, Some(DavError::NotAllowedHere(_))));

    let stale = dav.history(&file).await.unwrap()[1].etag.clone();
    let mut headers = http::HeaderMap::new();
    headers.insert("If-Match", stale.to_string().parse().unwrap());
    let conditional = Ask {
        conditions: crate::protocol::headers::Conditions::from_headers(&headers).unwrap(),
        ..file.clone()
    };
    let refused = dav.label(&conditional, 1, label).await.err();
    assert!(matches!(refused, Some(DavError::PreconditionFailed(_))));

    for kind in [
        LockKind::Persistent,
        LockKind::Transient,
        LockKind::ReadOnly,
    ] {
        let taken = dav.lock(&file, &wanted(kind, LockScope::Exclusive)).await;
        let token = taken.unwrap().view.token.unwrap().to_string();
        for number in [1, 2] {
            let refused = dav.label(&by(BOB, file.clone()), number, label).await;
            assert!(matches!(refused, Err(DavError::Locked(_))), "{refused:?}");
        }
        let bearer = Ask {
            lock_token: Some(token.clone()),
            ..file.clone()
        };
        let own = dav.label(&bearer, 1, label).await;
        assert_eq!(own.is_ok(), kind != LockKind::ReadOnly, "{own:?}");
        dav.unlock(&file, &token).await.unwrap();
    }

    let mut admin = folder;
    admin.principal.admin = true;
    let reader = dav.set_grant(&admin, Grantee::Everyone, Some(Role::Reader));
    reader.await.unwrap();
    let refused = dav.label(&file, 1, None).await.err();
    assert!(matches!(refused, Some(DavError::NeedsPrivilege { .. })));
    let hidden = dav.set_grant(&admin, Grantee::Everyone, Some(Role::None));
    hidden.await.unwrap();
    let missing = dav.label(&file, 1, None).await.err();
    assert_eq!(missing, Some(DavError::NotFound));
}
