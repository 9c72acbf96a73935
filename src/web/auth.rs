//! Credentials to principals: passwords (RFC 7617), which are slow for guessers and fast for
//! everybody else, API keys and access tokens (RFC 6750), which cannot be guessed.

mod credentials;
mod failures;

use std::collections::HashMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::address::network;
use super::metrics::Metrics;
use super::turns::Turns;
use crate::config;
use crate::ops::Dav;
use crate::ops::access::sessions::{self, Renewal, Tokens};
use crate::ops::access::{self, AccessError, Principal, Secret, SecretKind, Verified};
use crate::ops::password::{Password, PasswordError};
use crate::protocol::path::nfc;
use crate::protocol::time::Timestamp;

use credentials::Presented;
use failures::Failures;

pub use credentials::Credentials;

/// Remembered credentials at once. An entry is some 200 bytes.
const REMEMBERED_MAX: usize = 10_000;
/// Hashes computed at once: each takes a core and 19 MiB.
const HASHING_MAX: usize = 2;

/// Why a request gets no principal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There are no credentials, or none that can be read.
    #[error("sign in with a user name and a password or an API key")]
    Missing,
    /// They are not right. It is not said what about them.
    #[error("this user name and password are not known")]
    Wrong,
    /// There is a token instead, and it opens nothing.
    #[error("this token is not known: it may have expired, or have been revoked")]
    WrongToken,
    /// It could not be found out.
    #[error("{0}")]
    Unavailable(String),
}

impl Refusal {
    /// Tells the log and the metrics of a failed sign-in. Without the name: people type passwords
    /// there.
    pub(super) fn note(&self, peer: IpAddr, metrics: &Metrics) {
        match self {
            Self::Unavailable(reason) => {
                tracing::error!(reason, "credentials could not be checked");
            }
            Self::Wrong => tracing::warn!(%peer, "wrong user name or password"),
            Self::WrongToken => tracing::warn!(%peer, "wrong token"),
            Self::Missing => {}
        }
        if matches!(self, Self::Wrong | Self::WrongToken) {
            metrics.login_failed();
        }
    }
}

type Digest = [u8; 32];

/// Verifies credentials and remembers those that were right.
pub struct Authenticator {
    dav: Arc<Dav>,
    remember: Duration,
    /// Its key is new with every process, so that what is remembered is worth nothing outside it.
    mac: Hmac<Sha256>,
    remembered: Mutex<HashMap<Digest, Remembered>>,
    /// Counts the changes of users: a verification that began before one is not remembered.
    changes: AtomicU64,
    failures: Mutex<Failures>,
    hashing: Semaphore,
    /// Of each address one at a time, so that nobody's guesses keep everybody else out.
    hashing_of: Turns<IpAddr>,
    /// The hash of a password that nobody has: unknown users cost as much time as known ones.
    dummy_hash: String,
}

#[derive(Debug)]
struct Remembered {
    verified: Verified,
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
        let mac = Hmac::new_from_slice(&key);
        Ok(Self {
            dav,
            remember: Duration::from_secs(config.remember_seconds),
            mac: mac.map_err(|error| PasswordError::Failed(error.to_string()))?,
            remembered: Mutex::default(),
            changes: AtomicU64::new(0),
            failures: Mutex::default(),
            hashing: Semaphore::new(HASHING_MAX),
            hashing_of: Turns::new(1),
            dummy_hash: Password::random()?.hash()?,
        })
    }

    /// Who it is. `peer` counts for the brake on guessing.
    pub async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        match credentials.read().ok_or(Refusal::Missing)? {
            Presented::Token(token) => match self.find_by_token(&token, now).await? {
                Some(principal) => Ok(principal),
                None => Err(self.refuse_token(peer, now).await),
            },
            Presented::Password(name, password) => {
                if let Some(principal) = self.find_by_key(&name, &password, now).await? {
                    return Ok(principal);
                }
                let verified = self.check_password(&name, password, peer, now).await;
                Ok(verified?.principal)
            }
        }
    }

    /// Who has this name and this password; nothing but the password counts.
    pub async fn check_password(
        &self,
        name: &str,
        password: Password,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let name = &*nfc(name);
        let digest = self.digest(name, &password);
        if let Some(verified) = self.recall(&digest, now) {
            return Ok(verified);
        }
        let delay = self.failures().delay(name, peer, now);
        sleep(delay).await;
        let of_address = self.hashing_of.wait(network(peer), Duration::MAX).await;
        let permit = self.hashing.acquire().await;
        // Somebody with the same credentials may have been ahead in the queue.
        if let Some(verified) = self.recall(&digest, now) {
            return Ok(verified);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let verified = access::verify_password(&self.dav, name, password, &self.dummy_hash).await;
        drop((permit, of_address));
        let Some(verified) = verified.map_err(unavailable)? else {
            self.failures().note(name, peer, now);
            return Err(Refusal::Wrong);
        };
        self.failures().forgive(name);
        self.remember(digest, &verified, changes, now);
        Ok(verified)
    }

    /// Starts a session for whoever has this name and this password.
    pub async fn sign_in(
        &self,
        name: &str,
        password: Password,
        renewal: Renewal,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<(Principal, Tokens), Refusal> {
        let verified = self.check_password(name, password, peer, now).await?;
        match sessions::sign_in(&self.dav, &verified, renewal, now).await {
            Ok(tokens) => Ok((verified.principal, tokens)),
            Err(AccessError::PasswordChanged) => Err(Refusal::Wrong),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The next tokens of the session that a refresh token belongs to.
    pub async fn renew(
        &self,
        refresh: &str,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<(Principal, Tokens), Refusal> {
        match sessions::renew(&self.dav, refresh, now).await {
            Ok(Some(renewed)) => Ok(renewed),
            Ok(None) => Err(self.refuse_token(peer, now).await),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The user of an API key or an access token.
    async fn find_by_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Principal>, Refusal> {
        let found = access::by_secret(&self.dav, token, now).await;
        found.map_err(unavailable)
    }

    /// The user of this name, if the password is an API key of theirs: mounts have no other place
    /// for one.
    async fn find_by_key(
        &self,
        name: &str,
        password: &Password,
        now: Timestamp,
    ) -> Result<Option<Principal>, Refusal> {
        if Secret::kind_of(password.reveal()) != Some(SecretKind::ApiKey) {
            return Ok(None);
        }
        let found = self.find_by_token(password.reveal(), now).await?;
        Ok(found.filter(|principal| principal.name == name))
    }

    /// Nobody guesses a token, but whoever tries is slowed down all the same. The right ones never
    /// wait: another client behind the same address may have an old one.
    async fn refuse_token(&self, peer: IpAddr, now: Timestamp) -> Refusal {
        let delay = self.failures().delay_of_peer(peer, now);
        self.failures().note_peer(peer, now);
        sleep(delay).await;
        Refusal::WrongToken
    }

    /// Drops what is remembered of a user whose password changed or who was removed.
    pub fn forget(&self, name: &str) {
        let name = nfc(name);
        let mut remembered = self.remembered();
        self.changes.fetch_add(1, Ordering::AcqRel);
        remembered.retain(|_, entry| entry.verified.principal.name != name);
    }

    fn digest(&self, name: &str, password: &Password) -> Digest {
        let mut mac = self.mac.clone();
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(password.reveal().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn recall(&self, digest: &Digest, now: Timestamp) -> Option<Verified> {
        let remembered = self.remembered();
        let entry = remembered.get(digest).filter(|entry| now < entry.until)?;
        Some(entry.verified.clone())
    }

    fn remember(&self, digest: Digest, verified: &Verified, changes: u64, now: Timestamp) {
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
                verified: verified.clone(),
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

fn unavailable(error: impl Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
