//! The check-out API.

use serde_json::{Value, json};

use crate::common::Response;
use crate::faces::Face;
use crate::site::Site;
use crate::words::{Action, File, Kind, OfVersion, Outcome, Seen, Standing, seconds};

pub(super) struct CheckOutApi;

impl CheckOutApi {
    fn post(site: &Site, file: &File, who: Standing, what: &str, body: &Value) -> Outcome {
        let headers = [("Content-Type", "application/json")];
        let path = format!("{}{what}", path(file));
        let body = body.to_string();
        outcome(&site.client(who).send("POST", &path, &headers, body))
    }
}

fn path(file: &File) -> String {
    format!("/api/project/{:032x}/inode/{}", file.project, file.hex())
}

impl Face for CheckOutApi {
    fn takes(&self) -> &'static [Kind] {
        &Kind::ALL
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::Upload]
    }

    fn shows_tokens(&self) -> bool {
        true
    }

    fn releases_named(&self) -> bool {
        true
    }

    fn take(&self, site: &Site, file: &File, who: Standing, kind: Kind) -> Outcome {
        let body = match kind {
            Kind::Persistent => json!({}),
            Kind::Transient => json!({"type": "transient", "timeout": 600}),
            Kind::ReadOnly => json!({"type": "readonly"}),
        };
        Self::post(site, file, who, "/checkout", &body)
    }

    fn take_folder(&self, site: &Site, file: &File, kind: Kind) -> Option<Outcome> {
        let folder = File {
            id: file.folder,
            ..file.clone()
        };
        Some(self.take(site, &folder, Standing::Owner, kind))
    }

    fn act(&self, site: &Site, file: &File, who: Standing, _: Action) -> Outcome {
        let shown = file.token_to_show().filter(|_| who.shows_tokens());
        let lock_id = shown.map(|token| {
            format!("--sep\r\nContent-Disposition: form-data; name=\"lockId\"\r\n\r\n{token}\r\n")
        });
        let body = format!(
            "{}--sep\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\
             \r\n\r\ntwo\r\n--sep--\r\n",
            lock_id.unwrap_or_default()
        );
        let headers = [("Content-Type", "multipart/form-data; boundary=sep")];
        let path = format!(
            "/api/project/{:032x}/folder/{:032x}/inode/{}/version",
            file.project,
            file.folder,
            file.hex()
        );
        outcome(&site.client(who).send("POST", &path, &headers, body))
    }

    fn of_version(&self, site: &Site, file: &File, who: Standing, what: OfVersion) -> Outcome {
        let shown = file.token_to_show().filter(|_| who.shows_tokens());
        let (method, what, body) = match what {
            OfVersion::Restore => ("POST", "restore", json!({ "lockId": shown })),
            OfVersion::Label => ("PUT", "label", json!({ "lockId": shown, "label": "mine" })),
        };
        let headers = [("Content-Type", "application/json")];
        let path = format!("{}/version/1/{what}", path(file));
        outcome(
            &site
                .client(who)
                .send(method, &path, &headers, body.to_string()),
        )
    }

    fn see(&self, site: &Site, file: &File, who: Standing) -> Result<Vec<Seen>, Outcome> {
        let inode = result(&site.client(who).get(&path(file)))?;
        let all = inode["locks"].as_array().expect("locks").iter();
        let mut locks: Vec<Seen> = all.map(|lock| seen(file, lock)).collect();
        locks.sort();
        // GetLock shows one of them: a check-out before a freeze before a program's.
        let one = result(&site.client(who).get(&format!("{}/lock", path(file))))?;
        let one = (!one.is_null()).then(|| seen(file, &one));
        let rank = |lock: &&Seen| lock.kind == Kind::Transient;
        if locks.iter().min_by_key(rank) != one.as_ref() {
            return Err(Outcome::Odd(format!("{locks:?}, but GetLock says {one:?}")));
        }
        Ok(locks)
    }

    fn release(&self, site: &Site, file: &File, who: Standing, token: Option<&str>) -> Outcome {
        Self::post(site, file, who, "/checkin", &json!({ "lockId": token }))
    }

    fn refresh(&self, site: &Site, file: &File, who: Standing, token: &str) -> Option<Outcome> {
        let body = json!({ "lockId": token, "timeout": 1200 });
        Some(Self::post(site, file, who, "/refreshlock", &body))
    }

    fn steal(
        &self,
        site: &Site,
        file: &File,
        who: Standing,
        token: Option<&str>,
    ) -> Option<Outcome> {
        let body = json!({ "lockId": token });
        Some(Self::post(site, file, who, "/steallock", &body))
    }
}

fn seen(file: &File, lock: &Value) -> Seen {
    let text = |member: &str| lock[member].as_str().map(str::to_owned);
    assert_eq!(lock["inodeId"], file.hex().as_str());
    Seen {
        kind: Kind::parse(&text("lockType").expect("a type")).expect("a kind"),
        holder: text("username").expect("a name"),
        since: seconds(&text("createdAt").expect("a time")),
        ends: text("expiresAt").map(|time| seconds(&time)),
        token: text("lockId"),
    }
}

fn result(answer: &Response) -> Result<Value, Outcome> {
    match outcome(answer) {
        Outcome::Done => Ok(json_of(answer)["Result"].clone()),
        other => Err(other),
    }
}

fn json_of(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// 200; 401 with 22 for what is locked; 500 with `FILE_NOT_LOCK` or `LOCK_CONFLICT`.
fn outcome(answer: &Response) -> Outcome {
    let json = json_of(answer);
    let odd = || Outcome::Odd(answer.to_string());
    if json["Status"] != answer.status {
        return odd();
    }
    let sentence = json["Message"].as_str().unwrap_or_default();
    match (answer.status, json["ErrorCode"].as_u64()) {
        (200, Some(0)) => Outcome::Done,
        (401, Some(22)) => Outcome::refused_in(sentence).unwrap_or_else(odd),
        (403, Some(3)) if sentence.contains("privilege") => Outcome::NoPrivilege,
        (404, Some(4)) => Outcome::NotFound,
        (412, Some(6)) => Outcome::FalseCondition,
        (500, Some(23)) => Outcome::NotLocked,
        (500, Some(24)) => Outcome::Conflict,
        _ => odd(),
    }
}
