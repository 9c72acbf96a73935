//! Where one request ends and the next one begins, and what hyper would let pass there.
//!
//! Requests are smuggled where two readers of one connection disagree: a proxy in front and the
//! server behind it. So whatever can be read in two ways is refused, and nothing behind it is read
//! at all: both lengths or two of one kind, a length or a coding that is not plain, lines that end
//! in a bare LF (RFC 9112 §2.2, §6.3). hyper takes these, and it drops a `#` and what follows from
//! a target, so that `DELETE /plans/#1` would delete `/plans/`. Here the bytes at fault become ones
//! that no head may contain, and hyper answers 400 and closes. Knows nothing of sockets.

/// Follows the bytes of one connection from request to request.
#[derive(Debug, Default)]
pub(super) struct Framing {
    place: Place,
    /// The byte before this one.
    last: u8,
    /// The name of a field, then its value, as far as they matter here.
    text: Vec<u8>,
    field: Field,
    length: Option<Length>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before a request; empty lines are skipped (RFC 9112 §2.2).
    #[default]
    Before,
    /// In the method.
    Method,
    /// Behind the first space, to the end of the line.
    Target,
    FieldName,
    FieldValue,
    /// So many bytes of a body are left.
    Body(u64),
    /// In the size of a chunk, which so far is this.
    ChunkSize(u64),
    /// Behind the size, to the end of the line.
    ChunkExtension(u64),
    /// In a line behind the last chunk.
    Trailer,
    /// Behind something that was refused: so many bytes have been made the end of the head, so that
    /// hyper answers at once. The others are nothing to it.
    Refused(usize),
    /// Behind a chunk that hyper refuses: it reads nothing more.
    Lost,
}

/// Fields that say where a request ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Other,
    ContentLength,
    TransferEncoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunks,
}

/// What a byte at fault becomes. DEL may be in no method, target, version, name or value.
const UNPARSABLE: u8 = 0x7f;
const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";
/// No name and no value that matters is longer.
const TEXT_MAX: usize = 32;
/// Bytes that mean something in some line of a head.
const MEANING: [bool; 256] = {
    let mut meaning = [false; 256];
    meaning[b'\r' as usize] = true;
    meaning[b'\n' as usize] = true;
    meaning[b':' as usize] = true;
    meaning[b'#' as usize] = true;
    meaning[b' ' as usize] = true;
    meaning
};

impl Framing {
    /// Looks at the next bytes of the connection and spoils what must not be believed.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Place::Body(left) = self.place {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let left = left - here as u64;
                self.place = if left == 0 && self.length == Some(Length::Chunks) {
                    Place::ChunkSize(0)
                } else if left == 0 {
                    Place::Before
                } else {
                    Place::Body(left)
                };
                self.last = 0;
                rest = &mut rest[here..];
                continue;
            }
            let plain = self.pass_plain(rest);
            if plain > 0 {
                rest = &mut rest[plain..];
                continue;
            }
            let byte = &mut rest[0];
            self.step(byte);
            self.last = *byte;
            rest = &mut rest[1..];
        }
    }

    /// The same for the bytes in front that mean nothing where a line of a head has begun, at once.
    fn pass_plain(&mut self, bytes: &[u8]) -> usize {
        let in_line = matches!(
            self.place,
            Place::Method | Place::Target | Place::FieldName | Place::FieldValue
        );
        if !in_line || self.last == b'\r' {
            return 0;
        }
        let means_something = |byte: &u8| MEANING[usize::from(*byte)];
        let plain = bytes.iter().position(means_something);
        let plain = plain.unwrap_or(bytes.len());
        if let Some(last) = bytes[..plain].last() {
            self.last = *last;
            let room = TEXT_MAX - self.text.len();
            self.text.extend_from_slice(&bytes[..plain.min(room)]);
        }
        plain
    }

    /// Whether a request has begun to arrive and has not ended yet.
    pub(super) fn has_begun(&self) -> bool {
        self.place != Place::Before
    }

    fn step(&mut self, byte: &mut u8) {
        self.place = match (self.place, *byte) {
            (Place::Refused(done), _) => {
                *byte = END_OF_HEAD[done % END_OF_HEAD.len()];
                Place::Refused(done + 1)
            }
            (Place::Lost, _) => Place::Lost,
            (Place::ChunkSize(_) | Place::ChunkExtension(_) | Place::Trailer, byte) => {
                self.chunk_step(byte)
            }
            // A bare LF; behind a CR there is nothing else.
            (_, b'\n') if self.last != b'\r' => refuse(byte),
            (_, other) if self.last == b'\r' && other != b'\n' => refuse(byte),
            (Place::Target, b'#') => refuse(byte),
            (Place::Before, b'\r' | b'\n') => Place::Before,
            (Place::Before, b' ') => refuse(byte),
            (Place::Before, _) => {
                self.length = None;
                Place::Method
            }
            (Place::Method, b' ') => Place::Target,
            (Place::Method | Place::Target, b'\n') => self.next_field(),
            (Place::FieldName, b':') => self.end_of_name(byte),
            (Place::FieldName, b'\n') => self.end_of_head(byte),
            (Place::FieldValue, b'\n') => self.end_of_value(byte),
            (Place::FieldName | Place::FieldValue, other) => {
                self.keep(other);
                self.place
            }
            (place, _) => place,
        };
    }

    fn next_field(&mut self) -> Place {
        self.text.clear();
        self.field = Field::Other;
        Place::FieldName
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() < TEXT_MAX {
            self.text.push(byte);
        }
    }

    fn end_of_name(&mut self, byte: &mut u8) -> Place {
        self.field = if self.text.eq_ignore_ascii_case(b"content-length") {
            Field::ContentLength
        } else if self.text.eq_ignore_ascii_case(b"transfer-encoding") {
            Field::TransferEncoding
        } else {
            Field::Other
        };
        self.text.clear();
        if self.field != Field::Other && self.length.is_some() {
            return refuse(byte);
        }
        Place::FieldValue
    }

    fn end_of_value(&mut self, byte: &mut u8) -> Place {
        let value = self.text.trim_ascii();
        let length = match self.field {
            Field::Other => return self.next_field(),
            Field::ContentLength => decimal(value).map(Length::Bytes),
            Field::TransferEncoding => value
                .eq_ignore_ascii_case(b"chunked")
                .then_some(Length::Chunks),
        };
        if length.is_none() || self.text.len() >= TEXT_MAX {
            return refuse(byte);
        }
        self.length = length;
        self.next_field()
    }

    fn end_of_head(&self, byte: &mut u8) -> Place {
        match self.length {
            // A line without a colon.
            _ if self.text != b"\r" => refuse(byte),
            None | Some(Length::Bytes(0)) => Place::Before,
            Some(Length::Bytes(bytes)) => Place::Body(bytes),
            Some(Length::Chunks) => Place::ChunkSize(0),
        }
    }

    /// hyper is strict enough here; this only goes along.
    fn chunk_step(&mut self, byte: u8) -> Place {
        let ends = self.last == b'\r' && byte == b'\n';
        match (self.place, byte) {
            (Place::ChunkSize(0) | Place::ChunkExtension(0), _) if ends => {
                self.text.clear();
                Place::Trailer
            }
            // Behind the bytes of the chunk there is one more line end.
            (Place::ChunkSize(size) | Place::ChunkExtension(size), _) if ends => {
                size.checked_add(2).map_or(Place::Lost, Place::Body)
            }
            (Place::Trailer, _) if ends && self.text == b"\r" => Place::Before,
            (Place::Trailer, _) if ends => {
                self.text.clear();
                Place::Trailer
            }
            _ if self.last == b'\r' => Place::Lost,
            (Place::Trailer, _) => {
                self.keep(byte);
                Place::Trailer
            }
            (Place::ChunkSize(size), b'\r') => Place::ChunkExtension(size),
            (Place::ChunkSize(size), b';' | b' ' | b'\t') => Place::ChunkExtension(size),
            (Place::ChunkSize(size), _) => {
                let digit = char::from(byte).to_digit(16).map(u64::from);
                let size = size
                    .checked_mul(16)
                    .zip(digit)
                    .and_then(|(size, digit)| size.checked_add(digit));
                size.map_or(Place::Lost, Place::ChunkSize)
            }
            (place, _) => place,
        }
    }
}

/// Nothing from here on is believed.
fn refuse(byte: &mut u8) -> Place {
    *byte = UNPARSABLE;
    Place::Refused(0)
}

/// Digits and nothing else: `+5`, `5, 5` and `0x5` are read differently by different readers.
fn decimal(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
