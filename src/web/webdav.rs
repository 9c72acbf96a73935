//! The WebDAV face (RFC 4918): each method is read into types, calls one operation, and what comes
//! back is said in HTTP and XML. Nothing here decides who may do what.

mod answer;
mod content;
mod history;
mod listing;
mod locking;
mod pages;
mod principals;
mod properties;
mod relocate;

pub(super) use history::respond as history;
pub(super) use principals::respond as principals;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};

use super::body::{Body, RequestBody};
use super::caller;
use crate::event::Face;
use crate::ops::access::Principal;
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::headers::{Conditions, Depth};
use crate::protocol::if_header::IfHeader;
use crate::protocol::path::DavPath;
use crate::protocol::time::Timestamp;
use crate::protocol::xml::XmlLimits;

/// The methods that are served.
const ALLOW: &str = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, \
                     REPORT, LOCK, UNLOCK";

/// One request on its way to an operation.
struct Call {
    dav: Arc<Dav>,
    ask: Ask,
    /// What the ask is about.
    path: DavPath,
    headers: HeaderMap,
    body: RequestBody,
}

type Answer = Result<Response<Body>, DavError>;

/// Answers one authenticated request.
pub async fn respond(
    dav: &Arc<Dav>,
    principal: &Principal,
    now: Timestamp,
    request: Request<RequestBody>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS && parts.uri.path() == "*" {
        return options();
    }
    let path_bytes_max = dav.config().limits.path_bytes_max;
    let path = DavPath::parse(parts.uri.path(), path_bytes_max);
    let call = match path.map_err(DavError::from) {
        Ok(path) => Call::read(dav, principal, now, path, parts.headers, body),
        Err(error) => Err(error),
    };
    match call {
        Ok(call) => {
            let told = call.told();
            answered(&parts.method, &told, dispatch(&parts.method, call).await)
        }
        Err(error) => answer::refusal(&error),
    }
}

/// What came of a request, in HTTP; the log is told of what people look for there.
fn answered(method: &Method, told: &answer::Told, done: Answer) -> Response<Body> {
    done.unwrap_or_else(|error| {
        answer::tell(&error, method.as_str(), told);
        answer::refusal(&error)
    })
}

/// Each in a place of its own: a request that is being answered takes no more memory than its
/// method needs.
async fn dispatch(method: &Method, call: Call) -> Answer {
    let done: BoxFuture<'_, Answer> = match method.as_str() {
        "OPTIONS" => return Ok(options()),
        "GET" => Box::pin(content::get(call)),
        "HEAD" => Box::pin(content::head(call)),
        "PUT" => Box::pin(content::put(call)),
        "MKCOL" => Box::pin(content::mkcol(call)),
        "DELETE" => Box::pin(relocate::delete(call)),
        "COPY" => Box::pin(relocate::copy(call)),
        "MOVE" => Box::pin(relocate::relocate(call)),
        "PROPFIND" => Box::pin(properties::propfind(call)),
        "PROPPATCH" => Box::pin(properties::proppatch(call)),
        "REPORT" => Box::pin(history::report(call)),
        "LOCK" => Box::pin(locking::lock(call)),
        "UNLOCK" => Box::pin(locking::unlock(call)),
        _ => {
            return Err(DavError::NotAllowedHere(format!(
                "this server does not know the method; it knows {ALLOW}"
            )));
        }
    };
    done.await
}

/// Windows and Office want `MS-Author-Via`, at the root and at every parent too. Though files have
/// the report version-tree, `version-control` is no class here: it promises the method
/// VERSION-CONTROL and the report expand-property as well (RFC 3253 §3.5, §3.8, §3.9).
fn options() -> Response<Body> {
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert("DAV", http::HeaderValue::from_static("1, 2, 3"));
    headers.insert("MS-Author-Via", http::HeaderValue::from_static("DAV"));
    headers.insert(header::ALLOW, http::HeaderValue::from_static(ALLOW));
    headers.insert(
        header::ACCEPT_RANGES,
        http::HeaderValue::from_static("bytes"),
    );
    response
}

impl Call {
    fn read(
        dav: &Arc<Dav>,
        principal: &Principal,
        now: Timestamp,
        path: DavPath,
        headers: HeaderMap,
        body: RequestBody,
    ) -> Result<Self, DavError> {
        let config = dav.config();
        let path_bytes_max = config.limits.path_bytes_max;
        let ask = Ask {
            principal: principal.clone(),
            now,
            program: caller::program(&headers),
            face: Face::WebDav,
            target: path.clone().into(),
            if_header: IfHeader::from_headers(&headers, &config.server.hosts, path_bytes_max)?,
            conditions: Conditions::from_headers(&headers)?,
            lock_token: None,
        };
        Ok(Self {
            dav: Arc::clone(dav),
            ask,
            path,
            headers,
            body,
        })
    }

    /// For the log.
    fn told(&self) -> answer::Told {
        let Ask {
            principal, program, ..
        } = &self.ask;
        (principal.name.clone(), self.path.clone(), program.clone())
    }

    /// From now on it is about this.
    fn be_about(&mut self, path: DavPath) {
        self.ask.target = path.clone().into();
        self.path = path;
    }

    /// The same question without conditions.
    fn unconditional(&self) -> Ask {
        Ask {
            if_header: None,
            conditions: Conditions::default(),
            ..self.ask.clone()
        }
    }

    /// The `Depth` header; `default` where the client sent none.
    fn depth(&self, default: Depth) -> Result<Depth, DavError> {
        Ok(Depth::from_headers(&self.headers)?.unwrap_or(default))
    }

    /// A method that takes a collection whole (RFC 4918 §9.6.1, §9.9.2) is refused for a part of
    /// one. On a file any depth means the file.
    async fn require_whole(&self) -> Result<(), DavError> {
        if self.depth(Depth::Infinity)? == Depth::Infinity {
            return Ok(());
        }
        if self.dav.find(&self.unconditional()).await?.is_collection() {
            return Err(DavError::BadRequest(
                "a collection is moved or deleted whole: leave Depth out or say infinity".into(),
            ));
        }
        Ok(())
    }

    fn xml_limits(&self) -> XmlLimits {
        limits_of(&self.dav)
    }

    /// The whole XML body.
    async fn xml(&mut self) -> Result<Bytes, DavError> {
        let body = std::mem::replace(&mut self.body, RequestBody::from(Bytes::new()));
        read_xml(&self.dav, body).await
    }
}

fn limits_of(dav: &Dav) -> XmlLimits {
    let limits = &dav.config().limits;
    XmlLimits {
        bytes_max: limits.xml_bytes_max,
        depth_max: limits.xml_depth_max,
        elements_max: limits.xml_elements_max,
    }
}

async fn read_xml(dav: &Dav, body: RequestBody) -> Result<Bytes, DavError> {
    let max = dav.config().limits.xml_bytes_max;
    match body.collect(max).await {
        Ok(Some(body)) => Ok(body),
        Ok(None) => Err(DavError::TooLarge(format!(
            "an XML body may have at most {max} bytes (limits.xml_bytes_max)"
        ))),
        Err(error) => Err(incomplete(&error)),
    }
}

/// The body broke off; nothing was changed.
fn incomplete(error: &std::io::Error) -> DavError {
    DavError::BadRequest(format!(
        "the body did not arrive whole, so nothing was changed: {error}"
    ))
}
