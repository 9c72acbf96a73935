//! Credentials to principals: Basic authentication (RFC 7617) that is slow for guessers and fast
//! for everybody else.

mod failures;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use unicode_normalization::UnicodeNormalization as _;

use crate::config;
use crate::ops::Dav;
use crate::ops::access::{self, Principal};
use crate::ops::password::{PASSWORD_BYTES_MAX, Password, PasswordError};
use crate::protocol::time::Timestamp;

use failures::Failures;

/// Remembered credentials at once. An entry is some 200 bytes.
const REMEMBERED_MAX: usize = 10_000;
/// Hashes computed at once: each takes a core and 19 MiB.
const HASHING_MAX: usize = 2;

/// Why a request gets no principal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There are no credentials, or none that can be read.
    #[error("sign in with a user name and password")]
    Missing,
    /// They are not right. It is not said what about them.
    #[error("this user name and password are not known")]
    Wrong,
    /// It could not be found out.
    #[error("{0}")]
    Unavailable(String),
}

type Digest = [u8; 32];

/// Verifies credentials and remembers those that were right.
pub struct Authenticator {
    dav: Arc<Dav>,
    remember: Duration,
    /// New with every process, so that what is remembered is worth nothing outside it.
    key: [u8; 32],
    remembered: Mutex<HashMap<Digest, Remembered>>,
    /// Counts the changes of users: a verification that began before one is not remembered.
    changes: AtomicU64,
    failures: Mutex<Failures>,
    hashing: Semaphore,
    /// The hash of a password that nobody has: unknown users cost as much time as known ones.
    dummy_hash: String,
}

#[derive(Debug)]
struct Remembered {
    principal: Principal,
    until: Timestamp,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Remembers nothing yet. Computes one hash.
    pub fn new(dav: Arc<Dav>, config: &config::Auth) -> Result<Self, PasswordError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| PasswordError::Failed(error.to_string()))?;
        Ok(Self {
            dav,
            remember: Duration::from_secs(config.remember_seconds),
            key,
            remembered: Mutex::default(),
            changes: AtomicU64::new(0),
            failures: Mutex::default(),
            hashing: Semaphore::new(HASHING_MAX),
            dummy_hash: Password::random()?.hash()?,
        })
    }

    /// Who it is. `authorization` is the header's value; `peer` counts for the brake on guessing.
    pub async fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let (name, password) = authorization
            .and_then(parse_basic)
            .ok_or(Refusal::Missing)?;
        let digest = self.digest(&name, &password);
        if let Some(principal) = self.recall(&digest, now) {
            return Ok(principal);
        }
        let delay = self.failures().delay(&name, peer, now);
        sleep(delay).await;
        let permit = self.hashing.acquire().await;
        // Somebody with the same credentials may have been ahead in the queue.
        if let Some(principal) = self.recall(&digest, now) {
            return Ok(principal);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let verified = self.verify(&name, password).await;
        drop(permit);
        let Some(principal) = verified? else {
            self.failures().note(&name, peer, now);
            return Err(Refusal::Wrong);
        };
        self.failures().forgive(&name);
        self.remember(digest, &principal, changes, now);
        Ok(principal)
    }

    /// Drops what is remembered of a user whose password changed or who was removed.
    pub fn forget(&self, name: &str) {
        let name: String = name.nfc().collect();
        let mut remembered = self.remembered();
        self.changes.fetch_add(1, Ordering::AcqRel);
        remembered.retain(|_, entry| entry.principal.name != name);
    }

    async fn verify(&self, name: &str, password: Password) -> Result<Option<Principal>, Refusal> {
        let unavailable = |error: &dyn std::fmt::Display| Refusal::Unavailable(error.to_string());
        let user = access::find(&self.dav, name)
            .await
            .map_err(|error| unavailable(&error))?;
        let hash = user
            .as_ref()
            .map_or(&self.dummy_hash, |user| &user.password_hash)
            .clone();
        let matches = tokio::task::spawn_blocking(move || password.matches(&hash)).await;
        let matches = matches.map_err(|error| unavailable(&error))?;
        Ok(user.filter(|_| matches).as_ref().map(Principal::from))
    }

    fn digest(&self, name: &str, password: &Password) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes any key length");
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(password.reveal().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn recall(&self, digest: &Digest, now: Timestamp) -> Option<Principal> {
        let remembered = self.remembered();
        let entry = remembered.get(digest).filter(|entry| now < entry.until)?;
        Some(entry.principal.clone())
    }

    fn remember(&self, digest: Digest, principal: &Principal, changes: u64, now: Timestamp) {
        let mut remembered = self.remembered();
        if self.remember.is_zero() || self.changes.load(Ordering::Acquire) != changes {
            return;
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, entry| now < entry.until);
        }
        if remembered.len() >= REMEMBERED_MAX {
            // Everybody signs in once more: rare, and simpler than an order of use.
            remembered.clear();
        }
        let until = now.plus_seconds(self.remember.as_secs());
        remembered.insert(
            digest,
            Remembered {
                principal: principal.clone(),
                until,
            },
        );
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<Digest, Remembered>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `Basic` and base64 of `name:password`. Old clients send Latin-1 in spite of our `charset`.
fn parse_basic(value: &[u8]) -> Option<(String, Password)> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    let (name, password) = text.split_once(':')?;
    if password.len() > PASSWORD_BYTES_MAX {
        return None;
    }
    Some((name.nfc().collect(), Password::from(password.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::access::NewUser;

    fn basic(name: &str, password: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))).into_bytes()
    }

    #[test]
    fn basic_credentials() {
        fn check(value: &[u8], expect: Option<(&str, &str)>) {
            let parsed = parse_basic(value);
            let parsed = parsed
                .as_ref()
                .map(|(name, password)| (name.as_str(), password.reveal()));
            assert_eq!(parsed, expect, "{value:?}");
        }
        check(&basic("alice", "secret"), Some(("alice", "secret")));
        check(&basic("alice", "a:b"), Some(("alice", "a:b")));
        check(&basic("Jörg", "ä"), Some(("Jörg", "ä")));
        check(&basic("Jo\u{308}rg", "a\u{308}"), Some(("Jörg", "ä")));
        check(
            format!("bAsIc  {}", STANDARD.encode("a:b")).as_bytes(),
            Some(("a", "b")),
        );
        check(
            format!("Basic {}", STANDARD.encode(b"J\xf6rg:x")).as_bytes(),
            Some(("Jörg", "x")),
        );
        check(b"Basic", None);
        check(b"Basic !!!", None);
        check(b"Bearer YTpi", None);
        check(
            format!("Basic {}", STANDARD.encode("nocolon")).as_bytes(),
            None,
        );
        check(&basic("alice", &"x".repeat(1025)), None);
        check(b"\xff", None);
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const NOW: Timestamp = Timestamp(1_000_000);

    async fn with_alice() -> Authenticator {
        let dav = Dav::memory(NOW).await;
        let password = "correct horse".to_owned().into();
        let alice = NewUser {
            name: "alice".to_owned(),
            password,
            admin: false,
        };
        access::add(&dav, alice, NOW).await.unwrap();
        Authenticator::new(dav, &config::Auth::default()).unwrap()
    }

    #[tokio::test]
    async fn right_wrong_and_missing() {
        let auth = with_alice().await;
        let sign_in = async |value: Option<Vec<u8>>| {
            auth.authenticate(value.as_deref(), PEER, NOW)
                .await
                .map(|principal| principal.name)
        };
        assert_eq!(
            sign_in(Some(basic("alice", "correct horse"))).await,
            Ok("alice".to_owned())
        );
        assert_eq!(
            sign_in(Some(basic("alice", "wrong"))).await,
            Err(Refusal::Wrong)
        );
        assert_eq!(
            sign_in(Some(basic("mallory", "correct horse"))).await,
            Err(Refusal::Wrong)
        );
        assert_eq!(
            sign_in(Some(b"Negotiate x".to_vec())).await,
            Err(Refusal::Missing)
        );
        assert_eq!(sign_in(None).await, Err(Refusal::Missing));
    }

    /// Whoever is remembered gets in although the user is gone from the store: that shows that the
    /// store was not asked.
    #[tokio::test]
    async fn remembered_until_the_time_is_up_or_the_password_changes() {
        let auth = with_alice().await;
        let right = basic("alice", "correct horse");
        let sign_in = async |now| auth.authenticate(Some(&right), PEER, now).await.is_ok();
        assert!(sign_in(NOW).await);
        access::remove(&auth.dav, "alice").await.unwrap();
        assert!(sign_in(NOW.plus_seconds(299)).await);
        assert!(!sign_in(NOW.plus_seconds(300)).await);
        assert!(sign_in(NOW).await);
        auth.forget("alice");
        assert!(!sign_in(NOW).await);
    }

    #[tokio::test]
    async fn a_check_that_a_change_overtook_is_not_remembered() {
        let auth = with_alice().await;
        let alice = access::find(&auth.dav, "alice").await.unwrap().unwrap();
        let changes = auth.changes.load(Ordering::Acquire);
        auth.forget("alice");
        auth.remember([7; 32], &Principal::from(&alice), changes, NOW);
        assert_eq!(auth.recall(&[7; 32], NOW), None);
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let auth = with_alice().await;
        let alice = access::find(&auth.dav, "alice").await.unwrap().unwrap();
        for number in 0..=REMEMBERED_MAX {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            auth.remember(digest, &Principal::from(&alice), 0, NOW);
        }
        assert!(auth.remembered().len() <= REMEMBERED_MAX);
    }
}
