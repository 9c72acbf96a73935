//! `lockkeeper events`: what it prints, how it follows, and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Server, run};
use crate::{Site, page, text};

/// A command that runs.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut child = site
            .server
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                let _ = told.send(line.expect("UTF-8"));
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(Duration::from_secs(20));
        line.expect("one more line")
    }

    /// How it ended, and what it complained of.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut err = self.child.stderr.take().expect("piped");
        err.read_to_string(&mut said).expect("UTF-8");
        (self.child.wait().expect("ours").code(), said)
    }

    fn interrupt(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill exists").success());
    }
}

/// A line without its time.
fn told(line: &str) -> &str {
    let (time, rest) = line.split_once("  ").expect("two columns");
    assert!(time.ends_with('Z') && time.len() == 24, "{line}");
    rest
}

#[test]
fn the_record_is_printed() {
    let site = &Site::start();
    site.alice.mkcol("/a").status(201);
    site.alice.put("/a/f%0Ag", "one").status(201);
    site.bob.lock("/a", "Infinite").status(200);
    let all = ["events", "--no-follow"];
    let printed = site.command(&all);
    let lines: Vec<&str> = printed.lines().map(told).collect();
    let expect = [
        "alice  /a  made the folder",
        "alice  /a/f\\ng  made the file: version 1 (3 bytes)",
        "bob  /a  checked out",
    ];
    assert_eq!(lines, expect);

    let json = site.command(&["events", "--no-follow", "--json"]);
    let json: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        Value::from(json.clone()),
        page(&site.admin, "")["events"].clone()
    );
    let id = text(&json[0]["id"]);
    let some = |more: &[&str]| {
        let printed = site.command(&[&all, more].concat());
        printed
            .lines()
            .map(|line| told(line).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(some(&["--since", id]), expect[1..]);
    assert_eq!(some(&["--since", "start", "--limit", "2"]), expect[..2]);
    assert_eq!(some(&["--since", "now"]), [""; 0]);
    assert_eq!(some(&["--path", "/a/f\ng"]), expect[1..2]);
    assert_eq!(some(&["--path", text(&json[1]["resource"])]), expect[1..2]);
}

#[test]
fn what_cannot_be_meant_is_said() {
    let site = &Site::start();
    let refused = |more: &[&str], code: i32, says: &str| {
        let arguments = [&["events", "--no-follow"], more].concat();
        let output = run(&mut site.server.command(&arguments), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{more:?}: {said}");
        assert!(said.contains(says), "{more:?}: {said}");
    };
    refused(&["--since", "yesterday"], 2, "take the id of an event");
    // An id may begin with a hyphen: it is no flag.
    let foreign = ["--since", "-kTrVs1Yuf1ETFPfUDIGCA"];
    refused(&foreign, 2, "take the id of an event");
    refused(&["--path", "plan"], 2, "32 hexadecimal digits");
    refused(&["--path", "/missing"], 3, "nothing");
    refused(&["--limit", "0"], 2, "--limit");
}

#[test]
fn it_follows_what_happens() {
    let site = &Site::start();
    site.alice.mkcol("/before").status(201);
    let following = Following::start(site, &["events"]);
    // It begins with what happens next, whenever that is.
    let mark = (0..100).find(|number| {
        site.alice.mkcol(&format!("/mark-{number}")).status(201);
        let line = following.lines.recv_timeout(Duration::from_millis(700));
        line.is_ok_and(|line| told(&line).contains(&format!("/mark-{number}  made")))
    });
    assert!(mark.is_some(), "it follows");
    // Other commands are done meanwhile, however many follow.
    let others: Vec<Following> = (0..5)
        .map(|_| Following::start(site, &["events", "--since", "start"]))
        .collect();
    for other in &others {
        assert_eq!(told(&other.line()), "alice  /before  made the folder");
    }
    site.command(&["user", "list"]);
    site.alice.put("/f", "1").status(201);
    assert_eq!(
        told(&following.line()),
        "alice  /f  made the file: version 1 (1 byte)"
    );
    following.interrupt();
    assert_eq!(following.end(), (Some(0), String::new()));
    for other in &others {
        other.interrupt();
    }
    for other in others {
        assert_eq!(other.end().0, Some(0));
    }
}

#[test]
fn it_follows_one_file_wherever_it_goes() {
    let site = &Site::start();
    site.alice.put("/f", "1").status(201);
    let arguments = ["events", "--since", "start", "--path", "/f", "--limit", "3"];
    let following = Following::start(site, &arguments);
    following.line();
    site.alice.put("/other", "1").status(201);
    site.alice.rename("/f", "/g").status(201);
    site.alice.delete("/g").status(204);
    assert_eq!(told(&following.line()), "alice  /g  moved here from /f");
    assert_eq!(told(&following.line()), "alice  /g  deleted");
    assert_eq!(following.end(), (Some(0), String::new()));
}

#[test]
fn it_ends_when_nobody_reads_and_when_the_server_stops() {
    let mut site = Site::on(Server::start());
    site.alice.put("/f", "1").status(201);
    let mut shell = site.server.command(&[]);
    let data = site.server.data();
    shell = {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "\"$0\" events --no-follow --data \"$1\" | head -n 0; exit 0",
        ]);
        command.arg(shell.get_program()).arg(data);
        command
    };
    let output = run(&mut shell, "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    let following = Following::start(&site, &["events", "--since", "start"]);
    following.line();
    assert!(site.server.stop().success());
    let (code, said) = following.end();
    assert_eq!(
        (code, said.contains("the server has stopped")),
        (Some(1), true),
        "{said}"
    );

    // Without a server there is the record, and nothing to wait for.
    let output = run(&mut site.server.command(&["events"]), "");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = lines.lines().map(told).collect();
    assert_eq!(lines, ["alice  /f  made the file: version 1 (1 byte)"]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("no server runs"), "{said}");
    assert!(output.status.success());
    assert_eq!(site.command(&["events", "--no-follow"]).lines().count(), 1);
}
