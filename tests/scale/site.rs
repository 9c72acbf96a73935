//! A server with limits that no one reaches by accident, requests from many connections at once,
//! and what they cost.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Client, Connection, Response, Server};
use crate::cpu;

/// So many ask at once.
const LANES: usize = 16;

pub struct Site {
    pub server: Server,
    pub user: Client,
}

/// What many requests cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub per_second: f64,
    pub cpu_us: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, {:.0} µs of CPU time",
            self.per_second, self.cpu_us
        )
    }
}

/// Memory of the server in MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB, {} MiB at most", self.now, self.peak)
    }
}

impl Site {
    pub fn open(cache_mib: usize) -> Self {
        let settings = format!(
            "[server]\nconnections_max = 50000\nconnections_per_address_max = 50000\n\
             requests_per_user_max = 50000\nidle_seconds_max = 86400\nheader_seconds_max = 3600\n\
             [store]\ncache_bytes = {}\n\
             [locks]\nper_user_max = 10000000\n\
             [limits]\ncopy_resources_max = 1000000\n\
             [log]\nlevel = \"warn\"\n",
            cache_mib << 20
        );
        let server = Server::start_configured(&settings);
        let user = server.user("alice");
        Self { server, user }
    }

    /// Ends the server in this way and starts it again; how long the start took.
    pub fn restart(self, end: impl FnOnce(&mut Server)) -> (Self, Duration) {
        let Self { mut server, .. } = self;
        end(&mut server);
        let begin = Instant::now();
        let server = server.restart();
        let user = server.client("alice", "alice-password");
        user.propfind("/", "0", "").status(207);
        (Self { server, user }, begin.elapsed())
    }

    /// Asks once for each number, from many connections.
    pub fn each(&self, numbers: Range<usize>, ask: impl Fn(&mut Lane, usize) + Sync) -> Cost {
        let total = numbers.len();
        let next = AtomicUsize::new(numbers.start);
        let (begin, used) = (Instant::now(), cpu::of_tree(self.server.process_id()));
        thread::scope(|scope| {
            for _ in 0..LANES.min(total) {
                scope.spawn(|| {
                    let mut lane = Lane::open(&self.user);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= numbers.end {
                            break;
                        }
                        ask(&mut lane, number);
                    }
                });
            }
        });
        let used = cpu::of_tree(self.server.process_id()) - used;
        Cost {
            per_second: total as f64 / begin.elapsed().as_secs_f64(),
            cpu_us: used * 1e6 / total as f64,
        }
    }

    /// Returns when the server works on nothing any more. What it does behind the answers, such as
    /// moving rows, takes memory that is not the next request's.
    pub fn settle(&self) {
        const LOOK_EVERY: Duration = Duration::from_millis(200);
        const LOOKS_MAX: usize = 300;
        const QUIET_SECONDS: f64 = 0.02;
        for _ in 0..LOOKS_MAX {
            let used = cpu::of_tree(self.server.process_id());
            thread::sleep(LOOK_EVERY);
            if cpu::of_tree(self.server.process_id()) - used <= QUIET_SECONDS {
                return;
            }
        }
        panic!("the server does not come to rest");
    }

    pub fn memory(&self) -> Memory {
        let status = format!("/proc/{}/status", self.server.process_id());
        let status = std::fs::read_to_string(status).expect("a running process");
        let mib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.expect("a number") >> 10
        };
        Memory {
            now: mib("VmRSS:"),
            peak: mib("VmHWM:"),
        }
    }
}

/// One connection that is kept.
pub struct Lane {
    user: Client,
    connection: Connection,
}

impl Lane {
    pub fn open(user: &Client) -> Self {
        Self {
            user: user.clone(),
            connection: user.connect(),
        }
    }

    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let head = self.user.head_of(method, path, headers, body);
        self.connection.write(&[head.as_bytes(), body].concat());
        self.connection.read_response(method)
    }
}
