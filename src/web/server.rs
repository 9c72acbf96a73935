//! Accepts connections, gives each to hyper, and stops in good order: nothing new, what runs may
//! finish within its time, then the store is closed.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::address::network;
use super::clock;
use super::control::Control;
use super::door::Door;
use super::guarded_io::{Exchanges, GuardedIo, Patience};
use super::turns::Turns;
use super::webhooks::{self, HttpCourier};
use crate::config;
use crate::ops::Dav;

/// Between two rounds of housekeeping.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// After content ended; what ends in the meantime goes with the same round.
const SWEEP_SOON: Duration = Duration::from_millis(200);
/// After a refusal; what is refused in the meantime is recorded with it.
const REFUSALS_SOON: Duration = Duration::from_millis(100);
/// Connections that wait to be accepted. When a whole office comes back at once, each that finds no
/// place tries again a second later. The system may allow fewer (`net.core.somaxconn`).
const WAITING_MAX: u32 = 4096;
/// After a failed accept (mostly: no file descriptors left) it is not tried again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For an address that has as many connections as it may have.
const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    too many connections come from this address (server.connections_per_address_max)\n";

/// A server that is ready to run.
#[derive(Debug)]
pub struct Server {
    door: Arc<Door>,
    connections_max: usize,
    of_addresses: Turns<IpAddr>,
    header_bytes_max: usize,
    patience: Patience,
    shutdown_max: Duration,
    stop: watch::Sender<bool>,
}

impl Server {
    /// A server for this door.
    pub fn new(door: Arc<Door>, config: &config::Config) -> Self {
        let config::Server {
            header_seconds_max,
            idle_seconds_max,
            ..
        } = config.server;
        Self {
            door,
            connections_max: config.server.connections_max,
            of_addresses: Turns::new(config.server.connections_per_address_max),
            header_bytes_max: config.limits.header_bytes_max,
            patience: Patience {
                head: Duration::from_secs(header_seconds_max),
                idle: Duration::from_secs(idle_seconds_max),
            },
            shutdown_max: Duration::from_secs(config.server.shutdown_seconds_max),
            stop: watch::Sender::new(false),
        }
    }

    /// Serves until `stop` is ready, then finishes what runs and closes the store. An error says
    /// that the store could not be closed.
    pub async fn run(
        self,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        control: Control,
        stop: impl Future<Output = ()>,
    ) -> Result<(), String> {
        let dav = Arc::clone(self.door.dav());
        let mut helpers = JoinSet::new();
        helpers.spawn(sweep(Arc::clone(&self.door)));
        helpers.spawn(record_refusals(Arc::clone(&dav)));
        let courier = Arc::new(HttpCourier::new(&dav.config().webhooks));
        let metrics = Arc::clone(self.door.metrics());
        helpers.spawn(webhooks::deliver(
            Arc::clone(&dav),
            Arc::clone(&courier),
            metrics,
        ));
        helpers.spawn(control.serve(Arc::clone(&dav), Arc::clone(self.door.auth()), courier));
        let mut connections = JoinSet::new();
        tokio::select! {
            () = stop => {}
            never = self.accept(&listener, tls.as_ref(), &mut connections) => match never {},
        }
        tracing::info!(connections = connections.len(), "stopping");
        drop(listener);
        self.door.stop();
        self.stop.send_replace(true);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(self.shutdown_max, finish).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "cutting off what does not finish"
            );
            connections.shutdown().await;
        }
        helpers.shutdown().await;
        dav.close().await.map_err(|error| error.to_string())
    }

    /// Serves one connection that is open already, whatever carries it, to its end. An error says
    /// why it ended early. It takes no place among `server.connections_max`.
    pub async fn serve<S>(&self, stream: S, peer: IpAddr) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.connection(peer).speak(stream).await
    }

    fn connection(&self, peer: IpAddr) -> Connection {
        Connection {
            door: Arc::clone(&self.door),
            peer,
            header_bytes_max: self.header_bytes_max,
            patience: self.patience,
            stop: self.stop.subscribe(),
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
        tls: Option<&TlsAcceptor>,
        connections: &mut JoinSet<()>,
    ) -> Infallible {
        let room = Arc::new(Semaphore::new(self.connections_max));
        loop {
            let place = Arc::clone(&room).acquire_owned().await;
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let Some(of_address) = self.of_addresses.take(network(peer.ip())) else {
                self.turn_away(stream, peer.ip(), tls.is_none());
                continue;
            };
            let connection = self.connection(peer.ip());
            let tls = tls.cloned();
            let connected = self.door.metrics().connected();
            connections.spawn(async move {
                connection.run(stream, tls).await;
                drop((place, of_address, connected));
            });
        }
    }

    /// Costs nothing that lasts: whoever opens connections without end gets no task for each. The
    /// sentence is a courtesy; a client that is still sending may see a reset instead.
    fn turn_away(&self, stream: TcpStream, peer: IpAddr, in_the_clear: bool) {
        tracing::debug!(%peer, "this address has too many connections");
        self.door.metrics().turned_away();
        if let Ok(mut stream) = stream.into_std()
            && in_the_clear
        {
            let _ = stream.write(TOO_MANY.as_bytes());
        }
    }
}

/// One connection.
struct Connection {
    door: Arc<Door>,
    peer: IpAddr,
    header_bytes_max: usize,
    patience: Patience,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Answers are written whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let peer = self.peer;
        let ended = match tls {
            None => self.speak(stream).await,
            Some(tls) => match timeout(self.patience.head, tls.accept(stream)).await {
                Ok(Ok(stream)) => Box::pin(self.speak(stream)).await,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the TLS handshake took too long".to_owned()),
            },
        };
        if let Err(reason) = ended {
            tracing::debug!(%peer, reason, "a connection ended early");
        }
    }

    async fn speak<S>(mut self, stream: S) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let exchanges = Arc::new(Exchanges::default());
        let stream = GuardedIo::new(stream, Arc::clone(&exchanges), self.patience);
        let (door, peer) = (&self.door, self.peer);
        let service = service_fn(|request| {
            let exchanges = Arc::clone(&exchanges);
            async move { Ok::<_, Infallible>(door.answer(request, peer, &exchanges).await) }
        });
        let mut http = http1::Builder::new();
        http.max_header_size(self.header_bytes_max)
            .max_buf_size(self.header_bytes_max.max(65_536));
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(|error| error.to_string()),
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await.map_err(|error| error.to_string())
    }
}

/// Housekeeping at the start and every few seconds.
async fn sweep(door: Arc<Door>) {
    match door.dav().remove_orphans(clock::now()).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed what a crash left of unfinished uploads"),
        Err(error) => tracing::error!(%error, "unfinished uploads could not be removed"),
    }
    let mut ticks = interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = door.dav().content_ended() => sleep(SWEEP_SOON).await,
        }
        if let Err(error) = door.dav().sweep(clock::now()).await {
            tracing::error!(%error, "housekeeping failed");
        }
    }
}

/// Writes down what locks refuse, a moment later and many at once.
async fn record_refusals(dav: Arc<Dav>) {
    loop {
        dav.refusal_noted().await;
        sleep(REFUSALS_SOON).await;
        if let Err(error) = dav.record_refusals().await {
            tracing::error!(%error, "refusals could not be recorded");
        }
    }
}

/// Opens the port; to be called within a runtime.
pub fn listen(config: &config::Server) -> Result<TcpListener, String> {
    let said = |error: io::Error| format!("cannot listen on {}: {error}", config.listen);
    bind(config.listen).map_err(said)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart does not wait for the connections of the server before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}
