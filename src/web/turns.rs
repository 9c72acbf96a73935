//! So many at once for each user or address: who has them all waits or is refused, and nobody else
//! notices.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What each may have at once.
#[derive(Debug)]
pub(super) struct Turns<K> {
    max: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl<K: Eq + Hash> Turns<K> {
    /// At most `max` for each.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Mutex::default(),
        }
    }

    /// One more for `key`, if it may have one.
    pub(super) fn take(&self, key: K) -> Option<Turn> {
        self.of(key).try_acquire_owned().ok().map(Turn)
    }

    /// One more for `key`, which waits in its own line for so long.
    pub(super) async fn wait(&self, key: K, time_max: Duration) -> Option<Turn> {
        let of_key = self.of(key);
        if let Ok(turn) = Arc::clone(&of_key).try_acquire_owned() {
            return Some(Turn(turn));
        }
        let acquired = timeout(time_max, of_key.acquire_owned()).await;
        acquired.ok()?.ok().map(Turn)
    }

    /// What is left for `key`.
    pub(super) fn of(&self, key: K) -> Arc<Semaphore> {
        let mut taken = self.taken();
        if !taken.contains_key(&key) {
            // Those who have none and wait for none are forgotten.
            taken.retain(|_, of_key| Arc::strong_count(of_key) > 1);
        }
        let of_key = taken
            .entry(key)
            .or_insert_with(|| Arc::new(Semaphore::new(self.max)));
        Arc::clone(of_key)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_has_its_own() {
        let turns = Turns::new(2);
        let first = turns.take("a").unwrap();
        let second = turns.take("a").unwrap();
        assert!(turns.take("a").is_none());
        assert!(turns.wait("a", Duration::ZERO).await.is_none());
        let other = turns.take("b").unwrap();
        drop(first);
        let third = turns.wait("a", Duration::MAX).await.unwrap();
        assert!(turns.take("a").is_none());
        drop((second, third, other));
        assert!(turns.take("c").is_some());
        assert_eq!(turns.taken().len(), 1, "only c is remembered");
    }

    #[tokio::test]
    async fn who_waits_is_not_forgotten() {
        let turns = Turns::new(1);
        let held = turns.take("a").unwrap();
        let (waited, ()) = tokio::join!(turns.wait("a", Duration::MAX), async {
            assert!(turns.take("b").is_some());
            drop(held);
        });
        assert!(turns.take("a").is_none());
        drop(waited);
    }
}
