//! The load generator of the side-by-side measurement: a small client, what one operation of each
//! scenario is, and how a run is timed.

mod client;
pub(crate) mod cpu;
mod run;
mod scenario;

pub(crate) use client::{Connection, Target};
pub(crate) use run::{Sample, run};
pub(crate) use scenario::{SCENARIOS, Scenario};
