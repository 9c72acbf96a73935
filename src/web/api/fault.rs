//! Why a call is refused, before a face puts it into the words of its envelope.

use http::{HeaderValue, Method, Response, header};

use crate::protocol::error::DavError;
use crate::web::auth::Refusal;
use crate::web::body::Body;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum Fault {
    /// By an operation, or because of what the request says.
    Refused(DavError),
    /// Nobody is signed in.
    SignIn(Refusal),
    /// What the path or the body names is not there; the sentence says what.
    Missing(&'static str),
    /// The table has no such path.
    UnknownRoute,
    /// The table has the path, but not with this method; it has these.
    WrongMethod(Vec<Method>),
    /// An operation that others have and this server has not.
    NotServed,
}

impl From<DavError> for Fault {
    fn from(error: DavError) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// The request says something that cannot be meant.
    pub(in crate::web) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::Refused(DavError::BadRequest(sentence.into()))
    }

    /// The body broke off; nothing was changed.
    pub(super) fn incomplete(error: &dyn std::fmt::Display) -> Self {
        Self::bad_request(format!(
            "the body did not arrive whole, so nothing was changed: {error}"
        ))
    }

    /// The sentence for the client.
    pub(in crate::web) fn sentence(&self) -> String {
        match self {
            Self::Refused(error) => error.public_sentence(),
            Self::SignIn(Refusal::Unavailable(_)) => "try again later".to_owned(),
            Self::SignIn(refusal) => refusal.to_string(),
            Self::Missing(sentence) => (*sentence).to_owned(),
            Self::UnknownRoute => {
                "there is no such address in this API; /apidoc lists what there is".to_owned()
            }
            Self::WrongMethod(allowed) => {
                format!("this address takes {}", names(allowed))
            }
            Self::NotServed => {
                "this server does not have this operation; /apidoc lists what there is".to_owned()
            }
        }
    }

    /// The headers that HTTP wants beside a refusal, whatever its envelope.
    pub(super) fn add_headers(&self, challenge: &HeaderValue, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        let soon = HeaderValue::from_static("1");
        match self {
            Self::SignIn(Refusal::Unavailable(_)) | Self::Refused(DavError::Unavailable(_)) => {
                headers.insert(header::RETRY_AFTER, soon);
            }
            Self::SignIn(Refusal::Missing) => {
                headers.append(header::WWW_AUTHENTICATE, challenge.clone());
                let bearer = HeaderValue::from_static("Bearer");
                headers.append(header::WWW_AUTHENTICATE, bearer);
            }
            // No browser opens its password dialog for this one.
            Self::SignIn(_) => {
                let bearer = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(header::WWW_AUTHENTICATE, bearer);
            }
            Self::WrongMethod(allowed) => {
                if let Ok(value) = HeaderValue::try_from(names(allowed)) {
                    headers.insert(header::ALLOW, value);
                }
            }
            Self::Refused(DavError::RangeNotSatisfiable { size }) => {
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    headers.insert(header::CONTENT_RANGE, value);
                }
            }
            Self::Refused(_) | Self::Missing(_) | Self::UnknownRoute | Self::NotServed => {}
        }
    }
}

/// `GET, HEAD, POST`.
pub(super) fn names(methods: &[Method]) -> String {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    names.join(", ")
}
