//! Where a resource is: a path of names, decoded once when it comes in and encoded once when it
//! goes out. Between the two nobody sees a percent sign.
//!
//! Names are compared by their NFC form, because macOS sends NFD; the client's spelling is kept.
//! Nothing here knows what exists, and no path ever reaches the operating system.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::error::DavError;

/// Longest name in bytes of UTF-8, as spelled and in NFC: what file systems hold, so that every
/// tree can be copied to a disk.
pub const NAME_BYTES_MAX: usize = 255;

/// RFC 3986 §3.3: in a segment only pchar stays as it is.
const ENCODED_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// It breaks a rule; the sentence names which.
    #[error("{0}")]
    Malformed(String),
    /// It is longer than the server takes.
    #[error("the path has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLong {
        /// Its length in bytes, still encoded.
        bytes: usize,
        /// The limit in bytes.
        bytes_max: usize,
    },
}

impl From<PathError> for DavError {
    fn from(error: PathError) -> Self {
        let sentence = error.to_string();
        match error {
            PathError::Malformed(_) => Self::BadRequest(sentence),
            PathError::TooLong { .. } => Self::PathTooLong(sentence),
        }
    }
}

fn malformed<T>(sentence: impl Into<String>) -> Result<T, PathError> {
    Err(PathError::Malformed(sentence.into()))
}

/// The form in which names are compared: macOS sends the decomposed spelling of what others
/// compose.
pub fn nfc(text: &str) -> Cow<'_, str> {
    // Most are plain, and seen to be at a glance.
    if text.is_ascii() || is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// One segment of a path as the client spelled it; equal to every other spelling of its NFC form.
#[derive(Debug, Clone)]
pub struct Name {
    spelling: Box<str>,
    /// The NFC form, where it differs from the spelling.
    normalized: Option<Box<str>>,
}

impl Name {
    /// Checks a decoded name: not empty, no '/', no NUL, not "." or "..", at most
    /// [`NAME_BYTES_MAX`] bytes.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        match text {
            "" => return malformed("the path has an empty name in it ('//')"),
            "." | ".." => return malformed("the path has the name '.' or '..' in it"),
            _ if text.contains('/') => {
                return malformed("a name in the path contains '/' (encoded as %2F)");
            }
            _ if text.contains('\0') => return malformed("a name in the path contains NUL"),
            _ => check_length(text)?,
        }
        let normalized = match nfc(text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(nfc) => {
                // Some characters (U+0958, say) are longer in NFC.
                check_length(&nfc)?;
                Some(nfc.into_boxed_str())
            }
        };
        Ok(Self {
            spelling: text.into(),
            normalized,
        })
    }

    /// The client's spelling.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The NFC form, by which names are looked up.
    pub fn key(&self) -> &str {
        self.normalized.as_deref().unwrap_or(&self.spelling)
    }
}

fn check_length(name: &str) -> Result<(), PathError> {
    if name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    malformed(format!(
        "a name in the path has {} bytes in UTF-8; at most {NAME_BYTES_MAX} are allowed",
        name.len()
    ))
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The first segments that belong to the server itself: what it tells of itself, the APIs, and
/// their description.
pub const RESERVED: [&str; 3] = [".lockkeeper", "api", "apidoc"];

/// The place of a resource in the tree: the names from the root down. Compared by the names' NFC
/// forms; a trailing slash is remembered but makes no difference.
#[derive(Clone)]
pub struct DavPath {
    /// Shared, so that a clone costs nothing: each list of an `If` header has its path.
    names: Arc<[Name]>,
    trailing_slash: bool,
}

impl DavPath {
    /// The collection `/`.
    pub fn root() -> Self {
        Self {
            names: Arc::default(),
            trailing_slash: true,
        }
    }

    /// Reads the path of a request target or of an absolute URI, still percent-encoded; a query is
    /// cut off. `bytes_max` limits the encoded text.
    ///
    /// ```
    /// use lockkeeper::protocol::path::DavPath;
    ///
    /// let path = DavPath::parse("/team/caf%c3%a9.txt", 4096)?;
    /// assert_eq!(path.name().map(|name| name.as_str()), Some("café.txt"));
    /// assert_eq!(path.to_string(), "/team/caf%C3%A9.txt");
    /// # Ok::<(), lockkeeper::protocol::path::PathError>(())
    /// ```
    pub fn parse(raw: &str, bytes_max: usize) -> Result<Self, PathError> {
        if raw.len() > bytes_max {
            return Err(PathError::TooLong {
                bytes: raw.len(),
                bytes_max,
            });
        }
        if raw.contains('#') {
            return malformed("the path has a fragment ('#'); a '#' in a name is written %23");
        }
        let path = raw.split_once('?').map_or(raw, |(path, _query)| path);
        let Some(inner) = path.strip_prefix('/') else {
            return malformed("the path does not begin with '/'");
        };
        if inner.is_empty() {
            return Ok(Self::root());
        }
        let (inner, trailing_slash) = inner
            .strip_suffix('/')
            .map_or((inner, false), |inner| (inner, true));
        let names = inner
            .split('/')
            .map(|segment| Name::parse(&decode_segment(segment)?))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            names,
            trailing_slash,
        })
    }

    /// Whether it is in a part of the name space that belongs to the server itself.
    pub fn is_reserved(&self) -> bool {
        let first = self.names.first();
        first.is_some_and(|name| RESERVED.contains(&name.key()))
    }

    /// Reads a path as people type it on a command line, with nothing encoded.
    pub fn from_plain(text: &str, bytes_max: usize) -> Result<Self, PathError> {
        let (bytes, trailing_slash) = (text.len(), text.ends_with('/'));
        if bytes > bytes_max {
            return Err(PathError::TooLong { bytes, bytes_max });
        }
        let Some(inner) = text.strip_prefix('/') else {
            return malformed("the path does not begin with '/'");
        };
        if inner.is_empty() {
            return Ok(Self::root());
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let names = inner
            .split('/')
            .map(Name::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            names,
            trailing_slash,
        })
    }

    /// The form that [`DavPath::from_plain`] reads, without a slash at its end.
    pub fn to_plain(&self) -> String {
        if self.is_root() {
            return "/".to_owned();
        }
        let names = self.names.iter();
        names.flat_map(|name| ["/", name.as_str()]).collect()
    }

    /// The names from the root down; none for the root.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<&Name> {
        self.names.last()
    }

    /// The path of the member called `name`.
    #[must_use]
    pub fn member(&self, name: Name) -> Self {
        self.names.iter().cloned().chain([name]).collect()
    }

    /// The collection that holds this; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.names.split_last()?;
        Some(Self {
            names: above.into(),
            trailing_slash: true,
        })
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether this is `ancestor` or below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.names.starts_with(&ancestor.names)
    }

    /// Whether the client ended it in '/'.
    pub fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// The encoded form for the wire; a collection's ends in '/' (RFC 4918 §5.2).
    pub fn href(&self, collection: bool) -> String {
        let mut href = String::with_capacity(self.names.iter().map(|n| n.as_str().len() + 1).sum());
        for name in self.names.iter() {
            href.push('/');
            encode_segment(name.as_str(), &mut href);
        }
        if collection || self.is_root() {
            href.push('/');
        }
        href
    }
}

impl FromIterator<Name> for DavPath {
    /// The path with these names from the root down.
    fn from_iter<T: IntoIterator<Item = Name>>(names: T) -> Self {
        Self {
            names: names.into_iter().collect(),
            trailing_slash: false,
        }
    }
}

impl PartialEq for DavPath {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.names, &other.names) || self.names == other.names
    }
}

impl Eq for DavPath {}

impl Hash for DavPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names.hash(state);
    }
}

impl fmt::Display for DavPath {
    /// The href, ending in '/' where the client's did.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.href(self.trailing_slash))
    }
}

impl fmt::Debug for DavPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DavPath({self})")
    }
}

/// Appends `name`, percent-encoded, to `href`. Listings call this once for each member.
pub fn encode_segment(name: &str, href: &mut String) {
    href.extend(utf8_percent_encode(name, ENCODED_IN_SEGMENT));
}

/// Decodes exactly once: what looks like `%2e` afterwards was `%252e` and is meant so.
fn decode_segment(segment: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match (
            rest.next().and_then(hex_digit),
            rest.next().and_then(hex_digit),
        ) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => {
                return malformed(
                    "the path has a '%' without two hexadecimal digits behind it; \
                     a '%' in a name is written %25",
                );
            }
        }
    }
    String::from_utf8(decoded)
        .or_else(|_| malformed("a name in the path is not UTF-8 after percent-decoding"))
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
