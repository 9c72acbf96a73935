//! Paths and names: decoded from URLs, typed plainly, written again.

use lockkeeper::protocol::path::{DavPath, NAME_BYTES_MAX, Name, PathError};
use unicode_normalization::UnicodeNormalization as _;

const BYTES_MAX: usize = 4096;
const FEW_BYTES: usize = 64;

/// Any text is a path as the naive reading says, and comes back from every spelling of its own.
pub fn target(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let path = DavPath::parse(text, BYTES_MAX);
    agree(text, &path, naive_url(text).as_deref());
    limit(text, &path, &DavPath::parse(text, FEW_BYTES));
    if let Ok(path) = path {
        spellings_lead_back(&path);
    }

    let plain = DavPath::from_plain(text, BYTES_MAX);
    agree(text, &plain, naive_plain(text).as_deref());
    limit(text, &plain, &DavPath::from_plain(text, FEW_BYTES));
    if let Ok(plain) = plain {
        spellings_lead_back(&plain);
    }

    let name = Name::parse(text).ok();
    assert_eq!(name.map(|name| name.as_str().to_owned()), naive_name(text));
}

fn agree(text: &str, path: &Result<DavPath, PathError>, naive: Option<&[String]>) {
    let names = path.as_ref().ok().map(|path| {
        let names = path.names().iter().map(|name| name.as_str().to_owned());
        names.collect::<Vec<_>>()
    });
    assert_eq!(names.as_deref(), naive, "{text:?} was read as {path:?}");
}

/// A shorter limit refuses what is longer and nothing else.
fn limit(text: &str, path: &Result<DavPath, PathError>, limited: &Result<DavPath, PathError>) {
    if text.len() <= FEW_BYTES {
        assert_eq!(limited, path);
    } else {
        let (bytes, bytes_max) = (text.len(), FEW_BYTES);
        assert_eq!(limited, &Err(PathError::TooLong { bytes, bytes_max }));
    }
}

fn spellings_lead_back(path: &DavPath) {
    for collection in [false, true] {
        let href = path.href(collection);
        assert!(href.bytes().all(|byte| byte.is_ascii_graphic()), "{href}");
        let leads_away = ["?", "#", "//", "/./", "/../"];
        assert!(!leads_away.iter().any(|part| href.contains(part)), "{href}");
        same_spelling(path, &DavPath::parse(&href, usize::MAX));
    }
    assert_eq!(path.to_string(), path.href(path.has_trailing_slash()));
    same_spelling(path, &DavPath::from_plain(&path.to_plain(), usize::MAX));
    for name in path.names() {
        let nfc: String = name.as_str().nfc().collect();
        assert_eq!(name.key(), nfc);
        assert_eq!(
            Name::parse(&nfc).as_ref(),
            Ok(name),
            "its NFC form names the same"
        );
        assert!(nfc.len() <= NAME_BYTES_MAX);
    }
    match (path.name(), path.parent()) {
        (Some(name), Some(parent)) => {
            same_spelling(path, &Ok(parent.member(name.clone())));
            assert!(path.is_within(&parent) && !parent.is_within(path));
        }
        (None, None) => assert!(path.is_root()),
        other => panic!("a name without a parent, or the reverse: {other:?}"),
    }
}

fn same_spelling(path: &DavPath, other: &Result<DavPath, PathError>) {
    let other = other.as_ref().expect("what we write can be read");
    let spelled = |path: &DavPath| path.names().iter().map(|n| n.as_str().to_owned()).collect();
    let (one, two): (Vec<_>, Vec<_>) = (spelled(path), spelled(other));
    assert_eq!(one, two);
    assert_eq!(path, other);
}

/// The names of a URL's path, decoded by the library that others use.
fn naive_url(text: &str) -> Option<Vec<String>> {
    if text.len() > BYTES_MAX || text.contains('#') {
        return None;
    }
    let path = text.split('?').next()?;
    let broken = path
        .split('%')
        .skip(1)
        .any(|rest| rest.len() < 2 || !rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    let decode = |segment: &String| {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        decoded.ok().and_then(|name| naive_name(&name))
    };
    let segments = naive_segments(path).filter(|_| !broken)?;
    segments.iter().map(decode).collect()
}

fn naive_plain(text: &str) -> Option<Vec<String>> {
    let segments = naive_segments(text).filter(|_| text.len() <= BYTES_MAX)?;
    segments.iter().map(|name| naive_name(name)).collect()
}

fn naive_segments(path: &str) -> Option<Vec<String>> {
    if path == "/" {
        return Some(Vec::new());
    }
    let mut segments: Vec<_> = path.split('/').map(str::to_owned).collect();
    if segments.len() < 2 || !segments.remove(0).is_empty() {
        return None;
    }
    if segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    Some(segments)
}

fn naive_name(name: &str) -> Option<String> {
    let nfc: String = name.nfc().collect();
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && nfc.len() <= NAME_BYTES_MAX;
    let fine = name != "." && name != ".." && !name.contains(['/', '\0']);
    (fits && fine).then(|| name.to_owned())
}
