//! curl: the plainest client there is, and the one that people try first: 100-continue, ranges and
//! resumed transfers, HTTP/1.0.

use std::process::Command;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::common::Server;
use crate::programs::{installed, succeed};

/// Answers in well under this; a curl that waits for an answer that never comes fails after it.
const SECONDS_MAX: &str = "20";

#[test]
fn continue_is_said_before_the_body_and_not_before_a_refusal() {
    if !installed(&["curl"]) {
        return;
    }
    let mut server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let upload = |path: &str| {
        let url = server.url(path);
        let expecting = [
            "--header",
            "Expect: 100-continue",
            "--expect100-timeout",
            SECONDS_MAX,
        ];
        curl(
            "alice",
            &[
                &expecting[..],
                &["--verbose", "--data-binary", "hello", "-X", "PUT", &url],
            ]
            .concat(),
        )
    };
    let said = upload("/new.txt");
    assert!(
        said.contains("< HTTP/1.1 100") && said.contains("< HTTP/1.1 201"),
        "{said}"
    );
    alice.get("/new.txt").status(200).containing("hello");

    bob.lock("/new.txt", "Second-600").status(200);
    let said = upload("/new.txt");
    assert!(
        !said.contains("< HTTP/1.1 100") && said.contains("< HTTP/1.1 423"),
        "{said}"
    );
    assert!(server.stop().success());
}

#[test]
fn ranges_and_resumed_downloads() {
    if !installed(&["curl"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    let content: Vec<u8> = (0..4_000_u64)
        .flat_map(|n| Sha256::digest(n.to_le_bytes()))
        .collect();
    alice.put("/data.bin", &content).status(201);
    let url = server.url("/data.bin");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("data.bin");
    let file_name = file.to_str().unwrap();
    let last = content.len() - 1;
    for (range, expected) in [
        ("0-0", &content[..1]),
        ("1000-70000", &content[1000..=70_000]),
        ("-500", &content[content.len() - 500..]),
        ("100000-", &content[100_000..]),
        ("120000-999999999", &content[120_000..=last]),
    ] {
        let status = curl(
            "alice",
            &["-w", "%{http_code}", "-o", file_name, "-r", range, &url],
        );
        assert_eq!(status, "206", "{range}");
        assert!(
            std::fs::read(&file).unwrap() == expected,
            "{range}: other bytes"
        );
    }
    let beyond = format!("{}-", content.len());
    assert_eq!(
        curl(
            "alice",
            &["-w", "%{http_code}", "-o", "/dev/null", "-r", &beyond, &url]
        ),
        "416"
    );
    let parts = curl(
        "alice",
        &[
            "-w",
            "%{http_code} %{content_type}",
            "-o",
            file_name,
            "-r",
            "0-9,-10",
            &url,
        ],
    );
    assert!(parts.starts_with("206 multipart/byteranges"), "{parts}");

    std::fs::write(&file, &content[..77_777]).unwrap();
    curl("alice", &["--fail", "-C", "-", "-o", file_name, &url]);
    assert!(
        std::fs::read(&file).unwrap() == content,
        "a resumed download is whole"
    );
    assert!(server.stop().success());
}

#[test]
fn an_old_version() {
    if !installed(&["curl"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    for text in ["one", "two"] {
        alice.put("/plan.txt", text);
    }
    let report = "<version-tree xmlns='DAV:'><prop><version-name/></prop></version-tree>";
    let url = server.url("/plan.txt");
    let told = curl("alice", &["--fail", "-X", "REPORT", "--data", report, &url]);
    let first = told
        .split("<D:href>")
        .nth(1)
        .and_then(|rest| rest.split("</D:href>").next())
        .expect("a version");
    assert_eq!(curl("alice", &["--fail", &server.url(first)]), "one");
    assert!(server.stop().success());
}

#[test]
fn http_1_0() {
    if !installed(&["curl"]) {
        return;
    }
    let mut server = Server::start();
    let alice = server.user("alice");
    let url = server.url("/old.txt");
    let old = |arguments: &[&str]| {
        curl(
            "alice",
            &[&["--http1.0", "-w", "%{http_code}"], arguments].concat(),
        )
    };
    assert_eq!(
        old(&[
            "--data-binary",
            "hello",
            "-X",
            "PUT",
            "-o",
            "/dev/null",
            &url
        ]),
        "201"
    );
    assert_eq!(old(&[&url]), "hello200");
    assert_eq!(old(&["-I", "-o", "/dev/null", &url]), "200");
    // Chunks are no part of HTTP/1.0: what has no known length ends with the connection.
    let listing = old(&["-i", "-X", "PROPFIND", "-H", "Depth: 1", &server.url("/")]);
    assert!(
        listing.contains("old.txt") && listing.ends_with("207"),
        "{listing}"
    );
    assert!(
        !listing
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked"),
        "{listing}"
    );
    assert_eq!(old(&["-X", "DELETE", "-o", "/dev/null", &url]), "204");
    alice.get("/old.txt").status(404);
    assert!(server.stop().success());
}

/// What curl writes to both outputs.
#[track_caller]
fn curl(user: &str, arguments: &[&str]) -> String {
    let account = format!("{user}:{user}-password");
    let usual = [
        "-sS",
        "--max-time",
        SECONDS_MAX,
        "--stderr",
        "-",
        "--user",
        &account,
    ];
    succeed(Command::new("curl").args(usual).args(arguments))
}
