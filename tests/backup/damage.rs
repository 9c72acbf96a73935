//! Bits that flip in a backup, and parts that are cut off: it is refused, or what is restored is
//! right all the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lockkeeper::backup::Vault;
use lockkeeper::ops::backups::restore_into;
use tempfile::TempDir;

use crate::common::Server;
use crate::house::content;
use crate::pairs::Silent;
use crate::support::Dice;
use crate::{back_up, files_in, rows_in};

const FLIPS_IN_CI: usize = 40;
const FLIPS_AT_LENGTH: usize = 3_000;

/// A small backup, as a folder and as a tar.
struct Sample {
    folder: TempDir,
    content: BTreeMap<String, Vec<u8>>,
}

impl Sample {
    fn new() -> Self {
        let server = Server::start();
        let alice = server.user("alice");
        for n in 0..4 {
            alice
                .put(&format!("/{n}"), content(n, 5_000 * n + 10))
                .status(201);
        }
        alice.lock("/1", "Infinite").status(200);
        let folder = tempfile::tempdir().unwrap();
        back_up(&folder.path().join("backups"), &server.data(), &[]);
        back_up(&folder.path().join("one.tar"), &server.data(), &[]);
        Self {
            content: files_in(&server.data().join("content")),
            folder,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Restores it: whether that was done, and what is wrong with what was made.
    fn judge(&self, source: &Path) -> Result<bool, String> {
        let new = self.at("new");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let restored = runtime.block_on(async {
            let vault = Vault::open(source)?;
            let moment = vault.moment(None)?;
            restore_into(&new, &vault, &moment, 8 << 20, &Silent).await
        });
        let Err(error) = restored else {
            let content = files_in(&new.join("content"));
            let again = self.at("again");
            back_up(&again, &new, &[]);
            let same = content == self.content && rows_in(&again) == rows_in(&self.at("backups"));
            fs::remove_dir_all(again).unwrap();
            fs::remove_dir_all(&new).unwrap();
            return if same {
                Ok(true)
            } else {
                Err("restored wrong".to_owned())
            };
        };
        assert!(!new.exists() && !self.at(".new.restoring").exists(), "half");
        if error.to_string().is_empty() {
            return Err("no reason was given".to_owned());
        }
        Ok(false)
    }
}

/// Flips bits; how many flips were refused, and how many did no harm.
fn flip(sample: &Sample, flips: usize, dice: &mut Dice) -> (usize, usize) {
    let (mut refused, mut harmless) = (0, 0);
    let mut files: Vec<PathBuf> = files_in(&sample.at("backups"))
        .keys()
        .filter(|name| *name != "lock")
        .map(|name| sample.at("backups").join(name))
        .collect();
    files.push(sample.at("one.tar"));
    for number in 0..flips {
        let file = &files[number % files.len()];
        let whole = fs::read(file).unwrap();
        let bit = dice.roll(whole.len() * 8);
        let mut damaged = whole.clone();
        match dice.roll(10) {
            0 => damaged.truncate(bit / 8),
            _ => damaged[bit / 8] ^= 1 << (bit % 8),
        }
        fs::write(file, damaged).unwrap();
        // The other half of the sample is what it is held against.
        let source = if file.ends_with("one.tar") {
            "one.tar"
        } else {
            "backups"
        };
        let copy = sample.at("copy");
        let judged = if source == "backups" {
            copy_all(&sample.at("backups"), &copy);
            fs::write(file, &whole).unwrap();
            sample.judge(&copy)
        } else {
            sample.judge(&sample.at("one.tar"))
        };
        fs::write(file, &whole).unwrap();
        let _ = fs::remove_dir_all(&copy);
        match judged {
            Ok(true) => harmless += 1,
            Ok(false) => refused += 1,
            Err(fault) => panic!("bit {bit} of {}: {fault}", file.display()),
        }
    }
    (refused, harmless)
}

fn copy_all(from: &Path, to: &Path) {
    for (name, bytes) in files_in(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn campaign(flips: usize) {
    let seed = std::env::var("LOCKKEEPER_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("LOCKKEEPER_SEED={seed}");
    let sample = Sample::new();
    assert_eq!(sample.judge(&sample.at("backups")), Ok(true));
    assert_eq!(sample.judge(&sample.at("one.tar")), Ok(true));
    let (refused, harmless) = flip(&sample, flips, &mut Dice(seed));
    println!("{flips} flips and cuts: {refused} refused, {harmless} without harm");
    assert!(refused > flips / 2);
}

#[test]
fn damaged_backups_are_refused_or_restored_right() {
    campaign(FLIPS_IN_CI);
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn damaged_backups_at_length() {
    let flips = std::env::var("LOCKKEEPER_FLIPS").ok();
    campaign(
        flips
            .and_then(|flips| flips.parse().ok())
            .unwrap_or(FLIPS_AT_LENGTH),
    );
}

/// The test of the test: a backup that is wrong, but whole, is told from the right one.
#[test]
fn a_wrong_backup_is_told_from_the_right_one() {
    let sample = Sample::new();
    let other = Sample::new();
    let judged = sample.judge(&other.at("backups"));
    assert_eq!(judged, Err("restored wrong".to_owned()));
}
