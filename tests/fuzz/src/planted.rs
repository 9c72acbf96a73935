//! A fault that is here on purpose: a reader of paths that looks for `..` before it decodes, as
//! many servers have done. Whoever cannot find it would not find ours either.

use lockkeeper::protocol::path::DavPath;

/// Fails for a path such as `/a/%2e%2e/b`, which is in no corpus.
pub fn target(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let wrong = reads_dots_too_late(text);
    let right = DavPath::parse(text, usize::MAX).is_ok();
    assert!(
        right || !wrong,
        "the planted fault: {text:?} leads out of the tree"
    );
}

fn reads_dots_too_late(text: &str) -> bool {
    let is_name = |segment: &str| {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        let leads_up = matches!(segment, "." | "..");
        let plain = |name: &str| matches!(name, "." | "..");
        !leads_up && decoded.is_ok_and(|name| plain(&name))
    };
    text.starts_with('/') && text.split('/').any(is_name)
}
