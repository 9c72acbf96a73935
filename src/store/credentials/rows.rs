//! The rows of credentials.

use super::{Credential, CredentialId, CredentialKind, Held, SecretHash, Session};
use crate::lock::UserId;
use crate::store::engine::StoreError;
use crate::store::keys;
use crate::store::tx::Tx;

impl Tx<'_> {
    /// What the secret with this hash stands for, whether its time is over or not.
    pub async fn credential(
        &mut self,
        secret: &SecretHash,
    ) -> Result<Option<Credential>, StoreError> {
        self.row(keys::credential(secret)).await
    }

    /// What a user has under this id.
    pub async fn held(
        &mut self,
        user: UserId,
        id: CredentialId,
    ) -> Result<Option<Held>, StoreError> {
        self.row(keys::held(user, id)).await
    }

    /// The API keys of a user in the order of their age.
    pub async fn api_keys(&mut self, user: UserId) -> Result<Vec<Credential>, StoreError> {
        let held: Vec<Held> = self.scan_rows(keys::all_held(user), usize::MAX).await?;
        let wanted: Vec<_> = held
            .iter()
            .filter(|held| matches!(held, Held::Key(_)))
            .flat_map(Held::secrets)
            .map(|secret| keys::credential(&secret))
            .collect();
        let found: Vec<Option<Credential>> = self.rows(&wanted).await?;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_by_key(|key| (key.created, key.id));
        Ok(found)
    }

    /// The sessions of a user, the one that was renewed longest ago first.
    pub async fn sessions(
        &mut self,
        user: UserId,
    ) -> Result<Vec<(CredentialId, Session)>, StoreError> {
        let mut sessions = Vec::new();
        for (id, held) in self.all_held(user).await? {
            if let Held::Session(session) = held {
                sessions.push((id, session));
            }
        }
        sessions.sort_by_key(|(id, session)| (session.renewed, *id));
        Ok(sessions)
    }

    async fn all_held(&mut self, user: UserId) -> Result<Vec<(CredentialId, Held)>, StoreError> {
        let mut all = Vec::new();
        for (key, _) in self.scan_all(keys::all_held(user)).await? {
            let id = CredentialId(keys::uuid_at_end(&key)?);
            all.extend(self.row(key).await?.map(|held| (id, held)));
        }
        Ok(all)
    }

    /// Writes a new API key down.
    pub fn put_api_key(&mut self, secret: SecretHash, key: &Credential) -> Result<(), StoreError> {
        self.put(keys::held(key.user, key.id), &Held::Key(secret))?;
        self.put_secret(secret, key)
    }

    /// Writes a session down, new or renewed. `tokens` are its credentials with their hashes: the
    /// access token and perhaps the refresh token. Those it had before must have been ended.
    pub fn put_session(
        &mut self,
        access: (SecretHash, &Credential),
        refresh: Option<(SecretHash, &Credential)>,
    ) -> Result<(), StoreError> {
        let (secret, token) = access;
        let session = Session {
            renewed: token.created,
            access: secret,
            refresh: refresh.map(|(secret, _)| secret),
        };
        self.put(keys::held(token.user, token.id), &Held::Session(session))?;
        for (secret, token) in std::iter::once(access).chain(refresh) {
            self.put_secret(secret, token)?;
        }
        Ok(())
    }

    fn put_secret(&mut self, secret: SecretHash, value: &Credential) -> Result<(), StoreError> {
        if let Some(expires) = value.expires {
            self.mark(keys::expiry(expires, &secret));
        }
        self.put(keys::credential(&secret), value)
    }

    /// Ends an API key, or a session with its tokens; whether there was one.
    pub async fn end_credential(
        &mut self,
        user: UserId,
        id: CredentialId,
    ) -> Result<bool, StoreError> {
        let Some(held) = self.held(user, id).await? else {
            return Ok(false);
        };
        for secret in held.secrets() {
            self.drop_secret(&secret).await?;
        }
        self.delete(keys::held(user, id));
        Ok(true)
    }

    /// Ends all sessions of a user.
    pub async fn end_sessions(&mut self, user: UserId) -> Result<(), StoreError> {
        for (id, _) in self.sessions(user).await? {
            self.end_credential(user, id).await?;
        }
        Ok(())
    }

    /// Ends everything that a user could sign in with beside the password.
    pub(in crate::store) async fn end_all_credentials(
        &mut self,
        user: UserId,
    ) -> Result<(), StoreError> {
        for (id, _) in self.all_held(user).await? {
            self.end_credential(user, id).await?;
        }
        Ok(())
    }

    /// Removes up to `limit` credentials whose time is over; returns how many it found.
    pub async fn end_expired_credentials(&mut self, limit: usize) -> Result<usize, StoreError> {
        let expired = self.scan(keys::expiries_until(self.now), limit).await?;
        for (key, _) in &expired {
            let secret = keys::hash_at_end(key)?;
            let Some(credential) = self.credential(&secret).await? else {
                self.delete(key.clone());
                continue;
            };
            if self.outlives(&credential).await? {
                self.drop_secret(&secret).await?;
            } else {
                self.end_credential(credential.user, credential.id).await?;
            }
        }
        Ok(expired.len())
    }

    /// Whether a session can go on without this one of its tokens.
    async fn outlives(&mut self, token: &Credential) -> Result<bool, StoreError> {
        if token.kind != CredentialKind::Access {
            return Ok(false);
        }
        let held = self.held(token.user, token.id).await?;
        Ok(matches!(held, Some(Held::Session(session)) if session.refresh.is_some()))
    }

    async fn drop_secret(&mut self, secret: &SecretHash) -> Result<(), StoreError> {
        if let Some(credential) = self.credential(secret).await? {
            if let Some(expires) = credential.expires {
                self.delete(keys::expiry(expires, secret));
            }
            self.delete(keys::credential(secret));
        }
        Ok(())
    }
}
