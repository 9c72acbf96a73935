//! The same numbers from the same seed (xorshift).

use std::env;

const SEED: &str = "LOCKKEEPER_SEED";

/// The seed of this run, which is printed: the given one, or a new one.
pub fn seed() -> u64 {
    let given = env::var(SEED).ok();
    let seed = match given {
        Some(seed) => seed
            .parse()
            .unwrap_or_else(|_| panic!("{SEED}={seed} is no number")),
        None => u64::from(getrandom::u32().unwrap()),
    };
    println!("{SEED}={seed}");
    seed
}

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
