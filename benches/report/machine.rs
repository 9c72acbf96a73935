//! What it was measured on, and how fast its disk syncs now.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Appends whose median is told.
const SYNCS: usize = 100;

/// The machine, in the words of its own files.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) system: String,
    /// Whether servers and load have a CPU each.
    pub(crate) is_pinned: bool,
    /// How the measurement was started.
    pub(crate) command: String,
}

impl Machine {
    /// To be called before this process is pinned, for then it sees one core.
    pub(crate) fn look(command: String) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: String, name: &str, end: char| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_default();
            let value = line.split_once(end).map_or("", |(_, value)| value);
            value.trim().trim_matches('"').to_owned()
        };
        let memory = after(read("/proc/meminfo"), "MemTotal", ':');
        let kib = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse::<u64>().ok());
        let release = read("/proc/sys/kernel/osrelease");
        let name = after(read("/etc/os-release"), "PRETTY_NAME", '=');
        Self {
            processor: after(read("/proc/cpuinfo"), "model name", ':'),
            cores: available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: (kib.unwrap_or_default() + (1 << 19)) >> 20,
            system: format!("{name}, Linux {}", release.trim()),
            is_pinned: false,
            command,
        }
    }
}

/// The middle one of many: an append of 4 KiB and its `fdatasync`, where the data is.
pub(crate) fn middle_sync() -> io::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("appended"))?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}
