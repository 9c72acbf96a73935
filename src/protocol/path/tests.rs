use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const BYTES_MAX: usize = 4096;

fn path(raw: &str) -> DavPath {
    DavPath::parse(raw, BYTES_MAX).unwrap()
}

#[test]
fn paths_are_decoded_once_and_encoded_canonically() {
    #[track_caller]
    fn check(raw: &str, names: &[&str], href: &str) {
        let path = path(raw);
        let found: Vec<_> = path.names().iter().map(Name::as_str).collect();
        assert_eq!(found, names, "{raw}");
        assert_eq!(path.to_string(), href, "{raw}");
    }
    check("/", &[], "/");
    check("/?query", &[], "/");
    check("/a", &["a"], "/a");
    check("/a/", &["a"], "/a/");
    check("/a/b?x=/../%zz", &["a", "b"], "/a/b");
    check("/a%20b/%C3%a4", &["a b", "ä"], "/a%20b/%C3%A4");
    check("/a b/ä", &["a b", "ä"], "/a%20b/%C3%A4");
    check("/%41%7e%2D", &["A~-"], "/A~-");
    check("/%252e%252e/x", &["%2e%2e", "x"], "/%252e%252e/x");
    check(
        "/a+b;v=1,2:@!$&'()*",
        &["a+b;v=1,2:@!$&'()*"],
        "/a+b;v=1,2:@!$&'()*",
    );
    check(
        "/%23%3F%25%5c%22%3C%3E",
        &["#?%\\\"<>"],
        "/%23%3F%25%5C%22%3C%3E",
    );
    check("/.../.a/..b", &["...", ".a", "..b"], "/.../.a/..b");
    // macOS: NFD stays as spelled.
    check("/cafe%CC%81", &["cafe\u{301}"], "/cafe%CC%81");
}

#[test]
fn what_is_no_path_is_refused_with_a_reason() {
    #[track_caller]
    fn check(raw: &str, reason: &str) {
        let error = DavError::from(DavPath::parse(raw, BYTES_MAX).unwrap_err());
        assert_eq!(error.status(), 400, "{raw}");
        assert!(error.to_string().contains(reason), "{raw}: {error}");
    }
    check("", "begin with '/'");
    check("a/b", "begin with '/'");
    check("*", "begin with '/'");
    check("?x", "begin with '/'");
    check("//", "empty name");
    check("//a", "empty name");
    check("/a//b", "empty name");
    check("/a//", "empty name");
    check("/.", "'..'");
    check("/a/../b", "'..'");
    check("/a/%2e%2E", "'..'");
    check("/%2e/", "'..'");
    check("/a%2Fb", "%2F");
    check("/..%2f..%2fetc", "%2F");
    check("/a%00b", "NUL");
    check("/%", "hexadecimal");
    check("/a%4", "hexadecimal");
    check("/a%4/b", "hexadecimal");
    check("/%zz", "hexadecimal");
    check("/%+1", "hexadecimal");
    check("/%C3", "UTF-8");
    check("/%C0%AE%C0%AE", "UTF-8");
    check("/%ED%A0%80", "UTF-8");
    check("/a#b", "fragment");
    check(&format!("/{}", "x".repeat(256)), "256 bytes");
    check(&format!("/{}", "%C3%A4".repeat(128)), "256 bytes");
}

#[test]
fn lengths_are_limited() {
    assert!(DavPath::parse(&format!("/{}", "x".repeat(255)), 256).is_ok());
    let error = DavError::from(DavPath::parse("/abcd", 4).unwrap_err());
    assert_eq!(error.status(), 414);
    assert_eq!(
        error.to_string(),
        "the path has 5 bytes; at most 4 are allowed"
    );
    // 85 × 3 bytes as spelled, 85 × 6 in NFC.
    assert!(Name::parse(&"\u{958}".repeat(85)).is_err());
    assert!(Name::parse(&"\u{958}".repeat(42)).is_ok());
}

#[test]
fn names_and_paths_are_compared_by_nfc() {
    let (nfc, nfd) = (path("/caf%C3%A9/x"), path("/cafe%CC%81/x/"));
    assert_eq!(nfc, nfd);
    assert_eq!(nfd.names()[0].key(), "café");
    assert_eq!(nfd.names()[0].as_str(), "cafe\u{301}");
    assert_eq!(nfc.names()[0].cmp(&nfd.names()[0]), Ordering::Equal);
    assert_eq!(HashSet::from([nfc.clone(), nfd.clone()]).len(), 1);
    assert!(nfd.is_within(&path("/caf%C3%A9")));
    assert_ne!(path("/a"), path("/A"));
    assert!(!nfc.has_trailing_slash() && nfd.has_trailing_slash());
}

#[test]
fn parents_names_and_ancestors() {
    let (root, b) = (DavPath::root(), path("/a/b"));
    assert!(root.is_root() && root.parent().is_none() && root.name().is_none());
    assert_eq!(root, path("/"));
    assert_eq!(b.parent(), Some(path("/a")));
    assert_eq!(path("/a").parent(), Some(root.clone()));
    let names = ["a", "b"].map(|name| Name::parse(name).unwrap());
    assert_eq!(names.into_iter().collect::<DavPath>(), b);
    assert_eq!(b.href(true), "/a/b/");
    assert_eq!(path("/a/b/").href(false), "/a/b");
    assert_eq!(root.href(false), "/");
    assert!(b.is_within(&b) && b.is_within(&path("/a")) && b.is_within(&root));
    assert!(!path("/a").is_within(&b) && !path("/ab").is_within(&path("/a")));
}

proptest! {
    #[test]
    fn parsing_never_panics(raw in "\\PC*", bytes in any::<Vec<u8>>()) {
        let _ = DavPath::parse(&raw, BYTES_MAX);
        let _ = DavPath::parse(&format!("/{}", String::from_utf8_lossy(&bytes)), BYTES_MAX);
    }

    #[test]
    fn hrefs_come_back_as_the_same_path(
        texts in prop::collection::vec(any::<String>(), 0..6),
        collection: bool,
    ) {
        let names = texts.iter().filter_map(|text| Name::parse(text).ok());
        let path: DavPath = names.collect();
        let href = path.href(collection);
        let again = DavPath::parse(&href, usize::MAX).unwrap();
        prop_assert!(href.is_ascii());
        prop_assert_eq!(&again, &path);
        let spelling = |path: &DavPath| -> Vec<String> {
            path.names().iter().map(|name| name.as_str().to_owned()).collect()
        };
        prop_assert_eq!(spelling(&again), spelling(&path));
        prop_assert_eq!(again.href(collection), href);
    }

    #[test]
    fn keys_are_names_and_their_own_keys(text: String) {
        if let Ok(name) = Name::parse(&text) {
            let key = Name::parse(name.key()).unwrap();
            prop_assert_eq!(key.as_str(), key.key());
            prop_assert_eq!(key, name);
        }
    }
}

#[test]
fn as_people_type_them() {
    fn check(text: &str, expect: Result<&str, &str>) {
        let read = DavPath::from_plain(text, 50);
        let read = read.map(|path| (path.href(false), path.to_plain()));
        match expect {
            Ok(href) => {
                let plain = text.trim_end_matches('/');
                let plain = if plain.is_empty() { "/" } else { plain };
                assert_eq!(read, Ok((href.to_owned(), plain.to_owned())), "{text:?}");
            }
            Err(part) => {
                let error = read.unwrap_err().to_string();
                assert!(error.contains(part), "{text:?}: {error}");
            }
        }
    }
    check("/", Ok("/"));
    check("/Häuser 1", Ok("/H%C3%A4user%201"));
    check("/a/100%25/", Ok("/a/100%2525"));
    check("/what? #1", Ok("/what%3F%20%231"));
    check("", Err("does not begin with '/'"));
    check("a/b", Err("does not begin with '/'"));
    check("/a//b", Err("empty name"));
    check("//", Err("empty name"));
    check("/a/../b", Err("'..'"));
    check(&format!("/{}", "a".repeat(50)), Err("at most 50"));
}
