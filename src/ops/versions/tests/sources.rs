//! An old version as the source of a COPY: to anywhere else, or onto its own file.

use super::*;
use crate::ops::target::Destination;
use crate::protocol::path::Name;
use crate::protocol::xml::{DeadProperty, PropertyPatch, QName};

const YES: Overwrite = Overwrite::Yes;

/// `/f` with the versions x and y and a property.
async fn two_versions(dav: &Dav) {
    for letter in [b'x', b'y'] {
        put(dav, &ask("/f", 0), letter, LARGE).await;
    }
    let colour = PropertyPatch::Set(DeadProperty {
        name: QName {
            ns: "urn:x".to_owned(),
            name: "colour".to_owned(),
        },
        xml: "<colour xmlns=\"urn:x\">red</colour>".to_owned(),
    });
    dav.patch(&ask("/f", 0), &[colour]).await.unwrap();
}

#[tokio::test]
async fn an_old_version_is_copied_to_where_nothing_is_onto_files_and_over_collections() {
    let folder = tempfile::tempdir().unwrap();
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let dav = start(&engine, Blobs::open(folder.path(), 0).unwrap(), 10).await;
    two_versions(&dav).await;
    put(&dav, &ask("/file", 0), b'z', LARGE).await;
    dav.make_collection(&ask("/collection", 0)).await.unwrap();
    let copier = by(BOB, ask("/f", 9));
    for (to, outcome, expected) in [
        ("/new", Outcome::Created, vec![1]),
        ("/file", Outcome::Replaced, vec![2, 1]),
        ("/collection", Outcome::Replaced, vec![1]),
    ] {
        let copied = dav.copy_version(&copier, 1, &path(to), YES).await;
        assert_eq!(copied, Ok(outcome), "{to}");
        assert_eq!(numbers(&dav, to).await, expected);
        assert_eq!(letters(&dav, to, expected[0]).await, ('x', LARGE));
        let copy = dav.find(&ask(to, 0)).await.unwrap();
        let content = copy.content.as_ref().unwrap();
        assert_eq!(content.author, copier.principal.id);
        assert_eq!(
            (copy.modified, copy.property_count),
            (copier.now, 1),
            "{to}"
        );
        let source = &dav.history(&ask("/f", 0)).await.unwrap()[1];
        assert_ne!(Some(&source.etag), copy.etag().as_ref());
    }
    assert_eq!(files(&dav).await, 3, "the bytes are shared");
    assert_eq!(numbers(&dav, "/f").await, [2, 1]);

    // The present one has a number, too.
    let sibling = Destination::Sibling(Name::parse("present").unwrap());
    let copied = dav.copy_version(&copier, 2, sibling, Overwrite::No).await;
    assert_eq!(copied, Ok(Outcome::Created));
    assert_eq!(letters(&dav, "/present", 1).await, ('y', LARGE));
}

/// As `restore` does it: the next version, which takes nobody's place and keeps the properties.
#[tokio::test]
async fn onto_its_own_file_it_is_restored() {
    let dav = in_memory(10).await;
    two_versions(&dav).await;
    let check_out = wanted(LockKind::Persistent, LockScope::Exclusive);
    dav.lock(&ask("/f", 0), &check_out).await.unwrap();
    put(&dav, &ask("/f", 0), b'z', 3).await;
    let bob = by(BOB, ask("/f", 9));
    let refused = dav.copy_version(&bob, 1, &path("/f"), YES).await;
    assert!(matches!(refused, Err(DavError::Locked(_))));
    let copied = dav.copy_version(&ask("/f", 9), 1, &path("/f"), YES).await;
    assert_eq!(copied, Ok(Outcome::Replaced));
    assert_eq!(numbers(&dav, "/f").await, [4, 3, 2, 1]);
    assert_eq!(letters(&dav, "/f", 4).await, ('x', LARGE));
    let file = dav.find(&ask("/f", 0)).await.unwrap();
    assert_eq!(
        (file.property_count, file.modified),
        (1, NOW.plus_seconds(9))
    );
}

#[tokio::test]
async fn what_refuses_a_copy_of_a_version() {
    let dav = in_memory(10).await;
    two_versions(&dav).await;
    dav.make_collection(&ask("/c", 0)).await.unwrap();
    put(&dav, &ask("/locked", 0), b'z', 3).await;
    let check_out = wanted(LockKind::Persistent, LockScope::Exclusive);
    let other = by(BOB, ask("/locked", 0));
    dav.lock(&other, &check_out).await.unwrap();
    let copy = async |from: &str, number, to: &str, overwrite| {
        let (from, to) = (ask(from, 0), path(to));
        let copied = dav.copy_version(&from, number, &to, overwrite).await;
        copied.unwrap_err()
    };
    assert_eq!(copy("/f", 3, "/new", YES).await, DavError::NotFound);
    assert_eq!(copy("/none", 1, "/new", YES).await, DavError::NotFound);
    assert_eq!(copy("/f", 1, "/no/new", YES).await, DavError::ParentMissing);
    assert_eq!(copy("/f", 1, "/api", YES).await, DavError::Reserved);
    for there in ["/c", "/f"] {
        let refused = copy("/f", 1, there, Overwrite::No).await;
        assert!(
            matches!(refused, DavError::PreconditionFailed(_)),
            "{there}"
        );
    }
    let of_collection = copy("/c", 1, "/new", YES).await;
    assert!(matches!(of_collection, DavError::NotAllowedHere(_)));
    let locked = copy("/f", 1, "/locked", YES).await;
    assert!(matches!(locked, DavError::Locked(_)));
    assert_eq!(numbers(&dav, "/f").await, [2, 1]);

    // The request is about the version: its tag is the one that conditions mean.
    let tags = dav.history(&ask("/f", 0)).await.unwrap();
    for (tag, allowed) in [(&tags[1].etag, true), (&tags[0].etag, false)] {
        let mut headers = http::HeaderMap::new();
        headers.insert("If-Match", tag.to_string().parse().unwrap());
        let conditional = Ask {
            conditions: crate::protocol::headers::Conditions::from_headers(&headers).unwrap(),
            ..ask("/f", 0)
        };
        let copied = dav.copy_version(&conditional, 1, &path("/new"), YES).await;
        assert_eq!(copied.is_ok(), allowed, "{copied:?}");
    }
}
