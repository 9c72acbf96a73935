//! How locks are shown: activelock and lockdiscovery (RFC 4918 §14.1, §15.8), supportedlock
//! (§15.10) and the answer to a LOCK. It writes the facts it is given; who may see a token is
//! decided elsewhere.

use std::fmt::Write as _;

use bytes::Bytes;

use super::escape::{push_element, push_href, push_text};
use super::{DECLARATION, NAMESPACES};
use crate::protocol::lock_kinds::{LockKind, LockScope};
use crate::protocol::time::Timestamp;

/// How far below its root a lock reaches, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockDepthName {
    /// `0`.
    Zero,
    /// `infinity`.
    Infinity,
}

/// What others see of a lock.
#[derive(Debug, Clone)]
pub struct ActiveLock<'a> {
    /// What kind of lock it is.
    pub kind: LockKind,
    /// Exclusive or shared.
    pub scope: LockScope,
    /// How far it reaches.
    pub depth: LockDepthName,
    /// The inside of the client's `DAV:owner`, self-contained; `None`: the client sent none.
    pub owner_xml: Option<&'a str>,
    /// Why it was taken, in the user's own words.
    pub comment: Option<&'a str>,
    /// Seconds until it ends by itself; `None`: never.
    pub timeout: Option<u64>,
    /// Its token; `None`: the one who asks may not see it.
    pub token: Option<String>,
    /// The href of its root, percent-encoded.
    pub lockroot: String,
    /// The name of the user who holds it.
    pub holder: &'a str,
    /// When it was taken.
    pub since: Timestamp,
}

/// Appends one `D:activelock`, in the order of RFC 4918 §14.1, then what only we know.
pub fn write_activelock(out: &mut String, lock: &ActiveLock<'_>) {
    out.push_str("<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope>");
    let _ = write!(out, "<D:{}/></D:lockscope>", lock.scope);
    push_element(out, "D:depth", |out| {
        out.push_str(match lock.depth {
            LockDepthName::Zero => "0",
            LockDepthName::Infinity => "infinity",
        });
    });
    push_element(out, "D:owner", |out| match lock.owner_xml {
        Some(xml) => out.push_str(xml),
        None => push_text(out, &owner_of(lock)),
    });
    push_element(out, "D:timeout", |out| {
        let _ = match lock.timeout {
            Some(seconds) => write!(out, "Second-{seconds}"),
            None => out.write_str("Infinite"),
        };
    });
    if let Some(token) = &lock.token {
        push_element(out, "D:locktoken", |out| push_href(out, token));
    }
    push_element(out, "D:lockroot", |out| push_href(out, &lock.lockroot));
    push_element(out, "L:kind", |out| out.push_str(lock.kind.as_str()));
    push_element(out, "L:holder", |out| push_text(out, lock.holder));
    push_element(out, "L:since", |out| out.push_str(&lock.since.rfc3339()));
    if let Some(comment) = lock.comment {
        push_element(out, "L:comment", |out| push_text(out, comment));
    }
    out.push_str("</D:activelock>");
}

/// What stands where the client named no owner. `LibreOffice` shows it to whoever is kept out, so
/// it must never be empty. A lock whose owner is just its user's name davfs2 takes for its own, and
/// ends it after an upload: what people set on purpose must not go that way.
fn owner_of(lock: &ActiveLock<'_>) -> String {
    let holder = lock.holder;
    match lock.kind {
        LockKind::Transient => holder.to_owned(),
        LockKind::Persistent => format!("{holder} (check-out)"),
        LockKind::ReadOnly => format!("{holder} (read-only)"),
    }
}

/// The body of the answer to a LOCK: the whole lockdiscovery, also for a refresh, because macOS
/// reads the token from here and not from the header.
pub fn lock_response(locks: &[ActiveLock<'_>]) -> Bytes {
    let mut out = format!("{DECLARATION}<D:prop{NAMESPACES}>");
    push_element(&mut out, "D:lockdiscovery", |out| {
        for lock in locks {
            write_activelock(out, lock);
        }
    });
    out.push_str("</D:prop>");
    Bytes::from(out)
}

/// The inside of `D:supportedlock` where locks may be taken: exclusive and shared write locks.
pub const fn supported_lock() -> &'static str {
    "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope>\
     <D:locktype><D:write/></D:locktype></D:lockentry>\
     <D:lockentry><D:lockscope><D:shared/></D:lockscope>\
     <D:locktype><D:write/></D:locktype></D:lockentry>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lock: &ActiveLock<'_>, expect: &str) {
        let mut out = String::new();
        write_activelock(&mut out, lock);
        let inside = out.strip_prefix("<D:activelock><D:locktype><D:write/></D:locktype>");
        assert_eq!(
            inside.and_then(|t| t.strip_suffix("</D:activelock>")),
            Some(expect)
        );
    }

    fn libreoffice() -> ActiveLock<'static> {
        ActiveLock {
            kind: LockKind::Transient,
            scope: LockScope::Exclusive,
            depth: LockDepthName::Zero,
            owner_xml: Some("LibreOffice - Alice &amp; Co"),
            comment: None,
            timeout: Some(180),
            token: Some("urn:uuid:1".to_owned()),
            lockroot: "/dav/a&b.odt".to_owned(),
            holder: "alice",
            since: Timestamp(1_000),
        }
    }

    #[test]
    fn a_lock_is_shown_in_the_order_of_the_rfc() {
        check(
            &libreoffice(),
            "<D:lockscope><D:exclusive/></D:lockscope><D:depth>0</D:depth>\
             <D:owner>LibreOffice - Alice &amp; Co</D:owner><D:timeout>Second-180</D:timeout>\
             <D:locktoken><D:href>urn:uuid:1</D:href></D:locktoken>\
             <D:lockroot><D:href>/dav/a&amp;b.odt</D:href></D:lockroot><L:kind>transient</L:kind>\
             <L:holder>alice</L:holder><L:since>1970-01-01T00:00:01Z</L:since>",
        );
    }

    #[test]
    fn what_the_client_did_not_send_or_may_not_see_is_replaced_or_left_out() {
        check(
            &ActiveLock {
                kind: LockKind::ReadOnly,
                scope: LockScope::Shared,
                depth: LockDepthName::Infinity,
                owner_xml: None,
                comment: Some("until <Monday>"),
                timeout: None,
                token: None,
                holder: "a<b",
                ..libreoffice()
            },
            "<D:lockscope><D:shared/></D:lockscope><D:depth>infinity</D:depth>\
             <D:owner>a&lt;b (read-only)</D:owner><D:timeout>Infinite</D:timeout>\
             <D:lockroot><D:href>/dav/a&amp;b.odt</D:href></D:lockroot><L:kind>read-only</L:kind>\
             <L:holder>a&lt;b</L:holder><L:since>1970-01-01T00:00:01Z</L:since>\
             <L:comment>until &lt;Monday&gt;</L:comment>",
        );
    }

    #[test]
    fn the_answer_to_a_lock_holds_every_lock() {
        let body = lock_response(&[libreoffice(), libreoffice()]);
        let text = str::from_utf8(&body).expect("UTF-8");
        let head = "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:prop xmlns:D=\"DAV:\" \
                    xmlns:L=\"urn:lockkeeper:dav\"><D:lockdiscovery><D:activelock>";
        assert!(text.starts_with(head), "{text}");
        assert!(
            text.ends_with("</D:activelock></D:lockdiscovery></D:prop>"),
            "{text}"
        );
        assert_eq!(text.matches("<D:activelock>").count(), 2);
    }
}
