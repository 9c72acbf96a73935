//! How programs save a file on a davfs2 mount, and what is left of its id, its check-out and its
//! history. davfs2 locks for as long as an upload is due, so every upload is under a lock of its
//! own; with its default delay of ten seconds, saves that follow each other are one upload.
//!
//! Programs that write into the file, or move a temporary one over it, keep all three. Those that
//! rename the original aside and make a new file under its name (Word on a drive, vim without
//! `backupcopy=yes`) start a new history: the old one goes with the file that they delete. A
//! check-out does not let the original be renamed. vim then writes into it, and Word does not save.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use super::davfs2::{Mount, can_mount};
use crate::common::{Client, Server};
use crate::programs::{elements, locks_below, told};

/// One way to save `plan.txt` once as `$word`, run by bash in its folder.
struct Way {
    name: &'static str,
    save: &'static str,
    /// What becomes of the history of a file that nobody has checked out.
    history: History,
    under_a_check_out: UnderACheckOut,
}

#[derive(Clone, Copy, PartialEq)]
enum History {
    Kept,
    /// It is that of the file that the last save made.
    BeginsAnew,
}

#[derive(Clone, Copy, PartialEq)]
enum UnderACheckOut {
    Saves,
    IsRefused,
}

use History::{BeginsAnew, Kept};
use UnderACheckOut::{IsRefused, Saves};

/// vim takes no care in temporary folders (`backupskip`), and these mounts lie in one.
const WAYS: [Way; 8] = [
    Way {
        name: "vim into the file",
        save: "vim -u NONE -N -es -c 'set backupskip= writebackup backupcopy=yes' \
               -c \"1s/.*/$word/\" -c wq plan.txt",
        history: Kept,
        under_a_check_out: Saves,
    },
    Way {
        name: "vim beside the file",
        save: "vim -u NONE -N -es -c 'set backupskip= writebackup backupcopy=no' \
               -c \"1s/.*/$word/\" -c wq plan.txt",
        history: BeginsAnew,
        under_a_check_out: Saves,
    },
    Way {
        name: "vim as it comes",
        save: "vim -u NONE -N -es -c 'set backupskip= writebackup' \
               -c \"1s/.*/$word/\" -c wq plan.txt",
        history: BeginsAnew,
        under_a_check_out: Saves,
    },
    Way {
        name: "vim without a backup",
        save: "vim -u NONE -N -es -c 'set nowritebackup' -c \"1s/.*/$word/\" -c wq plan.txt",
        history: Kept,
        under_a_check_out: Saves,
    },
    Way {
        name: "Word on a drive",
        save: "echo alice > '~$plan.txt'; echo $word > '~WRD0001.tmp'
               mv plan.txt '~WRL0002.tmp' || { rm '~WRD0001.tmp' '~$plan.txt'; exit 1; }
               mv '~WRD0001.tmp' plan.txt; rm '~WRL0002.tmp' '~$plan.txt'",
        history: BeginsAnew,
        under_a_check_out: IsRefused,
    },
    Way {
        name: "a temporary file moved over it",
        save: "echo $word > .plan.tmp; mv .plan.tmp plan.txt",
        history: Kept,
        under_a_check_out: Saves,
    },
    Way {
        name: "sed -i",
        save: "sed -i \"s/.*/$word/\" plan.txt",
        history: Kept,
        under_a_check_out: Saves,
    },
    Way {
        name: "written in place",
        save: "echo $word > plan.txt",
        history: Kept,
        under_a_check_out: Saves,
    },
];

const WORDS: [&str; 3] = ["first", "second", "third"];

/// When davfs2 uploads: as it comes ten seconds after the close, or with it.
#[derive(Clone, Copy, PartialEq)]
enum Upload {
    Late,
    AtOnce,
}

#[test]
fn saves_that_follow_each_other_are_one_version_of_the_same_file() {
    save_and_look(true, Upload::Late, false);
}

#[test]
fn each_save_that_is_uploaded_is_a_version_of_the_same_file() {
    save_and_look(true, Upload::AtOnce, false);
}

#[test]
fn all_saves_of_a_check_out_are_one_version_and_it_stands() {
    save_and_look(true, Upload::AtOnce, true);
}

#[test]
fn each_save_of_a_check_out_is_a_version_if_that_is_wanted() {
    save_and_look(false, Upload::AtOnce, true);
}

fn save_and_look(fold: bool, upload: Upload, check_out: bool) {
    if !can_mount(&["bash", "vim", "sed"]) {
        return;
    }
    let mut server = Server::start_configured(&format!("[versions]\nfold_while_locked = {fold}\n"));
    let alice = server.user("alice");
    let before: Vec<Before> = (0..WAYS.len())
        .map(|number| Before::make(&alice, &format!("/{number}/"), check_out))
        .collect();

    let mount = match upload {
        Upload::Late => Mount::new(&server, "alice"),
        Upload::AtOnce => Mount::of(&server, "alice", "/", "delay_upload 0\n"),
    };
    let mut faults = String::new();
    for (number, way) in WAYS.iter().enumerate() {
        let is_refused = check_out && way.under_a_check_out == IsRefused;
        for word in WORDS {
            let output = Command::new("bash")
                .args(["-euo", "pipefail", "-c", way.save])
                .current_dir(mount.path().join(number.to_string()))
                .env("word", word)
                .output()
                .unwrap();
            if output.status.success() == is_refused {
                let _ = writeln!(faults, "{}: {word}: {}", way.name, told(&output));
            }
        }
    }
    mount.unmount();

    let uploads = match upload {
        Upload::Late => &WORDS[2..],
        Upload::AtOnce if check_out && fold => &WORDS[2..],
        Upload::AtOnce => &WORDS[..],
    };
    for (before, way) in before.iter().zip(&WAYS) {
        let name = way.name;
        let after = After::look(&alice, &before.path);
        let begins_anew = way.history == BeginsAnew && !check_out;
        let expected: Vec<&str> = if begins_anew {
            vec![WORDS[2]]
        } else if check_out && way.under_a_check_out == IsRefused {
            vec!["original"]
        } else {
            std::iter::once("original")
                .chain(uploads.iter().copied())
                .collect()
        };
        if after.versions != expected {
            let _ = writeln!(faults, "{name}: the versions are {:?}", after.versions);
        }
        if (after.id == before.id) == begins_anew {
            let _ = writeln!(faults, "{name}: {} became {}", before.id, after.id);
        }
        if let Some(fault) = before.check_out_fault(&alice) {
            let _ = writeln!(faults, "{name}: {fault}");
        }
    }
    assert!(faults.is_empty(), "{faults}");
    assert!(server.stop().success());
}

/// A file with one version, in a folder of its own.
struct Before {
    path: String,
    id: String,
    /// The token of alice's check-out.
    check_out: Option<String>,
}

impl Before {
    fn make(alice: &Client, folder: &str, check_out: bool) -> Self {
        let path = format!("{folder}plan.txt");
        alice.mkcol(folder).status(201);
        alice.put(&path, "original\n").status(201);
        // As the page and the APIs do: without a text of its own for the owner.
        let body = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope>\
                    <locktype><write/></locktype></lockinfo>";
        let check_out = check_out.then(|| {
            let headers = [("Depth", "0"), ("Timeout", "Infinite")];
            let locked = alice.send("LOCK", &path, &headers, body).status(200);
            locked.lock_token()
        });
        Self {
            id: id_of(alice, &path),
            path,
            check_out,
        }
    }

    /// What is wrong with the locks that are left: the check-out and nothing else.
    fn check_out_fault(&self, alice: &Client) -> Option<String> {
        let locks = locks_below(alice, &self.path);
        let known: Vec<&str> = self.check_out.as_deref().into_iter().collect();
        let is_known = locks.len() == known.len()
            && locks
                .iter()
                .zip(&known)
                .all(|(lock, token)| lock.contains(token));
        (!is_known).then(|| format!("the locks are {locks:?} instead of {known:?}"))
    }
}

/// What is under its name after the saves.
pub(super) struct After {
    pub(super) id: String,
    /// The content of every version, the first one first, without white space around it.
    pub(super) versions: Vec<String>,
}

impl After {
    pub(super) fn look(client: &Client, path: &str) -> Self {
        let id = id_of(client, path);
        let file = u64::from_str_radix(&id, 16).expect("hexadecimal");
        let api = format!("/api/2.0/files/file/{file}");
        let history = client.get(&format!("{api}/history")).status(200);
        let history: Value = serde_json::from_slice(&history.body).unwrap();
        let newest_first = history["response"].as_array().unwrap();
        let versions = newest_first.iter().rev().enumerate().map(|(at, version)| {
            assert_eq!(version["version"], at as u64 + 1, "no gap: {history}");
            let content = format!("{api}/download?version={}", version["version"]);
            client.get(&content).status(200).text().trim().to_owned()
        });
        let versions: Vec<String> = versions.collect();
        let query = "<version-tree xmlns='DAV:'><prop><version-name/></prop></version-tree>";
        let report = client.send("REPORT", path, &[], query).status(207);
        let numbers = (1..=versions.len()).map(|number| number.to_string());
        assert_eq!(
            elements(&report, "version-name"),
            numbers.collect::<Vec<_>>()
        );
        Self { id, versions }
    }
}

/// `DAV:resource-id`, the part that differs.
fn id_of(client: &Client, path: &str) -> String {
    let query = "<propfind xmlns='DAV:'><prop><resource-id/></prop></propfind>";
    let answer = client.propfind(path, "0", query).status(207);
    let id = elements(&answer, "resource-id")
        .pop()
        .expect("every resource has one");
    let id = id
        .trim()
        .strip_prefix("<D:href>urn:lockkeeper:")
        .expect("our own scheme");
    id.split('<').next().unwrap_or_default().to_owned()
}
