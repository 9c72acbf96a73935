//! A server that believes everything: the first length it sees, any line end, any chunk size. What
//! the attacks do to it shows that they are attacks, and that the judge notices.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::attack::CANARY;

type Things = Arc<Mutex<HashSet<String>>>;

/// Starts one; its thread ends with the test process.
pub fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a port").to_string();
    let things = Things::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let things = Arc::clone(&things);
            std::thread::spawn(move || serve(stream, &things));
        }
    });
    address
}

fn serve(stream: TcpStream, things: &Things) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = line(&mut reader)?;
        let (mut length, mut chunked, mut last) = (None, false, false);
        loop {
            let field = line(&mut reader)?.to_ascii_lowercase();
            let Some((name, value)) = field.split_once(':') else {
                break;
            };
            match name.trim() {
                "content-length" => length = length.or(number(value, 10)),
                "transfer-encoding" => chunked = value.contains("chunked"),
                "connection" => last = value.contains("close"),
                _ => {}
            }
        }
        match length {
            Some(length) => discard(&mut reader, length)?,
            None if chunked => {
                while let Some(size) = number(&line(&mut reader)?, 16).filter(|size| *size > 0) {
                    discard(&mut reader, size)?;
                    line(&mut reader)?;
                }
                while !line(&mut reader)?.is_empty() {}
            }
            None => {}
        }
        let mut words = request.split_whitespace();
        let (status, body) = run(words.next()?, words.next()?, things);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        writer.write_all(head.as_bytes()).ok()?;
        if last {
            return None;
        }
    }
}

fn run(method: &str, path: &str, things: &Things) -> (u16, &'static str) {
    let mut things = things.lock().expect("no panic before");
    match method {
        "PUT" | "MKCOL" => (201 + 3 * u16::from(!things.insert(path.to_owned())), ""),
        "DELETE" if things.remove(path) => (204, ""),
        "GET" if path == CANARY && things.contains(path) => (200, "alive"),
        _ if things.contains(path) => (200, ""),
        _ => (404, ""),
    }
}

/// Of `+5, 6` the 5.
fn number(text: &str, radix: u32) -> Option<u64> {
    let text = text.trim().trim_start_matches('+');
    let digits = text.split(|c: char| !c.is_digit(radix)).next();
    u64::from_str_radix(digits.unwrap_or_default(), radix).ok()
}

fn discard(reader: &mut BufReader<TcpStream>, bytes: u64) -> Option<()> {
    std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).ok()?;
    Some(())
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    reader
        .read_until(b'\n', &mut line)
        .ok()
        .filter(|read| *read > 0)?;
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}
