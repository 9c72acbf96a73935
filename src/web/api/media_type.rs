//! The media types of bodies.

pub(super) const JSON: &str = "application/json";
/// RFC 9457.
pub(super) const PROBLEM: &str = "application/problem+json";
/// Server-sent events (HTML, 9.2.5).
pub(super) const EVENT_STREAM: &str = "text/event-stream";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const MULTIPART: &str = "multipart/form-data";
/// The media type of a file is the file's own.
pub(super) const ANY: &str = "*/*";
