//! Everything that a store tells, as lines by place: what a store before and after is compared by.
//! Bytes are told by their hash, and what cannot be read by its error.

#![allow(dead_code, reason = "no test needs all of it")]

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use lockkeeper::lock::UserId;
use lockkeeper::ops::access::{self, Principal, api_keys, groups};
use lockkeeper::ops::content::Source;
use lockkeeper::ops::events::{EventAsk, Since, told::ToldEvent};
use lockkeeper::ops::properties::{Found, Look, Wanted};
use lockkeeper::ops::{Dav, webhooks};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::Depth;
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::store::webhooks::State;
use sha2::{Digest as _, Sha256};

use crate::support::{ask, user};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Also what is drawn at random: ids, tokens, entity tags, password hashes.
    All,
    /// What is the same whenever the same is done.
    Meaning,
}

/// A section ("file", "lock" …) and a place in it, and what is told there.
pub(crate) type Told = BTreeMap<(&'static str, String), String>;

/// What a value begins with that could not be read.
pub(crate) const ERROR: &str = "error: ";

struct Telling<'d> {
    dav: &'d Arc<Dav>,
    now: Timestamp,
    detail: Detail,
    told: Told,
}

/// Everything that the store tells somebody who may see everything.
pub(crate) async fn told(dav: &Arc<Dav>, now: Timestamp, detail: Detail) -> Told {
    let told = Told::new();
    let mut telling = Telling {
        dav,
        now,
        detail,
        told,
    };
    telling.tree().await;
    telling.locks().await;
    telling.people().await;
    telling.webhooks().await;
    telling.events().await;
    telling.told
}

/// The lines of two that differ, for people.
pub(crate) fn difference(one: &Told, other: &Told) -> String {
    let mut words = String::new();
    let missing = "nothing".to_owned();
    for key in one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(key)))
    {
        let (left, right) = (one.get(key), other.get(key));
        if left != right {
            let (left, right) = (left.unwrap_or(&missing), right.unwrap_or(&missing));
            let _ = writeln!(words, "  {} {}: {left} | {right}", key.0, key.1);
        }
    }
    words
}

/// Whoever may see everything.
pub(crate) fn reader() -> Principal {
    Principal {
        admin: true,
        ..user("reader")
    }
}

impl Telling<'_> {
    fn tell(&mut self, section: &'static str, place: impl Into<String>, what: String) {
        let mut place = place.into();
        while self.told.contains_key(&(section, place.clone())) {
            place.push('+');
        }
        self.told.insert((section, place), what);
    }

    /// The value, or the error as what is told of the place.
    fn read<T, E: Display>(
        &mut self,
        section: &'static str,
        place: &str,
        read: Result<T, E>,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.tell(section, place, format!("{ERROR}{error}"));
                None
            }
        }
    }

    /// What is drawn at random, where that is wanted.
    fn random(&self, value: impl Display) -> String {
        match self.detail {
            Detail::All => value.to_string(),
            Detail::Meaning => String::new(),
        }
    }

    async fn tree(&mut self) {
        let wanted = Wanted {
            dead: Look::Up,
            locks: Look::Up,
        };
        let root = ask(&reader(), "/", &[], self.now);
        let search = self.dav.search(root, Depth::Infinity, wanted).await;
        let Some(mut search) = self.read("resource", "", search) else {
            return;
        };
        loop {
            let page = search.next_page().await;
            let Some(Some(page)) = self.read("resource", "", page) else {
                return;
            };
            for found in page {
                self.found(found).await;
            }
        }
    }

    async fn found(&mut self, found: Found) {
        let Found {
            href,
            resource,
            dead,
            locks,
            ..
        } = found;
        let id = self.random(resource.id);
        let kind = if resource.is_collection() {
            "collection"
        } else {
            "file"
        };
        let (made, created, modified) = (resource.made_by.0, resource.created, resource.modified);
        let what = format!("{kind} {id} by {made} at {created:?}, changed {modified:?}");
        self.tell("resource", &href, what);
        for property in dead {
            let place = format!("{href} {{{}}}{}", property.name.ns, property.name.name);
            self.tell("property", place, property.xml);
        }
        let mut shown: Vec<_> = locks
            .iter()
            .map(|view| {
                let token = self.random(view.lock.token);
                format!("{} of {} {token}", view.lock.kind, view.lock.holder)
            })
            .collect();
        shown.sort();
        if !shown.is_empty() {
            self.tell("shown locks", &href, shown.join(", "));
        }
        if !resource.is_collection() {
            self.file(&href).await;
        }
    }

    /// Its bytes, and each of its versions.
    async fn file(&mut self, href: &str) {
        let on = ask(&reader(), href, &[], self.now);
        let bytes = match self.dav.read_content(&on).await {
            Ok((_, source)) => hash(source).await,
            Err(error) => Err(error),
        };
        if let Some(bytes) = self.read("bytes", href, bytes) {
            self.tell("bytes", href, bytes);
        }
        let history = self.dav.history(&on).await;
        let Some(history) = self.read("versions", href, history) else {
            return;
        };
        let numbers: Vec<_> = history.iter().map(|view| view.number).collect();
        self.tell("versions", href, format!("{numbers:?}"));
        for view in history {
            let place = format!("{href} {}", view.number);
            let bytes = match self.dav.read_version(&on, view.number).await {
                Ok((_, source)) => hash(source).await,
                Err(error) => Err(error),
            };
            if let Some(bytes) = self.read("version", &place, bytes) {
                let etag = self.random(&view.etag);
                let what = format!(
                    "{bytes} {} {etag} {:?} {} {:?} {:?} {:?} {:?} {}",
                    view.size,
                    view.media_type,
                    view.author.0,
                    view.uploaded,
                    view.modified,
                    view.under,
                    view.label,
                    view.is_current,
                );
                self.tell("version", place, what);
            }
        }
    }

    async fn locks(&mut self) {
        let mut after = None;
        loop {
            let page = self.dav.locks_page(self.now, after).await;
            let Some((mut locks, next)) = self.read("lock", "", page) else {
                return;
            };
            locks.sort_by_key(|placed| placed.lock.since);
            for placed in locks {
                let lock = &placed.lock;
                let place = format!("{} {} {}", placed.path.to_plain(), lock.kind, lock.holder);
                let (token, root) = (self.random(lock.token), self.random(lock.root));
                let what = format!(
                    "{token} {root} {} {:?} {} {:?} {:?} {:?} {:?}",
                    lock.scope,
                    lock.depth,
                    lock.owner.0,
                    lock.owner_xml,
                    lock.comment,
                    lock.since,
                    lock.deadline,
                );
                self.tell("lock", place, what);
            }
            match next {
                Some(next) => after = Some(next),
                None => return,
            }
        }
    }

    async fn people(&mut self) {
        let users = access::list(self.dav).await;
        for user in self.read("user", "", users).unwrap_or_default() {
            let (id, hash) = (self.random(user.id.0), self.random(&user.password_hash));
            let what = format!(
                "{id} {:?} {:?} {} {:?} {hash}",
                user.display_name, user.email, user.admin, user.created
            );
            self.tell("user", user.name, what);
        }
        let listed = groups::list(self.dav).await;
        for group in self.read("group", "", listed).unwrap_or_default() {
            let shown = groups::show(self.dav, &group.name).await;
            if let Some((group, members)) = self.read("group", &group.name, shown) {
                let id = self.random(group.id.0);
                let what = format!("{id} {:?} {members:?}", group.created);
                self.tell("group", group.name, what);
            }
        }
        let keys = api_keys::list(self.dav, None).await;
        for key in self.read("key", "", keys).unwrap_or_default() {
            let id = self.random(key.id.0);
            let within = key.within.map(|within| within.to_plain());
            let what = format!(
                "{id} {:?} {within:?} {:?} {:?}",
                key.scope.access, key.created, key.expires
            );
            self.tell("key", format!("{} {}", key.user, key.name), what);
        }
        let grants = self.dav.all_grants().await;
        for on in self.read("grant", "", grants).unwrap_or_default() {
            for grant in on.grants {
                let place = format!("{} {}", on.path.to_plain(), grant.name);
                self.tell("grant", place, grant.grant.role.to_string());
            }
        }
    }

    async fn webhooks(&mut self) {
        let listed = webhooks::list(self.dav, self.now).await;
        for hook in self.read("webhook", "", listed).unwrap_or_default() {
            let id = self.random(hook.id);
            let state = match hook.state {
                State::Working => "working".to_owned(),
                State::Failing {
                    failures, events, ..
                } => format!("failed {failures} times with {events}"),
                State::Gone => "gone".to_owned(),
            };
            let about = hook.about.and_then(|about| about.path);
            let about = about.map(|about| about.to_plain());
            let what = format!(
                "{id} {} {about:?} {:?} {:?} {state}",
                hook.user, hook.created, hook.last_success
            );
            self.tell("webhook", hook.url, what);
        }
    }

    async fn events(&mut self) {
        let mut asked = EventAsk {
            principal: reader(),
            now: self.now,
            since: Since::Start,
            about: None,
            limit: 1_000,
        };
        let mut last = String::new();
        let mut number = 0;
        loop {
            let page = self.dav.events(&asked).await;
            let Some(page) = self.read("event", "", page) else {
                return;
            };
            for event in page.told(UserId::NOBODY).events {
                let what = self.event(&event);
                // A refusal may be told twice: better than not at all.
                if self.detail == Detail::Meaning && what == last && event.times.is_some() {
                    continue;
                }
                number += 1;
                let place = match self.detail {
                    Detail::All => event.id.clone(),
                    Detail::Meaning => format!("{number:06}"),
                };
                self.tell("event", place, what.clone());
                last = what;
            }
            asked.since = Since::After(page.next);
            if !page.more {
                return;
            }
        }
    }

    fn event(&self, event: &ToldEvent) -> String {
        if self.detail == Detail::All {
            return serde_json::to_string(event).unwrap();
        }
        let user = event.user.as_ref().map(|user| &user.name);
        let from = event.from.as_ref().map(|from| &from.path);
        let version = event.version.as_ref();
        let version = version.map(|version| (version.number, version.size));
        let lock = event.lock.as_ref();
        let lock = lock.map(|lock| (&lock.kind, &lock.holder, &lock.expires));
        format!(
            "{} {} {} {user:?} {from:?} {version:?} {:?} {lock:?} {} {}",
            event.at,
            event.kind,
            event.path,
            event.label,
            event.lost.len(),
            event.refused_by.len()
        )
    }
}

/// Of all the bytes.
async fn hash(mut source: Source) -> Result<String, DavError> {
    let mut hasher = Sha256::new();
    let mut at = 0;
    loop {
        let piece = source.read(at, 64 * 1024).await?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        hasher.update(&piece);
    }
    let hash = hasher.finalize();
    let hex = hash[..8].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(format!("{at} bytes {hex}"))
}
