//! The load generator of the side-by-side measurement: a small client, what one operation of each
//! scenario is, and how a run is timed. All connections share one thread, for threads of their own
//! would cost more than the requests.

mod client;
mod content;
pub(crate) mod cpu;
mod dav;
mod operation;
mod run;
mod scenario;

pub(crate) use client::Target;
pub(crate) use run::{Sample, run};
pub(crate) use scenario::{SCENARIOS, Scenario};
