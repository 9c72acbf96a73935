//! Many connections at once, each kept open between two requests.

use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::site::{Lane, Site};

/// What one that is idle may cost; the settings promise "some 100 KB at most".
const KIB_MAX: u64 = 100;

pub fn crowd(connections: usize) {
    allow_open_files();
    let site = Site::open(64);
    site.user.put("/file", "content").status(201);
    let before = site.memory();
    let begin = Instant::now();
    let mut lanes: Vec<Lane> = (0..connections).map(|_| Lane::open(&site.user)).collect();
    println!("opened in {:.2?}", begin.elapsed());
    for round in 1..=2 {
        for lane in &mut lanes {
            lane.ask("GET", "/file", &[], b"")
                .status(200)
                .containing("content");
        }
        println!(
            "{connections} connections, request {round} answered: {}",
            site.memory()
        );
    }
    let kib = (site.memory().now.saturating_sub(before.now) << 10) / connections as u64;
    println!("{kib} KiB for each");
    // What is taken once for all weighs too much on a few.
    assert!(
        connections < 1000 || kib <= KIB_MAX,
        "{kib} KiB for each connection"
    );
    drop(lanes);
    site.user.get("/file").status(200);
}

/// Our own ends of the connections are open files, too.
fn allow_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("up to the maximum it is allowed");
}
