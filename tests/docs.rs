//! The pages in docs/ promise what happens when their lines are typed: here they are, as they
//! stand, in one shell from the top of a page to its end.
//!
//! A block `sh` is run; the block after it, if it is `json`, `xml`, `http` or `text`, is what it
//! prints, where `…` stands for anything. Pages name the server `http://localhost:4918` and the
//! users alice, bob and admin, whose passwords are their names and `-password`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests of programs speak to people"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;
mod programs;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::{Server, run};

/// A block of commands and what they print, if the page says so.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    line: usize,
    commands: String,
    prints: Option<String>,
}

/// The fenced blocks of a page in order: line, language, text.
fn blocks(page: &str) -> Vec<(usize, String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line);
            let text: Vec<&str> = inside.take_while(|line| *line != "```").collect();
            blocks.push((number + 1, language.to_owned(), text.join("\n")));
        }
    }
    blocks
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (line, language, text) in blocks(page) {
        match (language.as_str(), examples.last_mut()) {
            ("sh", _) => examples.push(Example {
                line,
                commands: text,
                prints: None,
            }),
            ("json" | "xml" | "http" | "text", Some(last)) if last.prints.is_none() => {
                last.prints = Some(text);
            }
            _ => panic!("line {line}: a block of {language:?} belongs to no commands"),
        }
    }
    examples
}

/// Whether `text` is `pattern` with anything in the place of each `…`, and white space at the ends
/// of lines left alone.
fn is_like(text: &str, pattern: &str) -> bool {
    let trimmed = |text: &str| {
        let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
        lines.join("\n")
    };
    let (text, pattern) = (trimmed(text), trimmed(pattern));
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Runs the commands of a page, and gives what each block printed.
fn type_in(server: &Server, examples: &[Example]) -> Vec<String> {
    const MARK: &str = "=== next block ===";
    let home = server.folder().join("home");
    fs::create_dir_all(home.join("bin")).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_lockkeeper"),
        home.join("bin/lockkeeper"),
    )
    .unwrap();
    let port = server.address.rsplit_once(':').unwrap().1;
    let curlrc = format!("silent\nshow-error\nconnect-to = \"localhost:4918:127.0.0.1:{port}\"\n");
    fs::write(home.join(".curlrc"), curlrc).unwrap();

    let mut script = String::new();
    for example in examples {
        script += &format!("{}\necho; echo '{MARK}'\n", example.commands);
    }
    let path = format!(
        "{}:{}",
        home.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let mut shell = Command::new("bash");
    shell
        .args(["-c", "exec 2>&1; source /dev/stdin"])
        .current_dir(&home)
        .env("CURL_HOME", &home)
        .env("PATH", path)
        .env("LOCKKEEPER_STORE_DATA", server.data());
    let output = run(&mut shell, &script);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut printed: Vec<String> = text.split(MARK).map(str::to_owned).collect();
    printed.pop();
    assert_eq!(
        printed.len(),
        examples.len(),
        "the shell ended early:\n{text}"
    );
    printed
}

fn check_page(name: &str) {
    if !programs::installed(&["bash", "curl"]) {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    let examples = examples(&fs::read_to_string(page).unwrap());
    let server = Server::start();
    server.user("alice");
    server.user("bob");
    let mut passwd = server.command(&["user", "passwd", "admin", "--password-stdin"]);
    assert!(run(&mut passwd, "admin-password").status.success());
    let printed = type_in(&server, &examples);
    let mut faults = String::new();
    for (example, printed) in examples.iter().zip(&printed) {
        if let Some(expected) = &example.prints
            && !is_like(printed, expected)
        {
            faults += &format!(
                "\ndocs/{name}, line {}:\n{}\n-- promised --\n{expected}\n-- printed --\n{}\n",
                example.line,
                example.commands,
                printed.trim()
            );
        }
    }
    assert!(faults.is_empty(), "{faults}\n{}", server.log());
    assert!(examples.iter().any(|example| example.prints.is_some()));
}

#[test]
fn api() {
    check_page("api.md");
}

#[test]
fn webhooks() {
    if programs::installed(&["python3"]) {
        check_page("webhooks.md");
    }
}

#[test]
fn versions() {
    check_page("versions.md");
}

#[test]
fn events() {
    check_page("events.md");
}

#[test]
fn backup() {
    check_page("backup.md");
}

#[test]
fn a_page_is_read_and_compared() {
    let page = "text\n```sh\na\nb\n```\nmore\n```json\n{…}\n```\n```sh\nc\n```\n";
    let read = examples(page);
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].commands, "a\nb");
    assert_eq!(read[0].prints.as_deref(), Some("{…}"));
    assert_eq!(read[1].line, 10);
    assert_eq!(read[1].prints, None);

    assert!(is_like("abc\n", "abc"));
    assert!(is_like("a  \nb", "a\nb"));
    assert!(is_like("a 17 b 18 c", "a … b … c"));
    assert!(!is_like("a 17 c", "a … b … c"));
    assert!(!is_like("a 17 b!", "a … b"));
    assert!(!is_like("abcd", "abc"));
    assert!(is_like("begin, middle", "begin…"));
}
