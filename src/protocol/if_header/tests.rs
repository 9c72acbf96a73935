//! The grammar and the meaning of `If`, with the headers that clients really send.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::headers::headers_of;
use super::*;

const PATH_BYTES_MAX: usize = 4096;

fn parse(lines: &[&str]) -> Result<Option<IfHeader>, DavError> {
    let own = [("Host", "127.0.0.1:8082")];
    let lines: Vec<_> = own
        .into_iter()
        .chain(lines.iter().map(|line| ("If", *line)))
        .collect();
    let own_hosts = ["www.example.com".to_owned()];
    IfHeader::from_headers(&headers_of(&lines), &own_hosts, PATH_BYTES_MAX)
}

fn read(line: &str) -> IfHeader {
    parse(&[line]).unwrap().unwrap()
}

/// The header in a short notation: `/path|+token -"tag"; …`.
fn short(header: &IfHeader) -> String {
    let list = |list: &IfList| {
        let resource = match &list.resource {
            Tag::Request => ".".to_owned(),
            Tag::Path(path) => path.to_string(),
            Tag::Foreign => "?".to_owned(),
        };
        let conditions = list.conditions.iter().map(|condition| {
            let sign = if condition.sense == Sense::Not {
                '-'
            } else {
                '+'
            };
            match &condition.test {
                IfTest::Token(token) => format!("{sign}{token}"),
                IfTest::Etag(tag) => format!("{sign}{tag}"),
            }
        });
        format!("{resource}|{}", conditions.collect::<Vec<_>>().join(" "))
    };
    header.lists.iter().map(list).collect::<Vec<_>>().join("; ")
}

#[test]
fn grammar() {
    #[track_caller]
    fn check(lines: &[&str], expect: &str) {
        let header = parse(lines).unwrap().unwrap();
        assert_eq!(short(&header), expect, "{lines:?}");
    }
    // RFC 4918 §10.4.6 to §10.4.11.
    check(
        &[r#"(<urn:uuid:181d4fae> ["I am an ETag"]) (["I am another ETag"])"#],
        r#".|+urn:uuid:181d4fae +"I am an ETag"; .|+"I am another ETag""#,
    );
    check(
        &["(Not <urn:uuid:181d4fae> <urn:uuid:58f202ac>)"],
        ".|-urn:uuid:181d4fae +urn:uuid:58f202ac",
    );
    check(
        &["(<urn:uuid:181d4fae>) (Not <DAV:no-lock>)"],
        ".|+urn:uuid:181d4fae; .|-DAV:no-lock",
    );
    check(
        &[r#"</resource1> (<urn:uuid:181d4fae> [W/"A weak ETag"]) (["strong ETag"])"#],
        r#"/resource1|+urn:uuid:181d4fae +W/"A weak ETag"; /resource1|+"strong ETag""#,
    );
    check(
        &["<http://www.example.com/specs/> (<urn:uuid:181d4fae>)"],
        "/specs/|+urn:uuid:181d4fae",
    );
    check(
        &[r#"</specs/rfc2518.doc> (["4217"])"#],
        r#"/specs/rfc2518.doc|+"4217""#,
    );
    check(
        &[r#"</specs/rfc2518.doc> (Not ["4217"])"#],
        r#"/specs/rfc2518.doc|-"4217""#,
    );
    // White space, letter case, characters that mean something elsewhere.
    check(&["(<a:b>)(<c:d>)"], ".|+a:b; .|+c:d");
    check(&["\t( NOT<a:b>not [ \"x\" ] )  "], ".|-a:b -\"x\"");
    check(&["(Not\t<a:b>)"], ".|-a:b");
    check(&[r#"(["a]) (\"])"#], r#".|+"a]) (\""#);
    check(&["(<a:(b)[c],d>)"], ".|+a:(b)[c],d");
    check(&["</a,b(c)> (<a:b>)"], "/a,b(c)|+a:b");
    check(&["</a%20b/c%c3%a9> (<a:b>)"], "/a%20b/c%C3%A9|+a:b");
    // Several lines: each is a header of its own.
    check(&["(<a:b>)", "(<c:d>)"], ".|+a:b; .|+c:d");
    check(&["(<a:b>), (<c:d>)"], ".|+a:b; .|+c:d");
    check(
        &["</a> (<a:b>)", "(<c:d>)", "</e> (<e:f>)"],
        "/a|+a:b; .|+c:d; /e|+e:f",
    );
    check(&["</a> (<a:b>), (<c:d>)"], "/a|+a:b; .|+c:d");
    // Tags that are not ours.
    check(&["<http://other.example.com/a> (<a:b>)"], "?|+a:b");
    check(
        &["<http://127.0.0.1/a/../b> (<a:b>) <urn:x> (<a:c>) <a> (<a:d>)"],
        "?|+a:b; ?|+a:c; ?|+a:d",
    );
    check(&["<https://WWW.example.com:443/a> (<a:b>)"], "/a|+a:b");
    check(
        &[&format!("</{}> (<a:b>)", "x/".repeat(PATH_BYTES_MAX))],
        "?|+a:b",
    );
}

#[test]
fn headers_seen_on_the_wire() {
    #[track_caller]
    fn check(line: &str, expect: &str) {
        assert_eq!(short(&read(line)), expect, "{line}");
    }
    // LibreOffice, Windows, macOS and every lock refresh.
    check(
        "(<opaquelocktoken:bf20e927-1>)",
        ".|+opaquelocktoken:bf20e927-1",
    );
    // davfs2: one file; the source and the target of a rename; all open files of a folder.
    check(
        "<http://127.0.0.1:8082/dav/.new.txt.swp> (<T:1>)",
        "/dav/.new.txt.swp|+T:1",
    );
    check(
        "<http://127.0.0.1:8082/dav/rs/a/b/.g3.dYja85> (<T:1>)",
        "/dav/rs/a/b/.g3.dYja85|+T:1",
    );
    check(
        "<http://127.0.0.1:8082/dav/repo/.git/config> (<T:1>) \
         <http://127.0.0.1:8082/dav/repo/.git/config.lock> (<T:2>)",
        "/dav/repo/.git/config|+T:1; /dav/repo/.git/config.lock|+T:2",
    );
    check(
        "<http://127.0.0.1:8082/dav/t3/a/b/g1> (<T:1>) \
         <http://127.0.0.1:8082/dav/t3/a/b/g2> (<T:2>) \
         <http://127.0.0.1:8082/dav/t3/a/b/g3> (<T:3>) <http://127.0.0.1:8082/dav/t3/f1> (<T:4>) \
         <http://127.0.0.1:8082/dav/t3/f2> (<T:5>) <http://127.0.0.1:8082/dav/t3/f3> (<T:6>)",
        "/dav/t3/a/b/g1|+T:1; /dav/t3/a/b/g2|+T:2; /dav/t3/a/b/g3|+T:3; /dav/t3/f1|+T:4; \
         /dav/t3/f2|+T:5; /dav/t3/f3|+T:6",
    );
    // litmus.
    check(
        "</dav/litmus/lockcoll/> (<T:1>)",
        "/dav/litmus/lockcoll/|+T:1",
    );
    check("(<T:1>) (Not <DAV:no-lock>)", ".|+T:1; .|-DAV:no-lock");
    check(r#"(<DAV:no-lock> ["e"])"#, r#".|+DAV:no-lock +"e""#);
    check(
        r#"(<T:1> ["e"]) (Not <DAV:no-lock> ["e"])"#,
        r#".|+T:1 +"e"; .|-DAV:no-lock +"e""#,
    );
}

#[test]
fn malformed_headers_are_refused_saying_where() {
    #[track_caller]
    fn check(line: &str, reason: &str) {
        let error = parse(&[line]).unwrap_err();
        assert_eq!(error.status(), 400, "{line}");
        assert!(error.to_string().contains(reason), "{line}: {error}");
    }
    check("", "at its end: expected a list in parentheses");
    check("<a:b>", "at its end: expected '('");
    check(
        "</a> </b> (<a:b>)",
        "byte 6, at \"</b> (<a:b>)\": expected '('",
    );
    check("()", "byte 2, at \")\": expected a token");
    check("(Not)", "byte 5, at \")\": expected a token");
    check(
        "(Not Not <a:b>)",
        "byte 6, at \"Not <a:b>)\": expected a token",
    );
    check("(Nut <a:b>)", "byte 2");
    check("(<a:b>", "at its end: expected a token");
    check("(<a:b", "expected a '>' for this '<'");
    check("(<>)", "expected something between the brackets");
    check("< > (<a:b>)", "expected something between the brackets");
    check("(a:b)", "byte 2, at \"a:b)\"");
    check(
        "([abc])",
        "byte 3, at \"abc])\": expected an entity tag in double quotes",
    );
    check("([\"abc])", "expected an entity tag");
    check("([\"abc\")", "expected ']'");
    check("(<a:b>) x", "byte 9, at \"x\"");
    check(
        "(<a:b>) </a> (<a:b>)",
        "byte 9, at \"</a> (<a:b>)\": expected another list",
    );
    check("(<a:b>),", "at its end");
    check("(<a:b>,<c:d>)", "byte 7");
    check("(<a:b> ä)", "byte 8, at \"ä)\"");
    let invalid = http::HeaderValue::from_bytes(b"(<a:\xff>)").unwrap();
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("if"), invalid)]);
    assert!(IfHeader::from_headers(&headers, &[], PATH_BYTES_MAX).is_err());
    assert_eq!(parse(&[]), Ok(None));
}

#[test]
fn headers_are_bounded() {
    #[track_caller]
    fn check(lines: &[&str], reason: &str) {
        let error = parse(lines).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(read(&"(<a:b>)".repeat(1_000)).lists.len(), 1_000);
    check(&[&"(<a:b>)".repeat(1_001)], "no more than 1000 lists");
    check(&["(<a:b>)"; 1_001], "no more than 1000 lists");
    assert_eq!(
        read(&format!("({})", "<a:b>".repeat(4_000))).lists[0]
            .conditions
            .len(),
        4_000
    );
    check(
        &[&format!("({})", "<a:b>".repeat(4_001))],
        "no more than 4000 conditions",
    );
    check(
        &[&format!("({0})({0})", "<a:b>".repeat(2_001))],
        "no more than 4000 conditions",
    );
    let long = format!("(<{}>)", "x".repeat(IF_BYTES_MAX - 4));
    assert_eq!(read(&long).lists.len(), 1);
    check(&[&long, "(<a:b>)"], "at most 65536");
}

#[test]
fn tokens_and_paths_are_collected() {
    let header = read(
        "</a> (<t:1> Not <t:2>) (Not [\"x\"] <t:3>) </b> (<t:1>) <http://other/c> (<t:4>) \
         </a/> (<t:5>)",
    );
    let tokens: Vec<_> = header.submitted_tokens().collect();
    assert_eq!(tokens, ["t:1", "t:3", "t:1", "t:4", "t:5"]);
    let paths: Vec<_> = header.paths().map(ToString::to_string).collect();
    assert_eq!(paths, ["/a", "/b"]);
}

fn state(etag: Option<&str>, tokens: &[&str]) -> ResourceState {
    ResourceState {
        etag: etag.map(|tag| EntityTag::strong(tag.to_owned())),
        tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
    }
}

#[test]
fn evaluation() {
    #[track_caller]
    fn check(line: &str, expect: bool) {
        let request = state(Some("now"), &["t:1", "t:2"]);
        let other = state(None, &["t:3"]);
        let holds = read(line).evaluate(&request, |path| match path.to_string().as_str() {
            "/request" => Some(&request),
            "/other" | "/other/" => Some(&other),
            _ => None,
        });
        assert_eq!(holds, expect, "{line}");
    }
    check("(<t:1>)", true);
    check("(<t:1> <t:2>)", true);
    check("(<t:1> <t:3>)", false);
    check("(<t:3>) (<t:2>)", true);
    check("(Not <t:3>)", true);
    check("(Not <t:1>)", false);
    check("(<t:1> [\"now\"])", true);
    check("(<t:1> [W/\"now\"])", true);
    check("(<t:1> [\"old\"])", false);
    check("(<t:1> Not [\"old\"])", true);
    check("(<T:1>)", false);
    // litmus: cond_put_with_not, cond_put_corrupt_token, fail_cond_put_unlocked, …
    check("(<t:1>) (Not <DAV:no-lock>)", true);
    check("(<t:1x>) (Not <DAV:no-lock>)", true);
    check("(<DAV:no-lock>)", false);
    check("(<DAV:no-lock> [\"now\"])", false);
    check("(<t:1> [\"old\"]) (Not <DAV:no-lock> [\"old\"])", false);
    // Tagged lists speak of their own resource only.
    check("</request> (<t:1>)", true);
    check("</other> (<t:1>)", false);
    check("</other> (<t:1>) </request> (<t:1>)", true);
    check("<http://127.0.0.1:8082/other/> (<t:3>)", true);
    check("</other> ([\"now\"])", false);
    check("</other> (Not [\"now\"])", true);
    // RFC 4918 §10.4.4: where nothing exists there is no state.
    check("</unmapped> (<t:1>)", false);
    check("</unmapped> ([\"now\"])", false);
    check("</unmapped> (Not <t:1> Not [\"now\"])", true);
    // Of another server we know nothing.
    check("<http://other/request> (<t:1>)", false);
    check("<http://other/request> (Not <DAV:no-lock>)", false);
    check("<http://other/request> (<t:1>) </other> (<t:3>)", true);
}

/// One condition as numbers: negated, is it a token, which.
type Draft = (bool, bool, u8);

/// The naive reading: a header is a word over truth values, worked out from the drafts alone.
/// Resource 0 is the request's, 1 and 2 are tagged, 3 does not exist, 4 is foreign. Resource `r`
/// has the tokens `t` with a set bit in `locks[r]`, and the entity tag `r`.
fn naive(lists: &[(usize, Vec<Draft>)], locks: [u8; 3]) -> bool {
    let mut result = false;
    for (resource, conditions) in lists {
        let mut all = *resource != 4;
        for &(negated, is_token, which) in conditions {
            let mapped = *resource < 3;
            let true_of_it = if is_token {
                mapped && which < 3 && locks[*resource] & (1 << which) != 0
            } else {
                mapped && usize::from(which) == *resource
            };
            all &= true_of_it != negated;
        }
        result |= all;
    }
    result
}

/// The drafts as header lines: what is untagged in one, what is tagged in another.
fn write(lists: &[(usize, Vec<Draft>)]) -> Vec<String> {
    let mut lines = [String::new(), String::new()];
    for (resource, conditions) in lists {
        let line = &mut lines[usize::from(*resource > 0)];
        match resource {
            0 => {}
            4 => line.push_str("<http://elsewhere/1>"),
            other => line.extend(["<http://127.0.0.1/", &other.to_string(), ">"]),
        }
        line.push('(');
        for &(negated, is_token, which) in conditions {
            line.push_str(if negated { "Not " } else { "" });
            let which = which.to_string();
            line.extend(match (is_token, which.as_str()) {
                (true, "3") => ["<", "DAV:no-lock", ">"],
                (true, token) => ["<t:", token, ">"],
                (false, tag) => ["[\"", tag, "\"]"],
            });
        }
        line.push(')');
    }
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,200}",
        likely in "[-<>()\\[\\]\" ,/a:NnotW]{0,60}",
    ) {
        for line in [text.as_str(), likely.as_str()] {
            if http::HeaderValue::from_bytes(line.as_bytes()).is_ok()
                && let Ok(Some(header)) = parse(&[line])
            {
                prop_assert!(!header.lists.is_empty());
                prop_assert!(header.lists.iter().all(|list| !list.conditions.is_empty()));
            }
        }
    }

    #[test]
    fn evaluation_agrees_with_the_naive_reading(
        lists in prop::collection::vec(
            (0usize..5, prop::collection::vec((any::<bool>(), any::<bool>(), 0u8..4), 1..4)),
            1..6,
        ),
        locks in prop::array::uniform3(0u8..8),
    ) {
        let states: Vec<_> = (0u8..3).map(|resource| ResourceState {
            etag: Some(EntityTag::strong(resource.to_string())),
            tokens: (0..3)
                .filter(|token| locks[usize::from(resource)] & (1 << token) != 0)
                .map(|token| format!("t:{token}"))
                .collect(),
        }).collect();
        let by_path: HashMap<DavPath, &ResourceState> = (1..3)
            .map(|i| (DavPath::parse(&format!("/{i}"), 10).unwrap(), &states[i]))
            .collect();
        let lines = write(&lists);
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let header = parse(&lines).unwrap().unwrap();
        let holds = header.evaluate(&states[0], |path| by_path.get(path).copied());
        prop_assert_eq!(holds, naive(&lists, locks), "{:?}", lines);
    }
}
