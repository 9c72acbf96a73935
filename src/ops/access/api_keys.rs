//! API keys: what programs and mounts sign in with. Each stands for its user, confined by its
//! scope, until it expires or is revoked. The secret is told once, when the key is made.

use uuid::Uuid;

use super::users::load as load_user;
use super::{AccessError, Noun, Secret, SecretKind, plain_name, timeless};
use crate::ops::Dav;
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::resource::ResourceId;
use crate::rights::{Access, Scope};
use crate::store::credentials::{Credential, CredentialId, CredentialKind};
use crate::store::engine::Mode;
use crate::store::transact::transact;
use crate::store::tx::Tx;
use crate::store::users::User;

/// Most keys of one user.
const KEYS_PER_USER_MAX: usize = 100;
/// Most keys in one list.
const KEYS_LISTED_MAX: usize = 20_000;

/// A key to be.
#[derive(Debug)]
pub struct NewApiKey {
    /// Whose.
    pub user: String,
    /// By which the user tells it from others.
    pub name: String,
    /// Reading alone, or whatever the user may do.
    pub access: Access,
    /// Only the collection at this path, spelled as people do, and what is below it.
    pub within: Option<String>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// A key as it is listed: everything but its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Unchanged for life.
    pub id: CredentialId,
    /// The user's name.
    pub user: String,
    /// By which the user tells it from others.
    pub name: String,
    /// How far it reaches.
    pub scope: Scope,
    /// Where the collection is that it is confined to, if that still exists.
    pub within: Option<DavPath>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// Makes a key. The secret is not kept and cannot be told again.
pub async fn add(
    dav: &Dav,
    new: NewApiKey,
    now: Timestamp,
) -> Result<(ApiKey, Secret), AccessError> {
    if let Some(passed) = new.expires.filter(|expires| *expires <= now) {
        return Err(AccessError::Expired(passed));
    }
    let path_bytes_max = dav.config().limits.path_bytes_max;
    let within = new.within.as_deref();
    let within = within.map(|path| DavPath::from_plain(path, path_bytes_max));
    let making = Making {
        user: plain_name(Noun::User, &new.user)?,
        id: CredentialId(Uuid::new_v4()),
        secret: Secret::random(SecretKind::ApiKey)?,
        name: plain_name(Noun::ApiKey, &new.name)?,
        access: new.access,
        within: within.transpose()?,
        expires: new.expires,
    };
    let context = (&making, now);
    let key = transact(dav.engine(), Mode::Write, &context, |txn, (making, now)| {
        Box::pin(async move { making.make(&mut Tx::new(txn, *now)).await })
    });
    let key = key.await?;
    Ok((key, making.secret))
}

/// The keys of the user of this name, or everybody's.
pub async fn list(dav: &Dav, user: Option<&str>) -> Result<Vec<ApiKey>, AccessError> {
    let users = match user {
        Some(name) => vec![plain_name(Noun::User, name)?],
        None => super::list(dav)
            .await?
            .into_iter()
            .map(|user| user.name)
            .collect(),
    };
    let mut all = Vec::new();
    for name in &users {
        match list_of(dav, name).await {
            Ok(keys) => all.extend(keys),
            // Whoever was removed since the list was made has none.
            Err(AccessError::NoSuch(..)) if user.is_none() => {}
            Err(error) => return Err(error),
        }
        if all.len() > KEYS_LISTED_MAX {
            return Err(AccessError::TooManyToList(KEYS_LISTED_MAX));
        }
    }
    Ok(all)
}

async fn list_of(dav: &Dav, user: &String) -> Result<Vec<ApiKey>, AccessError> {
    transact(dav.engine(), Mode::Read, user, |txn, user| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let user = load_user(&mut tx, user).await?;
            let mut keys = Vec::new();
            for credential in tx.api_keys(user.id).await? {
                keys.extend(described(&mut tx, &user, credential).await?);
            }
            Ok(keys)
        })
    })
    .await
}

/// Revokes the key of this name, or else of this id: it is worth nothing from then on.
pub async fn revoke(dav: &Dav, user: &str, name_or_id: &str) -> Result<(), AccessError> {
    let wanted = (plain_name(Noun::User, user)?, name_or_id.to_owned());
    transact(dav.engine(), Mode::Write, &wanted, |txn, (user, wanted)| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let user = load_user(&mut tx, user).await?;
            let keys = tx.api_keys(user.id).await?;
            let named = plain_name(Noun::ApiKey, wanted).ok();
            let by_name = keys.iter().find(|key| name_of(key) == named.as_deref());
            let id = Uuid::try_parse(wanted).map(CredentialId).ok();
            let found = by_name.or_else(|| keys.iter().find(|key| Some(key.id) == id));
            let Some(key) = found else {
                let wanted = super::excerpt(wanted);
                return Err(AccessError::NoSuch(Noun::ApiKey, wanted));
            };
            tx.end_credential(user.id, key.id).await?;
            Ok(())
        })
    })
    .await
}

/// What has to be known before the transaction.
struct Making {
    user: String,
    id: CredentialId,
    secret: Secret,
    name: String,
    access: Access,
    within: Option<DavPath>,
    expires: Option<Timestamp>,
}

impl Making {
    async fn make(&self, tx: &mut Tx<'_>) -> Result<ApiKey, AccessError> {
        let user = load_user(tx, &self.user).await?;
        let keys = tx.api_keys(user.id).await?;
        if keys.iter().any(|key| name_of(key) == Some(&self.name)) {
            return Err(AccessError::Exists(Noun::ApiKey, self.name.clone()));
        }
        if keys.len() >= KEYS_PER_USER_MAX {
            let (what, max) = ("API keys of this user", KEYS_PER_USER_MAX);
            return Err(AccessError::TooMany { what, max });
        }
        let within = match &self.within {
            Some(path) => Some(collection_at(tx, path).await?),
            None => None,
        };
        let credential = Credential {
            id: self.id,
            user: user.id,
            kind: CredentialKind::ApiKey {
                name: self.name.clone(),
                scope: Scope {
                    access: self.access,
                    within,
                },
            },
            created: tx.now,
            expires: self.expires,
        };
        tx.put_api_key(self.secret.hash(), &credential)?;
        let key = described(tx, &user, credential).await?;
        key.ok_or_else(|| AccessError::NoSuch(Noun::ApiKey, self.name.clone()))
    }
}

async fn collection_at(tx: &mut Tx<'_>, path: &DavPath) -> Result<ResourceId, AccessError> {
    let walk = tx.walk(path).await?;
    match walk.found() {
        Some(found) if found.is_collection() => Ok(found.id),
        Some(_) => Err(AccessError::NotACollection(path.to_plain())),
        None => Err(AccessError::NothingAt(path.to_plain())),
    }
}

fn name_of(key: &Credential) -> Option<&str> {
    match &key.kind {
        CredentialKind::ApiKey { name, .. } => Some(name),
        CredentialKind::Access | CredentialKind::Refresh => None,
    }
}

async fn described(
    tx: &mut Tx<'_>,
    user: &User,
    credential: Credential,
) -> Result<Option<ApiKey>, AccessError> {
    let CredentialKind::ApiKey { name, scope } = credential.kind else {
        return Ok(None);
    };
    let within = match scope.within {
        Some(collection) => tx.path_of(collection).await?.map(|(path, _)| path),
        None => None,
    };
    Ok(Some(ApiKey {
        id: credential.id,
        user: user.name.clone(),
        name,
        scope,
        within,
        created: credential.created,
        expires: credential.expires,
    }))
}
