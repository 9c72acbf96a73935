//! Pieces of a longer conversation over the control socket: a length in four bytes (little-endian),
//! a letter, and so many bytes: `J` JSON, `B` bytes of a file, `E` its end, `A` it broke off (why).

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest piece.
const BYTES_MAX: usize = 1 << 20;

/// A piece.
#[derive(Debug)]
pub enum Frame {
    /// A value.
    Json(Bytes),
    /// Some bytes of a file.
    Bytes(Bytes),
    /// The file is whole.
    End,
    /// The file cannot be read to its end.
    Broken(String),
}

impl Frame {
    /// The value that it holds.
    pub fn value<T: DeserializeOwned>(&self) -> io::Result<T> {
        match self {
            Self::Json(bytes) => Ok(serde_json::from_slice(bytes)?),
            other => Err(unexpected(&format!("{other:?}"))),
        }
    }
}

/// What comes where it cannot.
pub fn unexpected(what: &str) -> io::Error {
    let what: String = what.chars().take(100).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected: {what}"))
}

/// Sends a value.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    put(to, b'J', &serde_json::to_vec(value)?).await?;
    to.flush().await
}

/// Sends some bytes of a file.
pub async fn send_bytes(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(BYTES_MAX) {
        put(to, b'B', piece).await?;
    }
    Ok(())
}

/// Ends a file, or says why it cannot be read to its end.
pub async fn send_end(
    to: &mut (impl AsyncWrite + Unpin),
    ended: Result<(), String>,
) -> io::Result<()> {
    match ended {
        Ok(()) => put(to, b'E', b"").await?,
        Err(why) => put(to, b'A', why.as_bytes()).await?,
    }
    to.flush().await
}

async fn put(to: &mut (impl AsyncWrite + Unpin), letter: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| unexpected("too long"))?;
    let mut head = [0; 5];
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4] = letter;
    to.write_all(&head).await?;
    to.write_all(body).await
}

/// The next piece; `None`: the other side has hung up.
pub async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let length = match from.read_u32_le().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > BYTES_MAX {
        return Err(unexpected("a piece that is too long"));
    }
    let letter = from.read_u8().await?;
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok(Some(match letter {
        b'J' => Frame::Json(body.into()),
        b'B' => Frame::Bytes(body.into()),
        b'E' => Frame::End,
        b'A' => Frame::Broken(String::from_utf8_lossy(&body).into_owned()),
        _ => return Err(unexpected("a piece of no kind")),
    }))
}
