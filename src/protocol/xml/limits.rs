//! How much XML is read from a request, and why more, or anything a WebDAV body never needs, is
//! refused. The limits that are constants hold whatever the configuration says.

use thiserror::Error;

use super::shorten;
use crate::protocol::error::DavError;

/// Walking the tree takes stack in proportion to its depth: no configured limit may exceed this.
pub(super) const DEPTH_CEILING: usize = 128;
/// Far more than any property needs; comparing attributes with each other is quadratic.
pub(super) const ATTRIBUTES_MAX: usize = 64;
/// Bindings in force at one place; each prefix is looked up among them.
pub(super) const NAMESPACES_MAX: usize = 128;
/// Names are repeated in answers and keys, so a long one would cost far more than its own bytes.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// How much of a request body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlLimits {
    /// Length of the body in bytes.
    pub bytes_max: usize,
    /// Elements inside each other; above 128 counts as 128.
    pub depth_max: usize,
    /// Elements altogether. Each may cost a few kilobytes of memory while the body is read.
    pub elements_max: usize,
}

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XmlError {
    /// Longer than [`XmlLimits::bytes_max`].
    #[error("the XML body has more than the {0} bytes that are allowed")]
    TooManyBytes(usize),
    /// Deeper than [`XmlLimits::depth_max`].
    #[error("the XML elements are nested deeper than the {0} levels that are allowed")]
    TooDeep(usize),
    /// More than [`XmlLimits::elements_max`].
    #[error("the XML body has more than the {0} elements that are allowed")]
    TooManyElements(usize),
    /// One element has too many attributes.
    #[error("the XML element <{0}> has more than the {ATTRIBUTES_MAX} attributes that are allowed")]
    TooManyAttributes(String),
    /// Too many namespace declarations at one place.
    #[error("more than the {NAMESPACES_MAX} namespaces that are allowed are declared around <{0}>")]
    TooManyNamespaces(String),
    /// A name, namespace or language is too long.
    #[error("the XML name or namespace \"{0}\" has more than {NAME_BYTES_MAX} bytes")]
    NameTooLong(String),
    /// Not UTF-8, or declared to be something else.
    #[error("the XML body is in {0}; only UTF-8 is allowed")]
    Encoding(String),
    /// A document type declaration.
    #[error("the XML body has a document type declaration (<!DOCTYPE>), which is not allowed")]
    Doctype,
    /// A processing instruction.
    #[error(
        "the XML body has a processing instruction (<?…?>); only the XML declaration is allowed"
    )]
    ProcessingInstruction,
    /// An entity that nobody defined.
    #[error("the XML entity &{0}; is not allowed; use amp, lt, gt, quot, apos or a number")]
    Entity(String),
    /// A prefix that nothing declares.
    #[error("the XML namespace prefix \"{0}\" is not declared")]
    UndeclaredPrefix(String),
    /// A declaration that Namespaces in XML 1.0 §3 forbids.
    #[error("the XML namespace prefix \"{prefix}\" cannot be bound to \"{ns}\"")]
    Binding {
        /// The prefix; empty: the default namespace.
        prefix: String,
        /// What it was to be bound to.
        ns: String,
    },
    /// Not a name.
    #[error("\"{0}\" is not an XML name")]
    Name(String),
    /// Any other violation of the grammar.
    #[error("the XML body is not well-formed: {0}")]
    Malformed(String),
}

impl XmlError {
    pub(super) fn malformed(why: &(impl ToString + ?Sized)) -> Self {
        Self::Malformed(shorten(&why.to_string()))
    }
}

impl From<XmlError> for DavError {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::TooManyBytes(_) => Self::TooLarge(error.to_string()),
            _ => Self::BadRequest(error.to_string()),
        }
    }
}
