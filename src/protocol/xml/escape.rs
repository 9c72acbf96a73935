//! Which characters and names XML 1.0 can carry, and how text, elements and addresses are written
//! so that they come back unchanged.

/// Whether XML 1.0 can carry this character at all, even as a reference (XML 1.0 §2.2).
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether this is a name without a colon (Namespaces in XML §3, `NCName`).
pub(super) fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Appends character data. A carriage return goes as a reference, because a reader would turn it
/// into a line feed; characters that XML cannot carry are dropped.
pub(super) fn push_text(out: &mut String, text: &str) {
    push_escaped(out, text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#13;"),
        c if is_xml_char(c) => None,
        _ => Some(""),
    });
}

/// Appends the inside of an attribute value in double quotes. White space other than the space
/// goes as references, because a reader would turn it into spaces.
pub(super) fn push_attribute(out: &mut String, value: &str) {
    push_escaped(out, value, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&apos;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        c if is_xml_char(c) => None,
        _ => Some(""),
    });
}

/// Copies whole stretches that need nothing, as most text does.
fn push_escaped(out: &mut String, text: &str, replace: impl Fn(char) -> Option<&'static str>) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        if let Some(replacement) = replace(c) {
            out.push_str(&text[copied..at]);
            out.push_str(replacement);
            copied = at + c.len_utf8();
        }
    }
    out.push_str(&text[copied..]);
}

/// Whether nothing in it is ever replaced.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches many bytes are compared at once, which is faster than to stop early"
)]
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| {
        (b' '..=b'~').contains(&byte)
            & (byte != b'&')
            & (byte != b'<')
            & (byte != b'>')
            & (byte != b'"')
            & (byte != b'\'')
    };
    text.bytes()
        .fold(true, |plain, byte| plain & is_plain(byte))
}

/// Appends `<element>…</element>`.
pub(super) fn push_element(out: &mut String, element: &str, inside: impl FnOnce(&mut String)) {
    out.push('<');
    out.push_str(element);
    out.push('>');
    inside(out);
    out.push_str("</");
    out.push_str(element);
    out.push('>');
}

/// Appends a `DAV:href`. Percent-encoding leaves `&` and `'` as they are; XML does not.
pub fn push_href(out: &mut String, href: &str) {
    push_element(out, "D:href", |out| push_text(out, href));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        fn check(input: &str, as_text: &str, as_attribute: &str) {
            let mut text = String::new();
            push_text(&mut text, input);
            assert_eq!(text, as_text, "text {input:?}");
            let mut attribute = String::new();
            push_attribute(&mut attribute, input);
            assert_eq!(attribute, as_attribute, "attribute {input:?}");
        }
        check("", "", "");
        check("plain ü 𐀀", "plain ü 𐀀", "plain ü 𐀀");
        check("a<b>&c", "a&lt;b&gt;&amp;c", "a&lt;b&gt;&amp;c");
        check("]]>", "]]&gt;", "]]&gt;");
        check("\"it's\"", "\"it's\"", "&quot;it&apos;s&quot;");
        check("a\tb\nc\rd", "a\tb\nc&#13;d", "a&#9;b&#10;c&#13;d");
        check("a\0b\u{1b}c\u{fffe}d\u{ffff}", "abcd", "abcd");
        check(
            "\u{85}\u{2028}\u{fffd}",
            "\u{85}\u{2028}\u{fffd}",
            "\u{85}\u{2028}\u{fffd}",
        );
    }

    #[test]
    fn names_are_told_from_other_text() {
        fn check(text: &str, expect: bool) {
            assert_eq!(is_ncname(text), expect, "{text:?}");
        }
        check("getetag", true);
        check("_x-1.2", true);
        check("größe", true);
        check("\u{10000}", true);
        check("", false);
        check("1a", false);
        check("-a", false);
        check("a:b", false);
        check("a b", false);
        check("a<b", false);
        check("a\u{D7}", false);
    }
}
