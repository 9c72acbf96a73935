//! PROPFIND and PROPPATCH.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Response, StatusCode};

use super::locking::shown;
use super::{Answer, Call, answer, pages};
use crate::blobs::Space;
use crate::lock::UserId;
use crate::ops::Dav;
use crate::ops::properties::{Found, Look, Patched, Telling, Wanted};
use crate::protocol::error::DavError;
use crate::protocol::headers::Depth;
use crate::protocol::live::{self, InAllProp, LIVE, Live};
use crate::protocol::time::Timestamp;
use crate::protocol::xml::{
    Multistatus, PRINCIPALS, PropertyPatch, PropfindRequest, PropstatWriter, QName, ResponseWriter,
    XmlLimits, parse_propertyupdate, parse_propfind, push_href, supported_lock, supported_reports,
    write_activelock, write_principal, write_privileges,
};
use crate::resource::ResourceId;
use crate::rights::Privilege;
use crate::web::body::Body;
use crate::web::download::media_type;

/// How a PROPFIND is answered for each resource.
struct Rendering {
    live: Vec<(Live, &'static str)>,
    /// Named properties that are not live: dead ones, or missing.
    other: Vec<QName>,
    style: Style,
    /// Filled if a quota was asked for.
    space: Option<Space>,
    /// Who asks.
    user: UserId,
    now: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The values of named properties, and 404 for what is missing.
    Named,
    /// The values of everything.
    All,
    /// The names of everything.
    Names,
}

pub(super) async fn propfind(mut call: Call) -> Answer {
    let depth = call.depth(Depth::Infinity)?;
    let words = call.xml().await?;
    let telling = ToldAsAsked {
        words: words.clone(),
        limits: call.xml_limits(),
        dav: Arc::clone(&call.dav),
        user: call.ask.principal.id,
        now: call.ask.now,
        rendering: OnceLock::new(),
    };
    let told = call.dav.tell(call.ask, depth, words, telling).await?;
    pages::multistatus(told).await
}

/// Reads what was asked for when something has to be told that nobody remembers.
struct ToldAsAsked {
    words: Bytes,
    limits: XmlLimits,
    dav: Arc<Dav>,
    user: UserId,
    now: Timestamp,
    rendering: OnceLock<Rendering>,
}

impl ToldAsAsked {
    fn rendering(&self) -> Result<&Rendering, DavError> {
        if let Some(rendering) = self.rendering.get() {
            return Ok(rendering);
        }
        let request = parse_propfind(&self.words, &self.limits)?;
        let rendering = Rendering::of(request, &self.dav, self.user, self.now)?;
        Ok(self.rendering.get_or_init(|| rendering))
    }
}

impl Telling for ToldAsAsked {
    fn wanted(&self) -> Result<Wanted, DavError> {
        Ok(self.rendering()?.wanted())
    }

    fn tell(&self, page: &[Found]) -> Result<Bytes, DavError> {
        let rendering = self.rendering()?;
        Ok(Multistatus::page(page, |multistatus, found| {
            rendering.write(multistatus, found);
        }))
    }

    fn is_fleeting(&self) -> bool {
        let rendering = self.rendering.get();
        rendering.is_none_or(|rendering| rendering.space.is_some())
    }
}

impl Rendering {
    fn of(
        request: PropfindRequest,
        dav: &Dav,
        user: UserId,
        now: Timestamp,
    ) -> Result<Self, DavError> {
        let all = |which: InAllProp| {
            let wanted = LIVE
                .iter()
                .filter(move |(.., in_all)| which == InAllProp::No || *in_all == InAllProp::Yes);
            wanted
                .map(|(live, element, _)| (*live, *element))
                .collect::<Vec<_>>()
        };
        let (mut live, names, style) = match request {
            PropfindRequest::AllProp { include } => (all(InAllProp::Yes), include, Style::All),
            PropfindRequest::PropName => (all(InAllProp::No), Vec::new(), Style::Names),
            PropfindRequest::Named(names) => (Vec::new(), names, Style::Named),
        };
        let mut other = Vec::new();
        for name in names {
            match live::find(&name) {
                Some(known) if !live.contains(&known) => live.push(known),
                Some(_) => {}
                None => other.push(name),
            }
        }
        let asks_quota = live
            .iter()
            .any(|(live, _)| matches!(live, Live::QuotaAvailableBytes | Live::QuotaUsedBytes));
        let space = if asks_quota { Some(dav.space()?) } else { None };
        Ok(Self {
            live,
            other,
            style,
            space,
            user,
            now,
        })
    }

    fn wanted(&self) -> Wanted {
        let locks = self.style != Style::Names
            && self
                .live
                .iter()
                .any(|(live, _)| *live == Live::LockDiscovery);
        let dead = self.style != Style::Named || !self.other.is_empty();
        let look = |wanted: bool| if wanted { Look::Up } else { Look::Away };
        Wanted {
            dead: look(dead),
            locks: look(locks),
        }
    }

    fn write(&self, multistatus: &mut Multistatus, found: &Found) {
        multistatus.response(&found.href, |response| match self.style {
            Style::Names => response.propstat(200, |p| {
                let has = |live: &&(Live, &str)| Self::has(live.0, found);
                self.live
                    .iter()
                    .filter(has)
                    .for_each(|(_, element)| p.empty(element));
                found.dead.iter().for_each(|dead| p.name(&dead.name));
            }),
            Style::All => {
                response.propstat(200, |p| {
                    self.live
                        .iter()
                        .for_each(|(live, element)| self.value(p, *live, element, found));
                    found.dead.iter().for_each(|dead| p.dead(&dead.xml));
                });
                self.missing(response, found, &[]);
            }
            Style::Named => {
                response.propstat(200, |p| {
                    self.live
                        .iter()
                        .for_each(|(live, element)| self.value(p, *live, element, found));
                    let asked = found
                        .dead
                        .iter()
                        .filter(|dead| self.other.contains(&dead.name));
                    asked.for_each(|dead| p.dead(&dead.xml));
                });
                self.missing(response, found, &self.live);
            }
        });
    }

    /// Says 404 for what was named and is not there.
    fn missing(
        &self,
        response: &mut ResponseWriter<'_>,
        found: &Found,
        live: &[(Live, &'static str)],
    ) {
        response.propstat(404, |p| {
            let absent = live.iter().filter(|(live, _)| !Self::has(*live, found));
            absent.for_each(|(_, element)| p.empty(element));
            let is_dead = |name: &&QName| !found.dead.iter().any(|dead| dead.name == **name);
            self.other
                .iter()
                .filter(is_dead)
                .for_each(|name| p.name(name));
        });
    }

    /// Whether the resource has the property: a collection has no length, type, entity tag or
    /// versions.
    fn has(live: Live, found: &Found) -> bool {
        match live {
            Live::GetContentLength
            | Live::GetContentType
            | Live::GetEtag
            | Live::SupportedReportSet => !found.resource.is_collection(),
            Live::QuotaAvailableBytes | Live::QuotaUsedBytes => found.resource.is_collection(),
            // The root was there before anybody.
            Live::Owner => found.resource.id != ResourceId::ROOT,
            _ => true,
        }
    }

    fn value(&self, p: &mut PropstatWriter<'_>, live: Live, element: &str, found: &Found) {
        let resource = &found.resource;
        if !Self::has(live, found) {
            return;
        }
        match live {
            Live::CreationDate => p.text(element, &resource.created.rfc3339()),
            Live::CurrentUserPrincipal => {
                p.build(element, |out| write_principal(out, &self.user.0));
            }
            Live::CurrentUserPrivilegeSet => p.build(element, |out| {
                write_privileges(out, found.privileges.iter().map(Privilege::as_str));
            }),
            Live::Owner => p.build(element, |out| write_principal(out, &resource.made_by.0)),
            Live::PrincipalCollectionSet => {
                p.build(element, |out| push_href(out, PRINCIPALS));
            }
            Live::GetContentLength => {
                p.number(element, resource.size().unwrap_or_default());
            }
            Live::GetContentType => p.text(element, &media_type(resource)),
            Live::GetEtag => {
                if let Some(etag) = resource.etag() {
                    p.text(element, &etag.to_string());
                }
            }
            Live::GetLastModified => p.text(element, &resource.modified.http_date()),
            Live::LockDiscovery => p.build(element, |out| {
                found
                    .locks
                    .iter()
                    .for_each(|view| write_activelock(out, &shown(view, self.now)));
            }),
            Live::QuotaAvailableBytes | Live::QuotaUsedBytes => {
                let space = self.space.as_ref();
                let bytes = space.map(|space| match live {
                    Live::QuotaAvailableBytes => space.available,
                    _ => space.used,
                });
                p.text(element, &bytes.unwrap_or_default().to_string());
            }
            Live::ResourceId => {
                p.raw(
                    element,
                    &format!("<D:href>urn:lockkeeper:{}</D:href>", resource.id),
                );
            }
            Live::ResourceType if resource.is_collection() => p.raw(element, "<D:collection/>"),
            Live::ResourceType => p.empty(element),
            // LibreOffice opens what it may not lock read-only, and rightly so.
            Live::SupportedLock if !found.privileges.has(Privilege::Lock) => p.empty(element),
            Live::SupportedLock => p.raw(element, supported_lock()),
            Live::SupportedReportSet => p.raw(element, supported_reports()),
        }
    }
}

pub(super) async fn proppatch(mut call: Call) -> Answer {
    let body = call.xml().await?;
    let patches = parse_propertyupdate(&body, &call.xml_limits())?;
    let answers = call.dav.patch(&call.ask, &patches).await?;
    let href = call.path.href(call.path.has_trailing_slash());
    Ok(patched(&href, &patches, &answers))
}

fn patched(href: &str, patches: &[PropertyPatch], answers: &[Patched]) -> Response<Body> {
    let mut multistatus = Multistatus::new();
    // A property may be named several times, since instructions are done in order; it is told once.
    let with = |wanted: fn(&Patched) -> bool| {
        let pairs = patches
            .iter()
            .zip(answers)
            .filter(move |(_, answer)| wanted(answer));
        let mut told = HashSet::new();
        pairs
            .map(|(patch, _)| patch.name())
            .filter(move |name| told.insert(*name))
    };
    multistatus.response(href, |response| {
        response.propstat(200, |p| {
            with(|a| *a == Patched::Done).for_each(|name| p.name(name));
        });
        response.propstat(403, |p| {
            with(|a| *a == Patched::Protected).for_each(|name| p.name(name));
            p.precondition("cannot-modify-protected-property");
        });
        response.propstat(507, |p| {
            with(|a| matches!(a, Patched::TooLarge(_))).for_each(|name| p.name(name));
            if let Some(Patched::TooLarge(why)) = answers
                .iter()
                .find(|answer| matches!(answer, Patched::TooLarge(_)))
            {
                p.description(why);
            }
        });
        response.propstat(424, |p| {
            with(|a| *a == Patched::Failed).for_each(|name| p.name(name));
        });
    });
    answer::xml(StatusCode::MULTI_STATUS, Body::full(multistatus.finish()))
}
