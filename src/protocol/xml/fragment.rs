//! XML of a client, written so that it can stand anywhere: every namespace it uses is declared in
//! it. Prefixes stay as they were sent. It knows neither where the XML came from nor where it goes.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::escape::{push_attribute, push_text};
use super::tree::{Element, Node, XML_NS};

/// The element with everything in it, and with `lang` as its `xml:lang` unless it has one.
pub(super) fn self_contained(element: &Element<'_>, lang: Option<&str>) -> String {
    let mut out = String::new();
    push_self_contained(&mut out, element, lang);
    out
}

/// The inside of an element: byte for byte if it is text, else text and self-contained elements.
pub(super) fn inside(element: &Element<'_>) -> String {
    let plain = element.elements().next().is_none();
    // Comments and CDATA are not worth keeping, and a stray "]]>" would make our answer malformed.
    if plain && !element.inside.contains("<!") && !element.inside.contains("]]>") {
        return element.inside.to_owned();
    }
    let mut out = String::new();
    for node in &element.children {
        match node {
            Node::Text(text) => push_text(&mut out, text),
            Node::Element(child) => push_self_contained(&mut out, child, None),
        }
    }
    out
}

fn push_self_contained(out: &mut String, element: &Element<'_>, lang: Option<&str>) {
    let mut inherited = BTreeMap::new();
    collect_inherited(element, &mut Vec::new(), &mut inherited);
    let lang = lang.filter(|_| element.attribute(XML_NS, "lang").is_none());
    push_element(out, element, &inherited, lang);
}

/// Finds the prefixes that are used in `element` but declared around it. Each of them means one
/// thing at `element`, so declaring them there, once, is right for every use below. That also
/// keeps many short uses of one long namespace from becoming many long declarations.
fn collect_inherited<'e>(
    element: &'e Element<'_>,
    declared: &mut Vec<&'e str>,
    inherited: &mut BTreeMap<&'e str, Rc<str>>,
) {
    let outer = declared.len();
    declared.extend(element.declared.iter().map(|(prefix, _)| prefix.as_str()));
    let prefixed = element
        .attributes
        .iter()
        .filter(|attribute| !attribute.prefix.is_empty());
    let used = prefixed.map(|attribute| (attribute.prefix.as_str(), &attribute.ns));
    for (prefix, ns) in used.chain([(element.prefix.as_str(), &element.ns)]) {
        if prefix != "xml" && !declared.contains(&prefix) {
            inherited.insert(prefix, Rc::clone(ns));
        }
    }
    for child in element.elements() {
        collect_inherited(child, declared, inherited);
    }
    declared.truncate(outer);
}

fn push_element(
    out: &mut String,
    element: &Element<'_>,
    inherited: &BTreeMap<&str, Rc<str>>,
    lang: Option<&str>,
) {
    out.push('<');
    push_name(out, &element.prefix, &element.name);
    let own = element
        .declared
        .iter()
        .map(|(prefix, ns)| (prefix.as_str(), ns));
    for (prefix, ns) in own.chain(inherited.iter().map(|(prefix, ns)| (*prefix, ns))) {
        let (prefix, name) = if prefix.is_empty() {
            ("", "xmlns")
        } else {
            ("xmlns", prefix)
        };
        push_pair(out, prefix, name, ns);
    }
    if let Some(lang) = lang {
        push_pair(out, "xml", "lang", lang);
    }
    for attribute in &element.attributes {
        push_pair(out, &attribute.prefix, &attribute.name, &attribute.value);
    }
    if element.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for node in &element.children {
        match node {
            Node::Text(text) => push_text(out, text),
            Node::Element(child) => push_element(out, child, &BTreeMap::new(), None),
        }
    }
    out.push_str("</");
    push_name(out, &element.prefix, &element.name);
    out.push('>');
}

fn push_pair(out: &mut String, prefix: &str, name: &str, value: &str) {
    out.push(' ');
    push_name(out, prefix, name);
    out.push_str("=\"");
    push_attribute(out, value);
    out.push('"');
}

fn push_name(out: &mut String, prefix: &str, name: &str) {
    if !prefix.is_empty() {
        out.push_str(prefix);
        out.push(':');
    }
    out.push_str(name);
}

#[cfg(test)]
mod tests {
    use super::super::limits::XmlLimits;
    use super::super::tree::parse;
    use super::*;

    const LIMITS: XmlLimits = XmlLimits {
        bytes_max: 65536,
        depth_max: 20,
        elements_max: 100,
    };

    #[test]
    fn elements_carry_every_namespace_they_use() {
        // The fragment is the first element within the root.
        fn check(body: &str, lang: Option<&str>, expect: &str) {
            let root = parse(body.as_bytes(), &LIMITS).expect(body);
            let element = root.elements().next().expect("the table has an element");
            assert_eq!(self_contained(element, lang), expect, "{body}");
        }
        check(r#"<a xmlns="u"><b/></a>"#, None, r#"<b xmlns="u"/>"#);
        check("<a><b/></a>", None, r#"<b xmlns=""/>"#);
        check(
            r#"<a xmlns="u"><b xmlns=""/></a>"#,
            None,
            r#"<b xmlns=""/>"#,
        );
        check(
            r#"<p:a xmlns:p="u"><p:b/></p:a>"#,
            None,
            r#"<p:b xmlns:p="u"/>"#,
        );
        // Declared once, however often it is used below.
        check(
            r#"<a xmlns:p="u"><p:b><p:c/><p:c q="1" p:q="2"/></p:b></a>"#,
            None,
            r#"<p:b xmlns:p="u"><p:c/><p:c q="1" p:q="2"/></p:b>"#,
        );
        // Needed only further down.
        check(
            r#"<a xmlns="d" xmlns:p="u"><b xmlns="e"><p:c/></b></a>"#,
            None,
            r#"<b xmlns="e" xmlns:p="u"><p:c/></b>"#,
        );
        // The same prefix means one thing above and another thing inside.
        check(
            r#"<a xmlns:p="u"><p:b><p:c xmlns:p="v"><p:d/></p:c><p:e/></p:b></a>"#,
            None,
            r#"<p:b xmlns:p="u"><p:c xmlns:p="v"><p:d/></p:c><p:e/></p:b>"#,
        );
        // What one child declares does not serve the next.
        check(
            r#"<a xmlns="d" xmlns:p="u"><p:b><c xmlns="e" xmlns:q="v"/><p:d/><d/></p:b></a>"#,
            None,
            r#"<p:b xmlns="d" xmlns:p="u"><c xmlns="e" xmlns:q="v"/><p:d/><d/></p:b>"#,
        );
        check(
            r#"<a xmlns:p="u"><b xmlns=""><c xmlns:p="v"/><p:d/></b></a>"#,
            None,
            r#"<b xmlns="" xmlns:p="u"><c xmlns:p="v"/><p:d/></b>"#,
        );
        // An element without a namespace below one with a prefix.
        check(
            r#"<p:a xmlns:p="u"><p:b><c/></p:b></p:a>"#,
            None,
            r#"<p:b xmlns="" xmlns:p="u"><c/></p:b>"#,
        );
        // A declaration that only a value may use is kept where it stands on the element.
        check(
            r#"<a><b xmlns:xs="x">xs:int</b></a>"#,
            None,
            r#"<b xmlns:xs="x" xmlns="">xs:int</b>"#,
        );
        check("<a><b/></a>", Some("de"), r#"<b xmlns="" xml:lang="de"/>"#);
        check(
            r#"<a><b xml:lang="en"/></a>"#,
            Some("de"),
            r#"<b xmlns="" xml:lang="en"/>"#,
        );
        check(
            r#"<a><b xml:lang=""/></a>"#,
            Some("de"),
            r#"<b xmlns="" xml:lang=""/>"#,
        );
        check(
            "<a xmlns='u'><b c='&lt;&quot;&#10;'>x<!-- - --> &amp; \
             <![CDATA[<y>]]><i/>\r\nz</b></a>",
            None,
            "<b xmlns=\"u\" c=\"&lt;&quot;&#10;\">x &amp; &lt;y&gt;<i/>\nz</b>",
        );
    }

    #[test]
    fn the_inside_is_kept_byte_for_byte_where_it_is_text() {
        fn check(body: &str, expect: &str) {
            let root = parse(body.as_bytes(), &LIMITS).expect(body);
            assert_eq!(inside(&root), expect, "{body}");
        }
        check("<o/>", "");
        check("<o></o>", "");
        check("<o>alice</o>", "alice");
        check(
            "<o> \r\n a &apos;&#x41;> \"</o >",
            " \r\n a &apos;&#x41;> \"",
        );
        check("\u{FEFF}<?xml version='1.0'?><!--c--><o a='>'>ü</o>", "ü");
        check("<o>a<!-- b -->c</o>", "ac");
        check("<o><![CDATA[<a>]]></o>", "&lt;a&gt;");
        check("<o>]]></o>", "]]&gt;");
        check(
            r#"<D:o xmlns:D="DAV:"> <D:href>a</D:href>, <b xmlns="u"/></D:o>"#,
            r#" <D:href xmlns:D="DAV:">a</D:href>, <b xmlns="u"/>"#,
        );
    }
}
