//! What goes over the wire, request by request: each `wire/*.http` is played against a fresh server
//! over a real socket, once on the sled store and once in memory.
//!
//! ```text
//! # A comment.
//! ! locks.policy = "strict"            a setting of this file's server (TOML), at the top
//!
//! = hello NAME                         a body with a name, and words to be filled in
//! <hello>{NAME}</hello>
//!
//! > PUT /f HTTP/1.0 [alice]            a request; HTTP/1.1 and nobody where nothing else is said
//! If: (<{token}>)                      its headers
//!
//! one\n                                its body
//! two
//! < 100 204                            the status, behind those of interim answers
//! ETag: {etag}                         headers that must be there, and those
//! -Location                            that must not
//! ```
//!
//! A body is its lines without indentation, joined; `\n`, `\r`, `\s` (a space), `\\` and `\xNN`
//! write what that would lose, and `= hello World` stands for a body with a name. Those in
//! `wire/bodies.http` are known to all files. An answer's body is exact: without one it must be
//! empty. XML must be declared `application/xml`, the sentence of a refusal `text/plain`.
//!
//! `{origin}` is the server's `http://host:port`, `{host}` the part behind the slashes, `{9*x}` is
//! nine times x. Other names in braces are captured where an answer has them first, and must be
//! the same from then on; how they begin says what they match: `token`, `etag`, `date` (RFC 9110),
//! `time` (RFC 3339), `number`, `id` (of a resource), `user` (the id of one). With a question mark
//! (`{date?}`) they match without capturing.
//!
//! `Host` (but for `-Host`) and `Authorization` are added, `Content-Length` too unless it is
//! given; one that is too large ends the connection early. `Transfer-Encoding: chunked` sends the
//! body in two chunks, and `Expect: 100-continue` waits for the server's word.
//!
//! `UPDATE_EXPECT=1 cargo test --test wire` writes the bodies that came into the files; statuses
//! and headers stay as they are. Read the difference: the RFC is right, not the server.

mod common;
#[path = "wire/play.rs"]
mod play;
#[path = "wire/template.rs"]
mod template;
#[path = "wire/transcript.rs"]
mod transcript;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

/// One module a file, with a test for each store.
macro_rules! transcripts {
    ($($name:ident)*) => {
        $(mod $name {
            #[test]
            fn sled() {
                crate::play::play(stringify!($name), crate::play::Store::Sled);
            }

            #[test]
            fn memory() {
                crate::play::play(stringify!($name), crate::play::Store::Memory);
            }
        })*

        #[test]
        fn every_file_is_played() {
            let mut played = vec![$(stringify!($name).replace('_', "-")),*];
            played.push("bodies".to_owned());
            let files = std::fs::read_dir(crate::folder()).expect("the folder is there");
            let paths = files.map(|file| file.expect("readable").path());
            for path in paths.filter(|path| path.extension().is_some_and(|ext| ext == "http")) {
                let stem = path.file_stem().expect("it has a name").to_string_lossy();
                assert!(played.contains(&stem.into_owned()), "{} is not played", path.display());
            }
        }
    };
}

transcripts! {
    cadaver
    conflicts
    davfs2
    get
    gvfs_and_kio
    history
    if_header
    indirect
    libreoffice
    litmus_locks
    lock_and_unlock
    matrix_drive_collection
    matrix_drive_file
    matrix_strict_collection
    matrix_strict_file
    membership
    move_onto
    names
    principals
    properties
    property_bytes
    put
    rclone
    report
    tree
    windows_office_macos
    xml
}
