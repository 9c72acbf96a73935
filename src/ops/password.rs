//! Passwords: making, hashing and checking. Slow on purpose; callers in async code go through a
//! blocking thread.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::protocol::path::nfc;

/// Longest password in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Shortest password in characters.
const PASSWORD_CHARS_MIN: usize = 8;
/// Without look-alikes, since people copy it from a terminal. 32 characters: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 120 bits.
const RANDOM_CHARS: usize = 24;

/// A password in the clear, in NFC (macOS types another form than everybody else). Never shown by
/// `{:?}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Password(String);

/// Why a password cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Too short, too long, or with control characters.
    #[error(
        "a password has {PASSWORD_CHARS_MIN} characters to {PASSWORD_BYTES_MAX} bytes and no \
         control characters"
    )]
    Unfit,
    /// The operating system gave no randomness, or the hash could not be computed.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(nfc(&text).into_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// A new one that nobody can guess.
    pub fn random() -> Result<Self, PasswordError> {
        let mut bytes = [0; RANDOM_CHARS];
        getrandom::fill(&mut bytes).map_err(|error| PasswordError::Failed(error.to_string()))?;
        let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
        Ok(Self(bytes.iter().map(letter).collect()))
    }

    /// The characters.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it may become somebody's password.
    pub fn check(&self) -> Result<(), PasswordError> {
        let long_enough = self.0.chars().count() >= PASSWORD_CHARS_MIN;
        let fit = long_enough && self.0.len() <= PASSWORD_BYTES_MAX;
        let plain = !self.0.chars().any(char::is_control);
        if fit && plain {
            Ok(())
        } else {
            Err(PasswordError::Unfit)
        }
    }

    /// Its argon2id hash as a PHC string. Takes tens of milliseconds and 19 MiB.
    pub fn hash(&self) -> Result<String, PasswordError> {
        let hash = Argon2::default().hash_password(self.0.as_bytes());
        let hash = hash.map_err(|error| PasswordError::Failed(error.to_string()))?;
        Ok(hash.to_string())
    }

    /// Whether it is the one that `hash` was made of. As slow as [`Password::hash`].
    pub fn matches(&self, hash: &str) -> bool {
        let Ok(hash) = PasswordHash::new(hash) else {
            return false;
        };
        Argon2::default()
            .verify_password(self.0.as_bytes(), &hash)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_only_in_any_normal_form() {
        let hash = Password::from("pässword".to_owned()).hash().unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(Password::from("pa\u{308}ssword".to_owned()).matches(&hash));
        assert!(!Password::from("passw0rd".to_owned()).matches(&hash));
        assert!(!Password::from("password".to_owned()).matches("nonsense"));
    }

    #[test]
    fn random_passwords_are_fit_and_different() {
        let (one, two) = (Password::random().unwrap(), Password::random().unwrap());
        assert_eq!(one.check(), Ok(()));
        assert_ne!(one, two);
        assert_eq!(one.reveal().len(), RANDOM_CHARS);
    }

    #[test]
    fn lengths_and_control_characters() {
        fn check(text: &str, fit: bool) {
            assert_eq!(
                Password::from(text.to_owned()).check().is_ok(),
                fit,
                "{text:?}"
            );
        }
        check("1234567", false);
        check("12345678", true);
        check("ääääääää", true);
        check("1234567\n", false);
        check(&"x".repeat(1024), true);
        check(&"x".repeat(1025), false);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", Password::from("secret".to_owned())),
            "Password(…)"
        );
    }
}
