//! Small changes of kept inputs, decided by a seed.

/// Numbers that follow from a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, and 0 for 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

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
    let mut input = dice.of(inputs).to_vec();
    for _ in 0..=dice.below(4) {
        change(&mut input, inputs, dice);
    }
    input.truncate(BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, inputs: &[&[u8]], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below((input.len() - at).min(16) + 1);
    match dice.below(9) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = u8::try_from(dice.below(256)).unwrap(),
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 | 5 => drop(input.splice(at..at, dice.of(PIECES).iter().copied())),
        6 => drop(input.splice(at..end, dice.of(PIECES).iter().copied())),
        7 => input.truncate(at),
        _ => {
            let other = *dice.of(inputs);
            let from = dice.below(other.len() + 1);
            input.splice(at.., other[from..].iter().copied());
        }
    }
}
