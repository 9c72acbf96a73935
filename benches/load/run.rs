//! One timed run of a scenario against one server: a closed loop, each connection sends its next
//! request when the last one is answered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::scenario::{Scenario, Worker};
use super::{Target, cpu};

const WARM_UP: Duration = Duration::from_millis(500);

/// What one run measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) operations_per_second: f64,
    pub(crate) server_cpu_us: f64,
    /// Share of one core that the load generator used; near 1 it is the limit.
    pub(crate) load_cores: f64,
    /// Cores used by everything else on the machine.
    pub(crate) foreign_cores: f64,
}

#[derive(Debug, Default)]
struct Progress {
    operations: AtomicU64,
    stop: AtomicBool,
}

/// The counters at one moment.
struct Reading {
    at: Instant,
    operations: u64,
    server: f64,
    load: f64,
    machine: f64,
}

impl Reading {
    fn take(progress: &Progress, server_pid: u32) -> Self {
        Self {
            at: Instant::now(),
            operations: progress.operations.load(Ordering::Relaxed),
            server: cpu::of_tree(server_pid),
            load: cpu::of_process(std::process::id()),
            machine: cpu::of_machine(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of operations fits")]
    fn until(&self, end: &Self) -> Option<Sample> {
        let seconds = end.at.duration_since(self.at).as_secs_f64();
        let operations = (end.operations - self.operations) as f64;
        let [server, load] = [end.server - self.server, end.load - self.load];
        let foreign = end.machine - self.machine - server - load;
        (operations > 0.0).then(|| Sample {
            operations_per_second: operations / seconds,
            server_cpu_us: server * 1e6 / operations,
            load_cores: load / seconds,
            foreign_cores: foreign.max(0.0) / seconds,
        })
    }
}

/// Runs a prepared scenario. The error is the first wrong answer.
pub(crate) fn run(
    scenario: &Scenario,
    target: &Target,
    server_pid: u32,
    measured: Duration,
) -> Result<Sample, String> {
    let workers: Result<Vec<_>, _> = (0..scenario.connections)
        .map(|number| Worker::new(scenario, target, number))
        .collect();
    let progress = Progress::default();
    let (begin, end, outcome) = thread::scope(|scope| {
        let threads: Vec<_> = workers?
            .into_iter()
            .map(|worker| scope.spawn(|| work(worker, &progress)))
            .collect();
        thread::sleep(WARM_UP);
        let begin = Reading::take(&progress, server_pid);
        thread::sleep(measured);
        let end = Reading::take(&progress, server_pid);
        progress.stop.store(true, Ordering::Relaxed);
        let outcomes = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a connection's thread panicked".to_owned()))
        });
        // All are joined before the first error is looked for.
        let outcomes: Vec<_> = outcomes.collect();
        Ok::<_, String>((begin, end, outcomes.into_iter().collect::<Result<(), _>>()))
    })?;
    outcome?;
    begin
        .until(&end)
        .ok_or_else(|| "no operation ended in the measured time".to_owned())
}

fn work(mut worker: Worker, progress: &Progress) -> Result<(), String> {
    while !progress.stop.load(Ordering::Relaxed) {
        worker.operation()?;
        progress.operations.fetch_add(1, Ordering::Relaxed);
    }
    worker.finish()
}
