//! The byte stream of one connection as hyper sees it: with time limits that hyper does not have,
//! its framing checked, and a close that lets the client read its answer.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::framing::Framing;

/// How long and how much a closing connection still listens, so that the answer is not destroyed
/// by a reset while the client is still sending (RFC 9112 §9.6).
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the request handler and the byte stream of one connection tell each other.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// Odd while a request is being answered: from its head until both its body and the answer's
    /// have ended. Bytes that arrive then belong to the body.
    turns: AtomicUsize,
    /// Whether the client may still be sending when the connection closes.
    unread: AtomicBool,
    /// Whether somebody has signed in on this connection.
    known: AtomicBool,
    /// Wakes a read that began while a request was being answered, so that its time limit starts.
    reader: AtomicWaker,
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Exchanges>);

impl Exchanges {
    /// The head of a request has been read.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.turns.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }
}

impl InFlight {
    /// The connection will be closed although the client may not have sent everything.
    pub(super) fn leaves_body_unread(&self) {
        self.0.unread.store(true, Ordering::Release);
    }

    /// Somebody signed in: the connection may be silent for longer.
    pub(super) fn is_of_somebody(&self) {
        self.0.known.store(true, Ordering::Release);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.turns.fetch_add(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a whole request head, and between the requests of strangers.
    pub(super) head: Duration,
    /// Between requests once somebody has signed in, and for a client that does not read.
    pub(super) idle: Duration,
}

/// A connection with manners.
#[derive(Debug)]
pub(super) struct GuardedIo<S> {
    stream: S,
    exchanges: Arc<Exchanges>,
    patience: Patience,
    framing: Framing,
    /// The value of `turns` for which `read_timer` stands.
    turn: usize,
    read_timer: Pin<Box<Sleep>>,
    /// Runs while a write waits.
    write_timer: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    timer: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> GuardedIo<S> {
    /// The first head must arrive within the patience for heads: who connects has something to say.
    pub(super) fn new(stream: S, exchanges: Arc<Exchanges>, patience: Patience) -> Self {
        Self {
            stream,
            exchanges,
            patience,
            framing: Framing::default(),
            turn: 0,
            read_timer: Box::pin(sleep(patience.head)),
            write_timer: None,
            linger: None,
        }
    }

    /// Whether a request is being answered; if one ended since the last look, the time for the next
    /// one begins.
    fn is_answering(&mut self) -> bool {
        let turn = self.exchanges.turns.load(Ordering::Acquire);
        if turn != self.turn {
            self.turn = turn;
            let known = self.exchanges.known.load(Ordering::Acquire);
            self.allow(if known && !self.framing.has_begun() {
                self.patience.idle
            } else {
                self.patience.head
            });
        }
        turn % 2 == 1
    }

    /// From now on, reading may take so long.
    fn allow(&mut self, time: Duration) {
        self.read_timer.as_mut().reset(Instant::now() + time);
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.exchanges.reader.register(cx.waker());
        let answering = this.is_answering();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Pending if answering => Poll::Pending,
            Poll::Pending => {
                ready!(this.read_timer.as_mut().poll(cx));
                Poll::Ready(Err(timed_out("no request came in time")))
            }
            Poll::Ready(Ok(())) => {
                let had_begun = this.framing.has_begun();
                this.framing.pass(&mut buf.filled_mut()[before..]);
                if this.framing.has_begun() && !had_begun && !answering {
                    this.allow(this.patience.head);
                }
                Poll::Ready(Ok(()))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> GuardedIo<S> {
    /// Passes on how a write went, and gives up on one that waits for too long.
    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.write_timer = None;
            return poll;
        }
        let idle = self.patience.idle;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(timed_out("the client does not read its answer")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_write(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch_write(cx, poll)
    }

    /// Closes our half and, where the client may still be sending, listens a little longer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let poll = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.watch_write(cx, poll))?;
            if !this.exchanges.unread.load(Ordering::Acquire) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| Linger {
            timer: Box::pin(sleep(LINGER_TIME_MAX)),
            bytes: 0,
        });
        let mut scratch = [0; 8192];
        while linger.bytes < LINGER_BYTES_MAX {
            if linger.timer.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => linger.bytes += buf.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
