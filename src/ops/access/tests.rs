mod credentials;

use bytes::Bytes;

use super::api_keys::{ApiKey, NewApiKey};
use super::sessions::{Renewal, Tokens};
use super::*;
use crate::ops::password::Password;
use crate::resource::ResourceId;
use crate::rights::{Access, Grantee, GroupId, Role};
use crate::store::engine::Order;

const NOW: Timestamp = Timestamp(1_000_000);
const PASSWORD: &str = "correct horse";

fn password() -> Password {
    PASSWORD.to_owned().into()
}

async fn with(names: &[&str]) -> std::sync::Arc<Dav> {
    let dav = Dav::memory(NOW).await;
    for name in names {
        add(&dav, NewUser::new(name, password()), NOW)
            .await
            .unwrap();
    }
    dav
}

async fn user(dav: &Dav, name: &str) -> User {
    find(dav, name).await.unwrap().unwrap()
}

/// How many rows there are of each of these kinds.
async fn rows(dav: &Dav, kinds: &str) -> Vec<usize> {
    let all = transact(dav.engine(), Mode::Read, &(), |txn, ()| {
        let range = Bytes::from_static(b"\x01")..Bytes::from_static(b"\xff");
        Box::pin(async move { txn.scan(range, usize::MAX, Order::Ascending).await })
    });
    let all = all.await.unwrap();
    let count = |kind| all.iter().filter(|(key, _)| key[0] == kind).count();
    kinds.bytes().map(count).collect()
}

async fn key(dav: &Dav, user: &str, name: &str) -> Result<(ApiKey, Secret), AccessError> {
    let new = NewApiKey {
        user: user.to_owned(),
        name: name.to_owned(),
        access: Access::Write,
        within: None,
        expires: None,
    };
    api_keys::add(dav, new, NOW).await
}

async fn session(dav: &Dav, name: &str, now: Timestamp) -> Tokens {
    let verified = verify_password(dav, name, password(), "").await.unwrap();
    let opened = sessions::sign_in(dav, &verified.unwrap(), Renewal::Offered, now).await;
    opened.unwrap()
}

async fn opens(dav: &Dav, secret: &Secret, now: Timestamp) -> bool {
    by_secret(dav, secret.reveal(), now)
        .await
        .unwrap()
        .is_some()
}

#[test]
fn names() {
    fn check(text: &str, expect: Option<&str>) {
        let name = plain_name(Noun::User, text);
        assert_eq!(name.ok().as_deref(), expect, "{text:?}");
    }
    check("alice", Some("alice"));
    check("Jörg Müller", Some("Jörg Müller"));
    check("Jo\u{308}rg", Some("Jörg"));
    check("alice@example.org", Some("alice@example.org"));
    check("", None);
    check(" ", None);
    check("alice ", None);
    check("a:b", None);
    check("a\nb", None);
    check(&"ä".repeat(64), Some(&"ä".repeat(64)));
    check(&"ä".repeat(65), None);
    check(&"a\u{308}".repeat(64), Some(&"ä".repeat(64)));
}

#[tokio::test]
async fn users_come_change_and_go() {
    let dav = Dav::memory(NOW).await;
    let zoe = NewUser {
        admin: true,
        ..NewUser::new("zoe", password())
    };
    add(&dav, zoe, Timestamp(7)).await.unwrap();
    let new_bob = || NewUser::new("bob", password());
    add(&dav, new_bob(), Timestamp(8)).await.unwrap();
    let names = |users: Vec<User>| users.into_iter().map(|u| u.name).collect::<Vec<_>>();
    assert_eq!(names(list(&dav).await.unwrap()), ["bob", "zoe"]);

    let again = add(&dav, new_bob(), Timestamp(9)).await;
    assert_eq!(
        again,
        Err(AccessError::Exists(Noun::User, "bob".to_owned()))
    );
    let bob = user(&dav, "bob").await;
    assert_eq!(
        (bob.created, bob.display_name.as_str()),
        (Timestamp(8), "bob")
    );
    assert_eq!(find_by_id(&dav, bob.id).await, Ok(Some(bob.clone())));

    let battery = || Password::from("battery staple".to_owned());
    set_password(&dav, "bob", battery()).await.unwrap();
    let changed = user(&dav, "bob").await;
    assert_eq!(changed.id, bob.id);
    assert!(battery().matches(&changed.password_hash));

    remove(&dav, "bob").await.unwrap();
    let gone = Err(AccessError::NoSuch(Noun::User, "bob".to_owned()));
    assert_eq!(remove(&dav, "bob").await, gone);
    assert_eq!(find(&dav, "bob").await, Ok(None));
    assert_eq!(find_by_id(&dav, bob.id).await, Ok(None));
    assert_eq!(find(&dav, "b:ob").await, Ok(None));
}

#[tokio::test]
async fn what_is_known_about_a_user_changes_one_by_one_and_the_last_admin_stays() {
    let dav = with(&["zoe"]).await;
    let set = async |display_name: Option<&str>, email: Option<&str>, admin| {
        let wanted = UserChange {
            display_name: display_name.map(str::to_owned),
            email: email.map(str::to_owned),
            admin,
        };
        change(&dav, "zoe", wanted).await
    };
    let told = async || {
        let zoe = user(&dav, "zoe").await;
        (zoe.display_name, zoe.email, zoe.admin)
    };
    let expected = |name: &str, email: &str, admin| (name.to_owned(), email.to_owned(), admin);
    set(Some("Zoë"), None, Some(true)).await.unwrap();
    assert_eq!(told().await, expected("Zoë", "", true));
    set(None, Some("zoe@example.org"), None).await.unwrap();
    assert_eq!(told().await, expected("Zoë", "zoe@example.org", true));
    let last = Err(AccessError::LastAdmin("zoe".to_owned()));
    assert_eq!(set(None, Some(""), Some(false)).await, last);
    assert_eq!(remove(&dav, "zoe").await, last);
    assert_eq!(told().await, expected("Zoë", "zoe@example.org", true));
    let unfit = set(None, Some("zoe"), None).await;
    assert_eq!(unfit, Err(AccessError::Email("zoe".to_owned())));

    let other = NewUser {
        admin: true,
        ..NewUser::new("al", password())
    };
    add(&dav, other, NOW).await.unwrap();
    assert_eq!(set(None, None, Some(false)).await, Ok(()));
    assert_eq!(remove(&dav, "zoe").await, Ok(()));
}

#[tokio::test]
async fn groups_come_change_and_go() {
    let dav = with(&["alice", "bob"]).await;
    groups::add(&dav, "team", NOW).await.unwrap();
    groups::add(&dav, "Bu\u{308}ro", NOW).await.unwrap();
    let names = async || {
        let all = groups::list(&dav).await.unwrap();
        all.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["Büro", "team"]);
    let taken = AccessError::Exists(Noun::Group, "team".to_owned());
    assert_eq!(groups::add(&dav, "team", NOW).await, Err(taken.clone()));
    assert_eq!(groups::rename(&dav, "Büro", "team").await, Err(taken));
    let unfit = groups::add(&dav, "a:b", NOW).await;
    assert_eq!(unfit, Err(AccessError::Name(Noun::Group, "a:b".to_owned())));

    let (before, _) = groups::show(&dav, "team").await.unwrap();
    groups::add_member(&dav, "team", "bob").await.unwrap();
    groups::add_member(&dav, "team", "alice").await.unwrap();
    let (user, group) = ("bob".to_owned(), "team".to_owned());
    let again = groups::add_member(&dav, "team", "bob").await;
    assert_eq!(again, Err(AccessError::Member { user, group }));
    groups::rename(&dav, "team", "crew").await.unwrap();
    let (crew, members) = groups::show(&dav, "crew").await.unwrap();
    assert_eq!(crew.id, before.id);
    assert_eq!(members, ["alice", "bob"]);
    let gone = AccessError::NoSuch(Noun::Group, "team".to_owned());
    assert_eq!(groups::show(&dav, "team").await, Err(gone));
    assert_eq!(groups_of(&dav, "bob").await, [crew.id]);

    groups::remove_member(&dav, "crew", "bob").await.unwrap();
    let out = groups::remove_member(&dav, "crew", "bob").await;
    let (user, group) = ("bob".to_owned(), "crew".to_owned());
    assert_eq!(out, Err(AccessError::NotMember { user, group }));
    groups::remove(&dav, "crew").await.unwrap();
    assert_eq!(names().await, ["Büro"]);
    assert_eq!(rows(&dav, "qwny").await, [1, 1, 0, 0]);
}

async fn groups_of(dav: &Dav, name: &str) -> Vec<GroupId> {
    let id = user(dav, name).await.id;
    let groups = transact(dav.engine(), Mode::Read, &id, |txn, id| {
        Box::pin(async move { timeless(txn).groups_of(*id).await })
    });
    groups.await.unwrap()
}

#[tokio::test]
async fn what_was_granted_to_somebody_goes_with_them() {
    let dav = with(&["alice"]).await;
    groups::add(&dav, "team", NOW).await.unwrap();
    let (team, _) = groups::show(&dav, "team").await.unwrap();
    let before = rows(&dav, "ah").await;
    let to = [
        Grantee::User(user(&dav, "alice").await.id),
        Grantee::Group(team.id),
    ];
    let granted = transact(dav.engine(), Mode::Write, &to, |txn, to| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            for grantee in to {
                tx.set_grant(ResourceId::ROOT, *grantee, Some(Role::Reader))
                    .await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    granted.await.unwrap();
    assert_eq!(rows(&dav, "h").await, [before[1] + 2]);
    remove(&dav, "alice").await.unwrap();
    groups::remove(&dav, "team").await.unwrap();
    assert_eq!(rows(&dav, "ah").await, before);
}

#[tokio::test]
async fn a_user_is_in_a_hundred_groups_at_most() {
    let dav = with(&["alice"]).await;
    for number in 0..=100 {
        let name = format!("g{number}");
        groups::add(&dav, &name, NOW).await.unwrap();
        let added = groups::add_member(&dav, &name, "alice").await;
        assert_eq!(added.is_ok(), number < 100, "{number}: {added:?}");
    }
}

#[tokio::test]
async fn a_removed_user_leaves_no_credential_and_no_membership() {
    let dav = with(&["alice", "bob"]).await;
    groups::add(&dav, "team", NOW).await.unwrap();
    for name in ["alice", "bob"] {
        groups::add_member(&dav, "team", name).await.unwrap();
        key(&dav, name, "mount").await.unwrap();
    }
    let (_, secret) = key(&dav, "alice", "script").await.unwrap();
    let tokens = session(&dav, "alice", NOW).await;
    assert!(opens(&dav, &secret, NOW).await && opens(&dav, &tokens.access, NOW).await);
    remove(&dav, "alice").await.unwrap();
    assert!(!opens(&dav, &secret, NOW).await && !opens(&dav, &tokens.access, NOW).await);
    let refresh = tokens.refresh.unwrap();
    let renewed = sessions::renew(&dav, refresh.reveal(), NOW).await.unwrap();
    assert!(renewed.is_none());
    assert_eq!(rows(&dav, "uiqwnyksj").await, [1, 1, 1, 1, 1, 1, 1, 1, 0]);

    let again = NewUser::new("alice", password());
    add(&dav, again, NOW).await.unwrap();
    assert!(
        !opens(&dav, &secret, NOW).await,
        "the new user of the name is another"
    );
}
