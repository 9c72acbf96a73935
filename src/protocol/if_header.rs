//! The `If` header (RFC 4918 §10.4): its whole grammar, the paths and tokens it names, and whether
//! it holds. It does not know what is locked or by whom: that is handed in as [`ResourceState`].
//!
//! ```text
//! If: </a.txt> (<urn:uuid:1> ["tag"]) (Not <urn:uuid:2>) </b/> (<urn:uuid:3>)
//! ```
//! holds if any of its three lists does, and a list holds if all its conditions do.

use std::collections::HashSet;

use http::HeaderMap;

use super::error::DavError;
use super::headers::{EntityTag, OwnHosts, Reference, text};
use super::path::DavPath;

/// Longest header in bytes. davfs2 names the token of every open file when it moves a folder.
pub const IF_BYTES_MAX: usize = 64 * 1024;
/// Most lists in one header.
pub const IF_LISTS_MAX: usize = 1_000;
/// Most conditions in one header.
pub const IF_CONDITIONS_MAX: usize = 4_000;

/// The whole header: it holds if one of the lists does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfHeader {
    /// In the order of the header; never empty.
    pub lists: Vec<IfList>,
}

/// Conditions on one resource: they hold together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfList {
    /// The resource that they are about.
    pub resource: Tag,
    /// Never empty.
    pub conditions: Vec<IfCondition>,
}

/// Which resource a list is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// There is no tag: the one that the request is for.
    Request,
    /// The one at this path.
    Path(DavPath),
    /// Something that cannot be here: another host, or no path of ours. Such a list never holds.
    Foreign,
}

/// One condition of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfCondition {
    /// Whether the test must succeed or fail.
    pub sense: Sense,
    /// What is tested.
    pub test: IfTest,
}

/// Whether a condition has a `Not` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// The test must succeed.
    Plain,
    /// The test must fail.
    Not,
}

/// What a condition tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfTest {
    /// The resource is covered by the lock with this token. `DAV:no-lock` is the token of no lock
    /// (RFC 4918 §10.4.8) and needs no rule of its own.
    Token(String),
    /// The resource has this entity tag.
    Etag(EntityTag),
}

/// What the conditions on one resource are compared with. The default is that of a place where
/// nothing exists: no entity tag, no locks (RFC 4918 §10.4.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceState {
    /// Its entity tag; collections have none.
    pub etag: Option<EntityTag>,
    /// The tokens of all locks that cover it, its own and those from above.
    pub tokens: Vec<String>,
}

impl IfHeader {
    /// Reads all `If` lines: macOS sends one for each lock, and some proxies join those with a
    /// comma. A tag reaches to the end of its line. `own_hosts` as in
    /// [`Destination`](super::headers::Destination).
    pub fn from_headers(
        headers: &HeaderMap,
        own_hosts: &[String],
        path_bytes_max: usize,
    ) -> Result<Option<Self>, DavError> {
        let lines = headers.get_all("If").iter().map(|value| text(value, "If"));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = lines.iter().map(|line| line.len()).sum();
        if bytes > IF_BYTES_MAX {
            return Err(DavError::BadRequest(format!(
                "the If header has {bytes} bytes; at most {IF_BYTES_MAX} are allowed"
            )));
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let own = OwnHosts::new(headers, own_hosts);
        let mut parser = Parser {
            lists: Vec::new(),
            conditions: 0,
            own,
            path_bytes_max,
        };
        for line in lines {
            parser.line(&mut Cursor { line, rest: line })?;
        }
        Ok(Some(Self {
            lists: parser.lists,
        }))
    }

    /// The tokens that the client shows it knows: all but those behind a `Not`, in whichever list.
    pub fn submitted_tokens(&self) -> impl Iterator<Item = &str> {
        let conditions = self.lists.iter().flat_map(|list| &list.conditions);
        conditions.filter_map(|condition| match (&condition.test, condition.sense) {
            (IfTest::Token(token), Sense::Plain) => Some(token.as_str()),
            _ => None,
        })
    }

    /// The paths in tags, each once: [`Self::evaluate`] asks for the state of these.
    pub fn paths(&self) -> impl Iterator<Item = &DavPath> {
        let mut seen = HashSet::new();
        let tagged = self
            .by_resource()
            .filter_map(|lists| match &lists[0].resource {
                Tag::Path(path) => Some(path),
                Tag::Request | Tag::Foreign => None,
            });
        tagged.filter(move |path| seen.insert(*path))
    }

    /// Whether the header holds. `request` is the state of the resource that the request is for;
    /// `state_of` gives that of the others, `None` where nothing exists.
    pub fn evaluate<'s>(
        &self,
        request: &ResourceState,
        state_of: impl Fn(&DavPath) -> Option<&'s ResourceState>,
    ) -> bool {
        let nothing = ResourceState::default();
        self.by_resource().any(|lists| {
            let state = match &lists[0].resource {
                Tag::Request => request,
                Tag::Path(path) => state_of(path).unwrap_or(&nothing),
                // Not even `Not` holds of what we know nothing about.
                Tag::Foreign => return false,
            };
            let mut lists = lists.iter();
            lists.any(|list| {
                list.conditions
                    .iter()
                    .all(|condition| condition.holds(state))
            })
        })
    }

    /// Neighbours with one tag together, so that a thousand lists behind one long path do not
    /// cost a thousand looks at the path. No group is empty.
    fn by_resource(&self) -> impl Iterator<Item = &[IfList]> {
        self.lists
            .chunk_by(|one, next| one.resource == next.resource)
    }
}

impl IfCondition {
    fn holds(&self, state: &ResourceState) -> bool {
        let found = match &self.test {
            IfTest::Token(token) => state.tokens.contains(token),
            // RFC 4918 §10.4.4 leaves the comparison to us. Some proxies that compress weaken our
            // tags on the way out, and even a weakened one names exactly one version.
            IfTest::Etag(tag) => state.etag.as_ref().is_some_and(|etag| tag.weak_eq(etag)),
        };
        match self.sense {
            Sense::Plain => found,
            Sense::Not => !found,
        }
    }
}

/// What has been read so far, over all lines.
struct Parser {
    lists: Vec<IfList>,
    conditions: usize,
    own: OwnHosts,
    path_bytes_max: usize,
}

impl Parser {
    /// `1*No-tag-list | 1*Tagged-list`, and again behind each comma.
    fn line(&mut self, at: &mut Cursor) -> Result<(), DavError> {
        loop {
            self.group(at)?;
            match at.next() {
                None => return Ok(()),
                Some(',') => at.skip(1),
                Some(_) => return at.fail("a list in parentheses, or a URL in angle brackets"),
            }
        }
    }

    fn group(&mut self, at: &mut Cursor) -> Result<(), DavError> {
        if at.next() == Some('(') {
            self.lists(at, &Tag::Request)?;
            if at.next() == Some('<') {
                return at.fail("another list; a list without a URL cannot stand before one with");
            }
            return Ok(());
        }
        loop {
            let url = at.delimited(
                '<',
                '>',
                "a list in parentheses, or a URL in angle brackets",
            )?;
            let tag = match Reference::parse(url, &self.own, self.path_bytes_max) {
                Reference::Own(path) => Tag::Path(path),
                Reference::Foreign(_) | Reference::NoUrl | Reference::NoPath(_) => Tag::Foreign,
            };
            self.lists(at, &tag)?;
            if at.next() != Some('<') {
                return Ok(());
            }
        }
    }

    /// `1*List`
    fn lists(&mut self, at: &mut Cursor, resource: &Tag) -> Result<(), DavError> {
        if at.next() != Some('(') {
            return at.fail("'(', the start of a list, behind the URL");
        }
        while at.next() == Some('(') {
            at.skip(1);
            let conditions = self.conditions(at)?;
            if self.lists.len() == IF_LISTS_MAX {
                return at.fail(&format!("no more than {IF_LISTS_MAX} lists"));
            }
            self.lists.push(IfList {
                resource: resource.clone(),
                conditions,
            });
        }
        Ok(())
    }

    /// `1*Condition ")"`
    fn conditions(&mut self, at: &mut Cursor) -> Result<Vec<IfCondition>, DavError> {
        let mut conditions = Vec::new();
        loop {
            if at.next() == Some(')') && !conditions.is_empty() {
                at.skip(1);
                return Ok(conditions);
            }
            if self.conditions == IF_CONDITIONS_MAX {
                return at.fail(&format!("no more than {IF_CONDITIONS_MAX} conditions"));
            }
            self.conditions += 1;
            conditions.push(condition(at)?);
        }
    }
}

/// `["Not"] (State-token | "[" entity-tag "]")`
fn condition(at: &mut Cursor) -> Result<IfCondition, DavError> {
    const EXPECTED: &str = "a token in angle brackets, an entity tag in square brackets, or Not";
    let sense = if at.takes_not() {
        Sense::Not
    } else {
        Sense::Plain
    };
    let test = match at.next() {
        Some('[') => {
            at.skip(1);
            IfTest::Etag(at.entity_tag()?)
        }
        _ => IfTest::Token(at.delimited('<', '>', EXPECTED)?.to_owned()),
    };
    Ok(IfCondition { sense, test })
}

/// A place in one line.
struct Cursor<'t> {
    line: &'t str,
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    /// The next character that is not white space.
    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        self.rest.chars().next()
    }

    /// Goes past `count` ASCII characters that were looked at before.
    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn takes_not(&mut self) -> bool {
        self.next();
        let found = self
            .rest
            .get(..3)
            .is_some_and(|word| word.eq_ignore_ascii_case("Not"));
        if found {
            self.skip(3);
        }
        found
    }

    /// The text between `open` and `close`; never empty.
    fn delimited(&mut self, open: char, close: char, what: &str) -> Result<&'t str, DavError> {
        if self.next() != Some(open) {
            return self.fail(what);
        }
        match self.rest[open.len_utf8()..].split_once(close) {
            Some((inner, rest)) if !inner.trim().is_empty() => {
                self.rest = rest;
                Ok(inner.trim())
            }
            Some(_) => self.fail("something between the brackets"),
            None => self.fail(&format!("a '{close}' for this '{open}'")),
        }
    }

    fn entity_tag(&mut self) -> Result<EntityTag, DavError> {
        self.next();
        let Some((tag, rest)) = EntityTag::split_from(self.rest) else {
            return self.fail("an entity tag in double quotes");
        };
        self.rest = rest;
        if self.next() != Some(']') {
            return self.fail("']' behind the entity tag");
        }
        self.skip(1);
        Ok(tag)
    }

    fn fail<T>(&self, expected: &str) -> Result<T, DavError> {
        let place = match self.line.len() - self.rest.len() {
            end if end == self.line.len() => "its end".to_owned(),
            byte => {
                let excerpt: String = self.rest.chars().take(20).collect();
                format!("byte {}, at {excerpt:?}", byte + 1)
            }
        };
        Err(DavError::BadRequest(format!(
            "the If header cannot be read at {place}: expected {expected}"
        )))
    }
}

#[cfg(test)]
mod tests;
