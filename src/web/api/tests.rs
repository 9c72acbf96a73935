//! The table of routes.

use super::*;

fn api() -> Api {
    Api::new(HeaderValue::from_static("Basic realm=\"test\""))
}

#[test]
fn each_path_has_one_face() {
    fn check(path: &str, expect: &str) {
        assert_eq!(api().face_of(path).prefix, expect, "{path}");
    }
    check("/api/2.0/files", "/api/2.0");
    check("/api/2.0", "/api/2.0");
    check("/api/2.00", "/api");
    check("/api/token", "/api");
    check("/apidoc/nothing", "/api");
}
