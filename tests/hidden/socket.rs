//! The same through a socket: every method, byte for byte.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper::config::Config;
use lockkeeper::ops::access::{self, NewUser, Principal};
use lockkeeper::ops::password::Password;
use lockkeeper::ops::{Dav, NoObserver};
use lockkeeper::rights::{Grantee, Role};
use tempfile::TempDir;

use crate::common::{Client, Response, Server};
use crate::support::{ask, put};
use crate::{NOW, lock_ask};
use lockkeeper::lock::{LockDepth, LockKind};

/// Reads what surrounds the hidden collection.
const READER: &str = "rea";
/// Writes there.
const EDITOR: &str = "edi";
/// Sees everything.
const ADMIN: &str = "adm";

struct House {
    server: Server,
    /// Of Bob's lock on the hidden file.
    token: String,
    _data: TempDir,
}

fn password(name: &str) -> String {
    format!("{name}-password")
}

/// A tree in which `/a/hid`, with `f` and `d/e` in it, exists for the admin alone.
async fn furnish(config: &Config) -> String {
    let dav = Dav::open(config, NOW, || Duration::ZERO, Arc::new(NoObserver)).await;
    let dav = dav.unwrap();
    for name in [READER, EDITOR, ADMIN] {
        let new = NewUser {
            admin: name == ADMIN,
            ..NewUser::new(name, Password::from(password(name)))
        };
        access::add(&dav, new, NOW).await.unwrap();
    }
    let mut people: Vec<Principal> = Vec::new();
    for name in [READER, EDITOR, ADMIN] {
        let found = access::find(&dav, name).await.unwrap().unwrap();
        people.push(Principal::from(&found));
    }
    let [reader, editor, admin] = people.try_into().unwrap();
    let by_admin = |at: &str| ask(&admin, at, &[], NOW);
    for at in ["/a", "/a/hid", "/a/hid/d", "/c"] {
        dav.make_collection(&by_admin(at)).await.unwrap();
    }
    for at in ["/a/f", "/a/hid/f", "/a/hid/d/e", "/c/f"] {
        put(&dav, &by_admin(at), 5).await.unwrap();
    }
    let wanted = lock_ask(LockKind::Persistent, LockDepth::Zero);
    let taken = dav.lock(&by_admin("/a/hid/f"), &wanted).await.unwrap();
    for (at, to, role) in [
        ("/", Grantee::Everyone, Role::None),
        ("/a", Grantee::User(reader.id), Role::Reader),
        ("/a", Grantee::User(editor.id), Role::Editor),
        ("/a/hid", Grantee::User(reader.id), Role::None),
        ("/a/hid", Grantee::User(editor.id), Role::None),
        ("/c", Grantee::Everyone, Role::Editor),
    ] {
        dav.set_grant(&by_admin(at), to, Some(role)).await.unwrap();
    }
    dav.close().await.unwrap();
    taken.view.lock.token.to_string()
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.data = folder.path().join("data");
        let token = furnish(&config).await;
        Self {
            server: Server::start_at(&config.store.data),
            token,
            _data: folder,
        }
    }

    fn client(&self, name: &str) -> Client {
        self.server.client(name, &password(name))
    }
}

/// All that was answered but the time of day.
fn told(response: &Response) -> String {
    let mut response = response.clone();
    response.headers.retain(|(name, _)| name != "date");
    format!("{response}")
}

/// A request as it is sent, about a name of three letters.
struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    /// Whether somebody who may write in `/a` makes something at that name.
    makes: bool,
}

const PROPPATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\">1</x>\
                         </D:prop></D:set></D:propertyupdate>";
const VERSION_TREE: &str = "<D:version-tree xmlns:D=\"DAV:\"/>";
const LOCKINFO: &str = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                        <D:locktype><D:write/></D:locktype></D:lockinfo>";
const FREEZE: &str = "<D:lockinfo xmlns:D=\"DAV:\" xmlns:L=\"urn:lockkeeper:dav\"><D:lockscope>\
                      <D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><L:kind>\
                      <L:read-only/></L:kind></D:lockinfo>";

/// What is asked about an address, in every header too.
fn every_request(
    at: &str,
    makes_here: bool,
    url: impl Fn(&str) -> String,
    token: &str,
) -> Vec<Request> {
    let mut all = Vec::new();
    let mut ask = |method, headers: &[(&'static str, String)], body, makes| {
        all.push(Request {
            method,
            path: at.to_owned(),
            headers: headers.to_vec(),
            body,
            makes: makes && makes_here,
        });
    };
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PROPFIND", "REPORT"] {
        ask(method, &[], "", false);
    }
    for depth in ["0", "1", "infinity"] {
        let depth = [("Depth", depth.to_owned())];
        ask("PROPFIND", &depth, "", false);
        ask("DELETE", &depth, "", false);
        ask("LOCK", &depth, LOCKINFO, true);
        ask("LOCK", &depth, FREEZE, true);
    }
    ask("REPORT", &[], VERSION_TREE, false);
    ask("PUT", &[], "body", true);
    ask(
        "PUT",
        &[("Content-Range", "bytes 0-3/4".to_owned())],
        "body",
        true,
    );
    ask("MKCOL", &[], "", true);
    ask("PROPPATCH", &[], PROPPATCH, false);
    ask("UNLOCK", &[("Lock-Token", format!("<{token}>"))], "", false);
    ask("LOCK", &[("If", format!("(<{token}>)"))], "", false);
    for method in ["COPY", "MOVE"] {
        ask(method, &[("Destination", url("/c/new"))], "", false);
    }
    for (name, value) in [
        ("If", format!("(<{token}>)")),
        ("If", format!("(Not <{token}>)")),
        ("If-Match", "*".to_owned()),
        ("If-None-Match", "*".to_owned()),
        ("Range", "bytes=0-1".to_owned()),
    ] {
        let header = [(name, value)];
        for method in ["GET", "DELETE", "PROPFIND"] {
            ask(method, &header, "", false);
        }
        ask("PUT", &header, "body", true);
        ask("PROPPATCH", &header, PROPPATCH, false);
    }
    for method in ["COPY", "MOVE"] {
        for overwrite in ["T", "F"] {
            all.push(Request {
                method,
                path: "/c/f".to_owned(),
                headers: vec![
                    ("Destination", url(at)),
                    ("Overwrite", overwrite.to_owned()),
                ],
                body: "",
                makes: makes_here,
            });
        }
    }
    all.extend(about_history(at, &url));
    for condition in [
        format!("<{token}>"),
        format!("Not <{token}>"),
        "[\"x\"]".to_owned(),
    ] {
        for (method, path, body) in [("GET", "/c/f", ""), ("PROPPATCH", "/c/f", PROPPATCH)] {
            all.push(Request {
                method,
                path: path.to_owned(),
                headers: vec![("If", format!("<{}> ({condition})", url(at)))],
                body,
                makes: false,
            });
        }
    }
    all
}

/// The same in the history collection, where a file has members.
fn about_history(at: &str, url: impl Fn(&str) -> String) -> Vec<Request> {
    let mut all = Vec::new();
    for member in ["", "/", "/f%20(version%201)", "/e%20(version%201)"] {
        for (method, headers, body) in [
            ("GET", vec![], ""),
            ("HEAD", vec![], ""),
            ("OPTIONS", vec![], ""),
            ("GET", vec![("If-None-Match", "*".to_owned())], ""),
            ("GET", vec![("Range", "bytes=0-1".to_owned())], ""),
            ("PROPFIND", vec![("Depth", "0".to_owned())], ""),
            ("PROPFIND", vec![("Depth", "1".to_owned())], ""),
            ("PROPFIND", vec![], ""),
            ("REPORT", vec![], VERSION_TREE),
            ("COPY", vec![("Destination", url("/c/new"))], ""),
            ("MOVE", vec![("Destination", url("/c/new"))], ""),
            ("PUT", vec![], "body"),
            ("DELETE", vec![], ""),
            ("LOCK", vec![], LOCKINFO),
        ] {
            let path = format!("/.lockkeeper/history{}{member}", at.trim_end_matches('/'));
            all.push(Request {
                method,
                path,
                headers,
                body,
                makes: false,
            });
        }
    }
    all
}

/// `/a/hid` is there and `/a/gap` is not: the answers differ in these letters alone.
#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers_as_if_nothing_were_there() {
    let house = House::new().await;
    let mut cases = 0;
    let mut statuses = BTreeSet::new();
    for name in [READER, EDITOR] {
        let client = house.client(name);
        for inside in ["", "/", "/f", "/d/e", "/gap", "/d/gap/gap"] {
            let makes_here = inside.len() < 2 && name == EDITOR;
            let requests = |at: &str| {
                let at = format!("/a/{at}{inside}");
                every_request(&at, makes_here, |path| client.url(path), &house.token)
            };
            for (hidden, missing) in requests("hid").iter().zip(requests("mis")) {
                let send = |request: &Request| {
                    let headers = request.headers.iter();
                    let headers: Vec<(&str, &str)> = headers
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    client.send(request.method, &request.path, &headers, request.body)
                };
                if hidden.makes {
                    continue;
                }
                let (hidden_told, missing_told) = (send(hidden), send(&missing));
                statuses.insert(hidden_told.status);
                let expect = told(&missing_told).replace("mis", "hid");
                let case = format!(
                    "{name}: {} {} {:?}",
                    hidden.method, hidden.path, hidden.headers
                );
                assert_eq!(told(&hidden_told), expect, "{case}");
                cases += 1;
            }
        }
    }
    println!("{cases} cases, answered with {statuses:?}");
    assert!(cases > 600, "{cases}");
    assert!(statuses.len() > 6, "{statuses:?}");
}

/// Who may write there is told that the name is taken, and of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_one_exception() {
    let house = House::new().await;
    let client = house.client(EDITOR);
    let to_hidden = client.url("/a/hid");
    let moving = [("Destination", to_hidden.as_str()), ("Overwrite", "F")];
    for (method, path, headers, body) in [
        ("PUT", "/a/hid", &[][..], "body"),
        ("MKCOL", "/a/hid", &[], ""),
        ("LOCK", "/a/hid", &[], LOCKINFO),
        ("COPY", "/c/f", &moving, ""),
        ("MOVE", "/c/f", &moving, ""),
        ("MOVE", "/c/f", &moving[..1], ""),
    ] {
        let refused = client.send(method, path, headers, body).status(403);
        refused
            .containing("this name cannot be used here")
            .without("/d");
    }
    client.delete("/a").status(403).without("hid");
    let depth = [("Depth", "infinity")];
    client
        .send("LOCK", "/a", &depth, LOCKINFO)
        .status(403)
        .without("hid");
    let all = house
        .client(ADMIN)
        .propfind("/a", "infinity", "")
        .status(207);
    assert!(all.text().contains("/a/hid/d/e"), "{all}");
    house.client(ADMIN).get("/c/f").status(200);
}

/// Listings are the same before and after what is hidden goes.
#[tokio::test(flavor = "multi_thread")]
async fn listings_show_nothing_of_it() {
    let house = House::new().await;
    let admin = house.client(ADMIN);
    admin.get("/a").status(200).containing("hid");
    let history = "/.lockkeeper/history/a";
    admin.get(history).status(200).containing("hid");
    let version = format!("{history}/hid/f/f%20(version%201)");
    admin.get(&version).status(200).containing("x");
    let mut shown = Vec::new();
    for _ in 0..2 {
        let mut now = Vec::new();
        for name in [READER, EDITOR] {
            let client = house.client(name);
            for at in ["/", "/a"] {
                now.push(told(&client.get(at).status(200)));
                for depth in ["0", "1", "infinity"] {
                    let found = client.propfind(at, depth, "").status(207);
                    now.push(told(&found.without("hid")));
                }
            }
            for at in ["/.lockkeeper/history/", "/.lockkeeper/history/a"] {
                now.push(told(&client.get(at).status(200)));
                let found = client.propfind(at, "1", "").status(207);
                now.push(told(&found.without("hid")));
            }
        }
        shown.push(now);
        admin.unlock("/a/hid/f", &house.token);
        admin.delete("/a/hid");
    }
    admin.get("/a").status(200).without("hid");
    assert_eq!(shown[0], shown[1]);
}
