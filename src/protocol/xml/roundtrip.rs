//! Properties of the whole floor that no table can show: nothing a client sends makes it panic, and
//! what was set is what everybody reads later.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "tests may allocate"
)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::limits::XmlLimits;
use super::tree::{Element, Node, parse};
use super::*;
use crate::protocol::error::DavError;
use crate::protocol::lock_kinds::LockKind;

const LIMITS: XmlLimits = XmlLimits {
    bytes_max: 1 << 20,
    depth_max: 32,
    elements_max: 10_000,
};
const NAMESPACES: [&str; 5] = ["", "DAV:", "urn:a", "http://e/?x=1&y=<\">", "urn:ü"];

/// An element as the data model of XML sees it, without prefixes.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    name: QName,
    attributes: Vec<(QName, String)>,
    children: Vec<Child>,
}

#[derive(Debug, Clone, PartialEq)]
enum Child {
    Element(Model),
    Text(String),
}

impl Model {
    fn of(element: &Element<'_>) -> Self {
        let child = |node: &Node<'_>| match node {
            Node::Element(element) => Child::Element(Self::of(element)),
            Node::Text(text) => Child::Text(text.clone()),
        };
        let attributes = element.attributes.iter();
        Self {
            name: element.qname(),
            attributes: attributes
                .map(|a| (QName::new(&*a.ns, a.name.as_str()), a.value.clone()))
                .collect(),
            children: element.children.iter().map(child).collect(),
        }
    }

    /// As a client might send it: prefixes `n0`, `n1`, … of the root for the odd levels, declared
    /// on the spot for the even ones, every character as a reference.
    fn send(&self, out: &mut String, level: usize) {
        let index = |ns: &str| {
            NAMESPACES
                .iter()
                .position(|known| *known == ns)
                .expect("known")
        };
        let local = &self.name.name;
        let tag = match (self.name.ns.as_str(), level % 2) {
            ("", _) => local.clone(),
            (ns, 1) => format!("n{}:{local}", index(ns)),
            _ => local.clone(),
        };
        *out += &format!("<{tag}");
        if self.name.ns.is_empty() || level.is_multiple_of(2) {
            *out += &format!(" xmlns=\"{}\"", references(&self.name.ns));
        }
        for (name, value) in &self.attributes {
            let prefix = match name.ns.as_str() {
                "" => String::new(),
                ns => format!("n{}:", index(ns)),
            };
            *out += &format!(" {prefix}{}='{}'", name.name, references(value));
        }
        *out += ">";
        for child in &self.children {
            match child {
                Child::Element(child) => child.send(out, level + 1),
                Child::Text(text) => *out += &references(text),
            }
        }
        *out += &format!("</{tag}>");
    }
}

fn references(text: &str) -> String {
    text.chars()
        .map(|c| format!("&#{};", u32::from(c)))
        .collect()
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.chars().filter(|c| escape::is_xml_char(*c)).collect())
}

fn name() -> impl Strategy<Value = QName> {
    (
        proptest::sample::select(&NAMESPACES[..]),
        "[A-Za-z_\u{e4}][A-Za-z0-9._-]{0,5}",
    )
        .prop_map(|(ns, name)| QName::new(ns, name))
}

fn attributes() -> impl Strategy<Value = Vec<(QName, String)>> {
    let unique = |attributes: Vec<(QName, String)>| {
        let mut seen = std::collections::HashSet::new();
        // Without a prefix, a name of this spelling would be a declaration.
        let fine = |name: &QName| !name.name.starts_with("xmlns");
        attributes
            .into_iter()
            .filter(|(n, _)| fine(n) && seen.insert(n.clone()))
            .collect()
    };
    vec((name(), text()), 0..4).prop_map(unique)
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = (name(), attributes(), text()).prop_map(|(name, attributes, text)| {
        let children = Some(text).filter(|text| !text.is_empty()).map(Child::Text);
        Model {
            name,
            attributes,
            children: children.into_iter().collect(),
        }
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let child = (inner, text());
        (name(), attributes(), vec(child, 0..4)).prop_map(|(name, attributes, list)| {
            let mut children = Vec::new();
            for (element, text) in list {
                children.push(Child::Element(element));
                children.extend(Some(text).filter(|text| !text.is_empty()).map(Child::Text));
            }
            Model {
                name,
                attributes,
                children,
            }
        })
    })
}

/// A PROPPATCH that sets this property, with all prefixes declared on the root.
fn proppatch(property: &Model) -> String {
    let mut body = "<propertyupdate xmlns='DAV:'".to_owned();
    for (index, ns) in NAMESPACES.iter().enumerate().skip(1) {
        body += &format!(" xmlns:n{index}='{}'", references(ns));
    }
    body += "><set><prop>";
    property.send(&mut body, 1);
    body + "</prop></set></propertyupdate>"
}

fn set(body: &str) -> DeadProperty {
    let patches = parse_propertyupdate(body.as_bytes(), &LIMITS).expect("it is well-formed");
    match <[PropertyPatch; 1]>::try_from(patches) {
        Ok([PropertyPatch::Set(property)]) => property,
        other => panic!("one property was set: {other:?}"),
    }
}

/// The elements within `D:prop` of the only propstat.
fn properties(body: &[u8]) -> Vec<Model> {
    let root = parse(body, &LIMITS).expect("our own answer is well-formed");
    let child = |element: &Element<'_>, name: &str| {
        let found = element.elements().position(|e| e.is(DAV_NS, name));
        found.unwrap_or_else(|| panic!("{name} is missing"))
    };
    assert!(root.is(DAV_NS, "multistatus"));
    let response = root
        .elements()
        .nth(child(&root, "response"))
        .expect("just found");
    let propstat = response
        .elements()
        .nth(child(response, "propstat"))
        .expect("just found");
    let prop = propstat
        .elements()
        .nth(child(propstat, "prop"))
        .expect("just found");
    prop.elements().map(Model::of).collect()
}

proptest! {
    #[test]
    fn a_dead_property_comes_back_as_it_was_set(expect in model()) {
        let property = set(&proppatch(&expect));
        prop_assert_eq!(&property.name, &expect.name);

        let mut multistatus = Multistatus::new();
        multistatus.response("/a", |r| r.propstat(200, |p| p.dead(&property.xml)));
        prop_assert_eq!(properties(&multistatus.finish()), vec![expect.clone()]);

        // It needs nothing around it, and below a default namespace it means the same.
        let around = format!("<a xmlns='u' xmlns:n1='v' xmlns:n2='w'>{}</a>", property.xml);
        let root = parse(around.as_bytes(), &LIMITS).expect("it is self-contained");
        prop_assert_eq!(root.elements().map(Model::of).collect::<Vec<_>>(), vec![expect]);

        // Setting what was read changes nothing.
        let again = format!(
            "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop>{}</D:prop></D:set>\
             </D:propertyupdate>",
            property.xml
        );
        prop_assert_eq!(set(&again), property);
    }

    #[test]
    fn every_multistatus_can_be_read(
        href in any::<String>(),
        value in any::<String>(),
        sentence in any::<String>(),
        status in any::<u16>(),
        name in name(),
    ) {
        let mut multistatus = Multistatus::new();
        multistatus.response(&href, |r| {
            r.propstat(status, |p| {
                p.text("D:displayname", &value);
                p.name(&name);
                p.description(&sentence);
            });
        });
        multistatus.status(&href, status, Some(&DavError::Conflict(sentence)));
        let legal: String = value.chars().filter(|c| escape::is_xml_char(*c)).collect();
        let children = Some(legal).filter(|text| !text.is_empty()).map(Child::Text);
        let children = children.into_iter().collect();
        let displayname = Model { name: QName::dav("displayname"), attributes: vec![], children };
        let named = Model { name, attributes: vec![], children: vec![] };
        prop_assert_eq!(properties(&multistatus.finish()), vec![displayname, named]);
    }

    #[test]
    fn the_owner_text_comes_back_byte_for_byte(owner in "[^<&\0-\x1f\u{fffe}\u{ffff}]{1,40}") {
        prop_assume!(!owner.contains("]]>") && !owner.trim_ascii().is_empty());
        let body = format!(
            "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype>\
             <owner>{owner}&amp;&#x41;</owner></lockinfo>"
        );
        let info = parse_lockinfo(body.as_bytes(), &LIMITS).expect("it is well-formed");
        let kept = info.owner_xml.expect("it named somebody");
        prop_assert_eq!(&kept, &format!("{owner}&amp;&#x41;"));

        let lock = ActiveLock {
            kind: LockKind::Transient,
            scope: info.scope,
            depth: LockDepthName::Zero,
            owner_xml: Some(&kept),
            comment: None,
            timeout: Some(1),
            token: None,
            lockroot: owner.clone(),
            holder: &owner,
            since: super::super::time::Timestamp(0),
        };
        let body = lock_response(&[lock]);
        let root = parse(&body, &LIMITS).expect("our own answer is well-formed");
        let activelock = root.elements().next().and_then(|d| d.elements().next());
        let mut shown = activelock.expect("there is one").elements();
        let shown = shown.find(|e| e.is(DAV_NS, "owner")).expect("an owner");
        prop_assert_eq!(shown.inside, kept);
    }

    #[test]
    fn no_bytes_make_it_panic(body in vec(any::<u8>(), 0..200)) {
        read_all(&body);
    }

    #[test]
    fn nothing_like_xml_makes_it_panic(parts in vec(proptest::sample::select(PIECES), 0..30)) {
        read_all(parts.concat().as_bytes());
    }

    /// Whatever could be read at all can be written, and what was written can be read.
    #[test]
    fn what_is_kept_can_be_read_again(parts in vec(proptest::sample::select(PIECES), 0..12)) {
        let inside = parts.concat();
        let body = format!(
            "<D:propertyupdate xmlns:D='DAV:' xmlns:p='u'><D:set><D:prop><p:x>{inside}</p:x>\
             </D:prop></D:set></D:propertyupdate>"
        );
        for patch in parse_propertyupdate(body.as_bytes(), &LIMITS).unwrap_or_default() {
            if let PropertyPatch::Set(property) = patch {
                prop_assert!(parse(property.xml.as_bytes(), &LIMITS).is_ok(), "{}", property.xml);
            }
        }
        let body = format!(
            "<D:lockinfo xmlns:D='DAV:' xmlns:p='u'><D:lockscope><D:shared/></D:lockscope>\
             <D:locktype><D:write/></D:locktype><D:owner>{inside}</D:owner></D:lockinfo>"
        );
        let info = parse_lockinfo(body.as_bytes(), &LIMITS);
        if let Ok(LockInfo { owner_xml: Some(xml), .. }) = info {
            let alone = format!("<o>{xml}</o>");
            prop_assert!(parse(alone.as_bytes(), &LIMITS).is_ok(), "{}", alone);
        }
    }
}

/// What XML is made of, whole and broken.
const PIECES: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "<a>",
    "</a>",
    "<a/>",
    "<p:a/>",
    "<p:a>",
    "</p:a>",
    "<a b='1'/>",
    "<a p:b='&lt;'>",
    "<a xmlns='v'>",
    "<p:a xmlns:p=\"w\">",
    " xmlns:p=''",
    "&",
    ";",
    "&amp;",
    "&#13;",
    "&#0;",
    "&x;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE",
    "<?",
    "?>",
    "<?xml version='1.0'?>",
    "=",
    "'",
    "\"",
    " ",
    "\r\n",
    "ü",
    "\u{10000}",
    "\u{feff}",
    "text",
    ":",
    "xmlns",
    "<D:prop>",
    "</D:prop>",
];

fn read_all(body: &[u8]) {
    let _ = parse_propfind(body, &LIMITS);
    let _ = parse_propertyupdate(body, &LIMITS);
    let _ = parse_lockinfo(body, &LIMITS);
}
