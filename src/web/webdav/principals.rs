//! Users as WebDAV sees them (RFC 3744 §4): read-only addresses to which `DAV:owner` and
//! `DAV:current-user-principal` lead.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use uuid::Uuid;

use super::{Answer, answer, limits_of, options, read_xml};
use crate::lock::UserId;
use crate::ops::Dav;
use crate::ops::access::{self, Principal, User};
use crate::protocol::error::DavError;
use crate::protocol::headers::Depth;
use crate::protocol::xml::{
    DAV_NS, Multistatus, PRINCIPALS, PropfindRequest, PropstatWriter, QName, parse_propfind,
    principal_href, write_principal,
};
use crate::web::body::{Body, RequestBody};

/// What is told of a user, and of the collection of users.
const PROPERTIES: [&str; 5] = [
    "D:resourcetype",
    "D:displayname",
    "D:principal-URL",
    "D:alternate-URI-set",
    "D:current-user-principal",
];

/// Answers a request that only looks at `/.lockkeeper/principals/users/` or below.
pub(in crate::web) async fn respond(
    dav: &Arc<Dav>,
    principal: &Principal,
    request: Request<RequestBody>,
) -> Response<Body> {
    let done = match request.method().as_str() {
        "OPTIONS" => Ok(options()),
        "PROPFIND" => propfind(dav, principal, request).await,
        _ => Err(DavError::NotAllowedHere(
            "users are looked at with PROPFIND; the command line changes them".to_owned(),
        )),
    };
    done.unwrap_or_else(|error| answer::refusal(&error))
}

async fn propfind(dav: &Arc<Dav>, principal: &Principal, request: Request<RequestBody>) -> Answer {
    let (head, body) = request.into_parts();
    let depth = Depth::from_headers(&head.headers)?.unwrap_or(Depth::Infinity);
    let wanted = parse_propfind(&read_xml(dav, body).await?, &limits_of(dav))?;
    let mut multistatus = Multistatus::new();
    let mut tell = |user: Option<&User>| write(&mut multistatus, &wanted, user, principal.id);
    let below = head.uri.path().strip_prefix(PRINCIPALS);
    match below.unwrap_or_default() {
        "" => {
            tell(None);
            // Everybody sees themselves; whom else there is, nobody needs to list.
            if depth != Depth::Zero {
                tell(find(dav, principal.id).await?.as_ref());
            }
        }
        id => {
            let id = Uuid::try_parse(id).map_err(|_| DavError::NotFound)?;
            let user = find(dav, UserId(id)).await?.ok_or(DavError::NotFound)?;
            tell(Some(&user));
        }
    }
    let body = Body::full(multistatus.finish());
    Ok(answer::xml(StatusCode::MULTI_STATUS, body))
}

async fn find(dav: &Dav, id: UserId) -> Result<Option<User>, DavError> {
    let found = access::find_by_id(dav, id).await;
    found.map_err(|error| DavError::Internal(error.to_string()))
}

fn write(
    multistatus: &mut Multistatus,
    wanted: &PropfindRequest,
    user: Option<&User>,
    asker: UserId,
) {
    let href = user.map_or_else(|| PRINCIPALS.to_owned(), |user| principal_href(&user.id.0));
    let named = |name: &QName| {
        let element = PROPERTIES.iter().find(|element| {
            name.ns == DAV_NS && element.strip_prefix("D:") == Some(name.name.as_str())
        });
        element.copied().filter(|element| has(element, user))
    };
    multistatus.response(&href, |response| match wanted {
        PropfindRequest::Named(names) => {
            response.propstat(200, |p| {
                let known = names.iter().filter_map(named);
                known.for_each(|element| value(p, element, user, asker));
            });
            response.propstat(404, |p| {
                let unknown = names.iter().filter(|name| named(name).is_none());
                unknown.for_each(|name| p.name(name));
            });
        }
        PropfindRequest::PropName => response.propstat(200, |p| {
            let there = PROPERTIES.into_iter().filter(|element| has(element, user));
            there.for_each(|element| p.empty(element));
        }),
        PropfindRequest::AllProp { .. } => response.propstat(200, |p| {
            let there = PROPERTIES.into_iter().filter(|element| has(element, user));
            there.for_each(|element| value(p, element, user, asker));
        }),
    });
}

fn has(element: &str, user: Option<&User>) -> bool {
    user.is_some() || matches!(element, "D:resourcetype" | "D:current-user-principal")
}

fn value(p: &mut PropstatWriter<'_>, element: &str, user: Option<&User>, asker: UserId) {
    match (element, user) {
        ("D:current-user-principal", _) => {
            p.build(element, |out| write_principal(out, &asker.0));
        }
        ("D:resourcetype", Some(_)) => p.raw(element, "<D:principal/>"),
        ("D:resourcetype", None) => p.raw(element, "<D:collection/>"),
        ("D:displayname", Some(user)) => p.text(element, &user.display_name),
        ("D:principal-URL", Some(user)) => {
            p.build(element, |out| write_principal(out, &user.id.0));
        }
        // Always empty: an e-mail address is nobody's business who merely saw an owner.
        (element, _) => p.empty(element),
    }
}
