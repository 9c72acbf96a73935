//! rclone: a thousand files at a time, eight at once. It never locks, and after a refused upload it
//! deletes the target, so whatever refuses the PUT has to refuse that DELETE too. It sends at most
//! a hundred requests a second, whatever the server.

use std::fs::{self, File, FileTimes};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::common::Server;
use crate::programs::{files_below, installed, succeed, told};

const FILES: usize = 1_000;

#[test]
fn copy_sync_and_check_a_thousand_files() {
    if !installed(&["rclone"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    let local = TempDir::new().unwrap();
    for number in 0..FILES {
        let folder = local.path().join(format!("Ordner {:02}", number % 20));
        fs::create_dir_all(&folder).unwrap();
        // From nothing to 8 KB, so that content is kept both inline and in files.
        let content = format!("{number:04}\n").repeat(number % 7 * 256);
        fs::write(folder.join(format!("größe-{number}.txt")), content).unwrap();
    }
    let local_path = local.path().to_str().unwrap();
    rclone(&server, &["copy", local_path, ":webdav:copy"]);
    assert_eq!(files_below(&alice, "/copy/").len(), FILES);
    rclone(
        &server,
        &["check", "--download", local_path, ":webdav:copy"],
    );

    // Changed, new and gone: sync makes the server look the same.
    fs::write(local.path().join("Ordner 00/größe-0.txt"), "changed").unwrap();
    fs::write(local.path().join("new.txt"), "new").unwrap();
    fs::remove_dir_all(local.path().join("Ordner 01")).unwrap();
    rclone(&server, &["sync", local_path, ":webdav:copy"]);
    assert_eq!(files_below(&alice, "/copy/").len(), FILES + 1 - FILES / 20);
    rclone(
        &server,
        &["check", "--download", local_path, ":webdav:copy"],
    );
    let report = try_rclone(
        &server,
        &[
            "sync",
            "--stats-log-level",
            "NOTICE",
            local_path,
            ":webdav:copy",
        ],
    );
    assert!(told(&report).contains("Checks:"), "{}", told(&report));
    assert!(!told(&report).contains("Deleted:"), "{}", told(&report));
    alice.get("/copy/new.txt").status(200).containing("new");
    assert!(server.stop().success());
}

#[test]
fn a_locked_file_survives_a_refused_upload() {
    if !installed(&["rclone"]) {
        return;
    }
    let mut server = Server::start();
    let bob = server.user("bob");
    server.user("alice");
    let local = TempDir::new().unwrap();
    let file = local.path().join("plan.txt");
    fs::write(&file, "another text, of another length").unwrap();
    for timeout in ["Second-600", "Infinite"] {
        bob.put("/plan.txt", "bob's").status(201);
        let token = bob.lock("/plan.txt", timeout).status(200).lock_token();
        for command in ["copyto", "moveto"] {
            let output = try_rclone(
                &server,
                &[command, file.to_str().unwrap(), ":webdav:plan.txt"],
            );
            assert!(
                !output.status.success(),
                "rclone {command} onto a locked file"
            );
            assert!(told(&output).contains("423"), "{}", told(&output));
            bob.get("/plan.txt").status(200).containing("bob's");
        }
        assert!(
            !try_rclone(&server, &["deletefile", ":webdav:plan.txt"])
                .status
                .success()
        );
        bob.get("/plan.txt").status(200).containing("bob's");
        bob.unlock("/plan.txt", &token).status(204);
        rclone(
            &server,
            &["copyto", file.to_str().unwrap(), ":webdav:plan.txt"],
        );
        bob.get("/plan.txt").status(200).containing("another text");
        rclone(&server, &["deletefile", ":webdav:plan.txt"]);
        bob.get("/plan.txt").status(404);
    }
    assert!(server.stop().success());
}

/// With a password that rclone alone would take for an obscured one, as those that we make are.
#[test]
fn the_recipe_of_the_readme() {
    if !installed(&["rclone"]) {
        return;
    }
    let mut server = Server::start();
    let readme = include_str!("../../README.md");
    let recipe = readme
        .split('`')
        .find(|code| code.starts_with("rclone config create lk"))
        .expect("the README says how");
    let recipe = recipe
        .replace("https://HOST:4918/", &server.url("/"))
        .replace("NAME", "admin")
        .replace("PASSWORD", &server.admin_password());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("old.txt");
    fs::write(&file, "old").unwrap();
    let day = Duration::from_secs(86_400);
    let times = FileTimes::new().set_modified(UNIX_EPOCH + day);
    let opened = File::options().write(true).open(&file).unwrap();
    opened.set_times(times).unwrap();
    let told = succeed(
        Command::new("sh")
            .args([
                "-ec",
                &format!("{recipe} >&2\nrclone copy old.txt lk:\nrclone lsl lk:"),
            ])
            .env("RCLONE_CONFIG", folder.path().join("rclone.conf"))
            .env("TZ", "UTC")
            .current_dir(folder.path()),
    );
    assert!(told.contains("3 1970-01-02 00:00:00"), "{told}");
    assert!(server.stop().success());
}

/// A version is a file like any other to be listed, read and copied, and nothing can be put beside
/// it. Who synchronises the whole tree does not get them.
#[test]
fn old_versions() {
    if !installed(&["rclone"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/Pl%C3%A4ne").status(201);
    for text in ["one", "two, longer"] {
        alice.put("/Pl%C3%A4ne/plan.txt", text);
    }
    let history = ":webdav:.lockkeeper/history";
    let listed = rclone(&server, &["lsf", "-R", "--format", "ps", history]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let files = "Pläne/plan.txt/";
    assert_eq!(
        listed,
        [
            "Pläne/;-1",
            &format!("{files};-1"),
            &format!("{files}plan (version 1).txt;3"),
            &format!("{files}plan (version 2).txt;11"),
        ]
    );
    let first = format!("{history}/{files}plan (version 1).txt");
    assert_eq!(rclone(&server, &["cat", &first]), "one");
    let local = TempDir::new().unwrap();
    let copy = local.path().join("copy");
    let copy = copy.to_str().unwrap();
    rclone(&server, &["copyto", &first, copy]);
    assert_eq!(fs::read_to_string(copy).unwrap(), "one");
    rclone(&server, &["copyto", &first, ":webdav:copy.txt"]);
    alice.get("/copy.txt").status(200).containing("one");
    // On the server.
    server.log_line("method=\"COPY\"");
    // rclone's own COPY never overwrites.
    let onto = ":webdav:Pläne/plan.txt";
    rclone(&server, &["copyto", "--disable", "Copy", &first, onto]);
    assert_eq!(alice.get("/Pl%C3%A4ne/plan.txt").text(), "one");
    for refused in [
        &["copyto", copy, &format!("{history}/{files}new.txt")][..],
        &["deletefile", &first],
        &["purge", &format!("{history}/Pläne")],
    ] {
        let output = try_rclone(&server, refused);
        assert!(!output.status.success(), "rclone {refused:?}");
    }
    let all = rclone(&server, &["lsf", "-R", "--files-only", ":webdav:"]);
    assert_eq!(all, "copy.txt\nPläne/plan.txt\n");
    assert!(server.stop().success());
}

#[track_caller]
fn rclone(server: &Server, arguments: &[&str]) -> String {
    succeed(&mut command(server, arguments))
}

fn try_rclone(server: &Server, arguments: &[&str]) -> Output {
    command(server, arguments).output().unwrap()
}

fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut obscure = Command::new("rclone");
    let password = succeed(obscure.args(["obscure", "alice-password"]));
    let mut command = Command::new("rclone");
    command
        .args(arguments)
        .args([
            "--config",
            "/dev/null",
            "--transfers",
            "8",
            "--retries",
            "1",
            "--low-level-retries",
            "2",
        ])
        .env("RCLONE_WEBDAV_URL", server.url("/"))
        .env("RCLONE_WEBDAV_VENDOR", "other")
        .env("RCLONE_WEBDAV_USER", "alice")
        .env("RCLONE_WEBDAV_PASS", password.trim());
    command
}
