//! The bodies that real clients send (davfs2, LibreOffice, gvfs, rclone, macOS, Windows, cadaver,
//! litmus), and bodies that nobody should send.

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
        "{http://apache.org/dav/props/}executable = \
         <executable xmlns=\"http://apache.org/dav/props/\">T</executable>",
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
            "{{{NEON}}}valnspace = \
             <t:valnspace xmlns:t=\"{NEON}\"><foo xmlns=\"bar\"/></t:valnspace>"
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

#[test]
fn a_short_propertyupdate_cannot_ask_for_a_lot_of_memory() {
    let body = |count: usize| {
        let (ns, sets) = ("n".repeat(1000), "<n:a/>".repeat(count));
        format!(
            "<propertyupdate xmlns='DAV:' xmlns:n='{ns}'><set><prop>{sets}</prop></set>\
             </propertyupdate>"
        )
    };
    assert!(parse_propertyupdate(body(120).as_bytes(), &LIMITS).is_ok());
    let refused = parse_propertyupdate(body(140).as_bytes(), &LIMITS);
    assert!(matches!(refused, Err(DavError::TooLarge(_))), "{refused:?}");
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
    let body = lockinfo(&owner).replace("<lockinfo", &format!("<lockinfo xmlns:n='{namespace}'"));
    check(&body, "4096 bytes");
    assert!(
        parse_lockinfo(
            lockinfo(&format!("<owner>{}</owner>", "a".repeat(4096))).as_bytes(),
            &LIMITS
        )
        .is_ok()
    );
}

#[test]
fn reports() {
    #[track_caller]
    fn check(body: &str, expect: ReportRequest) {
        assert_eq!(parse_report(body.as_bytes(), &LIMITS), Ok(expect), "{body}");
    }
    // cadaver
    check(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:version-tree xmlns:D=\"DAV:\"> <D:prop>  \
         <D:version-name/>  <D:creator-displayname/> </D:prop></D:version-tree>",
        ReportRequest::VersionTree(PropfindRequest::Named(names(&[
            (DAV_NS, "version-name"),
            (DAV_NS, "creator-displayname"),
        ]))),
    );
    check(
        "<version-tree xmlns='DAV:'><unknown/></version-tree>",
        ReportRequest::VersionTree(PropfindRequest::AllProp {
            include: Vec::new(),
        }),
    );
    check(
        "<expand-property xmlns='DAV:'/>",
        ReportRequest::Unknown("{DAV:}expand-property".to_owned()),
    );
    check(
        "<version-tree xmlns='urn:x'/>",
        ReportRequest::Unknown("{urn:x}version-tree".to_owned()),
    );
    for body in [
        "",
        " ",
        "<version-tree",
        "<version-tree xmlns='DAV:'><prop/><prop/></version-tree>",
    ] {
        refused(parse_report(body.as_bytes(), &LIMITS), body);
    }
}
