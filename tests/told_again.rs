//! What is told again from memory is what would be told anew: random requests of several users over
//! one store, and each look at it asked twice, of a server that remembers answers and of one that
//! does not. Both are compared byte for byte.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a seed must be known to be repeated")]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use http::Response;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::ops::Dav;
use lockkeeper::ops::admin::grants::{GrantCommand, GranteeName};
use lockkeeper::ops::admin::groups::GroupCommand;
use lockkeeper::ops::admin::users::UserCommand;
use lockkeeper::ops::admin::{self, AdminCommand};
use lockkeeper::ops::password::Password;
use lockkeeper::ops::webhooks::{self, Courier, Parcel};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::rights::Role;
use lockkeeper::store::engine::Engine;
use lockkeeper::store::memory::MemoryEngine;
use lockkeeper::web::door::Door;
use lockkeeper::web::metrics::Metrics;
use support::{Dice, open_with, sled_in};

const USERS: [&str; 3] = ["alice", "bob", "mona"];
const STEPS: usize = 1_000;

/// Where things are; one name in two spellings.
const PATHS: [&str; 17] = [
    "/big",
    "/big/n100",
    "/big/n500",
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/a/b/d.txt",
    "/a/e%26.txt",
    "/a/caf%C3%A9",
    "/a/cafe%CC%81",
    "/f",
    "/f/",
    "/f/g.txt",
    "/f/h",
    "/f/h/i.txt",
];

/// What PROPFINDs ask for.
const WORDS: [&str; 7] = [
    "",
    "<propfind xmlns='DAV:'><propname/></propfind>",
    "<propfind xmlns='DAV:'><prop><getetag/><getcontentlength/><resourcetype/></prop></propfind>",
    "<propfind xmlns='DAV:'><prop><lockdiscovery/><supportedlock/></prop></propfind>",
    "<propfind xmlns='DAV:'><prop><current-user-privilege-set/><owner/><x xmlns='urn:x'/>\
     </prop></propfind>",
    "<propfind xmlns='DAV:'><allprop/><include><current-user-principal/></include></propfind>",
    "<propfind xmlns='DAV:'><prop>",
];

/// Nobody follows the record here.
struct Nobody;

#[async_trait]
impl Courier for Nobody {
    async fn post(&self, _: &Parcel) -> webhooks::Answer {
        webhooks::Answer::Gone
    }
}

struct Server {
    dav: Arc<Dav>,
    door: Door,
}

struct Asked {
    user: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Server {
    async fn over(engine: Arc<dyn Engine>, blobs: Blobs, answers_bytes: usize) -> Self {
        let mut config = Config::default();
        config.auth.remember_seconds = 86_400;
        config.store.answers_bytes = answers_bytes;
        let dav = open_with(engine, blobs, config.clone()).await;
        let door = Door::new(Arc::clone(&dav), Arc::new(Metrics::default()), &config).unwrap();
        Self { dav, door }
    }

    async fn send(&self, asked: &Asked, now: Timestamp) -> Response<Bytes> {
        let credentials = format!("{0}:{0}-password", asked.user);
        let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
        let mut request = http::Request::builder()
            .method(asked.method)
            .uri(&asked.path)
            .header("Host", "campaign")
            .header("Authorization", format!("Basic {credentials}"));
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Bytes::from(asked.body.clone())).unwrap();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.door.answer_whole(request, peer, now).await.unwrap()
    }

    async fn command(&self, command: AdminCommand, now: Timestamp) {
        // Many are refused, since what they are about is gone.
        let _ = admin::run(&self.dav, &Nobody, command, now).await;
    }
}

fn added(name: &str, admin: bool) -> AdminCommand {
    AdminCommand::User(UserCommand::Add {
        name: name.to_owned(),
        display_name: None,
        email: String::new(),
        password: Password::from(format!("{name}-password")),
        admin,
    })
}

/// Two servers over one store.
struct Pair {
    remembers: Server,
    forgets: Server,
    now: Timestamp,
    tokens: Vec<String>,
    dice: Dice,
}

impl Pair {
    async fn new(engine: Arc<dyn Engine>, seed: u64) -> Self {
        let blobs = Blobs::memory();
        let mut dice = Dice(seed);
        // With little room answers push each other out all the time.
        let bytes = [64 << 10, 16 << 20][dice.roll(2)];
        let mut pair = Self {
            remembers: Server::over(Arc::clone(&engine), blobs.clone(), bytes).await,
            forgets: Server::over(engine, blobs, 0).await,
            now: Timestamp(1_000_000),
            tokens: Vec::new(),
            dice,
        };
        for name in USERS {
            pair.command(added(name, name == "mona")).await;
        }
        let name = "staff".to_owned();
        pair.command(AdminCommand::Group(GroupCommand::Add { name }))
            .await;
        // More than two pages.
        let mut make = Asked {
            method: "MKCOL",
            ..pair.asked("MKCOL")
        };
        for number in 0..600 {
            make.path = if number == 0 {
                "/big".to_owned()
            } else {
                format!("/big/n{number:03}")
            };
            let made = pair.forgets.send(&make, pair.now).await;
            assert_eq!(made.status(), 201);
        }
        pair
    }

    fn server(&mut self) -> &Server {
        match self.dice.roll(2) {
            0 => &self.remembers,
            _ => &self.forgets,
        }
    }

    async fn command(&mut self, command: AdminCommand) {
        let now = self.now;
        self.server().command(command, now).await;
    }

    fn asked(&mut self, method: &'static str) -> Asked {
        Asked {
            user: self.dice.pick::<&str>(&USERS),
            method,
            path: (*self.dice.pick(&PATHS)).to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    async fn change(&mut self) {
        const METHODS: [&str; 16] = [
            "PUT",
            "PUT",
            "PUT",
            "PUT",
            "PUT",
            "MKCOL",
            "MKCOL",
            "MKCOL",
            "DELETE",
            "MOVE",
            "COPY",
            "PROPPATCH",
            "PROPPATCH",
            "LOCK",
            "LOCK",
            "UNLOCK",
        ];
        let method = *self.dice.pick(&METHODS);
        let mut asked = self.asked(method);
        match method {
            "PUT" => {
                let size = *self.dice.pick(&[0, 3, 900, 5_000]);
                asked.body = "x".repeat(size);
            }
            "MOVE" | "COPY" => {
                let to = format!("http://campaign{}", self.dice.pick(&PATHS));
                asked.headers.push(("Destination", to));
            }
            "PROPPATCH" => {
                let what = *self.dice.pick(&["set", "remove"]);
                asked.body = format!(
                    "<propertyupdate xmlns='DAV:'><{what}><prop><x xmlns='urn:x'>{}</x></prop>\
                     </{what}></propertyupdate>",
                    self.dice.roll(100),
                );
            }
            "LOCK" => {
                let depth = *self.dice.pick(&["0", "infinity"]);
                asked.headers.push(("Depth", depth.to_owned()));
                asked.headers.push(("Timeout", "Second-2".to_owned()));
                "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope>\
                              <locktype><write/></locktype></lockinfo>"
                    .clone_into(&mut asked.body);
            }
            "UNLOCK" => match self.tokens.pop() {
                Some(token) => asked.headers.push(("Lock-Token", token)),
                None => return,
            },
            _ => {}
        }
        let now = self.now;
        let answer = self.server().send(&asked, now).await;
        if let (200 | 201, Some(token)) =
            (answer.status().as_u16(), answer.headers().get("lock-token"))
        {
            self.tokens.push(token.to_str().unwrap().to_owned());
        }
    }

    async fn administer(&mut self) {
        let to = match self.dice.roll(4) {
            0 => GranteeName::Everyone,
            1 => GranteeName::Group("staff".to_owned()),
            _ => GranteeName::User((*self.dice.pick(&USERS)).to_owned()),
        };
        let path = (*self.dice.pick(&["/", "/a", "/a/b", "/f"])).to_owned();
        let roles = [
            Role::None,
            Role::Reader,
            Role::Editor,
            Role::Editor,
            Role::Manager,
        ];
        let (group, user) = ("staff".to_owned(), (*self.dice.pick(&USERS)).to_owned());
        let command = match self.dice.roll(5) {
            0 | 1 => AdminCommand::Grant(GrantCommand::Set {
                path,
                role: *self.dice.pick(&roles),
                to,
            }),
            2 => AdminCommand::Grant(GrantCommand::Remove { path, to }),
            3 => AdminCommand::Group(GroupCommand::AddMember { group, user }),
            _ => AdminCommand::Group(GroupCommand::RemoveMember { group, user }),
        };
        self.command(command).await;
    }

    /// One look, of both servers; twice of the one that remembers.
    async fn look(&mut self) {
        let method = *self
            .dice
            .pick(&["GET", "HEAD", "PROPFIND", "PROPFIND", "PROPFIND"]);
        let mut asked = self.asked(method);
        if method == "PROPFIND" {
            let depth = *self.dice.pick(&["0", "1", "1", "infinity"]);
            asked.headers.push(("Depth", depth.to_owned()));
            asked.body = (*self.dice.pick(&WORDS)).to_owned();
        } else if self.dice.roll(4) == 0 {
            asked.headers.push(("If-None-Match", "*".to_owned()));
        }
        let anew = self.forgets.send(&asked, self.now).await;
        for _ in 0..2 {
            let told = self.remembers.send(&asked, self.now).await;
            let what = format!("{} {} {:?}", asked.method, asked.path, asked.body);
            assert_eq!(told.status(), anew.status(), "{what}");
            assert_eq!(told.headers(), anew.headers(), "{what}");
            assert_eq!(told.body(), anew.body(), "{what}");
        }
    }

    async fn run(&mut self) {
        for _ in 0..STEPS {
            match self.dice.roll(20) {
                0 => self.administer().await,
                // Locks lapse.
                1 => self.now = self.now.plus_seconds(1),
                2 => {
                    let now = self.now;
                    self.server().dav.sweep(now).await.unwrap();
                }
                3..8 => self.change().await,
                _ => self.look().await,
            }
        }
    }
}

async fn check(engine: Arc<dyn Engine>, seed: u64) {
    println!("seed {seed}");
    let mut pair = Box::pin(Pair::new(engine, seed)).await;
    pair.run().await;
    let used = pair.remembers.dav.answers_used();
    println!("{used:?}");
    assert!(
        used.recalled * 10 > used.asked,
        "it hardly remembers anything"
    );
    assert_eq!(pair.forgets.dav.answers_used().recalled, 0);
}

#[tokio::test]
async fn what_is_told_again_is_what_is_so() {
    for seed in 0..3 {
        Box::pin(check(Arc::new(MemoryEngine::new()), seed)).await;
    }
}

#[tokio::test]
async fn and_over_sled() {
    let dir = tempfile::tempdir().unwrap();
    Box::pin(check(sled_in(&dir), 3)).await;
}

/// A listing that is much larger than the memory neither fills it nor pushes out everything else.
#[tokio::test]
async fn of_a_long_listing_only_the_beginning_is_remembered() {
    const BYTES: usize = 2 << 20;
    const MEMBERS: usize = 3_000;
    let now = Timestamp(1_000_000);
    let server = Server::over(Arc::new(MemoryEngine::new()), Blobs::memory(), BYTES).await;
    server.command(added("mona", true), now).await;
    let mut asked = Asked {
        user: "mona",
        method: "MKCOL",
        path: "/long".to_owned(),
        headers: Vec::new(),
        body: String::new(),
    };
    assert_eq!(server.send(&asked, now).await.status(), 201);
    for number in 0..MEMBERS {
        asked.path = format!("/long/n{number}");
        assert_eq!(server.send(&asked, now).await.status(), 201);
    }
    let list = Asked {
        method: "PROPFIND",
        path: "/long/".to_owned(),
        headers: vec![("Depth", "1".to_owned())],
        body: WORDS[2].to_owned(),
        ..asked
    };
    let once = server.send(&list, now).await.into_body();
    assert!(once.len() > BYTES / 3, "it is no long listing");
    assert!(server.send(&list, now).await.into_body() == once);
    let used = server.dav.answers_used();
    assert!(used.recalled > 3, "{used:?}");
    assert!(used.bytes < BYTES as u64 / 3, "{used:?}");
}
