//! Points in time as values. Nothing below `web/` reads a clock: a [`Timestamp`] is handed in.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time plus `seconds`, at most the end of time.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds from `now` until this time, rounded up; 0 when it has passed.
    pub fn seconds_from(self, now: Self) -> u64 {
        self.0.saturating_sub(now.0).div_ceil(1000)
    }

    /// `2026-11-22T04:11:36Z` (RFC 3339), as `DAV:creationdate` wants it.
    pub fn rfc3339(self) -> String {
        humantime::format_rfc3339_seconds(self.system_time()).to_string()
    }

    /// `2026-11-22T04:11:36.007Z` (RFC 3339), for what may happen many times in a second.
    pub fn rfc3339_millis(self) -> String {
        humantime::format_rfc3339_millis(self.system_time()).to_string()
    }

    /// `Sun, 22 Nov 2026 04:11:36 GMT` (RFC 9110 §5.6.7), as Last-Modified wants it.
    pub fn http_date(self) -> String {
        httpdate::fmt_http_date(self.system_time())
    }

    /// The same time for the standard library; at most the end of the year 9999, which is as far
    /// as either date format reaches.
    pub fn system_time(self) -> SystemTime {
        const YEAR_9999_END_MS: u64 = 253_402_300_799_000;
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.min(YEAR_9999_END_MS))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}
