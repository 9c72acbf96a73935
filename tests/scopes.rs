//! Every operation of both APIs and every method of WebDAV, tried with every credential that must
//! not do it: nothing changes, and what is out of reach is answered as if it were not there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "how much was tried is worth knowing")]

mod common;
#[path = "scopes/house.rs"]
mod house;
#[path = "scopes/requests.rs"]
mod requests;
mod support;

use std::collections::BTreeSet;

use common::{Client, Response};
use house::{House, INSIDE, OWN};
use requests::{Ids, Request, of_the_apis, of_webdav};
use serde_json::Value;
use uuid::Uuid;

fn send(client: &Client, request: &Request) -> Response {
    let headers = request.headers.iter();
    let headers: Vec<(&str, &str)> = headers.map(|(k, v)| (*k, v.as_str())).collect();
    client.send(&request.method, &request.path, &headers, &request.body)
}

fn document(house: &House) -> Value {
    let told = house.server.anonymous().get("/apidoc/openapi.json");
    serde_json::from_slice(&told.status(200).body).expect("JSON")
}

/// Everything about these ids, and about the path whose first name is `top`.
fn every_request(house: &House, ids: &Ids, top: &str) -> Vec<Request> {
    let mut all = of_the_apis(&document(house), ids);
    all.extend(of_webdav(top, &INSIDE, OWN, &ids.lock, |path| {
        house.server.url(path)
    }));
    all
}

/// All that was answered but the time of day and numbers made for this answer alone.
fn told(response: &Response) -> String {
    let mut response = response.clone();
    response.headers.retain(|(name, _)| name != "date");
    if let Ok(mut json) = serde_json::from_slice::<Value>(&response.body) {
        blur(&mut json);
        response.body = json.to_string().into_bytes();
        response
            .headers
            .retain(|(name, _)| name != "content-length");
    }
    format!("{response}")
}

fn blur(value: &mut Value) {
    match value {
        Value::String(text) if Uuid::try_parse(text).is_ok() => "uuid".clone_into(text),
        Value::Array(all) => all.iter_mut().for_each(blur),
        Value::Object(all) => {
            // Of a page of events; it never is the same.
            if all.contains_key("missed") {
                all.remove("next");
            }
            all.values_mut().for_each(blur);
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_reach_is_not_there() {
    let house = House::new().await;
    let before = house.snapshot();
    let hidden = every_request(&house, &house.hidden, "/hidden");
    let absent = every_request(&house, &house.absent(), "/absent");
    let (mut cases, mut statuses) = (0, BTreeSet::new());
    for (name, token) in &house.tokens.blind {
        let client = house.client(token);
        let reached = if *name == "of nobody" { 404 } else { 200 };
        client.get(OWN).status(reached);
        for (request, of_absent) in hidden.iter().zip(&absent) {
            let answer = send(&client, request);
            let expect = house.as_if_hidden(&told(&send(&client, of_absent)));
            let case = format!("{name}: {request:?}");
            assert_eq!(told(&answer), expect, "{case}");
            assert!(answer.status < 500, "{case}: {answer}");
            let asked_for_it = format!("{request:?}").contains("hidden");
            let confined = name.starts_with("confined");
            let shows_it = answer.text().to_lowercase().contains("hidden");
            assert!(asked_for_it || !confined || !shows_it, "{case}: {answer}");
            if !request.looks() && answer.status < 300 {
                assert_eq!(house.snapshot(), before, "{case}: {answer}");
            }
            statuses.insert(answer.status);
            cases += 1;
        }
        assert_eq!(house.snapshot(), before, "{name}");
    }
    println!("{cases} cases, answered with {statuses:?}");
    assert!(cases > 3_000, "{cases}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_changes_nothing() {
    let house = House::new().await;
    let before = house.snapshot();
    let requests = every_request(&house, &house.hidden, "/hidden");
    for (name, token) in &house.tokens.looking {
        let client = house.client(token);
        let mut seen = 0;
        for request in &requests {
            let answer = send(&client, request);
            let case = format!("{name}: {request:?}: {answer}");
            let conflict = answer.text().contains("\"Status\":500,\"ErrorCode\":2");
            assert!(answer.status < 500 || conflict, "{case}");
            if request.looks() {
                seen += usize::from(answer.status < 300);
            } else if answer.status < 300 {
                assert_eq!(house.snapshot(), before, "{case}");
            }
        }
        assert_eq!(house.snapshot(), before, "{name}");
        assert!(seen > 50, "{name} sees {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_nothing_changes_and_tells_nothing() {
    let house = House::new().await;
    let before = house.snapshot();
    let mut once = BTreeSet::new();
    let mut requests = every_request(&house, &house.hidden, "/hidden");
    requests.retain(|request| {
        let segments: Vec<&str> = request.path.split('/').collect();
        let literal = segments
            .into_iter()
            .filter(|segment| segment.parse::<u64>().is_err() && segment.len() != 32);
        let template = literal.collect::<Vec<_>>().join("/");
        once.insert((request.method.clone(), template))
    });
    assert!(requests.len() > 80, "{}", requests.len());
    // Whoever shows wrong tokens waits, so they all do at the same time.
    std::thread::scope(|scope| {
        for (name, token) in &house.tokens.dead {
            let client = house.client(token);
            for request in &requests {
                let client = client.clone();
                scope.spawn(move || {
                    let answer = send(&client, request);
                    let case = format!("{name}: {request:?}: {answer}");
                    assert_eq!(answer.status, 401, "{case}");
                    assert!(token.len() < 9 || !case.contains(&token[..9]), "{case}");
                });
            }
        }
    });
    let anonymous = house.server.anonymous();
    for request in &requests {
        send(&anonymous, request).status(401);
    }
    assert_eq!(house.snapshot(), before);
    let log = house.server.log();
    for (name, token) in house
        .tokens
        .dead
        .iter()
        .filter(|(_, token)| token.len() > 9)
    {
        assert!(!log.contains(&token[3..15]), "{name} is in the log");
    }
}

/// The kinds of requests that changed something in the hands of an admin.
fn changing(house: &House, mut requests: Vec<Request>) -> BTreeSet<String> {
    let admin = house.client(&house.tokens.admin);
    let mut before = house.snapshot();
    let mut kinds = BTreeSet::new();
    requests.retain(|request| !request.looks());
    // What is gone cannot be changed.
    requests.sort_by_key(|request| {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        ["DELETE", "MOVE"].contains(&method) || path.ends_with("delete") || path.ends_with("move")
    });
    for request in &requests {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        let what = last.parse::<u64>().map_or(last, |_| "ID");
        let kind = format!("{} {what}", request.method);
        if !kinds.contains(&kind) && send(&admin, request).status < 300 {
            let after = house.snapshot();
            if after != before {
                kinds.insert(kind);
            }
            before = after;
        }
    }
    println!("{kinds:?}");
    kinds
}

/// The same requests change a lot in the hands of somebody who may.
#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_shows_changes() {
    let house = House::new().await;
    let ids = Ids {
        others: vec![house.hidden.others[0], house.hidden.others[2]],
        ..house.hidden.clone()
    };
    let of_apis = changing(&house, of_the_apis(&document(&house), &ids));
    let house = House::new().await;
    let lock = &house.hidden.lock;
    let url = |path: &str| house.server.url(path);
    let of_webdav = changing(&house, of_webdav("/hidden", &INSIDE[2..3], OWN, lock, url));
    assert!(of_apis.len() > 10, "{of_apis:?}");
    assert!(of_webdav.len() > 4, "{of_webdav:?}");
}
