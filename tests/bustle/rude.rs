//! Clients that leave in the middle, and such as read late or not at all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use crate::Stage;
use crate::dice::Dice;

fn open(stage: &Stage) -> Result<TcpStream, String> {
    stage
        .connect()
        .map_err(|error| format!("no connection: {error}"))
}

/// Sends what it likes; a server that is tired of it may close.
fn say(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Follows the record for a while and goes without a word.
pub(crate) fn follow(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    let mut stream = open(stage)?;
    let (path, headers) = match dice.below(3) {
        0 => ("/api/events?since=now&wait=2", vec![]),
        1 => ("/api/events?limit=50&wait=1", vec![]),
        _ => ("/api/events", vec![("Accept", "text/event-stream")]),
    };
    say(
        &mut stream,
        stage.alice.head_of("GET", path, &headers, b"").as_bytes(),
    );
    let mut first = [0; 12];
    stream
        .read_exact(&mut first)
        .map_err(|error| format!("GET {path}: no answer: {error}"))?;
    if first[9] == b'5' {
        return Err(format!("GET {path}: {}", String::from_utf8_lossy(&first)));
    }
    sleep(Duration::from_millis(dice.below(300)));
    Ok(())
}

/// Begins something and leaves.
pub(crate) fn leave(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    let mut stream = open(stage)?;
    let client = &stage.mallory;
    let head = |method, path, headers: &[_]| client.head_of(method, path, headers, b"");
    let pause = Duration::from_millis(dice.below(500));
    match dice.below(6) {
        0 => {
            let head = head("PUT", "/half", &[]).replace("Length: 0", "Length: 1000000");
            say(
                &mut stream,
                &[head.as_bytes(), &vec![b'x'; 300_000]].concat(),
            );
        }
        1 => {
            let head = head("PUT", "/cut", &[("Transfer-Encoding", "chunked")]);
            let head = head.replace("Content-Length: 0\r\n", "");
            say(
                &mut stream,
                format!("{head}5\r\nhello\r\nfff\r\nnot so").as_bytes(),
            );
        }
        2 => say(&mut stream, head("GET", "/big", &[]).as_bytes()),
        3 => say(
            &mut stream,
            head("PROPFIND", "/", &[("Depth", "infinity")]).as_bytes(),
        ),
        4 => say(
            &mut stream,
            head("PROPFIND", "/many/", &[("Depth", "1")])
                .repeat(20)
                .as_bytes(),
        ),
        _ => {
            let to = client.url("/copy");
            say(
                &mut stream,
                head("COPY", "/some/", &[("Destination", &to)]).as_bytes(),
            );
        }
    }
    sleep(pause);
    Ok(())
}
