//! Digests: 64-bit fingerprints of what happened. Knows words and ranges of words; must not know requests or
//! caches. Stable over versions of Rust and machines, not cryptographic.

use crate::rng::mix64;

/// An order-sensitive digest of a sequence of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest::new()
    }
}

impl Digest {
    /// The digest of nothing.
    pub const fn new() -> Digest {
        Digest(0x6f75_7463_6f6d_6573)
    }
    /// Takes the next word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        self.0 = mix64(self.0.rotate_left(23) ^ word.wrapping_mul(0x9fb2_1c65_1e98_df25));
    }
    /// Takes a string: its length, then its bytes.
    pub fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }
    /// The 64 bits so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// A digest of a sequence that can take a whole run of words at once when the run's own digest is known:
/// `state · P^n + digest(run)`, a polynomial over the integers modulo 2^64 of words that are mixed beforehand.
/// A cache that works on runs of blocks can so produce the digest of the cache of single blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SequenceDigest {
    state: u64,
    count: u64,
}

/// The polynomial's base: odd, so that multiplication loses nothing.
pub const SEQUENCE_BASE: u64 = 0x2127_599b_f432_5c37;

impl SequenceDigest {
    /// Takes one word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        self.state = self.state.wrapping_mul(SEQUENCE_BASE).wrapping_add(word);
        self.count += 1;
    }
    /// Takes `count` words whose own digest, begun at zero, is `run`; `power` is `SEQUENCE_BASE^count`.
    #[inline]
    pub fn run(&mut self, run: u64, power: u64, count: u64) {
        self.state = self.state.wrapping_mul(power).wrapping_add(run);
        self.count += count;
    }
    /// Takes the words `first`, `first + step`, `first + 2·step` …, as many as `powers` is of.
    #[inline]
    pub fn line(&mut self, first: u64, step: u64, powers: &Powers) {
        let last = first.wrapping_add(step.wrapping_mul(powers.count.wrapping_sub(1)));
        let run = last.wrapping_mul(powers.sum).wrapping_sub(step.wrapping_mul(powers.weighted));
        self.run(run, powers.power, powers.count);
    }
    /// Takes as many words as `powers` is of, whose own digest, begun at zero, is `run` once `each` is taken from every one.
    #[inline]
    pub fn raised(&mut self, run: u64, each: u64, powers: &Powers) {
        self.run(run.wrapping_add(each.wrapping_mul(powers.sum)), powers.power, powers.count);
    }
    /// The 64 bits so far, with the number of words mixed in.
    pub fn value(self) -> u64 {
        mix64(self.state ^ mix64(self.count))
    }
}

/// What a run of `count` words needs of the base `P`, modulo 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powers {
    count: u64,
    /// `P^count`.
    power: u64,
    /// `Σ P^i` for `i < count`.
    sum: u64,
    /// `Σ i·P^i` for `i < count`.
    weighted: u64,
}

impl Powers {
    const NONE: Powers = Powers { count: 0, power: 1, sum: 0, weighted: 0 };
    const ONE: Powers = Powers { count: 1, power: SEQUENCE_BASE, sum: 1, weighted: 0 };

    /// `P^count`, which is what the word before `count` others is multiplied by.
    #[inline]
    pub fn power(&self) -> u64 {
        self.power
    }
    /// `self` words and then `more`: the sums over `i < n + m` split at `n`.
    const fn and(self, more: Powers) -> Powers {
        let shifted = more.weighted.wrapping_add(self.count.wrapping_mul(more.sum));
        Powers {
            count: self.count + more.count,
            power: self.power.wrapping_mul(more.power),
            sum: self.sum.wrapping_add(self.power.wrapping_mul(more.sum)),
            weighted: self.weighted.wrapping_add(self.power.wrapping_mul(shifted)),
        }
    }
    /// Those of `count` words, put together from those of powers of two: O(log count).
    #[inline]
    pub fn of(count: u32) -> Powers {
        let (mut powers, mut left) = (Powers::NONE, count);
        while left > 0 {
            powers = powers.and(DOUBLINGS[left.trailing_zeros() as usize]);
            left &= left - 1;
        }
        powers
    }
}

/// The powers of 1, 2, 4 … words.
const DOUBLINGS: [Powers; 32] = {
    let mut table = [Powers::ONE; 32];
    let mut k = 1;
    while k < 32 {
        table[k] = table[k - 1].and(table[k - 1]);
        k += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_taken_whole_equals_its_words_taken_singly() {
        let words = [3, 1, 4, 1, 5, 9, 2, 6].map(mix64);
        let mut singly = SequenceDigest::default();
        words.iter().for_each(|&word| singly.word(word));
        let mut run = SequenceDigest::default();
        words[2..6].iter().for_each(|&word| run.word(word));
        let power = (0..4).fold(1u64, |power, _| power.wrapping_mul(SEQUENCE_BASE));
        let mut whole = SequenceDigest::default();
        words[..2].iter().for_each(|&word| whole.word(word));
        whole.run(run.state, power, 4);
        words[6..].iter().for_each(|&word| whole.word(word));
        assert_eq!(whole, singly);
    }

    #[test]
    fn a_line_equals_its_words_taken_singly() {
        for count in (0..70).chain([2_047, 4_096]) {
            let (mut line, mut singly) = (SequenceDigest::default(), SequenceDigest::default());
            line.word(7);
            singly.word(7);
            let (first, step) = (mix64(1), mix64(2));
            line.line(first, step, &Powers::of(count));
            for i in 0..u64::from(count) {
                singly.word(first.wrapping_add(step.wrapping_mul(i)));
            }
            assert_eq!(line, singly, "{count} words");
        }
    }

    #[test]
    fn order_and_length_matter() {
        let digest = |words: &[u64]| {
            let mut digest = Digest::new();
            words.iter().for_each(|&word| digest.word(word));
            digest.value()
        };
        assert_ne!(digest(&[1, 2]), digest(&[2, 1]));
        assert_ne!(digest(&[0]), digest(&[0, 0]));
    }
}
