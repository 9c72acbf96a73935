//! One request from its head to its answer: who is it, is it for the server itself, for an API or
//! for the tree, and is the connection fit for another one. Knows no method of WebDAV.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPECT, HOST, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::access_log::{Exchange, LoggedBody};
use super::api::events::seats::Seats;
use super::api::{self, Api};
use super::auth::{Authenticator, Credentials, Refusal};
use super::body::{Body, Progress, RequestBody};
use super::clock;
use super::guarded_io::{Exchanges, InFlight};
use super::lane::{Cores, Lane};
use super::metrics::{self, Looked, Metrics};
use super::origin;
use super::reserved::{self, Reserved};
use super::turns::Turns;
use super::webdav;
use crate::config::Config;
use crate::ops::Dav;
use crate::ops::access::Principal;
use crate::ops::password::PasswordError;
use crate::ops::webhooks::{self, WebhookError};
use crate::protocol::error::DavError;
use crate::protocol::time::Timestamp;
use crate::resource::UserId;

/// How much of a body that nobody wants is read all the same, so that the client gets its answer
/// over a connection that it can go on using.
const DRAIN_BYTES_MAX: u64 = 1024 * 1024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// How long a request waits while its user has as many as one may have.
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Everything that requests share.
#[derive(Debug)]
pub struct Door {
    dav: Arc<Dav>,
    auth: Arc<Authenticator>,
    metrics: Arc<Metrics>,
    api: Api,
    seats: Arc<Seats>,
    turns: Turns<UserId>,
    cores: Arc<Cores>,
    challenge: HeaderValue,
    idle_max: Duration,
    stopping: AtomicBool,
}

impl Door {
    /// A door to this tree.
    pub fn new(
        dav: Arc<Dav>,
        metrics: Arc<Metrics>,
        config: &Config,
    ) -> Result<Self, PasswordError> {
        let realm = config.auth.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        // The configuration allows printable ASCII only, so this never falls back.
        let challenge = challenge
            .try_into()
            .unwrap_or(HeaderValue::from_static("Basic realm=\"Lockkeeper\""));
        Ok(Self {
            auth: Arc::new(Authenticator::new(Arc::clone(&dav), &config.auth)?),
            dav,
            metrics,
            api: Api::new(challenge.clone()),
            seats: Arc::new(Seats::new(config.events.streams_max)),
            turns: Turns::new(config.server.requests_per_user_max),
            cores: Cores::of_this_machine(),
            challenge,
            idle_max: Duration::from_secs(config.server.idle_seconds_max),
            stopping: AtomicBool::new(false),
        })
    }

    /// The tree behind the door.
    pub(super) fn dav(&self) -> &Arc<Dav> {
        &self.dav
    }

    /// Who remembers credentials.
    pub(super) fn auth(&self) -> &Arc<Authenticator> {
        &self.auth
    }

    /// What counts.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// From now on the health check fails, every connection ends with its answer, and answers that
    /// wait for events end at once.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.seats.close();
    }

    /// Answers one request of one connection.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        exchanges: &Arc<Exchanges>,
    ) -> Response<LoggedBody> {
        let request = request.map(|body| RequestBody::incoming(body, self.idle_max));
        self.answer_at(clock::now(), request, peer, exchanges).await
    }

    /// Answers one request that is there as a whole, at a time that is handed in. Campaigns ask so:
    /// they need other times than now, and more requests than sockets take.
    pub async fn answer_whole(
        &self,
        request: Request<Bytes>,
        peer: IpAddr,
        now: Timestamp,
    ) -> io::Result<Response<Bytes>> {
        let request = request.map(RequestBody::from);
        let response = self.answer_at(now, request, peer, &Arc::default()).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    async fn answer_at(
        &self,
        now: Timestamp,
        request: Request<RequestBody>,
        peer: IpAddr,
        exchanges: &Arc<Exchanges>,
    ) -> Response<LoggedBody> {
        let in_flight = exchanges.begin();
        let progress = request.body().progress();
        let metrics = Arc::clone(&self.metrics);
        let mut exchange = Exchange::begin(&request, Arc::clone(&progress), metrics);
        let waits_to_send = waits_to_send(&request);
        let mut response = if has_one_host(&request) {
            self.lead(request, peer, now, &mut exchange).await
        } else {
            // Who cannot say whom it is talking to may not mean what follows either.
            in_flight.leaves_body_unread();
            let mut response = text(StatusCode::BAD_REQUEST, HOST_WANTED);
            response.headers_mut().insert(CONNECTION, CLOSE);
            response
        };
        if exchange.is_signed_in() {
            in_flight.is_of_somebody();
        }
        shield(&mut response);
        settle_body(&progress, waits_to_send, &mut response, &in_flight).await;
        exchange.answer(response, in_flight)
    }

    /// To the face that it is for.
    async fn lead(
        &self,
        request: Request<RequestBody>,
        peer: IpAddr,
        now: Timestamp,
        exchange: &mut Exchange,
    ) -> Response<Body> {
        match reserved::find(request.uri().path()) {
            Some(Reserved::Api) => Box::pin(self.answer_api(request, peer, now, exchange)).await,
            Some(Reserved::ApiDoc) => self.api.describe(request.method(), request.uri().path()),
            _ => self.answer_dav(request, peer, now, exchange).await,
        }
    }

    /// WebDAV, and what the server tells of itself.
    async fn answer_dav(
        &self,
        request: Request<RequestBody>,
        peer: IpAddr,
        now: Timestamp,
        exchange: &mut Exchange,
    ) -> Response<Body> {
        let credentials = Credentials::in_authorization(request.headers());
        let hosts = &self.dav.config().server.hosts;
        let (method, uri) = (request.method(), request.uri());
        if origin::refuses(hosts, method, uri, request.headers(), credentials) {
            return text(StatusCode::FORBIDDEN, format!("{}\n", origin::REFUSED));
        }
        match self.admit(&request, credentials, peer, now).await {
            Ok(None) => self.health(),
            Ok(Some(principal)) => match self.take_turn(&principal, exchange).await {
                Some(lane) => {
                    let work = Box::pin(self.dispatch(&principal, now, request));
                    lane.pace(work).await
                }
                None => busy(self.too_many()),
            },
            Err(refusal) => {
                refusal.note(peer, &self.metrics);
                self.refuse(&refusal)
            }
        }
    }

    /// The APIs, which say refusals in their own words.
    async fn answer_api(
        &self,
        request: Request<RequestBody>,
        peer: IpAddr,
        now: Timestamp,
        exchange: &mut Exchange,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let routed = match self.api.route(self.dav.config(), &head) {
            Ok(routed) => routed,
            Err(response) => return *response,
        };
        let (principal, lane) = if routed.is_public() {
            (None, None)
        } else {
            let credentials = routed.credentials(&head.headers);
            match self.auth.authenticate(credentials, peer, now).await {
                Ok(principal) => match self.take_turn(&principal, exchange).await {
                    Some(lane) => (Some(principal), Some(lane)),
                    None => return routed.refuse_for_now(&self.too_many()),
                },
                Err(refusal) => {
                    refusal.note(peer, &self.metrics);
                    return routed.refuse(refusal);
                }
            }
        };
        let context = api::Context {
            dav: &self.dav,
            auth: &self.auth,
            metrics: &self.metrics,
            seats: &self.seats,
            peer,
            now,
        };
        let request = Request::from_parts(head, body);
        let run = routed.run(context, principal, request);
        match lane {
            Some(lane) => lane.pace(Box::pin(run)).await,
            None => run.await,
        }
    }

    /// Who it is; `None` for the one thing that everybody may ask.
    async fn admit(
        &self,
        request: &Request<RequestBody>,
        credentials: Credentials<'_>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Option<Principal>, Refusal> {
        let looks = matches!(*request.method(), Method::GET | Method::HEAD);
        if looks && reserved::find(request.uri().path()) == Some(Reserved::Health) {
            return Ok(None);
        }
        self.auth
            .authenticate(credentials, peer, now)
            .await
            .map(Some)
    }

    /// One more request of this user, if there may be one: it counts until its answer has gone out.
    async fn take_turn(&self, principal: &Principal, exchange: &mut Exchange) -> Option<Lane> {
        exchange.signed_in(&principal.name);
        let turn = self.turns.wait(principal.id, TURN_WAIT_MAX).await?;
        let lane = || Lane::new(Arc::clone(&self.cores), principal.id);
        exchange.hold(turn, lane());
        Some(lane())
    }

    fn too_many(&self) -> String {
        let max = self.dav.config().server.requests_per_user_max;
        format!("{max} requests of this user run already (server.requests_per_user_max); try again")
    }

    async fn dispatch(
        &self,
        principal: &Principal,
        now: Timestamp,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        if let Some(reserved) = reserved::find(request.uri().path()) {
            return Box::pin(self.own(reserved, principal, now, request)).await;
        }
        webdav::respond(&self.dav, principal, now, request).await
    }

    /// The server's own addresses.
    async fn own(
        &self,
        reserved: Reserved,
        principal: &Principal,
        now: Timestamp,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        if reserved == Reserved::History {
            return webdav::history(&self.dav, principal, now, request).await;
        }
        if !reserved::is_reading(request.method()) {
            return text(StatusCode::FORBIDDEN, format!("{}\n", DavError::Reserved));
        }
        let looks = matches!(*request.method(), Method::GET | Method::HEAD);
        match reserved {
            Reserved::Metrics if looks && !principal.is_administrator() => text(
                StatusCode::FORBIDDEN,
                "only admin users may read the metrics\n",
            ),
            Reserved::Metrics if looks => self.tell_metrics(now).await,
            Reserved::Principals => webdav::principals(&self.dav, principal, request).await,
            _ => text(StatusCode::NOT_FOUND, "there is nothing at this address\n"),
        }
    }

    fn health(&self) -> Response<Body> {
        if self.stopping.load(Ordering::Acquire) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
        }
        match self.dav.health() {
            Ok(()) => text(StatusCode::OK, "ok\n"),
            // Anybody may ask: why, says the log.
            Err(_) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store cannot be written; reading goes on\n",
            ),
        }
    }

    async fn tell_metrics(&self, now: Timestamp) -> Response<Body> {
        match self.look(now).await {
            Ok(looked) => {
                let mut response = text(StatusCode::OK, self.metrics.text(&looked));
                let media_type = HeaderValue::from_static(metrics::MEDIA_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, media_type);
                response
            }
            Err(error) => {
                tracing::error!(%error, "locks and events could not be counted");
                text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store did not answer\n",
                )
            }
        }
    }

    async fn look(&self, now: Timestamp) -> Result<Looked, WebhookError> {
        let webhooks = webhooks::list(&self.dav, now).await?.into_iter();
        Ok(Looked {
            locks: self.dav.count_locks(now).await?.to_vec(),
            webhooks: webhooks
                .map(|webhook| (webhook.id.to_string(), webhook.waiting as u64))
                .collect(),
            answers: self.dav.answers_used(),
        })
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        if let Refusal::Unavailable(_) = refusal {
            return busy("try again later".to_owned());
        }
        let mut response = text(StatusCode::UNAUTHORIZED, format!("{refusal}\n"));
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, self.challenge.clone());
        response
    }
}

const HOST_WANTED: &str = "HTTP/1.1 wants one Host header with a host name, and no other one in \
    the target (RFC 9112, 3.2)\n";

const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// Seconds.
const SOON: HeaderValue = HeaderValue::from_static("5");

fn busy(sentence: String) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, sentence + "\n");
    response.headers_mut().insert(RETRY_AFTER, SOON);
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whatever is answered, a browser takes it for what it says it is, and runs and loads nothing in
/// it, unless who wrote the answer said otherwise.
fn shield(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; \
            frame-ancestors 'none'; sandbox";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(nothing));
    }
}

/// RFC 9112 §3.2 makes this a must: of two hosts, a proxy might believe one and we the other.
fn has_one_host(request: &Request<RequestBody>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let first = request.headers().get(HOST);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        (None, _) => return request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => return false,
    };
    let plain = |host: &Authority| !host.as_str().contains('@');
    match (host, request.uri().authority()) {
        (Some(host), None) => plain(&host),
        (Some(host), Some(target)) => plain(&host) && host == *target,
        // Empty is allowed.
        (None, target) => target.is_none() && first.is_some_and(HeaderValue::is_empty),
    }
}

/// Whether the client sends its body only after `100 Continue` (RFC 9110 §10.1.1: not in 1.0).
fn waits_to_send(request: &Request<RequestBody>) -> bool {
    let expect = request.headers().get(EXPECT).map(HeaderValue::as_bytes);
    let expects = expect.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    expects && request.version() >= Version::HTTP_11
}

/// An answer may be ready before the request's body was read. Reads a little of it, and if that is
/// not all, announces that the connection ends.
async fn settle_body(
    progress: &Progress,
    waits_to_send: bool,
    response: &mut Response<Body>,
    in_flight: &InFlight,
) {
    if !progress.is_unread() {
        return;
    }
    let never_sent = waits_to_send && !progress.has_started();
    if never_sent || !progress.drain(DRAIN_BYTES_MAX, DRAIN_TIME_MAX).await {
        response.headers_mut().insert(CONNECTION, CLOSE);
        in_flight.leaves_body_unread();
    }
}
