//! The server's part in commands that are followed by more than one line.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::time::timeout;

use super::frames::{Frame, receive, send, send_bytes, send_end, unexpected};
use super::{TIME_MAX, checking, write_line};
use crate::ops::Dav;
use crate::ops::admin::AdminReply;
use crate::ops::admin::transfers::TransferCommand;
use crate::ops::backups::Telling;
use crate::ops::intake::Intake;
use crate::ops::transfer::{Answer, Exported, Import, Item};
use crate::web::clock;

/// How long a client may come no further. Large content takes its time to reach a slow disk.
const PROGRESS_TIME_MAX: Duration = Duration::from_secs(300);

/// How much of a file is read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Does what the client began.
pub(super) async fn serve(
    command: TransferCommand,
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    dav: &Arc<Dav>,
) -> io::Result<()> {
    match command {
        TransferCommand::Backup => tell_moment(&mut reader, &mut writer, dav).await,
        TransferCommand::Check(manner) => checking::serve(&mut writer, dav, manner).await,
        TransferCommand::Export { path } => export(BufWriter::new(writer), dav, &path).await,
        TransferCommand::Import { user, overwrite } => {
            let import = match dav.import(&user, overwrite).await {
                Ok(import) => import,
                Err(error) => return write_line(&mut writer, &AdminReply::Refused(error)).await,
            };
            write_line(&mut writer, &AdminReply::Done).await?;
            take_in(&mut reader, &mut writer, &import).await
        }
    }
}

async fn tell_moment(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    dav: &Dav,
) -> io::Result<()> {
    let mut moment = match dav.hold_moment().await {
        Ok(moment) => moment,
        Err(error) => return write_line(writer, &AdminReply::Refused(error.into())).await,
    };
    write_line(writer, &AdminReply::Done).await?;
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

async fn export(mut writer: impl AsyncWrite + Unpin, dav: &Arc<Dav>, path: &str) -> io::Result<()> {
    let mut export = match dav.export(path, clock::now()).await {
        Ok(export) => export,
        Err(error) => return write_line(&mut writer, &AdminReply::Refused(error.into())).await,
    };
    write_line(&mut writer, &AdminReply::Done).await?;
    loop {
        match export.next().await {
            Ok(Some(found)) => timeout(PROGRESS_TIME_MAX, tell(&mut writer, found)).await??,
            Ok(None) => return send_end(&mut writer, Ok(())).await,
            Err(error) => return send_end(&mut writer, Err(error.to_string())).await,
        }
    }
}

async fn tell(writer: &mut (impl AsyncWrite + Unpin), found: Exported) -> io::Result<()> {
    let (item, mut source) = match found {
        Exported::Folder(item) => return send(writer, &item).await,
        Exported::Unreadable(item, why) => {
            send(writer, &item).await?;
            return send_end(writer, Err(why)).await;
        }
        Exported::File(item, source) => (item, source),
    };
    send(writer, &item).await?;
    let mut offset = 0;
    loop {
        match source.read(offset, PIECE_BYTES).await {
            Ok(piece) if piece.is_empty() => return send_end(writer, Ok(())).await,
            Ok(piece) => {
                offset += piece.len() as u64;
                send_bytes(writer, &piece).await?;
            }
            Err(error) => return send_end(writer, Err(error.to_string())).await,
        }
    }
}

async fn take_in(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    import: &Import<'_>,
) -> io::Result<()> {
    while let Some(frame) = timeout(PROGRESS_TIME_MAX, receive(reader)).await?? {
        let item: Item = frame.value()?;
        let answer = if item.size.is_none() {
            import.folder(&item, clock::now()).await
        } else {
            match import.begin(&item, clock::now()).await {
                Ok(mut intake) => {
                    send(writer, &Answer::Send).await?;
                    match pour(reader, &mut intake).await? {
                        Ok(()) => import.end(&item, intake, clock::now()).await,
                        Err(why) => Answer::Refused(why),
                    }
                }
                Err(answer) => answer,
            }
        };
        send(writer, &answer).await?;
    }
    Ok(())
}

/// Takes the bytes of a file, all of them also when they do not fit; whether it is whole.
async fn pour(
    reader: &mut (impl AsyncRead + Unpin),
    intake: &mut Intake<'_>,
) -> io::Result<Result<(), String>> {
    let mut poured = Ok(());
    loop {
        let frame = timeout(PROGRESS_TIME_MAX, receive(reader)).await??;
        match frame {
            Some(Frame::Bytes(piece)) if poured.is_ok() => {
                let pushed = intake.push(piece).await;
                poured = pushed.map_err(|error| error.to_string());
            }
            Some(Frame::Bytes(_)) => {}
            Some(Frame::End) => return Ok(poured),
            Some(Frame::Broken(why)) => return Ok(Err(why)),
            _ => return Err(unexpected("no end of a file")),
        }
    }
}
