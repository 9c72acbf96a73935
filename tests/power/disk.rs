//! A disk that keeps its word and nothing more: what was synced is there after a power cut, and of
//! the rest any part.
//!
//! - A file keeps what was written before a sync of it began that has ended. Of later writes every
//!   sector is on the disk as it was at some moment since, or half as it was at such a moment;
//!   changes of its size survive in their order up to any of them.
//! - A name is durable when the folder that holds it was synced, not when the file was. Later
//!   changes of names survive each by itself, those of one name in their order, a rename as one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::journal::{Inode, Made, Op};
use crate::crew::dice::Dice;

const SECTOR: usize = 512;

/// How likely what was not synced survives, in percent: one of these for the names and one for the
/// rest, at each cut.
const CHANCES: [u64; 5] = [0, 10, 50, 90, 100];

/// A place in `Disk::nodes`; unlike inodes these are never used again.
type Id = usize;

/// What a disk says was synced and was not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lie {
    /// The journal of the store.
    Journal,
    /// sled's log, where rows go from there.
    Log,
    /// Folders.
    Folders,
    /// Content files.
    Content,
}

#[derive(Debug, Clone, Default)]
pub struct Disk {
    nodes: Vec<Node>,
    inodes: HashMap<Inode, Id>,
    renamed: Vec<NameChange>,
    /// Syncs under way: what they are of, and how much had been done when they began.
    syncs: HashMap<u64, (Id, usize)>,
    done: usize,
}

#[derive(Debug, Clone)]
struct Node {
    /// Below the root, as it was made.
    path: String,
    mode: u32,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    File {
        durable: Vec<u8>,
        changes: Vec<(usize, Change)>,
    },
    Folder(BTreeMap<String, Id>),
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

/// A change of one name, or of the two of a rename.
#[derive(Debug, Clone)]
struct NameChange {
    when: usize,
    names: Vec<((Id, String), Option<Id>)>,
}

/// By path; a folder has no bytes.
pub type Files = BTreeMap<String, Option<Vec<u8>>>;

/// The root is the first node.
const ROOT: Id = 0;

impl Disk {
    /// All that is in a folder, durable.
    pub fn of_folder(root: &Path) -> Self {
        let mut disk = Self::default();
        disk.take(root, "");
        disk
    }

    fn take(&mut self, path: &Path, told: &str) -> Id {
        let found = fs::metadata(path).unwrap();
        let id = self.nodes.len();
        let is_folder = found.is_dir();
        let what = if is_folder {
            What::Folder(BTreeMap::new())
        } else {
            let durable = fs::read(path).unwrap();
            let changes = Vec::new();
            What::File { durable, changes }
        };
        let mode = found.mode() & 0o7777;
        let node = Node {
            path: told.to_owned(),
            mode,
            what,
        };
        self.nodes.push(node);
        self.inodes.insert(found.ino(), id);
        if is_folder {
            for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() || kind.is_file() {
                    let name = entry.file_name().into_string().unwrap();
                    let member = self.take(&entry.path(), &format!("{told}/{name}"));
                    self.members(id).insert(name, member);
                }
            }
        }
        id
    }

    /// Writes all that is durable to `root`, which is emptied before.
    pub fn write_to(&self, root: &Path) {
        if root.exists() {
            fs::remove_dir_all(root).unwrap();
        }
        self.write_node(ROOT, root);
    }

    fn write_node(&self, id: Id, path: &Path) {
        let node = &self.nodes[id];
        match &node.what {
            What::File { durable, .. } => {
                let mut options = fs::OpenOptions::new();
                let made = options.write(true).create_new(true).mode(node.mode);
                std::io::Write::write_all(&mut made.open(path).unwrap(), durable).unwrap();
            }
            What::Folder(members) => {
                fs::DirBuilder::new().mode(node.mode).create(path).unwrap();
                for (name, member) in members {
                    self.write_node(*member, &path.join(name));
                }
            }
        }
    }

    /// Every file and folder with its bytes, as they are durable.
    pub fn durable_files(&self) -> Files {
        let mut found = BTreeMap::new();
        self.gather(ROOT, "", &mut found);
        found
    }

    fn gather(&self, id: Id, path: &str, found: &mut Files) {
        match &self.nodes[id].what {
            What::File { durable, .. } => {
                found.insert(path.to_owned(), Some(durable.clone()));
            }
            What::Folder(members) => {
                found.insert(path.to_owned(), None);
                for (name, member) in members {
                    self.gather(*member, &format!("{path}/{name}"), found);
                }
            }
        }
    }

    /// Does what the journal tells.
    pub fn replay(&mut self, ops: Vec<Op>, lie: Option<Lie>) {
        for op in ops {
            self.done += 1;
            self.perform(op, lie);
        }
    }

    fn perform(&mut self, op: Op, lie: Option<Lie>) {
        match op {
            Op::Write { file, at, bytes } => self.change(file, Change::Write(at, bytes)),
            Op::Resize { file, size } => self.change(file, Change::Resize(size)),
            Op::SyncBegins { of, ticket } => {
                let of = self.inodes[&of];
                if !self.lies(of, lie) {
                    self.syncs.insert(ticket, (of, self.done));
                }
            }
            Op::SyncEnds { ticket } => {
                if let Some((of, begun)) = self.syncs.remove(&ticket) {
                    self.sync(of, begun);
                }
            }
            Op::MakeFile(made) => {
                let (durable, changes) = (Vec::new(), Vec::new());
                self.make(made, What::File { durable, changes });
            }
            Op::MakeFolder(made) => self.make(made, What::Folder(BTreeMap::new())),
            Op::Remove { folder, name } => {
                let names = vec![((self.inodes[&folder], name), None)];
                self.name(names);
            }
            Op::Rename { what, from, to } => {
                let place = |(folder, name): (Inode, String)| (self.inodes[&folder], name);
                let names = vec![(place(from), None), (place(to), Some(self.inodes[&what]))];
                self.name(names);
            }
        }
    }

    fn change(&mut self, file: Inode, change: Change) {
        let (id, when) = (self.inodes[&file], self.done);
        let What::File { changes, .. } = &mut self.nodes[id].what else {
            panic!("a folder is no file");
        };
        changes.push((when, change));
    }

    fn make(&mut self, made: Made, what: What) {
        let (folder, id) = (self.inodes[&made.folder], self.nodes.len());
        let path = format!("{}/{}", self.nodes[folder].path, made.name);
        let mode = made.mode;
        self.nodes.push(Node { path, mode, what });
        self.inodes.insert(made.inode, id);
        self.name(vec![((folder, made.name), Some(id))]);
    }

    fn name(&mut self, names: Vec<((Id, String), Option<Id>)>) {
        let when = self.done;
        self.renamed.push(NameChange { when, names });
    }

    fn lies(&self, id: Id, lie: Option<Lie>) -> bool {
        let Node { path, what, .. } = &self.nodes[id];
        match lie {
            None => false,
            Some(Lie::Journal) => path.contains("/meta/journal-"),
            Some(Lie::Log) => path.ends_with("/meta/db"),
            Some(Lie::Folders) => matches!(what, What::Folder(_)),
            Some(Lie::Content) => matches!(what, What::File { .. }) && path.contains("/content/"),
        }
    }

    fn members(&mut self, folder: Id) -> &mut BTreeMap<String, Id> {
        let What::Folder(members) = &mut self.nodes[folder].what else {
            panic!("a file is no folder");
        };
        members
    }

    /// What was done before `begun` is durable.
    fn sync(&mut self, of: Id, begun: usize) {
        if let What::File { durable, changes } = &mut self.nodes[of].what {
            let later = changes.partition_point(|(when, _)| *when < begun);
            for (_, change) in changes.drain(..later) {
                change.apply(durable);
            }
            return;
        }
        // A change that is durable rests on the earlier ones of its names.
        let mut names = HashSet::new();
        let is_meant = |change: &NameChange, names: &HashSet<(Id, String)>| {
            let mut places = change.names.iter().map(|(place, _)| place);
            change.when < begun && places.any(|place| place.0 == of || names.contains(place))
        };
        let mut meant: Vec<bool> = self
            .renamed
            .iter()
            .rev()
            .map(|change| {
                let is_meant = is_meant(change, &names);
                if is_meant {
                    names.extend(change.names.iter().map(|(place, _)| place.clone()));
                }
                is_meant
            })
            .collect();
        meant.reverse();
        let changes = std::mem::take(&mut self.renamed).into_iter().zip(meant);
        let (now, later): (Vec<_>, Vec<_>) = changes.partition(|(_, is_meant)| *is_meant);
        now.into_iter()
            .for_each(|(change, _)| self.apply_names(change));
        self.renamed = later.into_iter().map(|(change, _)| change).collect();
    }

    fn apply_names(&mut self, change: NameChange) {
        for ((folder, name), id) in change.names {
            match id {
                Some(id) => self.members(folder).insert(name, id),
                None => self.members(folder).remove(&name),
            };
        }
    }

    /// The power fails. What is left is durable, and nothing else is there.
    pub fn cut(&mut self, dice: &mut Dice) {
        let chance = pick(dice);
        let mut lost = HashSet::new();
        for change in std::mem::take(&mut self.renamed) {
            let mut places = change.names.iter().map(|(place, _)| place);
            if places.all(|place| !lost.contains(place)) && dice.below(100) < chance {
                self.apply_names(change);
            } else {
                lost.extend(change.names.into_iter().map(|(place, _)| place));
            }
        }
        let chance = pick(dice);
        for node in &mut self.nodes {
            if let What::File { durable, changes } = &mut node.what {
                cut_file(durable, std::mem::take(changes), dice, chance);
            }
        }
        self.syncs.clear();
    }

    /// Everything done so far is durable, as it is when nothing is cut.
    pub fn settle(&mut self) {
        for change in std::mem::take(&mut self.renamed) {
            self.apply_names(change);
        }
        for node in &mut self.nodes {
            if let What::File { durable, changes } = &mut node.what {
                changes
                    .drain(..)
                    .for_each(|(_, change)| change.apply(durable));
            }
        }
    }
}

fn pick(dice: &mut Dice) -> u64 {
    CHANCES[usize::try_from(dice.below(CHANCES.len() as u64)).unwrap()]
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*at..end].copy_from_slice(bytes);
            }
            Self::Resize(size) => file.resize(*size, 0),
        }
    }

    /// Those that it touches.
    fn sectors(&self) -> Range<usize> {
        match self {
            Self::Write(at, bytes) => at / SECTOR..(at + bytes.len()).div_ceil(SECTOR),
            Self::Resize(_) => 0..0,
        }
    }

    /// A sector reaches the disk as the file is at that moment, with all that was written before;
    /// now and then it is torn amid what is written.
    fn reach(&self, sector: usize, file: &[u8], dice: &mut Dice) -> Range<usize> {
        let whole = sector * SECTOR..file.len().min((sector + 1) * SECTOR);
        let Self::Write(at, bytes) = self else {
            return whole;
        };
        let written = whole.start.max(*at)..whole.end.min(at + bytes.len());
        let torn = written.start + usize::try_from(dice.below(written.len() as u64)).unwrap();
        match dice.below(40) {
            0 => whole.start..torn,
            1 => torn..whole.end,
            _ => whole,
        }
    }
}

/// A write behind a change of size that is lost has nowhere to be, so it is lost too.
fn cut_file(durable: &mut Vec<u8>, changes: Vec<(usize, Change)>, dice: &mut Dice, chance: u64) {
    if changes.is_empty() {
        return;
    }
    let sizes_kept = sizes_kept(changes.len(), dice, chance);
    let mut latest = durable.clone();
    let mut size = durable.len();
    for (at, (_, change)) in changes.into_iter().enumerate() {
        let is_size_kept = at < sizes_kept;
        if matches!(change, Change::Resize(_)) && !is_size_kept {
            break;
        }
        change.apply(&mut latest);
        if is_size_kept {
            size = latest.len();
        }
        if let Change::Resize(_) = change {
            change.apply(durable);
        }
        for sector in change.sectors() {
            if dice.below(100) < chance {
                let part = change.reach(sector, &latest, dice);
                durable.resize(durable.len().max(part.end), 0);
                durable[part.clone()].copy_from_slice(&latest[part]);
            }
        }
    }
    durable.resize(size, 0);
}

/// Of so many changes, after how many the size of the file is the one that is on the disk.
fn sizes_kept(changes: usize, dice: &mut Dice, chance: u64) -> usize {
    (0..changes)
        .find(|_| dice.below(100) >= chance)
        .unwrap_or(changes)
}
