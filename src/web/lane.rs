//! How much of the machine one user gets. Requests of one user are worked on by at most half of the
//! cores at any moment, whatever they do: forty long listings of one then leave room for the small
//! request of another. Nothing is held while a request waits for a disk or a socket.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

type Entering = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// The way of one request through the cores that its user may have.
pub(super) struct Lane {
    cores: Arc<Semaphore>,
    /// While others of the same user are worked on.
    entering: Option<Entering>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.cores).finish()
    }
}

impl Lane {
    /// A lane of those who share `cores`.
    pub(super) fn new(cores: Arc<Semaphore>) -> Self {
        Self {
            cores,
            entering: None,
        }
    }

    /// How many cores one user may have.
    pub(super) fn width() -> usize {
        let cores = available_parallelism().map_or(1, usize::from);
        (cores / 2).max(1)
    }

    /// A core, once it is this one's turn; for as long as the work goes on without waiting.
    pub(super) fn poll_enter(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<OwnedSemaphorePermit>> {
        let cores = &self.cores;
        if self.entering.is_none()
            && let Ok(core) = Arc::clone(cores).try_acquire_owned()
        {
            return Poll::Ready(Some(core));
        }
        let wait = || Box::pin(Arc::clone(cores).acquire_owned()) as Entering;
        let core = ready!(self.entering.get_or_insert_with(wait).as_mut().poll(cx));
        self.entering = None;
        Poll::Ready(core.ok())
    }

    /// Does all of this in the lane.
    pub(super) async fn pace<F: Future>(mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _core = ready!(self.poll_enter(cx));
            work.as_mut().poll(cx)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    /// Works a little, several times, and notes how many do so at the same moment.
    async fn work(at_once: Arc<AtomicUsize>, most: Arc<AtomicUsize>) {
        for _ in 0..50 {
            let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            at_once.fetch_sub(1, Ordering::SeqCst);
            yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn only_so_many_are_worked_on_and_all_end() {
        let (at_once, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let cores = Arc::new(Semaphore::new(2));
        let mut all = JoinSet::new();
        for _ in 0..30 {
            let lane = Lane::new(Arc::clone(&cores));
            all.spawn(lane.pace(work(Arc::clone(&at_once), Arc::clone(&most))));
        }
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(cores.available_permits(), 2);
    }

    #[tokio::test]
    async fn who_waits_for_something_else_leaves_the_lane() {
        let cores = Arc::new(Semaphore::new(1));
        let (tell, told) = tokio::sync::oneshot::channel();
        let waits = Lane::new(Arc::clone(&cores)).pace(told);
        let tells = Lane::new(cores).pace(async { tell.send(7) });
        let (heard, said) = tokio::join!(waits, tells);
        assert_eq!((heard, said), (Ok(7), Ok(())));
    }
}
