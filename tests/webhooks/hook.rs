//! Webhooks through the command line.

use std::time::Duration;

use serde_json::Value;

use crate::common::{Server, run};

/// Runs a command that must end with this code; what it printed.
#[track_caller]
pub fn ends(server: &Server, code: i32, arguments: &[&str]) -> String {
    let output = run(&mut server.command(arguments), "");
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {output:?}"
    );
    let printed = if code == 0 {
        output.stdout
    } else {
        output.stderr
    };
    String::from_utf8(printed).unwrap()
}

/// A webhook that was added.
pub struct Hook {
    pub id: String,
    pub secret: String,
}

impl Hook {
    #[track_caller]
    pub fn add(server: &Server, url: &str, more: &[&str]) -> Self {
        let arguments = [&["webhook", "add", url, "--json"], more].concat();
        let json: Value = serde_json::from_str(&ends(server, 0, &arguments)).unwrap();
        let part = |name: &str| json[name].as_str().unwrap().to_owned();
        Self {
            id: part("id"),
            secret: part("secret"),
        }
    }

    /// Its entry in the list.
    pub fn entry(&self, server: &Server) -> Value {
        let all: Vec<Value> =
            serde_json::from_str(&ends(server, 0, &["webhook", "list", "--json"])).unwrap();
        let mut all = all.into_iter();
        all.find(|entry| entry["id"] == self.id.as_str()).unwrap()
    }

    /// Waits until its entry is like this.
    #[track_caller]
    pub fn wait_for(&self, server: &Server, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..200 {
            let entry = self.entry(server);
            if is_so(&entry) {
                return entry;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it stays like this: {}", self.entry(server));
    }

    pub fn retry(&self, server: &Server) {
        ends(server, 0, &["webhook", "retry", &self.id]);
    }
}
