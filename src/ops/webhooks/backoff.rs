//! How long to wait for a receiver that did not take a page.

use std::time::Duration;

use crate::config;

/// The pause after so many failures in a row: twice as long each time, up to a limit. Up to a
/// quarter of it is left out by chance (`random`), so that webhooks which failed together do not
/// come back together.
pub(super) fn pause(failures: u32, random: u32, config: &config::Webhooks) -> Duration {
    let doubled = 1_u64.checked_shl(failures.saturating_sub(1));
    let seconds = config
        .retry_seconds_min
        .saturating_mul(doubled.unwrap_or(u64::MAX))
        .min(config.retry_seconds_max);
    let whole = Duration::from_secs(seconds);
    let left_out = whole.as_millis() * u128::from(random) / (4 * u128::from(u32::MAX));
    whole.saturating_sub(Duration::from_millis(
        u64::try_from(left_out).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let config = config::Webhooks::default();
        let check = |failures, longest_s: u64| {
            let longest = Duration::from_secs(longest_s);
            assert_eq!(pause(failures, 0, &config), longest, "{failures}");
            assert_eq!(pause(failures, u32::MAX, &config), longest * 3 / 4);
            let middle = pause(failures, u32::MAX / 2, &config);
            assert!(longest * 3 / 4 < middle && middle < longest, "{middle:?}");
        };
        check(1, 5);
        check(2, 10);
        check(3, 20);
        check(4, 40);
        check(10, 2560);
        check(11, 3600);
        check(64, 3600);
        check(65, 3600);
        check(u32::MAX, 3600);
    }
}
