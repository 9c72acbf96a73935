//! The request bodies of RFC 4918: propfind (§14.20), propertyupdate (§14.19) and lockinfo
//! (§14.11), and the report version-tree of RFC 3253. Elements that nobody knows are ignored
//! (§17). It decides nothing: whether a property may be set or a lock granted is for others.

use std::collections::HashSet;

use super::limits::XmlLimits;
use super::tree::{Element, XML_NS, is_blank, parse};
use super::{DAV_NS, OUR_NS, QName, fragment, shorten};
use crate::protocol::error::DavError;
use crate::protocol::lock_kinds::{LockKind, LockScope};

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

/// What a REPORT asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportRequest {
    /// `DAV:version-tree` (RFC 3253 §3.7), with these properties of each version.
    VersionTree(PropfindRequest),
    /// A report that nobody here makes; what it is called, in short.
    Unknown(String),
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

    /// The bytes of text it holds.
    fn len(&self) -> usize {
        let xml = match self {
            Self::Set(property) => property.xml.len(),
            Self::Remove(_) => 0,
        };
        self.name().ns.len() + self.name().name.len() + xml
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

/// Reads the body of a REPORT, whose root element names the report (RFC 3253 §3.6).
///
/// # Errors
/// 400 if it is not XML, or a version-tree with more than one prop; 413 if it is too long.
pub fn parse_report(body: &[u8], limits: &XmlLimits) -> Result<ReportRequest, DavError> {
    if is_blank(body) {
        return Err(DavError::BadRequest(
            "the body is empty; it must name a report, such as DAV:version-tree".to_owned(),
        ));
    }
    let root = parse(body, limits)?;
    if !root.is(DAV_NS, "version-tree") {
        return Ok(ReportRequest::Unknown(shorten(&root.qname().to_string())));
    }
    let prop = only_child(&root, "prop")?;
    Ok(ReportRequest::VersionTree(match prop {
        Some(prop) => PropfindRequest::Named(names_in(prop)),
        None => PropfindRequest::AllProp {
            include: Vec::new(),
        },
    }))
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
    // Every property gets its own copy of what it inherits: a short body could ask for a lot.
    let bytes_max = limits.bytes_max.saturating_mul(4);
    let mut bytes_left = bytes_max;
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
            for property in prop.elements() {
                let patch = patch(set, property, lang);
                bytes_left = bytes_left.checked_sub(patch.len()).ok_or_else(|| {
                    DavError::TooLarge(format!(
                        "the properties, each with the namespaces it needs, have more than the \
                         {bytes_max} bytes that are allowed"
                    ))
                })?;
                patches.push(patch);
            }
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

fn patch(set: bool, property: &Element<'_>, lang: Option<&str>) -> PropertyPatch {
    let name = property.qname();
    if !set {
        return PropertyPatch::Remove(name);
    }
    PropertyPatch::Set(DeadProperty {
        name,
        xml: fragment::self_contained(property, lang),
    })
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
mod tests;
