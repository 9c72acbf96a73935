//! Templates of addresses: `/api/files/{fileId}/lock`.

use percent_encoding::percent_decode_str;

/// The values of the `{name}`s of a template.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// The last segment of a template that takes everything there and below.
const REST: &str = "{*}";

/// The path parameters, decoded, if `path` (encoded, as on the request line) is of this template;
/// and how literal the template is: of two that match, the one that has a fixed segment first is
/// meant.
pub(super) fn matches(template: &'static str, path: &str) -> Option<(Vec<bool>, Parameters)> {
    // A slash at the end makes no difference, as in the servers whose clients come here.
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = path.split('/');
    let (mut literal, mut parameters) = (Vec::new(), Vec::new());
    for wanted in template.split('/') {
        if wanted == REST {
            return Some((literal, parameters));
        }
        let sent = percent_decode_str(segments.next()?).decode_utf8().ok()?;
        match wanted
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) if !sent.is_empty() => parameters.push((name, sent.into_owned())),
            None if sent == wanted => {}
            _ => return None,
        }
        literal.push(!wanted.starts_with('{'));
    }
    segments.next().is_none().then_some((literal, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        fn check(template: &'static str, path: &str, expect: Option<&[(&str, &str)]>) {
            let found = matches(template, path).map(|(_, found)| found);
            let found: Option<Vec<(&str, &str)>> = found
                .as_ref()
                .map(|found| found.iter().map(|(k, v)| (*k, v.as_str())).collect());
            assert_eq!(found.as_deref(), expect, "{template} {path}");
        }
        check("/api/a", "/api/a", Some(&[]));
        check("/api/a", "/api/a/", Some(&[]));
        check("/api/a", "/api/%61", Some(&[]));
        check("/api/a", "/api/a//", None);
        check("/api/a", "/api/A", None);
        check("/api/a", "/api", None);
        check("/api/{x}", "/api/", None);
        check("/api/{x}", "/api/b%2Fc%20d", Some(&[("x", "b/c d")]));
        check("/api/{x}", "/api/%ff", None);
        check(
            "/api/{x}/y/{z}",
            "/api/1/y/2",
            Some(&[("x", "1"), ("z", "2")]),
        );
        check("/api/{x}/y/{z}", "/api/1/q/2", None);
        check("/api/a/{*}", "/api/a", Some(&[]));
        check("/api/a/{*}", "/api/a/b/c", Some(&[]));
        check("/api/a/{*}", "/api/ab", None);
        check("/api/{x}/{*}", "/api/1/b/c", Some(&[("x", "1")]));
    }

    #[test]
    fn fixed_segments_come_first() {
        let literal = |template| matches(template, "/f/@my/a").unwrap().0;
        assert!(literal("/f/@my/{x}") > literal("/f/{x}/a"));
        assert!(literal("/f/@my/a") > literal("/f/@my/{x}"));
        assert!(literal("/f/@my/{x}") > literal("/f/@my/{*}"));
        assert!(literal("/f/@my/a") > literal("/f/{x}/{*}"));
    }
}
