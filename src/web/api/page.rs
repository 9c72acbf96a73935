//! What is served at `/apidoc`: the description for programs, and the same as a page for people.
//! The page needs no script and no other host.

mod html;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::Value;

use crate::web::body::Body;

const STYLE: &str = include_str!("page/style.css");

/// A page is what this server wrote; nothing else is to run or load in it.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The pages, made once.
#[derive(Debug)]
pub(super) struct Pages {
    document: Bytes,
    page: Bytes,
}

impl Pages {
    /// The pages for this description.
    pub(super) fn new(document: &Value) -> Self {
        Self {
            document: document.to_string().into(),
            page: html::page(document).into(),
        }
    }

    /// What is at an address.
    pub(super) fn find(&self, path: &str) -> Option<Response<Body>> {
        let (media_type, body) = match path {
            "/apidoc" | "/apidoc/" | "/apidoc/index.html" => {
                ("text/html; charset=utf-8", self.page.clone())
            }
            "/apidoc/openapi.json" => ("application/json", self.document.clone()),
            "/apidoc/style.css" => (
                "text/css; charset=utf-8",
                Bytes::from_static(STYLE.as_bytes()),
            ),
            _ => return None,
        };
        let mut response = Response::new(Body::full(body));
        let headers = response.headers_mut();
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, media_type);
        set(header::CACHE_CONTROL, "no-cache");
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        set(header::REFERRER_POLICY, "no-referrer");
        Some(response)
    }
}
