//! The `If` header: its limits, its grammar written out again, and what it decides.

use http::HeaderMap;
use http::header::HeaderValue;
use lockkeeper::protocol::headers::EntityTag;
use lockkeeper::protocol::if_header::{
    IF_BYTES_MAX, IF_CONDITIONS_MAX, IF_LISTS_MAX, IfHeader, IfTest, ResourceState, Sense, Tag,
};
use lockkeeper::protocol::path::DavPath;

const OWN_HOST: &str = "files.example.org";

/// Every line is an `If` line.
pub fn target(data: &[u8]) {
    let Some(header) = read(data.split(|byte| *byte == b'\n')) else {
        return;
    };
    let lists = &header.lists;
    let conditions: usize = lists.iter().map(|list| list.conditions.len()).sum();
    assert!(!lists.is_empty() && lists.iter().all(|list| !list.conditions.is_empty()));
    assert!(data.len() <= IF_BYTES_MAX + lists.len());
    assert!(lists.len() <= IF_LISTS_MAX && conditions <= IF_CONDITIONS_MAX);

    let written = written(&header);
    let again = read(written.iter().map(String::as_bytes));
    assert_eq!(again.as_ref(), Some(&header), "{written:?}");
    submitted(&header);
    for seed in 0..4 {
        decides_as_the_naive(&header, seed);
    }
}

fn read<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Option<IfHeader> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static(OWN_HOST));
    for line in lines {
        headers.append("if", HeaderValue::from_bytes(line.trim_ascii()).ok()?);
    }
    match IfHeader::from_headers(&headers, &[], 4096) {
        Ok(header) => header,
        Err(error) => {
            assert_eq!(error.status(), 400, "{error}");
            None
        }
    }
}

/// A line for each list. That of a foreign place is one of another host.
fn written(header: &IfHeader) -> Vec<String> {
    let line = |list: &lockkeeper::protocol::if_header::IfList| {
        let tag = match &list.resource {
            Tag::Request => String::new(),
            Tag::Path(path) => format!("<{path}> "),
            Tag::Foreign => "<https://elsewhere.example.net/> ".to_owned(),
        };
        let conditions = list.conditions.iter().map(|condition| {
            let not = if condition.sense == Sense::Not {
                "Not "
            } else {
                ""
            };
            match &condition.test {
                IfTest::Token(token) => format!("{not}<{token}>"),
                IfTest::Etag(tag) => format!("{not}[{tag}]"),
            }
        });
        format!("{tag}({})", conditions.collect::<Vec<_>>().join(" "))
    };
    header.lists.iter().map(line).collect()
}

/// What is behind a `Not` shows nothing.
fn submitted(header: &IfHeader) {
    let mut naive = Vec::new();
    for list in &header.lists {
        for condition in &list.conditions {
            if let (IfTest::Token(token), Sense::Plain) = (&condition.test, condition.sense) {
                naive.push(token.as_str());
            }
        }
    }
    assert_eq!(header.submitted_tokens().collect::<Vec<_>>(), naive);
}

/// States made of what the header names, a different part of it for each seed.
fn decides_as_the_naive(header: &IfHeader, seed: usize) {
    let tests = || {
        let lists = header.lists.iter().flat_map(|list| &list.conditions);
        lists.map(|condition| &condition.test)
    };
    let state = |turn: usize| {
        let chosen = tests()
            .enumerate()
            .filter(|(at, _)| (at + seed + turn).is_multiple_of(2));
        let mut state = ResourceState::default();
        for (_, test) in chosen {
            match test {
                IfTest::Token(token) => state.tokens.push(token.clone()),
                IfTest::Etag(tag) => state.etag = Some(tag.clone()),
            }
        }
        state
    };
    let paths: Vec<&DavPath> = header.paths().collect();
    let states: Vec<_> = (0..paths.len())
        .map(|at| (at % 3 != 2).then(|| state(at + 1)))
        .collect();
    let state_of = |path: &DavPath| {
        let at = paths.iter().position(|known| *known == path)?;
        states[at].as_ref()
    };
    let request = state(0);
    let naive = header.lists.iter().any(|list| {
        let nothing = ResourceState::default();
        let state = match &list.resource {
            Tag::Request => &request,
            Tag::Path(path) => state_of(path).unwrap_or(&nothing),
            Tag::Foreign => return false,
        };
        let bare = |tag: &EntityTag| tag.to_string().trim_start_matches("W/").to_owned();
        let holds = |test: &IfTest| match test {
            IfTest::Token(token) => state.tokens.iter().any(|have| have == token),
            IfTest::Etag(tag) => state
                .etag
                .as_ref()
                .is_some_and(|have| bare(have) == bare(tag)),
        };
        let mut conditions = list.conditions.iter();
        conditions.all(|condition| holds(&condition.test) == (condition.sense == Sense::Plain))
    });
    assert_eq!(header.evaluate(&request, state_of), naive);
}
