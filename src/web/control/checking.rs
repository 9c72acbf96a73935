//! The server's part in a check.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

use super::{TIME_MAX, clock, write_reply};
use crate::ops::Dav;
use crate::ops::admin::AdminReply;
use crate::ops::admin::transfers::CheckLine;
use crate::ops::check::{Manner, Progress};

const TOLD_EVERY: Duration = Duration::from_millis(500);

/// A client that hangs up ends the check: the next line does not reach it.
pub(super) async fn serve(
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
    let mut ticks = interval(TOLD_EVERY);
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
