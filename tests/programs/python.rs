//! A Python of the test's own, with the packages that a requirements file pins.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{installed, skipped, told};

/// Where the scripts and the requirements files are.
pub const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// The interpreter with the packages of `requirements`, a file among [`SCRIPTS`]. Made once and
/// kept for the next run. Where there is no Python or no package, says so and gives none.
pub fn with_packages(requirements: &str) -> Option<PathBuf> {
    if !installed(&["python3"]) {
        return None;
    }
    let requirements = Path::new(SCRIPTS).join(requirements);
    let wanted = std::fs::read_to_string(&requirements).expect("readable");
    let name = requirements.file_stem().expect("a name");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("python")
        .join(name);
    let (python, mark) = (folder.join("bin/python"), folder.join("made-from"));
    if std::fs::read_to_string(&mark).is_ok_and(|made| made == wanted) {
        return Some(python);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ])
    .arg(&requirements);
    let is_made = does(&mut venv, "python3 makes no environment")
        && does(&mut pip, "pip does not get the packages");
    if !is_made {
        return None;
    }
    std::fs::write(&mark, wanted).expect("writable");
    Some(python)
}

fn does(command: &mut Command, why_not: &str) -> bool {
    let output = command.output().expect("the program starts");
    output.status.success() || skipped(&format!("{why_not}: {}", told(&output)))
}
