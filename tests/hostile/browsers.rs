//! What a browser is made to do: by a page of another site, with its user's remembered password,
//! and by a name or a file that somebody else put here.

use crate::common::{Client, Response, Server};

/// A name that would act if anybody took it for markup.
const NAMES: [&str; 7] = [
    "%3Cscript%3Ealert(1)",
    "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "'%20onmouseover='alert(1)",
    "%26lt%3Bscript%26gt%3B",
    "%3C!--%3Cscript%3E--%3E",
    "a%0D%0ASet-Cookie:%20x=y",
    "%E2%80%AEgpj.%3Cb%3Eexe",
];

/// Every method that changes something, with a request that would.
const CHANGES: [(&str, &str, &str); 9] = [
    ("PUT", "/yard/new", "x"),
    ("DELETE", "/yard/file", ""),
    ("MKCOL", "/yard/folder", ""),
    ("COPY", "/yard/file", ""),
    ("MOVE", "/yard/file", ""),
    ("LOCK", "/yard/file", crate::common::LOCK_EXCLUSIVE),
    ("UNLOCK", "/yard/file", ""),
    ("PROPPATCH", "/yard/file", ""),
    ("POST", "/api/2.0/files/@my/upload", ""),
];

fn start() -> (Server, Client) {
    let server = Server::start();
    let alice = server.user("alice");
    alice.mkcol("/yard/").status(201);
    alice.put("/yard/file", "mine").status(201);
    (server, alice)
}

#[test]
fn for_pages_of_other_sites_nothing_is_changed() {
    let (server, alice) = start();
    let own = server.url("");
    let destination = ("Destination", "/yard/other");
    let before = alice.propfind("/yard/", "1", "").status(207).text();
    for (method, path, body) in CHANGES {
        for from in [
            &[("Sec-Fetch-Site", "cross-site")][..],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Origin", "https://evil.example")],
            &[("Origin", "null")],
            &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        ] {
            let headers = [from, &[destination]].concat();
            let answer = alice.send(method, path, &headers, body).status(403);
            answer.containing("Authorization: Bearer");
        }
    }
    assert_eq!(alice.propfind("/yard/", "1", "").text(), before);
    // Nothing grants the leave that a page would need to ask for more (Fetch, CORS preflight).
    for path in ["/yard/file", "/api/token", "/apidoc", "/"] {
        let asking = [
            ("Origin", "https://evil.example"),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "authorization"),
        ];
        for method in ["OPTIONS", "GET"] {
            let answer = alice.send(method, path, &asking, "");
            let grants = |(name, _): &(String, String)| name.starts_with("access-control");
            assert!(!answer.headers.iter().any(grants), "{answer}");
        }
    }
}

#[test]
fn for_pages_of_this_server_and_for_tokens_it_is() {
    let (server, alice) = start();
    let own = server.url("");
    for from in [
        &[][..],
        &[("Origin", own.as_str())],
        &[("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "none")],
    ] {
        alice.send("PUT", "/yard/file", from, "again").status(204);
    }
    let json = [("Content-Type", "application/json")];
    let login = "{\"grant_type\":\"password\",\"username\":\"alice\",\
                 \"password\":\"alice-password\"}";
    let answer = alice
        .send("POST", "/api/token", &json, login)
        .status(200)
        .text();
    let (_, rest) = answer.split_once("\"access_token\":\"").expect("a token");
    let token = rest.split('"').next().expect("its end");
    let bearer = alice.authorized(&format!("Bearer {token}"));
    let from = [
        ("Origin", "https://app.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ];
    bearer.send("PUT", "/yard/file", &from, "token").status(204);
    // What only looks is for the browser to keep from the page.
    alice.send("PROPFIND", "/yard/", &from, "").status(207);
    alice.send("GET", "/yard/file", &from, "").status(200);
}

#[test]
fn a_name_never_acts() {
    let (_server, alice) = start();
    for name in NAMES {
        let path = format!("/yard/{name}");
        alice.put(&path, "x").status(201);
        alice.put(&path, "y").status(204);
        alice.lock(&path, "Second-600").status(200);
    }
    let listing = alice.get("/yard/").status(200);
    let history = alice.get("/.lockkeeper/history/yard/").status(200);
    for page in [&listing, &history] {
        assert!(page.expect_header("content-type").starts_with("text/html"));
        is_harmless(page);
        assert!(page.text().contains("&lt;script&gt;alert(1)"), "{page}");
    }
    for name in NAMES {
        let path = format!("/yard/{name}");
        for answer in [
            alice.get(&path),
            alice.get(&format!("{path}/below")),
            alice.get(&format!("/.lockkeeper/history{path}")),
            alice.put(&path, "locked").status(423),
            alice.rename(&path, "/nowhere/x").status(409),
            alice.propfind(&path, "0", "").status(207),
            alice.get(&format!("/{name}")).status(404),
            alice.get(&format!("/api/{name}")).status(404),
            alice.get(&format!("/apidoc/{name}")).status(404),
        ] {
            is_harmless(&answer);
            let cookie = |(name, _): &(String, String)| name == "set-cookie";
            assert!(!answer.headers.iter().any(cookie), "{answer}");
        }
    }
}

/// No markup that a user wrote, and even then nothing would run or be guessed.
#[track_caller]
fn is_harmless(answer: &Response) {
    let text = answer.text();
    for markup in ["<script", "<img", "<b>", "<!--", "' onmouseover"] {
        assert!(!text.contains(markup), "{markup:?} in {answer}");
    }
    assert_eq!(
        answer.expect_header("x-content-type-options"),
        "nosniff",
        "{answer}"
    );
    let policy = answer.expect_header("content-security-policy");
    let strict = policy.starts_with("default-src 'none'") || policy == "sandbox";
    assert!(strict && !policy.contains("script-src"), "{answer}");
}

/// A file is what it says it is, and acts nowhere, whatever that is.
#[test]
fn a_file_never_acts() {
    let (_server, alice) = start();
    for (name, media_type) in [
        ("page.html", ""),
        ("page.txt", "text/html"),
        ("page.txt", "TEXT/HTML"),
        ("picture.svg", ""),
        ("data.xml", ""),
        ("a", "application/xhtml+xml"),
        ("a", "multipart/x-mixed-replace; boundary=x"),
        ("a", "text/xsl"),
        ("a", "application/mathml+xml"),
        ("script.js", ""),
        ("a", "image/svg+xml;a=\"text/plain\""),
    ] {
        let path = format!("/yard/{name}");
        let headers = [("Content-Type", media_type)];
        let headers = if media_type.is_empty() {
            &[][..]
        } else {
            &headers
        };
        alice.send("PUT", &path, headers, "<script>alert(1)</script>");
        let answer = alice.get(&path).status(200);
        assert_eq!(answer.expect_header("content-security-policy"), "sandbox");
        assert_eq!(answer.expect_header("x-content-type-options"), "nosniff");
    }
    alice.put("/yard/a.pdf", "%PDF-1.7").status(201);
    let answer = alice.get("/yard/a.pdf").status(200);
    let policy = answer.expect_header("content-security-policy");
    assert_eq!(
        policy, "frame-ancestors 'self'",
        "browsers show no PDF in a sandbox"
    );
}
