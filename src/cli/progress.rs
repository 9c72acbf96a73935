//! Bars on a terminal; nothing in a pipe, a log or a cron mail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::backup::Progress;

/// What is shown, and how far things are.
#[derive(Debug, Default)]
pub(super) struct Bars {
    bar: Mutex<Option<ProgressBar>>,
    steps: Arc<AtomicU64>,
}

impl Bars {
    /// Changes whenever things have come further.
    pub(super) fn steps(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.steps)
    }

    fn show(&self, next: Option<ProgressBar>) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = bar.take() {
            before.finish_and_clear();
        }
        *bar = next;
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, steps: Option<u64>) {
        let counts = if what == "content" {
            "{bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        } else if what == "bytes" {
            "{bytes}, {bytes_per_sec}"
        } else if steps.is_some() {
            "{human_pos} of {human_len}"
        } else {
            "{human_pos}"
        };
        let template = match steps {
            Some(_) => format!("{{msg:8}} {{bar:30}} {counts}"),
            None => format!("{{msg:8}} {counts}"),
        };
        // indicatif draws on standard error, and only if that is a terminal.
        let bar = ProgressBar::new(steps.unwrap_or_default()).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        self.show(Some(bar));
    }

    fn advance(&self, steps: u64) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &*bar {
            bar.inc(steps);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.show(None);
    }
}

/// `12.50 MiB`.
pub(super) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// `1 file`, `2 files`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
