//! LibreOffice, headless: alice writes a document on the server and edits it; bob, meanwhile, gets
//! it read-only. LibreOffice locks while a document is open and never renames or deletes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::safe_save::After;
use crate::common::Server;
use crate::programs::{assert_no_lock_left, elements, installed, locks_below, skipped};

/// Debian's Python; `uno` is a module of that one only.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/libreoffice.py");

#[test]
fn two_people_and_one_document() {
    if !installed(&["soffice"]) || !has_uno() {
        return;
    }
    let mut server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    alice.mkcol("/Pr%C3%BCf%20ordner/").status(201);
    let path = "/Pr%C3%BCf%20ordner/Plan%20A.odt";
    let url = format!("vnd.sun.star.webdav://{}{path}", server.address);

    let mut office = Office::start("alice");
    office.step(&format!("create {url}"));
    office.step("close");
    assert_no_lock_left(&alice);
    assert!(
        alice.get(path).status(200).body.starts_with(b"PK"),
        "an ODT is a ZIP archive"
    );

    assert_eq!(office.step(&format!("open {url}")), "editable");
    assert_eq!(office.step("read"), "created");
    let locks = locks_below(&bob, "/");
    assert_eq!(locks.len(), 1, "an open document is locked: {locks:?}");
    assert!(
        locks[0].contains("LibreOffice"),
        "the owner's text comes back: {}",
        locks[0]
    );
    let refused = bob.lock(path, "Second-180").status(423);
    assert!(
        elements(&refused, "holder").contains(&"alice".to_owned()),
        "who holds it: {refused}"
    );
    bob.put(path, "bob was here").status(423);

    let mut other = Office::start("bob");
    assert_eq!(other.step(&format!("open {url}")), "read-only");
    assert_eq!(other.step("read"), "created");
    other.step("close");
    assert_eq!(
        locks_below(&bob, "/").len(),
        1,
        "alice's lock still stands, alone"
    );

    for word in ["once", "twice"] {
        office.step(&format!("append {word}"));
        office.step("save");
    }
    office.step("close");
    assert_no_lock_left(&alice);

    // What the server holds now is what bob may edit next.
    assert_eq!(other.step(&format!("open {url}")), "editable");
    assert_eq!(other.step("read"), "created once twice");
    other.step("append thrice");
    other.step("save");
    other.step("close");
    assert_no_lock_left(&alice);
    assert!(
        alice.get(path).status(200).body.starts_with(b"PK"),
        "still a document"
    );
    office.stop();
    other.stop();
    assert!(server.stop().success());
}

/// One lock makes one version, however often its holder saves; or each save does.
#[test]
fn every_session_is_one_version_of_the_same_document() {
    if !installed(&["soffice"]) || !has_uno() {
        return;
    }
    let mut office = Office::start("alice");
    for fold in [true, false] {
        let settings = format!("[versions]\nfold_while_locked = {fold}\n");
        let mut server = Server::start_configured(&settings);
        let alice = server.user("alice");
        let url = |path: &str| format!("vnd.sun.star.webdav://{}{path}", server.address);
        office.step(&format!("create {}", url("/plan.odt")));
        office.step("close");
        alice.copy("/plan.odt", "/checked-out.odt").status(201);
        let lock = alice.lock("/checked-out.odt", "Infinite").status(200);
        let before = ["/plan.odt", "/checked-out.odt"].map(|path| After::look(&alice, path).id);

        for path in ["/plan.odt", "/checked-out.odt"] {
            for words in [&["one", "two"][..], &["three"]] {
                assert_eq!(office.step(&format!("open {}", url(path))), "editable");
                for word in words {
                    office.step(&format!("append {word}"));
                    office.step("save");
                }
                office.step("close");
            }
        }

        let after = ["/plan.odt", "/checked-out.odt"].map(|path| After::look(&alice, path));
        let counts = after.each_ref().map(|file| file.versions.len());
        assert_eq!(counts, if fold { [3, 2] } else { [4, 4] }, "fold: {fold}");
        assert_eq!(after.each_ref().map(|file| &file.id), before.each_ref());
        assert!(
            after
                .iter()
                .flat_map(|file| &file.versions)
                .all(|text| text.starts_with("PK"))
        );
        let locks = locks_below(&alice, "/");
        assert_eq!(locks.len(), 1, "the check-out: {locks:?}");
        assert!(locks[0].contains(&lock.lock_token()), "{locks:?}");

        // LibreOffice reads what it wrote first.
        let file = u64::from_str_radix(&before[0], 16).unwrap();
        let first = alice.get(&format!("/api/2.0/files/file/{file}/download?version=1"));
        alice.put("/first.odt", first.status(200).body).status(201);
        office.step(&format!("open {}", url("/first.odt")));
        assert_eq!(office.step("read"), "created");
        office.step("close");
        assert!(server.stop().success());
    }
    office.stop();
}

#[test]
fn an_old_version_opens_read_only() {
    if !installed(&["soffice"]) || !has_uno() {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    let url = format!("vnd.sun.star.webdav://{}", server.address);
    let mut office = Office::start("alice");
    office.step(&format!("create {url}/plan.odt"));
    office.step("append again");
    office.step("save");
    office.step("close");
    let listed = alice.propfind("/.lockkeeper/history/plan.odt/", "1", "");
    let hrefs = elements(&listed.status(207), "href");
    let last = hrefs.last().expect("a version");
    assert_eq!(office.step(&format!("open {url}{last}")), "read-only");
    assert_eq!(office.step("read"), "created again");
    office.step("close");
    office.stop();
    assert_no_lock_left(&alice);
    assert!(server.stop().success());
}

fn has_uno() -> bool {
    let imported = Command::new(PYTHON)
        .args(["-c", "import uno"])
        .stderr(Stdio::null())
        .status();
    imported.is_ok_and(|status| status.success()) || skipped("python3-uno is not installed")
}

/// A LibreOffice with a profile of its own, and the script that drives it.
struct Office {
    program: Child,
    driver: Child,
    steps: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _profile: TempDir,
}

impl Office {
    fn start(user: &str) -> Self {
        let profile = TempDir::new().unwrap();
        // Tests run side by side, also those of the same user.
        let own = profile.path().file_name().unwrap().to_string_lossy();
        let pipe = format!("lockkeeper-{}-{user}", own.trim_start_matches('.'));
        let program = Command::new("soffice")
            .args(["--headless", "--norestore", "--nologo", "--nodefault"])
            .arg(format!("--accept=pipe,name={pipe};urp;"))
            .arg(format!(
                "-env:UserInstallation=file://{}",
                profile.path().display()
            ))
            .env("HOME", profile.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut driver = Command::new(PYTHON)
            .arg(SCRIPT)
            .args([&pipe, user, &format!("{user}-password")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(driver.stdout.take().unwrap());
        Self {
            steps: driver.stdin.take(),
            program,
            driver,
            answers,
            _profile: profile,
        }
    }

    /// One step of the script; what it saw.
    #[track_caller]
    fn step(&mut self, step: &str) -> String {
        writeln!(self.steps.as_mut().unwrap(), "{step}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let seen = answer.trim().strip_prefix("ok");
        seen.unwrap_or_else(|| panic!("{step}: {answer:?}"))
            .trim()
            .to_owned()
    }

    /// Ends it as a person would. How the two programs end says nothing of the server: every step
    /// was answered, and now and then one takes the other down while both are leaving.
    fn stop(mut self) {
        self.steps = None;
        let script = self.driver.wait().unwrap();
        if script.success() {
            let program = self.program.wait().unwrap();
            println!("LibreOffice: {program}");
        } else {
            println!("the script: {script}");
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        if let Ok(None) = self.program.try_wait() {
            // `soffice` is a script around the program; its group holds both, and nothing else.
            let group = format!("-{}", self.program.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = self.program.wait();
        }
    }
}
