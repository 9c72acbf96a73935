//! One timed run of a scenario against one server: a closed loop, each connection sends its next
//! request when the last one is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::operation::Worker;
use super::scenario::{Contention, Scenario, Shared};
use super::{Target, cpu};

const WARM_UP: Duration = Duration::from_millis(500);
/// Beyond the measured time; who needs longer for its last operations has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// What one run measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) operations_per_second: f64,
    /// The latency that half of the operations, and all but a hundredth, did not exceed.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) server_cpu_us: f64,
    /// Share of one core that the load generator used; near 1 it is the limit.
    pub(crate) load_cores: f64,
    /// Cores used by everything else on the machine.
    pub(crate) foreign_cores: f64,
}

/// What one connection did in the measured time.
#[derive(Debug)]
struct Lap {
    latencies: Vec<Duration>,
    elapsed: Duration,
}

/// The counters at one moment.
struct Reading {
    at: Instant,
    server: f64,
    load: f64,
    machine: f64,
}

impl Reading {
    fn take(server_pid: u32) -> Self {
        Self {
            at: Instant::now(),
            server: cpu::of_tree(server_pid),
            load: cpu::of_process(std::process::id()),
            machine: cpu::of_machine(),
        }
    }
}

/// Runs a prepared scenario. The error is the first wrong answer.
pub(crate) async fn run(
    scenario: &'static Scenario,
    target: &Target,
    server_pid: u32,
    round: u32,
    measured: Duration,
) -> Result<Sample, String> {
    let limit = measured + PATIENCE;
    let run = timed(scenario, target, server_pid, round, measured);
    let late = |_| Err(format!("not done after {} s", limit.as_secs()));
    tokio::time::timeout(limit, run).await.unwrap_or_else(late)
}

async fn timed(
    scenario: &'static Scenario,
    target: &Target,
    server_pid: u32,
    round: u32,
    measured: Duration,
) -> Result<Sample, String> {
    let shared = Arc::new(Shared {
        scenario,
        target: target.clone(),
        round,
        contention: Contention::default(),
    });
    shared.begin().await?;
    let mut workers = Vec::new();
    for number in 0..scenario.connections {
        workers.push(Worker::new(Arc::clone(&shared), number).await?);
    }
    let gate = Arc::new(Barrier::new(scenario.connections + 1));
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn(work(worker, Arc::clone(&gate), measured));
    }
    // All meet at the gate four times, so that no operation is cut by a reading: warm, read,
    // measured, read.
    gate.wait().await;
    let begin = Reading::take(server_pid);
    gate.wait().await;
    gate.wait().await;
    let end = Reading::take(server_pid);
    gate.wait().await;
    let mut laps = Vec::new();
    let mut faults = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended.unwrap_or_else(|_| Err("a connection's task panicked".to_owned())) {
            Ok(lap) => laps.push(lap),
            Err(fault) => faults.push(fault),
        }
    }
    shared.check().await?;
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(summary(scenario, &laps, &begin, &end)),
    }
}

async fn work(mut worker: Worker, gate: Arc<Barrier>, measured: Duration) -> Result<Lap, String> {
    let warm = repeat(&mut worker, WARM_UP).await;
    gate.wait().await;
    gate.wait().await;
    // Whoever has failed goes on through the gates, for the others wait there.
    let lap = match warm {
        Ok(_) => repeat(&mut worker, measured).await,
        failed => failed,
    };
    gate.wait().await;
    gate.wait().await;
    let lap = lap?;
    worker.finish().await?;
    Ok(lap)
}

/// At least one operation.
async fn repeat(worker: &mut Worker, time: Duration) -> Result<Lap, String> {
    let begin = Instant::now();
    let mut latencies = Vec::new();
    while latencies.is_empty() || begin.elapsed() < time {
        latencies.push(worker.operation().await?);
    }
    Ok(Lap {
        latencies,
        elapsed: begin.elapsed(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a count of operations fits")]
fn summary(scenario: &Scenario, laps: &[Lap], begin: &Reading, end: &Reading) -> Sample {
    let rate = |lap: &Lap| {
        let timed: Duration = if scenario.has_untimed_parts() {
            lap.latencies.iter().sum()
        } else {
            lap.elapsed
        };
        lap.latencies.len() as f64 / timed.as_secs_f64()
    };
    let mut latencies: Vec<Duration> = Vec::new();
    laps.iter().for_each(|lap| latencies.extend(&lap.latencies));
    latencies.sort_unstable();
    let at = |hundredths: usize| latencies[(latencies.len() - 1) * hundredths / 100];
    let seconds = end.at.duration_since(begin.at).as_secs_f64();
    let [server, load] = [end.server - begin.server, end.load - begin.load];
    let foreign = end.machine - begin.machine - server - load;
    Sample {
        operations_per_second: laps.iter().map(rate).sum(),
        p50: at(50),
        p99: at(99),
        server_cpu_us: server * 1e6 / latencies.len() as f64,
        load_cores: load / seconds,
        foreign_cores: foreign.max(0.0) / seconds,
    }
}
