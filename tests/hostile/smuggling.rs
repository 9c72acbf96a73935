//! The attacks of `smuggling.txt`.

use crate::attack::{Attack, Attacker};

const TABLE: &str = include_str!("smuggling.txt");

/// All of them.
pub fn attacks(attacker: &Attacker) -> Vec<Attack> {
    let lines = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.splitn(3, " | ");
            let mut next = || {
                columns
                    .next()
                    .unwrap_or_else(|| panic!("three columns: {line}"))
            };
            let (statuses, name, bytes) = (next(), next(), next());
            let statuses = statuses
                .split(", ")
                .map(|status| status.parse().expect("a status"));
            let statuses: Vec<u16> = statuses.collect();
            let template = unescape(bytes).replace("{put}", "PUT /yard/a HTTP/1.1\r\n{h}");
            Attack::new(name, &statuses, attacker.fill(&template))
        })
        .collect()
}

/// `\r`, `\n`, `\t`, `\0`, `\xNN` and `\u{NNNN}`.
fn unescape(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (kind, rest) = piece.split_at(1);
        let (code, rest) = match kind {
            "r" => ("0d", rest),
            "n" => ("0a", rest),
            "t" => ("09", rest),
            "0" => ("00", rest),
            "x" => rest.split_at(2),
            "u" => rest[1..].split_once('}').expect("a closing brace"),
            other => panic!("\\{other} means nothing here"),
        };
        let code = u32::from_str_radix(code, 16).expect("a hexadecimal number");
        plain.push(char::from_u32(code).expect("a character"));
        plain.push_str(rest);
    }
    plain
}
