//! A run of schemathesis over a description, and what it reports.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{python, told};
use crate::site::Site;

/// The ErrorCodes with which 500 is meant: `FILE_NOT_LOCK` and `LOCK_CONFLICT`.
const SERVER_ERRORS_OF_THE_CONTRACT: &str = "23 24";
/// What the tests say about schemathesis itself, before the dictionaries.
const CONFIGURATION: &str = include_str!("../python/schemathesis.toml");

/// Files have no roles of their own.
const ALWAYS_REFUSED: &str = "PUT /api/2.0/files/file/{id}/share";

/// Where chance begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seed {
    /// The same requests each time.
    Fixed,
    /// Others each time; a failure tells the number.
    New,
}

/// A run that is prepared.
pub(crate) struct Fuzz {
    folder: TempDir,
    server: String,
    key: String,
    examples: usize,
    seed: Seed,
    allowed: &'static str,
    document: Value,
}

impl Fuzz {
    /// Over the description as it is served, with that key as Bearer.
    pub(crate) fn new(site: &Site, key: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut configuration = CONFIGURATION.to_owned();
        for (name, values) in site.dictionaries() {
            let values = Value::from(values);
            let _ = write!(
                configuration,
                "\n[dictionaries.{name}]\nvalues = {values}\n"
            );
        }
        std::fs::write(folder.path().join("schemathesis.toml"), configuration).expect("writable");
        Self {
            folder,
            server: site.server.url("/"),
            key: key.to_owned(),
            examples: 1,
            seed: Seed::Fixed,
            allowed: SERVER_ERRORS_OF_THE_CONTRACT,
            document: site.document.clone(),
        }
    }

    pub(crate) fn examples(mut self, examples: usize) -> Self {
        self.examples = examples;
        self
    }

    pub(crate) fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Over another description.
    pub(crate) fn document(mut self, document: &Value) -> Self {
        self.document = document.clone();
        self
    }

    /// As if no 5xx were of the contract.
    pub(crate) fn allowing_no_server_error(mut self) -> Self {
        self.allowed = "";
        self
    }

    pub(crate) fn run(self, python: &Path) -> Report {
        let Self {
            folder, examples, ..
        } = &self;
        let folder = folder.path();
        let file = folder.join("openapi.json");
        std::fs::write(&file, self.document.to_string()).expect("writable");
        let mut command = Command::new(python);
        command
            .current_dir(folder)
            .env("PYTHONPATH", python::SCRIPTS)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SCHEMATHESIS_HOOKS", "fuzz_hooks")
            .env("LOCKKEEPER_FUZZ_ALLOWED", self.allowed)
            .args([
                "-m",
                "schemathesis.cli",
                "run",
                "openapi.json",
                "--no-color",
            ])
            .args(["--url", &self.server, "--mode", "all"])
            .args(["--header", &format!("Authorization: Bearer {}", self.key)])
            .args(["--max-examples", &examples.to_string()])
            .args(["--report", "json", "--report-json-path", "report.json"]);
        if let Seed::Fixed = self.seed {
            command.args(["--seed", "4918"]);
        }
        let output = told(&command.output().expect("Python starts"));
        let report = std::fs::read_to_string(folder.join("report.json"));
        let report = report.unwrap_or_else(|_| panic!("no report: {output}"));
        let report: Value = serde_json::from_str(&report).expect("JSON");
        Report { report, output }
    }
}

/// What came of it.
pub(crate) struct Report {
    report: Value,
    output: String,
}

impl Report {
    /// Fails unless every operation was tried and nothing was found.
    #[track_caller]
    pub(crate) fn is_clean(&self, site: &Site) {
        let Self { report, output } = self;
        assert_eq!(report["exit_code"], 0, "{output}");
        assert_eq!(report["complete"], true, "{output}");
        assert_eq!(report["test_cases"]["errored"], 0, "{output}");
        let methods = |path: &Value| path.as_object().expect("methods").len();
        let paths = site.document["paths"].as_object().expect("paths");
        let operations: usize = paths.values().map(methods).sum();
        assert_eq!(report["operations"]["tested"], operations, "{output}");
        for phase in ["coverage", "fuzzing", "stateful"] {
            assert_eq!(
                report["phases"][phase]["status"], "success",
                "{phase}: {output}"
            );
        }
        println!(
            "{operations} operations, {} requests, seed {}, {:.0} s",
            report["test_cases"]["generated"],
            report["seed"],
            report["running_time"].as_f64().unwrap_or_default()
        );
    }

    /// Fails unless each operation did at least once what it is for: the ids were good, so that
    /// not only refusals were tried.
    #[track_caller]
    pub(crate) fn has_succeeded_with_everything(&self) {
        let rates = self.report["valid_rates"].as_object().expect("rates");
        let was_done = |phases: &Value| {
            let phases = phases.as_object().expect("phases").values();
            phases
                .filter_map(|phase| phase["accepted"].as_u64())
                .sum::<u64>()
                > 0
        };
        let never: Vec<&String> = rates
            .iter()
            .filter(|(operation, phases)| *operation != ALWAYS_REFUSED && !was_done(phases))
            .map(|(operation, _)| operation)
            .collect();
        assert!(never.is_empty(), "never done: {never:?}\n{}", self.output);
    }

    /// What was found, by its name in schemathesis, and at which operation.
    pub(crate) fn found(&self) -> BTreeSet<(&str, &str)> {
        let mut found = BTreeSet::new();
        for failure in self.report["failures"].as_array().expect("failures") {
            let name = failure["type"].as_str().expect("a name");
            let operations = failure["operations"].as_array().expect("operations");
            found.extend(
                operations
                    .iter()
                    .filter_map(|at| Some((name, at.as_str()?))),
            );
        }
        found
    }
}
