//! A server with something of everything on it: projects, folders, files, versions, locks of every
//! kind, users of every role.

use serde_json::Value;

use crate::common::{Client, Server};
use crate::programs::{elements, succeed};

/// The server, and what a stranger needs to find his way on it.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) document: Value,
    pub(crate) admin_key: String,
    pub(crate) editor_key: String,
    pub(crate) reader_key: String,
    admin: Client,
    kept_lock: String,
}

const ADDRESS: &str = "alice@example.org";
const FOLDERS: [&str; 7] = [
    "/plans",
    "/plans/drawings",
    "/plans/drawings/empty",
    "/plans/frozen-folder",
    "/plans/doomed-1",
    "/plans/doomed-2",
    "/secret",
];
const FILES: [&str; 16] = [
    "/top.txt",
    "/plans/free.txt",
    "/plans/free-too.txt",
    "/plans/kept.odt",
    "/plans/old-versions.txt",
    "/plans/checked-out.txt",
    "/plans/frozen.txt",
    "/plans/open.odt",
    "/plans/shared.odt",
    "/plans/Gr%C3%B6%C3%9Fen%20%26%20Ma%C3%9Fe%20%22%E6%97%A5%E6%9C%AC%22.txt",
    "/plans/drawings/deep.txt",
    "/plans/frozen-folder/member.txt",
    "/plans/doomed-1.txt",
    "/plans/doomed-2.txt",
    "/plans/doomed-3.txt",
    "/secret/diary.txt",
];

impl Site {
    pub(crate) fn start() -> Self {
        let server = Server::start();
        let (admin, alice) = (server.admin(), server.user("alice"));
        server.user("rita");
        told(&server, &["user", "set", "alice", "--email", ADDRESS]);
        for folder in FOLDERS {
            admin.mkcol(folder).status(201);
        }
        for file in FILES {
            admin.put(file, format!("what is in {file}")).status(201);
        }
        // A file with versions, one that does not fit into a row, and one with nothing in it.
        alice.put("/plans/free.txt", "two").status(204);
        alice.put("/plans/old-versions.txt", "two").status(204);
        alice.put("/plans/old-versions.txt", "three").status(204);
        alice
            .put("/plans/drawings/deep.txt", vec![b'x'; 100_000])
            .status(204);
        alice.put("/plans/free-too.txt", "").status(204);
        alice.put("/plans/free-too.txt", "").status(204);

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
        let kept = admin.lock("/plans/kept.odt", "Second-1800").status(200);
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
            kept_lock: kept.lock_token(),
            admin,
            server,
        }
    }

    /// What requests are made of, by the name of the dictionary.
    pub(crate) fn dictionaries(&self) -> Vec<(&'static str, Vec<Value>)> {
        let items = self.all_items();
        let pick = |wanted: &dyn Fn(&Item) -> bool, spelled: fn(&Item) -> Value| {
            let picked = items.iter().filter(|item| wanted(item));
            picked.map(spelled).collect::<Vec<_>>()
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
        let stays = |item: &Item| {
            !["doomed", "kept", "old"]
                .iter()
                .any(|purpose| item.is(purpose))
        };
        let folder = |item: &Item| item.is_folder && stays(item);
        let file = |item: &Item| !item.is_folder && stays(item);
        vec![
            ("projects", pick(&|item| item.is_project, Item::hex)),
            ("folders", pick(&folder, Item::hex)),
            (
                "inodes",
                pick(&|item| !item.is_project && stays(item), Item::hex),
            ),
            (
                "project_of_files",
                pick(&|item| item.is("plans"), Item::hex),
            ),
            ("files_of_project", pick(&|item| item.is("free"), Item::hex)),
            ("kept_files", pick(&|item| item.is("kept"), Item::hex)),
            ("kept_locks", vec![self.kept_lock.clone().into()]),
            ("folder_numbers", pick(&folder, Item::number)),
            ("file_numbers", pick(&file, Item::number)),
            (
                "files_with_versions",
                pick(&|item| item.is("old-versions"), Item::number),
            ),
            (
                "inodes_with_versions",
                pick(&|item| item.is("old-versions"), Item::hex),
            ),
            ("places", vec![self.first_event()]),
            ("waits", vec![0.into(), 1.into()]),
            ("versions", (1..=12).map(Value::from).collect()),
            (
                "doomed_folders",
                pick(&|item| item.is_folder && item.is("doomed"), Item::number),
            ),
            (
                "doomed_files",
                pick(&|item| !item.is_folder && item.is("doomed"), Item::number),
            ),
            ("users", self.users()),
            ("addresses", texts(&[ADDRESS])),
            ("names", texts(&["alice", "rita", "nobody"])),
            ("passwords", texts(&["alice-password", "rita-password"])),
        ]
    }

    /// Its id: behind it there always are events, so nobody has to wait for one.
    fn first_event(&self) -> Value {
        let answer = self.admin.get("/api/events?limit=1").status(200);
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        page["events"][0]["id"].clone()
    }

    fn users(&self) -> Vec<Value> {
        let users: Value =
            serde_json::from_str(&told(&self.server, &["user", "list", "--json"])).expect("JSON");
        let users = users.as_array().expect("a list").iter();
        users.map(|user| user["id"].clone()).collect()
    }

    /// Everything in projects, and the projects.
    fn all_items(&self) -> Vec<Item> {
        let mut all = Vec::new();
        for project in self.items("/api/project") {
            let project = Item::new(&project, "projectId");
            let mut folders = vec![project.id.clone()];
            while let Some(folder) = folders.pop() {
                let path = format!("/api/project/{}/folder/{folder}", project.id);
                for member in self.items(&path) {
                    let member = Item::new(&member, "inodeId");
                    folders.extend(member.is_folder.then(|| member.id.clone()));
                    all.push(member);
                }
            }
            all.push(project);
        }
        all
    }

    fn items(&self, path: &str) -> Vec<Value> {
        let answer = self.admin.get(path).status(200);
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        answer["Result"]["items"].as_array().expect("items").clone()
    }

    /// The addresses and contents of all files.
    pub(crate) fn tree(&self) -> Vec<(String, Vec<u8>)> {
        let names = "<propfind xmlns='DAV:'><prop><displayname/></prop></propfind>";
        let answer = self.admin.propfind("/", "infinity", names).status(207);
        let hrefs = elements(&answer, "href");
        let files = hrefs.iter().filter(|href| !href.ends_with('/'));
        let with_content = |href: &String| {
            let href = href.replace("&amp;", "&");
            let content = self.admin.get(&href).status(200).body;
            (href, content)
        };
        files.map(with_content).collect()
    }

    /// Whatever was tried on it: it lives, all of the tree can be read, and it has nothing to
    /// complain of.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        self.server
            .anonymous()
            .get("/.lockkeeper/health")
            .status(200);
        assert!(!self.tree().is_empty());
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

/// A project, folder or file, as the check-out API tells of it.
struct Item {
    id: String,
    is_project: bool,
    is_folder: bool,
    name: String,
}

impl Item {
    fn new(told: &Value, id: &str) -> Self {
        let is_project = id == "projectId";
        Self {
            id: told[id].as_str().expect("an id").to_owned(),
            is_project,
            is_folder: is_project || told["isFolder"] == true,
            name: told["name"].as_str().expect("a name").to_owned(),
        }
    }

    /// What it is there for: `doomed` for those operations that remove things, `kept` for those
    /// that need what the others would end, `old` for versions, `free` for those that need a file
    /// without locks.
    fn is(&self, purpose: &str) -> bool {
        self.name.starts_with(purpose)
    }

    fn hex(&self) -> Value {
        self.id.clone().into()
    }

    fn number(&self) -> Value {
        u64::from_str_radix(&self.id, 16)
            .expect("hexadecimal")
            .into()
    }
}

/// The description as it is served.
pub(crate) fn document(server: &Server) -> Value {
    let answer = server.anonymous().get("/apidoc/openapi.json").status(200);
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn key(server: &Server, user: &str) -> String {
    let added = told(server, &["token", "add", user, "--name", "fuzz", "--json"]);
    let added: Value = serde_json::from_str(&added).expect("JSON");
    added["key"].as_str().expect("a key").to_owned()
}

fn told(server: &Server, arguments: &[&str]) -> String {
    succeed(&mut server.command(arguments))
}
