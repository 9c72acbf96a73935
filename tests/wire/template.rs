//! Texts with placeholders: filled in for a request, matched against an answer, and made from the
//! body of an answer.

use std::collections::BTreeMap;

/// What was captured so far, and what is known from the start.
#[derive(Debug, Default)]
pub(crate) struct Captures(BTreeMap<String, String>);

/// The length of a value at the beginning of a text, if there is one.
type Shape = fn(&str) -> Option<usize>;

/// How the named values look.
const KINDS: [(&str, Shape); 7] = [
    ("token", token),
    ("etag", etag),
    ("date", date),
    ("time", time),
    ("number", number),
    ("id", id),
    ("user", uuid),
];

fn token(text: &str) -> Option<usize> {
    const PREFIX: &str = "urn:uuid:";
    Some(PREFIX.len() + uuid(text.strip_prefix(PREFIX)?)?)
}

fn uuid(text: &str) -> Option<usize> {
    const DIGITS: usize = 36;
    let digits = text.get(..DIGITS)?;
    let is_random = digits.as_bytes()[14] == b'4';
    let is_uuid = digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (is_random && is_uuid).then_some(DIGITS)
}

fn etag(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('"')?;
    let end = inside.find('"')?;
    let is_opaque = end > 0
        && inside[..end]
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_opaque.then_some(end + 2)
}

/// A pattern of the same length: `0` a digit, `a` a letter, the rest as it is.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let text = text.get(..shape.len())?;
    let same = text
        .bytes()
        .zip(shape.bytes())
        .all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            other => byte == other,
        });
    same.then_some(shape.len())
}

fn date(text: &str) -> Option<usize> {
    shaped(text, "aaa, 00 aaa 0000 00:00:00 aaa")
}

fn time(text: &str) -> Option<usize> {
    shaped(text, "0000-00-00T00:00:00Z")
}

fn number(text: &str) -> Option<usize> {
    let length = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (length > 0).then_some(length)
}

fn id(text: &str) -> Option<usize> {
    let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    let length = text.find(|c: char| !is_id(c)).unwrap_or(text.len());
    (length > 0).then_some(length)
}

/// A text in pieces.
enum Piece<'t> {
    Text(&'t str),
    Hole(&'t str),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else {
            break;
        };
        pieces.push(Piece::Text(&rest[..open]));
        pieces.push(Piece::Hole(&rest[open + 1..open + length]));
        rest = &rest[open + length + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

impl Captures {
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// The bytes of a request's text.
    ///
    /// # Errors
    /// The name of a placeholder that was never captured.
    pub(crate) fn fill(&self, template: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in pieces(template) {
            match piece {
                Piece::Text(text) => bytes.extend(unescape(text)),
                Piece::Hole(name) => match (repeated(name), self.0.get(name)) {
                    (Some(text), _) => bytes.extend(text),
                    (None, Some(value)) => bytes.extend(value.bytes()),
                    (None, None) => return Err(format!("{{{name}}} was never captured")),
                },
            }
        }
        Ok(bytes)
    }

    /// Whether `actual` is what the template says; captures what it names first.
    pub(crate) fn matches(&mut self, template: &str, actual: &[u8]) -> bool {
        let captured = self.captured(template, actual);
        let matches = captured.is_some();
        self.0.extend(captured.unwrap_or_default());
        matches
    }

    /// What the template names first; `None` if it does not match.
    fn captured(&self, template: &str, actual: &[u8]) -> Option<BTreeMap<String, String>> {
        let mut rest = actual;
        let mut new = BTreeMap::new();
        for piece in pieces(template) {
            let expected = match piece {
                Piece::Text(text) => unescape(text),
                Piece::Hole(name) => {
                    let known = self.0.get(name).or_else(|| new.get(name)).cloned();
                    match (repeated(name), known) {
                        (Some(text), _) => text,
                        (None, Some(value)) => value.into_bytes(),
                        (None, None) => {
                            let value = value_of(name, rest)?;
                            if !name.ends_with('?') {
                                new.insert(name.to_owned(), value.clone());
                            }
                            value.into_bytes()
                        }
                    }
                }
            };
            rest = rest.strip_prefix(expected.as_slice())?;
        }
        rest.is_empty().then_some(new)
    }

    /// A template that `actual` matches, in indented lines if it is XML.
    pub(crate) fn template_of(&self, actual: &[u8]) -> String {
        let text = String::from_utf8_lossy(actual);
        let escaped = escape(actual);
        if text.starts_with("<?xml") {
            indented(&self.with_holes(&escaped))
        } else {
            self.with_holes(&escaped).replace("\\n", "\\n\n")
        }
    }

    /// Puts names for values that differ from run to run.
    fn with_holes(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let found = KINDS[..4]
                .iter()
                .find_map(|(kind, length)| Some((*kind, length(rest)?)));
            let id = id(rest).filter(|_| out.ends_with("<D:href>urn:lockkeeper:"));
            let Some((kind, length)) = found.or(id.map(|length| ("id", length))) else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            };
            let value = &rest[..length];
            let known = self.0.iter().find(|(name, known)| {
                name.starts_with(kind) && *known == value && !matches!(kind, "date" | "time")
            });
            match (known, kind, value.starts_with('"')) {
                (Some((name, _)), ..) => out.push_str(&format!("{{{name}}}")),
                // A value in quotes is an entity tag only as an element's content.
                (None, "etag", true) if !out.ends_with("<D:getetag>") => out.push_str(value),
                (None, ..) => out.push_str(&format!("{{{kind}?}}")),
            }
            rest = &rest[length..];
        }
        out
    }
}

fn value_of(name: &str, rest: &[u8]) -> Option<String> {
    let kind = name
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let (_, length) = KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .unwrap_or_else(|| panic!("{{{name}}} does not begin like anything that can be matched"));
    // A body may be cut in the middle of a character behind the value.
    let text = match std::str::from_utf8(rest) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
    };
    length(text).map(|length| text[..length].to_owned())
}

/// `9*x`.
fn repeated(name: &str) -> Option<Vec<u8>> {
    let (count, text) = name.split_once('*')?;
    Some(unescape(text).repeat(count.parse().ok()?))
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b's') => b' ',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(Option::unwrap_or_default);
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("\\x{digits}"))
            }
            other => panic!("\\{:?} in {text}", other.map(char::from)),
        });
    }
    bytes
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                '{' => out.push_str("\\x7b"),
                c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => out.push(c),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// One element a line; elements that hold only text in one.
fn indented(xml: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut rest = xml;
    let mut in_line = false;
    while !rest.is_empty() {
        let end = match rest.strip_prefix('<') {
            Some(_) => rest.find('>').map_or(rest.len(), |end| end + 1),
            None => rest.find('<').unwrap_or(rest.len()),
        };
        let (piece, behind) = rest.split_at(end);
        let closes = piece.starts_with("</");
        if closes {
            depth = depth.saturating_sub(1);
        }
        if piece.starts_with('<') && !(closes && in_line) && !out.is_empty() {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        let (lead, trail) = (
            piece.starts_with(' '),
            piece.len() > 1 && piece.ends_with(' '),
        );
        let inner = piece.strip_prefix(' ').unwrap_or(piece);
        let inner = if trail {
            inner.strip_suffix(' ').unwrap_or(inner)
        } else {
            inner
        };
        out.push_str(if lead { "\\s" } else { "" });
        out.push_str(inner);
        out.push_str(if trail { "\\s" } else { "" });
        let opens =
            piece.starts_with('<') && !closes && !piece.ends_with("/>") && !piece.starts_with("<?");
        if opens {
            depth += 1;
        }
        in_line = opens || !piece.starts_with('<');
        rest = behind;
    }
    out
}

#[test]
fn a_template_matches_nothing_else() {
    #[track_caller]
    fn check(template: &str, actual: &str, expect: bool) {
        let mut captures = Captures::default();
        captures.set("etag-1", "\"1\"".to_owned());
        assert_eq!(
            captures.matches(template, actual.as_bytes()),
            expect,
            "{template}"
        );
    }
    check("", "", true);
    check("", "x", false);
    check("x", "", false);
    check("a\\nb\\x00\\s", "a\nb\0 ", true);
    check("{3*ab}c", "abababc", true);
    check("{3*ab}c", "ababc", false);
    check("{etag-1}", "\"1\"", true);
    check("{etag-1}", "\"2\"", false);
    check("{etag-2} {etag-2}", "\"2\" \"2\"", true);
    check("{etag-2} {etag-2}", "\"2\" \"3\"", false);
    check("{etag?} {etag?}", "\"2\" \"3\"", true);
    check("{etag?}", "W/\"2\"", false);
    check("Second-{number?}", "Second-1799", true);
    check("Second-{number?}", "Second-", false);
    check("{date?}", "Sun, 22 Nov 2026 02:21:03 GMT", true);
    check("{date?}", "2026-11-22T02:21:03Z", false);
    check(
        "{token?}",
        "urn:uuid:1ef0cbe2-93a5-4a6d-9f0b-3d9b2a5b7c11",
        true,
    );
    check(
        "{token?}",
        "urn:uuid:1ef0cbe2-93a5-1a6d-9f0b-3d9b2a5b7c11",
        false,
    );
    check("{token?}", "opaquelocktoken:1ef0cbe2", false);
}

#[test]
fn a_template_made_from_a_body_matches_it() {
    let token = "urn:uuid:1ef0cbe2-93a5-4a6d-9f0b-3d9b2a5b7c11";
    let mut captures = Captures::default();
    captures.set("token", token.to_owned());
    let xml = format!(
        "<?xml version=\"1.0\"?><a b=\"1\"> <c>x y</c><d/>\\{{\n<D:getetag>\"7\"</D:getetag>\
         2026-11-22T02:21:03Z {token}</a>"
    );
    for body in [xml.as_str(), "two\nlines {\r", "\u{1}", "ü"] {
        let template = captures.template_of(body.as_bytes());
        let joined: String = template.lines().map(str::trim).collect();
        assert!(captures.matches(&joined, body.as_bytes()), "{template}");
    }
}
