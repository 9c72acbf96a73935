//! The words for locks that stand on the wire, on the command line and in the rules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// What kind of lock: whom it belongs to and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockKind {
    /// A check-out: it belongs to a user in every session, and stays until it is checked in,
    /// stolen or released by somebody who may.
    Persistent,
    /// An application's lock: it belongs to a token in the hands of the user who took it, and
    /// ends by UNLOCK, with its file, or when nobody refreshes it.
    Transient,
    /// A freeze: it belongs to the resource, which nobody may change until whoever set the lock,
    /// or somebody who may release any, takes it away.
    ReadOnly,
}

impl LockKind {
    /// Its name on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Transient => "transient",
            Self::ReadOnly => "read-only",
        }
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LockKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Persistent, Self::Transient, Self::ReadOnly]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                UnknownWord::new("kind of lock", text, "persistent, transient, read-only")
            })
    }
}

/// The name of one lock: `urn:uuid:` and a random (version 4) UUID. Knowing it does not help
/// another user: every rule compares the user as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LockToken(pub Uuid);

impl LockToken {
    /// A new token from the system's secure generator.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads the spelling of [`fmt::Display`]; `None` for anything that this server never gave out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("urn:uuid:")?;
        let uuid = Uuid::try_parse(digits).ok()?;
        (digits.len() == 36).then_some(Self(uuid))
    }
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urn:uuid:{}", self.0)
    }
}

impl fmt::Debug for LockToken {
    /// Tokens are secrets of their owner and stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockToken(…)")
    }
}

/// Who else may hold a lock beside this one (RFC 4918 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockScope {
    /// Nobody.
    Exclusive,
    /// Anybody whose lock is shared as well.
    Shared,
}

impl LockScope {
    /// Its name on the wire, which is also the name of its `DAV:` element.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for LockScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LockScope {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Exclusive, Self::Shared]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownWord::new("lock scope", text, "exclusive, shared"))
    }
}

/// A word that is not one of the few that are allowed there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{word:?} is no {what}; allowed are: {allowed}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    allowed: &'static str,
}

/// As much of a client's word as an error repeats.
const WORD_CHARS_MAX: usize = 40;

impl UnknownWord {
    pub(crate) fn new(what: &'static str, word: &str, allowed: &'static str) -> Self {
        Self {
            what,
            word: word.chars().take(WORD_CHARS_MAX).collect(),
            allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were_written() {
        for kind in [
            LockKind::Persistent,
            LockKind::Transient,
            LockKind::ReadOnly,
        ] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for scope in [LockScope::Exclusive, LockScope::Shared] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }

    #[test]
    fn an_unknown_word_is_named_with_what_is_allowed() {
        let error = "Read-Only".parse::<LockKind>().expect_err("case counts");
        assert_eq!(
            error.to_string(),
            "\"Read-Only\" is no kind of lock; allowed are: persistent, transient, read-only"
        );
        assert!("".parse::<LockScope>().is_err());
    }
}
