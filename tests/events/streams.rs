//! Streams: what they say, how they go on after a break, and how they end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Client, Server, run};
use crate::stream::Stream;
use crate::{Site, page, text, until};

fn open(site: &Site, client: &Client, query: &str) -> Stream {
    Stream::open(client, &site.server.address, query, &[])
}

#[test]
fn a_stream_tells_what_was_and_what_happens() {
    let site = &Site::start();
    let Site { alice, bob, .. } = site;
    alice.mkcol("/a").status(201);
    let mut all = open(site, bob, "");
    assert_eq!(all.short(), "resource.created /a");
    let mut new = open(site, bob, "?since=now");
    let mut of_file = open(site, bob, "?about=/a&since=now");
    alice.put("/a/f", "1").status(201);
    alice.mkcol("/b").status(201);
    for stream in [&mut all, &mut new] {
        assert_eq!(stream.short(), "resource.created /a/f");
        assert_eq!(stream.short(), "resource.created /b");
        assert_eq!((stream.retry, stream.comments), (Some(2000), 1));
    }
    // What was named by its path is followed wherever it goes.
    alice.rename("/a", "/c").status(201);
    alice.put("/c/f", "2").status(204);
    alice.delete("/c").status(204);
    for expect in [
        "resource.created /a/f",
        "resource.moved /c",
        "version.uploaded /c/f",
        "resource.deleted /c",
    ] {
        assert_eq!(of_file.short(), expect);
    }
    // The same as the page.
    let mut again = open(site, bob, "");
    for event in page(bob, "")["events"].as_array().expect("events") {
        assert_eq!(&again.next().expect("one more").data, event);
    }
}

#[test]
fn a_stream_goes_on_where_it_broke_off() {
    let site = &Site::start();
    let Site { alice, bob, .. } = site;
    // Without any event yet, it is known where it was.
    let mut quiet = open(site, bob, "?since=now");
    assert!(quiet.read());
    let first = quiet.last_id.clone();
    assert_ne!(first, "");
    drop(quiet);
    alice.put("/f", "1").status(201);
    alice.put("/f", "2").status(204);
    let resume = |id: &str| {
        let headers = [("Last-Event-ID", id)];
        Stream::open(bob, &site.server.address, "?since=now", &headers)
    };
    let mut stream = resume(&first);
    let made = stream.next().expect("one more");
    assert_eq!(made.data["type"], "resource.created");
    drop(stream);
    alice.put("/f", "3").status(204);
    let mut stream = resume(&made.id);
    let numbers =
        [2, 3].map(|_| stream.next().expect("one more").data["version"]["number"].clone());
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn what_cannot_be_meant_is_said_before_a_stream_begins() {
    let site = &Site::start();
    let accept = ("Accept", "text/event-stream");
    let send = |client: &Client, query: &str, id: &str| {
        let headers = [accept, ("Last-Event-ID", id)];
        client.send("GET", &format!("/api/events{query}"), &headers, "")
    };
    send(&site.alice, "", "7")
        .status(400)
        .containing("Last-Event-ID");
    send(&site.alice, "?since=x", "")
        .status(400)
        .containing("since");
    send(&site.alice, "?about=/missing", "").status(404);
    send(&site.server.anonymous(), "", "").status(401);
    let head = site
        .alice
        .send("HEAD", "/api/events", &[accept], "")
        .status(200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("vary"), Some("Accept"));
}

#[test]
fn what_may_not_be_seen_is_not_streamed() {
    let site = &Site::start();
    let Site { alice, bob, .. } = site;
    alice.mkcol("/closed").status(201);
    alice.mkcol("/open").status(201);
    site.grant("/closed", "none", "bob");
    let mut stream = open(site, bob, "?since=now");
    alice.put("/closed/f", "1").status(201);
    alice.put("/open/f", "1").status(201);
    assert_eq!(stream.short(), "resource.created /open/f");
    // A right that is taken counts from then on, also for what has happened.
    site.grant("/open", "none", "bob");
    alice.put("/open/f", "2").status(204);
    alice.mkcol("/third").status(201);
    assert_eq!(stream.short(), "resource.created /third");
}

#[test]
fn a_credential_that_is_worth_nothing_ends_its_stream() {
    let site = &Site::start();
    let added = site.command(&["token", "add", "alice", "--name", "feed", "--json"]);
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    let key = site
        .alice
        .authorized(&format!("Bearer {}", text(&added["key"])));
    let of_key = open(site, &key, "?since=now");
    let of_password = open(site, &site.alice, "?since=now");
    let of_user = open(site, &site.bob, "?since=now");
    site.command(&["token", "revoke", "alice", "feed"]);
    let mut passwd = site
        .server
        .command(&["user", "passwd", "alice", "--password-stdin"]);
    assert!(run(&mut passwd, "another-password").status.success());
    site.command(&["user", "remove", "bob"]);
    site.admin.put("/secret", "1").status(201);
    for mut stream in [of_key, of_password, of_user] {
        assert_eq!(stream.next(), None);
    }
}

#[test]
fn streams_end_with_the_server() {
    let mut site = Site::start();
    site.alice.mkcol("/a").status(201);
    let mut streams = [
        open(&site, &site.alice, "?since=now"),
        open(&site, &site.bob, ""),
    ];
    let waiting = {
        let (alice, next) = (site.alice.clone(), page(&site.alice, "?since=now"));
        let query = format!("/api/events?wait=60&since={}", text(&next["next"]));
        std::thread::spawn(move || alice.get(&query))
    };
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    assert!(site.server.stop().success());
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    waiting.join().expect("an answer").status(200);
    assert_eq!(streams[1].short(), "resource.created /a");
    for stream in &mut streams {
        assert_eq!(stream.next(), None);
    }
}

#[test]
fn there_are_only_so_many_streams() {
    let server = Server::start_configured("[store]\nmemory = true\n[events]\nstreams_max = 33\n");
    let site = &Site::on(server);
    let refused = |client: &Client, query: &str, accept: &str| {
        let answer = client.send(
            "GET",
            &format!("/api/events{query}"),
            &[("Accept", accept)],
            "",
        );
        assert_eq!(answer.header("retry-after"), Some("10"), "{answer}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        answer.status
    };
    let (stream, json) = ("text/event-stream", "application/json");
    let mut of_alice: Vec<Stream> = (0..32)
        .map(|_| open(site, &site.alice, "?since=now"))
        .collect();
    assert_eq!(refused(&site.alice, "", stream), 429);
    assert_eq!(refused(&site.alice, "?since=now&wait=9", json), 429);
    let of_bob = open(site, &site.bob, "");
    assert_eq!(refused(&site.admin, "", stream), 503);
    // Who does not wait needs no room.
    assert_eq!(page(&site.alice, "?since=now")["events"], json!([]));
    // A client that goes makes room, although nothing happens.
    drop((of_alice.pop(), of_bob));
    let accept = [("Accept", stream)];
    until(|| {
        let answer = site.bob.send("HEAD", "/api/events", &accept, "");
        (answer.status == 200).then_some(())
    });
}
