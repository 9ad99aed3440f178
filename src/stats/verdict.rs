//! Better, same, worse, or not enough evidence: a verdict by non-inferiority. Two one-sided tests in a fixed order:
//! first whether "worse by more than the margin" is excluded, then whether any gain is shown. Testing in a fixed
//! order needs no further correction (EMA, "Points to Consider on Switching between Superiority and
//! Non-Inferiority", CPMP/EWP/482/99, 2000).

use super::Paired;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the pairs say of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A gain is shown.
    Better,
    /// Worse by more than the margin is excluded; no gain is shown.
    Same,
    /// The pairs exclude neither a loss beyond the margin nor its absence.
    Inconclusive,
    /// A loss beyond the margin is shown.
    Worse,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Better => "better",
            Verdict::Same => "same",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Worse => "worse",
        })
    }
}

/// The three p-values that a verdict stands on; a family of verdicts corrects `worse` and `better` before it asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Small: the loss is larger than the margin.
    pub worse: f64,
    /// Small: the loss is smaller than the margin.
    pub not_worse: f64,
    /// Small: there is a gain.
    pub better: f64,
}

impl Evidence {
    /// Of a measure of which less is better (mirror the pairs of the others). `margin`, at least 0, is the loss that
    /// does not matter, in the measure's unit. `None` with one pair, whose spread nobody knows.
    pub fn of(paired: &Paired, margin: f64) -> Option<Evidence> {
        let not_worse = match paired.difference.sd()? {
            // A loss of just the margin does not matter either; only without any spread is that a case of its own.
            0.0 if paired.mean() <= margin => 0.0,
            _ => paired.p_below(margin)?,
        };
        Some(Evidence { worse: paired.p_above(margin)?, not_worse, better: paired.p_below(0.0)? })
    }
    /// The verdict at a two-sided `confidence` (0.95 puts 2.5 % in each tail).
    pub fn verdict(&self, confidence: f64) -> Verdict {
        let level = (1.0 - confidence) / 2.0;
        if self.worse <= level {
            Verdict::Worse
        } else if self.not_worse > level {
            Verdict::Inconclusive
        } else if self.better <= level {
            Verdict::Better
        } else {
            Verdict::Same
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five pairs whose differences have this mean and s/sqrt(5) = 0.70711; t(4, 97.5 %) = 2.776, so ± 1.963.
    fn verdict(mean: f64, margin: f64) -> Verdict {
        let after = [-2.0, -1.0, 0.0, 1.0, 2.0].map(|offset| 10.0 + mean + offset);
        Evidence::of(&Paired::of(&[10.0; 5], &after).unwrap(), margin).unwrap().verdict(0.95)
    }

    #[test]
    fn the_interval_against_zero_and_the_margin() {
        // The interval is mean ± 1.963.
        assert_eq!(verdict(3.0, 1.0), Verdict::Worse, "(1.04, 4.96) lies beyond 1");
        assert_eq!(verdict(3.0, 1.1), Verdict::Inconclusive, "(1.04, 4.96) holds 1.1");
        assert_eq!(verdict(-0.5, 1.5), Verdict::Same, "(-2.46, 1.46) lies below 1.5 and holds 0");
        assert_eq!(verdict(-0.5, 1.4), Verdict::Inconclusive, "(-2.46, 1.46) holds 1.4");
        assert_eq!(verdict(-2.0, 1.0), Verdict::Better, "(-3.96, -0.04) lies below 0");
    }

    #[test]
    fn no_difference_at_all_is_the_same_even_without_a_margin() {
        let paired = Paired::of(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        assert_eq!(Evidence::of(&paired, 0.0).unwrap().verdict(0.95), Verdict::Same);
        let paired = Paired::of(&[1.0, 2.0], &[1.1, 2.1]).unwrap();
        assert_eq!(Evidence::of(&paired, 0.0).unwrap().verdict(0.95), Verdict::Worse);
        assert_eq!(Evidence::of(&Paired::of(&[1.0], &[1.0]).unwrap(), 0.0), None);
    }
}
