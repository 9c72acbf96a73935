//! Principals and privileges (RFC 3744, RFC 5397) in XML.

use super::escape::{push_element, push_href};

/// The collection of the users' own addresses.
pub const PRINCIPALS: &str = "/.lockkeeper/principals/users/";

/// The address of the user whose id this is.
pub fn principal_href(id: &uuid::Uuid) -> String {
    format!("{PRINCIPALS}{id}")
}

/// A property that names a principal.
pub fn write_principal(out: &mut String, id: &uuid::Uuid) {
    push_href(out, &principal_href(id));
}

/// The `DAV:privilege` elements of what our privileges of these names stand for.
pub fn write_privileges(out: &mut String, names: impl Iterator<Item = &'static str>) {
    for name in names {
        for element in elements(name) {
            push_element(out, "D:privilege", |out| out.push_str(element));
        }
    }
}

/// The element of our privilege that a refusal names.
pub(super) fn push_privilege(out: &mut String, name: &str) {
    out.push_str(elements(name).first().unwrap_or(&""));
}

/// What RFC 3744 §3 calls our privileges, aggregates before what they contain; what it has no name
/// for is in our namespace.
fn elements(name: &str) -> &'static [&'static str] {
    match name {
        "read" => &["<D:read/>", "<D:read-current-user-privilege-set/>"],
        "write" => &[
            "<D:write/>",
            "<D:write-content/>",
            "<D:write-properties/>",
            "<D:bind/>",
            "<D:unbind/>",
        ],
        "lock" => &["<L:lock/>"],
        "freeze" => &["<L:freeze/>"],
        "super-check-in" => &["<L:super-check-in/>", "<D:unlock/>"],
        "manage" => &["<L:manage/>"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_has_the_names_of_the_rfc_where_there_are_some() {
        let mut out = String::new();
        write_privileges(&mut out, ["read", "super-check-in"].into_iter());
        assert_eq!(
            out,
            "<D:privilege><D:read/></D:privilege>\
             <D:privilege><D:read-current-user-privilege-set/></D:privilege>\
             <D:privilege><L:super-check-in/></D:privilege>\
             <D:privilege><D:unlock/></D:privilege>"
        );
        let mut out = String::new();
        push_privilege(&mut out, "write");
        assert_eq!(out, "<D:write/>");
    }
}
