//! A request body as a small tree with namespaces resolved. Everything is bounded, and what a
//! WebDAV body never needs is refused: a DTD, entities beyond the five of XML, processing
//! instructions, encodings other than UTF-8. It knows no WebDAV element.

use std::ops::Range;
use std::rc::Rc;

use quick_xml::XmlVersion;
use quick_xml::escape::{EscapeError, resolve_xml_entity};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::escape::{is_ncname, is_xml_char};
use super::limits::{
    ATTRIBUTES_MAX, DEPTH_CEILING, NAME_BYTES_MAX, NAMESPACES_MAX, XmlError, XmlLimits,
};
use super::{QName, shorten};

/// The namespace that the prefix `xml` always stands for.
pub(super) const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NS: &str = "http://www.w3.org/2000/xmlns/";

impl From<quick_xml::Error> for XmlError {
    fn from(error: quick_xml::Error) -> Self {
        match error {
            quick_xml::Error::Escape(EscapeError::UnrecognizedEntity(_, name)) => {
                Self::Entity(shorten(&name))
            }
            other => Self::malformed(&other),
        }
    }
}

/// An element, with the prefixes it was written with: some vocabularies use them in values, so
/// RFC 4918 §4.3 wants them kept.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) prefix: String,
    pub(super) ns: Rc<str>,
    pub(super) name: String,
    /// The namespace declarations on this element: prefix (empty: default) and namespace.
    pub(super) declared: Vec<(String, Rc<str>)>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Node<'a>>,
    /// Everything between the tags, as it was sent.
    pub(super) inside: &'a str,
}

/// An attribute that is not a namespace declaration.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) prefix: String,
    pub(super) ns: Rc<str>,
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug)]
pub(super) enum Node<'a> {
    Element(Element<'a>),
    Text(String),
}

impl<'a> Element<'a> {
    pub(super) fn is(&self, ns: &str, name: &str) -> bool {
        *self.ns == *ns && self.name == name
    }

    pub(super) fn qname(&self) -> QName {
        QName::new(&*self.ns, self.name.as_str())
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element<'a>> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub(super) fn attribute(&self, ns: &str, name: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|a| *a.ns == *ns && a.name == name);
        found.map(|attribute| attribute.value.as_str())
    }
}

/// Reads a whole body.
pub(super) fn parse<'a>(body: &'a [u8], limits: &XmlLimits) -> Result<Element<'a>, XmlError> {
    let text = decode(body, limits)?;
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    let mut builder = Builder::new(limits);
    loop {
        let before = position(&reader);
        let event = reader.read_event()?;
        let after = position(&reader);
        match event {
            Event::Start(start) => builder.open(&start, after)?,
            Event::End(_) => {
                builder.close(|inside| text.get(inside).unwrap_or_default(), before)?;
            }
            Event::Empty(_) => return Err(XmlError::malformed("unexpected empty element")),
            Event::Text(data) => builder.text(&data.xml10_content())?,
            Event::CData(data) => builder.push_text(&data.xml10_content())?,
            Event::GeneralRef(reference) => builder.reference(&reference)?,
            Event::Comment(_) => {}
            Event::Decl(declaration) => check_declaration(&declaration, before)?,
            Event::PI(_) => return Err(XmlError::ProcessingInstruction),
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Eof => return builder.finish(),
        }
    }
}

/// Whether a body says nothing, as a PROPFIND for all properties may (RFC 4918 §9.1).
pub(super) fn is_blank(body: &[u8]) -> bool {
    body.strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(body)
        .trim_ascii()
        .is_empty()
}

fn decode<'a>(body: &'a [u8], limits: &XmlLimits) -> Result<&'a str, XmlError> {
    if body.len() > limits.bytes_max {
        return Err(XmlError::TooManyBytes(limits.bytes_max));
    }
    // With or without a byte order mark, UTF-16 has a zero or 0xFE, 0xFF among its first two bytes.
    if matches!(body, [0 | 0xFE | 0xFF, ..] | [_, 0, ..]) {
        return Err(XmlError::Encoding("UTF-16 or UTF-32".to_owned()));
    }
    let text = str::from_utf8(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
    let text = text.map_err(|_| XmlError::Encoding("an encoding with other bytes".to_owned()))?;
    check_chars(text)?;
    if text.starts_with('\u{FEFF}') {
        return Err(XmlError::malformed("there is a second byte order mark"));
    }
    Ok(text)
}

fn check_chars(text: &str) -> Result<(), XmlError> {
    match text.chars().find(|c| !is_xml_char(*c)) {
        Some(c) => {
            let why = format!("the character U+{:04X} is not allowed in XML", u32::from(c));
            Err(XmlError::Malformed(why))
        }
        None => Ok(()),
    }
}

fn check_declaration(declaration: &BytesDecl<'_>, at: usize) -> Result<(), XmlError> {
    if at != 0 {
        return Err(XmlError::malformed(
            "the XML declaration is not at the beginning",
        ));
    }
    let version = declaration.version()?;
    if version != "1.0" {
        let version = shorten(&version);
        return Err(XmlError::Malformed(format!(
            "XML {version} is not allowed, only XML 1.0"
        )));
    }
    match declaration
        .encoding()
        .transpose()
        .map_err(|error| XmlError::malformed(&error))?
    {
        Some(name) if !name.eq_ignore_ascii_case("utf-8") => {
            Err(XmlError::Encoding(shorten(&name)))
        }
        _ => Ok(()),
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// The tree while it grows.
struct Builder<'a> {
    depth_max: usize,
    elements_left: usize,
    limits: XmlLimits,
    root: Option<Element<'a>>,
    /// The elements whose end has not come yet, with the position where their inside begins.
    open: Vec<(Element<'a>, usize)>,
    /// The bindings in force, innermost last.
    scope: Vec<(String, Rc<str>)>,
    no_namespace: Rc<str>,
    xml_namespace: Rc<str>,
}

impl<'a> Builder<'a> {
    fn new(limits: &XmlLimits) -> Self {
        Self {
            depth_max: limits.depth_max.min(DEPTH_CEILING),
            elements_left: limits.elements_max,
            limits: *limits,
            root: None,
            open: Vec::new(),
            scope: Vec::new(),
            no_namespace: Rc::from(""),
            xml_namespace: Rc::from(XML_NS),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, inside_from: usize) -> Result<(), XmlError> {
        if self.root.is_some() {
            return Err(XmlError::malformed("there is a second root element"));
        }
        if self.open.len() >= self.depth_max {
            return Err(XmlError::TooDeep(self.depth_max));
        }
        let left = self.elements_left.checked_sub(1);
        self.elements_left = left.ok_or(XmlError::TooManyElements(self.limits.elements_max))?;

        let tag = start.name().into_inner();
        let mut declared = Vec::new();
        let mut plain = Vec::new();
        for (count, attribute) in start.attributes().enumerate() {
            if count == ATTRIBUTES_MAX {
                return Err(XmlError::TooManyAttributes(shorten(tag)));
            }
            let attribute = attribute.map_err(|error| XmlError::malformed(&error))?;
            let value = attribute_value(&attribute)?;
            match attribute.key.into_inner() {
                "xmlns" => declared.push(declaration("", value)?),
                key => match key.strip_prefix("xmlns:") {
                    Some(prefix) => declared.push(declaration(prefix, value)?),
                    None => plain.push((split(key)?, value)),
                },
            }
        }
        self.scope.extend(declared.iter().cloned());
        if self.scope.len() > NAMESPACES_MAX {
            return Err(XmlError::TooManyNamespaces(shorten(tag)));
        }
        let (prefix, name) = split(tag)?;
        let element = Element {
            prefix: prefix.to_owned(),
            ns: self.resolve(prefix)?,
            name: name.to_owned(),
            declared,
            attributes: self.attributes(plain)?,
            children: Vec::new(),
            inside: "",
        };
        self.open.push((element, inside_from));
        Ok(())
    }

    /// Resolves prefixes; without one an attribute is in no namespace (Namespaces in XML §6.2).
    fn attributes(&self, plain: Vec<((&str, &str), String)>) -> Result<Vec<Attribute>, XmlError> {
        let mut attributes: Vec<Attribute> = Vec::with_capacity(plain.len());
        for ((prefix, name), value) in plain {
            let ns = match prefix {
                "" => self.no_namespace.clone(),
                _ => self.resolve(prefix)?,
            };
            if attributes
                .iter()
                .any(|other| other.ns == ns && other.name == name)
            {
                let why = format!("the attribute {} is there twice", shorten(name));
                return Err(XmlError::Malformed(why));
            }
            // It is carried onto every property in its scope.
            if *ns == *XML_NS && value.len() > NAME_BYTES_MAX {
                return Err(XmlError::NameTooLong(shorten(&value)));
            }
            let (prefix, name) = (prefix.to_owned(), name.to_owned());
            attributes.push(Attribute {
                prefix,
                ns,
                name,
                value,
            });
        }
        Ok(attributes)
    }

    fn resolve(&self, prefix: &str) -> Result<Rc<str>, XmlError> {
        let bound = self
            .scope
            .iter()
            .rev()
            .find(|(declared, _)| declared == prefix);
        match (bound, prefix) {
            (_, "xml") => Ok(self.xml_namespace.clone()),
            (Some((_, ns)), _) => Ok(ns.clone()),
            (None, "") => Ok(self.no_namespace.clone()),
            (None, _) => Err(XmlError::UndeclaredPrefix(shorten(prefix))),
        }
    }

    fn close(
        &mut self,
        slice: impl FnOnce(Range<usize>) -> &'a str,
        inside_to: usize,
    ) -> Result<(), XmlError> {
        let closed = self.open.pop();
        let (mut element, from) = closed.ok_or_else(|| XmlError::malformed("nothing to close"))?;
        element.inside = slice(from..inside_to);
        self.scope
            .truncate(self.scope.len().saturating_sub(element.declared.len()));
        match self.open.last_mut() {
            Some((parent, _)) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return match text.trim_ascii() {
                "" => Ok(()),
                _ => Err(XmlError::malformed(
                    "there is text outside the root element",
                )),
            };
        }
        self.push_text(text)
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        match reference.resolve_char_ref()? {
            Some(c) => {
                let mut buffer = [0; 4];
                let text = &*c.encode_utf8(&mut buffer);
                check_chars(text)?;
                self.push_text(text)
            }
            None => match resolve_xml_entity(reference) {
                Some(text) => self.push_text(text),
                None => Err(XmlError::Entity(shorten(reference))),
            },
        }
    }

    /// Text beside text is one node, however it was written.
    fn push_text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some((parent, _)) = self.open.last_mut() else {
            return Err(XmlError::malformed(
                "there is text outside the root element",
            ));
        };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => parent.children.push(Node::Text(text.to_owned())),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element<'a>, XmlError> {
        if let Some((element, _)) = self.open.last() {
            let why = format!("<{}> is not closed", shorten(&element.name));
            return Err(XmlError::Malformed(why));
        }
        self.root
            .ok_or_else(|| XmlError::malformed("there is no element"))
    }
}

/// References resolved and white space normalised (XML 1.0 §3.3.3).
fn attribute_value(
    attribute: &quick_xml::events::attributes::Attribute<'_>,
) -> Result<String, XmlError> {
    if attribute.value.contains('<') {
        return Err(XmlError::malformed("there is a < in an attribute value"));
    }
    let value = attribute.normalized_value_with(XmlVersion::Explicit1_0, 1, resolve_xml_entity)?;
    check_chars(&value)?;
    Ok(value.into_owned())
}

/// A namespace declaration, if Namespaces in XML §3 and §5 allow it. Taking a prefix back
/// (`xmlns:p=""`) is not allowed; litmus tests that.
fn declaration(prefix: &str, ns: String) -> Result<(String, Rc<str>), XmlError> {
    if !prefix.is_empty() {
        check_name(prefix)?;
    }
    if ns.len() > NAME_BYTES_MAX {
        return Err(XmlError::NameTooLong(shorten(&ns)));
    }
    let reserved = ns == XMLNS_NS || prefix == "xmlns" || (prefix == "xml") != (ns == XML_NS);
    if reserved || (ns.is_empty() && !prefix.is_empty()) {
        return Err(XmlError::Binding {
            prefix: shorten(prefix),
            ns: shorten(&ns),
        });
    }
    Ok((prefix.to_owned(), Rc::from(ns)))
}

/// Prefix (empty: none) and local name.
fn split(name: &str) -> Result<(&str, &str), XmlError> {
    let Some((prefix, local)) = name.split_once(':') else {
        check_name(name)?;
        return Ok(("", name));
    };
    check_name(prefix)?;
    check_name(local)?;
    Ok((prefix, local))
}

fn check_name(name: &str) -> Result<(), XmlError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(XmlError::NameTooLong(shorten(name)));
    }
    if !is_ncname(name) {
        return Err(XmlError::Name(shorten(name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
