//! Buffers for pieces that are read, used again and again: a fresh one costs page faults and
//! zeroes, which for a large download is a tenth of all work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::PIECE_BYTES_MAX;

/// How many wait to be used again, at most: 8 MiB.
const WAITING_MAX: usize = 32;

/// The buffers that nobody uses now.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer in use. It goes back when it is dropped, so also as the owner of bytes, as soon as the
/// last of them have been sent.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Always [`PIECE_BYTES_MAX`] long.
    bytes: Vec<u8>,
    used: usize,
    home: Arc<Buffers>,
}

impl Buffers {
    /// For `used` bytes, at most [`PIECE_BYTES_MAX`]. Until all of them are overwritten they are
    /// anybody's: whoever cannot fill them must not hand them out.
    pub(super) fn take(home: &Arc<Self>, used: usize) -> Buffer {
        let waiting = home.waiting().pop();
        Buffer {
            bytes: waiting.unwrap_or_else(|| vec![0; PIECE_BYTES_MAX]),
            used: used.min(PIECE_BYTES_MAX),
            home: Arc::clone(home),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.used]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut waiting = self.home.waiting();
        if waiting.len() < WAITING_MAX {
            waiting.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_the_last_of_its_bytes_are_gone() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = Buffers::take(&buffers, 5);
        buffer.as_mut().copy_from_slice(b"bytes");
        let bytes = Bytes::from_owner(buffer);
        let some = bytes.slice(1..3);
        drop(bytes);
        assert_eq!((&some[..], buffers.waiting().len()), (&b"yt"[..], 0));
        drop(some);
        assert_eq!(buffers.waiting().len(), 1);
        let again = Buffers::take(&buffers, usize::MAX);
        assert_eq!(again.as_ref().len(), PIECE_BYTES_MAX);
        assert_eq!(buffers.waiting().len(), 0);
    }

    #[test]
    fn few_buffers_wait() {
        let buffers = Arc::new(Buffers::default());
        let all: Vec<_> = (0..=WAITING_MAX)
            .map(|_| Buffers::take(&buffers, 1))
            .collect();
        drop(all);
        assert_eq!(buffers.waiting().len(), WAITING_MAX);
    }
}
