//! Room for answers that wait for events: each holds a connection, so there are only so many, and
//! one user does not take them all. When the server stops they end at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::watch;

use crate::lock::UserId;

/// Answers of one user at once that wait for events: some programs on some devices.
const OF_USER_MAX: usize = 32;

/// The room.
#[derive(Debug)]
pub(in crate::web) struct Seats {
    max: usize,
    taken: Mutex<HashMap<UserId, usize>>,
    closing: watch::Sender<bool>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Full {
    /// For anybody.
    #[error("too many requests wait for events already (events.streams_max); try again later")]
    All,
    /// For this user.
    #[error("{OF_USER_MAX} requests of this user wait for events already; end one first")]
    OfUser,
}

impl Seats {
    /// Room for `max` answers.
    pub(in crate::web) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Mutex::default(),
            closing: watch::Sender::new(false),
        }
    }

    /// Ends the waiting, now and from now on.
    pub(in crate::web) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Tells whether [`Seats::close`] was called.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Room for one more answer to this user.
    pub(super) fn take(self: &Arc<Self>, user: UserId) -> Result<Seat, Full> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= self.max {
            return Err(Full::All);
        }
        let of_user = taken.entry(user).or_default();
        if *of_user >= OF_USER_MAX {
            return Err(Full::OfUser);
        }
        *of_user += 1;
        Ok(Seat {
            seats: Arc::clone(self),
            user,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one answer, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    user: UserId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(of_user) = taken.get_mut(&self.user) {
            *of_user -= 1;
        }
        taken.retain(|_, of_user| *of_user > 0);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_user_does_not_take_them_all() {
        let seats = Arc::new(Seats::new(OF_USER_MAX + 1));
        let [alice, bob, carol] = [1, 2, 3].map(|id| UserId(Uuid::from_u128(id)));
        let mut of_alice: Vec<Seat> = (0..OF_USER_MAX)
            .map(|_| seats.take(alice).expect("room"))
            .collect();
        assert_eq!(seats.take(alice).err(), Some(Full::OfUser));
        let of_bob = seats.take(bob).expect("room");
        assert_eq!(seats.take(carol).err(), Some(Full::All));
        of_alice.pop();
        let of_carol = seats.take(carol).expect("what alice gave up");
        drop((of_alice, of_bob, of_carol));
        assert!(seats.taken().is_empty());
        assert_eq!(Arc::new(Seats::new(0)).take(alice).err(), Some(Full::All));
    }
}
