//! The signature of a page, by which its receiver knows that it comes from this server and is no
//! repetition of an old one: Standard Webhooks (standardwebhooks.com), symmetric.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The value of `webhook-signature`; `None` only for a key that HMAC does not take, and it takes
/// all.
pub(super) fn sign(key: &[u8], message: &str, seconds: u64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{message}.{seconds}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        fn check(secret: &str, message: &str, seconds: u64, body: &str, expect: &str) {
            let key = BASE64.decode(secret.trim_start_matches("whsec_")).unwrap();
            let signature = sign(&key, message, seconds, body.as_bytes());
            assert_eq!(signature.as_deref(), Some(expect), "{message}");
        }
        // From the tests of the libraries of Standard Webhooks.
        check(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
    }
}
