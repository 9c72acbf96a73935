//! A strict reader of what the server sends: every answer whole, and nothing between them.

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(have, _)| have == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

/// All answers but those that only ask to go on. Those to HEAD have no body: the caller knows.
pub(super) fn answers(mut bytes: &[u8], is_head: impl Fn(usize) -> bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (mut answer, rest) = head(bytes);
        bytes = rest;
        if answer.status == 100 {
            continue;
        }
        let bodiless = matches!(answer.status, 204 | 304) || is_head(answers.len());
        if !bodiless {
            let (body, rest) = body(&answer, bytes);
            (answer.body, bytes) = (body, rest);
        }
        answers.push(answer);
    }
    answers
}

fn head(bytes: &[u8]) -> (Answer, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
    let head = str::from_utf8(&bytes[..end]).expect("heads are text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|rest| rest.get(2..5)?.parse().ok());
    let field = |line: &str| {
        let (name, value) = line
            .split_once(": ")
            .unwrap_or((line.trim_end_matches(':'), ""));
        assert!(
            !name.is_empty() && !name.contains(' '),
            "{line:?} is no field"
        );
        assert!(
            !value.contains(['\r', '\n', '\0']),
            "{line:?} splits the head"
        );
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let answer = Answer {
        status: status.unwrap_or_else(|| panic!("no status line: {head:?}")),
        fields: lines.map(field).collect(),
        body: Vec::new(),
    };
    (answer, &bytes[end + 4..])
}

fn body<'b>(answer: &Answer, bytes: &'b [u8]) -> (Vec<u8>, &'b [u8]) {
    if answer.field("transfer-encoding") == Some("chunked") {
        return chunks(bytes);
    }
    match answer.field("content-length") {
        Some(length) => {
            let length: usize = length.parse().expect("a length");
            assert!(length <= bytes.len(), "a body of {length} bytes broke off");
            (bytes[..length].to_vec(), &bytes[length..])
        }
        // To the end of the connection.
        None => (bytes.to_vec(), &[]),
    }
}

fn chunks(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut whole = Vec::new();
    loop {
        let end = bytes
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("a chunk's size");
        let size = str::from_utf8(&bytes[..end]).expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        let rest = &bytes[end + 2..];
        assert!(size + 2 <= rest.len(), "a chunk of {size} bytes broke off");
        whole.extend_from_slice(&rest[..size]);
        bytes = rest[size..]
            .strip_prefix(b"\r\n")
            .expect("the end of a chunk");
        if size == 0 {
            return (whole, bytes);
        }
    }
}
