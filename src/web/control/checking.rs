//! The server's part in a check.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::{Notify, watch};
use tokio::time::interval;
use tokio::try_join;

use super::{clock, write_line};
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
    write_line(writer, &AdminReply::Done).await?;
    let progress = watch::Sender::new(Progress::default());
    let tell = |now| {
        progress.send_replace(now);
    };
    let check = dav.check(clock::now(), manner, &tell);
    let report = accompany(check, &progress, writer).await?;
    let report = report.map_err(|error| error.to_string());
    write_line(writer, &CheckLine::End(report)).await
}

/// Does the work and tells how far it has come: beside it, not in turns with it, for the work may
/// have its turn in the store, and a client that reads nothing must not make it pause there.
async fn accompany<T>(
    work: impl Future<Output = T>,
    progress: &watch::Sender<Progress>,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<T> {
    let over = Notify::new();
    let working = async {
        let outcome = work.await;
        over.notify_one();
        Ok(outcome)
    };
    let telling = async {
        let mut ticks = interval(TOLD_EVERY);
        loop {
            tokio::select! {
                () = over.notified() => return io::Result::Ok(()),
                _ = ticks.tick() => {}
            }
            let now = *progress.borrow();
            write_line(writer, &CheckLine::Progress(now)).await?;
        }
    };
    let (outcome, ()) = try_join!(working, telling)?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_work_goes_on_while_the_client_reads_nothing() {
        let (mut ours, _theirs) = duplex(1);
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            let work = async {
                for _ in 0..1000 {
                    yield_now().await;
                }
                end.send(())
            };
            let progress = watch::Sender::new(Progress::default());
            accompany(work, &progress, &mut ours).await
        });
        let ended = timeout(Duration::from_secs(10), ended).await;
        assert_eq!(ended, Ok(Ok(())));
    }
}
