//! Every knob and every limit, with its default and its reason, in one place.
//!
//! [`load`] puts the layers together: flags beat the environment beats the file beats the defaults.
//! Nothing below `cli` and `web` reads the environment or a file of settings.

mod layers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::lock::rules::Policy;
use serde::{Deserialize, Serialize};

pub use layers::{ConfigError, Setting, load};

const MIB: u64 = 1024 * 1024;

/// What `lockkeeper config` prints and `lockkeeper.toml` may set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The door.
    pub server: Server,
    /// Where everything is kept.
    pub store: Store,
    /// What locks may be had.
    pub locks: Locks,
    /// What is kept of what files were.
    pub versions: Versions,
    /// What is kept of what happened.
    pub events: Events,
    /// How patiently events are posted to other programs.
    pub webhooks: Webhooks,
    /// What one request may ask for.
    pub limits: Limits,
    /// Who gets in.
    pub auth: Auth,
    /// What is written to standard error.
    pub log: Log,
}

/// The door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port. Loopback, because without TLS the network sees passwords, keys and
    /// tokens.
    pub listen: SocketAddr,
    /// Allows to listen beyond loopback without TLS, for a proxy that adds it.
    pub insecure: bool,
    /// PEM file with the certificate chain; empty: no TLS.
    pub tls_cert: PathBuf,
    /// PEM file with the private key; empty: no TLS.
    pub tls_key: PathBuf,
    /// Further `host` or `host:port` names under which clients know this server, for Destination
    /// headers behind a proxy.
    pub hosts: Vec<String>,
    /// Connections at once; more wait until one ends. Each costs some 100 KB at most.
    pub connections_max: usize,
    /// Connections at once from one address (IPv6: from one /64); more are refused. Half of all, so
    /// that an office behind one address is not locked out and nobody takes every place. Behind a
    /// proxy all clients have one address: set it to `connections_max` there.
    pub connections_per_address_max: usize,
    /// Requests of one user at once; more wait some seconds, then they are refused. Mounts need
    /// less than 20, synchronising programs up to 32, and as many streams of events may be open.
    pub requests_per_user_max: usize,
    /// Seconds for a whole request head, so that slow senders cannot hold connections, and between
    /// requests while nobody has signed in.
    pub header_seconds_max: u64,
    /// Seconds without a byte: between requests, within a body, and of a client that does not read.
    /// Bodies that are held in memory (XML, JSON) must be whole by then.
    pub idle_seconds_max: u64,
    /// Seconds that running requests get to finish when the server stops.
    pub shutdown_seconds_max: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4918)),
            insecure: false,
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            hosts: Vec::new(),
            connections_max: 1024,
            connections_per_address_max: 512,
            requests_per_user_max: 64,
            header_seconds_max: 30,
            idle_seconds_max: 120,
            shutdown_seconds_max: 30,
        }
    }
}

impl Server {
    /// Certificate chain and key, when TLS is wanted.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        let wanted = !self.tls_cert.as_os_str().is_empty();
        wanted.then_some((self.tls_cert.as_path(), self.tls_key.as_path()))
    }
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The data folder.
    pub data: PathBuf,
    /// Keep everything in memory and forget it at the end: for trying out and for tests.
    pub memory: bool,
    /// What sled may cache. It takes up to six times as much memory.
    pub cache_bytes: u64,
    /// How many bytes of files of 4 to 256 KiB are remembered, so that they are sent without being
    /// read. 0: none.
    pub contents_bytes: u64,
    /// How many bytes of answers are remembered: small files and pages of listings that nobody
    /// has changed are told again without being read. 0: none.
    pub answers_bytes: usize,
    /// How much of the latest changes is in the journal, and in memory, before sled gets it. There
    /// may be twice as much, and six times when sled cannot keep up. A start after a crash reads
    /// it again.
    pub journal_bytes_max: usize,
    /// Free disk space below which uploads are refused (507), so that locks and deletes still
    /// find room.
    pub free_bytes_min: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./lockkeeper-data"),
            memory: false,
            cache_bytes: 64 * MIB,
            contents_bytes: 64 * MIB,
            answers_bytes: 64 << 20,
            journal_bytes_max: 32 << 20,
            free_bytes_min: 64 * MIB,
        }
    }
}

/// What LOCK with `Timeout: Infinite` gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Infinite {
    /// A persistent lock (check-out): no automatic client asks for one.
    #[default]
    Persistent,
    /// A transient lock of the longest allowed time.
    Transient,
}

/// What locks may be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locks {
    /// What may be done to a locked file: `drive` lets programs rename and delete what they have
    /// locked themselves, `strict` lets nobody.
    pub policy: Policy,
    /// Longest time a transient lock lives without a refresh. Below 180 Office and LibreOffice
    /// misbehave; davfs2 asks for 1800.
    pub transient_timeout_seconds_max: u64,
    /// What LOCK with `Timeout: Infinite` gives.
    pub infinite: Infinite,
    /// Locks that one user may hold at once.
    pub per_user_max: usize,
    /// Locks at once on one resource: shared ones, or a user's check-out and programs' locks.
    pub per_resource_max: usize,
}

impl Default for Locks {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            transient_timeout_seconds_max: 1800,
            infinite: Infinite::default(),
            per_user_max: 10_000,
            per_resource_max: 64,
        }
    }
}

/// What is kept of what files were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Old versions of a file that are kept beside the present one; 0: none.
    pub keep: u32,
    /// Days after which an old version goes, counted from when another one replaced it; 0:
    /// whatever its age.
    pub keep_days: u32,
    /// What one user uploads under one lock makes one version: office programs save every minute.
    pub fold_while_locked: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            keep: 10,
            keep_days: 0,
            fold_while_locked: true,
        }
    }
}

/// What is kept of what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Events that are kept; the oldest go first. One takes some 200 bytes.
    pub keep: usize,
    /// Days after which an event goes.
    pub keep_days: u32,
    /// Answers at once that wait for events. Each holds a connection; 0: none may wait.
    pub streams_max: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            keep: 100_000,
            keep_days: 90,
            streams_max: 256,
        }
    }
}

/// How patiently events are posted to other programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Seconds that a receiver gets to take a page and to answer.
    pub answer_seconds_max: u64,
    /// Seconds until a failed delivery is tried again; doubled each time.
    pub retry_seconds_min: u64,
    /// Seconds between two tries at most.
    pub retry_seconds_max: u64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            answer_seconds_max: 30,
            retry_seconds_min: 5,
            retry_seconds_max: 3600,
        }
    }
}

/// What one request may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longest file. The disk usually says no earlier.
    pub body_bytes_max: u64,
    /// Longest XML body, and all dead properties of one resource: both are held in memory.
    pub xml_bytes_max: usize,
    /// Deepest nesting of elements.
    pub xml_depth_max: usize,
    /// Most elements in one body.
    pub xml_elements_max: usize,
    /// Longest JSON body, form or text field of a form: they are held in memory.
    pub json_bytes_max: usize,
    /// Longest decoded path.
    pub path_bytes_max: usize,
    /// Longest request head. davfs2 sends tens of lock tokens in one `If` when a folder moves.
    pub header_bytes_max: usize,
    /// Dead properties of one resource.
    pub properties_per_resource_max: usize,
    /// Longest dead property.
    pub property_bytes_max: usize,
    /// Most resources that one COPY makes: it is one transaction.
    pub copy_resources_max: usize,
    /// Most resources that one PROPFIND of depth infinity lists; 0 refuses that depth.
    pub propfind_infinity_resources_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024 * MIB,
            xml_bytes_max: 1024 * 1024,
            xml_depth_max: 64,
            xml_elements_max: 10_000,
            json_bytes_max: 65_536,
            path_bytes_max: 4096,
            header_bytes_max: 65_536,
            properties_per_resource_max: 1000,
            property_bytes_max: 65_536,
            copy_resources_max: 20_000,
            propfind_infinity_resources_max: 10_000,
        }
    }
}

/// Who gets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The name that password dialogs show.
    pub realm: String,
    /// How long a verified password is remembered, so that the slow hash is not computed for each
    /// request; 0: never.
    pub remember_seconds: u64,
    /// How long an access token opens the door.
    pub access_token_seconds: u64,
    /// How long a session can be renewed after its last renewal.
    pub refresh_token_seconds: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            realm: "Lockkeeper".to_owned(),
            remember_seconds: 300,
            access_token_seconds: 3600,
            refresh_token_seconds: 30 * 24 * 3600,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what failed for good.
    Error,
    /// And what looks wrong.
    Warn,
    /// And one line for each request.
    #[default]
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// What is written to standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// A key (`section.field`), whether its value is allowed, and what is.
type Rule = (&'static str, bool, &'static str);

impl Config {
    /// What a type cannot say: ranges, and settings that need each other. The error is the key at
    /// fault (`section.field`) and what is allowed.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let Self {
            server,
            store,
            locks,
            versions,
            events,
            webhooks,
            limits,
            auth,
            ..
        } = self;
        let all = [
            server.rules(),
            store.rules(),
            locks.rules(),
            versions.rules(),
            events.rules(),
            webhooks.rules(),
            limits.rules(),
            auth.rules(),
        ];
        match all.into_iter().flatten().find(|(_, holds, _)| !holds) {
            Some((key, _, allowed)) => Err((key, allowed)),
            None => Ok(()),
        }
    }
}

impl Server {
    fn rules(&self) -> Vec<Rule> {
        let half_tls = self.tls_cert.as_os_str().is_empty() != self.tls_key.as_os_str().is_empty();
        let exposed = !self.listen.ip().is_loopback() && self.tls().is_none();
        let hosts = self.hosts.iter().all(|host| is_host(host));
        let connections = (1..=100_000).contains(&self.connections_max);
        let per_address = (1..=100_000).contains(&self.connections_per_address_max);
        let per_user = (1..=100_000).contains(&self.requests_per_user_max);
        let header = (1..=3600).contains(&self.header_seconds_max);
        let idle = (1..=86_400).contains(&self.idle_seconds_max);
        let shutdown = self.shutdown_seconds_max <= 3600;
        vec![
            (
                "server.tls_cert",
                !half_tls,
                "tls_cert and tls_key together, or neither",
            ),
            ("server.listen", !exposed || self.insecure, BEYOND_LOOPBACK),
            (
                "server.hosts",
                hosts,
                "names such as files.example.org or files.example.org:8443",
            ),
            ("server.connections_max", connections, "1 to 100000"),
            (
                "server.connections_per_address_max",
                per_address,
                "1 to 100000",
            ),
            ("server.requests_per_user_max", per_user, "1 to 100000"),
            ("server.header_seconds_max", header, "1 to 3600"),
            ("server.idle_seconds_max", idle, "1 to 86400"),
            ("server.shutdown_seconds_max", shutdown, "0 to 3600"),
        ]
    }
}

impl Store {
    fn rules(&self) -> Vec<Rule> {
        vec![
            (
                "store.data",
                !self.data.as_os_str().is_empty(),
                "the path of a folder",
            ),
            (
                "store.cache_bytes",
                self.cache_bytes >= MIB,
                "at least 1048576 (1 MiB)",
            ),
            (
                "store.journal_bytes_max",
                (4096..=1 << 30).contains(&self.journal_bytes_max),
                "between 4096 and 1073741824 (1 GiB)",
            ),
        ]
    }
}

impl Locks {
    fn rules(&self) -> Vec<Rule> {
        let timeout = (180..=604_800).contains(&self.transient_timeout_seconds_max);
        let per_resource = (1..=10_000).contains(&self.per_resource_max);
        vec![
            ("locks.transient_timeout_seconds_max", timeout, TIMEOUTS),
            ("locks.per_user_max", self.per_user_max >= 1, "at least 1"),
            ("locks.per_resource_max", per_resource, "1 to 10000"),
        ]
    }
}

impl Versions {
    fn rules(&self) -> Vec<Rule> {
        vec![
            // A DELETE removes them all in one transaction.
            ("versions.keep", self.keep <= 1000, "0 to 1000"),
            (
                "versions.keep_days",
                self.keep_days <= 36_500,
                "0 to 36500 (a hundred years)",
            ),
        ]
    }
}

impl Events {
    fn rules(&self) -> Vec<Rule> {
        let keep = (1_000..=10_000_000).contains(&self.keep);
        let days = (1..=36_500).contains(&self.keep_days);
        let streams = self.streams_max <= 100_000;
        vec![
            ("events.keep", keep, "1000 to 10000000"),
            ("events.keep_days", days, "1 to 36500"),
            ("events.streams_max", streams, "0 to 100000"),
        ]
    }
}

impl Webhooks {
    fn rules(&self) -> Vec<Rule> {
        let answer = (1..=60).contains(&self.answer_seconds_max);
        let first = (1..=3600).contains(&self.retry_seconds_min);
        let last = (self.retry_seconds_min..=86_400).contains(&self.retry_seconds_max);
        vec![
            ("webhooks.answer_seconds_max", answer, "1 to 60"),
            ("webhooks.retry_seconds_min", first, "1 to 3600"),
            (
                "webhooks.retry_seconds_max",
                last,
                "webhooks.retry_seconds_min to 86400",
            ),
        ]
    }
}

impl Limits {
    fn rules(&self) -> Vec<Rule> {
        let xml = (1024..=64 << 20).contains(&self.xml_bytes_max);
        let depth = (8..=128).contains(&self.xml_depth_max);
        let json = (1024..=64 << 20).contains(&self.json_bytes_max);
        let path = (256..=65_536).contains(&self.path_bytes_max);
        let header = (8192..=1 << 20).contains(&self.header_bytes_max);
        // The store splits a property into at most 256 parts.
        let property = (1..=1_000_000).contains(&self.property_bytes_max);
        vec![
            (
                "limits.body_bytes_max",
                self.body_bytes_max >= 1,
                "at least 1",
            ),
            ("limits.xml_bytes_max", xml, "1024 to 67108864"),
            ("limits.xml_depth_max", depth, "8 to 128"),
            (
                "limits.xml_elements_max",
                self.xml_elements_max >= 16,
                "at least 16",
            ),
            ("limits.json_bytes_max", json, "1024 to 67108864"),
            ("limits.path_bytes_max", path, "256 to 65536"),
            ("limits.header_bytes_max", header, "8192 to 1048576"),
            ("limits.property_bytes_max", property, "1 to 1000000"),
            (
                "limits.copy_resources_max",
                self.copy_resources_max >= 1,
                "at least 1",
            ),
        ]
    }
}

impl Auth {
    fn rules(&self) -> Vec<Rule> {
        let plain = self.realm.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let realm = plain && (1..=200).contains(&self.realm.len());
        let access = (60..=86_400).contains(&self.access_token_seconds);
        let year = 365 * 24 * 3600;
        let refresh = (self.access_token_seconds..=year).contains(&self.refresh_token_seconds);
        vec![
            ("auth.realm", realm, "1 to 200 printable ASCII characters"),
            (
                "auth.remember_seconds",
                self.remember_seconds <= 86_400,
                "0 to 86400",
            ),
            ("auth.access_token_seconds", access, "60 to 86400"),
            (
                "auth.refresh_token_seconds",
                refresh,
                "auth.access_token_seconds to 31536000",
            ),
        ]
    }
}

const TIMEOUTS: &str = "180 to 604800: below 180 Office and LibreOffice misbehave, above a week a \
    forgotten lock would in effect be persistent";

const BEYOND_LOOPBACK: &str = "a loopback address such as 127.0.0.1:4918, because without TLS \
    passwords cross the network in the clear; give --tls-cert and --tls-key, or --insecure if \
    something else (a proxy, a private network) protects the connection";

/// `host` or `host:port`, without scheme, user or path.
fn is_host(text: &str) -> bool {
    text.parse::<http::uri::Authority>()
        .is_ok_and(|host| !host.as_str().contains('@'))
}
