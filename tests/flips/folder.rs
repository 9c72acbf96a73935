//! Data folders: what is in one, a copy, and what damages it.

use std::fmt;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::support::Dice;

const SECTOR: u64 = 512;

/// All files below a folder, in order.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What happens to a file.
#[derive(Debug, Clone)]
pub(crate) enum Harm {
    /// One bit is another.
    Bit(u64),
    /// Several in one sector.
    Bits(Vec<u64>),
    /// A sector is lost.
    Sector(u64),
    /// The file ends here.
    End(u64),
    /// It is not there.
    Removed,
    /// It has changed places with this one.
    Swapped(PathBuf),
}

/// What happens to a data folder.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    /// Relative to the folder.
    pub(crate) file: PathBuf,
    harm: Harm,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.file.display(), self.harm)
    }
}

impl Damage {
    /// Some damage to the folder: half of the files are drawn by their number, half by their size.
    pub(crate) fn draw(dir: &Path, dice: &mut Dice) -> Self {
        let all: Vec<_> = files(dir)
            .into_iter()
            .map(|file| (size(&file), file.strip_prefix(dir).unwrap().to_owned()))
            .filter(|(size, _)| *size > 0)
            .collect();
        let (size, file) = if dice.roll(2) == 0 {
            dice.pick(&all).clone()
        } else {
            by_size(&all, dice)
        };
        let bit = |dice: &mut Dice| below(dice, size * 8);
        let harm = match dice.roll(20) {
            0..=12 => Harm::Bit(bit(dice)),
            13 | 14 => {
                let sector = below(dice, size.div_ceil(SECTOR)) * SECTOR;
                let bits = (size - sector).min(SECTOR) * 8;
                let count = 2 + dice.roll(20);
                Harm::Bits((0..count).map(|_| sector * 8 + below(dice, bits)).collect())
            }
            15 | 16 => Harm::Sector(below(dice, size.div_ceil(SECTOR)) * SECTOR),
            17 => Harm::End(below(dice, size)),
            18 => Harm::Removed,
            _ => match other_content(&all, &file, dice) {
                Some(other) => Harm::Swapped(other),
                None => Harm::Bit(bit(dice)),
            },
        };
        Self { file, harm }
    }

    /// What kind of file it is, for people.
    pub(crate) fn kind(&self) -> String {
        let name = self.file.file_name().unwrap().to_string_lossy();
        if self.file.starts_with("content") {
            "content/*".to_owned()
        } else if name.starts_with("snap.") {
            "meta/snap.*".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    /// Does it to this folder.
    pub(crate) fn inflict(&self, dir: &Path) {
        let path = dir.join(&self.file);
        let open = || {
            let file = fs::OpenOptions::new().read(true).write(true).open(&path);
            file.unwrap()
        };
        match &self.harm {
            Harm::Bit(bit) => flip(&open(), *bit),
            Harm::Bits(bits) => bits.iter().for_each(|bit| flip(&open(), *bit)),
            Harm::Sector(at) => {
                let length = usize::try_from((size(&path) - at).min(SECTOR)).unwrap();
                open().write_all_at(&vec![0; length], *at).unwrap();
            }
            Harm::End(at) => open().set_len(*at).unwrap(),
            Harm::Removed => fs::remove_file(&path).unwrap(),
            Harm::Swapped(other) => {
                let (other, between) = (dir.join(other), dir.join("between"));
                fs::rename(&path, &between).unwrap();
                fs::rename(&other, &path).unwrap();
                fs::rename(&between, &other).unwrap();
            }
        }
    }
}

/// How long a file is without the room that is kept at its end, where nothing can be damaged.
fn size(path: &Path) -> u64 {
    let content = fs::read(path).unwrap();
    let last = content.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| last as u64 + 1)
}

fn below(dice: &mut Dice, bound: u64) -> u64 {
    dice.roll(usize::try_from(bound).unwrap()) as u64
}

fn by_size(all: &[(u64, PathBuf)], dice: &mut Dice) -> (u64, PathBuf) {
    let mut at = below(dice, all.iter().map(|(size, _)| size).sum());
    for (size, file) in all {
        if at < *size {
            return (*size, file.clone());
        }
        at -= size;
    }
    unreachable!("it lies within their sum")
}

/// Another content file than this one, which is one, too.
fn other_content(all: &[(u64, PathBuf)], file: &Path, dice: &mut Dice) -> Option<PathBuf> {
    let others = all.iter().map(|(_, other)| other);
    let others: Vec<_> = others
        .filter(|other| other.starts_with("content") && *other != file)
        .collect();
    let is_content = file.starts_with("content") && !others.is_empty();
    is_content.then(|| (*dice.pick(&others)).clone())
}

fn flip(file: &fs::File, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}
