//! How the addresses of the naive model lie to each other.

pub(crate) fn parent(at: &str) -> String {
    match at.rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((above, _)) => above.to_owned(),
    }
}

pub(crate) fn member(of: &str, name: &str) -> String {
    format!("{}/{name}", of.trim_end_matches('/'))
}

pub(crate) fn name(at: &str) -> &str {
    at.rsplit('/').next().unwrap()
}

pub(crate) fn is_below(inner: &str, outer: &str) -> bool {
    inner != outer && (outer == "/" || inner.starts_with(&format!("{outer}/")))
}

pub(crate) fn is_within(inner: &str, outer: &str) -> bool {
    inner == outer || is_below(inner, outer)
}

/// From the address up to the root.
pub(crate) fn upwards(at: &str) -> Vec<String> {
    let mut all = vec![at.to_owned()];
    while all.last().unwrap() != "/" {
        all.push(parent(all.last().unwrap()));
    }
    all
}
