//! Lockkeeper and other WebDAV servers side by side: the same requests in turns (A B B A …), so
//! that whatever else the machine does meets all alike. `docs/performance.md` says how to read it.
//!
//! `cargo bench --bench side_by_side -- [SCENARIO…] [--rounds N] [--seconds S]
//! [--against PEER… | --alone] [--built HOW] [--out FOLDER]`

#![allow(clippy::print_stdout, reason = "a program for people")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod load;
mod report;
mod servers;

use std::env;
use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum as _};
use tokio::signal::unix::{SignalKind, signal};

use load::{SCENARIOS, Scenario, cpu};
use report::{Machine, Measured, Report, Row, middle_sync};
use servers::{AccessLog, Peer, Server, installed};

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
    /// The peers [default: all that are installed]
    #[arg(long, num_args = 1..)]
    against: Vec<Peer>,
    /// How Lockkeeper was built, if not as cargo does by itself, for the table to say
    #[arg(long, value_name = "HOW")]
    built: Option<String>,
    /// No peers: what a build learns from that is made with a profile
    #[arg(long, conflicts_with = "against")]
    alone: bool,
    /// Where to write table.md and ratios.svg [default: the table is printed]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
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
    let mut machine = Machine::look(command());
    let cpu = pin_load();
    machine.is_pinned = cpu.is_some();
    let servers = start_all(options, cpu)?;
    // On this thread alone, which is pinned.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let chosen = |scenario: &&'static Scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|name| name == scenario.name)
    };
    let mut rows = Vec::new();
    for scenario in SCENARIOS.iter().filter(chosen) {
        rows.push(runtime.block_on(async {
            tokio::select! {
                row = take_turns(scenario, &servers, options) => row,
                () = asked_to_stop() => Err(io::Error::other("stopped")),
            }
        })?);
    }
    let names = servers
        .iter()
        .map(|server| (server.name, server.version.clone()));
    let report = Report {
        machine,
        servers: names.collect(),
        rows,
    };
    match &options.out {
        Some(folder) => report.write(folder)?,
        None => println!("{}", report.markdown()),
    }
    Ok(report.rows.iter().all(|row| row.results[0].outcome.is_ok()))
}

/// Returns when somebody wants no more of this, so that the servers are stopped and their folders
/// removed.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// As it can be typed again.
fn command() -> String {
    let arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let arguments: Vec<String> = arguments.collect();
    format!(
        "cargo bench --bench side_by_side -- {}",
        arguments.join(" ")
    )
}

/// Ours with and without its access log, then the peers that are there.
fn start_all(options: &Options, cpu: Option<u32>) -> io::Result<Vec<Server>> {
    let mut servers = vec![
        Server::lockkeeper(AccessLog::On, cpu)?,
        Server::lockkeeper(AccessLog::Off, cpu)?,
    ];
    if let Some(how) = &options.built {
        for ours in &mut servers {
            ours.version += &format!(", built {how}");
        }
    }
    let peers = match &*options.against {
        _ if options.alone => &[],
        [] => Peer::value_variants(),
        named => named,
    };
    for peer in peers {
        match Server::peer(*peer, cpu) {
            Ok(server) => servers.push(server),
            Err(error) if error.kind() == io::ErrorKind::NotFound => eprintln!("skipped: {error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(servers)
}

/// Puts the load on CPU 1, if it may, and gives the CPU for the servers.
fn pin_load() -> Option<u32> {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 || installed("taskset").is_err() {
        eprintln!("not pinned: that needs taskset and two CPUs");
        return None;
    }
    let own = std::process::id().to_string();
    // The main thread is the only one yet; all others inherit.
    let pinned = Command::new("taskset").args(["-pc", "1", &own]).output();
    pinned
        .is_ok_and(|output| output.status.success())
        .then_some(0)
}

async fn take_turns(
    scenario: &'static Scenario,
    servers: &[Server],
    options: &Options,
) -> io::Result<Row> {
    let mut results = Vec::new();
    for server in servers {
        tell(&format!("{}: preparing {}", scenario.name, server.name));
        results.push(Measured {
            samples: Vec::new(),
            outcome: scenario.prepare(&server.target).await,
        });
    }
    settle(servers);
    let sync = middle_sync()?;
    for round in 0..options.rounds {
        let mut turns: Vec<usize> = (0..servers.len()).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for turn in turns {
            let (server, result) = (&servers[turn], &mut results[turn]);
            if result.outcome.is_ok() {
                tell(&format!(
                    "{}: round {}, {}",
                    scenario.name,
                    round + 1,
                    server.name
                ));
                settle(servers);
                let time = options.seconds;
                match load::run(scenario, &server.target, server.pid(), round, time).await {
                    Ok(sample) => result.samples.push(sample),
                    Err(fault) => result.outcome = Err(fault),
                }
            }
        }
    }
    for (server, result) in servers.iter().zip(&results) {
        // What went wrong before may well be the reason why this does.
        if let (Err(fault), Ok(())) = (scenario.clear(&server.target).await, &result.outcome) {
            eprintln!("{}, clearing away {}: {fault}", server.name, scenario.name);
        }
    }
    tell("");
    Ok(Row {
        scenario,
        results,
        sync,
    })
}

/// Writes out what an earlier run left in the page cache, and waits until no server does anything,
/// so that nobody pays for another's work: the peers sync no upload, and we remove what was deleted
/// when nobody asks for anything.
fn settle(servers: &[Server]) {
    const LOOK: Duration = Duration::from_millis(100);
    const WAIT_MAX: Duration = Duration::from_secs(20);
    if let Err(error) = Command::new("sync").status() {
        eprintln!("sync: {error}");
    }
    let used = || {
        servers
            .iter()
            .map(|server| cpu::of_tree(server.pid()))
            .sum::<f64>()
    };
    let begin = Instant::now();
    let mut before = used();
    while begin.elapsed() < WAIT_MAX {
        thread::sleep(LOOK);
        let now = used();
        if now - before < 0.02 {
            return;
        }
        before = now;
    }
}

/// Progress, for who looks on.
fn tell(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
