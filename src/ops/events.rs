//! What happens to locks, told in the log: who, when, which lock, with which program. Tokens are
//! secrets and never appear.

use tracing::info;

use super::Ask;
use crate::lock::Lock;

/// What happened to a lock.
#[derive(Debug, Clone, Copy)]
pub(super) enum LockEvent {
    Taken,
    Refreshed,
    Released,
    /// Released by a holder of SuperCheckIn.
    ForcedRelease,
    /// Taken over by a holder of SuperCheckIn.
    Stolen,
}

pub(super) fn tell(event: LockEvent, ask: &Ask, lock: &Lock) {
    info!(
        target: "lockkeeper::locks",
        event = ?event,
        user = %ask.principal.name,
        target = %ask.target,
        resource = %lock.root,
        kind = %lock.kind,
        holder = %lock.holder,
        program = %ask.program,
    );
}

/// The sweep found that a lock's time has passed.
pub(super) fn tell_expired(lock: &Lock) {
    info!(
        target: "lockkeeper::locks",
        event = "Expired",
        resource = %lock.root,
        kind = %lock.kind,
        holder = %lock.holder,
    );
}
