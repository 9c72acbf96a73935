//! How our server stands beside the best peer of a row.

use super::spread::Spread;
use super::{Measured, Row};
use crate::load::Sample;

/// A p99 above so many times the best peer's is marked.
const LATENCY_RATIO_MAX: f64 = 2.0;

/// Our place beside one peer.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The number of the peer among the servers.
    pub(crate) peer: usize,
    /// Our rate to its, round by round.
    pub(crate) rate: Spread,
    /// Our 99th percentile is worse than it should be.
    pub(crate) is_late: bool,
}

impl Standing {
    /// Beside the fastest peer that answered everything right; `None`: there is none, or we failed.
    pub(crate) fn of(row: &Row, is_peer: impl Fn(usize) -> bool) -> Option<Self> {
        let ours = row.results.first()?;
        if !ours.is_right() {
            return None;
        }
        let peers = row.results.iter().enumerate();
        let right = peers.filter(|(number, result)| is_peer(*number) && result.is_right());
        let (peer, its) = right.max_by(|(_, one), (_, other)| {
            let [one, other] = [one, other].map(|each| each.rate().median());
            one.total_cmp(&other)
        })?;
        Some(Self {
            peer,
            rate: Spread::of(
                ours.pairs(its)
                    .map(|(we, it)| we.operations_per_second / it.operations_per_second),
            ),
            is_late: ours.p99_ms().median() > LATENCY_RATIO_MAX * its.p99_ms().median(),
        })
    }
}

impl Measured {
    pub(crate) fn is_right(&self) -> bool {
        self.outcome.is_ok() && !self.samples.is_empty()
    }

    fn spread(&self, figure: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(figure))
    }

    pub(crate) fn rate(&self) -> Spread {
        self.spread(|sample| sample.operations_per_second)
    }

    pub(crate) fn p50_ms(&self) -> Spread {
        self.spread(|sample| sample.p50.as_secs_f64() * 1e3)
    }

    pub(crate) fn p99_ms(&self) -> Spread {
        self.spread(|sample| sample.p99.as_secs_f64() * 1e3)
    }

    pub(crate) fn cpu_us(&self) -> Spread {
        self.spread(|sample| sample.server_cpu_us)
    }

    pub(crate) fn load_cores(&self) -> Spread {
        self.spread(|sample| sample.load_cores)
    }

    pub(crate) fn foreign_cores(&self) -> Spread {
        self.spread(|sample| sample.foreign_cores)
    }

    fn pairs<'a>(&'a self, its: &'a Self) -> impl Iterator<Item = (&'a Sample, &'a Sample)> {
        self.samples.iter().zip(&its.samples)
    }
}
