//! Work on the disk, off the workers of tokio, and what goes wrong with it in our words.

use std::io;

use tokio::task::spawn_blocking;

use crate::store::engine::StoreError;

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work)
        .await
        .map_err(|error| StoreError::Failed(error.to_string()))?
}

pub(super) fn in_words(error: &io::Error, what: &str) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Failed(format!("{what}: {error}")),
    }
}
