//! Two ways to the faces: through the door of this process, where the time is handed in, and over
//! sockets to the real binary.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use lockkeeper::blobs::Blobs;
use lockkeeper::config::Config;
use lockkeeper::ops::Dav;
use lockkeeper::ops::admin::grants::{GrantCommand, GranteeName};
use lockkeeper::ops::admin::users::UserCommand;
use lockkeeper::ops::admin::{self, AdminCommand, AdminReply};
use lockkeeper::ops::password::Password;
use lockkeeper::ops::webhooks::{self, Courier, Parcel};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::rights::Role;
use lockkeeper::store::engine::Engine;
use lockkeeper::web::control;
use lockkeeper::web::door::Door;
use lockkeeper::web::metrics::Metrics;

use crate::calls::Time;
use crate::common;
use crate::faces::{Asked, Heard, name};
use crate::naive::User;
use crate::support::open_with;

pub(crate) const USERS: [User; 3] = [User::Alice, User::Bob, User::Mona];

#[async_trait]
pub(crate) trait Wire: Send + Sync {
    async fn send(&self, user: User, asked: Asked, now: Time) -> Heard;

    async fn command(&self, command: AdminCommand, now: Time) -> AdminReply;

    /// Removes what has lapsed; a server of its own does that by itself.
    async fn sweep(&self, now: Time);

    /// What a Destination begins with.
    fn origin(&self) -> String;

    /// Whether the time is handed in, so that locks can expire.
    fn has_time(&self) -> bool;

    async fn close(&self);
}

fn password(user: &str) -> String {
    format!("{user}-password")
}

/// Makes the users: two editors, and one who may also release other people's locks.
pub(crate) async fn enrol(wire: &dyn Wire) {
    for user in USERS {
        let add = UserCommand::Add {
            name: name(user).to_owned(),
            display_name: None,
            email: String::new(),
            password: Password::from(password(name(user))),
            admin: false,
        };
        let added = wire.command(AdminCommand::User(add), 0).await;
        assert_eq!(added, AdminReply::Done);
    }
    let manager = GrantCommand::Set {
        path: "/".to_owned(),
        role: Role::Manager,
        to: GranteeName::User("mona".to_owned()),
    };
    let granted = wire.command(AdminCommand::Grant(manager), 0).await;
    assert_eq!(granted, AdminReply::Done);
}

/// The faces over an engine, without a socket.
pub(crate) struct InProcess {
    dav: Arc<Dav>,
    door: Door,
}

impl InProcess {
    pub(crate) async fn over(engine: Arc<dyn Engine>, blobs: Blobs) -> Self {
        let mut config = Config::default();
        // The clock runs fast, and a password costs milliseconds.
        config.auth.remember_seconds = 86_400;
        config.events.keep = 1_000;
        config.versions.keep = 2;
        let dav = open_with(engine, blobs, config.clone()).await;
        let metrics = Arc::new(Metrics::default());
        let door = Door::new(Arc::clone(&dav), metrics, &config).unwrap();
        Self { dav, door }
    }
}

/// Nobody follows the record here.
struct Nobody;

#[async_trait]
impl Courier for Nobody {
    async fn post(&self, _: &Parcel) -> webhooks::Answer {
        webhooks::Answer::Gone
    }
}

#[async_trait]
impl Wire for InProcess {
    async fn send(&self, user: User, asked: Asked, now: Time) -> Heard {
        let credentials = format!("{}:{}", name(user), password(name(user)));
        let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
        let mut request = http::Request::builder()
            .method(asked.method)
            .uri(&asked.path)
            .header("Host", "campaign")
            .header("Authorization", format!("Basic {credentials}"));
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Bytes::from(asked.body)).unwrap();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let answer = self.door.answer_whole(request, peer, Timestamp(now)).await;
        let (head, body) = answer.unwrap().into_parts();
        Heard {
            status: head.status.as_u16(),
            text: String::from_utf8(body.into()).unwrap(),
        }
    }

    async fn command(&self, command: AdminCommand, now: Time) -> AdminReply {
        admin::run(&self.dav, &Nobody, command, Timestamp(now)).await
    }

    async fn sweep(&self, now: Time) {
        // A faulty store may fail here; what it did to locks is seen elsewhere.
        let _ = self.dav.sweep(Timestamp(now)).await;
    }

    fn origin(&self) -> String {
        "http://campaign".to_owned()
    }

    fn has_time(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.dav.close().await.unwrap();
    }
}

/// A running server, with its control socket.
pub(crate) struct Sockets {
    clients: Vec<(User, common::Client)>,
    data: PathBuf,
    origin: String,
}

impl Sockets {
    pub(crate) fn to(server: &common::Server) -> Self {
        let client = |user| (user, server.client(name(user), &password(name(user))));
        Self {
            clients: USERS.map(client).into(),
            data: server.data(),
            origin: server.url(""),
        }
    }
}

#[async_trait]
impl Wire for Sockets {
    async fn send(&self, user: User, asked: Asked, _: Time) -> Heard {
        let mut clients = self.clients.iter();
        let client = clients.find(|(of, _)| *of == user).unwrap().1.clone();
        let sending = tokio::task::spawn_blocking(move || {
            let headers = asked.headers.iter();
            let headers: Vec<_> = headers
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let answer = client.send(asked.method, &asked.path, &headers, asked.body);
            Heard {
                status: answer.status,
                text: answer.text(),
            }
        });
        sending.await.unwrap()
    }

    async fn command(&self, command: AdminCommand, _: Time) -> AdminReply {
        let asked = control::ask(&self.data, &command).await;
        asked.unwrap().expect("a server runs")
    }

    async fn sweep(&self, _: Time) {}

    fn origin(&self) -> String {
        self.origin.clone()
    }

    fn has_time(&self) -> bool {
        false
    }

    async fn close(&self) {}
}
