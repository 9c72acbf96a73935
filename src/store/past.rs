//! Snapshots of the embedded engines: whoever changes a row while somebody reads a snapshot leaves
//! the value that it had there, if it is not read yet. Knows no engine.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use super::engine::{Key, StoreError};
use super::overlay::{ENGINE_ROWS, LIMITS, Overlay};

/// What may be kept for one snapshot, in bytes: whoever reads more slowly than others write loses
/// it, rather than filling the memory.
const KEPT_BYTES_MAX: usize = 256 << 20;

/// What a row costs in memory beside its bytes.
const ROW_BYTES: usize = 64;

/// Longer than a key may be, so every key lies before it.
const BEHIND_ALL: [u8; LIMITS.key_bytes_max + 1] = [u8::MAX; LIMITS.key_bytes_max + 1];

/// The snapshots that are being read.
#[derive(Debug, Default)]
pub(super) struct Past {
    views: Vec<Weak<Mutex<View>>>,
}

/// How the rows were.
#[derive(Debug)]
pub(super) struct View {
    /// The keys that are not read yet.
    unread: Range<Key>,
    /// Rows of these that have changed since, as they were.
    before: Overlay,
    kept_bytes: usize,
    lost: Option<StoreError>,
}

impl Past {
    /// A snapshot begins. Nobody may be changing rows.
    pub(super) fn begin(&mut self) -> Arc<Mutex<View>> {
        let view = Arc::new(Mutex::new(View {
            unread: Bytes::from_static(&[ENGINE_ROWS + 1])..Bytes::from_static(&BEHIND_ALL),
            before: Overlay::default(),
            kept_bytes: 0,
            lost: None,
        }));
        self.views.push(Arc::downgrade(&view));
        view
    }

    /// What is being read cannot be read to its end.
    pub(super) fn lose(&mut self, error: &StoreError) {
        for view in self.views.drain(..).filter_map(|view| view.upgrade()) {
            lock(&view).lose(error.clone());
        }
    }

    /// These rows are about to change. `read` tells what they are.
    pub(super) fn keep<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k Key>,
        read: impl Fn(&Key) -> Result<Option<Bytes>, StoreError>,
    ) {
        self.views.retain(|view| view.strong_count() > 0);
        let views: Vec<_> = self.views.iter().filter_map(Weak::upgrade).collect();
        if views.is_empty() {
            return;
        }
        for key in keys {
            for view in &views {
                let mut view = lock(view);
                if view.wants(key) {
                    view.keep(key, read(key));
                }
            }
        }
    }
}

impl View {
    fn wants(&self, key: &Key) -> bool {
        self.lost.is_none() && self.unread.contains(key) && self.before.get(key).is_none()
    }

    fn keep(&mut self, key: &Key, value: Result<Option<Bytes>, StoreError>) {
        let value = match value {
            Ok(value) => value,
            Err(error) => return self.lose(error),
        };
        self.kept_bytes += ROW_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
        match value {
            Some(value) => self.before.put(key.clone(), value),
            None => self.before.delete(key.clone()),
        }
        if self.kept_bytes > KEPT_BYTES_MAX {
            self.lose(StoreError::Failed(
                "too much changed while a snapshot was read; try again when less is going on"
                    .to_owned(),
            ));
        }
    }

    fn lose(&mut self, error: StoreError) {
        self.before = Overlay::default();
        self.lost = Some(error);
    }

    /// The next page, at most `limit` rows. `read` gives rows of a range, as changed by an overlay.
    pub(super) fn next(
        &mut self,
        limit: usize,
        read: impl FnOnce(&Overlay, &Range<Key>) -> Result<Vec<(Key, Bytes)>, StoreError>,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let page = read(&self.before, &self.unread)?;
        match page.last() {
            Some((last, _)) if page.len() == limit => {
                self.unread.start = Bytes::from([&last[..], &[0]].concat());
            }
            _ => self.unread.start = self.unread.end.clone(),
        }
        self.before.forget_below(&self.unread.start);
        Ok(page)
    }
}

/// What a snapshot has.
pub(super) fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}
