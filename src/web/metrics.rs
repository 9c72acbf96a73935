//! What the server counts, for Prometheus. How many locks there are, and
//! events that wait, is asked when somebody looks.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::lock::LockKind;
use crate::ops::{AnswersUsed, CommitObserver};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Methods that have a series of their own; anybody can invent more, so the others share one.
const METHODS: [&str; 13] = [
    "OPTIONS",
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "LOCK",
    "UNLOCK",
];

/// Upper ends of the buckets in seconds: from a remembered sign-in to a large upload.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0,
];
const GROUP_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hook {
    webhook: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Use {
    result: &'static str,
}

/// What is only known when somebody looks.
#[derive(Debug, Default)]
pub struct Looked {
    /// How many locks stand, by kind.
    pub locks: Vec<(LockKind, u64)>,
    /// How many events wait for each webhook.
    pub webhooks: Vec<(String, u64)>,
    /// How well remembered answers serve.
    pub answers: AnswersUsed,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Family<Method, Histogram>,
    bytes_received: Counter,
    bytes_sent: Counter,
    connections: Gauge,
    turned_away: Counter,
    failed_logins: Counter,
    locks: Family<Kind, Gauge<u64, AtomicU64>>,
    deliveries: Family<Delivery, Counter>,
    backlog: Family<Hook, Gauge<u64, AtomicU64>>,
    answers: Family<Use, Gauge<u64, AtomicU64>>,
    answers_bytes: Gauge<u64, AtomicU64>,
    commits: Counter,
    group_size: Histogram,
    sync_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("lockkeeper"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            bytes_received: Counter::default(),
            bytes_sent: Counter::default(),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            failed_logins: Counter::default(),
            locks: Family::default(),
            deliveries: Family::default(),
            backlog: Family::default(),
            answers: Family::default(),
            answers_bytes: Gauge::default(),
            commits: Counter::default(),
            group_size: Histogram::new(GROUP_SIZES),
            sync_seconds: Histogram::new(SECONDS),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        let help = "Time from the head of a request to the end of its answer";
        registry.register("request_seconds", help, self.seconds.clone());
        let help = "Bytes of request bodies";
        registry.register("received_bytes", help, self.bytes_received.clone());
        registry.register(
            "sent_bytes",
            "Bytes of answer bodies",
            self.bytes_sent.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        let help = "Connections refused because their address had too many";
        registry.register("refused_connections", help, self.turned_away.clone());
        let help = "Requests with a wrong password or token";
        registry.register("failed_logins", help, self.failed_logins.clone());
        registry.register("locks", "Locks that stand", self.locks.clone());
        let help = "Pages of events posted to webhooks";
        registry.register("webhook_pages", help, self.deliveries.clone());
        let help = "Events that wait for a webhook, counted to a thousand";
        registry.register("webhook_backlog", help, self.backlog.clone());
        let help = "Answers looked for in memory, and found there as they were";
        registry.register("answers", help, self.answers.clone());
        let help = "Memory of answers";
        registry.register("answers_bytes", help, self.answers_bytes.clone());
        let help = "Transactions that became durable";
        registry.register("store_commits", help, self.commits.clone());
        let help = "Transactions that shared one sync";
        registry.register("store_group_size", help, self.group_size.clone());
        let help = "Time of one sync of the store";
        registry.register("store_sync_seconds", help, self.sync_seconds.clone());
    }

    /// A request has been answered, or its client has gone.
    pub fn answered(&self, method: &str, status: u16, time: Duration) {
        let method = METHODS
            .into_iter()
            .find(|known| *known == method)
            .unwrap_or("other");
        let status = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.requests
            .get_or_create(&Request { method, status })
            .inc();
        self.seconds
            .get_or_create(&Method { method })
            .observe(time.as_secs_f64());
    }

    /// The bodies of one request and its answer had so many bytes.
    pub fn transferred(&self, received: u64, sent: u64) {
        self.bytes_received.inc_by(received);
        self.bytes_sent.inc_by(sent);
    }

    /// A connection was accepted. It is counted until the guard is dropped.
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// A connection was refused because its address has too many.
    pub fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// Somebody tried a wrong password or token.
    pub fn login_failed(&self) {
        self.failed_logins.inc();
    }

    /// A page of events was posted to a webhook, and taken or not.
    pub fn delivered(&self, taken: bool) {
        let result = if taken { "delivered" } else { "failed" };
        self.deliveries.get_or_create(&Delivery { result }).inc();
    }

    /// Everything in the text format of OpenMetrics.
    pub fn text(&self, looked: &Looked) -> String {
        for (kind, count) in &looked.locks {
            let kind = kind.as_str();
            self.locks.get_or_create(&Kind { kind }).set(*count);
        }
        // Those that were removed must not stay.
        self.backlog.clear();
        for (webhook, count) in &looked.webhooks {
            let webhook = webhook.clone();
            self.backlog.get_or_create(&Hook { webhook }).set(*count);
        }
        let answers = [
            ("asked", looked.answers.asked),
            ("recalled", looked.answers.recalled),
        ];
        for (result, count) in answers {
            self.answers.get_or_create(&Use { result }).set(count);
        }
        self.answers_bytes.set(looked.answers.bytes);
        let mut text = String::new();
        // A string takes everything, so this cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl CommitObserver for Metrics {
    fn committed(&self, group_size: usize, sync: Duration) {
        self.commits.inc_by(group_size as u64);
        #[allow(
            clippy::cast_precision_loss,
            reason = "groups have at most thousands of members"
        )]
        self.group_size.observe(group_size as f64);
        self.sync_seconds.observe(sync.as_secs_f64());
    }
}

/// Counts one connection while it lives.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        metrics.answered("LOCK", 201, Duration::from_millis(3));
        metrics.answered("BREW", 405, Duration::from_millis(3));
        metrics.transferred(7, 9);
        metrics.committed(4, Duration::from_millis(2));
        metrics.login_failed();
        let connected = metrics.connected();
        metrics.delivered(true);
        metrics.delivered(false);
        let text = metrics.text(&Looked {
            locks: vec![(LockKind::Transient, 5)],
            webhooks: vec![("a".to_owned(), 7)],
            answers: AnswersUsed {
                asked: 3,
                recalled: 2,
                bytes: 9,
            },
        });
        for line in [
            "lockkeeper_requests_total{method=\"LOCK\",status=\"2xx\"} 1",
            "lockkeeper_requests_total{method=\"other\",status=\"4xx\"} 1",
            "lockkeeper_request_seconds_bucket{le=\"0.005\",method=\"LOCK\"} 1",
            "lockkeeper_received_bytes_total 7",
            "lockkeeper_sent_bytes_total 9",
            "lockkeeper_connections 1",
            "lockkeeper_failed_logins_total 1",
            "lockkeeper_locks{kind=\"transient\"} 5",
            "lockkeeper_webhook_pages_total{result=\"delivered\"} 1",
            "lockkeeper_webhook_pages_total{result=\"failed\"} 1",
            "lockkeeper_webhook_backlog{webhook=\"a\"} 7",
            "lockkeeper_answers{result=\"asked\"} 3",
            "lockkeeper_answers{result=\"recalled\"} 2",
            "lockkeeper_answers_bytes 9",
            "lockkeeper_store_commits_total 4",
            "lockkeeper_store_group_size_sum 4.0",
            "lockkeeper_store_sync_seconds_count 1",
        ] {
            assert!(
                text.lines().any(|have| have == line),
                "{line} is not in\n{text}"
            );
        }
        drop(connected);
        let later = metrics.text(&Looked::default());
        assert!(later.contains("lockkeeper_connections 0"));
        assert!(!later.contains("backlog{"), "{later}");
    }
}
