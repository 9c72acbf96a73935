//! What the reader understands, what it refuses, and where its bounds are.

#![expect(clippy::format_push_string, reason = "tests may allocate")]

use super::*;

const LIMITS: XmlLimits = XmlLimits {
    bytes_max: 20_000,
    depth_max: 8,
    elements_max: 200,
};

/// Everything that counts in a tree, on one line.
fn show(element: &Element<'_>) -> String {
    let mut out = format!("{}[", element.qname());
    for Attribute {
        ns, name, value, ..
    } in &element.attributes
    {
        out += &format!("{}={value:?};", QName::new(&**ns, name.as_str()));
    }
    for node in &element.children {
        match node {
            Node::Text(text) => out += &format!("{text:?}"),
            Node::Element(child) => out += &show(child),
        }
    }
    out + "]"
}

#[test]
fn names_references_and_line_ends_are_resolved() {
    fn check(body: &str, expect: &str) {
        let root = parse(body.as_bytes(), &LIMITS).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(show(&root), expect, "{body}");
    }
    check("<a/>", "{}a[]");
    check(
        "\u{FEFF}<?xml version='1.0' encoding='UTF-8'?>\n<a />\n<!-- x -->",
        "{}a[]",
    );
    check("<?xml version=\"1.0\" standalone='yes'?><a></a >", "{}a[]");
    check(
        "<p:a xmlns:p='u' q='1' p:q='2'/>",
        "{u}a[{}q=\"1\";{u}q=\"2\";]",
    );
    check("<a xmlns='u'><b xmlns=''/><b/></a>", "{u}a[{}b[]{u}b[]]");
    check(
        "<a xmlns:p='u'><b xmlns:p='v'><p:c/></b><p:c/></a>",
        "{}a[{}b[{v}c[]]{u}c[]]",
    );
    check(
        "<a xml:lang='de'/>",
        "{}a[{http://www.w3.org/XML/1998/namespace}lang=\"de\";]",
    );
    check(
        "<a>1&lt;&#50;&#x33;<!-- c -->4<![CDATA[<5>]]></a>",
        "{}a[\"1<234<5>\"]",
    );
    check("<a>x\r\ny\rz&#13;</a>", "{}a[\"x\\ny\\nz\\r\"]");
    check("<a b='&#10;\n\t&gt;&amp;lt;'/>", "{}a[{}b=\"\\n  >&lt;\";]");
    check(
        "<a>&#65536;&#x10FFFF;𝄞</a>",
        "{}a[\"\u{10000}\\u{10ffff}𝄞\"]",
    );
    check("<größe/>", "{}größe[]");
}

#[test]
fn what_no_webdav_body_needs_is_refused() {
    fn check(body: impl AsRef<[u8]>, expect: &str) {
        let body = body.as_ref();
        let error = parse(body, &LIMITS).expect_err(&String::from_utf8_lossy(body));
        let (sentence, shown) = (error.to_string(), String::from_utf8_lossy(body));
        assert!(sentence.contains(expect), "{shown}: {sentence}");
    }
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
    check(laughs, "<!DOCTYPE>");
    check("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "<!DOCTYPE>");
    check("<a>&b;</a>", "entity &b; is not allowed");
    check("<a b='&c;'/>", "entity &c; is not allowed");
    check("<a><?php x ?></a>", "processing instruction");
    check("<?xml-stylesheet href='x'?><a/>", "processing instruction");
    check(" <?xml version='1.0'?><a/>", "not at the beginning");
    check("<?xml version='1.1'?><a/>", "only XML 1.0");
    check(
        "<?xml version='1.0' encoding='iso-8859-1'?><a/>",
        "in iso-8859-1; only UTF-8",
    );
    check(
        "<?xml version='1.0' encoding='UTF-16'?><a/>",
        "in UTF-16; only UTF-8",
    );
    check(b"\xFF\xFE<\0a\0/\0>\0", "only UTF-8");
    check(b"\xFE\xFF\0<\0a\0/\0>", "only UTF-8");
    check(b"<\0a\0/\0>\0", "only UTF-8");
    check(b"<a>\xE9</a>", "only UTF-8");
    check("\u{FEFF}\u{FEFF}<a/>", "second byte order mark");
}

#[test]
fn malformed_bodies_are_refused() {
    fn check(body: &str) {
        let result = parse(body.as_bytes(), &LIMITS);
        assert!(result.is_err(), "{body:?} was read as {result:?}");
    }
    let whole = [
        "",
        " ",
        "x",
        "<a/>x",
        "<a/><b/>",
        "<a>",
        "</a>",
        "<a></b>",
        "<a><b></a></b>",
    ];
    let parts = [
        "<",
        "<a",
        "<a b",
        "<a b='",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='<'/>",
        "<>",
    ];
    let names = [
        "<1/>",
        "<:a/>",
        "<a:/>",
        "<a:b:c xmlns:a='u'/>",
        "< a/>",
        "<a 1='x'/>",
        "<a$/>",
    ];
    let text = [
        "<a>&</a>",
        "<a>&amp</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#xFFFE;</a>",
    ];
    let rest = [
        "<a>\0</a>",
        "<a>\u{1b}</a>",
        "<a b='&#1;'/>",
        "&amp;<a/>",
        "<![CDATA[x]]><a/>",
    ];
    let prefixes = [
        "<p:a/>",
        "<a p:b='1'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xmlns='u'/>",
    ];
    let bindings = [
        "<a xmlns:xml='u'/>",
        "<xmlns:a/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>",
    ];
    let reserved = [XML_NS, XMLNS_NS].map(|ns| format!("<a xmlns='{ns}'/>"));
    let fixed = [
        &whole[..],
        &parts,
        &names,
        &text,
        &rest,
        &prefixes,
        &bindings,
    ]
    .concat();
    fixed.into_iter().for_each(check);
    for body in &reserved {
        check(body);
    }
    check("<a/><!-- -- -->");
}

#[test]
fn every_amount_is_bounded() {
    /// `fits` is the most that is allowed.
    fn check(fits: usize, body: impl Fn(usize) -> String, expect: &str) {
        let most = body(fits);
        assert!(
            parse(most.as_bytes(), &LIMITS).is_ok(),
            "{fits} fit: {expect}"
        );
        let error = parse(body(fits + 1).as_bytes(), &LIMITS).expect_err(expect);
        assert!(error.to_string().contains(expect), "{error}");
    }
    let attributes = |what: &'static str| {
        move |n| (0..n).fold("<a ".to_owned(), |out, i| out + &format!("{what}{i}='u' ")) + "/>"
    };
    check(
        20_000 - 7,
        |n| format!("<a>{}</a>", " ".repeat(n)),
        "20000 bytes",
    );
    check(
        8,
        |n| "<a>".repeat(n) + &"</a>".repeat(n),
        "deeper than the 8 levels",
    );
    check(
        199,
        |n| format!("<a>{}</a>", "<b/>".repeat(n)),
        "200 elements",
    );
    check(64, attributes("b"), "64 attributes");
    check(64, attributes("xmlns:b"), "64 attributes");
    let two = |n| {
        let inner = attributes("xmlns:c")(n);
        attributes("xmlns:b")(64).replace("/>", ">") + &inner + "</a>"
    };
    let three = |n: usize| two(64).replace("/></a>", ">") + &attributes("xmlns:d")(n) + "</a></a>";
    check(0, three, "128 namespaces");
    check(
        1024,
        |n| format!("<{}/>", "n".repeat(n)),
        "more than 1024 bytes",
    );
    check(
        1024,
        |n| format!("<a xmlns='{}'/>", "n".repeat(n)),
        "more than 1024 bytes",
    );
    check(
        1024,
        |n| format!("<a xml:lang='{}'/>", "n".repeat(n)),
        "more than 1024 bytes",
    );
}

#[test]
fn depth_is_bounded_whatever_the_configuration_says() {
    let limits = XmlLimits {
        bytes_max: usize::MAX,
        depth_max: usize::MAX,
        elements_max: 1000,
    };
    let nested = |n| "<a>".repeat(n) + &"</a>".repeat(n);
    assert!(parse(nested(128).as_bytes(), &limits).is_ok());
    let refused = parse(nested(129).as_bytes(), &limits).map(|_| ());
    assert_eq!(refused, Err(XmlError::TooDeep(128)));
}

#[test]
fn namespaces_declared_by_siblings_do_not_add_up() {
    let body = format!("<a>{}</a>", "<b xmlns='u' xmlns:p='v'/>".repeat(199));
    assert!(parse(body.as_bytes(), &LIMITS).is_ok());
}
