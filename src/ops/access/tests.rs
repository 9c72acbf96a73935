use bytes::Bytes;

use super::api_keys::{ApiKey, NewApiKey};
use super::sessions::{Renewal, Tokens};
use super::*;
use crate::ops::password::Password;
use crate::rights::Access;
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
    let both = || ("bob".to_owned(), "team".to_owned());
    let (user, group) = both();
    let again = groups::add_member(&dav, "team", "bob").await;
    assert_eq!(again, Err(AccessError::Member { user, group }));
    groups::rename(&dav, "team", "crew").await.unwrap();
    let (crew, members) = groups::show(&dav, "crew").await.unwrap();
    assert_eq!((crew.id, members), (before.id, both_members()));
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

fn both_members() -> Vec<String> {
    ["alice", "bob"].map(str::to_owned).to_vec()
}

async fn groups_of(dav: &Dav, name: &str) -> Vec<crate::rights::GroupId> {
    let id = user(dav, name).await.id;
    let groups = transact(dav.engine(), Mode::Read, &id, |txn, id| {
        Box::pin(async move { timeless(txn).groups_of(*id).await })
    });
    groups.await.unwrap()
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

#[tokio::test]
async fn api_keys_are_listed_by_age_and_revoked_by_name_or_id() {
    let dav = with(&["alice", "bob"]).await;
    let (first, secret) = key(&dav, "alice", "mount").await.unwrap();
    let (second, other) = key(&dav, "alice", "script").await.unwrap();
    let (_, of_bob) = key(&dav, "bob", "mount").await.unwrap();
    let again = key(&dav, "alice", "mount").await.err();
    assert_eq!(
        again,
        Some(AccessError::Exists(Noun::ApiKey, "mount".to_owned()))
    );
    let nobody = key(&dav, "carol", "mount").await.err();
    assert_eq!(
        nobody,
        Some(AccessError::NoSuch(Noun::User, "carol".to_owned()))
    );

    let mut listed = api_keys::list(&dav, Some("alice")).await.unwrap();
    listed.sort_by_key(|key| key.name.clone());
    assert_eq!(listed, [first, second.clone()]);
    assert_eq!(api_keys::list(&dav, None).await.unwrap().len(), 3);

    api_keys::revoke(&dav, "alice", "mount").await.unwrap();
    assert!(!opens(&dav, &secret, NOW).await && opens(&dav, &other, NOW).await);
    assert!(opens(&dav, &of_bob, NOW).await, "a key of the same name");
    let id = second.id.0.to_string();
    let foreign = api_keys::revoke(&dav, "bob", &id).await;
    assert_eq!(foreign, Err(AccessError::NoSuch(Noun::ApiKey, id.clone())));
    api_keys::revoke(&dav, "alice", &id).await.unwrap();
    assert!(!opens(&dav, &other, NOW).await);
    assert_eq!(rows(&dav, "ksj").await, [1, 1, 0]);
}

#[tokio::test]
async fn a_user_has_a_hundred_api_keys_at_most() {
    let dav = with(&["alice"]).await;
    for number in 0..=100 {
        let made = key(&dav, "alice", &format!("k{number}")).await;
        assert_eq!(made.is_ok(), number < 100, "{number}");
    }
}

#[tokio::test]
async fn an_api_key_is_confined_to_a_collection_and_ends_in_time() {
    let dav = with(&["alice"]).await;
    let ask = crate::ops::Ask::of(
        crate::protocol::path::DavPath::from_plain("/Häuser 1", 99).unwrap(),
        NOW,
    );
    dav.make_collection(&ask).await.unwrap();
    let end = NOW.plus_seconds(10);
    let make = async |name: &str, within: &str, expires| {
        let new = NewApiKey {
            user: "alice".to_owned(),
            name: name.to_owned(),
            access: Access::Read,
            within: Some(within.to_owned()),
            expires: Some(expires),
        };
        api_keys::add(&dav, new, NOW).await
    };
    let (confined, secret) = make("mount", "/Häuser 1/", end).await.unwrap();
    assert_eq!(
        confined.within.map(|path| path.to_plain()).as_deref(),
        Some("/Häuser 1")
    );
    let principal = by_secret(&dav, secret.reveal(), NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(principal.scope, confined.scope);
    assert_eq!(principal.scope.access, Access::Read);
    assert!(principal.scope.within.is_some() && !principal.scope.is_whole());
    assert!(opens(&dav, &secret, Timestamp(end.0 - 1)).await);
    assert!(!opens(&dav, &secret, end).await);

    let nothing = make("b", "/nothing", end).await.err();
    assert_eq!(nothing, Some(AccessError::NothingAt("/nothing".to_owned())));
    assert!(matches!(
        make("b", "nothing", end).await,
        Err(AccessError::Path(_))
    ));
    let passed = make("b", "/", NOW).await.err();
    assert_eq!(passed, Some(AccessError::Expired(NOW)));

    dav.sweep(Timestamp(end.0 - 1)).await.unwrap();
    assert_eq!(rows(&dav, "ksj").await, [1, 1, 1]);
    dav.sweep(end).await.unwrap();
    assert_eq!(rows(&dav, "ksj").await, [0, 0, 0]);
}

#[tokio::test]
async fn an_administrators_confined_key_is_no_administrator() {
    let scope = |access, within| Scope { access, within };
    let principal = |admin, scope| Principal {
        id: UserId(uuid::Uuid::from_u128(1)),
        name: "zoe".to_owned(),
        admin,
        scope,
    };
    let root = Some(crate::resource::ResourceId::ROOT);
    for (admin, scope, expect) in [
        (true, Scope::default(), true),
        (false, Scope::default(), false),
        (true, scope(Access::Read, None), false),
        (true, scope(Access::Write, root), false),
    ] {
        let principal = principal(admin, scope);
        assert_eq!(principal.is_administrator(), expect, "{principal:?}");
    }
}

#[tokio::test]
async fn a_renewal_replaces_both_tokens_and_a_used_one_ends_the_session() {
    let dav = with(&["alice"]).await;
    let first = session(&dav, "alice", NOW).await;
    let other = session(&dav, "alice", NOW).await;
    let (used, later) = (first.refresh.unwrap(), NOW.plus_seconds(60));
    let renewed = sessions::renew(&dav, used.reveal(), later).await.unwrap();
    let (principal, second) = renewed.unwrap();
    assert_eq!(principal.name, "alice");
    assert!(!opens(&dav, &first.access, later).await);
    assert!(opens(&dav, &second.access, later).await);
    assert_eq!(rows(&dav, "ksj").await, [4, 2, 4]);

    let stolen = sessions::renew(&dav, used.reveal(), later).await.unwrap();
    assert!(stolen.is_none());
    assert!(!opens(&dav, &second.access, later).await);
    let newest = second.refresh.unwrap();
    let ended = sessions::renew(&dav, newest.reveal(), later).await.unwrap();
    assert!(ended.is_none());
    assert!(opens(&dav, &other.access, later).await, "another session");
    assert_eq!(rows(&dav, "ksj").await, [2, 1, 2]);
}

/// Whoever knows ids of keys or sessions cannot end them with a token made up of these.
#[tokio::test]
async fn forged_and_late_refresh_tokens_change_nothing() {
    let dav = with(&["alice"]).await;
    let (confined, kept) = key(&dav, "alice", "mount").await.unwrap();
    let tokens = session(&dav, "alice", NOW).await;
    let refresh = tokens.refresh.unwrap();
    let text = refresh.reveal();
    let forged = Secret::random_refresh(user(&dav, "alice").await.id, confined.id).unwrap();
    let long = format!("{text}{text}");
    for presented in [
        "rt-",
        "",
        &text[..text.len() - 1],
        &text[1..],
        long.as_str(),
        tokens.access.reveal(),
        kept.reveal(),
        forged.reveal(),
    ] {
        let renewed = sessions::renew(&dav, presented, NOW).await.unwrap();
        assert!(renewed.is_none(), "{presented}");
    }
    let end = NOW.plus_seconds(30 * 24 * 3600);
    assert!(sessions::renew(&dav, text, end).await.unwrap().is_none());
    assert!(opens(&dav, &kept, NOW).await && opens(&dav, &tokens.access, NOW).await);
    assert!(sessions::renew(&dav, text, NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn another_password_ends_sessions_and_leaves_keys() {
    let dav = with(&["alice", "bob"]).await;
    let (_, kept) = key(&dav, "alice", "mount").await.unwrap();
    let verified = verify_password(&dav, "alice", password(), "").await;
    let verified = verified.unwrap().unwrap();
    let tokens = session(&dav, "alice", NOW).await;
    let of_bob = session(&dav, "bob", NOW).await;
    let another = Password::from("battery staple".to_owned());
    set_password(&dav, "alice", another).await.unwrap();
    assert!(!opens(&dav, &tokens.access, NOW).await);
    let refresh = tokens.refresh.unwrap();
    let renewed = sessions::renew(&dav, refresh.reveal(), NOW).await.unwrap();
    assert!(renewed.is_none());
    assert!(opens(&dav, &kept, NOW).await && opens(&dav, &of_bob.access, NOW).await);
    // The old password was checked in time, but the session would begin too late.
    let late = sessions::sign_in(&dav, &verified, Renewal::Offered, NOW).await;
    assert_eq!(late.err(), Some(AccessError::PasswordChanged));
}

#[tokio::test]
async fn the_fifty_first_session_ends_the_one_that_was_renewed_longest_ago() {
    let dav = with(&["alice"]).await;
    let verified = verify_password(&dav, "alice", password(), "").await;
    let verified = verified.unwrap().unwrap();
    let mut all = Vec::new();
    for second in 0..50 {
        let at = NOW.plus_seconds(second);
        let opened = sessions::sign_in(&dav, &verified, Renewal::Offered, at).await;
        all.push(opened.unwrap());
    }
    let now = NOW.plus_seconds(60);
    let first = all[0].refresh.as_ref().unwrap();
    let renewed = sessions::renew(&dav, first.reveal(), now).await.unwrap();
    let (_, renewed) = renewed.unwrap();
    let one_more = sessions::sign_in(&dav, &verified, Renewal::None, now).await;
    assert!(one_more.unwrap().refresh.is_none());
    assert!(opens(&dav, &renewed.access, now).await);
    assert!(!opens(&dav, &all[1].access, now).await);
    assert!(opens(&dav, &all[2].access, now).await);
    assert_eq!(rows(&dav, "s").await, [50]);
}

#[tokio::test]
async fn the_sweep_takes_what_is_over_and_leaves_what_can_be_renewed() {
    let dav = with(&["alice"]).await;
    let verified = verify_password(&dav, "alice", password(), "").await;
    let verified = verified.unwrap().unwrap();
    let lasting = session(&dav, "alice", NOW).await;
    let short = sessions::sign_in(&dav, &verified, Renewal::None, NOW).await;
    short.unwrap();
    key(&dav, "alice", "mount").await.unwrap();
    assert_eq!(rows(&dav, "ksj").await, [4, 3, 3]);
    let hour = NOW.plus_seconds(3600);
    dav.sweep(hour).await.unwrap();
    assert_eq!(rows(&dav, "ksj").await, [2, 2, 1]);
    let refresh = lasting.refresh.unwrap();
    let renewed = sessions::renew(&dav, refresh.reveal(), hour).await.unwrap();
    assert!(renewed.is_some());
    dav.sweep(hour.plus_seconds(31 * 24 * 3600)).await.unwrap();
    assert_eq!(rows(&dav, "ksj").await, [1, 1, 0]);
}
