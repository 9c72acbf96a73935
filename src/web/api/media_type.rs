//! The media types of bodies.

pub(super) const JSON: &str = "application/json";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const MULTIPART: &str = "multipart/form-data";
/// The media type of a file is the file's own.
pub(super) const ANY: &str = "*/*";
