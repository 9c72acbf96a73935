//! The three request bodies of RFC 4918: propfind (§14.20), propertyupdate (§14.19) and lockinfo
//! (§14.11). Elements that nobody knows are ignored (§17). It decides nothing: whether a property
//! may be set or a lock granted is for others.

use std::collections::HashSet;

use super::limits::XmlLimits;
use super::tree::{Element, XML_NS, is_blank, parse};
use super::{DAV_NS, LockKind, LockScope, OUR_NS, QName, fragment, shorten};
use crate::protocol::error::DavError;

/// How long the inside of `DAV:owner` may be, in bytes as we keep it: it is repeated in every
/// lockdiscovery, and it only has to name somebody.
pub const OWNER_BYTES_MAX: usize = 4096;

/// What a PROPFIND asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropfindRequest {
    /// The properties of RFC 4918 and all dead ones, and these as well.
    AllProp {
        /// What `DAV:include` names.
        include: Vec<QName>,
    },
    /// The names of all properties.
    PropName,
    /// These properties, each named once.
    Named(Vec<QName>),
}

/// One instruction of a PROPPATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyPatch {
    /// Set the property to this value.
    Set(DeadProperty),
    /// Remove the property, if it is there.
    Remove(QName),
}

impl PropertyPatch {
    /// The property that it is about.
    pub fn name(&self) -> &QName {
        match self {
            Self::Set(property) => &property.name,
            Self::Remove(name) => name,
        }
    }
}

/// A property that the server keeps without understanding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadProperty {
    /// Its name.
    pub name: QName,
    /// The whole property element with every namespace it uses and the `xml:lang` in scope
    /// (RFC 4918 §4.3), so that it can be put into any answer as it is.
    pub xml: String,
}

/// What a LOCK with a body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInfo {
    /// Exclusive or shared.
    pub scope: LockScope,
    /// The kind of lock, where the client names one in our namespace.
    pub kind: Option<LockKind>,
    /// The inside of `DAV:owner`, byte for byte if it is text: davfs2 recognises its own locks by
    /// comparing it. `None`: the client named nobody. At most [`OWNER_BYTES_MAX`].
    pub owner_xml: Option<String>,
}

/// Reads the body of a PROPFIND; no body asks for all properties (RFC 4918 §9.1).
///
/// # Errors
/// 400 if it is not a propfind with one of prop, propname and allprop; 413 if it is too long.
pub fn parse_propfind(body: &[u8], limits: &XmlLimits) -> Result<PropfindRequest, DavError> {
    if is_blank(body) {
        return Ok(PropfindRequest::AllProp {
            include: Vec::new(),
        });
    }
    let root = parse_root(body, limits, "propfind")?;
    let asked = ["allprop", "propname", "prop"];
    let mut asking = root
        .elements()
        .filter(|child| asked.iter().any(|name| child.is(DAV_NS, name)));
    let (Some(element), None) = (asking.next(), asking.next()) else {
        return Err(DavError::BadRequest(
            "DAV:propfind must contain exactly one of DAV:allprop, DAV:propname and DAV:prop"
                .to_owned(),
        ));
    };
    Ok(match element.name.as_str() {
        "allprop" => {
            let include = only_child(&root, "include")?;
            PropfindRequest::AllProp {
                include: include.map(names_in).unwrap_or_default(),
            }
        }
        "propname" => PropfindRequest::PropName,
        _ => PropfindRequest::Named(names_in(element)),
    })
}

/// Reads the body of a PROPPATCH, in document order, which is the order of execution
/// (RFC 4918 §9.2).
///
/// # Errors
/// 400 if it is not a propertyupdate that names a property; 413 if it is too long.
pub fn parse_propertyupdate(
    body: &[u8],
    limits: &XmlLimits,
) -> Result<Vec<PropertyPatch>, DavError> {
    let root = parse_root(body, limits, "propertyupdate")?;
    let mut patches = Vec::new();
    for instruction in root.elements() {
        let set = instruction.is(DAV_NS, "set");
        if !set && !instruction.is(DAV_NS, "remove") {
            continue;
        }
        for prop in instruction
            .elements()
            .filter(|child| child.is(DAV_NS, "prop"))
        {
            let lang = [prop, instruction, &root].into_iter().find_map(lang_of);
            patches.extend(prop.elements().map(|property| match set {
                true => PropertyPatch::Set(DeadProperty {
                    name: property.qname(),
                    xml: fragment::self_contained(property, lang),
                }),
                false => PropertyPatch::Remove(property.qname()),
            }));
        }
    }
    if patches.is_empty() {
        return Err(DavError::BadRequest(
            "DAV:propertyupdate must name at least one property, in DAV:prop within DAV:set or \
             DAV:remove"
                .to_owned(),
        ));
    }
    Ok(patches)
}

/// Reads the body of a LOCK that asks for a new lock.
///
/// # Errors
/// 400 if it is not a lockinfo with a scope and the type write, names an unknown kind or an owner
/// longer than [`OWNER_BYTES_MAX`]; 413 if it is too long.
pub fn parse_lockinfo(body: &[u8], limits: &XmlLimits) -> Result<LockInfo, DavError> {
    let root = parse_root(body, limits, "lockinfo")?;
    let locktype = only_child(&root, "locktype")?.and_then(|element| word_in(element, DAV_NS));
    if locktype != Some("write") {
        return Err(DavError::BadRequest(
            "DAV:lockinfo must contain DAV:locktype with DAV:write, the only type there is"
                .to_owned(),
        ));
    }
    let scope = only_child(&root, "lockscope")?.and_then(|element| word_in(element, DAV_NS));
    let scope = scope.ok_or_else(|| {
        DavError::BadRequest(
            "DAV:lockinfo must contain DAV:lockscope with DAV:exclusive or DAV:shared".to_owned(),
        )
    })?;
    Ok(LockInfo {
        scope: scope.parse()?,
        kind: kind_of(&root)?,
        owner_xml: only_child(&root, "owner")?
            .map(owner_of)
            .transpose()?
            .flatten(),
    })
}

/// `<L:kind><L:read-only/></L:kind>`, which beats the Timeout header.
fn kind_of(lockinfo: &Element<'_>) -> Result<Option<LockKind>, DavError> {
    let Some(kind) = lockinfo.elements().find(|child| child.is(OUR_NS, "kind")) else {
        return Ok(None);
    };
    match word_in(kind, OUR_NS) {
        Some(word) => Ok(Some(word.parse()?)),
        None => Err(DavError::BadRequest(format!(
            "kind must contain exactly one of persistent, transient and read-only, all in the \
             namespace {OUR_NS}"
        ))),
    }
}

/// An owner without any content names nobody, so the user's name will stand for it.
fn owner_of(owner: &Element<'_>) -> Result<Option<String>, DavError> {
    let too_long = || {
        DavError::BadRequest(format!(
            "DAV:owner has more than the {OWNER_BYTES_MAX} bytes that are allowed"
        ))
    };
    if owner.inside.len() > OWNER_BYTES_MAX {
        return Err(too_long());
    }
    let xml = fragment::inside(owner);
    if xml.len() > OWNER_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Some(xml).filter(|xml| !xml.trim_ascii().is_empty()))
}

fn parse_root<'a>(
    body: &'a [u8],
    limits: &XmlLimits,
    name: &'static str,
) -> Result<Element<'a>, DavError> {
    if is_blank(body) {
        return Err(DavError::BadRequest(format!(
            "the body is empty; it must be DAV:{name}"
        )));
    }
    let root = parse(body, limits)?;
    if !root.is(DAV_NS, name) {
        let found = shorten(&root.qname().to_string());
        return Err(DavError::BadRequest(format!(
            "the body must be {{DAV:}}{name}, not {found}"
        )));
    }
    Ok(root)
}

/// The child of this name; two of them contradict each other.
fn only_child<'e, 'a>(
    parent: &'e Element<'a>,
    name: &str,
) -> Result<Option<&'e Element<'a>>, DavError> {
    let mut found = parent.elements().filter(|child| child.is(DAV_NS, name));
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(DavError::BadRequest(format!(
            "DAV:{} contains DAV:{name} twice",
            parent.name
        ))),
    }
}

/// The name of the only element of this namespace within: how WebDAV writes one word out of few.
fn word_in<'e>(parent: &'e Element<'_>, ns: &str) -> Option<&'e str> {
    let mut words = parent.elements().filter(|element| *element.ns == *ns);
    words
        .next()
        .filter(|_| words.next().is_none())
        .map(|element| element.name.as_str())
}

/// The names of the elements within, each once, in the order of first mention.
fn names_in(parent: &Element<'_>) -> Vec<QName> {
    let mut seen = HashSet::new();
    parent
        .elements()
        .map(Element::qname)
        .filter(|name| seen.insert(name.clone()))
        .collect()
}

fn lang_of<'e>(element: &'e Element<'_>) -> Option<&'e str> {
    element.attribute(XML_NS, "lang")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: XmlLimits = XmlLimits {
        bytes_max: 65536,
        depth_max: 20,
        elements_max: 1000,
    };
    const NEON: &str = "http://webdav.org/neon/litmus/";

    fn names(list: &[(&str, &str)]) -> Vec<QName> {
        list.iter()
            .map(|(ns, name)| QName::new(*ns, *name))
            .collect()
    }

    /// The sentence of a 400.
    fn refused<T: std::fmt::Debug>(result: Result<T, DavError>, body: &str) -> String {
        match result {
            Err(DavError::BadRequest(sentence)) => sentence,
            other => panic!("{body} should be a bad request, not {other:?}"),
        }
    }

    #[test]
    fn propfind_bodies_of_real_clients_are_understood() {
        fn check(body: &str, expect: &[(&str, &str)]) {
            let asked = parse_propfind(body.as_bytes(), &LIMITS);
            assert_eq!(asked, Ok(PropfindRequest::Named(names(expect))), "{body}");
        }
        // davfs2
        check(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<propfind xmlns=\"DAV:\"><prop>\n\
             <resourcetype xmlns=\"DAV:\"/>\n<executable xmlns=\"http://apache.org/dav/props/\"/>\n\
             </prop></propfind>",
            &[
                (DAV_NS, "resourcetype"),
                ("http://apache.org/dav/props/", "executable"),
            ],
        );
        // LibreOffice
        check(
            "<propfind xmlns=\"DAV:\"><prop><resourcetype xmlns=\"DAV:\"/><IsReadOnly \
             xmlns=\"http://ucb.openoffice.org/dav/props/\"/><supportedlock xmlns=\"DAV:\"/>\
             </prop></propfind>",
            &[
                (DAV_NS, "resourcetype"),
                ("http://ucb.openoffice.org/dav/props/", "IsReadOnly"),
                (DAV_NS, "supportedlock"),
            ],
        );
        // gvfs
        check(
            "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n <D:propfind xmlns:D=\"DAV:\">\n <D:prop>\n\
             <D:quota-available-bytes/>\n<D:quota-used-bytes/>\n</D:prop>\n</D:propfind>",
            &[
                (DAV_NS, "quota-available-bytes"),
                (DAV_NS, "quota-used-bytes"),
            ],
        );
        // rclone
        check(
            "<?xml version=\"1.0\"?>\n<d:propfind  xmlns:d=\"DAV:\" \
             xmlns:oc=\"http://owncloud.org/ns\" xmlns:nc=\"http://nextcloud.org/ns\">\n <d:prop>\n\
             <d:displayname />\n<oc:checksums />\n </d:prop>\n</d:propfind>\n",
            &[
                (DAV_NS, "displayname"),
                ("http://owncloud.org/ns", "checksums"),
            ],
        );
        // macOS
        check(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<D:propfind xmlns:D=\"DAV:\">\r\n\
             <D:prop>\r\n<D:getlastmodified/>\r\n<A:appledoubleheader \
             xmlns:A=\"http://www.apple.com/webdav_fs/props/\"/>\r\n</D:prop>\r\n</D:propfind>",
            &[
                (DAV_NS, "getlastmodified"),
                ("http://www.apple.com/webdav_fs/props/", "appledoubleheader"),
            ],
        );
        // A property in no namespace, one named twice, and none at all.
        check(
            "<propfind xmlns='DAV:'><prop><a xmlns=''/><b/><b>x</b></prop></propfind>",
            &[("", "a"), (DAV_NS, "b")],
        );
        check("<propfind xmlns='DAV:'><prop/></propfind>", &[]);
    }

    #[test]
    fn all_properties_or_names_may_be_asked_for() {
        fn check(body: &str, expect: &PropfindRequest) {
            assert_eq!(
                parse_propfind(body.as_bytes(), &LIMITS).as_ref(),
                Ok(expect),
                "{body}"
            );
        }
        let all = |include: &[_]| PropfindRequest::AllProp {
            include: names(include),
        };
        check("", &all(&[]));
        check("\u{FEFF} \r\n", &all(&[]));
        check("<propfind xmlns='DAV:'><allprop/></propfind>", &all(&[]));
        // litmus propextended: what nobody knows is ignored.
        check(
            "<propfind xmlns='DAV:'><foobar/><allprop/></propfind>",
            &all(&[]),
        );
        check(
            "<propfind xmlns='DAV:'><prop xmlns='u'/><allprop/></propfind>",
            &all(&[]),
        );
        check(
            "<propfind xmlns='DAV:'><allprop/><include><acl/></include></propfind>",
            &all(&[(DAV_NS, "acl")]),
        );
        check(
            "<propfind xmlns='DAV:'><propname/></propfind>",
            &PropfindRequest::PropName,
        );
    }

    #[test]
    fn other_propfind_bodies_are_bad_requests() {
        fn check(body: &str, expect: &str) {
            let sentence = refused(parse_propfind(body.as_bytes(), &LIMITS), body);
            assert!(sentence.contains(expect), "{body}: {sentence}");
        }
        // litmus propfind_invalid and propfind_invalid2
        check("<foo>", "not closed");
        check(
            "<D:propfind xmlns:D=\"DAV:\"><D:prop><bar:foo xmlns:bar=\"\"/></D:prop></D:propfind>",
            "\"bar\" cannot be bound to \"\"",
        );
        check("<propfind xmlns='DAV:'/>", "exactly one of");
        check(
            "<propfind xmlns='DAV:'><foobar/></propfind>",
            "exactly one of",
        );
        check(
            "<propfind xmlns='DAV:'><allprop/><propname/></propfind>",
            "exactly one of",
        );
        check(
            "<propfind xmlns='DAV:'><prop/><prop/></propfind>",
            "exactly one of",
        );
        check("<propfind/>", "must be {DAV:}propfind, not {}propfind");
        let long = " ".repeat(LIMITS.bytes_max) + "<a/>";
        let too_long = parse_propfind(long.as_bytes(), &LIMITS);
        assert!(
            matches!(too_long, Err(DavError::TooLarge(_))),
            "{too_long:?}"
        );
    }

    /// One line for each instruction.
    fn patches(body: &str) -> Vec<String> {
        let patches = parse_propertyupdate(body.as_bytes(), &LIMITS);
        let patches = patches.unwrap_or_else(|error| panic!("{body}: {error}"));
        let show = |patch: &PropertyPatch| match patch {
            PropertyPatch::Set(property) => format!("{} = {}", property.name, property.xml),
            PropertyPatch::Remove(name) => format!("{name} removed"),
        };
        patches.iter().map(show).collect()
    }

    #[test]
    fn propertyupdates_of_real_clients_are_understood() {
        fn check(prop: &str, expect: &str) {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<D:propertyupdate xmlns:D=\"DAV:\">\
                 <D:set><D:prop>{prop}</D:prop></D:set>\n</D:propertyupdate>\n"
            );
            assert_eq!(patches(&body), [expect]);
        }
        // davfs2
        check(
            r#"<executable xmlns="http://apache.org/dav/props/">T</executable>"#,
            r#"{http://apache.org/dav/props/}executable = <executable xmlns="http://apache.org/dav/props/">T</executable>"#,
        );
        // litmus propnullns, prophighunicode and propvalnspace
        check(
            r#"<nonamespace xmlns="">randomvalue</nonamespace>"#,
            r#"{}nonamespace = <nonamespace xmlns="">randomvalue</nonamespace>"#,
        );
        check(
            "<nonamespace>v</nonamespace>",
            r#"{}nonamespace = <nonamespace xmlns="">v</nonamespace>"#,
        );
        check(
            &format!(r#"<high-unicode xmlns="{NEON}">&#65536;</high-unicode>"#),
            &format!(
                "{{{NEON}}}high-unicode = <high-unicode xmlns=\"{NEON}\">\u{10000}</high-unicode>"
            ),
        );
        check(
            &format!(r#"<t:valnspace xmlns:t="{NEON}"><foo xmlns='bar'/></t:valnspace>"#),
            &format!(
                "{{{NEON}}}valnspace = <t:valnspace xmlns:t=\"{NEON}\"><foo xmlns=\"bar\"/></t:valnspace>"
            ),
        );
        // A live property is handed on like any other; whether it may be set is for others.
        check(
            "<D:displayname>x</D:displayname>",
            "{DAV:}displayname = <D:displayname xmlns:D=\"DAV:\">x</D:displayname>",
        );
    }

    #[test]
    fn windows_sets_its_four_properties() {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:propertyupdate xmlns:D=\"DAV:\" \
                    xmlns:Z=\"urn:schemas-microsoft-com:\"><D:set><D:prop>\
                    <Z:Win32CreationTime>Sun, 22 Nov 2026 04:11:36 GMT</Z:Win32CreationTime>\
                    <Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>\
                    </D:prop></D:set></D:propertyupdate>";
        assert_eq!(
            patches(body),
            [
                "{urn:schemas-microsoft-com:}Win32CreationTime = <Z:Win32CreationTime \
                 xmlns:Z=\"urn:schemas-microsoft-com:\">Sun, 22 Nov 2026 04:11:36 GMT\
                 </Z:Win32CreationTime>",
                "{urn:schemas-microsoft-com:}Win32FileAttributes = <Z:Win32FileAttributes \
                 xmlns:Z=\"urn:schemas-microsoft-com:\">00000020</Z:Win32FileAttributes>",
            ]
        );
    }

    #[test]
    fn instructions_keep_their_order_and_their_language() {
        // litmus propremoveset and propsetremove in one
        let body = "<propertyupdate xmlns='DAV:' xmlns:n='u' xml:lang='de'>\
                    <remove><prop><n:a/></prop></remove><unknown><prop><n:x/></prop></unknown>\
                    <set xml:lang='en'><prop><n:a>1</n:a><n:b xml:lang='fr'/></prop></set>\
                    <remove><prop><n:b>ignored</n:b></prop></remove>\
                    <set><prop><n:c/></prop></set></propertyupdate>";
        assert_eq!(
            patches(body),
            [
                "{u}a removed",
                r#"{u}a = <n:a xmlns:n="u" xml:lang="en">1</n:a>"#,
                r#"{u}b = <n:b xmlns:n="u" xml:lang="fr"/>"#,
                "{u}b removed",
                r#"{u}c = <n:c xmlns:n="u" xml:lang="de"/>"#,
            ]
        );
    }

    #[test]
    fn other_propertyupdates_are_bad_requests() {
        fn check(body: &str, expect: &str) {
            let sentence = refused(parse_propertyupdate(body.as_bytes(), &LIMITS), body);
            assert!(sentence.contains(expect), "{body}: {sentence}");
        }
        check("", "empty");
        check("<propertyupdate xmlns='DAV:'/>", "at least one property");
        check(
            "<propertyupdate xmlns='DAV:'><set/></propertyupdate>",
            "at least one property",
        );
        check(
            "<propertyupdate xmlns='DAV:'><prop><a/></prop></propertyupdate>",
            "at least one",
        );
        check(
            "<propfind xmlns='DAV:'><propname/></propfind>",
            "not {DAV:}propfind",
        );
    }

    #[test]
    fn lockinfos_of_real_clients_are_understood() {
        fn check(body: &str, scope: LockScope, owner: Option<&str>) {
            let expect = LockInfo {
                scope,
                kind: None,
                owner_xml: owner.map(str::to_owned),
            };
            assert_eq!(
                parse_lockinfo(body.as_bytes(), &LIMITS),
                Ok(expect),
                "{body}"
            );
        }
        let exclusive = LockScope::Exclusive;
        // davfs2 and litmus, cadaver (which names nobody), LibreOffice
        let neon = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<lockinfo xmlns='DAV:'>\n \
                    <lockscope><exclusive/></lockscope>\n<locktype><write/></locktype>OWNER\n\
                    </lockinfo>\n";
        check(
            &neon.replace("OWNER", "<owner>alice</owner>"),
            exclusive,
            Some("alice"),
        );
        check(&neon.replace("OWNER", ""), exclusive, None);
        check(
            &neon
                .replace("OWNER", "<owner/>")
                .replace("exclusive", "shared"),
            LockScope::Shared,
            None,
        );
        check(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><lockinfo xmlns=\"DAV:\"><lockscope>\
             <exclusive/></lockscope><locktype><write/></locktype><owner>LibreOffice - Zoë &amp; \
             Co</owner></lockinfo>",
            exclusive,
            Some("LibreOffice - Zoë &amp; Co"),
        );
        // Windows and macOS
        check(
            "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:lockinfo xmlns:D=\"DAV:\"><D:lockscope>\
             <D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>\
             <D:href>DOMAIN\\user</D:href></D:owner></D:lockinfo>",
            exclusive,
            Some("<D:href xmlns:D=\"DAV:\">DOMAIN\\user</D:href>"),
        );
        check(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:lockinfo xmlns:D=\"DAV:\">\n<D:lockscope>\
             <D:shared/></D:lockscope>\n<D:locktype><D:write/></D:locktype>\n<D:owner>\n<D:href>\
             http://www.apple.com/webdav_fs/</D:href>\n</D:owner>\n</D:lockinfo>\n",
            LockScope::Shared,
            Some("\n<D:href xmlns:D=\"DAV:\">http://www.apple.com/webdav_fs/</D:href>\n"),
        );
    }

    /// A lockinfo with these children beside scope and type.
    fn lockinfo(rest: &str) -> String {
        format!(
            "<lockinfo xmlns='DAV:' xmlns:L='{OUR_NS}'><lockscope><exclusive/></lockscope>\
             <locktype><write/></locktype>{rest}</lockinfo>"
        )
    }

    #[test]
    fn a_kind_of_lock_can_be_asked_for() {
        fn check(rest: &str, expect: Option<LockKind>) {
            let info = parse_lockinfo(lockinfo(rest).as_bytes(), &LIMITS).expect(rest);
            assert_eq!(info.kind, expect, "{rest}");
        }
        check("", None);
        check("<kind><L:read-only/></kind>", None);
        check("<L:kind><L:read-only/></L:kind>", Some(LockKind::ReadOnly));
        check(
            "<L:kind> <L:persistent/> </L:kind>",
            Some(LockKind::Persistent),
        );
        check(
            "<L:kind><other/><L:transient/></L:kind>",
            Some(LockKind::Transient),
        );
    }

    #[test]
    fn other_lockinfos_are_bad_requests() {
        fn check(body: &str, expect: &str) {
            let sentence = refused(parse_lockinfo(body.as_bytes(), &LIMITS), body);
            assert!(sentence.contains(expect), "{body}: {sentence}");
        }
        check("", "empty");
        check("<lockinfo/>", "not {}lockinfo");
        check(
            "<lockinfo xmlns='DAV:'><locktype><write/></locktype></lockinfo>",
            "lockscope",
        );
        check(
            "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope></lockinfo>",
            "locktype",
        );
        check(
            &lockinfo("").replace("<write/>", "<read/>"),
            "the only type",
        );
        check(
            &lockinfo("").replace("<exclusive/>", "<greedy/>"),
            "exclusive, shared",
        );
        check(
            &lockinfo("").replace("<exclusive/>", "<exclusive/><shared/>"),
            "lockscope",
        );
        check(&lockinfo("<lockscope><shared/></lockscope>"), "twice");
        check(&lockinfo("<owner>a</owner><owner>b</owner>"), "twice");
        check(&lockinfo("<L:kind/>"), "exactly one of");
        check(&lockinfo("<L:kind>read-only</L:kind>"), "exactly one of");
        check(&lockinfo("<L:kind><L:forever/></L:kind>"), "read-only");
        check(
            &lockinfo("<L:kind><L:transient/><L:persistent/></L:kind>"),
            "exactly one of",
        );
        check(
            &lockinfo(&format!("<owner>{}</owner>", "a".repeat(4097))),
            "4096 bytes",
        );
        // Short as sent, too long with the namespaces it needs.
        let namespace = "n".repeat(1000);
        let owner = format!("<owner>{}</owner>", "<n:a/>".repeat(6));
        let body =
            lockinfo(&owner).replace("<lockinfo", &format!("<lockinfo xmlns:n='{namespace}'"));
        check(&body, "4096 bytes");
        assert!(
            parse_lockinfo(
                lockinfo(&format!("<owner>{}</owner>", "a".repeat(4096))).as_bytes(),
                &LIMITS
            )
            .is_ok()
        );
    }
}
