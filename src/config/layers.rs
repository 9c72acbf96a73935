//! Putting the layers of settings together, so that every mistake is told with its origin: the
//! file, the variable or the flag, the value, and what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use thiserror::Error;
use toml::{Table, Value};

use super::Config;

/// The file that is read when it exists and nothing else was named.
const DEFAULT_FILE: &str = "lockkeeper.toml";
/// The variable that names the file.
const FILE_VARIABLE: &str = "LOCKKEEPER_CONFIG";
/// Larger files are not settings.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Variable(name) => write!(f, "in the environment variable {name}"),
            Self::Flag(name) => write!(f, "with the flag {name}"),
            Self::Default => f.write_str("by default"),
        }
    }
}

/// One setting of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// `section.field`.
    key: String,
    value: Value,
    source: Source,
}

impl Setting {
    /// A setting given on the command line: `("--listen", "server.listen", …)`.
    pub fn flag(flag: &'static str, key: &'static str, value: impl Into<Value>) -> Self {
        Self {
            key: key.to_owned(),
            value: value.into(),
            source: Source::Flag(flag),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read or is not TOML.
    #[error("the configuration file {path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that does not exist.
    #[error("{key} was set {origin}, but there is no such setting; there are: {known}")]
    Unknown {
        /// `section.field`.
        key: String,
        /// Where it was set.
        origin: String,
        /// What could have been meant.
        known: String,
    },
    /// A value that is not allowed.
    #[error("{key} = {value} was set {origin}; allowed: {allowed}")]
    Value {
        /// `section.field`.
        key: String,
        /// What it was set to.
        value: String,
        /// Where it was set.
        origin: String,
        /// What is allowed.
        allowed: String,
    },
}

/// The effective configuration. `file` is what `--config` names.
pub fn load(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: Vec<Setting>,
) -> Result<Config, ConfigError> {
    let mut layers = Layers::new();
    for setting in from_file(file, environment)? {
        layers.set(setting)?;
    }
    for setting in from_environment(&layers.values, environment)? {
        layers.set(setting)?;
    }
    for setting in flags {
        layers.set(setting)?;
    }
    layers.finish()
}

/// The settings so far. Each new one is tried at once, so that an error belongs to it.
struct Layers {
    values: Table,
    sources: BTreeMap<String, Source>,
}

impl Layers {
    fn new() -> Self {
        let values = Table::try_from(Config::default()).expect("the defaults are plain values");
        Self {
            values,
            sources: BTreeMap::new(),
        }
    }

    fn set(&mut self, setting: Setting) -> Result<(), ConfigError> {
        let Setting { key, value, source } = setting;
        let Some(place) = slot(&mut self.values, &key) else {
            let known = known_near(&self.values, &key);
            return Err(ConfigError::Unknown {
                key,
                origin: source.to_string(),
                known,
            });
        };
        let old = std::mem::replace(place, value.clone());
        if let Err(error) = Config::deserialize(self.values.clone()) {
            let allowed = format!("{}, such as {old}", error.message().trim_end());
            let (value, origin) = (value.to_string(), source.to_string());
            return Err(ConfigError::Value {
                key,
                value,
                origin,
                allowed,
            });
        }
        self.sources.insert(key, source);
        Ok(())
    }

    fn finish(mut self) -> Result<Config, ConfigError> {
        let config = Config::deserialize(self.values.clone()).expect("each setting was tried");
        let Err((key, allowed)) = config.check() else {
            return Ok(config);
        };
        let value = slot(&mut self.values, key)
            .map(|value| value.to_string())
            .unwrap_or_default();
        let origin = self
            .sources
            .get(key)
            .unwrap_or(&Source::Default)
            .to_string();
        Err(ConfigError::Value {
            key: key.to_owned(),
            value,
            origin,
            allowed: allowed.to_owned(),
        })
    }
}

fn slot<'t>(values: &'t mut Table, key: &str) -> Option<&'t mut Value> {
    let (section, field) = key.split_once('.')?;
    values.get_mut(section)?.as_table_mut()?.get_mut(field)
}

/// The fields of the section that `key` names, or the sections.
fn known_near(values: &Table, key: &str) -> String {
    let section = key.split('.').next().unwrap_or_default();
    let names = match values.get(section).and_then(Value::as_table) {
        Some(fields) => fields
            .keys()
            .map(|field| format!("{section}.{field}"))
            .collect(),
        None => values
            .keys()
            .map(|section| format!("[{section}]"))
            .collect::<Vec<_>>(),
    };
    names.join(", ")
}

fn from_file(
    named: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<Setting>, ConfigError> {
    let named = named.map(Path::to_owned);
    let named = named.or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
        None => return Ok(Vec::new()),
    };
    let wrong = |reason: String| ConfigError::File {
        path: path.display().to_string(),
        reason,
    };
    let size = std::fs::metadata(&path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(format!(
            "has {size} bytes; at most {FILE_BYTES_MAX} are read"
        )));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let table: Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let source = Source::File(path);
    let mut settings = Vec::new();
    for (section, fields) in table {
        let Value::Table(fields) = fields else {
            settings.push(Setting {
                key: section,
                value: fields,
                source: source.clone(),
            });
            continue;
        };
        settings.extend(fields.into_iter().map(|(field, value)| Setting {
            key: format!("{section}.{field}"),
            value,
            source: source.clone(),
        }));
    }
    Ok(settings)
}

/// `LOCKKEEPER_<SECTION>_<FIELD>`. The names are made from the defaults, so an underscore in a
/// field is no riddle. Variables that do not start with a section's name are not ours (Kubernetes
/// sets `LOCKKEEPER_PORT` and the like for a service of that name).
fn from_environment(
    defaults: &Table,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (section, fields) in defaults {
        let prefix = format!("LOCKKEEPER_{}_", section.to_uppercase());
        for (variable, text) in environment.range(prefix.clone()..) {
            let Some(field) = variable.strip_prefix(&prefix) else {
                break;
            };
            let key = format!("{section}.{}", field.to_lowercase());
            let source = Source::Variable(variable.clone());
            let like = fields.get(field.to_lowercase());
            settings.push(Setting {
                value: read_like(like, text, &key, &source)?,
                key,
                source,
            });
        }
    }
    Ok(settings)
}

/// Reads `text` as the kind of value that `like` is.
fn read_like(
    like: Option<&Value>,
    text: &str,
    key: &str,
    source: &Source,
) -> Result<Value, ConfigError> {
    let wrong = |allowed: &str| ConfigError::Value {
        key: key.to_owned(),
        value: format!("{text:?}"),
        origin: source.to_string(),
        allowed: allowed.to_owned(),
    };
    match like {
        Some(Value::Boolean(_)) => match text {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(wrong("true or false")),
        },
        Some(Value::Integer(_)) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| wrong("a whole number")),
        Some(Value::Array(_)) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Ok(Value::Array(
                items.map(|item| Value::String(item.to_owned())).collect(),
            ))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LogFormat, Policy};

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn load_all(
        toml: &str,
        variables: &[(&str, &str)],
        flags: Vec<Setting>,
    ) -> Result<Config, String> {
        let file = file(toml);
        load(Some(file.path()), &environment(variables), flags).map_err(|error| {
            error
                .to_string()
                .replace(&file.path().display().to_string(), "FILE")
        })
    }

    #[test]
    fn flags_beat_the_environment_beats_the_file_beats_the_defaults() {
        let toml = "[server]\nlisten = '127.0.0.1:1'\nheader_seconds_max = 7\n\
                    [locks]\npolicy = 'strict'\nper_user_max = 5\n";
        let variables = [
            ("LOCKKEEPER_SERVER_LISTEN", "127.0.0.1:2"),
            ("LOCKKEEPER_LOCKS_PER_USER_MAX", "6"),
            ("LOCKKEEPER_LOG_FORMAT", "json"),
            ("LOCKKEEPER_STORE_MEMORY", "true"),
            ("LOCKKEEPER_SERVER_HOSTS", "a.example, b.example:8443"),
            ("LOCKKEEPER_PORT", "tcp://10.0.0.1:4918"),
        ];
        let flags = vec![Setting::flag("--listen", "server.listen", "127.0.0.1:3")];
        let config = load_all(toml, &variables, flags).unwrap();
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.server.header_seconds_max, 7);
        assert_eq!(config.server.hosts, ["a.example", "b.example:8443"]);
        assert_eq!(config.locks.policy, Policy::Strict);
        assert_eq!(config.locks.per_user_max, 6);
        assert_eq!(config.log.format, LogFormat::Json);
        assert!(config.store.memory);
        assert_eq!(config.limits, Config::default().limits);
    }

    #[test]
    fn without_anything_the_defaults_hold_and_survive_printing() {
        let config = load_all("", &[], Vec::new()).unwrap();
        assert_eq!(config, Config::default());
        let printed = toml::to_string_pretty(&config).unwrap();
        assert_eq!(load_all(&printed, &[], Vec::new()).unwrap(), config);
        assert!(printed.contains("[locks]\npolicy = \"drive\""), "{printed}");
    }

    #[test]
    fn the_environment_may_name_the_file() {
        let file = file("[auth]\nrealm = 'Elsewhere'\n");
        let path = file.path().display().to_string();
        let config = load(
            None,
            &environment(&[("LOCKKEEPER_CONFIG", &path)]),
            Vec::new(),
        )
        .unwrap();
        assert_eq!(config.auth.realm, "Elsewhere");
    }

    /// Each mistake names where it was made, the value and what is allowed.
    #[test]
    fn mistakes_are_told_with_their_origin() {
        fn check(toml: &str, variables: &[(&str, &str)], flags: Vec<Setting>, parts: &[&str]) {
            let message = load_all(toml, variables, flags).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{part:?} is not in {message:?}");
            }
        }
        check("[server\n", &[], vec![], &["FILE", "line 1"]);
        check(
            "[server]\nport = 1\n",
            &[],
            vec![],
            &["server.port", "FILE", "server.listen"],
        );
        check(
            "[sever]\nlisten = 1\n",
            &[],
            vec![],
            &["sever.listen", "FILE", "[server]"],
        );
        check("listen = 1\n", &[], vec![], &["listen", "FILE", "[server]"]);
        check(
            "[locks]\npolicy = 'lax'\n",
            &[],
            vec![],
            &["policy", "lax", "FILE", "strict"],
        );
        check(
            "[locks]\nper_user_max = -1\n",
            &[],
            vec![],
            &["per_user_max", "-1", "FILE", "10000"],
        );
        check(
            "[locks]\ntransient_timeout_seconds_max = 60\n",
            &[],
            vec![],
            &[
                "transient_timeout_seconds_max",
                "60",
                "FILE",
                "180 to 604800",
            ],
        );
        check(
            "[versions]\nkeep_days = 36501\n",
            &[],
            vec![],
            &["versions.keep_days", "36501", "FILE", "0 to 36500"],
        );
        check(
            "",
            &[("LOCKKEEPER_VERSIONS_FOLD_WHILE_LOCKED", "1")],
            vec![],
            &["versions.fold_while_locked", "\"1\"", "true or false"],
        );
        check(
            "",
            &[("LOCKKEEPER_STORE_MEMORY", "yes")],
            vec![],
            &[
                "store.memory",
                "yes",
                "LOCKKEEPER_STORE_MEMORY",
                "true or false",
            ],
        );
        check(
            "",
            &[("LOCKKEEPER_SERVER_LISTNE", "x")],
            vec![],
            &["server.listne", "LOCKKEEPER_SERVER_LISTNE", "server.listen"],
        );
        check(
            "",
            &[],
            vec![Setting::flag("--listen", "server.listen", "localhost")],
            &["server.listen", "localhost", "--listen", "127.0.0.1:4918"],
        );
        check(
            "",
            &[],
            vec![Setting::flag("--listen", "server.listen", "0.0.0.0:80")],
            &["0.0.0.0:80", "--listen", "--tls-cert", "--insecure"],
        );
        check(
            "[server]\ntls_cert = 'a.pem'\n",
            &[],
            vec![],
            &["server.tls_cert", "a.pem", "FILE", "tls_key together"],
        );
    }

    #[test]
    fn beyond_loopback_needs_tls_or_a_clear_word() {
        let listen = || Setting::flag("--listen", "server.listen", "[::]:4918");
        let insecure = Setting::flag("--insecure", "server.insecure", true);
        assert!(load_all("", &[], vec![listen()]).is_err());
        assert!(load_all("", &[], vec![listen(), insecure]).is_ok());
        let tls = "[server]\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n";
        assert!(load_all(tls, &[], vec![listen()]).is_ok());
    }
}
