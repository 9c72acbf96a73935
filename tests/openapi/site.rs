//! A server with something of everything on it: projects, folders, files, versions, locks of every
//! kind, users of every role.

use serde_json::Value;

use crate::common::{Client, Server};
use crate::programs::{files_below, succeed};

/// The server, and what a stranger needs to find his way on it.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) document: Value,
    pub(crate) admin_key: String,
    pub(crate) editor_key: String,
    pub(crate) reader_key: String,
    admin: Client,
    files: Vec<String>,
}

const FOLDERS: [&str; 5] = [
    "/plans",
    "/plans/drawings",
    "/plans/drawings/old",
    "/plans/frozen-folder",
    "/secret",
];
const FILES: [&str; 11] = [
    "/top.txt",
    "/plans/free.txt",
    "/plans/also-free.txt",
    "/plans/checked-out.txt",
    "/plans/frozen.txt",
    "/plans/open.odt",
    "/plans/shared.odt",
    "/plans/Gr%C3%B6%C3%9Fen%20%26%20Ma%C3%9Fe%20%22%E6%97%A5%E6%9C%AC%22.txt",
    "/plans/drawings/deep.txt",
    "/plans/frozen-folder/member.txt",
    "/secret/diary.txt",
];

impl Site {
    pub(crate) fn start() -> Self {
        let server = Server::start();
        let (admin, alice) = (server.admin(), server.user("alice"));
        server.user("rita");
        for folder in FOLDERS {
            admin.mkcol(folder).status(201);
        }
        for file in FILES {
            admin.put(file, format!("what is in {file}")).status(201);
        }
        // A file with versions, one that does not fit into a row, and one with nothing in it.
        alice.put("/plans/free.txt", "two").status(204);
        alice.put("/plans/free.txt", "three").status(204);
        alice
            .put("/plans/drawings/deep.txt", vec![b'x'; 100_000])
            .status(204);
        alice.put("/plans/also-free.txt", "").status(204);

        let grant = |arguments: &[&str]| told(&server, &[&["grant", "set"], arguments].concat());
        grant(&["--user", "rita", "/", "reader"]);
        grant(&["--user", "rita", "/secret", "none"]);
        let lock = |arguments: &[&str]| told(&server, &[&["lock"], arguments].concat());
        lock(&["check-out", "--as", "alice", "/plans/checked-out.txt"]);
        lock(&["freeze", "--as", "alice", "/plans/frozen.txt"]);
        lock(&[
            "freeze",
            "--recursive",
            "--as",
            "admin",
            "/plans/frozen-folder",
        ]);
        alice.lock("/plans/open.odt", "Second-1800").status(200);
        let shared = crate::common::LOCK_EXCLUSIVE.replace("exclusive", "shared");
        for client in [&alice, &admin] {
            let headers = [("Depth", "0"), ("Timeout", "Second-1800")];
            client
                .send("LOCK", "/plans/shared.odt", &headers, &shared)
                .status(200);
        }
        Self {
            document: document(&server),
            admin_key: key(&server, "admin"),
            editor_key: key(&server, "alice"),
            reader_key: key(&server, "rita"),
            files: files_below(&admin, "/"),
            admin,
            server,
        }
    }

    /// The ids of what there is, by the name of the dictionary.
    pub(crate) fn dictionaries(&self) -> Vec<(&'static str, Vec<Value>)> {
        let (mut projects, mut folders, mut inodes) = (Vec::new(), Vec::new(), Vec::new());
        for project in self.items("/api/project") {
            let project = project["projectId"].as_str().expect("an id").to_owned();
            let mut left = vec![project.clone()];
            while let Some(folder) = left.pop() {
                let members = format!("/api/project/{project}/folder/{folder}");
                for member in self.items(&members) {
                    if member["isFolder"] == true {
                        left.push(member["inodeId"].as_str().expect("an id").to_owned());
                    }
                    inodes.push(member["inodeId"].clone());
                }
                folders.push(folder.into());
            }
            projects.push(project.into());
        }
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
        vec![
            ("projects", projects),
            ("folders", folders),
            ("inodes", inodes),
            ("names", texts(&["alice", "rita", "nobody"])),
            ("passwords", texts(&["alice-password", "rita-password"])),
        ]
    }

    fn items(&self, path: &str) -> Vec<Value> {
        let answer = self.admin.get(path).status(200);
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        answer["Result"]["items"].as_array().expect("items").clone()
    }

    /// The names and contents of all files.
    pub(crate) fn tree(&self) -> Vec<(String, Vec<u8>)> {
        let content = |name: &String| {
            let path = format!("/{}", percent_encode(name));
            (name.clone(), self.admin.get(&path).status(200).body)
        };
        files_below(&self.admin, "/").iter().map(content).collect()
    }

    /// Whatever was tried on it: it lives, it has lost nothing, and it has nothing to complain of.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        self.server
            .anonymous()
            .get("/.lockkeeper/health")
            .status(200);
        let names: Vec<String> = self.tree().into_iter().map(|(name, _)| name).collect();
        let lost: Vec<_> = self
            .files
            .iter()
            .filter(|name| !names.contains(name))
            .collect();
        assert!(lost.is_empty(), "{lost:?} is gone");
        told(&self.server, &["lock", "list"]);
        let log = self.server.log();
        let complaint = |line: &&str| line.contains(" ERROR ") || line.contains("panicked");
        let complaints: Vec<&str> = log.lines().filter(complaint).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        for key in [&self.admin_key, &self.editor_key, &self.reader_key] {
            assert!(!log.contains(key.as_str()), "a key is in the log");
        }
    }
}

/// The description as it is served.
pub(crate) fn document(server: &Server) -> Value {
    let answer = server.anonymous().get("/apidoc/openapi.json").status(200);
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn percent_encode(path: &str) -> String {
    percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2F", "/")
}

fn key(server: &Server, user: &str) -> String {
    let added = told(server, &["token", "add", user, "--name", "fuzz", "--json"]);
    let added: Value = serde_json::from_str(&added).expect("JSON");
    added["key"].as_str().expect("a key").to_owned()
}

fn told(server: &Server, arguments: &[&str]) -> String {
    succeed(&mut server.command(arguments))
}
