//! Every operation of the APIs, read from their own description, and every method of WebDAV, about
//! something that is out of reach.

use serde_json::{Map, Value, json};

/// The id under which DocSpace knows all users together.
const EVERYONE: &str = "c5cc67d1-c3e8-43c0-a3ad-3928ae3e5b5e";
const VERSION_TREE: &str = "<version-tree xmlns='DAV:'/>";
const BOUNDARY: &str = "----part";

/// A request as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Request {
    /// Whether it asks for no change.
    pub(crate) fn looks(&self) -> bool {
        ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"].contains(&self.method.as_str())
    }
}

/// What requests are about.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    /// A collection at the top of the tree and a file in it that are within reach.
    pub(crate) project: u64,
    pub(crate) file: u64,
    /// What is not, the collection at the top first.
    pub(crate) others: Vec<u64>,
    /// The token of a lock there.
    pub(crate) lock: String,
}

/// What goes into one body.
struct Fill<'a> {
    document: &'a Value,
    item: u64,
    destination: u64,
    lock: &'a str,
    flag: bool,
}

/// Every operation that asks who it is, with at least one id of `others` where it takes ids.
pub(crate) fn of_the_apis(document: &Value, ids: &Ids) -> Vec<Request> {
    let mut all = Vec::new();
    for (template, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if operation["security"].as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            for other in &ids.others {
                for path in paths(template, ids, *other) {
                    let path = about(operation, path, *other);
                    let bodies = bodies(document, operation, ids, *other);
                    all.extend(bodies.into_iter().map(|(headers, body)| Request {
                        method: method.to_uppercase(),
                        path: path.clone(),
                        headers,
                        body,
                    }));
                }
            }
        }
    }
    all
}

/// Only what happened to `other`, where that can be asked for.
fn about(operation: &Value, path: String, other: u64) -> String {
    let parameters = operation["parameters"].as_array();
    let mut parameters = parameters.into_iter().flatten();
    if parameters.any(|parameter| parameter["name"] == "about") {
        return format!("{path}?about={other:032x}");
    }
    path
}

/// The template with `other` in one or more of its places, and what is within reach in the rest.
fn paths(template: &str, ids: &Ids, other: u64) -> Vec<String> {
    // A version is named by its number, which every file has.
    let template = template.replace("{number}", "1").replace("{other}", "1");
    let names: Vec<&str> = template
        .split('/')
        .filter(|segment| segment.starts_with('{'))
        .collect();
    let choices = 1_usize << names.len();
    let filled = |choice: usize| {
        let mut path = template.clone();
        for (place, name) in names.iter().enumerate() {
            let own = if name.contains("file") || name.contains("inode") {
                ids.file
            } else {
                ids.project
            };
            // An inode is looked for in its own project and folder.
            let around = template.contains("{inodeId}") && *name != "{inodeId}";
            let there = if around { ids.others[0] } else { other };
            let id = if choice >> place & 1 == 1 { there } else { own };
            let id = if template.starts_with("/api/2.0") {
                id.to_string()
            } else {
                format!("{id:032x}")
            };
            path = path.replacen(name, &id, 1);
        }
        path
    };
    let first = usize::from(!names.is_empty());
    (first..choices).map(filled).collect()
}

type Content = (Vec<(&'static str, String)>, String);

fn bodies(document: &Value, operation: &Value, ids: &Ids, other: u64) -> Vec<Content> {
    let content = &operation["requestBody"]["content"];
    let mut all = Vec::new();
    let schema = content["application/json"]["schema"]["$ref"].as_str();
    let schema = schema.and_then(|at| document.pointer(at.trim_start_matches('#')));
    let mut about = vec![(other, ids.project), (other, other)];
    if schema.is_some_and(|schema| schema["properties"]["destFolderId"].is_object()) {
        about.push((ids.file, other));
    }
    for (item, destination) in about {
        for flag in [true, false] {
            let fill = Fill {
                document,
                item,
                destination,
                lock: &ids.lock,
                flag,
            };
            if let Some(schema) = content["application/json"].get("schema") {
                let body = fill.example(schema, "").to_string();
                all.push((vec![("Content-Type", "application/json".to_owned())], body));
            } else if content["multipart/form-data"].is_object() {
                all.push(fill.form());
            } else {
                all.push((Vec::new(), String::new()));
            }
        }
    }
    all.dedup();
    all
}

impl Fill<'_> {
    /// A value of the schema; `name` is that of the member.
    fn example(&self, schema: &Value, name: &str) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            return self.example(self.document.pointer(pointer).expect("a schema"), name);
        }
        let alternatives = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
        if let Some(first) = alternatives.and_then(|all| all.first()) {
            return self.example(first, name);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(all) = schema["enum"].as_array() {
            let chosen = if self.flag { all.first() } else { all.last() };
            return chosen.expect("a value").clone();
        }
        match kind(schema) {
            "boolean" => json!(self.flag),
            "integer" => self.number(name),
            "array" => json!([self.example(&schema["items"], name)]),
            "object" => {
                let none = Map::new();
                let members = schema["properties"].as_object().unwrap_or(&none);
                let filled = members
                    .iter()
                    .map(|(name, schema)| (name.clone(), self.example(schema, name)));
                Value::Object(filled.collect())
            }
            _ => self.text(name),
        }
    }

    fn number(&self, name: &str) -> Value {
        match name {
            "destFolderId" => json!(self.destination),
            "fileIds" | "folderIds" => json!(self.item),
            "timeout" => json!(60),
            "access" => json!(9),
            _ => json!(1),
        }
    }

    fn text(&self, name: &str) -> Value {
        match name {
            "lockId" => json!(self.lock),
            "shareTo" => json!(EVERYONE),
            "title" => json!("new"),
            _ => json!("x"),
        }
    }

    fn form(&self) -> Content {
        let part = |head: &str, text: &str| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
        };
        let body = [
            part("name=\"lockId\"", self.lock),
            part("name=\"checkIn\"", &self.flag.to_string()),
            part("name=\"file\"; filename=\"new.txt\"", "new content"),
            format!("--{BOUNDARY}--\r\n"),
        ];
        let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
        (vec![("Content-Type", media_type)], body.concat())
    }
}

fn kind(schema: &Value) -> &str {
    let several = schema["type"].as_array();
    let first = several
        .and_then(|all| all.first())
        .unwrap_or(&schema["type"]);
    first.as_str().unwrap_or_default()
}

const PROPPATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\">1</x>\
                         </D:prop></D:set></D:propertyupdate>";
const LOCKINFO: &str = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                        <D:locktype><D:write/></D:locktype></D:lockinfo>";

/// Every method about `other` and what is in it; `own` is a file within reach.
pub(crate) fn of_webdav(
    other: &str,
    inside: &[&str],
    own: &str,
    lock: &str,
    url: impl Fn(&str) -> String,
) -> Vec<Request> {
    let mut all = Vec::new();
    let mut ask = |method: &str, path: &str, header: Option<(&'static str, String)>, body: &str| {
        all.push(Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: header.into_iter().collect(),
            body: body.to_owned(),
        });
    };
    for inner in inside {
        let at = &format!("{other}{inner}");
        for method in [
            "GET", "HEAD", "OPTIONS", "POST", "PATCH", "REPORT", "SEARCH", "ACL", "TRACE",
        ] {
            ask(method, at, None, "");
        }
        for (method, body) in [
            ("PUT", "new content"),
            ("MKCOL", ""),
            ("DELETE", ""),
            ("PROPPATCH", PROPPATCH),
            ("LOCK", LOCKINFO),
        ] {
            let conditions = ["If-Match", "If-None-Match"].map(|name| (name, "*".to_owned()));
            let locked = ("If", format!("<{}> (<{lock}>)", url(at)));
            ask(method, at, None, body);
            for header in conditions.into_iter().chain([locked]) {
                ask(method, at, Some(header), body);
            }
        }
        let persistent = Some(("Timeout", "Infinite".to_owned()));
        ask("LOCK", at, persistent, LOCKINFO);
        ask("LOCK", at, Some(("If", format!("(<{lock}>)"))), "");
        ask("UNLOCK", at, Some(("Lock-Token", format!("<{lock}>"))), "");
        for depth in ["0", "1", "infinity"] {
            ask("PROPFIND", at, Some(("Depth", depth.to_owned())), "");
        }
        ask("REPORT", at, None, VERSION_TREE);
        let stem = at.trim_end_matches(".txt");
        let name = stem.rsplit('/').next().unwrap_or_default();
        for at in [
            &format!("/.lockkeeper/history{at}"),
            &format!("/.lockkeeper/history{at}/{name}%20(version%201).txt"),
        ] {
            for method in ["GET", "HEAD", "PUT", "DELETE", "MKCOL"] {
                ask(method, at, None, "");
            }
            for depth in ["0", "1", "infinity"] {
                ask("PROPFIND", at, Some(("Depth", depth.to_owned())), "");
            }
            ask("REPORT", at, None, VERSION_TREE);
            ask("LOCK", at, None, LOCKINFO);
            for to in ["/in/new", own] {
                ask("COPY", at, Some(("Destination", url(to))), "");
            }
            ask("COPY", own, Some(("Destination", url(at))), "");
        }
        for method in ["COPY", "MOVE"] {
            ask(method, at, Some(("Destination", url("/in/new"))), "");
            ask(method, at, Some(("Destination", url(own))), "");
            ask(method, own, Some(("Destination", url(at))), "");
        }
        let stands = format!("<{}> (<{lock}>)", url(at));
        ask("GET", own, Some(("If", stands)), "");
    }
    all
}
