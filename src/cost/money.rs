//! Money, in whole millionths of a US dollar.

use crate::time::Span;
use std::iter::Sum;
use std::ops::Add;

/// Millionths of a US dollar: cents of tokens and millions of GPU-hours both fit, and sums are exact.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct MicroUsd(pub u64);

const NS_PER_HOUR: u128 = 3_600_000_000_000;

impl MicroUsd {
    /// From dollars, rounded to the nearest millionth; what is no number or negative is nothing.
    pub fn from_usd(usd: f64) -> MicroUsd {
        MicroUsd((usd * 1e6).round().max(0.0) as u64)
    }
    /// In dollars.
    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// What `units` cost for a time at this price a unit and hour, rounded to the nearest millionth.
    pub fn for_hours(self, units: u64, time: Span) -> MicroUsd {
        let exact = u128::from(self.0) * u128::from(units) * u128::from(time.0);
        MicroUsd(((exact + NS_PER_HOUR / 2) / NS_PER_HOUR) as u64)
    }
    /// What `tokens` cost at this price a million, rounded to the nearest millionth.
    pub fn for_tokens(self, tokens: u64) -> MicroUsd {
        MicroUsd(((u128::from(self.0) * u128::from(tokens) + 500_000) / 1_000_000) as u64)
    }
    /// Dollars for each of `n`; `None` of none.
    pub fn per(self, n: u64) -> Option<f64> {
        (n > 0).then(|| self.usd() / n as f64)
    }
}

impl Add for MicroUsd {
    type Output = MicroUsd;
    fn add(self, other: MicroUsd) -> MicroUsd {
        MicroUsd(self.0.saturating_add(other.0))
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = MicroUsd>>(parts: I) -> MicroUsd {
        parts.fold(MicroUsd(0), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_tokens_by_hand() {
        // Eight GPUs at 55.04 / 8 = 6.88 dollars for 90 minutes: 82.56.
        assert_eq!(MicroUsd::from_usd(6.88).for_hours(8, Span::from_secs(5400)).usd(), 82.56);
        // A nanosecond of a million GPUs at a dollar: 0.28 millionths, nothing; two: 0.56, one.
        assert_eq!(MicroUsd::from_usd(1.0).for_hours(1_000_000, Span(1)), MicroUsd(0));
        assert_eq!(MicroUsd::from_usd(1.0).for_hours(1_000_000, Span(2)), MicroUsd(1));
        // 2,500 tokens at 3 dollars a million: 0.75 cents.
        assert_eq!(MicroUsd::from_usd(3.0).for_tokens(2_500).usd(), 0.0075);
        assert_eq!((MicroUsd(500).per(4), MicroUsd(500).per(0)), (Some(0.000125), None));
    }

    #[test]
    fn two_ways_to_read_a_throughput_gain() {
        // A node at 10 dollars an hour, 730 hours: 7,300 dollars a month. A router lifts it from 36.3 to 44.4 requests a second.
        let month = MicroUsd::from_usd(10.0).for_hours(1, Span::from_secs(730 * 3600)).usd();
        assert_eq!(month, 7_300.0);
        // Of the old fleet that share is not needed any more: 1 - 36.3/44.4 = 18.24 %, 1,331 dollars. That assumes a
        // busy node round the clock and savings in fractions of a node.
        assert_eq!((month * (1.0 - 36.3 / 44.4)).floor(), 1_331.0);
        // The gain itself, 22.3 % of the bill: 1,628 dollars, as if the bill grew with what is served.
        assert_eq!((month * 0.223).round(), 1_628.0);
    }
}
