//! What is left of journals written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::disk::{Disk, Lie};
use super::journal::{Made, Op, read};
use crate::crew::dice::Dice;

/// Chance shows everything that it may in so many cuts.
const CUTS: u64 = 2_000;

/// Numbers that no file system gives to the root of the disk.
const FOLDER: u64 = u64::MAX - 1;
const FILE: u64 = u64::MAX - 2;
const OTHER: u64 = u64::MAX - 3;

type Left = BTreeMap<String, Option<Vec<u8>>>;

/// A disk on which there is only a root, and the number of that.
fn empty() -> (Disk, u64) {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::metadata(folder.path()).unwrap().ino();
    (Disk::of_folder(folder.path()), root)
}

/// Everything that a cut after `ops` may leave, without the root.
fn left_of(ops: impl Fn(u64) -> Vec<Op>, lie: Option<Lie>) -> BTreeSet<Left> {
    let (empty, root) = empty();
    let mut seen = BTreeSet::new();
    for seed in 0..CUTS {
        let mut disk = empty.clone();
        disk.replay(ops(root), lie);
        disk.cut(&mut Dice::new(seed));
        let mut left = disk.durable_files();
        left.remove("");
        seen.insert(left);
    }
    seen
}

fn made(folder: u64, name: &str, inode: u64) -> Made {
    Made {
        folder,
        name: name.to_owned(),
        inode,
        mode: 0o600,
    }
}

fn file(folder: u64, name: &str, inode: u64) -> Op {
    Op::MakeFile(made(folder, name, inode))
}

fn write(file: u64, at: usize, bytes: &[u8]) -> Op {
    let bytes = bytes.to_vec();
    Op::Write { file, at, bytes }
}

fn synced(of: u64) -> [Op; 2] {
    let ticket = of;
    [Op::SyncBegins { of, ticket }, Op::SyncEnds { ticket }]
}

fn remove(folder: u64, name: &str) -> Op {
    let name = name.to_owned();
    Op::Remove { folder, name }
}

fn rename(what: u64, folder: u64, from: &str, to: &str) -> Op {
    let place = |name: &str| (folder, name.to_owned());
    let (from, to) = (place(from), place(to));
    Op::Rename { what, from, to }
}

fn after(before: Vec<Op>, more: impl IntoIterator<Item = Op>) -> Vec<Op> {
    before.into_iter().chain(more).collect()
}

/// Of each outcome the names.
fn names(seen: &BTreeSet<Left>) -> BTreeSet<String> {
    let joined = |left: &Left| left.keys().cloned().collect::<Vec<_>>().join(" ");
    seen.iter().map(joined).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn contents(seen: &BTreeSet<Left>, name: &str) -> BTreeSet<Vec<u8>> {
    let of_name = |left: &Left| left.get(name).cloned().flatten();
    seen.iter().filter_map(of_name).collect()
}

/// A file with `bytes`, in all ways durable.
fn whole(root: u64, bytes: &[u8]) -> Vec<Op> {
    let begun = vec![file(root, "a", FILE), write(FILE, 0, bytes)];
    after(after(begun, synced(FILE)), synced(root))
}

#[test]
fn what_was_synced_stays() {
    let seen = left_of(|root| whole(root, b"text"), None);
    let only = Left::from([("/a".to_owned(), Some(b"text".to_vec()))]);
    assert_eq!(seen, BTreeSet::from([only]));
}

#[test]
fn a_name_that_was_not_synced_may_go_and_the_synced_file_with_it() {
    let begun = |root| vec![file(root, "a", FILE), write(FILE, 0, b"text")];
    let seen = left_of(|root| after(begun(root), synced(FILE)), None);
    assert_eq!(names(&seen), set(&["", "/a"]));
    assert_eq!(contents(&seen, "/a"), BTreeSet::from([b"text".to_vec()]));
}

#[test]
fn a_folder_without_a_name_takes_its_members_along() {
    let ops = |root| {
        let begun = vec![
            Op::MakeFolder(made(root, "f", FOLDER)),
            file(FOLDER, "a", FILE),
        ];
        after(begun, synced(FOLDER))
    };
    assert_eq!(names(&left_of(ops, None)), set(&["", "/f /f/a"]));
}

#[test]
fn a_sync_reaches_only_what_was_done_before_it_began() {
    let ops = |root| {
        vec![
            file(root, "a", FILE),
            Op::SyncBegins {
                of: root,
                ticket: 1,
            },
            file(root, "b", OTHER),
            Op::SyncEnds { ticket: 1 },
            // No end of it was seen.
            Op::SyncBegins {
                of: root,
                ticket: 2,
            },
        ]
    };
    assert_eq!(names(&left_of(ops, None)), set(&["/a", "/a /b"]));
}

#[test]
fn removals_and_renames_that_were_not_synced_may_be_undone() {
    let removed = |root| after(whole(root, b"text"), [remove(root, "a")]);
    assert_eq!(names(&left_of(removed, None)), set(&["", "/a"]));
    let renamed = |root| after(whole(root, b"text"), [rename(FILE, root, "a", "b")]);
    assert_eq!(names(&left_of(renamed, None)), set(&["/a", "/b"]));
    let durable = |root| after(renamed(root), synced(root));
    assert_eq!(names(&left_of(durable, None)), set(&["/b"]));
}

#[test]
fn one_name_changes_in_order_and_others_do_not_wait_for_it() {
    let ops = |root| {
        vec![
            file(root, "a", FILE),
            rename(FILE, root, "a", "b"),
            file(root, "c", OTHER),
        ]
    };
    let seen = names(&left_of(ops, None));
    assert_eq!(seen, set(&["", "/a", "/a /c", "/b", "/b /c", "/c"]));
}

#[test]
fn a_number_that_is_used_again_is_another_file() {
    let ops = |root| {
        let again = [
            remove(root, "a"),
            file(root, "b", FILE),
            write(FILE, 0, b"new"),
        ];
        after(after(whole(root, b"old"), again), synced(FILE))
    };
    let seen = left_of(ops, None);
    assert_eq!(names(&seen), set(&["", "/a", "/a /b", "/b"]));
    assert_eq!(contents(&seen, "/a"), BTreeSet::from([b"old".to_vec()]));
    assert_eq!(contents(&seen, "/b"), BTreeSet::from([b"new".to_vec()]));
}

#[test]
fn what_was_written_since_survives_by_sectors_and_torn() {
    let (old, new) = ([b'o'; 1_536], [b'n'; 1_536]);
    let ops = |root| after(whole(root, &old), [write(FILE, 0, &new)]);
    let seen = contents(&left_of(ops, None), "/a");
    assert!(seen.contains(&old[..]) && seen.contains(&new[..]));
    let last_first = [&old[..1_024], &new[..512]].concat();
    assert!(seen.contains(&last_first), "in any order");
    let is_torn = |left: &Vec<u8>| {
        left.chunks(512)
            .any(|sector| sector.iter().any(|byte| *byte != sector[0]))
    };
    assert!(seen.iter().any(is_torn), "half a sector");
    assert!(seen.iter().all(|left| left.len() == 1_536));
}

#[test]
fn a_sector_does_not_forget_an_earlier_write_for_a_later_one() {
    let ops = |root| {
        let more = [write(FILE, 0, b"A"), write(FILE, 1, b"B")];
        after(whole(root, b"ab"), more)
    };
    let seen = contents(&left_of(ops, None), "/a");
    let untorn: BTreeSet<Vec<u8>> = [b"ab", b"Ab", b"AB"].map(|left| left.to_vec()).into();
    assert!(seen.is_superset(&untorn));
}

#[test]
fn sizes_that_were_not_synced_survive_up_to_any_moment() {
    let grown = |root| {
        let more = [write(FILE, 4, b"more"), write(FILE, 8, b"most")];
        after(whole(root, b"text"), more)
    };
    let seen = contents(&left_of(grown, None), "/a");
    let sizes: BTreeSet<usize> = seen.iter().map(Vec::len).collect();
    assert_eq!(sizes, BTreeSet::from([4, 8, 12]));
    assert!(seen.contains(&b"text\0\0\0\0"[..]), "size without bytes");
    assert!(seen.iter().all(|left| left.starts_with(b"text")));

    let cut = |root| {
        let more = [
            Op::Resize {
                file: FILE,
                size: 2,
            },
            write(FILE, 2, b"st"),
        ];
        after(whole(root, b"text"), more)
    };
    let seen = contents(&left_of(cut, None), "/a");
    let expected = [&b"text"[..], b"te", b"te\0\0", b"test"];
    let expected: BTreeSet<Vec<u8>> = expected.map(<[u8]>::to_vec).into();
    assert!(seen.is_superset(&expected), "{seen:?}");
}

#[test]
fn a_disk_that_lies_keeps_no_word() {
    let ops = |root| {
        let folders = vec![
            Op::MakeFolder(made(root, "content", FOLDER)),
            file(FOLDER, "a", FILE),
            write(FILE, 0, b"text"),
        ];
        after(
            after(after(folders, synced(FILE)), synced(FOLDER)),
            synced(root),
        )
    };
    let honest = set(&["/content /content/a"]);
    assert_eq!(names(&left_of(ops, None)), honest);
    let without_names = names(&left_of(ops, Some(Lie::Folders)));
    assert_eq!(without_names, set(&["", "/content", "/content /content/a"]));
    let seen = left_of(ops, Some(Lie::Content));
    assert_eq!(names(&seen), honest);
    assert!(contents(&seen, "/content/a").contains(&Vec::new()));
    assert_eq!(left_of(ops, Some(Lie::Log)), left_of(ops, None));
}

#[test]
fn the_same_seed_leaves_the_same() {
    let (empty, root) = empty();
    let cut = |seed| {
        let mut disk = empty.clone();
        disk.replay(
            after(whole(root, &[7; 9_000]), [write(FILE, 9, &[8; 8_000])]),
            None,
        );
        disk.cut(&mut Dice::new(seed));
        disk.durable_files()
    };
    assert!(cut(5) == cut(5));
    assert!((0..50).any(|seed| cut(seed) != cut(5)));
}

#[test]
fn a_record_that_the_kill_cut_short_is_left_out() {
    let record = |name: &str| {
        let head = [6_u64, 11, 10, 0o700, name.len() as u64];
        let head = head.map(u64::to_ne_bytes).concat();
        [&head[..], name.as_bytes()].concat()
    };
    let whole = [record("one"), record("two")].concat();
    let folder = |name: &str| {
        let mode = 0o700;
        Op::MakeFolder(Made {
            mode,
            ..made(10, name, 11)
        })
    };
    assert_eq!(read(&whole), [folder("one"), folder("two")]);
    for length in record("one").len()..whole.len() {
        assert_eq!(read(&whole[..length]), [folder("one")]);
    }
}
