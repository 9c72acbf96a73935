//! What is served at `/apidoc`: the description for programs, and a page for people.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::Value;

use crate::web::body::Body;

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
            page: Bytes::new(),
        }
    }

    /// What is at an address.
    pub(super) fn find(&self, path: &str) -> Option<Response<Body>> {
        let (media_type, body) = match path {
            "/apidoc" | "/apidoc/" | "/apidoc/index.html" => {
                ("text/html; charset=utf-8", self.page.clone())
            }
            "/apidoc/openapi.json" => ("application/json", self.document.clone()),
            _ => return None,
        };
        let mut response = Response::new(Body::full(body));
        let media_type = HeaderValue::from_static(media_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        Some(response)
    }
}
