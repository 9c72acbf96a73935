//! The JSON, form and multipart bodies of the APIs, their queries and their paths: any call gets
//! one whole answer in the envelope of its face, and none is a fault of the server.

use super::http::{Answer, answers};
use super::site::{self, KEY};

/// `data` is a method and a target, perhaps header lines, an empty line and a body; what frames the
/// request is added here.
pub fn target(data: &[u8]) {
    let (head, body) = split(data);
    let Ok(head) = str::from_utf8(head) else {
        return;
    };
    let mut lines = head.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else {
        return;
    };
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if method.is_empty() || !method.chars().all(token) || !visible(target) {
        return;
    }
    let framing = [
        "host",
        "authorization",
        "content-length",
        "transfer-encoding",
        "connection",
        "expect",
        "upgrade",
        "accept",
        "last-event-id",
    ];
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let framed = framing.contains(&name.trim().to_ascii_lowercase().as_str());
        let plain = !name.is_empty() && name.chars().all(token) && !value.contains('\r');
        (!framed && plain).then(|| format!("{name}: {}\r\n", value.trim()))
    });
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\
         Connection: close\r\n{}",
        fields.collect::<String>()
    )
    .into_bytes();
    site::with(|site| {
        // The body's placeholders change its length.
        let body = site.named(body);
        request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        request.extend_from_slice(&body);
        let answer = site.exchange(&request);
        let answers = answers(&answer, |_| method == "HEAD");
        site.restore();
        match &answers[..] {
            [answer] => check(target, answer),
            // Who waits for events, or for a password to be checked, leaves before the answer.
            [] if ["wait", "auth", "token"]
                .iter()
                .any(|word| target.contains(word)) => {}
            other => panic!("{} answers to {method} {target}", other.len()),
        }
    });
}

fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n");
    end.map_or((data, &[]), |end| (&data[..end], &data[end + 2..]))
}

fn check(target: &str, answer: &Answer) {
    let status = answer.status;
    assert!(
        status < 500 || matches!(status, 501 | 503 | 507),
        "{target}: {answer:?}"
    );
    let media = answer.field("content-type").unwrap_or_default();
    if media.starts_with("application/json") && !answer.body.is_empty() {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        if status >= 400 {
            let told = ["message", "Message", "error", "detail", "title"].iter();
            let told = told.filter_map(|name| body.get(name)).count();
            assert!(told > 0, "{target} is refused without a reason: {body}");
        }
    }
    if status == 401 {
        assert!(answer.field("www-authenticate").is_some(), "{answer:?}");
    }
}
