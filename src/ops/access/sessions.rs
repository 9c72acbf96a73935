//! Sessions: what a password opens for a program that shall not keep the password. A session has
//! one access token and, if it can be renewed, one refresh token; a renewal replaces both (RFC 9700
//! §4.14.2). A refresh token that was used up comes back only if somebody stole it, from either
//! side: then the session ends.

use uuid::Uuid;

use super::secret::{self, Secret, SecretKind};
use super::users::Verified;
use super::{AccessError, Principal};
use crate::lock::UserId;
use crate::ops::Dav;
use crate::protocol::time::Timestamp;
use crate::store::credentials::{Credential, CredentialId, CredentialKind, Held, SecretHash};
use crate::store::engine::{Mode, StoreError};
use crate::store::transact::transact;
use crate::store::tx::Tx;

/// Most sessions of one user; the one that was renewed longest ago makes room.
const SESSIONS_PER_USER_MAX: usize = 50;

/// Whether a session outlives its first access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// There is a refresh token.
    Offered,
    /// There is none.
    None,
}

/// What a session gives its holder.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// `at-…`, for the door.
    pub access: Secret,
    /// `rt-…`, for one renewal.
    pub refresh: Option<Secret>,
    /// For how many seconds the access token is good.
    pub expires_in: u64,
}

/// Starts a session.
pub async fn sign_in(
    dav: &Dav,
    who: &Verified,
    renewal: Renewal,
    now: Timestamp,
) -> Result<Tokens, AccessError> {
    let session = CredentialId(Uuid::new_v4());
    let next = Next::new(dav, who.principal.id, session, renewal)?;
    transact(
        dav.engine(),
        Mode::Write,
        &(who, &next, now),
        |txn, (who, next, now)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, *now);
                let user = tx.user_by_id(who.principal.id).await?;
                if !user.is_some_and(|user| who.still_holds_for(&user)) {
                    return Err(AccessError::PasswordChanged);
                }
                make_room(&mut tx, next.user).await?;
                Ok(next.write(&mut tx)?)
            })
        },
    )
    .await?;
    Ok(next.tokens())
}

/// The next tokens of the session that a refresh token belongs to, and whose it is; `None` if the
/// token is not good, or no more.
pub async fn renew(
    dav: &Dav,
    refresh: &str,
    now: Timestamp,
) -> Result<Option<(Principal, Tokens)>, AccessError> {
    let looks_right = Secret::kind_of(refresh) == Some(SecretKind::Refresh);
    let Some((user, session)) = secret::session_named_by(refresh).filter(|_| looks_right) else {
        return Ok(None);
    };
    let next = Next::new(dav, user, session, Renewal::Offered)?;
    let presented = (secret::hash(refresh), &next, now);
    let answer = transact(
        dav.engine(),
        Mode::Write,
        &presented,
        |txn, (hash, next, now)| {
            Box::pin(async move { next.replace(&mut Tx::new(txn, *now), hash).await })
        },
    );
    match answer.await? {
        Renewed::Yes(principal) => Ok(Some((principal, next.tokens()))),
        Renewed::Reused => {
            tracing::warn!(user = %user.0, "a used refresh token came back; its session has ended");
            Ok(None)
        }
        Renewed::No => Ok(None),
    }
}

/// What became of a renewal.
enum Renewed {
    Yes(Principal),
    /// The token had been used before.
    Reused,
    /// There is no such session, or its time is over.
    No,
}

async fn make_room(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    let sessions = tx.sessions(user).await?;
    let surplus = (sessions.len() + 1).saturating_sub(SESSIONS_PER_USER_MAX);
    for (oldest, _) in sessions.iter().take(surplus) {
        tx.end_credential(user, *oldest).await?;
    }
    Ok(())
}

/// The tokens to be of a session.
struct Next {
    user: UserId,
    session: CredentialId,
    access: Secret,
    access_seconds: u64,
    refresh: Option<Secret>,
    refresh_seconds: u64,
}

impl Next {
    fn new(
        dav: &Dav,
        user: UserId,
        session: CredentialId,
        renewal: Renewal,
    ) -> Result<Self, AccessError> {
        let auth = &dav.config().auth;
        Ok(Self {
            user,
            session,
            access: Secret::random(SecretKind::Access)?,
            access_seconds: auth.access_token_seconds,
            refresh: match renewal {
                Renewal::Offered => Some(Secret::random_refresh(user, session)?),
                Renewal::None => None,
            },
            refresh_seconds: auth.refresh_token_seconds,
        })
    }

    fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let token = |kind, seconds| Credential {
            id: self.session,
            user: self.user,
            kind,
            created: tx.now,
            expires: Some(tx.now.plus_seconds(seconds)),
        };
        let access = token(CredentialKind::Access, self.access_seconds);
        let refresh = token(CredentialKind::Refresh, self.refresh_seconds);
        let secret = self.refresh.as_ref().map(Secret::hash);
        tx.put_session(
            (self.access.hash(), &access),
            secret.map(|secret| (secret, &refresh)),
        )
    }

    /// Puts these tokens in the place of those that the session has, if `presented` is its refresh
    /// token.
    async fn replace(
        &self,
        tx: &mut Tx<'_>,
        presented: &SecretHash,
    ) -> Result<Renewed, AccessError> {
        let Some(Held::Session(session)) = tx.held(self.user, self.session).await? else {
            return Ok(Renewed::No);
        };
        let is_current = session.refresh == Some(*presented);
        if is_current {
            let token = tx.credential(presented).await?;
            if !token.is_some_and(|token| token.stands_at(tx.now)) {
                return Ok(Renewed::No);
            }
        }
        tx.end_credential(self.user, self.session).await?;
        if !is_current {
            return Ok(Renewed::Reused);
        }
        let Some(user) = tx.user_by_id(self.user).await? else {
            return Ok(Renewed::No);
        };
        self.write(tx)?;
        Ok(Renewed::Yes(Principal::from(&user)))
    }

    fn tokens(self) -> Tokens {
        Tokens {
            access: self.access,
            refresh: self.refresh,
            expires_in: self.access_seconds,
        }
    }
}
