//! The only clock: everything below is handed the time.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use crate::protocol::time::Timestamp;

/// What time it is. Read once per request.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the calendar"
)]
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Time since the first call, for measuring: it never jumps.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the stopwatch"
)]
pub fn stopwatch() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
