//! Commands about API keys.

use serde::{Deserialize, Serialize};

use super::{AdminError, AdminReply};
use crate::ops::Dav;
use crate::ops::access::api_keys::{self, ApiKey, NewApiKey};
use crate::protocol::time::Timestamp;
use crate::rights::Access;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenCommand {
    /// Makes an API key.
    Add {
        /// Whose.
        user: String,
        /// By which the user tells it from others.
        name: String,
        /// Reading alone, or whatever the user may do.
        scope: Access,
        /// Only the collection at this path, and what is below it.
        within: Option<String>,
        /// When it ends by itself.
        expires: Option<Timestamp>,
    },
    /// Lists the API keys.
    List {
        /// Only those of this user.
        user: Option<String>,
    },
    /// Revokes an API key.
    Revoke {
        /// Whose.
        user: String,
        /// Its name or its id.
        key: String,
    },
}

/// One API key in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// A UUID, unchanged for life.
    pub id: String,
    /// Whose.
    pub user: String,
    /// By which the user tells it from others.
    pub name: String,
    /// `read` or `write`.
    pub scope: Access,
    /// What it is confined to, if it is.
    pub within: Option<Within>,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it ends by itself (RFC 3339), if it does.
    pub expires: Option<String>,
}

/// The collection that a key is confined to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// 32 hexadecimal digits, unchanged for life.
    pub id: String,
    /// Where it is; nothing if it was deleted.
    pub path: Option<String>,
}

impl From<ApiKey> for KeyEntry {
    fn from(key: ApiKey) -> Self {
        let path = key.within.map(|path| path.to_plain());
        Self {
            id: key.id.0.to_string(),
            user: key.user,
            name: key.name,
            scope: key.scope.access,
            within: key.scope.within.map(|id| Within {
                id: id.to_string(),
                path,
            }),
            created: key.created.rfc3339(),
            expires: key.expires.map(Timestamp::rfc3339),
        }
    }
}

pub(super) async fn run(
    dav: &Dav,
    command: TokenCommand,
    now: Timestamp,
) -> Result<AdminReply, AdminError> {
    match command {
        TokenCommand::Add {
            user,
            name,
            scope,
            within,
            expires,
        } => {
            let new = NewApiKey {
                user,
                name,
                access: scope,
                within,
                expires,
            };
            let (key, secret) = api_keys::add(dav, new, now).await?;
            Ok(AdminReply::NewKey(KeyEntry::from(key), secret))
        }
        TokenCommand::List { user } => {
            let keys = api_keys::list(dav, user.as_deref()).await?;
            Ok(AdminReply::Keys(
                keys.into_iter().map(KeyEntry::from).collect(),
            ))
        }
        TokenCommand::Revoke { user, key } => {
            api_keys::revoke(dav, &user, &key).await?;
            Ok(AdminReply::Done)
        }
    }
}
