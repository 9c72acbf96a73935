//! Clients at other addresses of this machine: all of 127.0.0.0/8 is one's own.

use std::net::{SocketAddr, TcpStream};

use tokio::net::TcpSocket;

/// A connection from this address to `to`.
pub fn connect_from(from: [u8; 4], to: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let to: SocketAddr = to.parse().expect("an address");
    let connected = runtime.expect("a runtime").block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect(to).await?.into_std()
    });
    let stream = connected.expect("the server accepts");
    stream.set_nonblocking(false).expect("a live socket");
    stream
}
