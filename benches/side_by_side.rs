//! Lockkeeper and other WebDAV servers side by side: the same requests in turns (A B B A …), so
//! that whatever else the machine does meets both alike. `docs/performance.md` says how to read it.
//!
//! `cargo bench --bench side_by_side -- [SCENARIO…] [--rounds N] [--seconds S] [--against apache]`

#![allow(clippy::print_stdout, reason = "a program for people")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod load;
mod servers;

use std::io::{self, IsTerminal as _};
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use clap::builder::PossibleValuesParser;

use load::{SCENARIOS, Sample, Scenario};
use servers::{Peer, Server, installed};

/// Above this the load generator may be what limits the rate.
const LOAD_LIMIT: f64 = 0.9;

/// Measures lockkeeper and its peers in turns.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure [default: everything]
    #[arg(value_parser = PossibleValuesParser::new(SCENARIOS.iter().map(|each| each.name)))]
    scenarios: Vec<String>,
    /// Runs of each server in each scenario
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measured time of one run, after half a second of warm-up
    #[arg(long, default_value = "2", value_parser = seconds)]
    seconds: Duration,
    /// The peers
    #[arg(long, num_args = 1.., default_value = "apache")]
    against: Vec<Peer>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse()
        .ok()
        .and_then(|value| Duration::try_from_secs_f64(value).ok());
    let long_enough = parsed.filter(|time| *time >= Duration::from_millis(200));
    long_enough.ok_or_else(|| "a number of seconds from 0.2 on".to_owned())
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        println!("Measures for minutes; run it by: cargo bench --bench side_by_side");
        return ExitCode::SUCCESS;
    }
    match compare(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("side_by_side: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether lockkeeper answered everything right.
fn compare(options: &Options) -> io::Result<bool> {
    let cpu = pin_load();
    let mut servers = vec![Server::lockkeeper(cpu)?];
    for peer in &options.against {
        match Server::peer(*peer, cpu) {
            Ok(server) => servers.push(server),
            Err(error) if error.kind() == io::ErrorKind::NotFound => println!("skipped: {error}"),
            Err(error) => return Err(error),
        }
    }
    let chosen = |scenario: &&Scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|name| name == scenario.name)
    };
    println!("{}", HEADINGS.join("\n"));
    let mut failures = Vec::new();
    let mut foreign = Vec::new();
    for scenario in SCENARIOS.iter().filter(chosen) {
        let results = take_turns(scenario, &servers, options);
        for (server, result) in servers.iter().zip(&results) {
            println!("{}", row(scenario, server, result, &results[0]));
            if let Err(fault) = &result.outcome {
                failures.push((server.name, scenario.name, fault.clone()));
            }
            foreign.extend(result.samples.iter().map(|sample| sample.foreign_cores));
        }
    }
    println!("\n*: the load generator used over {LOAD_LIMIT} of a core; compare the CPU times.");
    let foreign = Spread::of(foreign.into_iter());
    println!(
        "Cores that other programs used meanwhile: {}",
        foreign.text(2)
    );
    for (server, scenario, fault) in &failures {
        println!("{server} failed {scenario}: {fault}");
    }
    Ok(failures
        .iter()
        .all(|(server, ..)| *server != servers[0].name))
}

/// Puts the load on CPU 1, if it may, and gives the CPU for the servers.
fn pin_load() -> Option<u32> {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 || installed("taskset").is_err() {
        println!("not pinned: that needs taskset and two CPUs");
        return None;
    }
    let own = std::process::id().to_string();
    // The main thread is the only one yet; all others inherit.
    let pinned = Command::new("taskset").args(["-pc", "1", &own]).output();
    pinned
        .is_ok_and(|output| output.status.success())
        .then_some(0)
}

/// What one server did in one scenario.
#[derive(Debug)]
struct Measured {
    samples: Vec<Sample>,
    /// The first wrong answer; after it the server is left out.
    outcome: Result<(), String>,
}

fn take_turns(scenario: &Scenario, servers: &[Server], options: &Options) -> Vec<Measured> {
    let prepare = |server: &Server| Measured {
        samples: Vec::new(),
        outcome: scenario.prepare(&server.target),
    };
    let mut results: Vec<Measured> = servers.iter().map(prepare).collect();
    for round in 0..options.rounds {
        let mut turns: Vec<usize> = (0..servers.len()).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for turn in turns {
            let (server, result) = (&servers[turn], &mut results[turn]);
            if result.outcome.is_ok() {
                tell(&format!(
                    "{} {}, round {}",
                    scenario.name,
                    server.name,
                    round + 1
                ));
                settle();
                match load::run(scenario, &server.target, server.pid(), options.seconds) {
                    Ok(sample) => result.samples.push(sample),
                    Err(fault) => result.outcome = Err(fault),
                }
            }
        }
    }
    tell("");
    results
}

/// Writes out what an earlier run left in the page cache, so that nobody pays for another's writes:
/// the peers sync no upload.
fn settle() {
    if let Err(error) = Command::new("sync").status() {
        eprintln!("sync: {error}");
    }
}

/// Progress, for who looks on.
fn tell(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

const HEADINGS: [&str; 2] = [
    "| scenario | connections | server | operations/s | lockkeeper's rate to its (min to max) \
     | its CPU µs/operation | lockkeeper's CPU to its |",
    "|---|---:|---|---:|---:|---:|---:|",
];

fn row(scenario: &Scenario, server: &Server, its: &Measured, ours: &Measured) -> String {
    let rate = |sample: &Sample| sample.operations_per_second;
    let cpu = |sample: &Sample| sample.server_cpu_us;
    let mut cells = vec![
        scenario.name.to_owned(),
        scenario.connections.to_string(),
        server.name.to_owned(),
    ];
    let limited = its
        .samples
        .iter()
        .any(|sample| sample.load_cores > LOAD_LIMIT);
    let star = if limited { "*" } else { "" };
    if its.outcome.is_err() {
        cells.extend(["wrong answers", "", "", ""].map(str::to_owned));
    } else if std::ptr::eq(its, ours) {
        cells.push(format!(
            "{}{star}",
            Spread::of(its.samples.iter().map(rate)).middle(0)
        ));
        cells.push(String::new());
        cells.push(Spread::of(its.samples.iter().map(cpu)).middle(0));
        cells.push(String::new());
    } else {
        let pairs = || ours.samples.iter().zip(&its.samples);
        cells.push(format!(
            "{}{star}",
            Spread::of(its.samples.iter().map(rate)).middle(0)
        ));
        cells.push(Spread::of(pairs().map(|(a, b)| rate(a) / rate(b))).text(2));
        cells.push(Spread::of(its.samples.iter().map(cpu)).middle(0));
        cells.push(Spread::of(pairs().map(|(a, b)| cpu(a) / cpu(b))).middle(2));
    }
    format!("| {} |", cells.join(" | "))
}

/// Figures in order.
struct Spread(Vec<f64>);

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// The median; of an even number the mean of the two in the middle.
    fn median(&self) -> f64 {
        let count = self.0.len();
        let at = |index: usize| self.0.get(index).copied().unwrap_or(f64::NAN);
        f64::midpoint(at(count / 2), at(count.saturating_sub(1) / 2))
    }

    fn middle(&self, digits: usize) -> String {
        if self.0.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.digits$}", self.median())
        }
    }

    fn text(&self, digits: usize) -> String {
        let (Some(min), Some(max)) = (self.0.first(), self.0.last()) else {
            return self.middle(digits);
        };
        format!("{} ({min:.digits$} to {max:.digits$})", self.middle(digits))
    }
}
