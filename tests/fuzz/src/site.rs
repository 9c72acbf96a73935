//! A whole server in memory, behind byte streams of its own. Every execution finds it as the one
//! before did: what it wrote is taken back. No time passes: a client that hears nothing while
//! nobody has anything to do goes away.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::event::Face;
use lockkeeper::ops::access::{self, NewUser, api_keys};
use lockkeeper::ops::password::Password;
use lockkeeper::ops::target::Target;
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::resource::ResourceId;
use lockkeeper::rights::Access;
use lockkeeper::store::engine::{Engine as _, Key, Mode, Order};
use lockkeeper::store::memory::MemoryEngine;
use lockkeeper::web::door::Door;
use lockkeeper::web::metrics::Metrics;
use lockkeeper::web::server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

const USER: &str = "alice";
const NOW: Timestamp = Timestamp(1_795_314_607_000);

/// Turns without a byte after which nothing more comes.
const QUIET_TURNS_MAX: u32 = 100;

/// What stands for the key of a user in requests.
pub(super) const KEY: &str = "{KEY}";

type Rows = BTreeMap<Key, Bytes>;

pub(super) struct Site {
    runtime: Runtime,
    server: Server,
    engine: MemoryEngine,
    /// As it is before every execution.
    rows: Rows,
    /// What may stand in requests in braces, and what it stands for.
    names: Vec<(String, String)>,
    /// Everybody comes from an address of their own, so that nobody waits for others' mistakes.
    peers: Cell<u32>,
}

thread_local! {
    static SITE: Site = Site::new();
}

/// Runs something with the site of this thread.
pub(super) fn with<T>(run: impl FnOnce(&Site) -> T) -> T {
    SITE.with(run)
}

impl Site {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let engine = MemoryEngine::new();
        let mut config = Config::default();
        config.store.memory = true;
        config.limits.json_bytes_max = 4096;
        let (server, names) = runtime.block_on(furnish(engine.clone(), config));
        let mut site = Self {
            runtime,
            server,
            engine,
            rows: Rows::new(),
            names,
            peers: Cell::new(1),
        };
        site.fill();
        site.rows = site.read_rows();
        site
    }

    /// A folder, two files, and locks on one of them.
    fn fill(&mut self) {
        let lock = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:shared/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
        let property = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><p xmlns='urn:p'>v</p>\
                        </D:prop></D:set></D:propertyupdate>";
        for (method, path, body) in [
            ("MKCOL", "/team", ""),
            ("PUT", "/team/plan.docx", "one"),
            ("PUT", "/team/plan.docx", "two"),
            ("PUT", "/team/free.txt", "free"),
            ("PROPPATCH", "/team/plan.docx", property),
            ("LOCK", "/team/plan.docx", lock),
        ] {
            let length = body.len();
            let answer = self.exchange(
                format!(
                    "{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\
                     Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                )
                .as_bytes(),
            );
            let answer = String::from_utf8_lossy(&answer);
            assert!(
                answer.starts_with("HTTP/1.1 20"),
                "{method} {path}: {answer}"
            );
            if let Some((_, rest)) = answer.split_once("lock-token: <") {
                let token = rest.split('>').next().unwrap_or_default();
                self.names.push(("{lock}".to_owned(), token.to_owned()));
            }
        }
    }

    /// What the server answers to these bytes until it closes the connection.
    pub(super) fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let request = self.named(request);
        let number = self.peers.replace(self.peers.get().wrapping_add(1));
        let peer = IpAddr::V4(Ipv4Addr::from(number));
        self.runtime.block_on(async {
            let (client, server) = tokio::io::duplex(request.len() + (1 << 16));
            let (mut reader, mut writer) = tokio::io::split(client);
            let speak = async move {
                // A server that has heard enough may close before the end.
                let _ = writer.write_all(&request).await;
                let (mut answer, mut quiet) = (Vec::new(), 0);
                while quiet < QUIET_TURNS_MAX {
                    tokio::select! {
                        biased;
                        read = reader.read_buf(&mut answer) => match read {
                            Ok(1..) => quiet = 0,
                            Ok(0) | Err(_) => break,
                        },
                        () = tokio::task::yield_now() => quiet += 1,
                    }
                }
                answer
            };
            let (_, answer) = tokio::join!(self.server.serve(server, peer), speak);
            answer
        })
    }

    /// With every `{name}` replaced.
    pub(super) fn named(&self, request: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(request.len());
        let mut rest = request;
        'next: while let Some(first) = rest.first() {
            if *first == b'{' {
                for (name, value) in &self.names {
                    if let Some(behind) = rest.strip_prefix(name.as_bytes()) {
                        whole.extend_from_slice(value.as_bytes());
                        rest = behind;
                        continue 'next;
                    }
                }
            }
            whole.push(*first);
            rest = &rest[1..];
        }
        whole
    }

    /// Takes back what was written since the beginning; whether anything was.
    pub(super) fn restore(&self) -> bool {
        let rows = self.read_rows();
        if rows == self.rows {
            return false;
        }
        self.runtime.block_on(async {
            let mut txn = self.engine.begin(Mode::Write).await.expect("memory");
            let gone = rows.keys().filter(|key| !self.rows.contains_key(*key));
            gone.for_each(|key| txn.delete(key.clone()));
            for (key, value) in &self.rows {
                if rows.get(key) != Some(value) {
                    txn.put(key.clone(), value.clone());
                }
            }
            txn.commit().await.expect("memory");
        });
        true
    }

    fn read_rows(&self) -> Rows {
        self.runtime.block_on(async {
            let mut txn = self.engine.begin(Mode::Read).await.expect("memory");
            let all = Bytes::from_static(&[0])..Bytes::from_static(&[0xff]);
            let rows = txn.scan(all, usize::MAX, Order::Ascending).await;
            rows.expect("memory").into_iter().collect()
        })
    }
}

/// A server with a user who has a key.
async fn furnish(engine: MemoryEngine, config: Config) -> (Server, Vec<(String, String)>) {
    let dav = Dav::new(Arc::new(engine), Blobs::memory(), config.clone(), NOW).await;
    let dav = Arc::new(dav.expect("nothing can fail in memory"));
    let user = NewUser::new(USER, Password::from("correct horse battery".to_owned()));
    access::add(&dav, user, NOW).await.expect("a user");
    let key = api_keys::NewApiKey {
        user: USER.to_owned(),
        name: "fuzz".to_owned(),
        access: Access::default(),
        within: None,
        expires: None,
    };
    let (_, secret) = api_keys::add(&dav, key, NOW).await.expect("a key");
    let mut names = vec![(KEY.to_owned(), secret.reveal().to_owned())];
    // Ids are given in the order of making.
    let principal = access::by_secret(&dav, secret.reveal(), NOW).await;
    let principal = principal.expect("memory").expect("just made");
    let root = Ask::new(
        principal,
        NOW,
        (Face::WebDav, String::new()),
        Target::Id(ResourceId::ROOT),
    );
    assert!(dav.find(&root).await.is_ok());
    for (name, id) in [("folder", 2), ("file", 3), ("free", 5)] {
        names.push((format!("{{{name}}}"), ResourceId(id).to_string()));
        names.push((format!("{{{name}-number}}"), id.to_string()));
    }
    let door = Door::new(dav, Arc::new(Metrics::default()), &config).expect("a door");
    (Server::new(Arc::new(door), &config), names)
}
