//! The XML bodies: what is understood, written out again, is understood in the same way, and what
//! is kept of clients' XML can stand in any answer.

use std::collections::HashSet;
use std::fmt::Debug;

use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::lock_kinds::LockKind;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{
    ActiveLock, LockDepthName, LockInfo, Multistatus, OWNER_BYTES_MAX, PropertyPatch,
    PropfindRequest, QName, ReportRequest, XmlLimits, lock_response, parse_lockinfo,
    parse_propertyupdate, parse_propfind, parse_report,
};

const LIMITS: XmlLimits = XmlLimits {
    bytes_max: 1 << 16,
    depth_max: 64,
    elements_max: 1000,
};
const NARROW: XmlLimits = XmlLimits {
    bytes_max: 300,
    depth_max: 5,
    elements_max: 8,
};
/// What we write around a body may make it longer and deeper.
const WIDE: XmlLimits = XmlLimits {
    bytes_max: 1 << 22,
    depth_max: 128,
    elements_max: 10_000,
};

/// What every answer of ours declares.
const PREFIXES: &str = "xmlns:D='DAV:' xmlns:L='urn:lockkeeper:dav'";

/// `data` is a body; each reader gets it.
pub fn target(data: &[u8]) {
    if let Some(asked) = read(data, parse_propfind) {
        propfind(&asked);
    }
    if let Some(patches) = read(data, parse_propertyupdate) {
        propertyupdate(&patches);
    }
    if let Some(info) = read(data, parse_lockinfo) {
        lockinfo(&info);
    }
    if let Some(ReportRequest::VersionTree(asked)) = read(data, parse_report) {
        propfind(&asked);
    }
}

/// Narrower limits refuse more, and change nothing about what they let through.
fn read<T: PartialEq + Debug>(
    body: &[u8],
    parse: impl Fn(&[u8], &XmlLimits) -> Result<T, DavError>,
) -> Option<T> {
    let wide = parse(body, &LIMITS);
    if let Err(error) = &wide {
        assert!(matches!(error.status(), 400 | 413), "{error}");
        assert!(
            error.public_sentence().len() < 1000,
            "as much of the body in {error}"
        );
    }
    match parse(body, &NARROW) {
        Ok(narrow) => assert_eq!(wide.as_ref(), Ok(&narrow)),
        Err(DavError::TooLarge(_)) => {}
        Err(error) => assert_eq!(error.status(), 400),
    }
    if body.len() > NARROW.bytes_max && !body.trim_ascii().is_empty() {
        assert!(parse(body, &NARROW).is_err());
    }
    wide.ok()
}

fn propfind(asked: &PropfindRequest) {
    let (inside, names) = match asked {
        PropfindRequest::PropName => ("<D:propname/>".to_owned(), &[][..]),
        PropfindRequest::Named(names) => {
            (format!("<D:prop>{}</D:prop>", elements(names)), &names[..])
        }
        PropfindRequest::AllProp { include } if include.is_empty() => {
            ("<D:allprop/>".to_owned(), &[][..])
        }
        PropfindRequest::AllProp { include } => (
            format!("<D:allprop/><D:include>{}</D:include>", elements(include)),
            &include[..],
        ),
    };
    assert_eq!(
        names.iter().collect::<HashSet<_>>().len(),
        names.len(),
        "a name stands twice"
    );
    let body = format!("<D:propfind {PREFIXES}>{inside}</D:propfind>");
    assert_eq!(
        parse_propfind(body.as_bytes(), &WIDE).as_ref(),
        Ok(asked),
        "{body}"
    );
}

/// The names as elements, as an answer has them.
fn elements(names: &[QName]) -> String {
    let mut answer = Multistatus::new();
    answer.response("/", |response| {
        response.propstat(404, |propstat| {
            names.iter().for_each(|name| propstat.name(name));
        });
    });
    let answer = answer.finish();
    let text = str::from_utf8(&answer).expect("we write UTF-8");
    let inside = text.split_once("<D:prop>").map(|(_, rest)| rest);
    let inside = inside.and_then(|rest| rest.rsplit_once("</D:prop>"));
    inside.map_or_else(String::new, |(inside, _)| inside.to_owned())
}

fn propertyupdate(patches: &[PropertyPatch]) {
    assert!(!patches.is_empty());
    let kept: usize = patches.iter().map(length).sum();
    assert!(
        kept <= LIMITS.bytes_max * 4,
        "{kept} bytes are kept of a body"
    );
    let mut answer = Multistatus::new();
    let mut body = format!("<D:propertyupdate {PREFIXES}>");
    for patch in patches {
        match patch {
            PropertyPatch::Set(property) => {
                body += &format!("<D:set><D:prop>{}</D:prop></D:set>", property.xml);
                answer.response("/", |response| {
                    response.propstat(200, |propstat| propstat.dead(&property.xml));
                });
            }
            PropertyPatch::Remove(name) => {
                let name = elements(std::slice::from_ref(name));
                body += &format!("<D:remove><D:prop>{name}</D:prop></D:remove>");
            }
        }
    }
    body += "</D:propertyupdate>";
    let again = parse_propertyupdate(body.as_bytes(), &WIDE);
    assert_eq!(again.as_deref(), Ok(patches), "{body}");
    well_formed(&answer.finish(), "multistatus");
}

fn length(patch: &PropertyPatch) -> usize {
    match patch {
        PropertyPatch::Set(property) => property.xml.len(),
        PropertyPatch::Remove(_) => 0,
    }
}

fn lockinfo(info: &LockInfo) {
    let owner = info.owner_xml.as_deref();
    assert!(owner.is_none_or(|xml| xml.len() <= OWNER_BYTES_MAX && !xml.trim_ascii().is_empty()));
    let kind = info
        .kind
        .map(|kind| format!("<L:kind><L:{kind}/></L:kind>"));
    let body = format!(
        "<D:lockinfo {PREFIXES}><D:lockscope><D:{}/></D:lockscope>\
         <D:locktype><D:write/></D:locktype>{}{}</D:lockinfo>",
        info.scope,
        kind.unwrap_or_default(),
        owner.map_or_else(String::new, |xml| format!("<D:owner>{xml}</D:owner>")),
    );
    assert_eq!(
        parse_lockinfo(body.as_bytes(), &WIDE).as_ref(),
        Ok(info),
        "{body}"
    );
    let lock = ActiveLock {
        kind: info.kind.unwrap_or(LockKind::Transient),
        scope: info.scope,
        depth: LockDepthName::Infinity,
        owner_xml: owner,
        comment: owner,
        timeout: Some(1),
        token: Some("urn:uuid:1".to_owned()),
        lockroot: "/a".to_owned(),
        holder: "alice",
        since: Timestamp(0),
    };
    well_formed(&lock_response(&[lock]), "prop");
}

/// Our own answers have no report's name, so a reader that gets as far as to say so has read all.
fn well_formed(answer: &[u8], root: &str) {
    let read = parse_report(answer, &WIDE);
    let expect = ReportRequest::Unknown(format!("{{DAV:}}{root}"));
    assert_eq!(read, Ok(expect), "{}", String::from_utf8_lossy(answer));
}
