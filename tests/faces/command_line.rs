//! The command line, as processes of the real binary.

use serde_json::Value;

use crate::common::run;
use crate::faces::Face;
use crate::site::Site;
use crate::words::{Action, File, Kind, OfVersion, Outcome, Seen, Standing, seconds};

pub(super) struct CommandLine;

/// What it printed, or by its exit code and its sentence why it was not done.
fn command(site: &Site, arguments: &[&str]) -> Result<Value, Outcome> {
    let words = [arguments, &["--json"]].concat();
    let output = run(&mut site.server.command(&words), "");
    let error = String::from_utf8_lossy(&output.stderr);
    let odd = || Outcome::Odd(format!("{arguments:?}: {output:?}"));
    if !error.is_empty() && !error.starts_with("lockkeeper: ") {
        return Err(odd());
    }
    Err(match output.status.code() {
        Some(0) if error.is_empty() => {
            return serde_json::from_slice(&output.stdout).map_err(|_| odd());
        }
        Some(3) => Outcome::NotFound,
        Some(4) if error.contains(" lacks the privilege ") => Outcome::NoPrivilege,
        Some(4) => Outcome::refused_in(&error).unwrap_or(Outcome::Conflict),
        _ => odd(),
    })
}

fn lock(site: &Site, arguments: &[&str]) -> Result<Value, Outcome> {
    command(site, &[&["lock"], arguments].concat())
}

fn done(result: Result<Value, Outcome>) -> Outcome {
    result.map_or_else(|outcome| outcome, |_| Outcome::Done)
}

fn taking(kind: Kind, path: &str) -> [&str; 2] {
    let command = if kind == Kind::Persistent {
        "check-out"
    } else {
        "freeze"
    };
    [command, path]
}

fn with_token<'a>(mut arguments: Vec<&'a str>, token: Option<&'a str>) -> Vec<&'a str> {
    arguments.extend(token.into_iter().flat_map(|token| ["--token", token]));
    arguments
}

impl Face for CommandLine {
    fn takes(&self) -> &'static [Kind] {
        &[Kind::Persistent, Kind::ReadOnly]
    }

    fn actions(&self) -> &'static [Action] {
        &[]
    }

    fn shows_tokens(&self) -> bool {
        false
    }

    fn knows_users(&self) -> bool {
        false
    }

    fn releases_named(&self) -> bool {
        true
    }

    fn take(&self, site: &Site, file: &File, who: Standing, kind: Kind) -> Outcome {
        let as_user = ["--as", who.user()];
        done(lock(
            site,
            &[&taking(kind, &file.path())[..], &as_user].concat(),
        ))
    }

    fn take_folder(&self, site: &Site, file: &File, kind: Kind) -> Option<Outcome> {
        let rest = ["--as", Standing::Owner.user(), "--recursive"];
        let arguments = [&taking(kind, &file.folder_path)[..], &rest].concat();
        Some(done(lock(site, &arguments)))
    }

    fn act(&self, _: &Site, _: &File, _: Standing, action: Action) -> Outcome {
        Outcome::Odd(format!("no command for {action:?}"))
    }

    fn of_version(&self, site: &Site, file: &File, who: Standing, what: OfVersion) -> Outcome {
        let path = file.path();
        let as_user = ["--as", who.user()];
        let words = match what {
            OfVersion::Restore => vec!["version", "restore", &path, "1"],
            OfVersion::Label => vec!["version", "label", &path, "1", "mine"],
        };
        done(command(site, &[&words[..], &as_user].concat()))
    }

    fn see(&self, site: &Site, file: &File, _: Standing) -> Result<Vec<Seen>, Outcome> {
        let locks = lock(site, &["show", &file.path()])?;
        let mut seen: Vec<Seen> = locks
            .as_array()
            .expect("a list")
            .iter()
            .map(|lock| seen(file, lock))
            .collect();
        seen.sort();
        Ok(seen)
    }

    fn release(&self, site: &Site, file: &File, _: Standing, token: Option<&str>) -> Outcome {
        let path = file.path();
        done(lock(site, &with_token(vec!["release", &path], token)))
    }

    fn steal(
        &self,
        site: &Site,
        file: &File,
        who: Standing,
        token: Option<&str>,
    ) -> Option<Outcome> {
        let path = file.path();
        let arguments = vec!["steal", &path, "--as", who.user()];
        Some(done(lock(site, &with_token(arguments, token))))
    }

    fn thaw(&self, site: &Site, file: &File) -> Option<Outcome> {
        Some(done(lock(site, &["thaw", &file.path()])))
    }
}

fn seen(file: &File, lock: &Value) -> Seen {
    let text = |member: &str| lock[member].as_str().map(str::to_owned);
    assert_eq!(lock["path"], file.path().as_str());
    assert_eq!(lock["resource"], file.hex().as_str());
    Seen {
        kind: Kind::parse(&text("kind").expect("a kind")).expect("a kind"),
        holder: text("holder").expect("a name"),
        since: seconds(&text("since").expect("a time")),
        ends: text("expires").map(|time| seconds(&time)),
        token: text("token"),
    }
}
