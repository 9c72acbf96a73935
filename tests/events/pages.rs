//! Pages: where they begin and end, and what each user finds in them.

use serde_json::{Value, json};

use crate::common::Server;
use crate::{Site, ask, page, short, text};

#[test]
fn pages_follow_one_another() {
    let Site { alice, .. } = &Site::start();
    alice.mkcol("/a").status(201);
    for name in ["b", "c", "d"] {
        alice.put(&format!("/a/{name}"), "x").status(201);
    }
    let expect = ["/a", "/a/b", "/a/c", "/a/d"].map(|path| format!("resource.created {path}"));
    let all = page(alice, "");
    assert_eq!(short(&all["events"]), expect);
    assert_eq!(
        (&all["more"], &all["missed"]),
        (&json!(false), &json!(false))
    );

    let first = page(alice, "?limit=3");
    assert_eq!(short(&first["events"]), expect[..3]);
    assert_eq!(first["more"], true);
    // Behind the page, or behind any event of it, whatever it says as a name.
    let ids: Vec<&str> = (0..3).map(|at| text(&first["events"][at]["id"])).collect();
    for (since, rest) in [(text(&first["next"]), 3), (ids[2], 3), (ids[0], 1)] {
        let page = page(alice, &format!("?since={since}"));
        assert_eq!(short(&page["events"]), expect[rest..]);
    }
    let begin = &all["events"].as_array().expect("events")[..3];
    assert_eq!(first["events"], json!(begin));

    let now = page(alice, "?since=now");
    assert_eq!((&now["events"], &now["more"]), (&json!([]), &json!(false)));
    let next = format!("?since={}", text(&now["next"]));
    assert_eq!(page(alice, &next)["events"], json!([]));
    alice.delete("/a/b").status(204);
    assert_eq!(
        short(&page(alice, &next)["events"]),
        ["resource.deleted /a/b"]
    );

    let resumed = [("Last-Event-ID", ids[1])];
    let resumed = alice.send("GET", "/api/events?since=now&limit=1", &resumed, "");
    let resumed: Value = serde_json::from_slice(&resumed.status(200).body).expect("JSON");
    assert_eq!(short(&resumed["events"]), expect[2..3]);
    let polyfill = page(alice, &format!("?lastEventId={}&since=now", ids[2]));
    assert_eq!(short(&polyfill["events"])[0], expect[3]);
    let head = alice.head("/api/events").status(200);
    assert_eq!(head.header("content-type"), Some("application/json"));
}

#[test]
fn what_cannot_be_meant_is_said() {
    let site = Site::start();
    let refused = |query: &str, status: u16, says: &str| {
        let answer = ask(&site.alice, query).status(status);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(problem["status"], status);
        assert!(
            text(&problem["detail"]).contains(says),
            "{query}: {problem}"
        );
    };
    let place = "take the id of an event, or next of a page, or say now";
    refused("?since=", 400, place);
    refused("?since=yesterday", 400, place);
    refused("?since=AAAAAAAAAAAAAAAAAAAAAA", 400, place);
    refused("?lastEventId=7", 400, "lastEventId");
    refused("?limit=0", 400, "limit must be 1 to 1000");
    refused("?limit=1001", 400, "limit must be 1 to 1000");
    refused("?limit=many", 400, "limit must be 1 to 1000");
    refused("?wait=61", 400, "wait must be 0 to 60");
    refused("?wait=-1", 400, "wait must be 0 to 60");
    refused("?about=plan", 400, "32 hexadecimal digits");
    refused("?about=/a//b", 400, "about");
    refused("?about=/missing", 404, "");
    let bad = site
        .alice
        .send("GET", "/api/events", &[("Last-Event-ID", "7")], "");
    bad.status(400).containing("Last-Event-ID");

    let nobody = site.server.anonymous();
    let unknown = ask(&nobody, "").status(401);
    assert!(
        unknown
            .expect_header("www-authenticate")
            .starts_with("Basic")
    );
    assert_eq!(
        unknown.header("content-type"),
        Some("application/problem+json")
    );
    site.alice.get("/api/events/x").status(404);
    let allow = site
        .alice
        .send("DELETE", "/api/events", &[], "")
        .status(405);
    assert_eq!(allow.header("allow"), Some("GET, HEAD, OPTIONS"));
    site.alice.options("/api/events").status(204);
    // A place in the record of another store means nothing here.
    let foreign = Server::start_with(&["--memory"]);
    let foreign = page(&foreign.admin(), "?since=now");
    refused(&format!("?since={}", text(&foreign["next"])), 400, place);
}

#[test]
fn about_a_file_a_folder_and_what_is_gone() {
    let Site { alice, .. } = &Site::start();
    alice.mkcol("/a").status(201);
    alice.mkcol("/b").status(201);
    alice.put("/a/f", "1").status(201);
    alice.put("/b/g", "1").status(201);
    let made = page(alice, "?about=/a/f");
    assert_eq!(short(&made["events"]), ["resource.created /a/f"]);
    let id = text(&made["events"][0]["resource"]).to_owned();

    alice.rename("/a/f", "/b/f").status(201);
    alice.delete("/b/f").status(204);
    let of_file = ["created /a/f", "moved /b/f", "deleted /b/f"].map(|e| format!("resource.{e}"));
    for id in [id.clone(), id.to_uppercase()] {
        assert_eq!(
            short(&page(alice, &format!("?about={id}"))["events"]),
            of_file
        );
    }
    ask(alice, "?about=/b/f").status(404);
    let of_a = short(&page(alice, "?about=/a")["events"]);
    assert_eq!(
        of_a,
        [
            "resource.created /a",
            "resource.created /a/f",
            "resource.moved /b/f"
        ]
    );
    assert_eq!(page(alice, "?about=/")["events"], page(alice, "")["events"]);
    let nothing = page(alice, "?about=00000000000000000000000000abcdef");
    assert_eq!(nothing["events"], json!([]));
}

#[test]
fn who_may_not_read_a_folder_learns_nothing_of_it() {
    let site = &Site::start();
    let Site { alice, bob, .. } = site;
    alice.mkcol("/open").status(201);
    alice.mkcol("/closed").status(201);
    site.grant("/closed", "none", "bob");
    let before = page(bob, "");
    alice.put("/closed/f", "1").status(201);
    alice.lock("/closed/f", "Infinite").status(200);
    let id = text(&page(alice, "?about=/closed/f")["events"][0]["resource"]).to_owned();
    assert_eq!(page(bob, "")["events"], before["events"]);
    assert_eq!(page(bob, &format!("?about={id}"))["events"], json!([]));
    let hidden = ask(bob, "?about=/closed/f").status(404);
    assert_eq!(hidden.body, ask(bob, "?about=/missing").status(404).body);

    alice.put("/open/g", "1").status(201);
    alice.rename("/open/g", "/closed/g").status(201);
    let next = text(&before["next"]);
    let since = format!("?since={next}");
    let of_bob = page(bob, &since);
    assert_eq!(
        short(&of_bob["events"]),
        ["resource.created /open/g", "resource.deleted /open/g"]
    );
    assert!(!of_bob.to_string().contains("closed"), "{of_bob}");
    let moved = short(&page(alice, &since)["events"]);
    assert!(
        moved.contains(&"resource.moved /closed/g".to_owned()),
        "{moved:?}"
    );

    alice.rename("/closed/g", "/open/h").status(201);
    let back = page(bob, &format!("?since={}", text(&of_bob["next"])));
    assert_eq!(short(&back["events"]), ["resource.moved /open/h"]);
    assert_eq!(back["events"][0].get("from"), None);
    // What may be read is judged now.
    site.grant("/closed", "reader", "bob");
    let later = short(&page(bob, &since)["events"]);
    assert!(
        later.contains(&"lock.taken /closed/f".to_owned()),
        "{later:?}"
    );
}

#[test]
fn tokens_are_told_to_their_owner() {
    let Site {
        alice, bob, admin, ..
    } = &Site::start();
    alice.put("/f", "1").status(201);
    let token = alice.lock("/f", "Infinite").status(200).lock_token();
    for (client, shown) in [(alice, Some(&*token)), (bob, None), (admin, Some(&*token))] {
        let page = page(client, "?about=/f");
        let lock = &page["events"][1]["lock"];
        assert_eq!(lock["holder"], "alice");
        assert_eq!(lock.get("token").and_then(Value::as_str), shown);
        assert_eq!(page.to_string().contains(&token), shown.is_some());
    }
}

#[test]
fn whoever_comes_late_is_told_that_events_are_missing() {
    let server = Server::start_configured("[store]\nmemory = true\n[events]\nkeep = 1000\n");
    let Site { alice, .. } = &Site::on(server);
    alice.mkcol("/a").status(201);
    let since = text(&page(alice, "")["next"]).to_owned();
    // Grown beyond what is kept; the next round of housekeeping comes within ten seconds.
    alice.put("/a/f", "1").status(201);
    let mut connection = alice.connect();
    for _ in 0..1_100 {
        let head = alice.head_of("PUT", "/a/f", &[], b"1");
        connection.write(format!("{head}1").as_bytes());
        connection.read_response("PUT").status(204);
    }
    let late = (0..150).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let page = page(alice, &format!("?since={since}&limit=1"));
        (page["missed"] == true).then_some(page)
    });
    let late = late.expect("events are pruned");
    assert_eq!(late["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(page(alice, "?limit=1")["missed"], false);
}

#[test]
fn an_answer_waits_for_what_happens() {
    let Site { alice, bob, .. } = &Site::start();
    let next = text(&page(alice, "?since=now")["next"]).to_owned();
    let started = std::time::Instant::now();
    let quiet = page(alice, &format!("?since={next}&wait=1"));
    assert_eq!(quiet["events"], json!([]));
    assert!(started.elapsed().as_millis() >= 900);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| page(alice, &format!("?since={next}&wait=30")));
        std::thread::sleep(std::time::Duration::from_millis(300));
        bob.put("/f", "1").status(201);
        let page = waiting.join().expect("an answer");
        assert_eq!(short(&page["events"]), ["resource.created /f"]);
    });
    assert!(started.elapsed().as_secs() < 15);
}
