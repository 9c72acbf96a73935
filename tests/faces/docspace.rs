//! The DocSpace-compatible API.

use serde_json::{Value, json};

use crate::common::Response;
use crate::faces::Face;
use crate::site::{Site, display_name};
use crate::words::{Action, File, Kind, OfVersion, Outcome, Seen, Standing, refusing_in, seconds};

pub(super) struct DocSpace;

fn send(site: &Site, who: Standing, method: &str, path: &str, body: &Value) -> Response {
    let headers = [("Content-Type", "application/json")];
    let path = format!("/api/2.0/files/{path}");
    site.client(who)
        .send(method, &path, &headers, body.to_string())
}

fn lock(site: &Site, file: &File, who: Standing, lock_file: bool) -> Outcome {
    let body = json!({ "lockFile": lock_file });
    let path = format!("file/{}/lock", file.id);
    outcome(&send(site, who, "PUT", &path, &body))
}

impl Face for DocSpace {
    fn takes(&self) -> &'static [Kind] {
        &[Kind::Persistent]
    }

    fn actions(&self) -> &'static [Action] {
        &Action::ALL
    }

    fn shows_tokens(&self) -> bool {
        false
    }

    fn releases_named(&self) -> bool {
        false
    }

    fn take(&self, site: &Site, file: &File, who: Standing, _: Kind) -> Outcome {
        lock(site, file, who, true)
    }

    fn act(&self, site: &Site, file: &File, who: Standing, action: Action) -> Outcome {
        let one = format!("file/{}", file.id);
        match action {
            Action::Upload => {
                let body = "--sep\r\nContent-Disposition: form-data; name=\"File\"; \
                            filename=\"a.txt\"\r\n\r\ntwo\r\n--sep--\r\n";
                let headers = [("Content-Type", "multipart/form-data; boundary=sep")];
                let path = format!("/api/2.0/files/{}/update", file.id);
                outcome(&site.client(who).send("PUT", &path, &headers, body))
            }
            Action::Rename => {
                let title = file.new_name().replace(".txt", "");
                let body = json!({ "title": title });
                outcome(&send(site, who, "PUT", &one, &body))
            }
            Action::Move => {
                let body = json!({ "fileIds": [file.id], "destFolderId": file.attic });
                let answer = send(site, who, "PUT", "fileops/move", &body);
                operation(&answer)
            }
            Action::Delete => outcome(&send(site, who, "DELETE", &one, &json!({}))),
        }
    }

    fn of_version(&self, site: &Site, file: &File, who: Standing, what: OfVersion) -> Outcome {
        let (method, call, body) = match what {
            OfVersion::Restore => ("POST", "restoreversion", json!({ "version": 1 })),
            OfVersion::Label => ("PUT", "comment", json!({ "version": 1, "comment": "mine" })),
        };
        let path = format!("file/{}/{call}", file.id);
        outcome(&send(site, who, method, &path, &body))
    }

    fn see(&self, site: &Site, file: &File, who: Standing) -> Result<Vec<Seen>, Outcome> {
        let path = format!("/api/2.0/files/file/{}", file.id);
        let answer = site.client(who).get(&path);
        match outcome(&answer) {
            Outcome::Done => {}
            other => return Err(other),
        }
        let told = &json_of(&answer)["response"];
        let all = told["lockkeeper"]["locks"].as_array();
        let mut locks: Vec<Seen> = all.into_iter().flatten().map(seen).collect();
        locks.sort();
        // DocSpace's own words: `locked` is true or absent, `lockedBy` is what people call the
        // holder, and absent for one's own lock.
        let foreign = locks.iter().find(|lock| lock.holder != who.user());
        let by = foreign.map(|lock| display_name(&lock.holder));
        let locked = (!locks.is_empty()).then_some(true);
        if told["locked"].as_bool() != locked || told["lockedBy"].as_str() != by {
            return Err(Outcome::Odd(answer.to_string()));
        }
        Ok(locks)
    }

    fn release(&self, site: &Site, file: &File, who: Standing, _: Option<&str>) -> Outcome {
        lock(site, file, who, false)
    }
}

fn seen(lock: &Value) -> Seen {
    let text = |member: &str| lock[member].as_str().map(str::to_owned);
    Seen {
        kind: Kind::parse(&text("kind").expect("a kind")).expect("a kind"),
        holder: text("holder").expect("a name"),
        since: seconds(&text("since").expect("a time")),
        ends: text("expires").map(|time| seconds(&time)),
        token: text("token"),
    }
}

fn json_of(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Always the envelope; what locks refuse is 403 with their sentences, and never 409 or 423.
fn outcome(answer: &Response) -> Outcome {
    let json = json_of(answer);
    let failed = u64::from(answer.status != 200);
    if json["status"] != failed || json["statusCode"] != answer.status {
        return Outcome::Odd(answer.to_string());
    }
    let message = json["error"]["message"].as_str().unwrap_or_default();
    let named = json["error"]["lockkeeper"]["locks"].as_array();
    let told = match answer.status {
        200 => Some(Outcome::Done),
        403 => named.map_or_else(|| in_sentence(message), |locks| named_in(locks, message)),
        404 => Some(Outcome::NotFound),
        _ => None,
    };
    told.unwrap_or_else(|| Outcome::Odd(answer.to_string()))
}

/// The locks that a refusal names for programs, if its sentences name the same.
fn named_in(locks: &[Value], message: &str) -> Option<Outcome> {
    let lock = |lock: &Value| {
        let kind = Kind::parse(lock["kind"].as_str()?)?;
        Some((kind, lock["holder"].as_str()?.to_owned()))
    };
    let mut named = locks.iter().map(lock).collect::<Option<Vec<_>>>()?;
    named.sort();
    (named == refusing_in(message)).then_some(Outcome::RefusedByLock(named))
}

fn in_sentence(message: &str) -> Option<Outcome> {
    let privilege = message.contains("it needs the privilege");
    let refused = Outcome::refused_in(message);
    refused.or_else(|| privilege.then_some(Outcome::NoPrivilege))
}

/// Of several files each is moved by itself; what was not, and why, stands in `error`.
fn operation(answer: &Response) -> Outcome {
    match outcome(answer) {
        Outcome::Done => {}
        other => return other,
    }
    let operation = &json_of(answer)["response"][0];
    let error = operation["error"].as_str().unwrap_or("no operation");
    let done = error.is_empty() && operation["finished"] == true && operation["processed"] == "1";
    let told = if done {
        Some(Outcome::Done)
    } else {
        in_sentence(error)
    };
    told.unwrap_or_else(|| Outcome::Odd(answer.to_string()))
}
