use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;

use super::*;
use crate::ops::access::NewUser;
use crate::ops::access::api_keys::{self, NewApiKey};
use crate::rights::{Access, Scope};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const NOW: Timestamp = Timestamp(1_000_000);
const PASSWORD: &str = "correct horse";

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn password() -> Password {
    PASSWORD.to_owned().into()
}

async fn with_alice() -> Authenticator {
    let dav = Dav::memory(NOW).await;
    let alice = NewUser::new("alice", password());
    access::add(&dav, alice, NOW).await.unwrap();
    Authenticator::new(dav, &config::Auth::default()).unwrap()
}

async fn key_of(auth: &Authenticator, user: &str, access: Access) -> String {
    let new = NewApiKey {
        user: user.to_owned(),
        name: "mount".to_owned(),
        access,
        within: None,
        expires: Some(NOW.plus_seconds(60)),
    };
    let (_, secret) = api_keys::add(&auth.dav, new, NOW).await.unwrap();
    secret.reveal().to_owned()
}

impl Authenticator {
    async fn open(&self, authorization: &str, now: Timestamp) -> Result<Principal, Refusal> {
        let credentials = Credentials {
            authorization: Some(authorization.as_bytes()),
            ..Credentials::default()
        };
        self.authenticate(credentials, PEER, now).await
    }

    async fn name(&self, authorization: &str, now: Timestamp) -> Result<String, Refusal> {
        self.open(authorization, now)
            .await
            .map(|principal| principal.name)
    }
}

#[tokio::test]
async fn right_wrong_and_missing() {
    let auth = with_alice().await;
    let name = async |value: String| auth.name(&value, NOW).await;
    let alice = Ok("alice".to_owned());
    assert_eq!(name(basic("alice", PASSWORD)).await, alice);
    assert_eq!(name(basic("alice", "wrong")).await, Err(Refusal::Wrong));
    assert_eq!(name(basic("mallory", PASSWORD)).await, Err(Refusal::Wrong));
    assert_eq!(name("Negotiate x".to_owned()).await, Err(Refusal::Missing));
    let nothing = auth.authenticate(Credentials::default(), PEER, NOW).await;
    assert_eq!(nothing.err(), Some(Refusal::Missing));
}

#[tokio::test]
async fn an_api_key_opens_as_bearer_and_as_the_password_of_its_user() {
    let auth = with_alice().await;
    let bob = NewUser::new("bob", password());
    access::add(&auth.dav, bob, NOW).await.unwrap();
    let key = key_of(&auth, "alice", Access::Read).await;
    let alice = auth.open(&bearer(&key), NOW).await.unwrap();
    let expected = Scope {
        access: Access::Read,
        within: None,
    };
    assert_eq!((alice.name.as_str(), alice.scope), ("alice", expected));
    assert_eq!(auth.open(&basic("alice", &key), NOW).await, Ok(alice));
    let foreign = auth.open(&basic("bob", &key), NOW).await;
    assert_eq!(foreign, Err(Refusal::Wrong));
    let cut = auth.open(&bearer(&key[..key.len() - 1]), NOW).await;
    assert_eq!(cut, Err(Refusal::WrongToken));
    let late = NOW.plus_seconds(60);
    assert_eq!(
        auth.open(&bearer(&key), late).await,
        Err(Refusal::WrongToken)
    );
    assert_eq!(
        auth.open(&basic("alice", &key), late).await,
        Err(Refusal::Wrong)
    );
}

/// Otherwise a key that can only read would open a session that can do everything.
#[tokio::test]
async fn an_api_key_opens_no_session() {
    let auth = with_alice().await;
    let key = Password::from(key_of(&auth, "alice", Access::Read).await);
    let opened = auth
        .sign_in("alice", key, Renewal::Offered, PEER, NOW)
        .await;
    assert_eq!(opened.err(), Some(Refusal::Wrong));
}

#[tokio::test]
async fn a_session_opens_until_its_time_is_up_and_is_renewed() {
    let auth = with_alice().await;
    let offered = Renewal::Offered;
    let opened = auth.sign_in("alice", password(), offered, PEER, NOW).await;
    let (who, first) = opened.unwrap();
    assert_eq!((who.name.as_str(), first.expires_in), ("alice", 3600));
    let refresh = first.refresh.unwrap();
    let access = bearer(first.access.reveal());
    let (before, after) = (NOW.plus_seconds(3599), NOW.plus_seconds(3600));
    assert_eq!(auth.name(&access, before).await, Ok("alice".to_owned()));
    assert_eq!(auth.name(&access, after).await, Err(Refusal::WrongToken));
    let as_bearer = auth.name(&bearer(refresh.reveal()), NOW).await;
    assert_eq!(as_bearer, Err(Refusal::WrongToken));
    let (_, second) = auth.renew(refresh.reveal(), PEER, after).await.unwrap();
    let access = bearer(second.access.reveal());
    assert_eq!(auth.name(&access, after).await, Ok("alice".to_owned()));
    let again = auth.renew(refresh.reveal(), PEER, after).await;
    assert_eq!(again.err(), Some(Refusal::WrongToken));
    assert_eq!(auth.name(&access, after).await, Err(Refusal::WrongToken));
}

#[tokio::test]
async fn wrong_tokens_slow_their_address_down_and_right_ones_do_not_wait() {
    let auth = with_alice().await;
    let key = bearer(&key_of(&auth, "alice", Access::Write).await);
    let at_once = |value: &str| auth.open(value, NOW).now_or_never();
    for _ in 0..4 {
        let free = auth.open("Bearer sk-guess", NOW).await;
        assert_eq!(free, Err(Refusal::WrongToken));
    }
    assert_eq!(at_once("Bearer sk-guess"), None);
    assert_eq!(at_once("Bearer guess"), None);
    assert!(at_once(&key).is_some_and(|answer| answer.is_ok()));
    let waits = auth.failures().delay("alice", PEER, NOW);
    assert_eq!(waits, Duration::from_secs(1), "passwords wait as well");
}

/// Whoever is remembered gets in although the user is gone from the store: that shows that the
/// store was not asked.
#[tokio::test]
async fn remembered_until_the_time_is_up_or_the_password_changes() {
    let auth = with_alice().await;
    let right = basic("alice", PASSWORD);
    let sign_in = async |now| auth.open(&right, now).await.is_ok();
    assert!(sign_in(NOW).await);
    access::remove(&auth.dav, "alice").await.unwrap();
    assert!(sign_in(NOW.plus_seconds(299)).await);
    assert!(!sign_in(NOW.plus_seconds(300)).await);
    assert!(sign_in(NOW).await);
    auth.forget("alice");
    assert!(!sign_in(NOW).await);
}

async fn verified_alice(auth: &Authenticator) -> Verified {
    let verified = access::verify_password(&auth.dav, "alice", password(), "");
    verified.await.unwrap().unwrap()
}

#[tokio::test]
async fn a_check_that_a_change_overtook_is_not_remembered() {
    let auth = with_alice().await;
    let alice = verified_alice(&auth).await;
    let changes = auth.changes.load(Ordering::Acquire);
    auth.forget("alice");
    auth.remember([7; 32], &alice, changes, NOW);
    assert_eq!(auth.recall(&[7; 32], NOW), None);
}

#[tokio::test]
async fn the_memory_is_bounded() {
    let auth = with_alice().await;
    let alice = verified_alice(&auth).await;
    for number in 0..=REMEMBERED_MAX {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        auth.remember(digest, &alice, 0, NOW);
    }
    assert!(auth.remembered().len() <= REMEMBERED_MAX);
}
