//! The house rules that no compiler keeps: who may name whom, where a clock is read, how long files
//! and lines are. Each rule is an absence; ARCHITECTURE.md says what it is for.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;

/// From the roof to the ground. A floor names the ones below it, and itself.
const FLOORS: &[&str] = &[
    "main", "cli", "web", "ops", "backup", "store", "event", "rights", "lock", "resource",
    "protocol",
];

/// A crate that only some places may name.
const CRATES: &[(&str, &[&str])] = &[
    ("hyper", &["src/web"]),
    ("hyper_rustls", &["src/web"]),
    ("hyper_util", &["src/web"]),
    ("sled", &["src/store/sled"]),
    ("quick_xml", &["src/protocol/xml"]),
];

const CLOCKS: &[&str] = &["SystemTime::now", "Instant::now", "Utc::now"];
const MAY_READ_A_CLOCK: &[&str] = &["src/web", "src/main.rs"];

/// What cargo fuzz leaves behind, and inputs that nobody typed.
const NOT_WRITTEN: &[&str] = &[
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
    "fuzz/target",
    "fuzz/Cargo.lock",
];

/// In pieces, so that this file keeps the rule as well.
const NOWHERE: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tm", "p/"),
];

#[test]
fn crates_stay_where_they_belong() {
    check(|path, code| {
        let named = CRATES.iter().filter(|(name, places)| {
            !is_within(path, places) && paths_from(code, name).next().is_some()
        });
        named
            .map(|(name, places)| format!("names the crate {name}, kept to {places:?}"))
            .collect()
    });
}

#[test]
fn arrows_go_down() {
    check(|path, code| {
        let own = path
            .trim_start_matches("src/")
            .split(['/', '.'])
            .next()
            .unwrap();
        let Some(floor) = FLOORS.iter().position(|name| *name == own) else {
            return Vec::new();
        };
        let above = FLOORS[..floor].iter();
        above
            .filter(|name| code.contains(&format!("crate::{name}::")))
            .map(|name| format!("{own} names {name}, which stands above it"))
            .collect()
    });
}

#[test]
fn doors_ask_operations_only() {
    check(|path, code| {
        let door = path.starts_with("src/web");
        let reached = ["store", "lock::rules"]
            .into_iter()
            .filter(|name| door && code.contains(&format!("crate::{name}")));
        reached
            .map(|name| format!("a door names {name}; ask ops instead"))
            .collect()
    });
}

#[test]
fn a_clock_is_read_in_two_places() {
    check(|path, code| {
        let allowed = is_within(path, MAY_READ_A_CLOCK);
        let read = CLOCKS
            .iter()
            .filter(|call| !allowed && code.contains(*call));
        read.map(|call| format!("calls {call}; take `now` as an argument"))
            .collect()
    });
}

#[test]
fn files_are_short_and_finished() {
    let mut faults = Vec::new();
    for path in all_files() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        let program = ["rs", "py"]
            .iter()
            .any(|end| path.ends_with(&format!(".{end}")))
            || text.starts_with("#!");
        if program && text.lines().count() > LINES_MAX {
            faults.push(format!("{path} has {} lines", text.lines().count()));
        }
        for (number, line) in text.lines().enumerate() {
            let mut fault = |what: &str| faults.push(format!("{path}:{}: {what}", number + 1));
            if program && line.chars().count() > COLUMNS_MAX {
                fault("too long");
            }
            NOWHERE
                .iter()
                .filter(|word| line.contains(*word))
                .for_each(|word| fault(word));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The compiler refuses `unsafe` as long as nobody asks it less, anywhere.
#[test]
fn nothing_is_unsafe() {
    let settings = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(settings.contains("\nunsafe_code = \"forbid\"\n"));
    let asks_less = [
        concat!("allow(un", "safe"),
        concat!("expect(un", "safe"),
        concat!("un", "safe {"),
    ];
    let is_rust = |path: &String| Path::new(path).extension().is_some_and(|end| end == "rs");
    let rust = all_files().into_iter().filter(is_rust);
    let with = |path: &String| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        asks_less.iter().any(|words| text.contains(words))
    };
    let faults: Vec<_> = rust.filter(with).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_rules_can_be_broken() {
    let named = |code, name| paths_from(code, name).count();
    assert_eq!(named("use sled::Db;", "sled"), 1);
    assert_eq!(named("let db: ::sled::Db;", "sled"), 1);
    assert_eq!(named("use sled;", "sled"), 1);
    assert_eq!(named("use crate::store::sled::Engine;", "sled"), 0);
    assert_eq!(named("pub use self::sled::Engine;", "sled"), 0);
    assert_eq!(named("mod sled; bobsled::ride(); sleds::many()", "sled"), 0);
    let source =
        "fn a() {} // sled::\n#[cfg(test)]\nmod tests {\n    use sled::Db;\n}\nfn b() {}\n";
    assert_eq!(code_of(source), "fn a() {} \nfn b() {}\n");
    assert_eq!(
        code_of("let url = \"http://a\";\n"),
        "let url = \"http://a\";\n"
    );
}

/// Holds a rule against the code, without comments and tests, of every file of the library.
fn check(rule: impl Fn(&str, &str) -> Vec<String>) {
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in all_files() {
        let test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let rust = Path::new(&path)
            .extension()
            .is_some_and(|extension| extension == "rs");
        if !path.starts_with("src/") || !rust || test {
            continue;
        }
        let code = code_of(&fs::read_to_string(root().join(&path)).unwrap());
        faults.extend(
            rule(&path, &code)
                .into_iter()
                .map(|fault| format!("{path} {fault}")),
        );
        seen += 1;
    }
    assert!(seen > 5, "the sources were not found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Where a path begins with the crate `name`: followed by `::` or the end of a `use`, and no
/// segment of a longer path.
fn paths_from<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name)
        .map(|(at, _)| at)
        .filter(move |at| {
            let (before, after) = (&code[..*at], &code[at + name.len()..]);
            let is_word = |text: char| text.is_alphanumeric() || text == '_';
            let inner = before
                .strip_suffix("::")
                .is_some_and(|path| path.ends_with(is_word));
            let used = after.starts_with("::")
                || (before.ends_with("use ") && !after.starts_with(is_word));
            used && !inner && !before.ends_with(is_word)
        })
}

/// The code of a file without its line comments and without the items under `#[cfg(test)]`, which
/// rustfmt lets end at a line that is indented as they begin.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let indent = &line[..line.len() - line.trim_start().len()];
            let item = lines
                .by_ref()
                .find(|line| !line.trim_start().starts_with("#["));
            if item.is_some_and(|line| line.ends_with('{')) {
                let end = format!("{indent}}}");
                lines.by_ref().find(|line| *line == end);
            }
            continue;
        }
        // `://` is a URL in a string.
        let comment = line
            .match_indices("//")
            .find(|(at, _)| !line[..*at].ends_with(':'));
        code += comment.map_or(line, |(at, _)| &line[..at]);
        code.push('\n');
    }
    code
}

fn is_within(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that people write, as paths from the root.
fn all_files() -> Vec<String> {
    let mut files = Vec::new();
    let folders = ["src", "tests", "benches", "docs", "litmus", ".ci"];
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let top = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.extend(
        top.filter(|path| {
            path.is_file() && !path.ends_with("Cargo.lock") && !path.ends_with(".git")
        }),
    );
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if NOT_WRITTEN.iter().any(|built| path.ends_with(built)) {
                continue;
            }
            if path.is_dir() {
                left.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    let relative = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    files.iter().map(relative).collect()
}
