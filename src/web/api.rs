//! The APIs: one table of routes, from which both the routing and the OpenAPI description are
//! made. Each face has its rows, its envelope for refusals, and nothing else of its own here.

mod call;
mod checkout;
mod docspace;
pub(super) mod events;
mod fault;
mod media_type;
mod multipart;
mod openapi;
mod page;
mod response_api;
mod route;
mod template;
mod token;
mod whole;

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use call::Call;
use events::seats::Seats;
use fault::Fault;
use route::{Route, SchemaOf};
use template::Parameters;

use super::auth::{Authenticator, Credentials, Refusal};
use super::body::{Body, RequestBody};
use super::caller;
use super::metrics::Metrics;
use super::origin;
use crate::config::Config;
use crate::event;
use crate::ops::Dav;
use crate::ops::access::Principal;
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;

/// One API: what is below `prefix`, its rows, and how it says things.
#[derive(Debug)]
pub(super) struct Face {
    prefix: &'static str,
    /// What events call it.
    name: event::Face,
    routes: Vec<Route>,
    /// Addresses, as templates, that other servers of this API have and this one has not.
    unserved: &'static [&'static str],
    /// Puts a refusal into the envelope. Headers that HTTP wants are added behind it.
    refuse: fn(&Fault) -> Response<Body>,
    /// The media type and the schema of what `refuse` writes.
    error: (&'static str, SchemaOf),
    /// Where a request says who sends it.
    credentials: for<'r> fn(&'r HeaderMap) -> Credentials<'r>,
}

impl Face {
    /// Whether the API has this address elsewhere, and names it more literally than `row` does.
    fn has_elsewhere(&self, path: &str, row: Option<&Route>) -> bool {
        let found = row.and_then(|row| row.matches(path));
        let literal = found.map(|(literal, _)| literal).unwrap_or_default();
        let mut unserved = self.unserved.iter();
        unserved.any(|template| {
            template::matches(template, path).is_some_and(|(more, _)| more > literal)
        })
    }
}

/// All faces, and their description.
#[derive(Debug)]
pub(super) struct Api {
    /// The longest prefix first.
    faces: Vec<Face>,
    /// What is served at `/apidoc`.
    pages: page::Pages,
    challenge: HeaderValue,
}

/// A request that has been led to its row of the table.
#[derive(Debug)]
pub(super) struct Routed<'a> {
    api: &'a Api,
    face: &'a Face,
    route: &'a Route,
    parameters: Parameters,
}

/// What a handler needs beside its request.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) dav: &'a Arc<Dav>,
    pub(super) auth: &'a Arc<Authenticator>,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) seats: &'a Arc<Seats>,
    pub(super) peer: IpAddr,
    pub(super) now: Timestamp,
}

impl Api {
    /// All faces. `challenge` asks for Basic credentials.
    pub(super) fn new(challenge: HeaderValue) -> Self {
        let faces = vec![events::face(), docspace::face(), checkout::face()];
        let document = openapi::document(&faces);
        Self {
            pages: page::Pages::new(&document),
            faces,
            challenge,
        }
    }

    /// The row that a request is for, or the answer that there is none.
    pub(super) fn route(
        &self,
        config: &Config,
        head: &Parts,
    ) -> Result<Routed<'_>, Box<Response<Body>>> {
        let face = self.face_of(head.uri.path());
        let refuse = |fault: Fault| Box::new(self.refuse(face, &fault));
        let (route, parameters) = match find(&face.routes, &head.method, head.uri.path()) {
            Ok((row, _)) if face.has_elsewhere(head.uri.path(), Some(row)) => {
                return Err(refuse(Fault::NotServed));
            }
            Ok(found) => found,
            Err(Fault::WrongMethod(allowed)) if head.method == Method::OPTIONS => {
                return Err(Box::new(options(&allowed)));
            }
            Err(Fault::UnknownRoute) if is_of_webdav(&head.method) => {
                return Err(refuse(DavError::Reserved.into()));
            }
            Err(Fault::UnknownRoute) if face.has_elsewhere(head.uri.path(), None) => {
                return Err(refuse(Fault::NotServed));
            }
            Err(fault) => return Err(refuse(fault)),
        };
        let credentials = (face.credentials)(&head.headers);
        let hosts = &config.server.hosts;
        if origin::refuses(hosts, &head.method, &head.uri, &head.headers, credentials) {
            return Err(refuse(
                DavError::Forbidden(origin::REFUSED.to_owned()).into(),
            ));
        }
        Ok(Routed {
            api: self,
            face,
            route,
            parameters,
        })
    }

    /// `/apidoc` and what is below.
    pub(super) fn describe(&self, method: &Method, path: &str) -> Response<Body> {
        let reading = [Method::GET, Method::HEAD, Method::OPTIONS];
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let refuse = |fault: Fault| self.refuse(self.face_of(path), &fault);
        match self.pages.find(path) {
            Some(page) if reads => page,
            Some(_) if *method == Method::OPTIONS => options(&reading),
            Some(_) => refuse(Fault::WrongMethod(reading.to_vec())),
            None if is_of_webdav(method) => refuse(DavError::Reserved.into()),
            None => refuse(Fault::UnknownRoute),
        }
    }

    /// The face whose prefix the path has. The last one takes what no other takes.
    fn face_of(&self, path: &str) -> &Face {
        let has = |face: &&Face| {
            let rest = path.strip_prefix(face.prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let last = self.faces.len() - 1;
        self.faces.iter().find(has).unwrap_or(&self.faces[last])
    }

    fn refuse(&self, face: &Face, fault: &Fault) -> Response<Body> {
        let mut response = (face.refuse)(fault);
        fault.add_headers(&self.challenge, &mut response);
        guard(&mut response);
        response
    }
}

impl Routed<'_> {
    /// Whether nobody need be signed in.
    pub(super) fn is_public(&self) -> bool {
        self.route.public
    }

    /// What of the request tells who asks.
    pub(super) fn credentials<'r>(&self, headers: &'r HeaderMap) -> Credentials<'r> {
        (self.face.credentials)(headers)
    }

    /// Says in the face's words that nobody is signed in.
    pub(super) fn refuse(&self, refusal: Refusal) -> Response<Body> {
        self.api.refuse(self.face, &Fault::SignIn(refusal))
    }

    /// Says in the face's words that the user asks for too much at once.
    pub(super) fn refuse_for_now(&self, reason: &str) -> Response<Body> {
        let fault = DavError::Unavailable(reason.to_owned());
        self.api.refuse(self.face, &fault.into())
    }

    /// Does it.
    pub(super) async fn run(
        self,
        context: Context<'_>,
        signed_in: Option<Principal>,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let base = caller::base(&context.dav.config().server, &head.uri, &head.headers);
        let log = RefusalLog::new(signed_in.as_ref(), &head);
        let call = Call {
            dav: Arc::clone(context.dav),
            auth: Arc::clone(context.auth),
            metrics: Arc::clone(context.metrics),
            seats: Arc::clone(context.seats),
            now: context.now,
            peer: context.peer,
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            base,
            face: self.face.name,
            signed_in,
            parameters: self.parameters,
            body,
        };
        match (self.route.run)(call).await {
            Ok(mut response) => {
                guard(&mut response);
                response
            }
            Err(fault) => {
                if let Fault::SignIn(refusal) = &fault {
                    refusal.note(context.peer, context.metrics);
                }
                log.tell(&fault);
                self.api.refuse(self.face, &fault)
            }
        }
    }
}

/// The row for a method and an encoded path. Of several, the one that is fixed where the others
/// have a parameter.
fn find<'a>(
    routes: &'a [Route],
    method: &Method,
    path: &str,
) -> Result<(&'a Route, Parameters), Fault> {
    let wanted = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut allowed = Vec::new();
    let mut best: Option<(Vec<bool>, &Route, Parameters)> = None;
    for route in routes {
        let Some((literal, parameters)) = route.matches(path) else {
            continue;
        };
        if !allowed.contains(&route.method) {
            allowed.push(route.method.clone());
        }
        let better = best.as_ref().is_none_or(|(most, ..)| literal > *most);
        if route.method == *wanted && better {
            best = Some((literal, route, parameters));
        }
    }
    match best {
        Some((_, route, parameters)) => Ok((route, parameters)),
        None if allowed.is_empty() => Err(Fault::UnknownRoute),
        None => {
            if allowed.contains(&Method::GET) {
                allowed.push(Method::HEAD);
            }
            allowed.push(Method::OPTIONS);
            Err(Fault::WrongMethod(allowed))
        }
    }
}

/// A method that no API has: somebody takes the name for a folder.
fn is_of_webdav(method: &Method) -> bool {
    let name = method.as_str();
    [
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "PROPFIND",
        "PROPPATCH",
    ]
    .contains(&name)
}

fn options(allowed: &[Method]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(value) = HeaderValue::try_from(fault::names(allowed)) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// What belongs to one user is not to be kept by a cache in between.
fn guard(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        let value = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// A JSON answer.
fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, b"{}".to_vec())
        }
    };
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type::JSON);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

/// What the log says of a call that was refused.
struct RefusalLog {
    user: String,
    method: Method,
    path: String,
    program: String,
}

impl RefusalLog {
    fn new(principal: Option<&Principal>, head: &Parts) -> Self {
        Self {
            user: principal.map_or_else(|| "-".to_owned(), |principal| principal.name.clone()),
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            program: caller::program(&head.headers),
        }
    }

    /// Refusals by locks, which people look for, and our own faults.
    fn tell(&self, fault: &Fault) {
        let Self {
            user,
            method,
            path,
            program,
        } = self;
        match fault {
            Fault::Refused(DavError::Internal(cause)) => {
                tracing::error!(%method, path, user, cause, "a request failed");
            }
            Fault::Refused(why) if !why.locks().is_empty() => tracing::info!(
                target: "lockkeeper::locks",
                event = "Refused", user, path, %method, program, %why,
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
