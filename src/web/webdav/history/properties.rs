//! The properties of what is in the history collection. All are computed; none can be set.

use super::node::{Kind, Node, Version};
use crate::blobs::Space;
use crate::lock::UserId;
use crate::ops::Dav;
use crate::protocol::error::DavError;
use crate::protocol::live::InAllProp;
use crate::protocol::xml::{
    DAV_NS, Multistatus, OUR_NS, PRINCIPALS, PropfindRequest, PropstatWriter, QName, push_href,
    supported_reports, write_label, write_principal, write_privileges,
};
use crate::resource::{Resource, ResourceId};
use crate::rights::Privilege;
use crate::web::download::media_type_of;

/// Every property, and whether a PROPFIND for all gives it: those of RFC 3253 must be named
/// (§3.11).
const PROPERTIES: [(&str, InAllProp); 23] = [
    ("D:comment", InAllProp::No),
    ("D:creationdate", InAllProp::Yes),
    ("D:creator-displayname", InAllProp::No),
    ("D:current-user-principal", InAllProp::No),
    ("D:current-user-privilege-set", InAllProp::No),
    ("D:displayname", InAllProp::Yes),
    ("D:getcontentlength", InAllProp::Yes),
    ("D:getcontenttype", InAllProp::Yes),
    ("D:getetag", InAllProp::Yes),
    ("D:getlastmodified", InAllProp::Yes),
    ("D:label-name-set", InAllProp::No),
    ("D:lockdiscovery", InAllProp::Yes),
    ("D:owner", InAllProp::No),
    ("D:predecessor-set", InAllProp::No),
    ("D:principal-collection-set", InAllProp::No),
    ("D:quota-available-bytes", InAllProp::No),
    ("D:quota-used-bytes", InAllProp::No),
    ("D:resourcetype", InAllProp::Yes),
    ("D:successor-set", InAllProp::No),
    ("D:supported-report-set", InAllProp::No),
    ("D:supportedlock", InAllProp::Yes),
    ("D:version-name", InAllProp::No),
    ("L:under", InAllProp::No),
];

/// How a PROPFIND or a REPORT is answered for each node.
#[derive(Debug)]
pub(super) struct Rendering {
    /// Told of every node that has them.
    unasked: Vec<&'static str>,
    /// Told with a 404 of a node that has them not.
    named: Vec<QName>,
    look: Look,
    /// Who asks.
    user: UserId,
    /// Filled if a quota was asked for.
    space: Option<Space>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Values,
    Names,
}

/// What a property holds.
enum Value {
    Text(String),
    /// XML with the prefixes `D` and `L`.
    Xml(String),
}

impl Rendering {
    pub(super) fn of_propfind(
        dav: &Dav,
        user: UserId,
        request: PropfindRequest,
    ) -> Result<Self, DavError> {
        Self::new(dav, user, request, |in_all| in_all == InAllProp::Yes)
    }

    /// Who asks for a report of versions without naming properties is told all of them.
    pub(super) fn of_report(
        dav: &Dav,
        user: UserId,
        request: PropfindRequest,
    ) -> Result<Self, DavError> {
        Self::new(dav, user, request, |_| true)
    }

    fn new(
        dav: &Dav,
        user: UserId,
        request: PropfindRequest,
        in_all: fn(InAllProp) -> bool,
    ) -> Result<Self, DavError> {
        let all = |wanted: fn(InAllProp) -> bool| {
            let all = PROPERTIES.iter().filter(move |(_, which)| wanted(*which));
            all.map(|(element, _)| *element).collect::<Vec<_>>()
        };
        let (unasked, named, look) = match request {
            PropfindRequest::AllProp { include } => (all(in_all), include, Look::Values),
            PropfindRequest::PropName => (all(|_| true), Vec::new(), Look::Names),
            PropfindRequest::Named(names) => (Vec::new(), names, Look::Values),
        };
        let told = |name: &QName| element(name).is_some_and(|element| unasked.contains(&element));
        let named: Vec<QName> = named.into_iter().filter(|name| !told(name)).collect();
        let of_quota = |name: &QName| name.ns == DAV_NS && name.name.starts_with("quota-");
        let space = if named.iter().any(of_quota) {
            Some(dav.space()?)
        } else {
            None
        };
        Ok(Self {
            unasked,
            named,
            look,
            user,
            space,
        })
    }

    pub(super) fn write(&self, multistatus: &mut Multistatus, node: &Node) {
        let look_up = |name: &QName| {
            let element = element(name)?;
            Some((element, self.value(element, node)?))
        };
        let named: Vec<_> = self
            .named
            .iter()
            .map(|name| (name, look_up(name)))
            .collect();
        multistatus.response(&node.href, |response| {
            response.propstat(200, |p| {
                for element in &self.unasked {
                    if let Some(value) = self.value(element, node) {
                        self.put(p, element, &value);
                    }
                }
                let there = named.iter().filter_map(|(_, found)| found.as_ref());
                there.for_each(|(element, value)| self.put(p, element, value));
            });
            response.propstat(404, |p| {
                let absent = named.iter().filter(|(_, found)| found.is_none());
                absent.for_each(|(name, _)| p.name(name));
            });
        });
    }

    fn put(&self, p: &mut PropstatWriter<'_>, element: &str, value: &Value) {
        match value {
            Value::Text(text) if self.look == Look::Values => p.text(element, text),
            Value::Xml(xml) if self.look == Look::Values && !xml.is_empty() => p.raw(element, xml),
            Value::Text(_) | Value::Xml(_) => p.empty(element),
        }
    }

    /// `None`: the node does not have it.
    fn value(&self, element: &str, node: &Node) -> Option<Value> {
        let built = |write: &dyn Fn(&mut String)| {
            let mut xml = String::new();
            write(&mut xml);
            Some(Value::Xml(xml))
        };
        match element {
            "D:current-user-principal" => built(&|xml| write_principal(xml, &self.user.0)),
            // Whoever sees it may read it, and that is all that anybody may.
            "D:current-user-privilege-set" => {
                built(&|xml| write_privileges(xml, [Privilege::Read.as_str()].into_iter()))
            }
            "D:displayname" => Some(Value::Text(node.name.clone())),
            "D:lockdiscovery" | "D:supportedlock" => Some(Value::Xml(String::new())),
            "D:principal-collection-set" => {
                Some(Value::Xml(format!("<D:href>{PRINCIPALS}</D:href>")))
            }
            _ => match &node.kind {
                Kind::Collection(resource) => self.of_collection(element, resource),
                Kind::Version(version) => of_version(element, version, &node.name),
            },
        }
    }

    fn of_collection(&self, element: &str, resource: &Resource) -> Option<Value> {
        let space = |bytes: fn(&Space) -> u64| {
            let bytes = self.space.as_ref().map(bytes).unwrap_or_default();
            Some(Value::Text(bytes.to_string()))
        };
        match element {
            "D:creationdate" => Some(Value::Text(resource.created.rfc3339())),
            "D:getlastmodified" => Some(Value::Text(resource.modified.http_date())),
            "D:owner" if resource.id != ResourceId::ROOT => Some(principal(resource.made_by)),
            "D:quota-available-bytes" => space(|space| space.available),
            "D:quota-used-bytes" => space(|space| space.used),
            "D:resourcetype" => Some(Value::Xml("<D:collection/>".to_owned())),
            _ => None,
        }
    }
}

fn of_version(element: &str, version: &Version, name: &str) -> Option<Value> {
    let view = &version.view;
    let text = |text: String| Some(Value::Text(text));
    match element {
        "D:comment" => view.label.clone().map(Value::Text),
        "D:creationdate" => text(view.uploaded.rfc3339()),
        "D:creator-displayname" => version.author.clone().map(Value::Text),
        "D:getcontentlength" => text(view.size.to_string()),
        "D:getcontenttype" => text(media_type_of(view.media_type.as_deref(), name)),
        "D:getetag" => text(view.etag.to_string()),
        "D:getlastmodified" => text(view.modified.http_date()),
        "D:label-name-set" => Some(set_of(view.label.as_deref(), write_label)),
        "D:owner" => Some(principal(view.author)),
        "D:predecessor-set" => Some(set_of(version.predecessor.as_deref(), push_href)),
        "D:resourcetype" => Some(Value::Xml(String::new())),
        "D:successor-set" => Some(set_of(version.successor.as_deref(), push_href)),
        "D:supported-report-set" => Some(Value::Xml(supported_reports().to_owned())),
        "D:version-name" => text(view.number.to_string()),
        "L:under" => view.under.map(|kind| Value::Text(kind.to_string())),
        _ => None,
    }
}

fn principal(user: UserId) -> Value {
    let mut xml = String::new();
    write_principal(&mut xml, &user.0);
    Value::Xml(xml)
}

/// A property that holds what there is as elements.
fn set_of(member: Option<&str>, write: fn(&mut String, &str)) -> Value {
    let mut xml = String::new();
    if let Some(member) = member {
        write(&mut xml, member);
    }
    Value::Xml(xml)
}

/// The element of this name in [`PROPERTIES`].
fn element(name: &QName) -> Option<&'static str> {
    let prefix = match name.ns.as_str() {
        DAV_NS => "D:",
        OUR_NS => "L:",
        _ => return None,
    };
    let is_it = |element: &str| element.strip_prefix(prefix) == Some(name.name.as_str());
    let found = PROPERTIES.iter().find(|(element, _)| is_it(element));
    found.map(|(element, _)| *element)
}
