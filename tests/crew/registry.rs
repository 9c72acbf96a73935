//! An administrator at work on the control socket of the server that is going to be killed: groups
//! and their members, grants, API keys.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::dice::Dice;
use crate::common::{Client, Server};

const NAMES: u64 = 4;
const USERS: [&str; 2] = ["alice", "bob"];
const ROLES: [&str; 3] = ["none", "reader", "editor"];
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What the administrator has made.
#[derive(Debug, Clone, Default, PartialEq)]
struct Book {
    groups: BTreeMap<String, BTreeSet<String>>,
    /// On `/registry`, by the word for the grantee.
    grants: BTreeMap<String, String>,
    /// By user and name.
    keys: BTreeSet<(String, String)>,
}

pub struct Registry {
    book: Book,
    /// What it is if the command that got no reply was carried out nevertheless.
    unanswered: Option<Book>,
    /// The keys that were told, and the revoked ones.
    secrets: BTreeMap<(String, String), String>,
    revoked: Vec<String>,
    socket: PathBuf,
    client: Client,
    dice: Dice,
}

impl Registry {
    pub fn new(server: &Server, seed: u64) -> Self {
        let admin = server.admin();
        admin.mkcol("/registry").status(201);
        Self {
            book: Book::default(),
            unanswered: None,
            secrets: BTreeMap::new(),
            revoked: Vec::new(),
            socket: server.data().join("control.sock"),
            client: server.anonymous(),
            dice: Dice::new(seed + 3_000),
        }
    }

    /// From now on this server, which has a port of its own after each start.
    pub fn connect(&mut self, server: &Server) {
        self.client = server.anonymous();
    }

    /// Gives commands until one gets no reply. The number of those that got one.
    pub fn work_until_killed(&mut self) -> u64 {
        let mut acknowledged = 0;
        loop {
            let (command, after) = self.next_command();
            let Ok(reply) = self.ask(&command) else {
                self.unanswered = Some(after);
                return acknowledged;
            };
            assert!(reply["refused"].is_null(), "{command}: {reply}");
            self.note_key(&command, &reply);
            self.book = after;
            acknowledged += 1;
        }
    }

    /// Keeps the secret of a key that was made, and of one that was revoked.
    fn note_key(&mut self, command: &Value, reply: &Value) {
        let named = |command: &Value, key: &str| {
            let text = |member: &str| command[member].as_str().unwrap().to_owned();
            (text("user"), text(key))
        };
        if let Some(secret) = reply["new_key"][1].as_str() {
            let name = named(&command["token"]["add"], "name");
            self.secrets.insert(name, secret.to_owned());
        }
        let revoke = &command["token"]["revoke"];
        if revoke.is_object() {
            let secret = self.secrets.remove(&named(revoke, "key"));
            self.revoked.extend(secret);
        }
    }

    fn ask(&self, command: &Value) -> io::Result<Value> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.write_all(format!("{command}\n").as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        serde_json::from_str(&reply).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }

    fn next_command(&mut self) -> (Value, Book) {
        let mut book = self.book.clone();
        let number = self.dice.below(NAMES);
        let user = USERS[usize::try_from(self.dice.below(2)).unwrap()];
        let group = format!("group-{number}");
        let command = match self.dice.below(3) {
            0 => self.about_group(&mut book, &group, user),
            1 => self.about_grant(&mut book, &group, user),
            _ => about_key(&mut book, &format!("key-{number}"), user),
        };
        (command, book)
    }

    fn about_group(&mut self, book: &mut Book, group: &str, user: &str) -> Value {
        let Some(members) = book.groups.get_mut(group) else {
            book.groups.insert(group.to_owned(), BTreeSet::new());
            return json!({"group": {"add": {"name": group}}});
        };
        if self.dice.below(5) == 0 {
            book.groups.remove(group);
            book.grants.remove(group);
            return json!({"group": {"remove": {"name": group}}});
        }
        let what = if members.remove(user) {
            "remove_member"
        } else {
            members.insert(user.to_owned());
            "add_member"
        };
        json!({"group": {what: {"group": group, "user": user}}})
    }

    fn about_grant(&mut self, book: &mut Book, group: &str, user: &str) -> Value {
        let (name, to) = if book.groups.contains_key(group) {
            (group, json!({"group": group}))
        } else {
            (user, json!({"user": user}))
        };
        if self.dice.below(3) == 0 && book.grants.remove(name).is_some() {
            return json!({"grant": {"remove": {"path": "/registry", "to": to}}});
        }
        let role = ROLES[usize::try_from(self.dice.below(3)).unwrap()];
        book.grants.insert(name.to_owned(), role.to_owned());
        json!({"grant": {"set": {"path": "/registry", "role": role, "to": to}}})
    }

    /// What the server knows is what was acknowledged, or that with the unanswered command done;
    /// keys open the door, and revoked ones do not.
    pub fn verify(&mut self, round: u64) {
        let found = self.look();
        let unanswered = self.unanswered.take();
        let explained = found == self.book || Some(&found) == unanswered.as_ref();
        assert!(
            explained,
            "round {round}: found {found:#?}\nacknowledged {:#?}\nor {unanswered:#?}",
            self.book
        );
        self.book = found;
        self.secrets.retain(|key, _| self.book.keys.contains(key));
        let sign_in = |secret: &String| {
            let client = self.client.authorized(&format!("Bearer {secret}"));
            client.get("/").status
        };
        for secret in self.secrets.values() {
            assert_eq!(sign_in(secret), 200, "round {round}: a key is lost");
        }
        // One, for the server slows down whoever tries many.
        if let Some(secret) = self.revoked.pop() {
            assert_eq!(
                sign_in(&secret),
                401,
                "round {round}: a revoked key is back"
            );
        }
        self.revoked.clear();
    }

    fn look(&self) -> Book {
        let list = |command: &Value, kind: &str| {
            let reply = self.ask(command).unwrap();
            let list = reply[kind].as_array();
            list.unwrap_or_else(|| panic!("{reply}")).clone()
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let groups = list(&json!({"group": "list"}), "groups").into_iter();
        let members = |group: &Value| {
            let shown = self
                .ask(&json!({"group": {"show": {"name": group["name"]}}}))
                .unwrap();
            let members = shown["group"]["members"].as_array().unwrap();
            (text(&group["name"]), members.iter().map(text).collect())
        };
        let everywhere = list(&json!({"grant": {"list": {"path": null}}}), "grants");
        let grants = everywhere
            .iter()
            .filter(|grant| grant["path"] == "/registry");
        let keys = list(&json!({"token": {"list": {"user": null}}}), "keys");
        Book {
            groups: groups.map(|group| members(&group)).collect(),
            grants: grants
                .map(|grant| (text(&grant["name"]), text(&grant["role"])))
                .collect(),
            keys: keys
                .iter()
                .map(|key| (text(&key["user"]), text(&key["name"])))
                .collect(),
        }
    }
}

fn about_key(book: &mut Book, name: &str, user: &str) -> Value {
    let key = (user.to_owned(), name.to_owned());
    if book.keys.remove(&key) {
        return json!({"token": {"revoke": {"user": user, "key": name}}});
    }
    book.keys.insert(key);
    json!({"token": {"add": {
        "user": user, "name": name, "scope": "write", "within": null, "expires": null,
    }}})
}
