//! What a request costs in our own code alone: headers, paths, XML, the lock rules and the rows of
//! the store, without sockets, disk or threads.
//!
//! `cargo bench --bench pure [-- FILTER]`

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use lockkeeper::lock::rules::{Asker, Doing, Policy, SuperCheckIn, Surroundings, check};
use lockkeeper::lock::{Lock, LockDepth, LockKind, LockScope, LockToken, UserId};
use lockkeeper::protocol::headers::EntityTag;
use lockkeeper::protocol::if_header::IfHeader;
use lockkeeper::protocol::path::{DavPath, Name};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{Multistatus, XmlLimits, parse_lockinfo, parse_propfind};
use lockkeeper::resource::{Content, ContentId, Place, Resource, ResourceId};
use lockkeeper::store::tx::{decode, encode};
use uuid::Uuid;

const PATH_BYTES_MAX: usize = 4096;
/// What one part of a streamed listing has.
const MEMBERS: usize = 256;

const NOW: Timestamp = Timestamp(1_700_000_000);

fn token(number: u128) -> LockToken {
    LockToken(Uuid::from_u128(number))
}

fn lock(number: u128) -> Lock {
    Lock {
        token: token(number),
        kind: LockKind::Transient,
        scope: LockScope::Shared,
        depth: LockDepth::Zero,
        root: ResourceId(7),
        owner: UserId(Uuid::from_u128(number % 3)),
        holder: "alice".to_owned(),
        owner_xml: Some("<D:href xmlns:D=\"DAV:\">alice's laptop</D:href>".to_owned()),
        comment: None,
        since: NOW,
        deadline: Some(NOW.plus_seconds(600)),
    }
}

fn file() -> Resource {
    let author = UserId(Uuid::from_u128(1));
    let content = Content {
        place: Place::Inline(ContentId(8)),
        size: 1024,
        number: 3,
        version: 0x0123_4567_89AB_CDEF,
        media_type: None,
        author,
        uploaded: NOW,
        under: None,
        label: None,
    };
    let name = Name::parse("Quarterly report.odt").expect("a name");
    Resource::new(ResourceId(7), &name, Some(content), author, NOW)
}

fn conditions(c: &mut Criterion) {
    let mut group = c.benchmark_group("If");
    // LibreOffice sends one token, davfs2 tens of them when a folder moves.
    for tokens in [1, 32] {
        let lists =
            (0..tokens).map(|number| format!("</team/plan-{number}.odt> (<{}>)", token(number)));
        let lists: Vec<String> = lists.collect();
        let mut headers = HeaderMap::new();
        headers.insert("Host", HeaderValue::from_static("localhost"));
        let line = HeaderValue::from_str(&lists.join(" "));
        headers.insert("If", line.expect("plain text"));
        group.bench_function(format!("read {tokens}"), |b| {
            b.iter(|| IfHeader::from_headers(black_box(&headers), &[], PATH_BYTES_MAX));
        });
    }
    group.finish();
}

fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("path");
    let texts = [
        ("plain", "/team/2026/reports/plan.docx"),
        (
            "encoded",
            "/B%C3%BCro/Gr%C3%B6%C3%9Fe%20%26%20Ma%C3%9Fe/%E2%82%AC%20100.odt",
        ),
    ];
    for (name, text) in texts {
        group.bench_function(format!("read {name}"), |b| {
            b.iter(|| DavPath::parse(black_box(text), PATH_BYTES_MAX));
        });
        let path = DavPath::parse(text, PATH_BYTES_MAX).expect("a path");
        group.bench_function(format!("href {name}"), |b| {
            b.iter(|| black_box(&path).href(false));
        });
    }
    group.finish();
}

fn xml_read(c: &mut Criterion) {
    let limits = XmlLimits {
        bytes_max: 1 << 20,
        depth_max: 64,
        elements_max: 10_000,
    };
    let propfind = concat!(
        r#"<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><getetag/>"#,
        "<getcontentlength/><creationdate/><getlastmodified/><resourcetype/>",
        r#"<executable xmlns="http://apache.org/dav/props/"/></prop></propfind>"#
    );
    let lockinfo = concat!(
        r#"<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>"#,
        "<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>",
        "<D:owner><D:href>alice</D:href></D:owner></D:lockinfo>"
    );
    let mut group = c.benchmark_group("XML");
    group.bench_function("read PROPFIND", |b| {
        b.iter(|| parse_propfind(black_box(propfind.as_bytes()), &limits));
    });
    group.bench_function("read LOCK", |b| {
        b.iter(|| parse_lockinfo(black_box(lockinfo.as_bytes()), &limits));
    });
    group.finish();
}

fn xml_write(c: &mut Criterion) {
    let files: Vec<(DavPath, String, String)> = (0..MEMBERS)
        .map(|number| {
            let path = DavPath::parse(&format!("/team/plan%20{number}.odt"), PATH_BYTES_MAX);
            let etag = EntityTag::of_version(number as u64).to_string();
            (path.expect("a path"), etag, (number * 1000).to_string())
        })
        .collect();
    let write = || {
        let mut answer = Multistatus::new();
        for (path, etag, length) in &files {
            answer.response(&path.href(false), |response| {
                response.propstat(200, |found| {
                    found.text("getetag", etag);
                    found.text("getcontentlength", length);
                    found.text("getlastmodified", "Tue, 14 Nov 2023 22:13:20 GMT");
                    found.empty("resourcetype");
                });
            });
        }
        answer.finish()
    };
    let mut group = c.benchmark_group("XML");
    group.throughput(Throughput::Bytes(write().len() as u64));
    group.bench_function(format!("write {MEMBERS} members"), |b| b.iter(write));
    group.finish();
}

fn rules(c: &mut Criterion) {
    let mut group = c.benchmark_group("rules");
    for count in [0, 1, 16] {
        let locks = Surroundings {
            here: (0..count).map(lock).collect(),
            ..Surroundings::default()
        };
        let tokens: Vec<LockToken> = (0..count).map(token).collect();
        let asker = Asker {
            user: UserId(Uuid::from_u128(1)),
            tokens: &tokens,
            super_check_in: SuperCheckIn::NotHeld,
        };
        group.bench_function(format!("upload under {count} locks"), |b| {
            b.iter(|| {
                let policy = Policy::default();
                check(
                    policy,
                    black_box(&asker),
                    Doing::Change,
                    ResourceId(7),
                    &locks,
                )
            });
        });
    }
    group.finish();
}

fn rows(c: &mut Criterion) {
    let lock = lock(1);
    let file = file();
    let mut group = c.benchmark_group("row");
    group.bench_function("write a file", |b| b.iter(|| encode(black_box(&file))));
    group.bench_function("write a lock", |b| b.iter(|| encode(black_box(&lock))));
    let row = encode(&file).expect("a row");
    group.bench_function("read a file", |b| {
        b.iter(|| decode::<Resource>(black_box(&row)));
    });
    let row = encode(&lock).expect("a row");
    group.bench_function("read a lock", |b| {
        b.iter(|| decode::<Lock>(black_box(&row)));
    });
    group.finish();
}

criterion_group!(pure, conditions, paths, xml_read, xml_write, rules, rows);
criterion_main!(pure);
