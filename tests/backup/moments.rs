//! Several moments in one folder.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Client, Server, lockkeeper};
use crate::house::content;
use crate::support::Dice;
use crate::{back_up, ends, files_in, restore, text};

const FILES: usize = 12;
const FILE_BYTES: usize = 20_000;

/// A server whose files have no old versions, so that content goes when it is replaced.
fn server() -> (Server, Client) {
    let server = Server::start_configured("[versions]\nkeep = 0\n");
    let alice = server.user("alice");
    for n in 0..FILES {
        alice
            .put(&format!("/{n}"), content(n, FILE_BYTES))
            .status(201);
    }
    alice.put("/inline", "small").status(201);
    (server, alice)
}

fn number(taken: &Value, name: &str) -> u64 {
    taken[name].as_u64().unwrap()
}

fn list(backups: &Path) -> Vec<String> {
    let told = ends(0, &["backup", text(backups), "--list", "--json"], backups);
    let moments: Value = serde_json::from_str(&told).unwrap();
    let moments = moments.as_array().unwrap().iter();
    moments
        .map(|moment| moment["moment"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn only_new_content_is_copied_and_old_moments_go() {
    let (server, alice) = server();
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    let copied = |more: &[&str]| {
        let taken = back_up(&backups, &server.data(), more);
        let [all, copied] = ["contents", "contents_copied"].map(|name| number(&taken, name));
        (all, copied)
    };
    let files = FILES as u64;
    assert_eq!(copied(&[]), (files, files));
    assert_eq!(copied(&[]), (files, 0));
    alice.put("/0", content(100, FILE_BYTES)).status(204);
    alice.put("/new", content(101, FILE_BYTES)).status(201);
    alice.copy("/1", "/copy").status(201);
    assert_eq!(copied(&[]), (files + 2 - 1, 2));
    let moments = list(&backups);
    assert_eq!(moments.len(), 3);

    let first = folder.path().join("first");
    let arguments = ["restore", text(&backups), "--moment", &moments[0]];
    ends(0, &arguments, &first);
    let restored = Server::start_at(&first);
    let again = restored.client("alice", "alice-password");
    assert!(again.get("/0").status(200).body == content(0, FILE_BYTES));
    again.get("/new").status(404);

    let kept = back_up(&backups, &server.data(), &["--keep", "2"]);
    assert_eq!(number(&kept, "moments_removed"), 2);
    assert_eq!(number(&kept, "contents_removed"), 1, "the first /0");
    assert_eq!(list(&backups).len(), 2);
    assert_eq!(files_in(&backups.join("content")).len() as u64, files + 1);
    let last = folder.path().join("last");
    restore(&backups, &last);
    let restored = Server::start_at(&last);
    let again = restored.client("alice", "alice-password");
    assert!(again.get("/0").status(200).body == content(100, FILE_BYTES));
    assert!(again.get("/copy").status(200).body == content(1, FILE_BYTES));
}

/// After a restore the store gives ids again that the backup knows from the life before.
#[test]
fn content_of_another_life_is_another_content() {
    let (mut server, alice) = server();
    let folder = tempfile::tempdir().unwrap();
    let (backups, new) = (folder.path().join("backups"), folder.path().join("new"));
    back_up(&backups, &server.data(), &[]);
    assert!(server.stop().success());
    restore(&backups, &new);
    let (server, second) = (server.restart(), Server::start_at(&new));
    let other = second.client("alice", "alice-password");
    drop(alice);
    let alice = server.client("alice", "alice-password");
    for n in 0..5 {
        alice
            .put(&format!("/more-{n}"), content(200 + n, FILE_BYTES))
            .status(201);
        other
            .put(&format!("/more-{n}"), content(300 + n, FILE_BYTES))
            .status(201);
    }
    back_up(&backups, &server.data(), &[]);
    let taken = back_up(&backups, &second.data(), &[]);
    assert_eq!(number(&taken, "contents_copied"), 5);
    let third = folder.path().join("third");
    restore(&backups, &third);
    let third = Server::start_at(&third);
    let third = third.client("alice", "alice-password");
    for n in 0..5 {
        let found = third.get(&format!("/more-{n}")).status(200).body;
        assert!(found == content(300 + n, FILE_BYTES));
    }
}

/// kill -9 of the command at random moments: there are whole moments only, and what was copied
/// need not be copied again.
#[test]
fn an_interrupted_backup_is_none_and_the_next_goes_on() {
    let (server, alice) = server();
    for n in 0..40 {
        alice
            .put(&format!("/large-{n}"), content(n + 500, 1 << 20))
            .status(201);
    }
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    let tar = folder.path().join("one.tar");
    let seed = std::env::var("LOCKKEEPER_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("LOCKKEEPER_SEED={seed}");
    let mut dice = Dice(seed);
    let (mut killed, mut whole) = (0, 0);
    let started = Instant::now();
    back_up(&tar, &server.data(), &[]);
    let usual = usize::try_from(started.elapsed().as_millis()).unwrap();
    fs::remove_file(&tar).unwrap();
    for round in 0..12 {
        let to = if round % 3 == 2 { &tar } else { &backups };
        let mut command = lockkeeper();
        command
            .args(["backup", text(to), "--data"])
            .arg(server.data());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(dice.roll(usual) as u64));
        child.kill().unwrap();
        let ended = child.wait().unwrap().success();
        killed += u32::from(!ended);
        let moments = if backups.join("moments").exists() {
            list(&backups).len()
        } else {
            0
        };
        let added = if to == &tar {
            usize::from(tar.exists())
        } else {
            moments - whole
        };
        assert!(added == 1 || (added == 0 && !ended), "{added}");
        if added == 1 && !ended {
            // It was killed when it had done everything.
            let new = folder.path().join("new");
            restore(to, &new);
            assert!(files_in(&new.join("content")) == files_in(&server.data().join("content")));
            fs::remove_dir_all(new).unwrap();
        }
        whole = moments;
        let _ = fs::remove_file(&tar);
    }
    assert!(killed > 2, "{killed}");
    let before = files_in(&backups.join("content"));
    let had = before.keys().filter(|name| !name.contains("/.")).count() as u64;
    println!("{killed} killed with {had} files copied, {whole} came to their end before");
    let taken = back_up(&backups, &server.data(), &["--keep", "1"]);
    let [all, copied] = ["contents", "contents_copied"].map(|name| number(&taken, name));
    assert_eq!((all, copied), (FILES as u64 + 40, all - had));
    assert_eq!(
        files_in(&backups.join("content")).len() as u64,
        all,
        "no rest"
    );
    back_up(&tar, &server.data(), &[]);
    let names = fs::read_dir(folder.path()).unwrap();
    assert_eq!(names.count(), 2, "nothing beside the tar and the folder");
    for source in [&backups, &tar] {
        let new = folder.path().join("new");
        restore(source, &new);
        assert!(files_in(&new.join("content")) == files_in(&server.data().join("content")));
        fs::remove_dir_all(new).unwrap();
    }
}
