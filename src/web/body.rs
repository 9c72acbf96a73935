//! The bodies of requests and answers as streams of bytes, so that nothing below needs hyper.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use tokio::time::timeout;

/// What a request carries. Reading it is what makes hyper send `100 Continue`.
#[derive(Debug)]
pub struct RequestBody {
    source: Option<BoxBody<Bytes, io::Error>>,
    idle_max: Duration,
    progress: Arc<Progress>,
}

/// What is known about a request body from outside its reader.
#[derive(Debug, Default)]
pub(super) struct Progress {
    received: AtomicU64,
    started: AtomicBool,
    unread: Mutex<Option<BoxBody<Bytes, io::Error>>>,
}

impl RequestBody {
    /// The body of a real request. A client that sends nothing for `idle_max` is given up.
    pub(super) fn incoming(body: Incoming, idle_max: Duration) -> Self {
        let carries = !body.is_end_stream();
        Self::of(carries.then(|| body.map_err(from_hyper).boxed()), idle_max)
    }

    fn of(source: Option<BoxBody<Bytes, io::Error>>, idle_max: Duration) -> Self {
        Self {
            source,
            idle_max,
            progress: Arc::default(),
        }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// How many bytes are to come, where the client said so.
    pub fn length(&self) -> Option<u64> {
        self.source
            .as_ref()
            .map_or(Some(0), |source| source.size_hint().exact())
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.source
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    /// The next bytes; `None` at the end. An error when the client went away or fell silent before
    /// the end: what was received so far is not the body. Trailers are dropped.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let source = self.source.as_mut()?;
            self.progress.started.store(true, Ordering::Release);
            let frame = match timeout(self.idle_max, source.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Some(Err(error)),
                Ok(None) => {
                    self.source = None;
                    return None;
                }
                Err(_) => {
                    let error = format!("no byte came for {} seconds", self.idle_max.as_secs());
                    return Some(Err(io::Error::new(io::ErrorKind::TimedOut, error)));
                }
            };
            if let Ok(bytes) = frame.into_data() {
                self.progress
                    .received
                    .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                return Some(Ok(bytes));
            }
        }
    }

    /// The whole body in memory; `None` when it is longer than `bytes_max`. It has as long as a
    /// client may be silent: byte by byte it would otherwise hold its place for days.
    pub async fn collect(mut self, bytes_max: usize) -> io::Result<Option<Bytes>> {
        if self
            .length()
            .is_some_and(|length| length > bytes_max as u64)
        {
            return Ok(None);
        }
        let time_max = self.idle_max;
        let whole = async {
            let mut whole = Vec::new();
            while let Some(bytes) = self.next().await {
                let bytes = bytes?;
                if whole.len() + bytes.len() > bytes_max {
                    return Ok(None);
                }
                whole.extend_from_slice(&bytes);
            }
            Ok(Some(whole.into()))
        };
        timeout(time_max, whole).await.unwrap_or_else(|_| {
            let error = format!("it was not whole after {} seconds", time_max.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, error))
        })
    }
}

impl From<Bytes> for RequestBody {
    /// A body that is there already.
    fn from(bytes: Bytes) -> Self {
        let source = Full::new(bytes).map_err(|never| match never {}).boxed();
        Self::of(Some(source), Duration::MAX)
    }
}

impl Drop for RequestBody {
    /// What nobody read is handed back to be drained.
    fn drop(&mut self) {
        let rest = self.source.take().filter(|source| !source.is_end_stream());
        *self
            .progress
            .unread
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = rest;
    }
}

impl Progress {
    /// Bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether somebody began to read: then `100 Continue` has gone out, if it was asked for.
    pub(super) fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Reads what nobody read, up to limits. Whether the whole body has been received now.
    pub(super) async fn drain(&self, bytes_max: u64, time_max: Duration) -> bool {
        let Some(mut rest) = self.take_unread() else {
            return true;
        };
        let read_on = async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = rest.frame().await {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.received.fetch_add(length, Ordering::Relaxed);
                bytes += length;
                if bytes > bytes_max {
                    break;
                }
            }
            rest.is_end_stream()
        };
        timeout(time_max, read_on).await.unwrap_or(false)
    }

    /// Whether bytes may still come that nobody will read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn take_unread(&self) -> Option<BoxBody<Bytes, io::Error>> {
        self.unread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

fn from_hyper(error: hyper::Error) -> io::Error {
    let kind = if error.is_incomplete_message() {
        io::ErrorKind::UnexpectedEof
    } else {
        io::ErrorKind::InvalidData
    };
    io::Error::new(kind, error)
}

/// What an answer carries.
pub struct Body(Content);

enum Content {
    /// It is there already: nothing is left to do for it.
    Full(Full<Bytes>),
    Made(UnsyncBoxBody<Bytes, io::Error>),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// Bytes that are there already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Content::Full(Full::new(bytes.into())))
    }

    /// Bytes that are there already, in pieces.
    pub fn pieces(pieces: Vec<Bytes>) -> Self {
        Self(Content::Made(Pieces(pieces.into()).boxed_unsync()))
    }

    /// Bytes as they come. An error breaks the connection, so that the client notices. Without a
    /// Content-Length header it goes out in chunks.
    pub fn stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        let stream = StreamBody::new(stream.map(|bytes| bytes.map(Frame::data)));
        Self(Content::Made(stream.boxed_unsync()))
    }

    /// Whether it takes work to make it.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.0, Content::Made(_))
    }
}

/// Sent one after the other, of a length that is known.
struct Pieces(VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.size_hint()).finish()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Content::Full(full) => Pin::new(full)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Content::Made(made) => Pin::new(made).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Full(full) => full.is_end_stream(),
            Content::Made(made) => made.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Full(full) => full.size_hint(),
            Content::Made(made) => made.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_body_is_read_up_to_a_limit() {
        let body = || RequestBody::from(Bytes::from_static(b"12345"));
        assert_eq!(body().length(), Some(5));
        assert_eq!(body().collect(5).await.unwrap().unwrap(), "12345");
        assert_eq!(body().collect(4).await.unwrap(), None);
        assert!(RequestBody::from(Bytes::new()).is_empty());
    }

    #[tokio::test]
    async fn what_nobody_read_is_drained_within_limits() {
        async fn check(read: bool, bytes_max: u64, drained: bool, received: u64) {
            let mut body = RequestBody::from(Bytes::from_static(b"12345"));
            let progress = body.progress();
            if read {
                while body.next().await.is_some() {}
            }
            drop(body);
            assert_eq!(progress.is_unread(), !read);
            assert_eq!(progress.drain(bytes_max, Duration::MAX).await, drained);
            assert_eq!(progress.received(), received);
            assert_eq!(progress.has_started(), read);
        }
        check(false, 5, true, 5).await;
        check(true, 0, true, 5).await;
    }

    #[tokio::test]
    async fn a_silent_client_is_given_up() {
        let never = StreamBody::new(futures_util::stream::pending::<io::Result<Frame<Bytes>>>());
        let mut body = RequestBody::of(Some(BodyExt::boxed(never)), Duration::from_millis(5));
        let error = body.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
