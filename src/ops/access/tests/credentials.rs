//! API keys and sessions.

use super::*;
use crate::ops::Ask;
use crate::protocol::path::DavPath;

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
async fn what_is_not_a_secret_opens_nothing() {
    let dav = with(&["alice"]).await;
    let (_, key) = key(&dav, "alice", "mount").await.unwrap();
    let tokens = session(&dav, "alice", NOW).await;
    let (text, refresh) = (key.reveal(), tokens.refresh.unwrap());
    let access = tokens.access.reveal();
    for presented in [
        "",
        "sk-",
        &text[..text.len() - 1],
        &format!("{text}A"),
        &format!(" {text}"),
        &text.to_uppercase(),
        text.trim_start_matches("sk-"),
        &text.replacen("sk-", "at-", 1),
        &access.replacen("at-", "sk-", 1),
        &"sk-".repeat(10_000),
        "eyJhbGciOiJub25lIn0.e30.",
        refresh.reveal(),
    ] {
        let found = by_secret(&dav, presented, NOW).await;
        assert_eq!(found, Ok(None), "{presented}");
    }
    assert!(opens(&dav, &key, NOW).await && opens(&dav, &tokens.access, NOW).await);
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
    let ask = Ask::of(DavPath::from_plain("/Häuser 1", 99).unwrap(), NOW);
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
    let root = Some(ResourceId::ROOT);
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
