//! Keyed random streams. Knows how a seed, an entity's name and a purpose become a portable generator; must not
//! know what the numbers are for. There is no global generator: a draw more in one place moves no draw elsewhere
//! (common random numbers), and nothing depends on the order in which events fire.
//!
//! The generator is `Xoshiro256PlusPlus` of the `rand` crate, one of its named portable generators; keys are mixed
//! with the SplitMix64 finaliser (Steele, Lea and Flood, 2014).

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The SplitMix64 finaliser: a bijection of `u64` that spreads every input bit over the whole word.
#[inline]
pub const fn mix64(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Two words into one, order mattering.
#[inline]
pub const fn mix2(a: u64, b: u64) -> u64 {
    mix64(mix64(a) ^ b.wrapping_mul(0xd6e8_feb8_6659_fd93))
}

/// A stable 64-bit hash of a name (FNV-1a, then mixed): the same in every version and on every machine.
pub const fn hash_name(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    mix64(hash)
}

/// A node in the tree of random keys: the seed at the root, a name or a number at each branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub u64);

impl Key {
    /// The root of one run.
    pub const fn root(seed: u64) -> Key {
        Key(mix64(seed ^ 0x7265_6769_6f6e_7369))
    }
    /// The branch of a named entity or purpose.
    pub const fn named(self, name: &str) -> Key {
        self.branch(hash_name(name))
    }
    /// The branch of a name by its [`hash_name`]: for names that are known when the program is built.
    #[inline]
    pub const fn branch(self, name: u64) -> Key {
        Key(mix2(self.0, name))
    }
    /// The branch of a numbered entity.
    #[inline]
    pub const fn at(self, number: u64) -> Key {
        Key(mix2(self.0, number ^ 0x5851_f42d_4c95_7f2d))
    }
    /// A generator of this key's own.
    #[inline]
    pub fn stream(self) -> Stream {
        Stream { generator: Xoshiro256PlusPlus::seed_from_u64(self.0) }
    }
    /// One uniform draw in `[0, 1)` without a generator: for one number per request and purpose.
    #[inline]
    pub const fn unit(self) -> f64 {
        (mix64(self.0) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// A stream of random numbers that belongs to one entity and one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    generator: Xoshiro256PlusPlus,
}

impl Stream {
    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }
    /// Uniform in `[0, 1)`, 53 bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    /// Uniform in `(0, 1]`: safe to take the logarithm of.
    #[inline]
    pub fn unit_open(&mut self) -> f64 {
        ((self.next_u64() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    /// Uniform in `0..n` without bias (Lemire 2019); `n` must not be zero.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "below(0)");
        let mut product = (self.next_u64() >> 32) * n as u64;
        let mut low = product as u32;
        if low < n {
            let threshold = n.wrapping_neg() % n;
            while low < threshold {
                product = (self.next_u64() >> 32) * n as u64;
                low = product as u32;
            }
        }
        (product >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_named_portable_one() {
        // First output of xoshiro256++ seeded with 42 by SplitMix64, as two independent crates print it.
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(42);
        assert_eq!(generator.next_u64(), 0xd076_4d4f_4476_689f);
    }

    #[test]
    fn mix64_is_splitmix64() {
        // The published first output of SplitMix64 with state 0.
        assert_eq!(mix64(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn keys_differ_by_name_number_and_order() {
        let root = Key::root(7);
        let keys = [
            root.named("a"),
            root.named("b"),
            root.at(0),
            root.at(1),
            root.named("a").at(1),
            root.at(1).named("a"),
            Key::root(8).named("a"),
        ];
        let distinct: std::collections::BTreeSet<u64> = keys.iter().map(|key| key.0).collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn below_is_uniform_over_a_range_that_does_not_divide_the_word() {
        // 60,000 draws over 6 faces: chi-square with 5 degrees of freedom stays under its 99.99 % point, 25.7.
        let mut stream = Key::root(1).stream();
        let mut faces = [0u32; 6];
        for _ in 0..60_000 {
            faces[stream.below(6) as usize] += 1;
        }
        let chi2: f64 = faces.iter().map(|&n| (n as f64 - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi2 < 25.7, "chi-square {chi2}, faces {faces:?}");
    }
}
