//! Who gets in, what they may do, and what belongs to the API's part of the name space.

use serde_json::Value;

use crate::common::{Client, run};
use crate::contract::Answer;
use crate::{JSON, Site, code};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const LOGIN: &str = "grant_type=password&username=alice&password=alice-password";

impl Site {
    #[track_caller]
    fn token(&self, media_type: (&str, &str), body: &str) -> Answer {
        let anonymous = self.server.anonymous();
        self.contract
            .send(&anonymous, ("POST", "/api/token"), &[media_type], body)
    }

    fn api_key(&self, flags: &[&str]) -> Client {
        let mut command = self
            .server
            .command(&["token", "add", "alice", "--name", "test"]);
        let output = run(command.args(flags).arg("--json"), "");
        assert!(output.status.success(), "{output:?}");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let key = told["key"].as_str().or(told["secret"].as_str());
        let key = key.unwrap_or_else(|| panic!("no key in {told}"));
        self.alice.authorized(&format!("Bearer {key}"))
    }
}

#[track_caller]
fn oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.response.status, status, "{}", answer.response);
    assert_eq!(answer.json["error"], error, "{}", answer.response);
    assert_eq!(answer.json["error_description"], answer.json["Message"]);
    assert_eq!(answer.response.header("cache-control"), Some("no-store"));
}

#[test]
fn nobody_gets_in_without_credentials_and_is_told_so_in_the_envelope() {
    let site = Site::start();
    let anonymous = site.server.anonymous();
    for (method, path) in site.contract.operations() {
        let path = path.replace("{projectId}", &site.project);
        let path = path
            .replace("{inodeId}", &site.inode)
            .replace("{folderId}", &site.project);
        let of_another_face = ["/api/2.0", "/api/events"];
        if path == "/api/token" || of_another_face.iter().any(|face| path.starts_with(face)) {
            continue;
        }
        let answer = site.contract.send(&anonymous, (&method, &path), &[], "");
        let challenges = answer.response.headers.iter();
        let challenges = challenges
            .filter(|(name, _)| name == "www-authenticate")
            .count();
        assert_eq!(challenges, 2, "{}", answer.response);
        answer.is(401, code::UNAUTHORIZED);
    }
    let wrong = site.server.client("alice", "wrong-password");
    let answer = site.get(&wrong, "").is(401, code::UNAUTHORIZED);
    assert!(
        !answer
            .response
            .expect_header("www-authenticate")
            .contains("Basic")
    );
    site.get(&site.alice.authorized("Bearer at-nothing"), "")
        .is(401, code::UNAUTHORIZED);
}

#[test]
fn a_password_gets_a_token_that_opens_the_door() {
    let site = Site::start();
    let json = "{\"grant_type\": \"password\", \"username\": \"alice\", \
                \"password\": \"alice-password\", \"scope\": \"openid offline_access\"}";
    let form = format!("{LOGIN}&scope=openid+offline_access");
    for (media_type, body) in [(JSON, json), (FORM, form.as_str())] {
        let answer = site.token(media_type, body).is(200, code::NONE);
        let tokens = &answer.json["Result"];
        for member in [
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
            "scope",
        ] {
            assert!(!tokens[member].is_null(), "{member}");
            assert_eq!(answer.json[member], tokens[member]);
        }
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(answer.response.header("cache-control"), Some("no-store"));
        let bearer = site
            .alice
            .authorized(&format!("Bearer {}", answer.text("access_token")));
        let lock = site.post(&bearer, "/checkout", "").is(200, code::NONE);
        assert_eq!(lock.text("username"), "alice");
        site.post(&site.alice, "/checkin", "").is(200, code::NONE);
        bearer.get("/plans/a.txt").status(200);

        let refresh = answer.text("refresh_token");
        let body = format!("grant_type=refresh_token&refresh_token={refresh}");
        let renewed = site.token(FORM, &body).is(200, code::NONE);
        assert_ne!(renewed.text("refresh_token"), refresh);
        oauth_error(&site.token(FORM, &body), 400, "invalid_grant");
    }
    let short = site.token(FORM, LOGIN).is(200, code::NONE);
    assert!(short.json["refresh_token"].is_null());
}

#[test]
fn a_sign_in_that_fails_says_why_in_both_languages() {
    let site = Site::start();
    let check = |body: &str, error: &str| oauth_error(&site.token(FORM, body), 400, error);
    check(
        "grant_type=password&username=alice&password=wrong",
        "invalid_grant",
    );
    check(
        "grant_type=password&username=nobody&password=wrong",
        "invalid_grant",
    );
    let long = format!(
        "grant_type=password&username=alice&password={}",
        "x".repeat(2000)
    );
    check(&long, "invalid_grant");
    check(
        "grant_type=refresh_token&refresh_token=rt-wrong",
        "invalid_grant",
    );
    check("grant_type=password&username=alice", "invalid_request");
    check("grant_type=refresh_token", "invalid_request");
    check("", "invalid_request");
    check(&format!("{LOGIN}&username=bob"), "invalid_request");
    check("grant_type=client_credentials", "unsupported_grant_type");
    oauth_error(
        &site.token(JSON, "{\"grant_type\": 5}"),
        400,
        "invalid_request",
    );
    oauth_error(
        &site.token(JSON, "{\"grant_type\": "),
        400,
        "invalid_request",
    );
    site.token(("Content-Type", "text/plain"), LOGIN)
        .is(415, code::UNSUPPORTED_MEDIA_TYPE);
    site.token(FORM, &"x".repeat(70_000))
        .is(413, code::TOO_LARGE);
    let log = site.server.log();
    assert!(log.contains("wrong user name or password"), "{log}");
    assert!(
        !log.contains("alice-password") && !log.contains("rt-wrong"),
        "{log}"
    );
}

#[test]
fn a_key_that_may_only_read_changes_nothing() {
    let site = Site::start();
    let reader = site.api_key(&["--scope", "read"]);
    site.get(&reader, "").is(200, code::NONE);
    site.post(&reader, "/checkout", "").is(403, code::FORBIDDEN);
    site.post(&site.alice, "/checkout", "").is(200, code::NONE);
    site.post(&reader, "/checkin", "").is(403, code::FORBIDDEN);
    let admin = site.post(&site.admin, "/steallock", "").is(200, code::NONE);
    assert_eq!(admin.text("username"), "admin");
}

#[test]
fn what_a_key_does_not_reach_is_not_there() {
    let site = Site::start();
    site.alice.mkcol("/other").status(201);
    let confined = site.api_key(&["--within", "/other"]);
    site.get(&confined, "").is(404, code::NOT_FOUND);
    site.post(&confined, "/checkout", "")
        .is(404, code::NOT_FOUND);
    let all = site
        .contract
        .send(&confined, ("GET", "/api/project"), &[], "");
    let items = all.json["Result"]["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["name"], "other");
}

#[test]
fn pages_of_other_sites_change_nothing_with_a_remembered_password() {
    let site = Site::start();
    let send = |client: &Client, header: (&str, &str)| {
        site.contract
            .send(client, ("POST", &site.path("/checkout")), &[header], "")
    };
    for header in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        send(&site.alice, header).is(403, code::FORBIDDEN);
    }
    assert!(site.lock().is_null());
    let own = format!("http://{}", site.server.address);
    send(&site.alice, ("Origin", &own)).is(200, code::NONE);
    site.post(&site.alice, "/checkin", "").is(200, code::NONE);
    let token = site.token(FORM, LOGIN).text("access_token");
    let bearer = site.alice.authorized(&format!("Bearer {token}"));
    send(&bearer, ("Origin", "https://app.example")).is(200, code::NONE);
}

#[test]
fn unknown_addresses_and_methods_are_refused_in_the_envelope() {
    let site = Site::start();
    let check = |method: &str, path: &str, status: u16| {
        let answer = site.alice.send(method, path, &[], "").status(status);
        let json: Value = serde_json::from_slice(&answer.body).expect("the envelope");
        let told = json.get("Status").or(json.get("statusCode"));
        assert_eq!(told, Some(&Value::from(status)), "{answer}");
        answer
    };
    check("GET", "/api", 404);
    check("GET", "/api/nothing", 404);
    check("GET", "/api/2.0/nothing", 404);
    check("GET", "/apidoc/nothing", 404);
    check("PUT", "/api/nothing.txt", 404);
    let allow = check("DELETE", "/api/project", 405);
    assert_eq!(allow.expect_header("allow"), "GET, HEAD, OPTIONS");
    let allow = check("GET", "/api/token", 405);
    assert_eq!(allow.expect_header("allow"), "POST, OPTIONS");
    check("MKCOL", "/api/project", 405);
    check("POST", "/apidoc", 405);
    site.alice.options("/api/token").status(204);
    site.alice.head("/api/project").status(200);
}

#[test]
fn nothing_is_put_where_the_apis_are() {
    let site = Site::start();
    for path in ["/api", "/api/x", "/%61pi/x", "/apidoc/x"] {
        for method in ["MKCOL", "LOCK", "PROPPATCH", "UNLOCK"] {
            site.alice.send(method, path, &[], "").status(403);
        }
        site.alice.copy("/plans/a.txt", path).status(403);
        site.alice.rename("/plans/a.txt", path).status(403);
        site.alice.put(path, "x").status(404);
        site.alice.get(path).status(404);
    }
    site.alice.mkcol("/plans/api").status(201);
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let site = Site::start();
    let anonymous = site.server.anonymous();
    let page = anonymous.get("/apidoc/index.html").status(200);
    assert!(page.expect_header("content-type").starts_with("text/html"));
    let policy = page.expect_header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    let text = page.text();
    for (_, path) in site.contract.operations() {
        assert!(text.contains(&path), "{path}");
    }
    // What the seed's page links to.
    assert!(text.contains("id=\"/Project/Project_CheckOut\""));
    assert!(!text.contains("<script") && !text.contains("://"));
    anonymous.get("/apidoc/style.css").status(200);
    assert_eq!(anonymous.get("/apidoc").status(200).body, page.body);
}

#[test]
fn whatever_is_asked_the_answer_is_one_of_those_described() {
    let site = Site::start();
    let real = [&site.project, &site.inode].map(String::as_str);
    let unknown = "0123456789abcdef0123456789abcdef";
    let ids = [
        real[0], real[1], unknown, "x", "%2e%2e", "%ff%fe", "a%2Fb", "%00",
    ];
    let bodies: [(&str, &[u8]); 7] = [
        ("application/json", b"{}"),
        ("application/json", b"[1, 2"),
        ("application/json", b"\xff\xff"),
        ("text/html", b"<p>"),
        ("application/x-www-form-urlencoded", b"a=%zz&&=&%"),
        ("multipart/form-data; boundary=\"", b"--"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--"),
    ];
    let mut asked = 0;
    for (method, template) in site.contract.operations() {
        if template.starts_with("/api/2.0") {
            continue;
        }
        for id in ids {
            let path = template
                .replace("{projectId}", real[0])
                .replace("{folderId}", real[0]);
            let path = path.replace("{inodeId}", id) + "?limit=%F0&after=%00&limit=2";
            for (media_type, body) in bodies {
                let headers = [("Content-Type", media_type)];
                // "%ff%fe" is no text, so it is no address of this template either.
                let response = site.alice.send(&method, &path, &headers, body);
                if id != "%ff%fe" || response.status != 404 {
                    let _ = site.contract.check((&method, &path), response);
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked}");
    assert!(
        !site.server.log().contains("ERROR"),
        "{}",
        site.server.log()
    );
}

#[test]
fn check_outs_and_tokens_outlive_a_kill() {
    let site = Site::on(crate::Server::start());
    let body = format!("{LOGIN}&scope=offline_access");
    let tokens = site.token(FORM, &body).is(200, code::NONE);
    let taken = site.post(&site.alice, "/checkout", "{\"comment\": \"mine\"}");
    let taken = taken.is(200, code::NONE).json["Result"].clone();
    let Site {
        mut server,
        project,
        inode,
        contract,
        ..
    } = site;
    server.kill();
    let server = server.restart();
    let bearer = format!("Bearer {}", tokens.text("access_token"));
    let site = Site {
        admin: server.anonymous(),
        alice: server.anonymous().authorized(&bearer),
        bob: server.client("bob", "bob-password"),
        server,
        contract,
        project,
        inode,
    };
    assert_eq!(site.lock(), taken);
    site.post(&site.bob, "/checkout", "")
        .is(401, code::FILE_ALREADY_LOCK);
    site.post(&site.alice, "/checkin", "").is(200, code::NONE);
}
