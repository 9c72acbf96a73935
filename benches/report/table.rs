//! The Markdown: who is first, every server's figures, what each promises, and what went wrong.

use super::spread::{Spread, short};
use super::{Measured, Report, Row, Standing};
use crate::servers::Promise;

/// Above this the load generator may be what limits the rate.
const LOAD_LIMIT: f64 = 0.9;

pub(super) fn markdown(report: &Report) -> String {
    let parts = [
        setting(report),
        summary(report),
        scenarios(report),
        every_server("Operations per second", report, Measured::rate),
        every_server(
            "Server's CPU time, µs per operation",
            report,
            Measured::cpu_us,
        ),
        every_server(
            "99th percentile of the latency, ms",
            report,
            Measured::p99_ms,
        ),
        promises(report),
        faults(report),
    ];
    parts.join("\n")
}

fn setting(report: &Report) -> String {
    let machine = &report.machine;
    let foreign = Spread::of(report.rows.iter().flat_map(|row| {
        let right = row.results.iter().filter(|result| result.is_right());
        right.map(|result| result.foreign_cores().median())
    }));
    let sync = Spread::of(report.rows.iter().map(|row| row.sync.as_secs_f64()));
    let place = if machine.is_pinned {
        "servers on CPU 0, load on CPU 1"
    } else {
        "servers and load not pinned"
    };
    let servers: Vec<String> = report
        .servers
        .iter()
        .map(|(name, version)| format!("{name} ({version})"))
        .collect();
    format!(
        "`{}`\n\n{} cores {}, {} GiB, {}; {place}; HTTP over loopback. An append of 4 KiB and its \
         `fdatasync` take {} µs where the data is. Other programs used {} cores meanwhile (up to \
         {}).\n\n{}.\n\nLockkeeper checks a password with each request, and `lockkeeper` writes an \
         access log as it does by default; all others let everybody in and log nothing.\n",
        machine.command,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.system,
        short(1e6 * sync.median()),
        short(foreign.median()),
        short(foreign.max()),
        servers.join("; "),
    )
}

fn summary(report: &Report) -> String {
    let mut text = "## Beside the fastest peer\n\nRate to the fastest peer that answered \
                    everything right: the median of the rounds, and the least to the most.\n\n\
                    ![Rate to the fastest peer](ratios.svg)\n\n"
        .to_owned();
    text += "| scenario | clients | fastest peer | our rate to its | without access log | p50 ms, \
             ours / its | p99 ms, ours / its | CPU µs, ours / its | of it one sync |\n\
             |---|---:|---|---:|---:|---:|---:|---:|---:|\n";
    report
        .rows
        .iter()
        .for_each(|row| text += &summary_row(report, row));
    text + "\n**Bold**: first. !: a p99 above twice that peer's. *: the load generator was near \
            its own limit; compare the CPU times. \"Of it one sync\": how much of an operation of \
            one client a single `fdatasync` of this disk is, as measured before the row.\n"
}

fn summary_row(report: &Report, row: &Row) -> String {
    let scenario = row.scenario;
    let is_peer = |number: usize| !is_ours(report.servers[number].0);
    let quiet = (1..row.results.len()).find(|number| !is_peer(*number));
    let Some(standing) = Standing::of(row, is_peer) else {
        let why = if row.results.first().is_some_and(Measured::is_right) {
            "no peer answers this right"
        } else {
            "we failed"
        };
        return format!(
            "| {} | {} | {why} | | | | | | |\n",
            scenario.name, scenario.connections
        );
    };
    let (ours, its) = (&row.results[0], &row.results[standing.peer]);
    let ratio = ratio_text(&standing.rate);
    let ratio = if standing.rate.median() >= 1.0 {
        format!("**{ratio}**")
    } else {
        ratio
    };
    let without_log = quiet
        .map(|number| &row.results[number])
        .filter(|quiet| quiet.is_right());
    let without_log = without_log.map(|quiet| quiet.rate().median() / its.rate().median());
    let pair = |one: &Spread, other: &Spread| {
        format!("{} / {}", short(one.median()), short(other.median()))
    };
    let late = if standing.is_late { " !" } else { "" };
    let sync_ms = row.sync.as_secs_f64() * 1e3;
    let share = match scenario.connections {
        1 => format!("{:.0} %", 100.0 * sync_ms / ours.p50_ms().median()),
        _ => String::new(),
    };
    format!(
        "| {} | {} | {}{} | {ratio} | {} | {} | {}{late} | {} | {share} |\n",
        scenario.name,
        scenario.connections,
        report.servers[standing.peer].0,
        star(its),
        without_log.map_or_else(String::new, short),
        pair(&ours.p50_ms(), &its.p50_ms()),
        pair(&ours.p99_ms(), &its.p99_ms()),
        pair(&ours.cpu_us(), &its.cpu_us()),
    )
}

pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("lockkeeper")
}

pub(super) fn ratio_text(ratio: &Spread) -> String {
    format!(
        "{} ({} to {})",
        short(ratio.median()),
        short(ratio.min()),
        short(ratio.max())
    )
}

fn star(result: &Measured) -> &'static str {
    if result.load_cores().max() > LOAD_LIMIT {
        "*"
    } else {
        ""
    }
}

fn every_server(title: &str, report: &Report, figure: impl Fn(&Measured) -> Spread) -> String {
    let names: Vec<&str> = report.servers.iter().map(|(name, _)| *name).collect();
    let mut text = format!("## {title}\n\n| scenario | {} |\n|---|", names.join(" | "));
    text += &"---:|".repeat(names.len());
    text.push('\n');
    for row in &report.rows {
        let cell = |result: &Measured| {
            if result.is_right() {
                format!("{}{}", short(figure(result).median()), star(result))
            } else {
                "wrong".to_owned()
            }
        };
        let cells: Vec<String> = row.results.iter().map(cell).collect();
        text += &format!("| {} | {} |\n", row.scenario.name, cells.join(" | "));
    }
    text
}

fn scenarios(report: &Report) -> String {
    let mut text = "## What one operation is\n\n| scenario | operation |\n|---|---|\n".to_owned();
    for row in &report.rows {
        text += &format!("| {} | {} |\n", row.scenario.name, row.scenario.about);
    }
    text
}

fn promises(report: &Report) -> String {
    let mut text = "## What each has done when it says so\n\n| server | upload | a file that is \
                    replaced | syncs of LOCK and UNLOCK | locks after a restart | locks hold |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    let measured = |promise: &&Promise| {
        let mut names = report.servers.iter().map(|(name, _)| *name);
        names.any(|name| name == promise.server)
    };
    for promise in Promise::ALL.iter().filter(measured) {
        let Promise {
            server,
            upload,
            replacing,
            syncs_of_lock_pair,
            locks_after_restart,
            locks_hold,
        } = promise;
        text += &format!(
            "| {server} | {upload} | {replacing} | {syncs_of_lock_pair} | {locks_after_restart} | \
             {locks_hold} |\n"
        );
    }
    text
}

fn faults(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        for ((server, _), result) in report.servers.iter().zip(&row.results) {
            if let Err(fault) = &result.outcome {
                text += &format!("- {server}, {}: {fault}\n", row.scenario.name);
            }
        }
    }
    if text.is_empty() {
        return String::new();
    }
    format!("## Wrong answers\n\n{text}")
}
