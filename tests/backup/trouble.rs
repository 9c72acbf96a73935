//! What stands in the way of a backup, and what a backup stands in the way of.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use lockkeeper::backup::rows::{Decoder, Record};

use crate::common::Server;
use crate::house::content;
use crate::programs::{installed, is_root, succeed};
use crate::{back_up, ends, files_in, restore, text};

/// The sweep comes by within seconds.
const LOOKS: usize = 150;

#[test]
fn what_stands_in_the_way_is_said() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.put("/a", content(1, 10_000)).status(201);
    let (data, folder) = (server.data(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    let check = |code, arguments: &[&str], data: &Path, says: &str| {
        let told = ends(code, arguments, data);
        assert!(told.contains(says), "{arguments:?}: {told}");
    };
    fs::create_dir(at("other")).unwrap();
    fs::write(at("other/file"), "mine").unwrap();
    let other = at("other");
    check(4, &["backup", text(&other)], &data, "has other files in it");
    check(
        2,
        &["backup", text(&data.join("b"))],
        &data,
        "in the data folder",
    );
    check(
        2,
        &["backup", "a.tar", "--keep", "2"],
        &data,
        "--keep is for folders",
    );
    check(
        3,
        &["restore", text(&other)],
        &at("new"),
        "there is no backup in",
    );
    check(3, &["restore", text(&at("nowhere"))], &at("new"), "nowhere");

    let backups = at("backups");
    back_up(&backups, &data, &[]);
    check(4, &["restore", text(&backups)], &other, "is not empty");
    let of_1999 = ["restore", text(&backups), "--moment", "1999"];
    check(3, &of_1999, &at("new"), "has no moment 1999");
    assert!(!at("new").exists());

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&backups), 0o700);
    let moments = fs::read_dir(backups.join("moments")).unwrap();
    let moment = moments.last().unwrap().unwrap().path();
    assert_eq!((mode(&moment), mode(&moment.join("rows"))), (0o700, 0o600));
    let about = moment.join("about.json");
    let newer = fs::read_to_string(&about).unwrap();
    let newer = newer.replace("\"format\": 1", "\"format\": 2, \"more\": 1");
    fs::write(&about, newer).unwrap();
    check(
        1,
        &["restore", text(&backups)],
        &at("new"),
        "the backup has format 2",
    );
    assert!(!at("new").exists() && fs::read_dir(folder.path()).unwrap().count() == 2);
}

#[test]
fn a_server_in_memory_has_nothing_to_back_up() {
    let server = Server::start_with(&["--memory"]);
    let folder = tempfile::tempdir().unwrap();
    let told = ends(
        1,
        &["backup", text(&folder.path().join("b"))],
        &server.data(),
    );
    assert!(told.contains("keeps everything in memory"), "{told}");
}

/// A client of the control socket that begins a backup, and takes its time.
struct Slow(BufReader<UnixStream>);

impl Slow {
    fn begin(data: &Path) -> (Self, String) {
        let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
        stream.write_all(b"\"backup\"\n").unwrap();
        let (mut slow, mut reply) = (Self(BufReader::new(stream)), String::new());
        slow.0.read_line(&mut reply).unwrap();
        (slow, reply)
    }

    /// All rows; how many there are.
    fn read(&mut self) -> u64 {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 4096];
        loop {
            while let Some(record) = decoder.read().unwrap() {
                if let Record::End { rows, .. } = record {
                    return rows;
                }
            }
            let read = self.0.read(&mut buffer).unwrap();
            decoder.push(&buffer[..read]);
        }
    }
}

#[test]
fn content_stays_while_it_is_backed_up() {
    let server = Server::start_configured("[versions]\nkeep = 0\n");
    let alice = server.user("alice");
    alice.put("/deleted", content(1, 10_000)).status(201);
    alice.put("/replaced", content(2, 10_000)).status(201);
    let files = || files_in(&server.data().join("content")).len();
    assert_eq!(files(), 2);
    let (mut slow, reply) = Slow::begin(&server.data());
    assert_eq!(reply, "\"done\"\n");
    assert!(slow.read() > 5);
    let folder = tempfile::tempdir().unwrap();
    let second = ["backup", text(folder.path())];
    let told = ends(1, &second, &server.data());
    assert!(told.contains("another backup is being made"), "{told}");

    alice.delete("/deleted").status(204);
    alice.put("/replaced", content(3, 10_000)).status(204);
    // Longer than it takes until the sweep comes by.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(files(), 3, "held");
    drop(slow);
    let gone = (0..LOOKS).any(|_| {
        thread::sleep(Duration::from_millis(100));
        files() == 1
    });
    assert!(gone, "what nobody uses goes when the backup has ended");
    back_up(folder.path(), &server.data(), &[]);
}

#[test]
fn a_backup_that_the_disk_has_no_room_for() {
    if !is_root() || !installed(&["mount", "umount"]) {
        return;
    }
    let server = Server::start();
    let alice = server.user("alice");
    for n in 0..12 {
        alice.put(&format!("/{n}"), content(n, 1 << 20)).status(201);
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", text(&disk)];
    succeed(Command::new("mount").args(options));
    let unmount = || succeed(Command::new("umount").arg("-l").arg(&disk));
    let outcome = std::panic::catch_unwind(|| {
        let backups = disk.join("backups");
        let told = ends(1, &["backup", text(&backups)], &server.data());
        assert!(told.contains("the disk is full"), "{told}");
        let told = ends(3, &["restore", text(&backups)], &folder.path().join("new"));
        assert!(told.contains("there is no backup"), "{told}");
        let tar = disk.join("one.tar");
        let told = ends(1, &["backup", text(&tar)], &server.data());
        assert!(told.contains("the disk is full"), "{told}");
        assert_eq!(fs::read_dir(&disk).unwrap().count(), 1, "no rest of a tar");

        // Onto the same disk, from elsewhere.
        let whole = folder.path().join("whole");
        back_up(&whole, &server.data(), &[]);
        let told = ends(1, &["restore", text(&whole)], &disk.join("data"));
        assert!(told.contains("full") || told.contains("No space"), "{told}");
        assert_eq!(
            fs::read_dir(&disk).unwrap().count(),
            1,
            "no half data folder"
        );
        for n in 2..12 {
            alice.delete(&format!("/{n}")).status(204);
        }
        fs::remove_dir_all(&backups).unwrap();
        back_up(&backups, &server.data(), &[]);
        restore(&backups, &folder.path().join("new"));
    });
    unmount();
    outcome.unwrap();
}
