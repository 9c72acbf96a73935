//! davfs2: the server as a folder. davfs2 locks every file that is opened for writing and uploads
//! it ten seconds after the close, so that programs rename and delete what is still locked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::Server;
use crate::programs::{
    assert_no_lock_left, files_below, installed, is_root, locks_below, skipped, succeed, told,
};

/// What people do on a mounted drive, each in a folder of its own.
struct Flow {
    name: &'static str,
    /// Files on the server before the mount.
    before: &'static [(&'static str, &'static str)],
    /// Run by bash with `-euo pipefail` in the folder; `$SOURCE` is a local tree of files.
    script: &'static str,
    /// Every file on the server after the unmount. Anything else is litter.
    after: &'static [(&'static str, &'static str)],
}

const FLOWS: &[Flow] = &[
    Flow {
        name: "create, edit and append",
        before: &[("old.txt", "one\n")],
        script: "echo one > new.txt; echo two >> new.txt; echo two >> old.txt; : > empty.txt",
        after: &[
            ("empty.txt", ""),
            ("new.txt", "one\ntwo\n"),
            ("old.txt", "one\ntwo\n"),
        ],
    },
    // vim takes no care in temporary folders (`backupskip`), and this mount lies in one.
    Flow {
        name: "vim saves",
        before: &[("plan.txt", "eins\n")],
        script: r#"for word in zwei drei; do
                     vim -u NONE -N -es -c 'set swapfile backupskip=' \
                       -c "1s/.*/$word/" -c wq plan.txt
                   done
                   vim -u NONE -N -es -c 'set swapfile backupskip=' -c 'normal ineu' -c wq new.txt
                   test "$(ls -A | tr '\n' ' ')" = 'new.txt plan.txt '"#,
        after: &[("new.txt", "neu\n"), ("plan.txt", "drei\n")],
    },
    Flow {
        name: "vim saves beside a backup file",
        before: &[("plan.txt", "eins\n")],
        script: "vim -u NONE -N -es -c 'set swapfile backup backupskip=' \
                   -c '1s/.*/zwei/' -c wq plan.txt",
        after: &[("plan.txt", "zwei\n"), ("plan.txt~", "eins\n")],
    },
    Flow {
        name: "rename right after a write",
        before: &[("edited.txt", "one\n")],
        script: "echo one > draft.txt; mv draft.txt final.txt
                 echo two >> edited.txt; mv edited.txt renamed.txt",
        after: &[("final.txt", "one\n"), ("renamed.txt", "one\ntwo\n")],
    },
    Flow {
        name: "rename while open",
        before: &[],
        script: "exec 3> open.txt; echo one >&3; mv open.txt moved.txt; echo two >&3; exec 3>&-",
        after: &[("moved.txt", "one\ntwo\n")],
    },
    Flow {
        name: "remove right after a write",
        before: &[("old.txt", "one\n"), ("stays.txt", "one\n")],
        script: "echo one > new.txt; rm new.txt; echo two >> old.txt; rm old.txt",
        after: &[("stays.txt", "one\n")],
    },
    Flow {
        name: "write and move to another folder",
        before: &[("edited.txt", "one\n")],
        script: "mkdir folder; echo one > new.txt; mv new.txt folder/new.txt
                 echo two >> edited.txt; mv edited.txt folder/other.txt",
        after: &[
            ("folder/new.txt", "one\n"),
            ("folder/other.txt", "one\ntwo\n"),
        ],
    },
    Flow {
        name: "atomic save: write a temporary file, rename it over",
        before: &[("plan.txt", "old\n")],
        script: "echo new > .plan.tmp; mv .plan.tmp plan.txt; test \"$(cat plan.txt)\" = new",
        after: &[("plan.txt", "new\n")],
    },
    Flow {
        name: "move over a just edited file",
        before: &[("a.txt", "a1\n"), ("b.txt", "b1\n")],
        script: "echo a2 >> a.txt; echo b2 >> b.txt; mv a.txt b.txt; echo a3 >> b.txt",
        after: &[("b.txt", "a1\na2\na3\n")],
    },
    Flow {
        name: "sed -i",
        before: &[("list.txt", "eins\nzwei\n")],
        script: "sed -i s/eins/one/ list.txt; sed -i s/zwei/two/ list.txt",
        after: &[("list.txt", "one\ntwo\n")],
    },
    Flow {
        name: "rsync -a, twice",
        before: &[],
        script: r#"rsync -a --itemize-changes "$SOURCE/" copy/
                   again=$(rsync -a --itemize-changes "$SOURCE/" copy/)
                   test -z "$again""#,
        after: &[
            ("copy/deep/er/three", "three\n"),
            ("copy/deep/two", "two\n"),
            ("copy/one", "one\n"),
            ("copy/spa ce ü", "four\n"),
        ],
    },
    Flow {
        name: "cp -r, and rm -rf of another copy right after it",
        before: &[],
        script: r#"cp -r "$SOURCE" kept; cp -r "$SOURCE" gone; rm -rf gone; test ! -e gone"#,
        after: &[
            ("kept/deep/er/three", "three\n"),
            ("kept/deep/two", "two\n"),
            ("kept/one", "one\n"),
            ("kept/spa ce ü", "four\n"),
        ],
    },
    Flow {
        name: "move of a folder with fresh files",
        before: &[("fresh/old", "0\n")],
        script: "for i in 1 2 3; do echo $i > fresh/$i; done; echo more >> fresh/old
                 mv fresh kept; echo 4 > kept/4",
        after: &[
            ("kept/1", "1\n"),
            ("kept/2", "2\n"),
            ("kept/3", "3\n"),
            ("kept/4", "4\n"),
            ("kept/old", "0\nmore\n"),
        ],
    },
];

#[test]
fn everyday_work_on_a_mounted_drive() {
    if !can_mount(&["bash", "vim", "rsync", "sed"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    for (number, flow) in FLOWS.iter().enumerate() {
        alice.mkcol(&format!("/{number}/")).status(201);
        for (path, content) in flow.before {
            if let Some((folder, _)) = path.rsplit_once('/') {
                alice.mkcol(&format!("/{number}/{folder}/")).status(201);
            }
            alice.put(&format!("/{number}/{path}"), content).status(201);
        }
    }
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("deep/er")).unwrap();
    for (path, content) in [
        ("one", "one\n"),
        ("deep/two", "two\n"),
        ("deep/er/three", "three\n"),
        ("spa ce ü", "four\n"),
    ] {
        fs::write(source.path().join(path), content).unwrap();
    }

    let mount = Mount::new(&server, "alice");
    let mut faults = Vec::new();
    for (number, flow) in FLOWS.iter().enumerate() {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", flow.script])
            .current_dir(mount.path().join(number.to_string()))
            .env("SOURCE", source.path())
            .output()
            .unwrap();
        if !output.status.success() {
            faults.push(format!("{}: {}", flow.name, told(&output)));
        }
    }
    mount.unmount();
    for (number, flow) in FLOWS.iter().enumerate() {
        let folder = format!("/{number}/");
        let files: Vec<_> = files_below(&alice, &folder);
        let expected: Vec<_> = flow.after.iter().map(|(path, _)| *path).collect();
        if files != expected {
            faults.push(format!("{}: on the server are {files:?}", flow.name));
            continue;
        }
        for (path, content) in flow.after {
            let found = alice.get(&encoded(&format!("{folder}{path}"))).body;
            if found != content.as_bytes() {
                let found = String::from_utf8_lossy(&found);
                faults.push(format!("{}: {path} is {found:?}", flow.name));
            }
        }
    }
    faults.extend(
        locks_below(&alice, "/")
            .into_iter()
            .map(|lock| format!("a lock is left: {lock}")),
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(server.stop().success());
}

#[test]
fn a_git_repository_on_a_mounted_drive() {
    if !can_mount(&["git"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    let mount = Mount::new(&server, "alice");
    let git = |folder: &Path, arguments: &[&str]| {
        succeed(
            Command::new("git")
                .args([
                    "-c",
                    "user.name=Alice",
                    "-c",
                    "user.email=alice@example.org",
                ])
                .args(arguments)
                .current_dir(folder),
        )
    };
    git(&mount.path(), &["init", "--quiet", "project"]);
    let project = mount.path().join("project");
    for round in ["first", "second", "third"] {
        fs::write(project.join(format!("{round}.txt")), round).unwrap();
        fs::write(project.join("log.txt"), round).unwrap();
        git(&project, &["add", "--all"]);
        git(&project, &["commit", "--quiet", "--message", round]);
    }
    git(&project, &["fsck", "--strict", "--no-dangling"]);
    mount.unmount();

    // A second mount has an empty cache: what it reads came from the server.
    let mount = Mount::new(&server, "alice");
    let project = mount.path().join("project");
    git(&project, &["fsck", "--strict", "--no-dangling"]);
    assert_eq!(
        git(&project, &["log", "--format=%s"]),
        "third\nsecond\nfirst\n"
    );
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    mount.unmount();
    assert_no_lock_left(&alice);
    assert!(server.stop().success());
}

#[test]
fn a_large_file_on_a_mounted_drive() {
    if !can_mount(&[]) {
        return;
    }
    let mut server = Server::start();
    // Words that are all different, so that a lost, swapped or repeated block shows.
    let content: Vec<u8> = (0..50_u64 * 1024 * 1024 / 8)
        .flat_map(u64::to_le_bytes)
        .collect();
    let alice = server.user("alice");
    let mount = Mount::new(&server, "alice");
    fs::write(mount.path().join("large.bin"), &content).unwrap();
    mount.unmount();
    let found = alice.get("/large.bin").status(200).body;
    assert_eq!(found.len(), content.len());
    assert!(found == content, "other bytes than were written");
    assert_no_lock_left(&alice);
    assert!(server.stop().success());
}

#[test]
fn two_users_on_the_same_drive() {
    if !can_mount(&["bash"]) {
        return;
    }
    let mut server = Server::start();
    let http = server.user("alice");
    server.user("bob");
    http.put("/shared.txt", "one\n").status(201);
    let alice = Mount::new(&server, "alice");
    let bob = Mount::new(&server, "bob");
    let open = fs::OpenOptions::new()
        .append(true)
        .open(alice.path().join("shared.txt"))
        .unwrap();
    assert_eq!(
        locks_below(&http, "/").len(),
        1,
        "alice's open file is locked"
    );

    let as_bob = |script: &str| {
        Command::new("bash")
            .args(["-c", script])
            .current_dir(bob.path())
            .output()
            .unwrap()
    };
    for refused in [
        "echo bob >> shared.txt",
        "rm -f shared.txt",
        "mv shared.txt his.txt",
    ] {
        let output = as_bob(refused);
        assert!(!output.status.success(), "bob could {refused}");
        // davfs2 turns a MOVE that failed, for whatever reason, into an I/O error.
        let expected = if refused.starts_with("mv") {
            "Input/output"
        } else {
            "Permission denied"
        };
        assert!(
            told(&output).contains(expected),
            "{refused}: {}",
            told(&output)
        );
    }
    assert_eq!(told(&as_bob("cat shared.txt")), "exit status: 0\none\n");

    drop(open);
    fs::write(alice.path().join("shared.txt"), "two\n").unwrap();
    alice.unmount();
    assert!(
        as_bob("echo three >> shared.txt").status.success(),
        "the file is free again"
    );
    bob.unmount();
    http.get("/shared.txt")
        .status(200)
        .containing("two\nthree\n");
    assert_no_lock_left(&http);
    assert!(server.stop().success());
}

/// The history as a drive: files to be read, and whoever wants to write is told so at once, not
/// when davfs2 uploads what a program believes to be saved.
#[test]
fn old_versions_on_a_mounted_drive() {
    if !can_mount(&["bash"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/team").status(201);
    for text in ["one\n", "two, longer\n"] {
        alice.put("/team/plan.txt", text);
    }
    let mount = Mount::of(&server, "alice", "/.lockkeeper/history/", "");
    let run = |script: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(mount.path());
        told(&bash.output().unwrap())
    };
    let found = run("find team -type f -printf '%p %s\n' | sort; cat team/plan.txt/*");
    let files = "team/plan.txt/plan (version 1).txt 4\nteam/plan.txt/plan (version 2).txt 12\n";
    assert_eq!(found, format!("exit status: 0\n{files}one\ntwo, longer\n"));
    for refused in [
        "echo three >> 'team/plan.txt/plan (version 1).txt'",
        "echo three > 'team/plan.txt/new.txt'",
    ] {
        let said = run(refused);
        assert!(said.contains("Permission denied"), "{refused}: {said}");
    }
    for refused in [
        "rm 'team/plan.txt/plan (version 1).txt'",
        "mv 'team/plan.txt/plan (version 1).txt' old.txt",
        "mkdir new",
    ] {
        let said = run(refused);
        assert!(said.starts_with("exit status: 1"), "{refused}: {said}");
    }
    assert_eq!(
        run("cat team/plan.txt/*"),
        "exit status: 0\none\ntwo, longer\n"
    );
    mount.unmount();
    assert_eq!(files_below(&alice, "/"), ["team/plan.txt"]);
    assert!(server.stop().success());
}

pub(super) fn can_mount(programs: &[&str]) -> bool {
    installed(&["mount.davfs"])
        && installed(programs)
        && is_root()
        && (Path::new("/dev/fuse").exists() || skipped("there is no /dev/fuse"))
}

fn encoded(path: &str) -> String {
    percent_encoding::utf8_percent_encode(path, percent_encoding::CONTROLS)
        .to_string()
        .replace(' ', "%20")
}

/// A davfs2 mount with a cache of its own.
pub(super) struct Mount {
    home: TempDir,
    mounted: bool,
}

impl Mount {
    pub(super) fn new(server: &Server, user: &str) -> Self {
        Self::of(server, user, "/", "")
    }

    /// Of one collection, with more lines of davfs2's configuration.
    pub(super) fn of(server: &Server, user: &str, collection: &str, settings: &str) -> Self {
        let home = TempDir::new().unwrap();
        let url = server.url(collection);
        let file = |name: &str| home.path().join(name);
        let permit = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        // mount.davfs drops its rights to a user of its own, who has to reach the cache.
        permit(home.path(), 0o711);
        for folder in ["cache", "drive"] {
            fs::create_dir(file(folder)).unwrap();
        }
        permit(&file("cache"), 0o777);
        // Kernels since 2025 read folders with larger buffers than davfs2's default of 16 KiB:
        // every readdir fails with EINVAL. The rest is davfs2 as it comes, with its late upload.
        let configuration = format!(
            "buf_size 256\nuse_locks 1\nask_auth 0\ncache_dir {}\nsecrets {}\n{settings}",
            file("cache").display(),
            file("secrets").display()
        );
        fs::write(file("davfs2.conf"), configuration).unwrap();
        fs::write(file("secrets"), format!("{url} {user} {user}-password\n")).unwrap();
        permit(&file("secrets"), 0o600);
        succeed(
            Command::new("mount.davfs")
                .arg(&url)
                .arg(file("drive"))
                .args(["-o", &format!("rw,conf={}", file("davfs2.conf").display())]),
        );
        Self {
            home,
            mounted: true,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.home.path().join("drive")
    }

    /// Returns when davfs2 has uploaded everything and given its locks back.
    pub(super) fn unmount(mut self) {
        succeed(
            Command::new("timeout")
                .arg("120")
                .arg("umount")
                .arg(self.path()),
        );
        self.mounted = false;
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("timeout")
                .arg("30")
                .arg("umount")
                .arg(self.path())
                .status();
            // Still there after a failure: let go of the folder; its process ends by itself.
            let _ = Command::new("umount")
                .args(["-i", "-l"])
                .arg(self.path())
                .output();
        }
    }
}
