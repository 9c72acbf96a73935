//! How much of the machine one user gets. While several users have something to do, requests of one
//! are worked on by at most half of the cores at any moment, whatever they do: forty long listings
//! of one leave room for the small request of another. Who is alone has all of them, but not more
//! at once, so that whoever comes finds no queue. Nothing is held while a request waits for a disk
//! or a socket.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::thread::available_parallelism;

use crate::resource::UserId;

/// Who has been at work among the last so many has something to do. Counted in turns, since who
/// uploads slowly, or waits for events, takes one now and then.
const RECENT: u64 = 64;

/// The cores, and who wants them.
#[derive(Debug)]
pub(super) struct Cores {
    count: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts turns.
    now: u64,
    /// The two who were at work last, and when.
    last: [Option<(UserId, u64)>; 2],
    /// Of those who are at work or wait.
    users: HashMap<UserId, OfUser>,
}

/// What the requests of one user do.
#[derive(Debug, Default)]
struct OfUser {
    /// So many are worked on, or may go on.
    working: usize,
    /// In the order in which they came.
    waiting: VecDeque<(u64, Waker)>,
    /// They waited and may go on.
    called: Vec<u64>,
}

/// The way of one request through the cores that its user may have.
pub(super) struct Lane {
    cores: Arc<Cores>,
    user: UserId,
    /// While others of the same user are worked on.
    ticket: Option<u64>,
}

/// A core, until this is dropped.
pub(super) struct Core<'l> {
    cores: &'l Cores,
    user: UserId,
}

impl Cores {
    /// All that there are.
    pub(super) fn of_this_machine() -> Arc<Self> {
        Self::new(available_parallelism().map_or(1, usize::from))
    }

    fn new(count: usize) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { count, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many `user` may have now.
    fn share(&self, state: &State, user: UserId) -> usize {
        let others = state.last.iter().flatten().filter(|(who, _)| *who != user);
        if others.clone().any(|(_, when)| state.now - when < RECENT) {
            (self.count / 2).max(1)
        } else {
            self.count
        }
    }

    /// Goes on at once, or gets a ticket.
    fn enter(&self, state: &mut State, user: UserId, cx: &mut Context<'_>) -> Result<(), u64> {
        let ticket = state.count_turn(user);
        let share = self.share(state, user);
        let of_user = state.users.entry(user).or_default();
        if of_user.working < share && of_user.waiting.is_empty() {
            of_user.working += 1;
            return Ok(());
        }
        of_user.waiting.push_back((ticket, cx.waker().clone()));
        Err(ticket)
    }

    /// One that was worked on goes.
    fn leave(&self, user: UserId) {
        let mut state = self.state();
        let share = self.share(&state, user);
        let Some(of_user) = state.users.get_mut(&user) else {
            return;
        };
        of_user.working -= 1;
        let mut called = Vec::new();
        while of_user.working < share
            && let Some((ticket, waker)) = of_user.waiting.pop_front()
        {
            of_user.working += 1;
            of_user.called.push(ticket);
            called.push(waker);
        }
        if of_user.working == 0 {
            state.users.remove(&user);
        }
        drop(state);
        called.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Another turn, which `user` takes or waits for.
    fn count_turn(&mut self, user: UserId) -> u64 {
        self.now += 1;
        let [last, before] = &mut self.last;
        if last.is_none_or(|(who, _)| who != user) {
            *before = *last;
        }
        *last = Some((user, self.now));
        self.now
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.user).finish()
    }
}

impl Lane {
    /// A lane of this user.
    pub(super) fn new(cores: Arc<Cores>, user: UserId) -> Self {
        let ticket = None;
        Self {
            cores,
            user,
            ticket,
        }
    }

    /// A core, once it is this one's turn; for as long as the work goes on without waiting.
    pub(super) fn poll_enter(&mut self, cx: &mut Context<'_>) -> Poll<Core<'_>> {
        let mut state = self.cores.state();
        let entered = match self.ticket {
            Some(ticket) => Self::is_called(&mut state, self.user, ticket, cx),
            None => self.cores.enter(&mut state, self.user, cx),
        };
        drop(state);
        self.ticket = entered.err();
        if self.ticket.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(Core {
            cores: &self.cores,
            user: self.user,
        })
    }

    /// Whether one that waits may go on; if not, it goes on waiting.
    fn is_called(
        state: &mut State,
        user: UserId,
        ticket: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), u64> {
        let Some(of_user) = state.users.get_mut(&user) else {
            return Err(ticket);
        };
        if let Some(place) = of_user.called.iter().position(|called| *called == ticket) {
            of_user.called.swap_remove(place);
            return Ok(());
        }
        let mut waiting = of_user.waiting.iter_mut();
        if let Some((_, waker)) = waiting.find(|(waiting, _)| *waiting == ticket) {
            waker.clone_from(cx.waker());
        }
        Err(ticket)
    }

    /// Does all of this in the lane.
    pub(super) async fn pace<F: Future>(mut self, mut work: Pin<Box<F>>) -> F::Output {
        poll_fn(|cx| {
            let _core = ready!(self.poll_enter(cx));
            work.as_mut().poll(cx)
        })
        .await
    }
}

impl Drop for Lane {
    /// Whoever goes while waiting leaves the place to the next.
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.cores.state();
        let Some(of_user) = state.users.get_mut(&self.user) else {
            return;
        };
        of_user.waiting.retain(|(waiting, _)| *waiting != ticket);
        let called = mem::take(&mut of_user.called);
        let was_called = called.contains(&ticket);
        of_user.called = called
            .into_iter()
            .filter(|other| *other != ticket)
            .collect();
        drop(state);
        if was_called {
            self.cores.leave(self.user);
        }
    }
}

impl Drop for Core<'_> {
    fn drop(&mut self) {
        self.cores.leave(self.user);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::task::noop_waker_ref;
    use tokio::task::{JoinSet, yield_now};
    use uuid::Uuid;

    use super::*;

    const ALICE: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));

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
        let cores = Cores::new(2);
        let mut all = JoinSet::new();
        for _ in 0..30 {
            let lane = Lane::new(Arc::clone(&cores), ALICE);
            let work = work(Arc::clone(&at_once), Arc::clone(&most));
            all.spawn(lane.pace(Box::pin(work)));
        }
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert!(cores.state().users.is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_something_else_leaves_the_lane() {
        let cores = Cores::new(1);
        let (tell, told) = tokio::sync::oneshot::channel();
        let waits = Lane::new(Arc::clone(&cores), ALICE).pace(Box::pin(told));
        let tells = Lane::new(cores, ALICE).pace(Box::pin(async { tell.send(7) }));
        let (heard, said) = tokio::join!(waits, tells);
        assert_eq!((heard, said), (Ok(7), Ok(())));
    }

    fn lanes<const N: usize>(cores: &Arc<Cores>, user: UserId) -> [Lane; N] {
        [(); N].map(|()| Lane::new(Arc::clone(cores), user))
    }

    fn enters(lane: &mut Lane) -> Option<Core<'_>> {
        let mut cx = Context::from_waker(noop_waker_ref());
        match lane.poll_enter(&mut cx) {
            Poll::Ready(core) => Some(core),
            Poll::Pending => None,
        }
    }

    #[test]
    fn who_is_alone_has_all_and_shares_with_who_comes() {
        let cores = Cores::new(4);
        let [mut a, mut b, mut c, mut d, mut fifth] = lanes(&cores, ALICE);
        let [mut of_bob, mut more, mut too_many] = lanes(&cores, BOB);
        let first = enters(&mut a);
        let working = [enters(&mut b), enters(&mut c), enters(&mut d)];
        assert!(first.is_some() && working.iter().all(Option::is_some));
        assert!(enters(&mut fifth).is_none(), "there are only four");
        let bobs = [enters(&mut of_bob), enters(&mut more)];
        assert!(bobs.iter().all(Option::is_some));
        assert!(enters(&mut too_many).is_none(), "two are half of them");
        drop(first);
        assert!(enters(&mut fifth).is_none(), "Alice has three still");
        drop(working);
        let core = enters(&mut fifth);
        assert!(core.is_some(), "it was called");
        drop((core, bobs));
        assert!(enters(&mut too_many).is_some());
        for _ in 0..RECENT {
            assert!(enters(&mut a).is_some());
        }
        let all = [enters(&mut a), enters(&mut b), enters(&mut c)];
        assert!(all.iter().all(Option::is_some), "Bob has nothing to do");
    }

    #[test]
    fn who_goes_while_waiting_leaves_the_place_to_the_next() {
        let cores = Cores::new(1);
        let [mut a, mut goes, mut called, mut next] = lanes(&cores, ALICE);
        let core = enters(&mut a);
        assert!(enters(&mut goes).is_none());
        assert!(enters(&mut called).is_none());
        assert!(enters(&mut next).is_none());
        drop(goes);
        drop(core);
        assert!(enters(&mut next).is_none(), "another one was called");
        drop(called);
        assert!(enters(&mut next).is_some());
        drop(next);
        assert!(cores.state().users.is_empty());
    }
}
