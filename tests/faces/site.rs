//! One server with a user of each standing and a folder in which every case gets a file of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::common::{Client, Server, run};
use crate::faces::Name;
use crate::words::{File, Kind, Outcome, Standing};

/// Nothing ever had an id as large.
const NO_ID: u64 = 1 << 40;

/// A project with a folder in it.
pub(crate) struct Folder {
    path: &'static str,
    id: u64,
    attic: u64,
}

pub(crate) struct Site {
    pub(crate) server: Server,
    clients: BTreeMap<&'static str, Client>,
    numbers: AtomicU64,
    /// Where the roles are granted.
    home: Folder,
    /// Where everybody but the admin is an editor.
    pub(crate) next_door: Folder,
}

impl Folder {
    fn make(admin: &Client, path: &'static str) -> Self {
        let attic = format!("{path}/attic");
        admin.mkcol(path).status(201);
        admin.mkcol(&attic).status(201);
        Self {
            path,
            id: id_of(admin, path),
            attic: id_of(admin, &attic),
        }
    }
}

#[track_caller]
pub(crate) fn id_of(admin: &Client, path: &str) -> u64 {
    let query = "<propfind xmlns='DAV:'><prop><resource-id/></prop></propfind>";
    let text = admin.propfind(path, "0", query).status(207).text();
    let (_, id) = text.split_once("<D:href>urn:lockkeeper:").expect("an id");
    u64::from_str_radix(&id[..32], 16).expect("32 digits")
}

impl Site {
    /// Everybody is an editor, but for what is granted in this folder.
    pub(crate) fn start() -> Self {
        let server = Server::start_with(&["--memory"]);
        let user = |who: Standing| {
            let name = who.user();
            let client = if who == Standing::Admin {
                server.admin_user(name)
            } else {
                server.user(name)
            };
            (name, client)
        };
        let clients: BTreeMap<_, _> = Standing::people().map(user).collect();
        let admin = &clients[Standing::Admin.user()];
        let site = Self {
            numbers: AtomicU64::new(0),
            home: Folder::make(admin, "/site"),
            next_door: Folder::make(admin, "/next"),
            clients,
            server,
        };
        // DocSpace says what people call somebody, the others the name that signs in.
        site.command(&["user", "set", "alice", "--display-name", "Alice Doe"]);
        for (role, user) in [("manager", "mona"), ("reader", "rita"), ("none", "nemo")] {
            site.command(&["grant", "set", "/site", role, "--user", user]);
        }
        // No password is hashed later.
        for client in site.clients.values() {
            client.get("/").status(200);
        }
        site
    }

    pub(crate) fn client(&self, who: Standing) -> &Client {
        &self.clients[who.user()]
    }

    /// A command that has to succeed.
    #[track_caller]
    pub(crate) fn command(&self, arguments: &[&str]) {
        let output = run(&mut self.server.command(arguments), "");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// A new file on which Alice has taken these locks through these faces.
    #[track_caller]
    pub(crate) fn file_with(&self, setup: &[(Kind, Name)]) -> File {
        self.file_in(&self.home, setup)
    }

    /// The versions of a file, the newest first: number, author and label.
    pub(crate) fn versions(&self, file: &File) -> Vec<(u64, String, Option<String>)> {
        let path = format!(
            "/api/project/{:032x}/inode/{}/version",
            file.project,
            file.hex()
        );
        let answer = self.client(Standing::Admin).get(&path).status(200);
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let versions = told["Result"]["items"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        versions
            .map(|version| {
                let number = version["number"].as_u64().expect("a number");
                let author = text(&version["author"]["name"]).expect("a name");
                (number, author, text(&version["label"]))
            })
            .collect()
    }

    /// A new folder with an attic and so many files, which Alice has locked with everything in it.
    pub(crate) fn locked_folder(&self, (kind, face): (Kind, Name), files: usize) -> Vec<File> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let admin = self.client(Standing::Admin);
        let path = format!("{}/d{number:05}", self.home.path);
        admin.mkcol(&path).status(201);
        admin.mkcol(&format!("{path}/attic")).status(201);
        let file = File {
            project: self.home.id,
            folder: id_of(admin, &path),
            attic: id_of(admin, &format!("{path}/attic")),
            id: 0,
            folder_path: path,
            name: String::new(),
            locks: Vec::new(),
        };
        let mut files: Vec<File> = (0..files)
            .map(|number| File {
                name: format!("f{number:05}.txt"),
                ..file.clone()
            })
            .collect();
        for file in &mut files {
            put(admin, &file.path());
            file.id = id_of(admin, &file.path());
        }
        let taken = face.face().take_folder(self, &file, kind);
        assert_eq!(taken, Some(Outcome::Done), "{kind:?} {face:?}");
        let seen = Name::WebDav.face().see(self, &files[0], Standing::Admin);
        let seen = seen.expect("a listing");
        let token = seen.first().and_then(|lock| lock.token.clone());
        let token = token.expect("the lock covers the file");
        for file in &mut files {
            file.locks.push((kind, token.clone()));
        }
        files
    }

    #[track_caller]
    pub(crate) fn file_in(&self, folder: &Folder, setup: &[(Kind, Name)]) -> File {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mut file = File {
            project: folder.id,
            folder: folder.id,
            attic: folder.attic,
            id: 0,
            folder_path: folder.path.to_owned(),
            name: format!("f{number:05}.txt"),
            locks: Vec::new(),
        };
        let path = file.path();
        let admin = self.client(Standing::Admin);
        put(admin, &path);
        file.id = id_of(admin, &path);
        for (kind, face) in setup {
            let taken = face.face().take(self, &file, Standing::Owner, *kind);
            assert_eq!(taken, Outcome::Done, "{setup:?}");
            let seen = Name::WebDav.face().see(self, &file, Standing::Admin);
            let tokens = seen.expect("a listing").into_iter();
            let tokens: Vec<_> = tokens.filter_map(|lock| lock.token).collect();
            let new = tokens
                .into_iter()
                .find(|token| !file.tokens().contains(token));
            file.locks.push((*kind, new.expect("a new lock")));
        }
        file
    }
}

/// A file with an old version.
#[track_caller]
fn put(admin: &Client, path: &str) {
    admin.put(path, "old").status(201);
    admin.put(path, "one").status(204);
}

/// What people call a user.
pub(crate) fn display_name(user: &str) -> &str {
    if user == "alice" { "Alice Doe" } else { user }
}

/// A file of which there never was anything.
pub(crate) fn ghost() -> File {
    File {
        project: NO_ID,
        folder: NO_ID,
        attic: NO_ID + 1,
        id: NO_ID + 2,
        folder_path: "/ghost".to_owned(),
        name: "f.txt".to_owned(),
        locks: Vec::new(),
    }
}
