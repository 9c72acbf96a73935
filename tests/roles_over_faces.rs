//! Every placement of roles on a small tree, times every method of every face: what Bob may do
//! through WebDAV, the check-out API and the DocSpace-compatible API is what a naive reading of the
//! README's section on grants says.
//!
//! `tests/rights_agree.rs` does this in depth below the faces; here is whether the faces say the
//! same.

#![allow(clippy::print_stdout, reason = "the number of cases is worth seeing")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

#[path = "roles_over_faces/methods.rs"]
mod methods;

use common::{Client, Server};
use methods::METHODS;
use serde_json::{Value, json};

/// What is granted to Bob on one collection; nothing: he has what he has above.
type Placed = Option<&'static str>;

const CHOICES: [Placed; 5] = [
    None,
    Some("none"),
    Some("reader"),
    Some("editor"),
    Some("manager"),
];

/// What somebody may do, as the README's table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Nothing,
    Reader,
    Editor,
    Manager,
}

impl Role {
    /// Nearest wins; on `/` nobody has anything until it is granted.
    fn of(way: &[Placed]) -> Self {
        match way.iter().rev().flatten().next().copied() {
            Some("reader") => Self::Reader,
            Some("editor") => Self::Editor,
            Some("manager") => Self::Manager,
            _ => Self::Nothing,
        }
    }

    fn reads(self) -> bool {
        self >= Self::Reader
    }

    fn writes(self) -> bool {
        self >= Self::Editor
    }

    fn manages(self) -> bool {
        self == Self::Manager
    }
}

/// What Bob is where a request goes.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// At the collection of the file, which is what he is at the file.
    here: Role,
    /// At the top collection, which is the project.
    project: Role,
}

/// A file of its own for one request, on which the admin may have a check-out.
struct Case<'a> {
    bob: &'a Client,
    path: String,
    folder_path: &'a str,
    /// Of the file, its folder and its project.
    ids: [u64; 3],
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// The tree, its admin, and Bob, who has nothing but what is granted to him.
struct Site {
    server: Server,
    admin: Client,
    bob: Client,
    bob_id: String,
}

impl Site {
    fn start() -> Self {
        let server = Server::start_with(&["--memory"]);
        let (admin, bob) = (server.admin_user("root"), server.user("bob"));
        let mine = bob.get("/api/2.0/people/@self").status(200);
        let mine: Value = serde_json::from_str(&mine.text()).expect("JSON");
        let site = Self {
            bob_id: mine["response"]["id"].as_str().expect("an id").to_owned(),
            server,
            admin,
            bob,
        };
        let nothing = ["grant", "set", "/", "none", "--everyone"];
        assert!(
            site.server
                .command(&nothing)
                .status()
                .expect("it runs")
                .success()
        );
        site
    }

    fn id(&self, path: &str) -> u64 {
        let query = "<propfind xmlns='DAV:'><prop><resource-id/></prop></propfind>";
        let text = self.admin.propfind(path, "0", query).status(207).text();
        let (_, id) = text.split_once("<D:href>urn:lockkeeper:").expect("an id");
        u64::from_str_radix(&id[..32], 16).expect("hexadecimal")
    }

    fn place(&self, collection: u64, role: Placed) {
        let access = match role {
            None => 0,
            Some("none") => 3,
            Some("reader") => 2,
            Some("editor") => 11,
            Some(_) => 9,
        };
        let body = json!({"share": [{"shareTo": self.bob_id, "access": access}]});
        let path = format!("/api/2.0/files/folder/{collection}/share");
        self.admin
            .send("PUT", &path, &JSON, body.to_string())
            .status(200);
    }

    /// Tries every method in one folder, and notes those that answer otherwise.
    fn try_all(&self, folder: &str, project: u64, standing: Standing, wrong: &mut Vec<String>) {
        let folder_id = self.id(folder);
        for (number, method) in METHODS.iter().enumerate() {
            let path = format!("{folder}/f{number}.txt");
            self.admin.put(&path, "one");
            let ids = [self.id(&path), folder_id, project];
            if method.checked_out {
                let lock = format!("/api/project/{project:032x}/inode/{:032x}/checkout", ids[0]);
                self.admin.send("POST", &lock, &JSON, "{}").status(200);
            }
            let case = Case {
                bob: &self.bob,
                path,
                folder_path: folder,
                ids,
            };
            let answer = (method.ask)(&case);
            let expected = (method.expected)(standing);
            if !expected.contains(&answer.status) {
                let (name, folder) = (method.name, case.folder_path);
                wrong.push(format!(
                    "{name} in {folder} of {standing:?}: {} instead of {expected:?}: {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
}

#[test]
fn every_face_knows_the_same_roles() {
    let site = Site::start();
    let mut wrong = Vec::new();
    let mut cases = 0;
    let root = site.id("/");
    for (outer, on_root) in CHOICES.into_iter().enumerate() {
        site.place(root, on_root);
        for (number, (top, inner)) in pairs().enumerate() {
            let (project_path, inner_path) = (
                format!("/p{outer}-{number}"),
                format!("/p{outer}-{number}/inner"),
            );
            site.admin.mkcol(&project_path).status(201);
            site.admin.mkcol(&inner_path).status(201);
            let project = site.id(&project_path);
            site.place(project, top);
            site.place(site.id(&inner_path), inner);
            let at_project = Role::of(&[on_root, top]);
            let standing = |here| Standing {
                here,
                project: at_project,
            };
            site.try_all(&project_path, project, standing(at_project), &mut wrong);
            let here = Role::of(&[on_root, top, inner]);
            site.try_all(&inner_path, project, standing(here), &mut wrong);
            cases += 2 * METHODS.len();
        }
    }
    println!("{cases} cases");
    assert!(cases > 7000, "{cases} cases");
    let first: Vec<&String> = wrong.iter().take(20).collect();
    assert!(
        wrong.is_empty(),
        "{} differ, such as {first:#?}",
        wrong.len()
    );
}

fn pairs() -> impl Iterator<Item = (Placed, Placed)> {
    CHOICES
        .into_iter()
        .flat_map(|top| CHOICES.into_iter().map(move |inner| (top, inner)))
}

/// A naive reader who is wrong is noticed.
#[test]
fn a_wrong_expectation_is_noticed() {
    let reader = Standing {
        here: Role::Reader,
        project: Role::Reader,
    };
    let manager = Standing {
        here: Role::Manager,
        ..reader
    };
    for method in METHODS {
        let (less, more) = ((method.expected)(reader), (method.expected)(manager));
        assert!(
            less == more || !less.iter().any(|status| more.contains(status)),
            "{}",
            method.name
        );
    }
    assert!(Role::Manager.manages() && !Role::Editor.manages());
}
