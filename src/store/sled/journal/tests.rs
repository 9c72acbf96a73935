//! Whatever of the files is lost, what is read is a beginning of what was written, and never less
//! than what was synced before the damage.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const HEAD_BYTES: usize = MAGIC.len() + 8;

type Rows = Vec<(Key, Option<Bytes>)>;

fn rows(replayed: &Replayed) -> Rows {
    let changes = replayed.rows.changes();
    changes
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn change(key: u8, value: Option<u8>) -> Change {
    let value = value.map(|value| Bytes::from(vec![value; usize::from(value)]));
    (Bytes::from(vec![b'k', key]), value)
}

/// What there is after each commit, the first of them none.
fn states(commits: &[Vec<Change>]) -> Vec<Rows> {
    let mut overlay = Overlay::default();
    let mut states = vec![Vec::new()];
    for changes in commits {
        overlay.absorb(changes.clone());
        let changed = overlay.changes();
        states.push(
            changed
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        );
    }
    states
}

fn open(dir: &Path, bytes_max: u64, moved: u64) -> (Journal, Replayed, watch::Sender<u64>) {
    let (sender, receiver) = watch::channel(moved);
    let (journal, replayed) = Journal::open(dir, bytes_max, receiver).unwrap();
    (journal, replayed, sender)
}

/// Writes commits from `number` on, each with a write of its own.
fn write(journal: &mut Journal, number: u64, commits: &[Vec<Change>]) {
    for (number, changes) in (number..).zip(commits) {
        let record = journal.epoch().record(number - 1, number, changes);
        journal.write(&record, number).unwrap();
        journal.sync().unwrap();
    }
}

fn commits(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Change>>> {
    let value = proptest::option::of(0..40_u8);
    vec(
        vec(
            (0..6_u8, value).prop_map(|(key, value)| change(key, value)),
            0..4,
        ),
        count,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Over files of all lengths, with or without rows that sled took meanwhile, through several
    /// openings: everything that sled does not have is read again.
    #[test]
    fn what_was_written_is_read(
        rounds in vec((commits(0..12), any::<prop::sample::Index>()), 1..5),
        bytes_max in 1..400_u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut number, mut moved, mut all) = (0, 0, Vec::new());
        for (commits, moves_to) in rounds {
            let (mut journal, replayed, sender) = open(dir.path(), bytes_max, moved);
            prop_assert_eq!(replayed.number, number);
            let expect = states(&all[usize::try_from(moved).unwrap()..]);
            prop_assert_eq!(&rows(&replayed), expect.last().unwrap());
            if !journal.has_room() {
                moved = number;
                sender.send_replace(moved);
            }
            let middle = commits.len() / 2;
            write(&mut journal, number + 1, &commits[..middle]);
            number += middle as u64;
            moved += moves_to.index(usize::try_from(number - moved).unwrap() + 1) as u64;
            sender.send_replace(moved);
            write(&mut journal, number + 1, &commits[middle..]);
            number += (commits.len() - middle) as u64;
            all.extend(commits);
        }
        prop_assert_eq!(open(dir.path(), bytes_max, moved).1.number, number);
    }

    /// A bit that flips or an end that is lost costs what comes behind it, and nothing else.
    #[test]
    fn damage_leaves_a_beginning(
        commits in commits(1..12),
        bytes_max in 1..400_u64,
        (file, place, cuts) in (0..3_usize, any::<prop::sample::Index>(), any::<bool>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, ..) = open(dir.path(), bytes_max, 0);
        write(&mut journal, 1, &commits);
        let path = dir.path().join(FILES[file]);
        let mut content = fs::read(&path).unwrap();
        // Behind them is room for more.
        let records = content.iter().rposition(|byte| *byte != 0);
        if let Some(last) = records {
            let place = place.index(last + 1);
            if cuts { content.truncate(place) } else { content[place] ^= 1 }
            fs::write(&path, content).unwrap();
        }
        let replayed = open(dir.path(), bytes_max, 0).1;
        let number = usize::try_from(replayed.number).unwrap();
        prop_assert_eq!(&rows(&replayed), &states(&commits)[number]);
    }
}

/// What a crash left behind the end of the records is not theirs, though it has their form and the
/// number that would come next.
#[test]
fn records_of_another_opening_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let one = |value| vec![change(1, Some(value))];
    let (mut journal, ..) = open(dir.path(), 1 << 20, 0);
    write(&mut journal, 1, &[one(1), one(2), one(3)]);
    let path = dir.path().join(FILES[0]);
    let whole = fs::read(&path).unwrap();
    // Commit 2 never got to the disk, commit 3 did.
    let first = RECORD_HEAD_BYTES + 6 + 2 + 1;
    let mut torn = whole.clone();
    torn[HEAD_BYTES + first..][..first].fill(0);
    fs::write(&path, &torn).unwrap();
    let (mut journal, replayed, sender) = open(dir.path(), 1 << 20, 0);
    assert_eq!(replayed.number, 1);
    sender.send_replace(1);
    write(&mut journal, 2, &[one(2)]);
    sender.send_replace(0);
    let replayed = open(dir.path(), 1 << 20, 0).1;
    assert_eq!(replayed.number, 2);
    assert_eq!(rows(&replayed), one(2));

    // The same in the file that is written again from its beginning.
    fs::write(&path, &torn).unwrap();
    fs::remove_file(dir.path().join(FILES[1])).unwrap();
    let (mut journal, ..) = open(dir.path(), 1 << 20, 1);
    write(&mut journal, 2, &[one(9)]);
    let replayed = open(dir.path(), 1 << 20, 1).1;
    assert_eq!((replayed.number, rows(&replayed)), (2, one(9)));
}

/// The file system has something of its own to write only when a file grows, so it seldom does.
#[test]
fn a_file_grows_by_room_for_many_records() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path(), 1 << 20, 0);
    let length = || fs::metadata(dir.path().join(FILES[0])).unwrap().len();
    let record = vec![1; 3000];
    let mut lengths = Vec::new();
    for number in 1..=300 {
        journal.write(&record, number).unwrap();
        lengths.push(length());
    }
    assert!(*lengths.last().unwrap() >= 300 * 3000);
    lengths.dedup();
    assert!(lengths.len() <= 5, "{lengths:?}");
    journal.files[0].end = 0;
    journal.write(&record, 301).unwrap();
    assert_eq!(length(), *lengths.last().unwrap(), "it is written over");
}
