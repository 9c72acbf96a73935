//! Raw bytes on a connection: request lines, framing, any header in any face. Whatever comes, the
//! answers are whole, none is a fault of the server, and the next client is served.

use super::http::{Answer, answers};
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
            let answers = answers(&answer, |_| false);
            answers.iter().for_each(|answer| no_fault(answer, signs_in));
            fragments(data, &answers);
        }
        let health = site.exchange(HEALTH);
        assert!(
            health.starts_with(b"HTTP/1.1 200 "),
            "the next client was not served"
        );
    });
}

fn no_fault(answer: &Answer, signs_in: bool) {
    let status = answer.status;
    let fault = status >= 500 && !matches!(status, 501 | 502 | 503 | 505 | 507);
    assert!(!fault, "{answer:?}");
    let public = matches!(status, 200 | 204 | 405);
    let stranger = !signs_in && status < 400;
    assert!(!stranger || public, "a stranger was served: {answer:?}");
}

/// A target with a `#` in it is refused, also behind other requests: without its fragment it would
/// be another resource. Looks at plain heads one behind the other, up to the first body.
fn fragments(data: &[u8], answers: &[Answer]) {
    let text = String::from_utf8_lossy(data);
    for (head, answer) in text.split("\r\n\r\n").zip(answers) {
        let lines: Vec<&str> = head.trim_start_matches("\r\n").split("\r\n").collect();
        let lower = head.to_ascii_lowercase();
        let body = ["content-length", "transfer-encoding", "upgrade"];
        let plain = !lines.iter().any(|line| line.contains(['\r', '\n']));
        if !plain || body.iter().any(|name| lower.contains(name)) {
            return;
        }
        let target = lines.first().and_then(|line| line.split(' ').nth(1));
        if target.is_some_and(|target| target.contains('#')) {
            assert!((400..500).contains(&answer.status), "{head}: {answer:?}");
        }
    }
}
