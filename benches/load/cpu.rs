//! What processes used of the CPU, from /proc. Work that the kernel does in threads of its own,
//! such as the journal of a file system, is nobody's here.

use std::collections::HashMap;
use std::fs;

/// /proc counts in USER_HZ, which is 100 on every Linux that cargo runs on.
const TICKS_PER_SECOND: f64 = 100.0;

struct Stat {
    parent: u32,
    /// Its own time and that of its children that ended.
    ticks: f64,
}

/// CPU seconds used so far by a process and everything that it started.
pub(crate) fn of_tree(root: u32) -> f64 {
    let mut stats = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, read(pid)?))) {
            stats.insert(pid, stat);
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        let children = stats.iter().filter(|(_, stat)| stat.parent == parent);
        tree.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    let ticks = tree
        .iter()
        .filter_map(|pid| stats.get(pid))
        .map(|stat| stat.ticks);
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// CPU seconds used so far by one process.
pub(crate) fn of_process(pid: u32) -> f64 {
    read(pid).map_or(0.0, |stat| stat.ticks / TICKS_PER_SECOND)
}

/// CPU seconds used so far by all programs of the machine.
pub(crate) fn of_machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at));
    busy.sum::<f64>() / TICKS_PER_SECOND
}

/// See proc_pid_stat(5); the program's name in brackets may hold spaces.
fn read(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let times = fields.get(11..15)?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: times
            .iter()
            .filter_map(|field| field.parse::<f64>().ok())
            .sum(),
    })
}
