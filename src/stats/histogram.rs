//! A histogram of whole numbers with fixed logarithmic bins: merging is exact, in any order and any grouping. Knows
//! numbers; must not know their unit.
//!
//! The bins are those of HdrHistogram (Tene, "HdrHistogram: A High Dynamic Range Histogram", 2012) for seven bits:
//! numbers below 128 have a bin each, and every power of two above is cut in 128 equal bins. So a bin is at most 1/128
//! of its numbers wide, and its middle at most 1/256 (0.4 %) away from any of them.

use super::linear;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Bits of a number that its bin tells apart.
const BITS: u32 = 7;
/// Bins of a power of two.
const PART: u64 = 1 << BITS;
/// Bins of all 64-bit numbers: those below `PART`, and `PART` for each of the 57 powers of two from it.
const BINS: u32 = (64 - BITS + 1) << BITS;

/// No quantile that is read from a histogram is further from the exact one than this share of it, half a number aside.
pub const RELATIVE_ERROR: f64 = 1.0 / 256.0;

/// The bin of a number.
fn bin(value: u64) -> u32 {
    if value < PART {
        return value as u32;
    }
    let shift = value.ilog2() - BITS;
    (shift << BITS) + (value >> shift) as u32
}

/// The first number of a bin and how many it has.
fn range(bin: u32) -> (u64, u64) {
    if u64::from(bin) < PART {
        return (u64::from(bin), 1);
    }
    let shift = (bin >> BITS) - 1;
    let place = u64::from(bin) - (u64::from(shift) << BITS);
    (place << shift, 1 << shift)
}

/// How many numbers fell into each bin. Empty bins are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    bins: BTreeMap<u32, u64>,
    count: u64,
}

impl Histogram {
    /// Of these numbers.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.add(value));
        histogram
    }
    /// Takes a number.
    pub fn add(&mut self, value: u64) {
        *self.bins.entry(bin(value)).or_default() += 1;
        self.count += 1;
    }
    /// Takes all that another has.
    pub fn merge(&mut self, other: &Histogram) {
        for (&bin, count) in &other.bins {
            *self.bins.entry(bin).or_default() += count;
        }
        self.count += other.count;
    }
    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// The `p`-quantile, of the middles of the bins; within [`RELATIVE_ERROR`] of the exact one. `None` without numbers.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let n = usize::try_from(self.count).ok()?;
        linear(n, p, |rank| {
            let mut left = rank as u64;
            let holds = |(_, count): &(&u32, &u64)| {
                let inside = left < **count;
                left = left.saturating_sub(**count);
                inside
            };
            let (&bin, _) = self.bins.iter().find(holds).unwrap_or((&0, &0));
            let (first, width) = range(bin);
            first as f64 + (width - 1) as f64 / 2.0
        })
    }
    /// The bins that are not empty, in order: first number, how many numbers the bin spans, how many fell into it.
    pub fn bins(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.bins.iter().map(|(&bin, &count)| {
            let (first, width) = range(bin);
            (first, width, count)
        })
    }
}

/// As text: `step` or `step:count` for each bin that is not empty, the step from the bin before it; a count of one is
/// left out. Equal histograms have equal texts.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = 0;
        for (at, (&bin, &count)) in self.bins.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{}", bin - before)?;
            if count != 1 {
                write!(f, ":{count}")?;
            }
            before = bin;
        }
        Ok(())
    }
}

/// A text that is no histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a histogram is written as steps and counts, such as `4501:2 1 3:7`")]
pub struct NoHistogram;

impl FromStr for Histogram {
    type Err = NoHistogram;
    fn from_str(text: &str) -> Result<Histogram, NoHistogram> {
        let mut histogram = Histogram::default();
        let mut bin = 0u32;
        for (at, word) in text.split_ascii_whitespace().enumerate() {
            let (step, count) = word.split_once(':').unwrap_or((word, "1"));
            let step: u32 = step.parse().map_err(|_| NoHistogram)?;
            let count: u64 = count.parse().map_err(|_| NoHistogram)?;
            bin = bin.checked_add(step).filter(|&bin| bin < BINS).ok_or(NoHistogram)?;
            if count == 0 || (step == 0 && at > 0) {
                return Err(NoHistogram);
            }
            histogram.bins.insert(bin, count);
            histogram.count = histogram.count.checked_add(count).ok_or(NoHistogram)?;
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sorted_quantile_of;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_meet_without_gaps_and_hold_their_numbers() {
        let mut next = 0u64;
        for at in 0..BINS {
            let (first, width) = range(at);
            assert_eq!(first, next, "bin {at}");
            let last = first + (width - 1);
            assert_eq!((bin(first), bin(last)), (at, at));
            assert!(width == 1 || first / width >= PART, "bin {at} is wider than 1/128 of its numbers");
            next = last.wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bin ends at the largest number");
        // 1,000 ns: 2^9 = 512 is its power of two, bins of 4; (1000 - 512) / 4 = 122 after the 128 + 2 · 128 before.
        assert_eq!(bin(1_000), 128 + 2 * 128 + 122);
    }

    #[test]
    fn texts_that_are_none() {
        for text in
            ["x", "1:", ":1", "1:0", "3 0", "7424", "4294967295 1", "1:18446744073709551615 1:1", "-1"]
        {
            assert_eq!(text.parse::<Histogram>(), Err(NoHistogram), "{text}");
        }
        assert_eq!("".parse(), Ok(Histogram::default()));
        assert_eq!(Histogram::of([5, 5, 6, 200]).to_string(), "5:2 1 194");
    }

    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        // Six decades, as latencies in nanoseconds have.
        prop::collection::vec((0u32..40, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits)), 0..200)
    }

    proptest! {
        #[test]
        fn merging_is_exact_in_any_order_and_grouping(a in numbers(), b in numbers(), c in numbers()) {
            let whole = Histogram::of(a.iter().chain(&b).chain(&c).copied());
            let [a, b, c] = [a, b, c].map(Histogram::of);
            let mut left = a.clone();
            left.merge(&b);
            left.merge(&c);
            let mut right = c;
            let mut inner = b;
            inner.merge(&a);
            right.merge(&inner);
            prop_assert_eq!(&left, &whole);
            prop_assert_eq!(&right, &whole);
            prop_assert_eq!(whole.to_string().parse::<Histogram>(), Ok(whole));
        }
        #[test]
        fn a_quantile_is_as_near_as_promised(mut values in numbers(), p in 0.0..=1.0f64) {
            let read = Histogram::of(values.iter().copied()).quantile(p);
            values.sort_unstable();
            let exact = sorted_quantile_of(&values, p);
            prop_assert_eq!(read.is_some(), exact.is_some());
            if let (Some(read), Some(exact)) = (read, exact) {
                prop_assert!((read - exact).abs() <= RELATIVE_ERROR * exact + 1e-9 * exact, "{} {}", read, exact);
            }
        }
    }
}
