//! One call on its way to its handler, and the readers for what it carries. Each has a limit and
//! says what was wrong.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::events::seats::Seats;
use super::fault::Fault;
use super::media_type::{FORM, JSON};
use super::multipart::Form;
use super::template::Parameters;
use crate::event::Face;
use crate::ops::access::Principal;
use crate::ops::target::Target;
use crate::ops::{Ask, Dav};
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::web::auth::{Authenticator, Refusal};
use crate::web::body::RequestBody;
use crate::web::caller;
use crate::web::metrics::Metrics;

/// One call.
#[derive(Debug)]
pub(in crate::web) struct Call {
    /// The tree.
    pub(in crate::web) dav: Arc<Dav>,
    /// Who checks passwords.
    pub(in crate::web) auth: Arc<Authenticator>,
    /// When.
    pub(in crate::web) now: Timestamp,
    /// What counts.
    pub(super) metrics: Arc<Metrics>,
    /// Room for those who follow the record.
    pub(super) seats: Arc<Seats>,
    /// The address that the request came from.
    pub(in crate::web) peer: IpAddr,
    /// The method.
    pub(in crate::web) method: Method,
    /// The request-target.
    pub(in crate::web) uri: Uri,
    /// The header fields.
    pub(in crate::web) headers: HeaderMap,
    /// Scheme and host under which the client knows this server: `https://files.example.org`.
    pub(in crate::web) base: String,
    /// The API that it is a call of.
    pub(super) face: Face,
    pub(super) signed_in: Option<Principal>,
    pub(super) parameters: Parameters,
    pub(super) body: RequestBody,
}

impl Call {
    /// Who asks. Every route that is not public has somebody.
    pub(in crate::web) fn principal(&self) -> Result<&Principal, Fault> {
        self.signed_in
            .as_ref()
            .ok_or(Fault::SignIn(Refusal::Missing))
    }

    /// A question to an operation about a path or an id, without conditions.
    pub(in crate::web) fn ask(&self, target: impl Into<Target>) -> Result<Ask, Fault> {
        let program = caller::program(&self.headers);
        let principal = self.principal()?.clone();
        Ok(Ask::new(principal, self.now, (self.face, program), target))
    }

    /// Tells of a sign-in that failed, where that is not the answer itself.
    pub(in crate::web) fn note(&self, refusal: &Refusal) {
        refusal.note(self.peer, &self.metrics);
    }

    /// The absolute URL of the request.
    pub(in crate::web) fn url(&self) -> String {
        format!("{}{}", self.base, self.uri)
    }

    /// A `{name}` of the template, decoded.
    pub(in crate::web) fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(have, _)| *have == name);
        found.map_or("", |(_, value)| value)
    }

    /// A `{name}` of the template as a `T`; `what` it must be, for the error.
    pub(in crate::web) fn parse<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Fault> {
        let value = self.parameter(name);
        value
            .parse()
            .map_err(|_| Fault::bad_request(format!("{name} must be {what}, not {value:?}")))
    }

    /// A parameter behind the question mark.
    pub(in crate::web) fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A parameter behind the question mark as a `T`; `what` it must be, for the error.
    pub(in crate::web) fn parse_query<T: FromStr>(
        &self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, Fault> {
        let value = self.query(name);
        value
            .map(|value| {
                let error = || format!("{name} must be {what}, not {value:?}");
                value.parse().map_err(|_| Fault::bad_request(error()))
            })
            .transpose()
    }

    /// A JSON object.
    pub(in crate::web) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Fault> {
        if !self.is_empty_or(is_json) {
            return Err(wrong_media_type(JSON));
        }
        let body = self.whole_body().await?;
        parse_json(&body)
    }

    /// A JSON object; no body means the default.
    pub(in crate::web) async fn json_or_default<T>(&mut self) -> Result<T, Fault>
    where
        T: DeserializeOwned + Default,
    {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        if !self.is_empty_or(is_json) {
            return Err(wrong_media_type(JSON));
        }
        let body = self.whole_body().await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(T::default());
        }
        parse_json(&body)
    }

    /// A form, or a JSON object of the same members.
    pub(in crate::web) async fn form_or_json<T: DeserializeOwned>(&mut self) -> Result<T, Fault> {
        if self.media_type().as_deref() != Some(FORM) {
            if self.is_empty_or(is_json) {
                return self.json().await;
            }
            return Err(wrong_media_type(
                "application/x-www-form-urlencoded or application/json",
            ));
        }
        let body = self.whole_body().await?;
        let mut members = Map::new();
        for (name, value) in form_urlencoded::parse(&body) {
            let value = Value::String(value.into_owned());
            if members.insert(name.clone().into_owned(), value).is_some() {
                return Err(Fault::bad_request(format!("the form has {name:?} twice")));
            }
        }
        serde_json::from_value(Value::Object(members))
            .map_err(|error| Fault::bad_request(format!("the form does not fit: {error}")))
    }

    /// A form with a file in it, of which nothing has been read yet.
    pub(in crate::web) fn multipart(&mut self) -> Result<Form, Fault> {
        let media_type = self.headers.get(header::CONTENT_TYPE);
        let boundary = media_type
            .and_then(|value| value.to_str().ok())
            .and_then(|value| multer::parse_boundary(value).ok())
            .ok_or_else(|| wrong_media_type("multipart/form-data with a boundary"))?;
        let body = self.take_body();
        Ok(Form::new(body, boundary, &self.dav.config().limits))
    }

    /// The body as it comes.
    pub(in crate::web) fn take_body(&mut self) -> RequestBody {
        std::mem::replace(&mut self.body, RequestBody::from(Bytes::new()))
    }

    async fn whole_body(&mut self) -> Result<Bytes, Fault> {
        let max = self.dav.config().limits.json_bytes_max;
        match self.take_body().collect(max).await {
            Ok(Some(body)) => Ok(body),
            Ok(None) => Err(DavError::TooLarge(format!(
                "this body may have at most {max} bytes (limits.json_bytes_max)"
            ))
            .into()),
            Err(error) => Err(Fault::incomplete(&error)),
        }
    }

    /// The media type of the body in lower case, without parameters.
    fn media_type(&self) -> Option<String> {
        let value = self.headers.get(header::CONTENT_TYPE)?;
        let text = String::from_utf8_lossy(value.as_bytes());
        let essence = text.split(';').next().unwrap_or_default().trim();
        (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
    }

    /// Whether the body's media type fits, or is not told.
    fn is_empty_or(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.media_type().is_none_or(|media_type| fits(&media_type))
    }
}

fn is_json(media_type: &str) -> bool {
    media_type == JSON || media_type == "text/json" || media_type.ends_with("+json")
}

fn wrong_media_type(wanted: &str) -> Fault {
    let sentence = format!("the body must be {wanted}, and Content-Type must say so");
    DavError::UnsupportedMedia(sentence).into()
}

fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    // serde would take an array for a struct as well.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|first| *first != b'{') {
        return Err(Fault::bad_request("the body must be a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Fault::bad_request(format!("the JSON body does not fit: {error}")))
}
