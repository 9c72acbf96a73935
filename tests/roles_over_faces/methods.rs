//! Every method of every face, and what a naive reader expects of it.

use serde_json::{Value, json};

use crate::common::Response;
use crate::{Case, JSON, Role, Standing};

/// A method of a face: what it is called, whether the file is checked out by the admin before, how
/// it is asked, and which statuses a naive reader expects.
#[derive(Clone, Copy)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) checked_out: bool,
    pub(crate) ask: fn(&Case<'_>) -> Response,
    pub(crate) expected: fn(Standing) -> &'static [u16],
}

/// Seen or not.
fn to_read(standing: Standing) -> &'static [u16] {
    if standing.here.reads() {
        &[200, 207]
    } else {
        &[404]
    }
}

/// The same where the project must be seen as well.
fn to_read_in_project(standing: Standing) -> &'static [u16] {
    if standing.project.reads() {
        to_read(standing)
    } else {
        &[404]
    }
}

fn to_change(standing: Standing) -> &'static [u16] {
    match standing.here {
        Role::Nothing => &[404],
        Role::Reader => &[403],
        Role::Editor | Role::Manager => &[200, 201, 204],
    }
}

/// A new member, by path: what is hidden is no place for one.
fn to_make(standing: Standing) -> &'static [u16] {
    if standing.here == Role::Nothing {
        &[409]
    } else {
        to_change(standing)
    }
}

fn to_change_in_project(standing: Standing) -> &'static [u16] {
    if standing.project.reads() {
        to_change(standing)
    } else {
        &[404]
    }
}

/// Somebody else's check-out, in the words of the check-out API.
fn to_check_in(standing: Standing) -> &'static [u16] {
    match (standing.project.reads(), standing.here) {
        (false, _) | (_, Role::Nothing) => &[404],
        (_, Role::Manager) => &[200],
        (_, Role::Reader | Role::Editor) => &[401],
    }
}

fn to_steal(standing: Standing) -> &'static [u16] {
    match (standing.project.reads(), standing.here) {
        (false, _) | (_, Role::Nothing) => &[404],
        (_, Role::Manager) => &[200],
        (_, Role::Reader | Role::Editor) => &[403],
    }
}

/// DocSpace knows one refusal.
fn to_manage(standing: Standing) -> &'static [u16] {
    match standing.here {
        Role::Nothing => &[404],
        Role::Manager => &[200],
        Role::Reader | Role::Editor => &[403],
    }
}

impl Case<'_> {
    fn checkout(&self, method: &str, what: &str, body: &str) -> Response {
        let [file, _, project] = self.ids;
        let path = format!("/api/project/{project:032x}/inode/{file:032x}{what}");
        self.bob.send(method, &path, &JSON, body)
    }

    fn docspace(&self, method: &str, what: &str, body: &Value) -> Response {
        let path = format!("/api/2.0/files/{what}");
        self.bob.send(method, &path, &JSON, body.to_string())
    }

    fn file(&self, method: &str, what: &str, body: &Value) -> Response {
        self.docspace(method, &format!("file/{}{what}", self.ids[0]), body)
    }
}

const FORM: [(&str, &str); 1] = [("Content-Type", "multipart/form-data; boundary=sep")];
const UPLOAD: &str = "--sep\r\nContent-Disposition: form-data; name=\"file\"; \
    filename=\"up.txt\"\r\n\r\ntwo\r\n--sep--\r\n";

const fn method(
    name: &'static str,
    ask: fn(&Case<'_>) -> Response,
    expected: fn(Standing) -> &'static [u16],
) -> Method {
    Method {
        name,
        checked_out: false,
        ask,
        expected,
    }
}

const fn of_locked(method: Method) -> Method {
    Method {
        checked_out: true,
        ..method
    }
}

/// Where the history collection has the first version of a text file.
fn first_version(path: &str) -> String {
    let stem = path.trim_end_matches(".txt");
    let name = stem.rsplit('/').next().unwrap_or_default();
    format!("/.lockkeeper/history{path}/{name}%20(version%201).txt")
}

pub(crate) const METHODS: &[Method] = &[
    method("GET", |case| case.bob.get(&case.path), to_read),
    method(
        "PROPFIND",
        |case| case.bob.propfind(&case.path, "0", ""),
        to_read,
    ),
    method(
        "REPORT",
        |case| {
            let body = "<version-tree xmlns='DAV:'/>";
            case.bob.send("REPORT", &case.path, &[], body)
        },
        to_read,
    ),
    method(
        "GET of a version",
        |case| case.bob.get(&first_version(&case.path)),
        to_read,
    ),
    method(
        "PROPFIND of a version",
        |case| case.bob.propfind(&first_version(&case.path), "0", ""),
        to_read,
    ),
    method(
        "COPY of a version onto its file",
        |case| {
            let to = [("Destination", case.path.as_str())];
            case.bob.send("COPY", &first_version(&case.path), &to, "")
        },
        to_change,
    ),
    // Where nothing seems to be there is room for a new file, if it is in something.
    method("PUT", |case| case.bob.put(&case.path, "two"), to_make),
    method(
        "PUT new",
        |case| case.bob.put(&format!("{}.new", case.path), "x"),
        to_make,
    ),
    method(
        "MKCOL",
        |case| case.bob.mkcol(&format!("{}.dir", case.path)),
        to_make,
    ),
    method(
        "PROPPATCH",
        |case| {
            let set = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='urn:x'>1</x></prop></set>\
                   </propertyupdate>";
            case.bob.proppatch(&case.path, set)
        },
        |standing| {
            if standing.here.writes() {
                &[207]
            } else {
                to_change(standing)
            }
        },
    ),
    method(
        "LOCK",
        |case| case.bob.lock(&case.path, "Second-600"),
        to_make,
    ),
    method("DELETE", |case| case.bob.delete(&case.path), to_change),
    method(
        "MOVE",
        |case| case.bob.rename(&case.path, &format!("{}.moved", case.path)),
        to_change,
    ),
    method(
        "COPY",
        |case| case.bob.copy(&case.path, &format!("{}.copy", case.path)),
        to_change,
    ),
    method(
        "inode",
        |case| case.checkout("GET", "", ""),
        to_read_in_project,
    ),
    method(
        "download",
        |case| case.checkout("GET", "/content", ""),
        to_read_in_project,
    ),
    method(
        "lock",
        |case| case.checkout("GET", "/lock", ""),
        to_read_in_project,
    ),
    method(
        "checkout",
        |case| case.checkout("POST", "/checkout", "{}"),
        to_change_in_project,
    ),
    method(
        "freeze",
        |case| case.checkout("POST", "/checkout", "{\"type\":\"readonly\"}"),
        to_change_in_project,
    ),
    of_locked(method(
        "checkin",
        |case| case.checkout("POST", "/checkin", "{}"),
        to_check_in,
    )),
    of_locked(method(
        "steallock",
        |case| case.checkout("POST", "/steallock", "{}"),
        to_steal,
    )),
    method(
        "version",
        |case| {
            let [file, folder, project] = case.ids;
            let path = format!(
                "/api/project/{project:032x}/folder/{folder:032x}/inode/{file:032x}/version"
            );
            case.bob.send("POST", &path, &FORM, UPLOAD)
        },
        to_change_in_project,
    ),
    method(
        "versions",
        |case| case.checkout("GET", "/version", ""),
        to_read_in_project,
    ),
    method(
        "one version",
        |case| case.checkout("GET", "/version/1", ""),
        to_read_in_project,
    ),
    method(
        "download of a version",
        |case| case.checkout("GET", "/version/1/content", ""),
        to_read_in_project,
    ),
    method(
        "comparison",
        |case| case.checkout("GET", "/version/1/compare/1", ""),
        to_read_in_project,
    ),
    method(
        "restore of a version",
        |case| case.checkout("POST", "/version/1/restore", ""),
        to_change_in_project,
    ),
    method(
        "label",
        |case| case.checkout("PUT", "/version/1/label", "{\"label\":\"x\"}"),
        to_change_in_project,
    ),
    method(
        "file info",
        |case| case.file("GET", "", &json!({})),
        to_read,
    ),
    method(
        "history",
        |case| case.file("GET", "/history", &json!({})),
        to_read,
    ),
    method(
        "share",
        |case| case.file("GET", "/share", &json!({})),
        to_read,
    ),
    // DocSpace says 403 of an unknown file there.
    method(
        "protectusers",
        |case| case.file("GET", "/protectusers", &json!({})),
        |standing| {
            if standing.here.reads() {
                &[200]
            } else {
                &[403]
            }
        },
    ),
    method(
        "lockFile",
        |case| case.file("PUT", "/lock", &json!({"lockFile": true})),
        to_change,
    ),
    of_locked(method(
        "unlock",
        |case| case.file("PUT", "/lock", &json!({"lockFile": false})),
        to_manage,
    )),
    method(
        "title",
        |case| case.file("PUT", "", &json!({"title": "other.txt"})),
        to_change,
    ),
    method(
        "delete",
        |case| case.file("DELETE", "", &json!({})),
        to_change,
    ),
    method(
        "update",
        |case| {
            let path = format!("/api/2.0/files/{}/update", case.ids[0]);
            case.bob.send("PUT", &path, &FORM, UPLOAD)
        },
        to_change,
    ),
    method(
        "restore",
        |case| case.file("POST", "/restoreversion", &json!({"version": 1})),
        to_change,
    ),
    method(
        "comment",
        |case| case.file("PUT", "/comment", &json!({"version": 1, "comment": "x"})),
        to_change,
    ),
    method(
        "listing",
        |case| case.docspace("GET", &case.ids[1].to_string(), &json!({})),
        to_read,
    ),
    method(
        "upload",
        |case| {
            let path = format!("/api/2.0/files/{}/upload", case.ids[1]);
            case.bob.send("POST", &path, &FORM, UPLOAD)
        },
        to_change,
    ),
    method(
        "folder",
        |case| {
            let title = case.path.rsplit('/').next().map(|name| format!("{name}.d"));
            case.docspace(
                "POST",
                &format!("folder/{}", case.ids[1]),
                &json!({"title": title}),
            )
        },
        to_change,
    ),
    method(
        "grants",
        |case| {
            let nobody = json!({"share": []});
            case.docspace("PUT", &format!("folder/{}/share", case.ids[1]), &nobody)
        },
        to_manage,
    ),
];
