//! stub
/// stub
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(String);
impl EntityTag { /// stub
 pub fn strong(t: String) -> Self { Self(t) } }
