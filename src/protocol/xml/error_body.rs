//! Bodies of refusals: `DAV:error` (RFC 4918 §16), for locks with who holds what until when in our
//! namespace. Which status and which precondition an error has is not known here but in
//! `protocol::error`.

use bytes::Bytes;

use super::escape::{push_element, push_href, push_text};
use super::principal::push_privilege;
use super::{DECLARATION, NAMESPACES};
use crate::protocol::error::{DavError, RefusingLock};

/// The body of this refusal; `None` if the RFC has no element for it, and a sentence must do.
pub fn error_body(error: &DavError) -> Option<Bytes> {
    let mut out = DECLARATION.to_owned();
    push_error(&mut out, error, NAMESPACES, |out| {
        // Locks bring a sentence each; what has none gets its own.
        if error.locks().is_empty() {
            push_element(out, "L:reason", |out| {
                push_text(out, &error.public_sentence());
            });
        }
    });
    (out.len() > DECLARATION.len()).then(|| Bytes::from(out))
}

/// Appends the `D:error` of an error that has a precondition element, with these attributes and
/// what `explain` adds at its end.
pub(super) fn push_error(
    out: &mut String,
    error: &DavError,
    attributes: &str,
    explain: impl FnOnce(&mut String),
) {
    let Some(precondition) = error.precondition() else {
        return;
    };
    out.push_str("<D:error");
    out.push_str(attributes);
    out.push('>');
    if let DavError::NeedsPrivilege { href, privilege } = error {
        push_needed_privilege(out, href, privilege);
    } else {
        push_precondition(out, precondition, error.locks());
    }
    for lock in error.locks() {
        push_refusing_lock(out, lock);
    }
    explain(out);
    out.push_str("</D:error>");
}

/// RFC 3744 §7.1.1.
fn push_needed_privilege(out: &mut String, href: &str, privilege: &str) {
    push_element(out, "D:need-privileges", |out| {
        push_element(out, "D:resource", |out| {
            push_href(out, href);
            push_element(out, "D:privilege", |out| push_privilege(out, privilege));
        });
    });
}

/// The precondition with the root of each lock once: two shared locks may have the same.
fn push_precondition(out: &mut String, element: &str, locks: &[RefusingLock]) {
    let element = format!("D:{element}");
    if locks.is_empty() {
        out.push('<');
        out.push_str(&element);
        out.push_str("/>");
        return;
    }
    push_element(out, &element, |out| {
        for (index, lock) in locks.iter().enumerate() {
            if locks[..index]
                .iter()
                .all(|earlier| earlier.href != lock.href)
            {
                push_href(out, &lock.href);
            }
        }
    });
}

fn push_refusing_lock(out: &mut String, lock: &RefusingLock) {
    push_element(out, "L:lock", |out| {
        push_href(out, &lock.href);
        push_element(out, "L:kind", |out| out.push_str(lock.kind.as_str()));
        push_element(out, "L:holder", |out| push_text(out, &lock.holder));
        if let Some(expires) = lock.expires {
            push_element(out, "L:expires", |out| out.push_str(&expires.rfc3339()));
        }
        push_element(out, "L:reason", |out| push_text(out, &lock.reason()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::lock_kinds::LockKind;
    use crate::protocol::time::Timestamp;

    fn check(error: &DavError, expect: Option<&str>) {
        let body = error_body(error);
        let text = body
            .as_deref()
            .map(|body| str::from_utf8(body).expect("UTF-8"));
        let head = concat!(
            r#"<?xml version="1.0" encoding="utf-8"?>"#,
            r#"<D:error xmlns:D="DAV:" xmlns:L="urn:lockkeeper:dav">"#,
        );
        let inside = text.map(|text| {
            let text = text.strip_prefix(head).expect(text);
            text.strip_suffix("</D:error>").expect(text)
        });
        assert_eq!(inside, expect);
    }

    fn lock(href: &str, kind: LockKind, expires: Option<u64>) -> RefusingLock {
        let expires = expires.map(Timestamp);
        RefusingLock {
            href: href.to_owned(),
            kind,
            holder: "Bob & Co".to_owned(),
            expires,
        }
    }

    #[test]
    fn a_refusal_names_the_locks_in_the_way() {
        check(
            &DavError::Locked(vec![lock("/a&b", LockKind::Persistent, None)]),
            Some(
                "<D:lock-token-submitted><D:href>/a&amp;b</D:href></D:lock-token-submitted>\
                 <L:lock><D:href>/a&amp;b</D:href><L:kind>persistent</L:kind>\
                 <L:holder>Bob &amp; Co</L:holder><L:reason>/a&amp;b is checked out by \
                 Bob &amp; Co until it is checked in; ask Bob &amp; Co, or someone who may \
                 release other people's locks.</L:reason></L:lock>",
            ),
        );
    }

    #[test]
    fn each_lock_root_stands_once_and_each_lock_too() {
        let locks = vec![
            lock("/a", LockKind::Transient, Some(1000)),
            lock("/b", LockKind::ReadOnly, None),
            lock("/a", LockKind::Transient, Some(2000)),
        ];
        let body = error_body(&DavError::LockConflict(locks)).expect("it has a precondition");
        let text = str::from_utf8(&body).expect("UTF-8");
        let roots = "<D:no-conflicting-lock><D:href>/a</D:href><D:href>/b</D:href>\
                     </D:no-conflicting-lock><L:lock>";
        assert!(text.contains(roots), "{text}");
        assert_eq!(text.matches("<L:lock>").count(), 3);
        assert!(
            text.contains("<L:expires>1970-01-01T00:00:02Z</L:expires>"),
            "{text}"
        );
    }

    #[test]
    fn other_errors_have_their_element_or_no_body() {
        check(
            &DavError::TokenMismatch,
            Some(
                "<D:lock-token-matches-request-uri/><L:reason>no lock with this token covers this \
                 address; it may have ended or moved</L:reason>",
            ),
        );
        check(
            &DavError::FiniteDepthOnly("no".to_owned()),
            Some("<D:propfind-finite-depth/><L:reason>no</L:reason>"),
        );
        check(
            &DavError::UnsupportedReport("none".to_owned()),
            Some("<D:supported-report/><L:reason>none</L:reason>"),
        );
        check(
            &DavError::NeverLocked("never".to_owned()),
            Some("<D:no-conflicting-lock/><L:reason>never</L:reason>"),
        );
        check(
            &DavError::Locked(Vec::new()),
            Some("<D:lock-token-submitted/><L:reason></L:reason>"),
        );
        check(&DavError::NotFound, None);
        check(
            &DavError::NotYourLock(lock("/a", LockKind::Transient, None)),
            None,
        );
    }
}
