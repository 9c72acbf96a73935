//! Raw bytes on a connection: request lines, framing, any header in any face. Whatever comes, the
//! answers are whole, none is a fault of the server, and the next client is served.

use super::http::answers;
use super::site::{self, KEY};

const HEALTH: &[u8] = b"GET /.lockkeeper/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// `data` is what a client sends. Without a key in it nothing may change.
pub fn target(data: &[u8]) {
    site::with(|site| {
        let signs_in = data.windows(KEY.len()).any(|part| part == KEY.as_bytes());
        let answer = site.exchange(data);
        let changed = site.restore();
        assert!(signs_in || !changed, "a stranger changed something");
        // A HEAD anywhere makes it a riddle where answers end; what is before it is read.
        let heads = data
            .windows(4)
            .any(|word| word.eq_ignore_ascii_case(b"head"));
        if !heads {
            for answer in answers(&answer, |_| false) {
                let status = answer.status;
                let fault = status >= 500 && !matches!(status, 501 | 502 | 503 | 505 | 507);
                assert!(!fault, "{answer:?}");
                let public = matches!(status, 200 | 204 | 405);
                let stranger = !signs_in && status < 400;
                assert!(!stranger || public, "a stranger was served: {answer:?}");
            }
        }
        fragments(data, &answer);
        let health = site.exchange(HEALTH);
        assert!(
            health.starts_with(b"HTTP/1.1 200 "),
            "the next client was not served"
        );
    });
}

/// A first target with a `#` in it is refused: without its fragment it would be another resource.
fn fragments(data: &[u8], answer: &[u8]) {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1);
    if target.is_some_and(|target| target.contains(&b'#')) && !answer.is_empty() {
        assert!(
            answer.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(answer)
        );
    }
}
