//! Requests that are well framed and cost more than they look, or say what cannot be meant.

#![allow(
    clippy::format_collect,
    reason = "an attack is written once, and to be read"
)]

use crate::attack::{Attack, Attacker, CANARY};

const BAD: &[u16] = &[400];
const DAV: &str = "xmlns:D=\"DAV:\"";

/// All of them.
pub fn attacks(attacker: &Attacker) -> Vec<Attack> {
    let mut all = Vec::new();
    all.extend(heads(attacker));
    all.extend(xml(attacker));
    all.extend(kept_xml(attacker));
    all.extend(json(attacker));
    all.extend(forms(attacker));
    all.extend(methods(attacker));
    all.extend(names(attacker));
    all
}

fn heads(attacker: &Attacker) -> Vec<Attack> {
    let get = |name: &str, statuses: &[u16], headers: &[(&str, &str)]| {
        Attack::new(name, statuses, attacker.request("GET", CANARY, headers, ""))
    };
    let put = |name: &str, statuses: &[u16], headers: &[(&str, &str)]| {
        let bytes = attacker.request("PUT", "/yard/e", headers, "hello");
        Attack::new(name, statuses, bytes)
    };
    let many: Vec<(&str, &str)> = vec![("X", "y"); 5000];
    let lists = "(<urn:x>) ".repeat(6000);
    let open = "(".repeat(60_000);
    let conditions = "([W/\"x\"] Not <urn:y>) ".repeat(2500);
    let ranges = |range: fn(usize) -> String| {
        let ranges: Vec<String> = (0..10_000).map(range).collect();
        format!("bytes={}", ranges.join(","))
    };
    let apart = ranges(|_| "0-0".to_owned());
    let overlapping = ranges(|_| "0-".to_owned());
    vec![
        get("thousands of headers", &[431], &many),
        get(
            "a header without an end",
            &[431],
            &[("X", &"x".repeat(10 << 20))],
        ),
        get(
            "a name without an end",
            &[431],
            &[(&"x".repeat(1 << 20), "y")],
        ),
        Attack::new(
            "a target without an end",
            &[431],
            format!("GET /{}", "x".repeat(1 << 20)),
        ),
        Attack::new("a method without an end", &[431], "A".repeat(1 << 20)),
        get("60 KB of If", BAD, &[("If", &open)]),
        get("thousands of lists in If", BAD, &[("If", &lists)]),
        get("thousands of conditions in If", BAD, &[("If", &conditions)]),
        // RFC 9110 §14.2: such a Range may be ignored.
        get(
            "a Range of ten thousand parts",
            &[200],
            &[("Range", &apart)],
        ),
        get("overlapping ranges", &[200], &[("Range", &overlapping)]),
        get(
            "a language without an end",
            &[200],
            &[("Accept-Language", &"x,".repeat(30_000))],
        ),
        get(
            "a password without an end",
            &[401],
            &[("Authorization", &"Basic A".repeat(5000))],
        ),
        get("Depth of nonsense", &[200], &[("Depth", "-1")]),
        // RFC 9110 §10.1.1: an expectation that nobody knows may be ignored.
        put(
            "an expectation of nonsense",
            &[201],
            &[("Expect", "the-unexpected")],
        ),
        put("two expectations", &[204], &[("Expect", "100-continue, x")]),
        put(
            "a body that does not wait",
            &[204],
            &[("Expect", "100-continue")],
        ),
        put(
            "gzip on its way in",
            &[415],
            &[("Content-Encoding", "gzip")],
        ),
        put(
            "a part of nonsense",
            BAD,
            &[("Content-Range", "bytes 5-1/9")],
        ),
        put(
            "a part beyond all numbers",
            BAD,
            &[("Content-Range", "bytes 99999999999999999999-1/9")],
        ),
        put(
            "a part far behind the end",
            &[416],
            &[("Content-Range", "bytes 1000000000000-1000000000004/*")],
        ),
    ]
}

fn xml(attacker: &Attacker) -> Vec<Attack> {
    let propfind = |name: &str, statuses: &[u16], body: &str| {
        let bytes = attacker.request("PROPFIND", CANARY, &[("Depth", "0")], body);
        Attack::new(name, statuses, bytes)
    };
    let wanting =
        |inside: &str| format!("<D:propfind {DAV}><D:prop>{inside}</D:prop></D:propfind>");
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let laughs = format!("<!DOCTYPE x [<!ENTITY l0 \"lol\">{laughs}]><x>&l9;</x>");
    let quadratic = format!(
        "<!DOCTYPE x [<!ENTITY a \"{}\">]><x>{}</x>",
        "a".repeat(50_000),
        "&a;".repeat(50_000)
    );
    let attributes: String = (0..40_000).map(|n| format!(" a{n}=\"\"")).collect();
    let same: String = " a=\"\"".repeat(60_000);
    let namespaces: String = (0..20_000)
        .map(|n| format!(" xmlns:n{n}=\"u:{n}\""))
        .collect();
    let nested = format!("{}{}", "<a>".repeat(60_000), "</a>".repeat(60_000));
    let shadowed = "<D:a xmlns:D=\"u\">".repeat(40_000);
    vec![
        propfind("a billion laughs", BAD, &laughs),
        propfind("quadratic blow-up", BAD, &quadratic),
        propfind(
            "an entity from elsewhere",
            BAD,
            "<!DOCTYPE x [<!ENTITY % e SYSTEM \"http://127.0.0.1:1/\"> %e;]><x/>",
        ),
        propfind(
            "a style sheet",
            BAD,
            "<?xml-stylesheet href=\"http://127.0.0.1:1/\"?><x/>",
        ),
        propfind("elements within elements", BAD, &wanting(&nested)),
        propfind("elements that never end", BAD, &"<a>".repeat(200_000)),
        propfind(
            "tens of thousands of attributes",
            BAD,
            &wanting(&format!("<a{attributes}/>")),
        ),
        propfind(
            "the same attribute again and again",
            BAD,
            &wanting(&format!("<a{same}/>")),
        ),
        propfind(
            "tens of thousands of namespaces",
            BAD,
            &wanting(&format!("<a{namespaces}/>")),
        ),
        propfind("a prefix declared over and over", BAD, &wanting(&shadowed)),
        propfind("too many elements", BAD, &wanting(&"<a/>".repeat(100_000))),
        propfind(
            "a name of a megabyte",
            BAD,
            &wanting(&format!("<{}/>", "a".repeat(1_000_000))),
        ),
        propfind(
            "a comment of a megabyte",
            &[207],
            &wanting(&format!("<!--{}--><a/>", "a".repeat(1_000_000))),
        ),
        propfind("more than a megabyte", &[413], &"a".repeat((1 << 20) + 1)),
        propfind("a number for NUL", BAD, &wanting("<a>&#0;</a>")),
        propfind(
            "a number beyond all characters",
            BAD,
            &wanting("<a>&#x110000;</a>"),
        ),
        propfind(
            "a thousand names at once",
            &[207],
            &wanting(&"<a/>".repeat(1000)),
        ),
    ]
}

/// What is kept of a body.
fn kept_xml(attacker: &Attacker) -> Vec<Attack> {
    let lock = |name: &str, statuses: &[u16], owner: &str| {
        let body = format!(
            "<D:lockinfo {DAV}><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>\
             </D:locktype><D:owner>{owner}</D:owner></D:lockinfo>"
        );
        Attack::new(
            name,
            statuses,
            attacker.request("LOCK", "/yard/l", &[], body),
        )
    };
    let patch = |name: &str, statuses: &[u16], inside: &str| {
        let body = format!(
            "<D:propertyupdate {DAV}><D:set><D:prop>{inside}</D:prop></D:set></D:propertyupdate>"
        );
        Attack::new(
            name,
            statuses,
            attacker.request("PROPPATCH", CANARY, &[], body),
        )
    };
    vec![
        lock("an owner of a megabyte", BAD, &"a".repeat(1_000_000)),
        lock(
            "an owner with markup in it",
            &[201],
            "<s xmlns=\"u\">alert(1)</s>",
        ),
        patch(
            "a property of a megabyte",
            &[207],
            &format!("<a xmlns=\"u\">{}</a>", "a".repeat(1_000_000)),
        ),
        patch("ten thousand properties", BAD, &"<a/>".repeat(10_000)),
    ]
}

fn json(attacker: &Attacker) -> Vec<Attack> {
    let sign_in = |name: &str, statuses: &[u16], body: &str| {
        let json = [("Content-Type", "application/json")];
        let bytes = attacker.request("POST", "/api/token", &json, body);
        Attack::new(name, statuses, bytes)
    };
    let member = |value: &str| format!("{{\"grant_type\":\"password\",\"x\":{value}}}");
    vec![
        sign_in("arrays within arrays", BAD, &member(&"[".repeat(60_000))),
        sign_in("objects within objects", BAD, &"{\"a\":".repeat(10_000)),
        sign_in(
            "a number beyond all numbers",
            BAD,
            &member(&"9".repeat(60_000)),
        ),
        sign_in(
            "an exponent beyond all numbers",
            BAD,
            &member("1e999999999"),
        ),
        sign_in(
            "a member twice",
            BAD,
            "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"a\",\"refresh_token\":\"b\"}",
        ),
        sign_in("half a surrogate", BAD, &member("\"\\ud800\"")),
        sign_in(
            "too much",
            &[413],
            &member(&format!("\"{}\"", "a".repeat(70_000))),
        ),
        sign_in("no object", BAD, "[]"),
        sign_in("no JSON", BAD, "\u{feff}{}"),
    ]
}

fn forms(attacker: &Attacker) -> Vec<Attack> {
    let upload = |name: &str, statuses: &[u16], boundary: &str, body: &str| {
        let media_type = format!("multipart/form-data; boundary={boundary}");
        let headers = [("Content-Type", media_type.as_str())];
        let bytes = attacker.request("POST", "/api/2.0/files/@my/upload", &headers, body);
        Attack::new(name, statuses, bytes)
    };
    let field = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n";
    let long = format!(
        "--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\nx\r\n--b--\r\n",
        "a".repeat(1 << 20)
    );
    let headers = format!("--b\r\n{}\r\nx\r\n--b--\r\n", "X: y\r\n".repeat(100_000));
    vec![
        upload(
            "ten thousand fields",
            BAD,
            "b",
            &format!("{}--b--\r\n", field.repeat(10_000)),
        ),
        upload("a form that never begins", BAD, "b", &"a".repeat(4 << 20)),
        upload("a form that never ends", BAD, "b", field),
        upload("a field with a name of a megabyte", BAD, "b", &long),
        upload(
            "a field with a hundred thousand headers",
            BAD,
            "b",
            &headers,
        ),
        upload("no boundary", BAD, "", field),
        upload("a boundary of a kilobyte", BAD, &"b".repeat(1000), field),
    ]
}

/// What a method is, only the request line says; and the server does what it knows.
fn methods(attacker: &Attacker) -> Vec<Attack> {
    let any = |name: &str, statuses: &[u16], method: &str, path: &str, headers: &[(&str, &str)]| {
        Attack::new(name, statuses, attacker.request(method, path, headers, ""))
    };
    let mut all = vec![
        any("TRACE", &[405], "TRACE", CANARY, &[]),
        any("a method nobody knows", &[405], "FORGET", CANARY, &[]),
        any("a method in small letters", &[405], "delete", CANARY, &[]),
        any("a long method", &[405], &"A".repeat(5000), CANARY, &[]),
        any("POST", &[405], "POST", CANARY, &[]),
        any("TRACE of an API", &[405], "TRACE", "/api/token", &[]),
        any("the preface of HTTP/2", &[405], "PRI", CANARY, &[]),
        any(
            "a method in the query",
            &[200],
            "GET",
            "/canary.txt?_method=DELETE",
            &[],
        ),
    ];
    for header in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "_method",
    ] {
        let name = format!("{header} over GET");
        all.push(any(&name, &[200], "GET", CANARY, &[(header, "DELETE")]));
        let name = format!("{header} over POST");
        all.push(any(&name, &[405], "POST", CANARY, &[(header, "DELETE")]));
    }
    for destination in [
        "http://evil.example/canary.txt",
        "https://evil.example:443/canary.txt",
        "http://169.254.169.254/latest/meta-data",
    ] {
        let headers = [("Destination", destination)];
        let name = format!("a copy to {destination}");
        all.push(any(&name, &[502], "COPY", CANARY, &headers));
    }
    for destination in [
        "file:///etc/passwd",
        "/yard/../smuggled",
        "/yard/%2e%2e/smuggled",
        "/yard/..%2fsmuggled",
        "//evil.example/canary.txt",
        "http://{address}/yard/../smuggled",
        "smuggled",
        "",
        "/smuggled#x",
    ] {
        let destination = destination.replace("{address}", &attacker.address);
        let headers = [("Destination", destination.as_str())];
        let name = format!("a move to {destination:?}");
        all.push(any(&name, BAD, "MOVE", CANARY, &headers));
    }
    all
}

/// No path reaches the operating system. Names are any Unicode but NUL, '/', '.' and '..', and they
/// are decoded once; what else they hold is escaped wherever it is told.
fn names(attacker: &Attacker) -> Vec<Attack> {
    let paths = [
        "/yard/..%2f..%2fetc/passwd",
        "/yard/%2e%2e%2fsmuggled",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/yard/%c0%ae%c0%ae/x",
        "/yard/%e0%80%af",
        "/yard/%f0%80%80%af",
        "/yard/%ed%a0%80",
        "/yard/%f4%90%80%80",
        "/yard/%ff",
        "/yard/a%00.txt",
        "/yard/%",
        "/yard/%u002e",
    ];
    let mut all: Vec<Attack> = paths
        .iter()
        .map(|path| Attack::new(*path, BAD, attacker.request("PUT", path, &[], "x")))
        .collect();
    for path in [
        "/yard/%252e%252e%252fsmuggled",
        "/yard/..%5c..%5csmuggled",
        "/yard/%0d%0aSet-Cookie:%20a=b",
        "/yard/%1b%5b2J%c2%85",
        "/yard/%e2%80%aegpj.exe",
        "/yard/q?/../smuggled",
    ] {
        let bytes = attacker.request("PUT", path, &[], "x");
        all.push(Attack::new(path, &[201], bytes));
    }
    all
}
