//! Small changes of kept inputs, decided by a seed.

use crate::dice::Dice;

/// What parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"%2e",
    b"%2F",
    b"%00",
    b"%25",
    b"%",
    b"..",
    b"/",
    b"//",
    b"\\",
    b"#",
    b"?",
    b"\0",
    b"\r\n",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b",",
    b";",
    b":",
    b"=",
    b"\"",
    b"'",
    b"<",
    b">",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"&",
    b"&amp;",
    b"&#0;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?",
    b"xmlns",
    b"xml:",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9999999999999999999999",
    b"1e9",
    b"null",
    b"true",
    b"\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80",
    b"\xc3\xa9",
    b"e\xcc\x81",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x94\x92",
    b"\xe0\xa5\x98",
];

const BYTES_MAX: usize = 8192;

/// One of the inputs, changed in one to four places.
pub fn mutate(inputs: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    let mut input = one_of(dice, inputs).to_vec();
    for _ in 0..=below(dice, 4) {
        change(&mut input, inputs, dice);
    }
    input.truncate(BYTES_MAX);
    input
}

/// Less than `end`, and 0 for 0.
fn below(dice: &mut Dice, end: usize) -> usize {
    let end = u64::try_from(end.max(1)).unwrap();
    usize::try_from(dice.below(end)).unwrap()
}

fn one_of<'a, T>(dice: &mut Dice, all: &'a [T]) -> &'a T {
    &all[below(dice, all.len())]
}

fn change(input: &mut Vec<u8>, inputs: &[&[u8]], dice: &mut Dice) {
    let at = below(dice, input.len() + 1);
    let end = at + below(dice, (input.len() - at).min(16) + 1);
    match below(dice, 9) {
        0 if at < input.len() => input[at] ^= 1 << below(dice, 8),
        1 if at < input.len() => input[at] = u8::try_from(below(dice, 256)).unwrap(),
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 | 5 => drop(input.splice(at..at, one_of(dice, PIECES).iter().copied())),
        6 => drop(input.splice(at..end, one_of(dice, PIECES).iter().copied())),
        7 => input.truncate(at),
        _ => {
            let other = *one_of(dice, inputs);
            let from = below(dice, other.len() + 1);
            input.splice(at.., other[from..].iter().copied());
        }
    }
}
