//! One line for each request, when its answer has gone out or its client has gone away. Holds no
//! query, no Authorization and no lock token: those are secrets.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Method, Uri};
use http_body::{Frame, SizeHint};

use super::body::{Body, Progress};
use super::clock;
use super::guarded_io::InFlight;
use super::lane::Lane;
use super::metrics::Metrics;
use super::turns::Turn;

const METHOD_CHARS_MAX: usize = 32;
const PROGRAM_CHARS_MAX: usize = 120;
const PATH_CHARS_MAX: usize = 1024;
/// What is logged for a client that left before it was answered (no such status goes out).
const CLIENT_LEFT: u16 = 499;

/// One request, from its head to the end of its answer. Logged and counted when dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    asked: Asked,
    user: Option<String>,
    /// Given back when the answer has gone out.
    turn: Option<Turn>,
    lane: Option<Lane>,
    status: Option<u16>,
    started: Duration,
    sent: u64,
    progress: Arc<Progress>,
    metrics: Arc<Metrics>,
}

/// What of its head the log has. Nothing is copied: it shares the bytes of the head.
#[derive(Debug)]
struct Asked {
    method: Method,
    target: Uri,
    program: Option<HeaderValue>,
}

impl Asked {
    fn method(&self) -> Cow<'_, str> {
        shortened(self.method.as_str().as_bytes(), METHOD_CHARS_MAX)
    }

    fn path(&self) -> Cow<'_, str> {
        shortened(self.target.path().as_bytes(), PATH_CHARS_MAX)
    }

    fn program(&self) -> Cow<'_, str> {
        let program = self
            .program
            .as_ref()
            .map_or(&b"-"[..], HeaderValue::as_bytes);
        shortened(program, PROGRAM_CHARS_MAX)
    }
}

impl Exchange {
    pub(super) fn begin<B>(
        request: &http::Request<B>,
        progress: Arc<Progress>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            asked: Asked {
                method: request.method().clone(),
                target: request.uri().clone(),
                program: request.headers().get(USER_AGENT).cloned(),
            },
            user: None,
            turn: None,
            lane: None,
            status: None,
            started: clock::stopwatch(),
            sent: 0,
            progress,
            metrics,
        }
    }

    /// The credentials were right.
    pub(super) fn signed_in(&mut self, user: &str) {
        self.user = Some(user.to_owned());
    }

    /// Whether they were.
    pub(super) fn is_signed_in(&self) -> bool {
        self.user.is_some()
    }

    /// The user has one request less until the answer has gone out, which is made in this lane.
    pub(super) fn hold(&mut self, turn: Turn, lane: Lane) {
        self.turn = Some(turn);
        self.lane = Some(lane);
    }

    /// Ties the exchange to the body of its answer.
    pub(super) fn answer(
        mut self,
        response: http::Response<Body>,
        in_flight: InFlight,
    ) -> http::Response<LoggedBody> {
        self.status = Some(response.status().as_u16());
        response.map(|body| LoggedBody {
            body,
            exchange: self,
            _in_flight: in_flight,
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let time = clock::stopwatch().saturating_sub(self.started);
        let status = self.status.unwrap_or(CLIENT_LEFT);
        let received = self.progress.received();
        self.metrics
            .answered(self.asked.method.as_str(), status, time);
        self.metrics.transferred(received, self.sent);
        tracing::info!(
            target: "lockkeeper::access",
            user = self.user.as_deref().unwrap_or("-"),
            method = &*self.asked.method(),
            path = &*self.asked.path(),
            status,
            sent = self.sent,
            received,
            duration_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            program = &*self.asked.program(),
        );
    }
}

/// The beginning of what a client sent. What would end a line the log itself escapes.
fn shortened(bytes: &[u8], chars_max: usize) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(beginning(text, chars_max)),
        Cow::Owned(text) => Cow::Owned(beginning(&text, chars_max).to_owned()),
    }
}

fn beginning(text: &str, chars_max: usize) -> &str {
    // No text has more characters than bytes, and most are short.
    if text.len() <= chars_max {
        return text;
    }
    let end = text.char_indices().nth(chars_max);
    end.map_or(text, |(end, _)| &text[..end])
}

/// The body of an answer, which keeps its exchange open until it has been sent.
#[derive(Debug)]
pub(super) struct LoggedBody {
    body: Body,
    exchange: Exchange,
    _in_flight: InFlight,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { body, exchange, .. } = &mut *self;
        let _core = match &mut exchange.lane {
            Some(lane) if body.is_made() => Some(ready!(lane.poll_enter(cx))),
            _ => None,
        };
        let poll = Pin::new(body).poll_frame(cx);
        match &poll {
            Poll::Ready(Some(Ok(frame))) => {
                exchange.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                let (method, path) = (&*exchange.asked.method(), &*exchange.asked.path());
                tracing::error!(method, path, %error, "the answer broke off");
            }
            _ => {}
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_is_logged() {
        fn check(input: &[u8], expect: &str) {
            assert_eq!(shortened(input, 8), expect);
        }
        check(b"gvfs/1.5", "gvfs/1.5");
        check(b"gvfs/1.50.3", "gvfs/1.5");
        check("Jörg und Eva".as_bytes(), "Jörg und");
        check(b"\xff", "\u{fffd}");
    }
}
