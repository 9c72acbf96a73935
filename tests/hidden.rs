//! What a user may not read does not exist: what is hidden is answered as if nothing were there,
//! word for word and look-up for look-up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(
    clippy::print_stdout,
    reason = "how much was compared is worth knowing"
)]

mod common;
#[path = "hidden/counting.rs"]
mod counting;
#[path = "hidden/operations.rs"]
mod operations;
#[path = "hidden/socket.rs"]
mod socket;
mod support;

use std::sync::Arc;

use counting::Counting;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::lock::{LockDepth, LockKind, LockToken};
use lockkeeper::ops::access::Principal;
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{Conditions, Depth, EntityTag, TagList};
use lockkeeper::protocol::if_header::{IfCondition, IfHeader, IfList, IfTest, Sense, Tag};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::rights::{Access, Grantee, Role, Scope};
use operations::{Operation, lock_ask, search};
use support::{ask, enrol, path, put, user};

const NOW: Timestamp = Timestamp(1_000_000);

/// The collection that Alice must not know of, what is in it, and gaps there.
const HIDDEN: [&str; 8] = [
    "/a/hid",
    "/a/hid/",
    "/a/hid/f",
    "/a/hid/d",
    "/a/hid/d/e",
    "/a/hid/gap",
    "/a/hid/d/gap/gap",
    "/a/hid/f/gap",
];

/// One store in which something is hidden from Alice, and one in which nothing is in its place.
struct Stores {
    hidden: Counting,
    missing: Counting,
    alice: Principal,
    /// The locks that stand on what is hidden: Bob's, and one that Alice took long ago.
    tokens: Vec<LockToken>,
    /// The entity tag of the hidden file.
    etag: EntityTag,
}

async fn open(engine: &Counting) -> Arc<Dav> {
    let store = Arc::new(engine.clone());
    let dav = Dav::new(store, Blobs::memory(), Config::default(), NOW).await;
    Arc::new(dav.unwrap())
}

fn admin() -> Principal {
    Principal {
        admin: true,
        ..user("admin")
    }
}

impl Stores {
    /// Alice has `role` on what surrounds the hidden collection.
    async fn new(role: Role) -> Self {
        let hidden = Counting::default();
        let alice = user("alice");
        enrol(&hidden, &alice, &["staff"]).await;
        let dav = open(&hidden).await;
        let by = |who: &Principal, at: &str| ask(who, at, &[], NOW);
        for at in ["/a", "/a/hid", "/a/hid/d", "/c"] {
            dav.make_collection(&by(&admin(), at)).await.unwrap();
        }
        for at in ["/a/f", "/a/hid/f", "/a/hid/d/e", "/c/f"] {
            put(&dav, &by(&admin(), at), 5).await.unwrap();
        }
        let mut tokens = Vec::new();
        for (who, at) in [
            (user("bob"), "/a/hid"),
            (user("bob"), "/a/hid/f"),
            (alice.clone(), "/a/hid/d/e"),
        ] {
            let wanted = lock_ask(LockKind::Persistent, LockDepth::Zero);
            let taken = dav.lock(&by(&who, at), &wanted).await.unwrap();
            tokens.push(taken.view.lock.token);
        }
        let to_alice = Grantee::User(alice.id);
        for (at, to, role) in [
            ("/", Grantee::Everyone, Role::None),
            ("/a", to_alice, role),
            ("/a/hid", to_alice, Role::None),
            ("/c", to_alice, Role::Editor),
        ] {
            let by_admin = by(&admin(), at);
            dav.set_grant(&by_admin, to, Some(role)).await.unwrap();
        }
        let file = dav.find(&by(&admin(), "/a/hid/f")).await.unwrap();
        let missing = hidden.copy().await;
        let emptied = open(&missing).await;
        for token in &tokens {
            let all = ["/a/hid", "/a/hid/f", "/a/hid/d/e"];
            for at in all {
                // Each token belongs to one of them.
                let _ = emptied.unlock(&by(&admin(), at), &token.to_string()).await;
            }
        }
        emptied.delete(&by(&admin(), "/a/hid")).await.unwrap();
        Self {
            hidden,
            missing,
            alice,
            tokens,
            etag: file.etag().unwrap(),
        }
    }

    /// Every way to ask about `at`: conditions in all headers, of what is there or not.
    fn every_ask(&self, at: &str) -> Vec<Ask> {
        let plain = ask(&self.alice, at, &[], NOW);
        let of_path = || Tag::Path(path(at));
        let mut tests: Vec<IfTest> = self
            .tokens
            .iter()
            .map(|token| IfTest::Token(token.to_string()))
            .collect();
        tests.push(IfTest::Token("DAV:no-lock".to_owned()));
        tests.push(IfTest::Etag(self.etag.clone()));
        let mut all = vec![plain.clone()];
        for test in tests {
            for sense in [Sense::Plain, Sense::Not] {
                for resource in [Tag::Request, of_path()] {
                    let conditions = vec![IfCondition {
                        sense,
                        test: test.clone(),
                    }];
                    let lists = vec![IfList {
                        resource,
                        conditions,
                    }];
                    all.push(Ask {
                        if_header: Some(IfHeader { lists }),
                        ..plain.clone()
                    });
                }
            }
        }
        for tags in [TagList::Any, TagList::Tags(vec![self.etag.clone()])] {
            let matching = Conditions {
                if_match: Some(tags.clone()),
                ..Conditions::default()
            };
            let differing = Conditions {
                if_none_match: Some(tags),
                ..Conditions::default()
            };
            all.extend([matching, differing].map(|conditions| Ask {
                conditions,
                ..plain.clone()
            }));
        }
        all
    }

    /// Compares what one operation answers, and how often it looks something up.
    async fn compare(&self, operation: Operation, ask: &Ask, at: &str, token: LockToken) {
        let (hidden, missing) = (self.hidden.copy().await, self.missing.copy().await);
        let visible = path("/c/f");
        let mut answers = Vec::new();
        for engine in [&hidden, &missing] {
            let dav = open(engine).await;
            engine.take();
            let answer = operation.run(&dav, ask, (&path(at), &visible), token).await;
            answers.push((answer, engine.take()));
        }
        let case = format!(
            "{operation:?} {at} {:?} {:?}",
            ask.if_header, ask.conditions
        );
        let missing = answers.pop().unwrap();
        let hidden = answers.pop().unwrap();
        let could_make = operation.makes() && missing.0.is_ok();
        if could_make && at.trim_end_matches('/') == "/a/hid" {
            // The one exception: who makes something there is told that the name is taken.
            let taken = matches!(&hidden.0, Err(DavError::Forbidden(why))
                if why.contains("this name cannot be used here"));
            assert!(taken, "{case}: {:?}", hidden.0);
        } else {
            assert_eq!(hidden, missing, "{case}");
        }
    }
}

/// Compares everything; returns how many cases there were.
async fn compare_all(role: Role, scope: Scope) -> usize {
    let mut stores = Stores::new(role).await;
    stores.alice.scope = scope;
    let mut cases = 0;
    for at in HIDDEN {
        for operation in Operation::every() {
            for ask in stores.every_ask(at) {
                let tokens = match operation {
                    Operation::Unlock
                    | Operation::Refresh
                    | Operation::Steal
                    | Operation::CheckInNamed => stores.tokens.clone(),
                    _ => vec![stores.tokens[0]],
                };
                for token in tokens {
                    stores.compare(operation, &ask, at, token).await;
                    cases += 1;
                }
            }
        }
    }
    println!("{role:?}: {cases} cases");
    cases
}

#[tokio::test]
async fn a_reader_of_what_surrounds_it() {
    assert!(compare_all(Role::Reader, Scope::default()).await > 5_000);
}

#[tokio::test]
async fn a_manager_of_what_surrounds_it() {
    assert!(compare_all(Role::Manager, Scope::default()).await > 5_000);
}

#[tokio::test]
async fn a_key_that_only_reads() {
    let scope = Scope {
        access: Access::Read,
        within: None,
    };
    assert!(compare_all(Role::Editor, scope).await > 5_000);
}

/// A visible resource answers alike whether an `If` header names something hidden or nothing.
#[tokio::test]
async fn tagged_lists_about_what_is_hidden() {
    let stores = Stores::new(Role::Editor).await;
    for at in HIDDEN {
        for mut ask in stores.every_ask(at) {
            ask.target = path("/a/f").into();
            for operation in [Operation::Find, Operation::Patch, Operation::Delete] {
                stores
                    .compare(operation, &ask, "/a/f", stores.tokens[0])
                    .await;
            }
        }
    }
}

/// The comparison tells apart what is not hidden, and sees one look-up more.
#[tokio::test]
async fn the_comparison_can_fail() {
    let stores = Stores::new(Role::Reader).await;
    let (with, without) = (open(&stores.hidden).await, open(&stores.missing).await);
    for (at, is_alike) in [("/a/f", true), ("/a/hid", false), ("/a/hid/d/e", false)] {
        let ask = ask(&admin(), at, &[], NOW);
        let (one, other) = (with.find(&ask).await, without.find(&ask).await);
        assert_eq!(one == other, is_alike, "{at}");
    }
    let tally = async |at: &str| {
        stores.hidden.take();
        let found = with.find(&ask(&stores.alice, at, &[], NOW)).await;
        assert_eq!(found.err(), Some(DavError::NotFound));
        stores.hidden.take()
    };
    assert_eq!(tally("/a/hid").await, tally("/a/mis").await);
    assert_ne!(tally("/a/hid").await, tally("/a/mis/f").await);
}

/// A listing of what surrounds it shows nothing of it.
#[tokio::test]
async fn listings() {
    for role in [Role::Reader, Role::Manager] {
        let stores = Stores::new(role).await;
        let (hidden, missing) = (open(&stores.hidden).await, open(&stores.missing).await);
        for at in ["/", "/a"] {
            let ask = ask(&stores.alice, at, &[], NOW);
            for depth in [Depth::Zero, Depth::One, Depth::Infinity] {
                let with = search(&hidden, &ask, depth).await;
                assert_eq!(with, search(&missing, &ask, depth).await, "{at} {depth:?}");
                assert!(with.is_ok());
            }
            let (with, without) = (hidden.detail(&ask).await, missing.detail(&ask).await);
            assert_eq!(format!("{with:?}"), format!("{without:?}"), "{at}");
        }
    }
}

/// What is hidden is copied no more than what is missing, and cannot be named by its id either.
#[tokio::test]
async fn ids() {
    let stores = Stores::new(Role::Manager).await;
    let dav = open(&stores.hidden).await;
    let mut nothing = ask(&stores.alice, "/", &[], NOW);
    nothing.target = lockkeeper::resource::ResourceId(1 << 40).into();
    for at in HIDDEN {
        let Ok(hidden) = dav.find(&ask(&admin(), at, &[], NOW)).await else {
            continue;
        };
        let asked = Ask {
            target: hidden.id.into(),
            ..nothing.clone()
        };
        for operation in Operation::every() {
            let paths = (&path("/c/new"), &path("/c/f"));
            // What comes from elsewhere is not asked about this id.
            if matches!(
                operation,
                Operation::MoveTo(_) | Operation::CopyTo(_) | Operation::CopyVersionTo(_)
            ) {
                continue;
            }
            let got = operation.run(&dav, &asked, paths, stores.tokens[0]).await;
            assert_eq!(got, Err(DavError::NotFound), "{operation:?} {at}");
            let got = operation.run(&dav, &nothing, paths, stores.tokens[0]).await;
            assert_eq!(got, Err(DavError::NotFound), "{operation:?} of no id");
        }
    }
}

/// Whoever may not change a part cannot change the whole, and is not told by any lock which part
/// that is.
#[tokio::test]
async fn no_refusal_names_a_hidden_lock() {
    let stores = Stores::new(Role::Manager).await;
    let dav = open(&stores.hidden).await;
    let alice = |at: &str| ask(&stores.alice, at, &[], NOW);
    let bob = |at: &str| ask(&user("bob"), at, &[], NOW);
    let everyone = Grantee::Everyone;
    let by_admin = ask(&admin(), "/a", &[], NOW);
    let editor = Some(Role::Editor);
    dav.set_grant(&by_admin, everyone, editor).await.unwrap();
    // Bob's check-out of the whole and his program's lock inside may stand together.
    let whole = lock_ask(LockKind::Persistent, LockDepth::Infinity);
    let own = stores.tokens[2].to_string();
    let by_admin = ask(&admin(), "/a/hid/d/e", &[], NOW);
    dav.unlock(&by_admin, &own).await.unwrap();
    for (at, token) in [("/a/hid", stores.tokens[0]), ("/a/hid/f", stores.tokens[1])] {
        dav.unlock(&bob(at), &token.to_string()).await.unwrap();
    }
    let checked_out = dav.lock(&bob("/a"), &whole).await.unwrap().view.lock.token;
    let open_file = lock_ask(LockKind::Transient, LockDepth::Zero);
    dav.lock(&bob("/a/hid/f"), &open_file).await.unwrap();

    let refused = [
        dav.steal(&alice("/a"), checked_out).await.map(drop),
        dav.lock(&alice("/a"), &whole).await.map(drop),
        dav.delete(&alice("/a")).await,
    ];
    for refused in refused {
        let Err(error) = refused else {
            panic!("not all of it is Alice's");
        };
        let told = format!("{error:?}");
        assert!(!told.contains("hid"), "{told}");
        assert_eq!(error.status(), 403, "{told}");
    }
    // What was taken of the whole can be ended by who may do so there.
    let token = checked_out.to_string();
    dav.unlock(&alice("/a"), &token).await.unwrap();
}

/// A role that is taken away while the bytes arrive is gone when they are named.
#[tokio::test]
async fn grants_change_during_an_upload() {
    let stores = Stores::new(Role::Editor).await;
    let dav = open(&stores.hidden).await;
    let uploading = ask(&stores.alice, "/a/f", &[], NOW);
    let by_admin = ask(&admin(), "/a", &[], NOW);
    let to_alice = Grantee::User(stores.alice.id);
    // What cannot be seen any more would be made anew, in a collection that is not there.
    for (role, status) in [(Role::Reader, 403), (Role::None, 409)] {
        let before = Some(Role::Editor);
        dav.set_grant(&by_admin, to_alice, before).await.unwrap();
        dav.may_upload(&uploading).await.unwrap();
        dav.set_grant(&by_admin, to_alice, Some(role))
            .await
            .unwrap();
        let refused = put(&dav, &uploading, 3).await.unwrap_err();
        assert_eq!(refused.status(), status, "{refused:?}");
    }
    let left = dav.find(&ask(&admin(), "/a/f", &[], NOW)).await.unwrap();
    assert_eq!(left.size(), Some(5));
}
