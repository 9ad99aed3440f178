//! Before and after on the same world: the paired difference, its interval and one-sided tests against a margin.
//! Pairs are runs under the same seed (common random numbers), so what both share cancels; the pairs themselves are
//! independent.
//!
//! Student's paired test; any textbook, e.g. Law, "Simulation Modeling and Analysis", 5th ed., section 10.2.1.

use super::{Moments, student_t};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The difference `after - before` over pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The mean before.
    pub before: f64,
    /// The mean after.
    pub after: f64,
    /// The differences.
    pub difference: Moments,
}

impl Paired {
    /// Of as many values before as after, in the order of the pairs; `None` without pairs or where lengths differ.
    pub fn of(before: &[f64], after: &[f64]) -> Option<Paired> {
        (before.len() == after.len()).then_some(())?;
        let mean = |values: &[f64]| Moments::of(values.iter().copied()).mean();
        let differences = before.iter().zip(after).map(|(before, after)| after - before);
        Some(Paired { before: mean(before)?, after: mean(after)?, difference: Moments::of(differences) })
    }
    /// How many pairs.
    pub fn pairs(&self) -> u64 {
        self.difference.count()
    }
    /// The mean difference.
    pub fn mean(&self) -> f64 {
        self.difference.mean().unwrap_or(0.0)
    }
    /// Student's interval for the mean difference: `None` with one pair, where nothing is known of its spread.
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        let half = self.difference.half_width(confidence)?;
        Some((self.mean() - half, self.mean() + half))
    }
    /// The probability of a mean difference at least this large if the true one were `margin`: small says that the
    /// difference is larger than the margin. `None` with one pair.
    pub fn p_above(&self, margin: f64) -> Option<f64> {
        let n = self.pairs();
        let error = self.difference.sd()? / (n as f64).sqrt();
        let over = self.mean() - margin;
        if error == 0.0 {
            // Every pair differs by the same: no doubt is left either way.
            return Some(if over > 0.0 { 0.0 } else { 1.0 });
        }
        let student = StudentsT::new(0.0, 1.0, (n - 1) as f64).ok()?;
        Some(student.sf(over / error))
    }
    /// The same for a difference smaller than `margin`.
    pub fn p_below(&self, margin: f64) -> Option<f64> {
        self.mirrored().p_above(-margin)
    }
    /// The difference with its sign turned, for measures of which more is better.
    pub fn mirrored(&self) -> Paired {
        Paired { before: -self.before, after: -self.after, difference: self.difference.mirrored() }
    }
    /// How many pairs would bring half the width of the interval to `half_width`, if their spread stayed as it is:
    /// `(t · s / half_width)²` with the degrees of freedom of that many pairs. `None` with fewer than two pairs.
    pub fn pairs_for(&self, half_width: f64, confidence: f64) -> Option<u64> {
        let sd = self.difference.sd()?;
        if half_width <= 0.0 {
            return (sd == 0.0).then_some(2);
        }
        // With this many, Student's law is the normal one to four digits, and its own quantiles take long.
        const NORMAL: f64 = 10_000.0;
        let z = Normal::new(0.0, 1.0).ok()?.inverse_cdf(f64::midpoint(1.0, confidence));
        let by_normal = (z * sd / half_width) * (z * sd / half_width);
        if by_normal >= NORMAL {
            return (by_normal < 1e15).then_some(by_normal.ceil() as u64);
        }
        let enough =
            |n: u64| student_t(n - 1, confidence).is_some_and(|t| t * sd / (n as f64).sqrt() <= half_width);
        let mut high = 2;
        while !enough(high) {
            high *= 2;
            (high < 1 << 20).then_some(())?;
        }
        let mut low = 2;
        while low < high {
            let middle = u64::midpoint(low, high);
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_pair_of_samples() {
        // Differences 1, 2, 3, 4, 5: mean 3, s = sqrt(2.5) = 1.5811, s/sqrt(5) = 0.70711; t(4, 95 %) = 2.776:
        // 3 ± 1.963.
        let paired = Paired::of(&[10.0, 10.0, 10.0, 10.0, 10.0], &[11.0, 12.0, 13.0, 14.0, 15.0]).unwrap();
        assert_eq!((paired.before, paired.after, paired.mean(), paired.pairs()), (10.0, 13.0, 3.0, 5));
        let (low, high) = paired.interval(0.95).unwrap();
        assert!((low - 1.037).abs() < 1e-3 && (high - 4.963).abs() < 1e-3, "{low} {high}");
        // Against 1.4926 = 3 - 2.132 · 0.70711, the one-sided 5 % point of t with 4 degrees.
        assert!((paired.p_above(1.4926).unwrap() - 0.05).abs() < 1e-4);
        assert!((paired.p_below(4.5074).unwrap() - 0.05).abs() < 1e-4);
        assert!((paired.p_above(3.0).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn equal_differences_leave_no_doubt() {
        let paired = Paired::of(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(paired.interval(0.95), Some((0.0, 0.0)));
        assert_eq!((paired.p_above(0.0), paired.p_below(0.1)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn one_pair_says_nothing_of_its_spread() {
        let paired = Paired::of(&[1.0], &[2.0]).unwrap();
        assert_eq!((paired.mean(), paired.interval(0.95), paired.p_above(0.0)), (1.0, None, None));
        assert_eq!(Paired::of(&[1.0], &[]), None);
        assert_eq!(Paired::of(&[], &[]), None);
    }

    #[test]
    fn the_pairs_that_a_wanted_width_takes() {
        // s = 1.5811, half-width 1: n with t(n-1) · 1.5811 / sqrt(n) <= 1. n = 12: 2.2010 · 0.45643 = 1.0046, too
        // wide; n = 13: 2.1788 · 0.43852 = 0.9554.
        let paired = Paired::of(&[0.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(paired.pairs_for(1.0, 0.95), Some(13));
        assert_eq!(Paired::of(&[0.0; 2], &[1.0; 2]).unwrap().pairs_for(0.0, 0.95), Some(2));
        // A millionth: (1.96 · 1.5811 / 1e-6)² = 9.6e12, at once; a hair's breadth takes more than anybody has.
        let many = paired.pairs_for(1e-6, 0.95).unwrap();
        assert!((9.5e12..9.7e12).contains(&(many as f64)), "{many}");
        assert_eq!(paired.pairs_for(1e-12, 0.95), None);
        // Where one rule gives way to the other they agree: 0.031 takes 9,993 by the normal law, two more by Student's.
        let near = paired.pairs_for(0.031, 0.95).unwrap();
        assert!((9_990..10_000).contains(&near), "{near}");
    }
}
