//! The record of events of the server that is going to be killed. It is read on from where it was
//! read to before the kill, and told again it is the store: tree, present versions and locks.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use crate::common::{Client, Response, Server};
use crate::programs::elements;

/// What the events lead to.
#[derive(Debug, Clone, Default, PartialEq)]
struct Retold {
    /// By id: the path, and of a file the number and the entity tag of its present version.
    resources: BTreeMap<String, (String, Option<Version>)>,
    /// By token: the id of the root.
    locks: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Version {
    number: u64,
    etag: String,
}

pub struct Record {
    reader: Client,
    since: Option<String>,
    ids: HashSet<String>,
    /// Where in the record each upload is, by its entity tag, and each lock that was taken, by its
    /// token.
    marks: HashMap<String, usize>,
    retold: Retold,
}

impl Record {
    pub fn new(server: &Server) -> Self {
        let mut retold = Retold::default();
        let root = format!("{:032x}", 1);
        retold.resources.insert(root, ("/".to_owned(), None));
        Self {
            // Tokens are told to whoever may release any lock.
            reader: server.admin_user("auditor"),
            since: None,
            ids: HashSet::new(),
            marks: HashMap::new(),
            retold,
        }
    }

    /// From now on this server, which has a port of its own after each start.
    pub fn connect(&mut self, server: &Server) {
        self.reader = server.client("auditor", "auditor-password");
    }

    /// Who may read everything.
    pub fn reader(&self) -> &Client {
        &self.reader
    }

    /// Of each line of requests the acknowledged uploads and locks have one event each, in the
    /// order of their answers; and the record is the store. The number of events since the last
    /// time.
    pub fn verify(&mut self, round: u64, lines: &[Vec<String>]) -> usize {
        let before = self.ids.len();
        self.read_on();
        for line in lines {
            let place = |mark: &String| {
                let place = self.marks.get(mark).copied();
                place.unwrap_or_else(|| panic!("round {round}: no event tells of {mark}"))
            };
            let places: Vec<usize> = line.iter().map(place).collect();
            assert!(places.is_sorted(), "round {round}: {places:?}");
        }
        let found = self.look();
        assert!(
            found == self.retold,
            "round {round}: the store is {found:#?}\nthe record says {:#?}",
            self.retold
        );
        self.ids.len() - before
    }

    fn read_on(&mut self) {
        loop {
            let since = self.since.as_ref().map(|since| format!("&since={since}"));
            let path = format!("/api/events?limit=1000{}", since.unwrap_or_default());
            let page: Value = parsed(&self.reader.get(&path).status(200));
            assert_eq!(page["missed"], false, "all is kept");
            for event in page["events"].as_array().unwrap() {
                assert!(self.ids.insert(text(&event["id"])), "told twice: {event}");
                self.note_mark(event);
                self.retold.tell(event);
            }
            self.since = Some(text(&page["next"]));
            if page["more"] == false {
                return;
            }
        }
    }

    /// What is moved over a file keeps its entity tag; every other one is new for ever.
    fn note_mark(&mut self, event: &Value) {
        let is_new = event["from"].is_null();
        let mark = match text(&event["type"]).as_str() {
            "resource.created" | "version.uploaded" | "version.restored" if is_new => {
                &event["version"]["etag"]
            }
            "lock.taken" | "lock.stolen" => &event["lock"]["token"],
            _ => return,
        };
        if let Some(mark) = mark.as_str() {
            let earlier = self.marks.insert(mark.to_owned(), self.ids.len());
            assert_eq!(earlier, None, "for the second time: {event}");
        }
    }

    fn look(&self) -> Retold {
        let query = "<propfind xmlns='DAV:'><prop><resource-id/><getetag/><lockdiscovery/>\
                     </prop></propfind>";
        let all = self.reader.propfind("/", "infinity", query).status(207);
        let mut found = Retold::default();
        for response in elements(&all, "response") {
            let body = response.into_bytes();
            let response = Response {
                body,
                ..all.clone()
            };
            let first = |name: &str| elements(&response, name).into_iter().next();
            let path = tidy(&first("href").unwrap());
            let id = first("resource-id").unwrap();
            let (_, id) = id.split_once(">urn:lockkeeper:").unwrap();
            let id = id[..32].to_owned();
            let number = |etag: String| Version {
                number: self.retold.number(&id),
                etag,
            };
            let version = first("getetag").filter(|etag| !etag.is_empty()).map(number);
            for lock in elements(&response, "locktoken") {
                let (_, token) = lock.split_once('>').unwrap();
                let (token, _) = token.split_once('<').unwrap();
                found.locks.insert(token.to_owned(), id.clone());
            }
            found.resources.insert(id, (path, version));
        }
        found
    }
}

impl Retold {
    /// PROPFIND does not tell it; the archive and the desk compare numbers.
    fn number(&self, id: &str) -> u64 {
        let known = self
            .resources
            .get(id)
            .and_then(|(_, version)| version.as_ref());
        known.map_or(0, |version| version.number)
    }

    fn tell(&mut self, event: &Value) {
        let id = text(&event["resource"]);
        let path = tidy(&text(&event["path"]));
        let token = || text(&event["lock"]["token"]);
        match text(&event["type"]).as_str() {
            "resource.created" => {
                let new = (path, version(event));
                assert_eq!(self.resources.insert(id, new), None, "{event}");
            }
            "version.uploaded" | "version.restored" => self.write(&id, event),
            "resource.moved" => {
                let (known, _) = self.resources.get_mut(&id).unwrap();
                assert_eq!(*known, tidy(&text(&event["from"]["path"])), "{event}");
                *known = path;
            }
            "resource.deleted" => {
                assert!(self.resources.remove(&id).is_some(), "{event}");
                assert!(!self.locks.values().any(|root| *root == id), "{event}");
            }
            "lock.taken" => self.lock(token(), id, event),
            "lock.released" | "lock.forced" | "lock.expired" => self.unlock(&token(), event),
            "lock.stolen" => {
                for lost in event["lost"].as_array().unwrap() {
                    self.unlock(&text(&lost["token"]), event);
                }
                self.lock(token(), id, event);
            }
            "lock.refreshed" => assert_eq!(self.locks.get(&token()), Some(&id), "{event}"),
            "resource.changed" | "version.labelled" => {
                assert!(self.resources.contains_key(&id), "{event}");
            }
            "lock.refused" => {}
            other => panic!("{other} is no event of this test"),
        }
    }

    fn write(&mut self, id: &str, event: &Value) {
        let (_, held) = self.resources.get_mut(id).unwrap();
        let new = version(event).unwrap();
        let number = held.as_ref().unwrap().number;
        assert!((number..=number + 1).contains(&new.number), "{event}");
        *held = Some(new);
        // The locks of a file that is moved over another one go along, if they have not ended.
        if let Some(from) = event["from"]["resource"].as_str() {
            let locks = self.locks.values_mut().filter(|root| *root == from);
            locks.for_each(|root| id.clone_into(root));
        }
    }

    fn lock(&mut self, token: String, id: String, event: &Value) {
        assert_eq!(self.locks.insert(token, id), None, "{event}");
    }

    fn unlock(&mut self, token: &str, event: &Value) {
        assert!(self.locks.remove(token).is_some(), "{event}");
    }
}

fn version(event: &Value) -> Option<Version> {
    let version = &event["version"];
    (!version.is_null()).then(|| Version {
        number: version["number"].as_u64().unwrap(),
        etag: text(&version["etag"]),
    })
}

fn tidy(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

fn parsed(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// A record with an event less, or with one too late, is not the store.
pub fn assert_differences_are_seen() {
    let event = |kind: &str, more: Value| {
        let mut event = json!({"type": kind, "path": "/a", "resource": "2"});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    let version = |number: u64, etag: &str| json!({"version": {"number": number, "etag": etag}});
    let lock = |token: &str| json!({"lock": {"token": token}});
    let stolen = json!({"lock": {"token": "u"}, "lost": [{"token": "t"}]});
    let events = [
        event("resource.created", version(1, "a")),
        event("lock.taken", lock("t")),
        event("version.uploaded", version(2, "b")),
        event("lock.stolen", stolen),
        event("version.restored", version(3, "c")),
        event("lock.released", lock("u")),
        event("lock.taken", lock("v")),
        event(
            "resource.moved",
            json!({"path": "/b", "from": {"path": "/a"}}),
        ),
    ];
    let retold = |events: Vec<&Value>| {
        let tell = || {
            let mut retold = Retold::default();
            events.iter().for_each(|event| retold.tell(event));
            retold
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(tell)).ok()
    };
    let whole = retold(events.iter().collect());
    assert!(whole.is_some());
    for (at, event) in events.iter().enumerate() {
        let mut less: Vec<&Value> = events.iter().collect();
        less.remove(at);
        assert_ne!(retold(less), whole, "without {event}");
    }
    // On each of these a later one rests.
    for (at, event) in events.iter().enumerate().take(4) {
        let mut late: Vec<&Value> = events.iter().collect();
        late.remove(at);
        late.push(event);
        assert_ne!(retold(late), whole, "late: {event}");
    }
}
