//! Writes a 207 body, whole or page by page, so that the answer about a collection of any size
//! takes constant memory. It writes text straight into the buffer: with 100,000 members every
//! allocation would count. It does not know what a property means, and never reads back what it
//! wrote.

use std::fmt::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;

use super::error_body::push_error;
use super::escape::{push_attribute, push_element, push_href, push_text};
use super::tree::XML_NS;
use super::{DAV_NS, DECLARATION, NAMESPACES, OUR_NS, QName};
use crate::protocol::error::{DavError, MemberError};

static BEGINNING: LazyLock<String> =
    LazyLock::new(|| format!("{DECLARATION}<D:multistatus{NAMESPACES}>"));
const END: &str = "</D:multistatus>";

/// A multistatus (RFC 4918 §14.16) while it is written.
#[derive(Debug)]
pub struct Multistatus {
    out: String,
}

impl Default for Multistatus {
    fn default() -> Self {
        Self::new()
    }
}

impl Multistatus {
    /// Begins with the root element, which binds `D` and `L` to `DAV:` and our namespace.
    pub fn new() -> Self {
        Self {
            out: BEGINNING.clone(),
        }
    }

    /// How each one begins.
    pub fn beginning() -> Bytes {
        static BYTES: LazyLock<Bytes> = LazyLock::new(|| BEGINNING.clone().into());
        BYTES.clone()
    }

    /// How each one ends.
    pub fn end() -> Bytes {
        Bytes::from_static(END.as_bytes())
    }

    /// Adds what `write` says about the resource at `href`, which is percent-encoded already.
    pub fn response(&mut self, href: &str, write: impl FnOnce(&mut ResponseWriter<'_>)) {
        self.begin(href);
        let mut response = ResponseWriter {
            out: &mut self.out,
            bare: true,
        };
        write(&mut response);
        response.end();
        self.out.push_str("</D:response>");
    }

    /// Adds a response with one status for the whole resource, and why.
    pub fn status(&mut self, href: &str, status: u16, error: Option<&DavError>) {
        self.begin(href);
        push_status(&mut self.out, status);
        if let Some(error) = error {
            push_error(&mut self.out, error, "", |_| {});
            // Where locks refuse, each of them has already said why.
            if error.precondition().is_none() || error.locks().is_empty() {
                push_description(&mut self.out, &error.public_sentence());
            }
        }
        self.out.push_str("</D:response>");
    }

    fn begin(&mut self, href: &str) {
        self.out.push_str("<D:response>");
        push_href(&mut self.out, href);
    }

    /// What `write` says of these, without beginning and end, and in no more memory than it takes.
    pub fn page<T>(items: &[T], write: impl Fn(&mut Self, &T)) -> Bytes {
        const ROOM_MAX: usize = 256 * 1024;
        let mut page = Self { out: String::new() };
        for (at, item) in items.iter().enumerate() {
            if at == 1 {
                // Most say about as much as the first.
                let like_the_first = page.out.len() * items.len();
                page.out.reserve(like_the_first.min(ROOM_MAX));
            }
            write(&mut page, item);
        }
        page.out.shrink_to_fit();
        Bytes::from(page.out)
    }

    /// Ends the document.
    pub fn finish(mut self) -> Bytes {
        self.out.push_str(END);
        Bytes::from(self.out)
    }
}

/// What a multistatus says about one resource.
#[derive(Debug)]
pub struct ResponseWriter<'a> {
    out: &'a mut String,
    bare: bool,
}

impl ResponseWriter<'_> {
    /// Adds the properties that have this status. If `write` writes none, nothing is added.
    pub fn propstat(&mut self, status: u16, write: impl FnOnce(&mut PropstatWriter<'_>)) {
        let start = self.out.len();
        self.out.push_str("<D:propstat><D:prop>");
        let begun = self.out.len();
        let mut propstat = PropstatWriter {
            out: self.out,
            precondition: None,
            described: None,
        };
        write(&mut propstat);
        let PropstatWriter {
            precondition,
            described,
            ..
        } = propstat;
        if self.out.len() == begun {
            self.out.truncate(start);
            return;
        }
        self.bare = false;
        self.out.push_str("</D:prop>");
        push_status(self.out, status);
        if let Some(element) = precondition {
            let _ = write!(self.out, "<D:error><D:{element}/></D:error>");
        }
        if let Some(sentence) = described {
            push_description(self.out, &sentence);
        }
        self.out.push_str("</D:propstat>");
    }

    /// A response must have a propstat or a status (RFC 4918 §14.24), even if no property was
    /// asked for.
    fn end(self) {
        if self.bare {
            push_status(self.out, 200);
        }
    }
}

/// The properties of one status. The element names are ours, with the prefix `D` or `L`.
#[derive(Debug)]
pub struct PropstatWriter<'a> {
    out: &'a mut String,
    precondition: Option<&'static str>,
    described: Option<String>,
}

impl PropstatWriter<'_> {
    /// A property whose value is text, which is escaped here.
    pub fn text(&mut self, element: &str, value: &str) {
        push_element(self.out, element, |out| push_text(out, value));
    }

    /// A property whose value is a number.
    pub fn number(&mut self, element: &str, value: u64) {
        push_element(self.out, element, |out| {
            let _ = write!(out, "{value}");
        });
    }

    /// A property whose value is XML that uses only the prefixes `D` and `L`.
    pub fn raw(&mut self, element: &str, xml: &str) {
        push_element(self.out, element, |out| out.push_str(xml));
    }

    /// A property whose XML `write` appends, using only the prefixes `D` and `L`.
    pub fn build(&mut self, element: &str, write: impl FnOnce(&mut String)) {
        push_element(self.out, element, write);
    }

    /// A property without a value.
    pub fn empty(&mut self, element: &str) {
        self.out.push('<');
        self.out.push_str(element);
        self.out.push_str("/>");
    }

    /// A dead property, as it was kept: [`DeadProperty::xml`](super::DeadProperty::xml).
    pub fn dead(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    /// The name of a property without its value: for propname, and where it could not be given or
    /// changed.
    pub fn name(&mut self, name: &QName) {
        let (prefix, bound) = match name.ns.as_str() {
            DAV_NS => ("<D:", None),
            OUR_NS => ("<L:", None),
            // No other prefix may be bound to this one (Namespaces in XML §3).
            XML_NS => ("<xml:", None),
            "" => ("<", Some((" xmlns=\"", ""))),
            ns => ("<N:", Some((" xmlns:N=\"", ns))),
        };
        self.out.push_str(prefix);
        self.out.push_str(&name.name);
        if let Some((binding, ns)) = bound {
            self.out.push_str(binding);
            push_attribute(self.out, ns);
            self.out.push('"');
        }
        self.out.push_str("/>");
    }

    /// The `DAV:` precondition that these properties violate (RFC 4918 §16), such as
    /// `cannot-modify-protected-property`.
    pub fn precondition(&mut self, element: &'static str) {
        self.precondition = Some(element);
    }

    /// A sentence about these properties, for people. The last one counts.
    pub fn description(&mut self, sentence: &str) {
        self.described = Some(sentence.to_owned());
    }
}

/// The inside of `D:supported-report-set` of what has versions (RFC 3253 §3.1.5).
pub const fn supported_reports() -> &'static str {
    "<D:supported-report><D:report><D:version-tree/></D:report></D:supported-report>"
}

/// The inside of `D:label-name-set` (RFC 3253 §8.2).
pub fn write_label(out: &mut String, label: &str) {
    push_element(out, "D:label-name", |out| push_text(out, label));
}

/// The 207 of a request that changed nothing because of these members.
pub fn multistatus_of(members: &[MemberError]) -> Bytes {
    let mut multistatus = Multistatus::new();
    for member in members {
        multistatus.status(&member.href, member.error.status(), Some(&member.error));
    }
    multistatus.finish()
}

fn push_status(out: &mut String, status: u16) {
    // What each member of a listing has.
    match status {
        200 => return out.push_str("<D:status>HTTP/1.1 200 OK</D:status>"),
        404 => return out.push_str("<D:status>HTTP/1.1 404 Not Found</D:status>"),
        _ => {}
    }
    let known = http::StatusCode::from_u16(status).ok();
    let reason = known
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Unknown");
    let _ = write!(out, "<D:status>HTTP/1.1 {status} {reason}</D:status>");
}

fn push_description(out: &mut String, sentence: &str) {
    push_element(out, "D:responsedescription", |out| push_text(out, sentence));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::RefusingLock;
    use crate::protocol::lock_kinds::LockKind;
    use crate::protocol::time::Timestamp;

    /// Compares everything inside the root element.
    fn check(write: impl FnOnce(&mut Multistatus), expect: &str) {
        let mut multistatus = Multistatus::new();
        write(&mut multistatus);
        let body = multistatus.finish();
        let text = str::from_utf8(&body).expect("a String became these bytes");
        let head = concat!(
            r#"<?xml version="1.0" encoding="utf-8"?>"#,
            r#"<D:multistatus xmlns:D="DAV:" xmlns:L="urn:lockkeeper:dav">"#,
        );
        let inside = text
            .strip_prefix(head)
            .and_then(|t| t.strip_suffix("</D:multistatus>"));
        assert_eq!(inside, Some(expect));
    }

    #[test]
    fn properties_are_grouped_by_status() {
        check(
            |ms| {
                ms.response("/a&b/%C3%BC", |r| {
                    r.propstat(200, |p| {
                        p.text("D:displayname", "<a> & b\r");
                        p.raw("D:resourcetype", "<D:collection/>");
                        p.empty("D:supportedlock");
                        p.dead(r#"<x xmlns="">1</x>"#);
                    });
                    r.propstat(404, |p| {
                        p.name(&QName::dav("getetag"));
                        p.name(&QName::new(OUR_NS, "kind"));
                        p.name(&QName::new("", "none"));
                        p.name(&QName::new("http://e/?a&\"b", "other"));
                        p.name(&QName::new(XML_NS, "id"));
                    });
                });
            },
            concat!(
                "<D:response><D:href>/a&amp;b/%C3%BC</D:href><D:propstat><D:prop>",
                "<D:displayname>&lt;a&gt; &amp; b&#13;</D:displayname>",
                "<D:resourcetype><D:collection/></D:resourcetype><D:supportedlock/>",
                r#"<x xmlns="">1</x></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"#,
                r#"<D:propstat><D:prop><D:getetag/><L:kind/><none xmlns=""/>"#,
                r#"<N:other xmlns:N="http://e/?a&amp;&quot;b"/><xml:id/></D:prop>"#,
                "<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>",
            ),
        );
    }

    #[test]
    fn a_propstat_without_properties_is_left_out() {
        check(
            |ms| {
                ms.response("/a", |r| {
                    r.propstat(200, |p| p.empty("D:getetag"));
                    r.propstat(404, |_| {});
                });
            },
            "<D:response><D:href>/a</D:href><D:propstat><D:prop><D:getetag/></D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
        );
        check(
            |ms| {
                ms.response("/a", |r| {
                    r.propstat(404, |_| {});
                });
            },
            "<D:response><D:href>/a</D:href><D:status>HTTP/1.1 200 OK</D:status></D:response>",
        );
    }

    #[test]
    fn reasons_follow_the_status_in_the_order_of_the_rfc() {
        check(
            |ms| {
                ms.response("/a", |r| {
                    r.propstat(403, |p| {
                        p.description("live <it> is");
                        p.precondition("cannot-modify-protected-property");
                        p.name(&QName::dav("getetag"));
                    });
                });
            },
            "<D:response><D:href>/a</D:href><D:propstat><D:prop><D:getetag/></D:prop>\
             <D:status>HTTP/1.1 403 Forbidden</D:status>\
             <D:error><D:cannot-modify-protected-property/></D:error>\
             <D:responsedescription>live &lt;it&gt; is</D:responsedescription>\
             </D:propstat></D:response>",
        );
    }

    #[test]
    fn a_member_has_a_status_and_a_reason() {
        check(
            |ms| {
                ms.status("/a", 424, None);
                ms.status(
                    "/b",
                    403,
                    Some(&DavError::Forbidden("no & never".to_owned())),
                );
                ms.status("/c", 599, Some(&DavError::TokenMismatch));
            },
            "<D:response><D:href>/a</D:href><D:status>HTTP/1.1 424 Failed Dependency</D:status>\
             </D:response><D:response><D:href>/b</D:href>\
             <D:status>HTTP/1.1 403 Forbidden</D:status>\
             <D:responsedescription>no &amp; never</D:responsedescription></D:response>\
             <D:response><D:href>/c</D:href><D:status>HTTP/1.1 599 Unknown</D:status>\
             <D:error><D:lock-token-matches-request-uri/></D:error>\
             <D:responsedescription>no lock with this token covers this address; it may have \
             ended or moved</D:responsedescription></D:response>",
        );
        let lock = RefusingLock {
            href: "/d".to_owned(),
            kind: LockKind::Transient,
            holder: "bob".to_owned(),
            expires: Some(Timestamp(0)),
        };
        check(
            |ms| ms.status("/d", 423, Some(&DavError::Locked(vec![lock]))),
            "<D:response><D:href>/d</D:href><D:status>HTTP/1.1 423 Locked</D:status><D:error>\
             <D:lock-token-submitted><D:href>/d</D:href></D:lock-token-submitted>\
             <L:lock><D:href>/d</D:href><L:kind>transient</L:kind><L:holder>bob</L:holder>\
             <L:expires>1970-01-01T00:00:00Z</L:expires><L:reason>/d is open in a program of bob; \
             the lock ends when that program closes it, or at 1970-01-01T00:00:00Z unless the \
             program renews it.</L:reason></L:lock></D:error></D:response>",
        );
    }

    #[test]
    fn pages_add_up_to_the_whole() {
        let hrefs = ["/a", "/b", "/c"];
        let mut whole = Multistatus::default();
        hrefs.iter().for_each(|href| whole.status(href, 200, None));
        let page =
            |hrefs: &[&str]| Multistatus::page(hrefs, |page, href| page.status(href, 200, None));
        let (first, rest) = hrefs.split_at(1);
        let pages = [
            Multistatus::beginning(),
            page(first),
            page(rest),
            page(&[]),
            Multistatus::end(),
        ];
        assert_eq!(pages.concat(), whole.finish());
    }

    #[test]
    fn members_have_the_status_of_their_errors() {
        let member = |href: &str, error| MemberError {
            href: href.to_owned(),
            error,
        };
        let frozen = RefusingLock {
            href: "/c/x".to_owned(),
            kind: LockKind::ReadOnly,
            holder: "bob".to_owned(),
            expires: None,
        };
        let body = multistatus_of(&[
            member("/c/", DavError::FailedDependency),
            member("/c/x", DavError::Locked(vec![frozen])),
            member("/c/y", DavError::Internal("secret path".to_owned())),
        ]);
        let text = str::from_utf8(&body).expect("UTF-8");
        assert!(text.contains("<D:href>/c/</D:href><D:status>HTTP/1.1 424 Failed Dependency<"));
        assert!(text.contains(
            "<D:href>/c/x</D:href><D:status>HTTP/1.1 423 Locked</D:status><D:error>\
             <D:lock-token-submitted><D:href>/c/x</D:href></D:lock-token-submitted><L:lock>"
        ));
        assert!(text.contains("<D:status>HTTP/1.1 500 Internal Server Error</D:status>"));
        assert!(
            !text.contains("secret"),
            "what went wrong inside is for the log only"
        );
    }
}
