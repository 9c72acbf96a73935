//! Opening a data folder and reading everything in it, in a process of its own: what a damaged
//! store does to that is seen from outside.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::ops::Dav;
use lockkeeper::ops::check::{Manner, Mend};
use lockkeeper::store::sled::{SledEngine, SledOptions};
use serde::{Deserialize, Serialize};

use crate::house::NOW;
use crate::told::{Detail, told};

/// Names the folder that the process reads.
pub(crate) const FOLDER: &str = "LOCKKEEPER_FLIPPED";

/// Where the process leaves what it found, beside the folder.
const FOUND: &str = "found.json";

/// How long opening may take; a process that is busy for much longer, here two minutes, hangs.
const OPEN_TIME_MAX: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);
const LOOKS_MAX: usize = 30_000;

/// What was found in a data folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Found {
    /// It was not opened; the sentence.
    Refused(String),
    /// It was.
    Opened {
        /// What the check says is wrong.
        faults: Vec<String>,
        /// Everything that it tells: section, place, what.
        told: Vec<(String, String, String)>,
    },
}

/// Reads the folder here.
pub(crate) async fn read(dir: &Path) -> Found {
    let options = SledOptions {
        cache_bytes: 8 << 20,
        open_time_max: OPEN_TIME_MAX,
        ..SledOptions::default()
    };
    let engine = match SledEngine::open(&dir.join("meta"), options) {
        Ok(engine) => Arc::new(engine),
        Err(error) => return Found::Refused(error.to_string()),
    };
    let blobs = match Blobs::open(&dir.join("content"), 0) {
        Ok(blobs) => blobs,
        Err(error) => return Found::Refused(error.to_string()),
    };
    let dav = match Dav::new(engine, blobs, Config::default(), NOW).await {
        Ok(dav) => Arc::new(dav),
        Err(error) => return Found::Refused(error.to_string()),
    };
    let told = told(&dav, NOW, Detail::All).await;
    let manner = Manner {
        mend: Mend::No,
        bytes_per_second: None,
    };
    let faults = match dav.check(NOW, manner, &|_| ()).await {
        Ok(report) => {
            let told = report.faults.iter().map(|fault| format!("{fault:?}"));
            told.collect()
        }
        Err(error) => vec![format!("the check ends: {error}")],
    };
    let told = told
        .into_iter()
        .map(|((section, place), what)| (section.to_owned(), place, what));
    let found = Found::Opened {
        faults,
        told: told.collect(),
    };
    // Whatever is left to be written must not end in a panic either.
    let _ = dav.close().await;
    found
}

/// The same in a process of its own; `Err`: it did not end well.
pub(crate) fn read_apart(dir: &Path) -> Result<Found, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["the_folder_that_is_named", "--exact", "--ignored"])
        .env(FOLDER, dir)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let Some(status) = end_of(&mut child) else {
        child.kill().unwrap();
        child.wait().unwrap();
        return Err("it hangs".to_owned());
    };
    let said = fs::read_to_string(dir.join("stderr")).unwrap_or_default();
    let found = fs::read(dir.join(FOUND)).ok();
    match found.map(|found| serde_json::from_slice(&found)) {
        Some(Ok(found)) if status.success() && !said.contains("panicked") => Ok(found),
        _ => Err(format!("it ends with {status}: {said}")),
    }
}

/// How it ends, if it does.
fn end_of(child: &mut Child) -> Option<ExitStatus> {
    for _ in 0..LOOKS_MAX {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    None
}

/// What the process does that [`read_apart`] starts.
pub(crate) async fn read_and_leave(dir: &Path) {
    let found = read(dir).await;
    let found = serde_json::to_vec(&found).unwrap();
    fs::write(dir.join(FOUND), found).unwrap();
}
