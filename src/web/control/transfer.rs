//! The server's part in commands that are followed by more than one line.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

use super::{TIME_MAX, clock, write_reply};
use crate::ops::Dav;
use crate::ops::admin::AdminReply;
use crate::ops::admin::transfers::{CheckLine, TransferCommand};
use crate::ops::backups::Telling;
use crate::ops::check::{Manner, Progress};

/// How long a client may come no further. Large content takes its time to reach a slow disk.
const PROGRESS_TIME_MAX: Duration = Duration::from_secs(300);

const CHECK_TOLD_EVERY: Duration = Duration::from_millis(500);

/// Does what the client began.
pub(super) async fn serve(
    command: TransferCommand,
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    dav: &Dav,
) -> io::Result<()> {
    match command {
        TransferCommand::Backup => tell_moment(&mut reader, &mut writer, dav).await,
        TransferCommand::Check(manner) => tell_check(&mut writer, dav, manner).await,
    }
}

async fn tell_moment(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    dav: &Dav,
) -> io::Result<()> {
    let mut moment = match dav.hold_moment().await {
        Ok(moment) => moment,
        Err(error) => return write_reply(writer, &AdminReply::Refused(error.into())).await,
    };
    write_reply(writer, &AdminReply::Done).await?;
    let mut telling = Telling::of(&mut moment);
    loop {
        let bytes = telling.next().await;
        if bytes.is_empty() {
            break;
        }
        // Whoever reads slowly makes the store keep what changes.
        timeout(TIME_MAX, writer.write_all(&bytes)).await??;
    }
    writer.flush().await?;
    let mut beats = [0; 64];
    loop {
        match timeout(PROGRESS_TIME_MAX, reader.read(&mut beats)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Err(_) => {
                let seconds = PROGRESS_TIME_MAX.as_secs();
                let what = format!("a backup came no further for {seconds} seconds");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
        }
    }
}

/// A client that hangs up ends the check: the next line does not reach it.
async fn tell_check(
    writer: &mut (impl AsyncWrite + Unpin),
    dav: &Dav,
    manner: Manner,
) -> io::Result<()> {
    write_reply(writer, &AdminReply::Done).await?;
    let progress = watch::Sender::new(Progress::default());
    let tell = |now| {
        progress.send_replace(now);
    };
    let mut check = pin!(dav.check(clock::now(), manner, &tell));
    let mut ticks = interval(CHECK_TOLD_EVERY);
    loop {
        let line = tokio::select! {
            report = check.as_mut() => CheckLine::End(report.map_err(|error| error.to_string())),
            _ = ticks.tick() => CheckLine::Progress(*progress.borrow()),
        };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        timeout(TIME_MAX, writer.write_all(&bytes)).await??;
        if matches!(line, CheckLine::End(_)) {
            return writer.flush().await;
        }
    }
}
