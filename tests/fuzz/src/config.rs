//! Settings: any file gives a configuration that prints as a file of the same meaning, or an
//! error that says which file is at fault.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};

use lockkeeper::config::{Config, ConfigError, load};
use tempfile::NamedTempFile;

thread_local! {
    static SCRATCH: RefCell<NamedTempFile> =
        RefCell::new(NamedTempFile::new().expect("a scratch file"));
}

/// The first line may be `NAME=VALUE` of the environment; the rest is the file.
pub fn target(data: &[u8]) {
    let (environment, file) = split(data);
    match read(file, &environment) {
        Ok(config) => {
            let printed = toml::to_string_pretty(&config).expect("a configuration can be printed");
            let again = read(printed.as_bytes(), &BTreeMap::new());
            assert_eq!(again.as_ref(), Ok(&config), "{printed}");
            bounded(&config);
        }
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.trim().is_empty());
            if let ConfigError::Value { allowed, .. } = &error {
                assert!(!allowed.is_empty(), "{sentence}");
            }
        }
    }
}

fn split(data: &[u8]) -> (BTreeMap<String, String>, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let first = end.and_then(|end| str::from_utf8(&data[..end]).ok());
    match (first.and_then(|line| line.split_once('=')), end) {
        (Some((name, value)), Some(end)) if name.starts_with("LOCKKEEPER_") => {
            let own = [(name.to_owned(), value.to_owned())];
            // That one would name a file of the machine.
            let own = own
                .into_iter()
                .filter(|(name, _)| name != "LOCKKEEPER_CONFIG");
            (own.collect(), &data[end + 1..])
        }
        _ => (BTreeMap::new(), data),
    }
}

fn read(text: &[u8], environment: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    SCRATCH.with_borrow_mut(|scratch| {
        let file: &mut File = scratch.as_file_mut();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text));
        written.expect("the scratch file can be written");
        load(Some(scratch.path()), environment, Vec::new())
    })
}

/// Limits that guard memory and time cannot be configured away.
fn bounded(config: &Config) {
    let limits = &config.limits;
    assert!(limits.xml_depth_max <= 128 && limits.xml_bytes_max <= 64 << 20);
    assert!(limits.json_bytes_max <= 64 << 20 && limits.path_bytes_max <= 65_536);
    assert!(limits.header_bytes_max <= 1 << 20 && config.server.connections_max <= 100_000);
    let exposed = !config.server.listen.ip().is_loopback();
    let tls = !config.server.tls_cert.as_os_str().is_empty();
    assert!(
        !exposed || tls || config.server.insecure,
        "passwords in the clear"
    );
}
