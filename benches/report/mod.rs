//! What was measured, for people: Markdown tables and a plot.

mod machine;
mod plot;
mod spread;
mod standing;
mod table;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::load::{Sample, Scenario};

pub(crate) use machine::{Machine, middle_sync};
pub(crate) use standing::Standing;

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Name and version; the first one is ours.
    pub(crate) servers: Vec<(&'static str, String)>,
    pub(crate) rows: Vec<Row>,
}

/// A scenario, and what each server did in it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: &'static Scenario,
    pub(crate) results: Vec<Measured>,
    /// How long a `fdatasync` took before.
    pub(crate) sync: Duration,
}

/// What one server did in one scenario.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) samples: Vec<Sample>,
    /// The first wrong answer; after it the server is left out.
    pub(crate) outcome: Result<(), String>,
}

impl Report {
    /// Everything as Markdown.
    pub(crate) fn markdown(&self) -> String {
        table::markdown(self)
    }

    /// Writes `table.md` and `ratios.svg`.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("table.md"), self.markdown())?;
        fs::write(folder.join("ratios.svg"), plot::svg(self))
    }
}
