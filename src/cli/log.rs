//! Where the log goes: to standard error, the lines of one moment in one write. With tens of
//! thousands of requests a second, a write for each would be a tenth of all work.
//!
//! None is lost: when too many wait, whoever adds one writes them, and at a regular stop they are
//! written. What is worse than information is written at once, with all before it. Only what ends
//! the process on the spot (SIGKILL, a power cut) takes the lines of the last moment with it.

mod line;

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::TextLine;
use crate::config::{self, LogFormat, LogLevel};

/// How long a line may wait.
const MOMENT: Duration = Duration::from_millis(10);
/// Of more bytes nobody waits.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// Starts to log. What waits is written when the guard goes.
#[must_use]
pub(super) fn start(config: &config::Log) -> Flushed {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // What libraries say is of interest only when it is bad.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("lockkeeper", level);
    let lines = Arc::new(Lines::to(io::stderr()));
    let log = tracing_subscriber::fmt::layer().with_writer(ToLines(Arc::clone(&lines)));
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => registry.with(log.event_format(TextLine)).init(),
        LogFormat::Json => registry.with(log.json().flatten_event(true)).init(),
    }
    let writing = Arc::clone(&lines);
    // Without the thread, lines are written as soon as they come.
    match thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || writing.write_each_moment())
    {
        Ok(_) => {}
        Err(_) => lines.hurry(),
    }
    Flushed(lines)
}

/// Sees to it that nothing waits any more when it is dropped.
#[derive(Debug)]
pub(super) struct Flushed(Arc<Lines>);

impl Drop for Flushed {
    fn drop(&mut self) {
        self.0.hurry();
    }
}

struct Lines<W = io::Stderr> {
    waiting: Mutex<Waiting>,
    came: Condvar,
    /// Held by who writes, so that lines stay in order.
    out: Mutex<W>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Nobody sees to them: they are written at once.
    in_a_hurry: bool,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl<W: Write> Lines<W> {
    fn to(out: W) -> Self {
        Self {
            waiting: Mutex::default(),
            came: Condvar::new(),
            out: Mutex::new(out),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], at_once: bool) {
        let mut waiting = self.waiting();
        let is_first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        let write = at_once || waiting.in_a_hurry || waiting.bytes.len() > WAITING_BYTES_MAX;
        drop(waiting);
        if write {
            self.write();
        } else if is_first {
            self.came.notify_one();
        }
    }

    /// Writes what waits. Where the log cannot be written, nobody can be told.
    fn write(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = mem::take(&mut self.waiting().bytes);
        let _ = out.write_all(&bytes);
    }

    fn write_each_moment(&self) {
        loop {
            let nothing = |waiting: &mut Waiting| waiting.bytes.is_empty();
            let come = self.came.wait_while(self.waiting(), nothing);
            drop(come);
            thread::sleep(MOMENT);
            self.write();
        }
    }

    fn hurry(&self) {
        self.waiting().in_a_hurry = true;
        self.write();
    }
}

struct ToLines<W = io::Stderr>(Arc<Lines<W>>);

/// One line.
struct Line<'a, W> {
    lines: &'a Lines<W>,
    at_once: bool,
}

impl<'a, W: Write + 'a> MakeWriter<'a> for ToLines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            lines: &self.0,
            at_once: true,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Line {
            lines: &self.0,
            at_once: *meta.level() <= Level::WARN,
        }
    }
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.add(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &Lines<Vec<u8>>) -> String {
        String::from_utf8(lines.out.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_wait_in_order_until_one_is_urgent() {
        let lines = Lines::to(Vec::new());
        lines.add(b"1\n", false);
        lines.add(b"2\n", false);
        assert_eq!(told(&lines), "");
        lines.add(b"3\n", true);
        assert_eq!(told(&lines), "1\n2\n3\n");
        lines.add(b"4\n", false);
        lines.hurry();
        lines.add(b"5\n", false);
        assert_eq!(told(&lines), "1\n2\n3\n4\n5\n");
    }

    #[test]
    fn no_more_wait_than_may() {
        let lines = Lines::to(Vec::new());
        let line = [b'x'; 1000];
        for _ in 0..1000 {
            lines.add(&line, false);
            assert!(lines.waiting().bytes.len() <= WAITING_BYTES_MAX + line.len());
        }
        lines.write();
        assert_eq!(told(&lines).len(), 1000 * line.len());
    }
}
