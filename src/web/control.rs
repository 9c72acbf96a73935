//! The control socket: a Unix socket in the data folder through which the command line of the same
//! account talks to a running server. One line of JSON each way, then it closes; backups have more
//! to say (`control/transfer.rs`).

mod checking;
pub mod frames;
mod transfer;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader, DuplexStream, duplex, split,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::auth::Authenticator;
use super::clock;
use crate::ops::Dav;
use crate::ops::admin::transfers::TransferCommand;
use crate::ops::admin::{self, AdminCommand, AdminError, AdminReply, RefusalClass};
use crate::ops::webhooks::Courier;

/// The name of the socket in the data folder.
const NAME: &str = "control.sock";
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// A list of all users fits, also with the longest names and addresses.
const REPLY_BYTES_MAX: u64 = 32 * 1024 * 1024;
const DUPLEX_BYTES: usize = 256 * 1024;
const TIME_MAX: Duration = Duration::from_secs(30);
/// The receiver of a webhook may take a minute to answer a test.
const REPLY_TIME_MAX: Duration = Duration::from_secs(90);
/// Commands at once; more wait. An import has nine, for as long as it takes.
const COMMANDS_MAX: usize = 64;
/// The longest path of a socket address (Linux 107, macOS 103).
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Why the control socket cannot be used.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Another server answers there.
    #[error("a server is running already on the data folder {0}")]
    Running(String),
    /// The path is longer than a socket's may be, and this system has no way around.
    #[error(
        "the data folder {0} has too long a path for its control socket ({SOCKET_PATH_BYTES_MAX} \
         bytes); choose a shorter --data"
    )]
    PathTooLong(String),
    /// The operating system said no.
    #[error("the control socket {path}: {reason}")]
    Io {
        /// Which socket.
        path: String,
        /// What it said.
        reason: String,
    },
}

/// A name for the socket that fits into a socket address.
struct Address {
    path: PathBuf,
    /// Keeps the name valid, where it goes through a descriptor of the folder.
    _folder: Option<File>,
}

impl Address {
    fn new(data: &Path) -> Result<Self, ControlError> {
        let path = data.join(NAME);
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let folder = File::open(data).map_err(|error| io_error(data, &error))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if !path.exists() {
            return Err(ControlError::PathTooLong(data.display().to_string()));
        }
        Ok(Self {
            path: path.join(NAME),
            _folder: Some(folder),
        })
    }
}

fn io_error(data: &Path, error: &io::Error) -> ControlError {
    ControlError::Io {
        path: data.join(NAME).display().to_string(),
        reason: error.to_string(),
    }
}

/// The server's end, bound but not yet served. Removes the socket when dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    file: PathBuf,
    owner: u32,
}

impl Control {
    /// Binds the socket in the data folder, in the place of one that a dead server left behind.
    pub async fn bind(data: &Path) -> Result<Self, ControlError> {
        let address = Address::new(data)?;
        let wrong = |error: io::Error| io_error(data, &error);
        match UnixStream::connect(&address.path).await {
            Ok(_) => return Err(ControlError::Running(data.display().to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(&address.path).map_err(wrong)?;
            }
            Err(error) => return Err(wrong(error)),
        }
        let listener = UnixListener::bind(&address.path).map_err(wrong)?;
        let file = data.join(NAME);
        fs::set_permissions(&address.path, Permissions::from_mode(0o600)).map_err(wrong)?;
        let owner = fs::metadata(&address.path).map_err(wrong)?.uid();
        Ok(Self {
            listener,
            file,
            owner,
        })
    }

    /// Runs commands until dropped.
    pub(super) async fn serve(
        self,
        dav: Arc<Dav>,
        auth: Arc<Authenticator>,
        courier: Arc<dyn Courier>,
    ) {
        let room = Arc::new(Semaphore::new(COMMANDS_MAX));
        loop {
            let place = Arc::clone(&room).acquire_owned().await;
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the control socket");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            // The mode of the file was open to others for the blink between bind and chmod.
            let peer = stream.peer_cred().map(|peer| peer.uid());
            if !peer.is_ok_and(|peer| peer == self.owner || peer == 0) {
                continue;
            }
            let (dav, auth) = (Arc::clone(&dav), Arc::clone(&auth));
            let courier = Arc::clone(&courier);
            tokio::spawn(async move {
                if let Err(error) = converse(stream, &dav, &auth, &*courier).await {
                    tracing::warn!(%error, "the control socket");
                }
                drop(place);
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket that stays behind is recognised as stale at the next start.
        let _ = fs::remove_file(&self.file);
    }
}

async fn converse(
    stream: UnixStream,
    dav: &Arc<Dav>,
    auth: &Authenticator,
    courier: &dyn Courier,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(COMMAND_BYTES_MAX));
    timeout(TIME_MAX, reader.read_until(b'\n', &mut line)).await??;
    if line.is_empty() {
        // Another server's look whether somebody is there.
        return Ok(());
    }
    if let Ok(command) = serde_json::from_slice::<TransferCommand>(&line) {
        reader.get_mut().set_limit(u64::MAX);
        return transfer::serve(command, reader, writer, dav).await;
    }
    // Not timed: a changed password must be forgotten also when the change took long.
    let reply = match serde_json::from_slice::<AdminCommand>(&line) {
        Ok(command) => {
            let affected = command.affected_user().map(str::to_owned);
            let reply = admin::run(dav, courier, command, clock::now()).await;
            if let Some(name) = affected {
                auth.forget(&name);
            }
            reply
        }
        Err(error) => AdminReply::Refused(AdminError {
            class: RefusalClass::Failed,
            reason: format!("the server does not know this command: {error}"),
        }),
    };
    write_line(&mut writer, &reply).await?;
    writer.shutdown().await
}

async fn write_line(
    writer: &mut (impl AsyncWrite + Unpin),
    line: &impl Serialize,
) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    timeout(TIME_MAX, writer.write_all(&bytes)).await??;
    writer.flush().await
}

/// Whether a server runs on the data folder.
pub async fn is_served(data: &Path) -> Result<bool, ControlError> {
    Ok(connect(data).await?.is_some())
}

/// Sends a command to the server that runs on the data folder; `None` if none does.
pub async fn ask(data: &Path, command: &AdminCommand) -> Result<Option<AdminReply>, ControlError> {
    let Some(mut stream) = connect(data).await? else {
        return Ok(None);
    };
    let wrong = |error: io::Error| io_error(data, &error);
    let conversation = async {
        let mut bytes = serde_json::to_vec(command)?;
        bytes.push(b'\n');
        stream.write_all(&bytes).await?;
        let mut reply = Vec::new();
        stream.take(REPLY_BYTES_MAX).read_to_end(&mut reply).await?;
        Ok(serde_json::from_slice(&reply)?)
    };
    match timeout(REPLY_TIME_MAX, conversation).await {
        Ok(reply) => reply.map(Some).map_err(wrong),
        Err(_) => Err(wrong(io::Error::new(
            io::ErrorKind::TimedOut,
            "the server did not reply",
        ))),
    }
}

/// Begins a conversation with the server that runs on the data folder; `None` if none does. What
/// the server says behind its reply is still to be read.
pub async fn begin_transfer(
    data: &Path,
    command: &TransferCommand,
) -> Result<Option<(AdminReply, BufReader<UnixStream>)>, ControlError> {
    let Some(stream) = connect(data).await? else {
        return Ok(None);
    };
    let wrong = |error: io::Error| io_error(data, &error);
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    let conversation = async {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        read_reply(&mut stream).await
    };
    let reply = match timeout(REPLY_TIME_MAX, conversation).await {
        Ok(reply) => reply.map_err(wrong)?,
        Err(_) => return Err(wrong(io::ErrorKind::TimedOut.into())),
    };
    Ok(Some((reply, stream)))
}

/// The same conversation with a store on which no server runs.
pub async fn begin_transfer_within(
    dav: &Arc<Dav>,
    command: &TransferCommand,
) -> Result<(AdminReply, BufReader<DuplexStream>), ControlError> {
    let (ours, theirs) = duplex(DUPLEX_BYTES);
    let (dav, doing) = (Arc::clone(dav), command.clone());
    tokio::spawn(async move {
        let (reader, writer) = split(theirs);
        let served = transfer::serve(doing, BufReader::new(reader), writer, &dav).await;
        if let Err(error) = served {
            tracing::warn!(%error, "a transfer");
        }
    });
    let mut stream = BufReader::with_capacity(64 * 1024, ours);
    let reply = read_reply(&mut stream).await;
    Ok((
        reply.map_err(|error| io_error(Path::new(""), &error))?,
        stream,
    ))
}

async fn read_reply(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<AdminReply> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

/// A connection to the server that runs on the data folder; `None` if none does.
async fn connect(data: &Path) -> Result<Option<UnixStream>, ControlError> {
    if !data.is_dir() {
        return Ok(None);
    }
    let address = Address::new(data)?;
    match UnixStream::connect(&address.path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(io_error(data, &error)),
        },
    }
}
