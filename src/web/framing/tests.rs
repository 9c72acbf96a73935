use super::*;

/// The same bytes in one read and in reads of one byte.
#[track_caller]
fn check(input: &str, expect: &str) {
    let mut whole = input.as_bytes().to_vec();
    Framing::default().pass(&mut whole);
    assert_eq!(String::from_utf8_lossy(&whole), expect, "whole: {input:?}");
    let mut framing = Framing::default();
    let mut single = input.as_bytes().to_vec();
    single.chunks_mut(1).for_each(|byte| framing.pass(byte));
    let single = String::from_utf8_lossy(&single);
    assert_eq!(single, expect, "byte by byte: {input:?}");
}

/// What is plain passes unchanged.
#[track_caller]
fn passes(input: &str) {
    check(input, input);
}

/// `{}` marks the byte at fault: it becomes DEL, and the bytes behind it an end of the head.
#[track_caller]
fn refuses(input: &str) {
    let (before, fault) = input.split_once("{}").expect("a byte at fault");
    let end = "\r\n\r\n".repeat(fault.len());
    let expect = format!("{before}\x7f{}", &end[..fault.len() - 1]);
    check(&format!("{before}{fault}"), &expect);
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn plain_requests_pass() {
    passes(GET);
    passes("\r\n\r\nGET /%23 HTTP/1.0\r\n\r\n");
    passes("A#B / HTTP/1.1\r\nX: #\r\n\r\n");
    passes("PUT /a HTTP/1.1\r\nX:\r\nContent-Length: 0\r\n\r\n");
    passes("PUT /a HTTP/1.1\r\ncontent-length:\t5 \r\n\r\n#\n\r\n#");
    passes(
        "PUT /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\n#\n\r\n0\r\nX: #\r\n\r\n",
    );
}

#[test]
fn what_hyper_would_let_pass_is_spoiled() {
    refuses("DELETE /a/{}#b HTTP/1.1\r\n\r\n");
    refuses("GET http://h/{}#a HTTP/1.1\r\n");
    refuses("GET / HTTP/1.1{}\nHost: h\r\n\r\n");
    refuses("GET / HTTP/1.1\r\nHost: h{}\n\n");
    refuses("GET / HTTP/1.1\r\nHost: h\r\n{}\nX");
    refuses("GET / HTTP/1.1\r\nHost: a\r{}b\r\n\r\n");
    refuses("{}\nGET / HTTP/1.1\r\n\r\n");
    refuses("{} GET / HTTP/1.1\r\n\r\n");
    refuses("PUT / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding{}: chunked\r\n\r\n0");
    refuses("PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\nContent-Length{}: 5\r\n\r\n0");
    refuses("PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length{}: 5\r\n\r\n12345");
    for value in ["+5", "-1", "5, 5", "0x5", "5 5", "", "99999999999999999999"] {
        refuses(&format!(
            "PUT / HTTP/1.1\r\nContent-Length: {value}\r{{}}\n\r\n12345"
        ));
    }
    for value in [
        "xchunked",
        "identity, chunked",
        "chunked, chunked",
        "gzip",
        "",
        "\x0bchunked",
    ] {
        refuses(&format!(
            "PUT / HTTP/1.1\r\nTransfer-Encoding: {value}\r{{}}\n\r\n0\r\n"
        ));
    }
    let padded = format!("{}chunked", " ".repeat(30));
    refuses(&format!(
        "PUT / HTTP/1.1\r\nTransfer-Encoding: {padded}\r{{}}\n\r\n0\r\n"
    ));
}

/// The second request is looked at like the first, wherever the body of the first ends.
#[test]
fn every_request_of_a_connection_is_looked_at() {
    let attack = "DELETE /a/{}#b HTTP/1.1\r\n\r\n";
    refuses(&format!("{GET}{attack}"));
    refuses(&format!(
        "PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /{attack}"
    ));
    for body in [
        "0\r\n\r\n",
        "5\r\nGET /\r\n00\r\n\r\n",
        "9;x=\"\r\n#\n0\r\n\r\n0#\r\n0 ;y\r\nX: 0\r\n\r\n",
    ] {
        refuses(&format!(
            "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}{attack}"
        ));
    }
}

/// hyper reads nothing behind a chunk that it refuses, so nothing is spoiled there either.
#[test]
fn behind_a_broken_chunk_nothing_is_followed() {
    for body in [
        "x",
        "0x5\r\n",
        "5\n",
        "5\rX",
        "0\r\n\rX",
        "fffffffffffffffff\r\n",
    ] {
        passes(&format!(
            "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}DELETE /a/#b HTTP/1.1\r\n"
        ));
    }
}

#[test]
fn a_request_has_begun_until_its_body_has_ended() {
    let mut framing = Framing::default();
    let mut begun = |text: &str| {
        framing.pass(&mut text.as_bytes().to_vec());
        framing.has_begun()
    };
    assert!(!begun("\r\n"));
    assert!(begun("P"));
    assert!(begun("UT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"));
    assert!(begun("1"));
    assert!(!begun("2"));
}

/// Without looking at more than one byte at a time.
fn pass_one_by_one(framing: &mut Framing, bytes: &mut [u8]) {
    for byte in bytes {
        if let Place::Body(_) = framing.place {
            framing.pass(std::slice::from_mut(byte));
        } else {
            framing.step(byte);
            framing.last = *byte;
        }
    }
}

proptest::proptest! {
    #[test]
    fn bytes_that_mean_nothing_may_be_passed_at_once(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "GET ", "PUT", "/a", "/%23", "#", " ", " HTTP/1.1", "\r\n", "\r", "\n", ":",
                "Host: h",
                "Content-Length: 5", "content-length", "Transfer-Encoding: chunked", "chunked", "5",
                "\r\n\r\n", "hello", "0\r\n\r\n", "a-name-that-is-longer-than-any-that-matters: x",
            ]),
            0..30,
        ),
        cut in 0_usize..200,
    ) {
        let text = pieces.concat();
        let (mut whole, mut single) = (text.clone().into_bytes(), text.into_bytes());
        let (mut by_run, mut by_byte) = (Framing::default(), Framing::default());
        let (front, back) = whole.split_at_mut(cut.min(single.len()));
        by_run.pass(front);
        by_run.pass(back);
        pass_one_by_one(&mut by_byte, &mut single);
        proptest::prop_assert_eq!(whole, single);
        proptest::prop_assert_eq!(by_run.place, by_byte.place);
        proptest::prop_assert_eq!(by_run.length, by_byte.length);
    }
}
