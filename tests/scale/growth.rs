//! One collection and a whole store grow; what the same requests cost before and after.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::site::{Cost, Lane, Memory, Site};
use crate::common::Server;

const START_MAX: Duration = Duration::from_secs(5);
const FIRST_BYTE_MAX: Duration = Duration::from_millis(50);
/// What a listing may add to the memory, however long it is.
const LISTING_MIB_MAX: u64 = 64;
/// How much dearer a request may get.
const COST_RATIO_MAX: f64 = 2.0;
/// So many random requests for each MiB of the cache fill it.
const REQUESTS_PER_MIB: usize = 400;

pub struct Size {
    /// Files when it is measured first.
    pub small: usize,
    /// Files of one collection.
    pub files: usize,
    /// Resources of the whole store.
    pub resources: usize,
    /// Files of each tree that is copied to make the rest.
    pub tree: usize,
    pub cache_mib: usize,
    /// Requests of each kind that are measured.
    pub requests: usize,
}

/// What was measured.
pub struct Grown {
    small: [Cost; 4],
    large: [Cost; 4],
    starts: [Duration; 2],
    listing: Listing,
}

struct Listing {
    members: usize,
    first_byte: Duration,
    whole: Duration,
    before: Memory,
    after: Memory,
}

const KINDS: [&str; 4] = ["GET", "PROPFIND 0", "PUT over", "PUT new"];

pub fn grow(size: &Size) -> Grown {
    let site = Site::open(size.cache_mib);
    site.user.mkcol("/flat/").status(201);
    fill(&site, 0..size.small);
    let small = measure(&site, size.small, size, "small");
    fill(&site, size.small..size.files);
    copy_trees(&site, size);
    println!("{} resources: {}", size.resources, site.memory());
    measure(&site, size.files, size, "large");
    let listing = list(&site);
    println!("{listing:?}");
    // Those that were put anew while measuring are members, too.
    assert_eq!(listing.members, size.files + 2 * size.requests);
    let (site, clean) = site.restart(|server| assert!(server.stop().success()));
    let (site, killed) = site.restart(Server::kill);
    println!(
        "start after a clean stop {clean:.2?}, after a kill {killed:.2?}; {}",
        site.memory()
    );
    assert_eq!(list(&site).members, listing.members);
    warm_up(&site, size);
    let large = measure(&site, size.files, size, "warm");
    println!("at the end {}", site.memory());
    Grown {
        small,
        large,
        starts: [clean, killed],
        listing,
    }
}

impl Grown {
    pub fn assert_fast_enough(&self) {
        for start in self.starts {
            assert!(start < START_MAX, "a start took {start:.2?}");
        }
        let Listing {
            first_byte,
            before,
            after,
            ..
        } = &self.listing;
        assert!(
            *first_byte < FIRST_BYTE_MAX,
            "the first byte came after {first_byte:.2?}"
        );
        assert!(
            after.peak <= before.peak.max(before.now + LISTING_MIB_MAX),
            "{:?}",
            self.listing
        );
        for (kind, (small, large)) in KINDS.iter().zip(self.small.iter().zip(&self.large)) {
            let ratio = large.cpu_us / small.cpu_us;
            assert!(
                ratio < COST_RATIO_MAX,
                "{kind} costs {ratio:.2} times as much"
            );
        }
    }
}

fn file(number: usize) -> String {
    format!("/flat/file-{number:07}")
}

fn fill(site: &Site, numbers: std::ops::Range<usize>) {
    let cost = site.each(numbers.clone(), |lane, number| {
        lane.ask("PUT", &file(number), &[], &[b'x'; 200])
            .status(201);
    });
    println!("files up to {}: {cost}; {}", numbers.end, site.memory());
}

/// The rest of the resources: many copies of one tree.
fn copy_trees(site: &Site, size: &Size) {
    site.user.mkcol("/tree/").status(201);
    site.each(0..size.tree, |lane, number| {
        lane.ask("PUT", &format!("/tree/{number}"), &[], &[b'x'; 200])
            .status(201);
    });
    let made = size.files + size.requests + size.tree;
    let begin = Instant::now();
    for copy in 0..size.resources.saturating_sub(made) / size.tree {
        site.user
            .copy("/tree/", &format!("/copy-{copy}/"))
            .status(201);
    }
    println!(
        "copying trees took {:.1?}; {}",
        begin.elapsed(),
        site.memory()
    );
}

/// Any of the files in turns that look random.
fn scattered(number: usize, files: usize) -> String {
    file(number.wrapping_mul(2_654_435_761) % files)
}

fn warm_up(site: &Site, size: &Size) {
    let requests = (size.cache_mib * REQUESTS_PER_MIB).min(size.files);
    site.each(0..requests, |lane, number| {
        lane.ask("GET", &scattered(number, size.files), &[], b"")
            .status(200);
    });
}

fn measure(site: &Site, files: usize, size: &Size, label: &str) -> [Cost; 4] {
    let one = |kind: usize, lane: &mut Lane, number: usize| {
        let path = scattered(number + kind * size.requests, files);
        match kind {
            0 => lane.ask("GET", &path, &[], b"").status(200),
            1 => lane
                .ask("PROPFIND", &path, &[("Depth", "0")], b"")
                .status(207),
            2 => lane.ask("PUT", &path, &[], &[b'y'; 1000]).status(204),
            _ => {
                let path = format!("/flat/{label}-{number}");
                let answer = lane.ask("PUT", &path, &[], &[b'y'; 1000]);
                answer.status(201)
            }
        };
    };
    let costs = [0, 1, 2, 3]
        .map(|kind| site.each(0..size.requests, |lane, number| one(kind, lane, number)));
    for (kind, cost) in KINDS.iter().zip(&costs) {
        println!("{label}: {kind} {cost}");
    }
    costs
}

/// Reads a listing of the flat collection as it comes, without keeping it.
fn list(site: &Site) -> Listing {
    const MEMBER: &[u8] = b"</D:response>";
    site.settle();
    let before = site.memory();
    let mut stream = TcpStream::connect(site.user.address()).expect("the server accepts");
    let close = [("Depth", "1"), ("Connection", "close")];
    let head = site.user.head_of("PROPFIND", "/flat/", &close, b"");
    let begin = Instant::now();
    stream.write_all(head.as_bytes()).expect("a live socket");
    let mut first_byte = None;
    let mut found = 0;
    let mut buffer = vec![0; 1 << 20];
    // What is left of the part before, for tags that lie across.
    let mut kept = 0;
    loop {
        let read = stream.read(&mut buffer[kept..]).expect("a live socket");
        first_byte.get_or_insert(begin.elapsed());
        if read == 0 {
            break;
        }
        let end = kept + read;
        let text = &buffer[..end];
        let mut seen = 0;
        while let Some(at) = text[seen..]
            .windows(MEMBER.len())
            .position(|part| part == MEMBER)
        {
            found += 1;
            seen += at + MEMBER.len();
        }
        let rest = seen.max(end.saturating_sub(MEMBER.len() - 1));
        buffer.copy_within(rest..end, 0);
        kept = end - rest;
    }
    Listing {
        members: found - 1,
        first_byte: first_byte.expect("an answer"),
        whole: begin.elapsed(),
        before,
        after: site.memory(),
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            members,
            first_byte,
            whole,
            before,
            after,
        } = self;
        write!(
            f,
            "listing of {members} members: first byte after {first_byte:.1?}, whole after \
             {whole:.2?}; {before}, then {after}"
        )
    }
}
