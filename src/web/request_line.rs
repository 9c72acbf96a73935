//! Keeps a request-target with a `#` from becoming another, shorter one.
//!
//! A fragment has no place in a request (RFC 9112 §3.2), but the URI parser below hyper drops it
//! silently, so that `DELETE /plans/#1` would delete `/plans/`. Here the `#` becomes a byte that no
//! URI may contain, and hyper answers 400. Knows nothing of sockets.

/// Follows the bytes of one connection through one request line after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RequestLine {
    /// Before its first byte; empty lines are skipped (RFC 9112 §2.2).
    #[default]
    Before,
    /// In the method.
    Method,
    /// Behind the first space.
    Target,
    /// Behind its end: header fields and body.
    After,
}

/// What `#` becomes. DEL is no URI character, so the parser must refuse it.
const UNPARSABLE: u8 = 0x7f;

impl RequestLine {
    /// Looks at the next bytes of the connection and spoils a `#` in the target.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *self = match (*self, *byte) {
                (Self::After, _) => return,
                (Self::Before, b'\r' | b'\n') => Self::Before,
                (_, b'\n') => Self::After,
                (Self::Before | Self::Method, b' ') | (Self::Target, _) => {
                    if *byte == b'#' {
                        *byte = UNPARSABLE;
                    }
                    Self::Target
                }
                (Self::Before | Self::Method, _) => Self::Method,
            };
        }
    }

    /// Whether a request has begun to arrive.
    pub(super) fn has_begun(self) -> bool {
        self != Self::Before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes in one read and in reads of one byte.
    fn check(input: &str, expect: &str) {
        let mut whole = input.as_bytes().to_vec();
        RequestLine::default().pass(&mut whole);
        assert_eq!(String::from_utf8_lossy(&whole), expect, "whole: {input:?}");
        let mut line = RequestLine::default();
        let mut single = input.as_bytes().to_vec();
        single.chunks_mut(1).for_each(|byte| line.pass(byte));
        assert_eq!(
            String::from_utf8_lossy(&single),
            expect,
            "byte by byte: {input:?}"
        );
    }

    #[test]
    fn only_a_fragment_of_the_target_is_spoiled() {
        check("GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n");
        check("DELETE /a/#b HTTP/1.1\r\n", "DELETE /a/\x7fb HTTP/1.1\r\n");
        check(
            "DELETE /a#b#c HTTP/1.1\r\n",
            "DELETE /a\x7fb\x7fc HTTP/1.1\r\n",
        );
        check(
            "GET http://h/#a HTTP/1.1\r\n",
            "GET http://h/\x7fa HTTP/1.1\r\n",
        );
        check(
            "\r\n\r\nGET /#a HTTP/1.1\r\n",
            "\r\n\r\nGET /\x7fa HTTP/1.1\r\n",
        );
        check("GET /%23 HTTP/1.1\r\n", "GET /%23 HTTP/1.1\r\n");
        check("A#B / HTTP/1.1\r\nX: #\r\n", "A#B / HTTP/1.1\r\nX: #\r\n");
        check(
            "PUT /a HTTP/1.1\r\nX: 1\r\n\r\nGET /#a",
            "PUT /a HTTP/1.1\r\nX: 1\r\n\r\nGET /#a",
        );
    }
}
