//! Each call as its face asks it, and what that face answers put back into the words of none.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use lockkeeper::lock::{LockDepth, LockKind};
use lockkeeper::ops::admin::locks::LockCommand;
use lockkeeper::ops::admin::{AdminCommand, AdminReply, RefusalClass};
use serde_json::{Value, json};

use crate::calls::{Answer, Call, Face, Place, Shown, To, What};
use crate::naive::{Kind, Scope, User};
use crate::words;

/// A request over HTTP.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// What clients remember of the locks that they took.
#[derive(Debug, Default)]
pub(crate) struct Book {
    tokens: Mutex<BTreeMap<usize, String>>,
    /// The collection at the top of the tree: what the check-out API calls a project.
    project: u128,
}

impl Book {
    /// Of a tree with this project at its top.
    pub(crate) fn of(project: u128) -> Self {
        Self {
            project,
            ..Self::default()
        }
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<usize, String>> {
        self.tokens.lock().unwrap()
    }

    fn token(&self, number: usize) -> String {
        self.tokens()[&number].clone()
    }

    fn number(&self, token: &str) -> Option<usize> {
        let tokens = self.tokens();
        let mut found = tokens.iter().filter(|(_, known)| *known == token);
        found.next().map(|(number, _)| *number)
    }

    /// The older ones have ended long ago.
    pub(crate) fn forget_all_but(&self, count: usize) {
        let mut tokens = self.tokens();
        while tokens.len() > count {
            tokens.pop_first();
        }
    }
}

pub(crate) fn name(user: User) -> &'static str {
    match user {
        User::Alice => "alice",
        User::Bob => "bob",
        User::Mona => "mona",
    }
}

fn user(name: &str) -> Option<User> {
    let all = [User::Alice, User::Bob, User::Mona];
    all.into_iter().find(|user| self::name(*user) == name)
}

fn kind(kind: words::Kind) -> Kind {
    match kind {
        words::Kind::Persistent => Kind::Persistent,
        words::Kind::Transient => Kind::Transient,
        words::Kind::ReadOnly => Kind::ReadOnly,
    }
}

fn path(place: &Place) -> &str {
    match place {
        Place::Path(path) => path,
        Place::Id(id) => panic!("this face names a resource by its path, not by {id}"),
    }
}

fn id(place: &Place) -> u128 {
    match place {
        Place::Id(id) => *id,
        Place::Path(path) => panic!("this face names a resource by its id, not by {path}"),
    }
}

/// The request of a face that speaks HTTP. `origin` is what a Destination begins with.
pub(crate) fn asked(call: &Call, book: &Book, origin: &str) -> Asked {
    match call.face {
        Face::WebDav => webdav(&call.what, book, origin),
        Face::CheckOutApi => check_out_api(&call.what, book),
        _ => docspace(&call.what),
    }
}

fn webdav(what: &What, book: &Book, origin: &str) -> Asked {
    let submitted = |tokens: &[usize]| {
        let lists = tokens
            .iter()
            .map(|lock| format!("(<{}>) ", book.token(*lock)));
        let lists: String = lists.collect();
        // Always true, so that a token that has ended is submitted and no condition.
        (!tokens.is_empty()).then(|| ("If", format!("{lists}(Not <DAV:no-lock>)")))
    };
    let asked = |method, at: &Place, headers: Vec<(&'static str, String)>, body: String| Asked {
        method,
        path: path(at).to_owned(),
        headers,
        body,
    };
    match what {
        What::Take {
            at,
            kind,
            scope,
            infinite,
            seconds,
        } => {
            let timeout = match kind {
                Kind::Transient => format!("Second-{seconds}"),
                _ => "Infinite".to_owned(),
            };
            let depth = if *infinite { "infinity" } else { "0" };
            let headers = vec![("Timeout", timeout), ("Depth", depth.to_owned())];
            asked("LOCK", at, headers, lock_info(*kind, *scope))
        }
        What::Refresh { at, lock, seconds } => {
            let named = ("If", format!("(<{}>)", book.token(*lock)));
            let headers = vec![named, ("Timeout", format!("Second-{seconds}"))];
            asked("LOCK", at, headers, String::new())
        }
        What::Release { at, lock } => {
            let named = ("Lock-Token", format!("<{}>", book.token(*lock)));
            asked("UNLOCK", at, vec![named], String::new())
        }
        What::Put { at, tokens, .. } => {
            let headers = submitted(tokens).into_iter().collect();
            asked("PUT", at, headers, "content".to_owned())
        }
        What::MakeCollection { at } => asked("MKCOL", at, Vec::new(), String::new()),
        What::Delete { at, tokens } => {
            let headers = submitted(tokens).into_iter().collect();
            asked("DELETE", at, headers, String::new())
        }
        What::Move {
            from,
            to: To::Path(to),
            tokens,
            ..
        } => {
            let mut headers = vec![("Destination", format!("{origin}{to}"))];
            headers.extend(submitted(tokens));
            asked("MOVE", from, headers, String::new())
        }
        What::Look { at } => {
            let query = "<propfind xmlns='DAV:'><prop><resource-id/><lockdiscovery/></prop>\
                         </propfind>";
            let headers = vec![("Depth", "0".to_owned())];
            asked("PROPFIND", at, headers, query.to_owned())
        }
        other => panic!("WebDAV has no {other:?}"),
    }
}

fn lock_info(kind: Kind, scope: Scope) -> String {
    let scope = match scope {
        Scope::Exclusive => "exclusive",
        Scope::Shared => "shared",
    };
    let freeze = match kind {
        Kind::ReadOnly => "<L:kind xmlns:L='urn:lockkeeper:dav'><L:read-only/></L:kind>",
        _ => "",
    };
    format!(
        "<lockinfo xmlns='DAV:'><lockscope><{scope}/></lockscope>\
         <locktype><write/></locktype>{freeze}</lockinfo>"
    )
}

fn in_json(method: &'static str, path: String, body: &Value) -> Asked {
    let headers = vec![("Content-Type", "application/json".to_owned())];
    let body = body.to_string();
    Asked {
        method,
        path,
        headers,
        body,
    }
}

/// A file in a form, and a field before it.
fn in_form(method: &'static str, path: String, field: Option<(&str, String)>) -> Asked {
    let part = |name: &str, value: &str| {
        format!("--sep\r\nContent-Disposition: form-data; name=\"{name}\"{value}\r\n")
    };
    let field = field.map(|(name, value)| part(name, &format!("\r\n\r\n{value}")));
    let file = part("file", "; filename=\"x\"\r\n\r\ncontent");
    let headers = vec![(
        "Content-Type",
        "multipart/form-data; boundary=sep".to_owned(),
    )];
    Asked {
        method,
        path,
        headers,
        body: format!("{}{file}--sep--\r\n", field.unwrap_or_default()),
    }
}

fn check_out_api(what: &What, book: &Book) -> Asked {
    let project = format!("/api/project/{:032x}", book.project);
    let post = |at: &Place, doing: &str, body: &Value| {
        let path = format!("{project}/inode/{:032x}/{doing}", id(at));
        in_json("POST", path, body)
    };
    let named = |lock: &usize| book.token(*lock);
    match what {
        What::Take {
            at, kind, seconds, ..
        } => {
            let kind = match kind {
                Kind::Persistent => "persistent",
                Kind::Transient => "transient",
                Kind::ReadOnly => "readonly",
            };
            post(at, "checkout", &json!({ "type": kind, "timeout": seconds }))
        }
        What::Refresh { at, lock, seconds } => {
            let body = json!({ "lockId": named(lock), "timeout": seconds });
            post(at, "refreshlock", &body)
        }
        What::Release { at, lock } => post(at, "checkin", &json!({ "lockId": named(lock) })),
        What::CheckIn { at } => post(at, "checkin", &json!({})),
        What::Steal { at, lock } => post(at, "steallock", &json!({ "lockId": named(lock) })),
        What::Put { at, within, tokens } => {
            let (folder, file) = (within.unwrap_or_default(), id(at));
            let path = format!("{project}/folder/{folder:032x}/inode/{file:032x}/version");
            let token = tokens.first().map(|lock| ("lockId", named(lock)));
            in_form("POST", path, token)
        }
        other => panic!("the check-out API has no {other:?}"),
    }
}

fn docspace(what: &What) -> Asked {
    let files = "/api/2.0/files";
    let lock = |at: &Place, yes: bool| {
        let path = format!("{files}/file/{}/lock", id(at));
        in_json("PUT", path, &json!({ "lockFile": yes }))
    };
    match what {
        What::Take { at, .. } => lock(at, true),
        What::CheckIn { at } => lock(at, false),
        What::Put { at, .. } => in_form("PUT", format!("{files}/{}/update", id(at)), None),
        What::Delete { at, .. } => {
            in_json("DELETE", format!("{files}/file/{}", id(at)), &json!({}))
        }
        What::Move {
            from,
            to: To::Name(name),
            ..
        } => {
            let body = json!({ "title": name });
            in_json("PUT", format!("{files}/file/{}", id(from)), &body)
        }
        What::Move {
            from,
            to: To::Into(folder),
            collection,
            ..
        } => {
            let items = if *collection { "folderIds" } else { "fileIds" };
            let (item, into) = (id(from).to_string(), folder.to_string());
            let body = json!({
                items: [item], "destFolderId": into, "conflictResolveType": "Overwrite",
            });
            in_json("PUT", format!("{files}/fileops/move"), &body)
        }
        other => panic!("DocSpace has no {other:?}"),
    }
}

/// The same for a command of an administrator.
pub(crate) fn command(call: &Call, book: &Book) -> AdminCommand {
    let own = |at: &Place| path(at).to_owned();
    let as_user = name(call.user).to_owned();
    AdminCommand::Lock(match &call.what {
        What::Take {
            at, kind, infinite, ..
        } => LockCommand::Take {
            path: own(at),
            user: as_user,
            kind: match kind {
                Kind::ReadOnly => LockKind::ReadOnly,
                _ => LockKind::Persistent,
            },
            depth: if *infinite {
                LockDepth::Infinity
            } else {
                LockDepth::Zero
            },
            comment: None,
        },
        What::Release { at, lock } => LockCommand::Release {
            path: own(at),
            token: Some(book.token(*lock)),
        },
        What::CheckIn { at } => LockCommand::Release {
            path: own(at),
            token: None,
        },
        What::Thaw { at } => LockCommand::Thaw { path: own(at) },
        What::Steal { at, lock } => LockCommand::Steal {
            path: own(at),
            user: as_user,
            token: Some(book.token(*lock)),
        },
        other => panic!("the command line has no {other:?}"),
    })
}

/// What a face that speaks HTTP said. The token of a lock that was taken goes into the book.
pub(crate) fn answered(call: &Call, heard: &Heard, book: &Book) -> Answer {
    let (answer, token) = match call.face {
        Face::WebDav => (
            of_webdav(call, heard, book),
            between(&heard.text, "<D:locktoken>"),
        ),
        Face::CheckOutApi => of_check_out_api(heard),
        _ => (of_docspace(heard), None),
    };
    note(call, &answer, token, book);
    answer
}

pub(crate) fn replied(call: &Call, reply: &AdminReply, book: &Book) -> Answer {
    let (answer, token) = match reply {
        AdminReply::Locks(locks, _) => (Answer::Done, locks.first().map(|lock| lock.token.clone())),
        AdminReply::Refused(error) => {
            let refused = refused_in(&error.reason);
            let answer = match (error.class, refused) {
                (RefusalClass::NotFound, _) => Answer::Void,
                (RefusalClass::Conflict, Some(refused)) => refused,
                _ => Answer::Odd(error.reason.clone()),
            };
            (answer, None)
        }
        other => (Answer::Odd(format!("{other:?}")), None),
    };
    note(call, &answer, token, book);
    answer
}

fn note(call: &Call, answer: &Answer, token: Option<String>, book: &Book) {
    let takes = matches!(call.what, What::Take { .. } | What::Steal { .. });
    if takes && matches!(answer, Answer::Done | Answer::Made) {
        let token = token.into_iter().map(|token| (call.number, token));
        book.tokens().extend(token);
    }
}

/// A refusal whose sentences name locks, or say that there are several.
fn refused_in(text: &str) -> Option<Answer> {
    if text.contains("of the resources concerned refuse this") {
        return Some(Answer::Refused(Vec::new()));
    }
    let named = words::refusing_in(text).into_iter();
    let named: Option<Vec<(Kind, User)>> = named
        .map(|(of_kind, holder)| Some((kind(of_kind), user(&holder)?)))
        .collect();
    let mut named = named?;
    named.sort();
    named.dedup();
    (!named.is_empty()).then_some(Answer::Refused(named))
}

fn odd(heard: &Heard) -> Answer {
    Answer::Odd(format!("{} {}", heard.status, heard.text))
}

fn of_webdav(call: &Call, heard: &Heard, book: &Book) -> Answer {
    let text = &heard.text;
    let looks = matches!(call.what, What::Look { .. });
    match heard.status {
        200 | 204 if !looks => Answer::Done,
        201 => Answer::Made,
        207 if looks => seen(text, book).unwrap_or_else(|| odd(heard)),
        207 | 423 => refused_in(text).unwrap_or_else(|| odd(heard)),
        403 if text.contains("need-privileges") => Answer::NoPrivilege,
        403 => refused_in(text).unwrap_or(Answer::Void),
        404 | 405 | 409 | 412 => Answer::Void,
        _ => odd(heard),
    }
}

fn seen(text: &str, book: &Book) -> Option<Answer> {
    let id = text.split_once("<D:href>urn:lockkeeper:")?.1;
    let id = u128::from_str_radix(id.get(..32)?, 16).ok()?;
    let lock = |text: &str| -> Option<Shown> {
        let of_kind = words::Kind::parse(&between(text, "<L:kind>")?)?;
        let holder = user(&between(text, "<L:holder>")?)?;
        // Others are shown no token.
        let token = between(text, "<D:locktoken>");
        let number = token.and_then(|token| book.number(&token));
        Some((kind(of_kind), holder, number))
    };
    let locks = text.split("<D:activelock>").skip(1).map(lock);
    let locks: Option<Vec<Shown>> = locks.collect();
    Some(Answer::Seen { id, locks: locks? })
}

/// What an element of text holds, or the reference in it.
fn between(text: &str, tag: &str) -> Option<String> {
    let (_, inside) = text.split_once(tag)?;
    let inside = inside.strip_prefix("<D:href>").unwrap_or(inside);
    inside.split_once('<').map(|(inside, _)| inside.to_owned())
}

fn of_check_out_api(heard: &Heard) -> (Answer, Option<String>) {
    let told: Value = serde_json::from_str(&heard.text).unwrap_or_default();
    let sentence = told["Message"].as_str().unwrap_or_default();
    let answer = match (heard.status, told["ErrorCode"].as_u64()) {
        (200, Some(0)) => Answer::Done,
        (401, Some(22)) => refused_in(sentence).unwrap_or_else(|| odd(heard)),
        (403, Some(3)) if sentence.contains("privilege") => Answer::NoPrivilege,
        (404, Some(4)) | (500, Some(23)) => Answer::Void,
        (400, Some(1)) if sentence.contains("this is a collection") => Answer::Void,
        (500, Some(24)) => refused_in(sentence).unwrap_or(Answer::Void),
        _ => odd(heard),
    };
    let token = told["Result"]["lockId"].as_str().map(str::to_owned);
    (answer, token)
}

fn of_docspace(heard: &Heard) -> Answer {
    let told: Value = serde_json::from_str(&heard.text).unwrap_or_default();
    let message = told["error"]["message"].as_str().unwrap_or_default();
    // Of a move each file is told by itself.
    let failed = told["response"][0]["error"].as_str().unwrap_or_default();
    match heard.status {
        200 if failed.is_empty() => Answer::Done,
        200 => refused_in(failed).unwrap_or(Answer::Void),
        403 => refused_in(message).unwrap_or(Answer::Void),
        400 | 404 => Answer::Void,
        _ => odd(heard),
    }
}
