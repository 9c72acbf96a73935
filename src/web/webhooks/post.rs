//! Posts one page. No redirect is followed, no proxy is asked, and of the answer only the status
//! counts.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::signature::sign;
use crate::config;
use crate::ops::webhooks::{Answer, Courier, Parcel};
use crate::web::clock;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// A receiver that is posted to again within this time needs no new connection.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// So much of what a receiver says to its status is read: a reason, for people.
const REASON_BYTES_MAX: usize = 4 * 1024;
const REASON_CHARS_MAX: usize = 200;
const REASON_TIME_MAX: Duration = Duration::from_secs(1);

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Posts to the receivers of webhooks.
#[derive(Debug)]
pub struct HttpCourier {
    answer_time_max: Duration,
    /// Made for the first page: the system's certificates are read for it.
    client: OnceLock<Result<HttpClient, String>>,
}

impl HttpCourier {
    /// One with no connection yet.
    pub fn new(config: &config::Webhooks) -> Self {
        Self {
            answer_time_max: Duration::from_secs(config.answer_seconds_max),
            client: OnceLock::new(),
        }
    }

    async fn try_post(&self, parcel: &Parcel) -> Result<Answer, String> {
        let client = self.client.get_or_init(client).as_ref()?;
        let request = request(parcel)?;
        let response = timeout(self.answer_time_max, client.request(request)).await;
        let response = response
            .map_err(|_| {
                let seconds = self.answer_time_max.as_secs();
                format!("the receiver did not answer within {seconds} s")
            })?
            .map_err(|error| format!("the receiver could not be posted to: {}", causes(&error)))?;
        Ok(judged(response).await)
    }
}

#[async_trait]
impl Courier for HttpCourier {
    async fn post(&self, parcel: &Parcel) -> Answer {
        self.try_post(parcel).await.unwrap_or_else(Answer::Failed)
    }
}

fn client() -> Result<HttpClient, String> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?;
    let tls = match tls.clone().with_native_roots() {
        Ok(tls) => tls,
        Err(error) => {
            // Receivers without TLS need none.
            tracing::warn!(%error, "this system trusts no certificates, so no https webhook works");
            tls.with_root_certificates(RootCertStore::empty())
        }
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIME_MAX));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME_MAX)
        .pool_max_idle_per_host(1)
        .build(connector))
}

fn request(parcel: &Parcel) -> Result<Request<Full<Bytes>>, String> {
    let body = super::body(parcel)?;
    let seconds = clock::now().0 / 1000;
    let signature = sign(&parcel.key.0, &parcel.message, seconds, &body);
    Request::post(&parcel.url)
        .header(CONTENT_TYPE, "application/json")
        .header(
            USER_AGENT,
            concat!("lockkeeper/", env!("CARGO_PKG_VERSION")),
        )
        .header("webhook-id", &parcel.message)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature.unwrap_or_default())
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())
}

async fn judged(response: Response<Incoming>) -> Answer {
    let status = response.status();
    // `status` says its usual reason as well: 204 No Content.
    match status {
        StatusCode::GONE => Answer::Gone,
        _ if status.is_success() => Answer::Taken(status.to_string()),
        _ if status.is_redirection() => Answer::Failed(format!(
            "the receiver answered {status}, and redirects are not followed"
        )),
        _ => {
            let reason = timeout(REASON_TIME_MAX, reason(response)).await;
            let reason = reason.unwrap_or_default();
            let colon = if reason.is_empty() { "" } else { ": " };
            Answer::Failed(format!("the receiver answered {status}{colon}{reason}"))
        }
    }
}

/// What a receiver says beside its status, as far as it can be shown.
async fn reason(response: Response<Incoming>) -> String {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while bytes.len() < REASON_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) | None => break,
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(REASON_CHARS_MAX).collect()
}

/// The causes of an error: hyper itself says only "client error (Connect)".
fn causes(error: &dyn Error) -> String {
    let mut said = error.source().unwrap_or(error).to_string();
    let mut next = error.source().and_then(Error::source);
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some say what their cause will say.
        if !said.contains(&words) {
            said += &format!(": {words}");
        }
        next = cause.source();
    }
    said
}
