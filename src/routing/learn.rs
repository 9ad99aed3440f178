//! What a gateway learns from its own answers: times to first token by target, what they hang on, how fast targets finish.
//! Knows what was sent and when something came back; must not know why, nor what a policy makes of it. A gateway times its
//! own part: from sending to the first token's arrival here, the way there and back included.
//!
//! The prediction is the calibration of GORGO (atoniolo76/GORGO at f624302): TTFT = intercept of the target + P · uncached
//! tokens + Q · queued tokens, by least squares over all answers so far, one P and one Q for all targets. Least squares are
//! kept within targets: deviations from each target's own means. Neither P nor Q is below 0 (ours: more work never takes
//! less time).

use super::TargetId;
use crate::time::{SimTime, Span};

/// How it learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnOptions {
    /// The weight of a new time to first token against the mean so far, above 0, up to 1.
    pub alpha: f64,
    /// The time over which finished requests count towards a rate: the weight of one falls by e in it.
    pub memory: Span,
}

impl Default for LearnOptions {
    /// GORGO's weight of a new round trip, 0.3; ten seconds (our choice: some tens of requests at usual rates).
    fn default() -> LearnOptions {
        LearnOptions { alpha: 0.3, memory: Span::from_secs(10) }
    }
}

/// What is known of each target.
#[derive(Clone, Debug)]
pub struct Learner {
    options: LearnOptions,
    known: Vec<Known>,
    /// Of all targets together.
    all: Means,
    /// Sums of products of deviations within targets: uncached², uncached · queued, queued², with TTFT each.
    products: [f64; 5],
    slopes: [f64; 2],
    /// What was sent and has no first token yet, by ticket.
    pending: Vec<Sent>,
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    means: Means,
    /// The moving mean of its times to first token, in milliseconds.
    ttft_ms: f64,
    /// Finished requests a second, as of an instant.
    rate: f64,
    rate_at: SimTime,
}

/// Means of uncached tokens, queued tokens and times to first token in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Means {
    count: f64,
    of: [f64; 3],
}

impl Means {
    fn add(&mut self, values: [f64; 3]) {
        self.count += 1.0;
        for (mean, value) in self.of.iter_mut().zip(values) {
            *mean += (value - *mean) / self.count;
        }
    }
    fn intercept(&self, slopes: [f64; 2]) -> f64 {
        self.of[2] - slopes[0] * self.of[0] - slopes[1] * self.of[1]
    }
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: SimTime,
    uncached: u32,
    queued: u64,
}

impl Learner {
    /// Of `targets` targets, nothing yet.
    pub fn new(options: LearnOptions, targets: usize) -> Learner {
        Learner {
            options,
            known: vec![Known::default(); targets],
            all: Means::default(),
            products: [0.0; 5],
            slopes: [0.0; 2],
            pending: Vec::new(),
            free: Vec::new(),
        }
    }
    /// A request is sent of which `uncached` tokens are to be computed, behind `queued` prompt tokens of this gateway's: its
    /// number.
    pub fn sent(&mut self, now: SimTime, uncached: u32, queued: u64) -> u32 {
        let sent = Sent { at: now, uncached, queued };
        if let Some(number) = self.free.pop() {
            self.pending[number as usize] = sent;
            return number;
        }
        self.pending.push(sent);
        (self.pending.len() - 1) as u32
    }
    /// Its first token is back: after how long.
    pub fn first_token(&mut self, now: SimTime, target: TargetId, number: u32) -> Span {
        let Sent { at, uncached, queued } = self.pending[number as usize];
        self.free.push(number);
        let values = [f64::from(uncached), queued as f64, now.since(at).as_ms_f64()];
        let known = &mut self.known[target.0 as usize];
        let first = known.means.count == 0.0;
        known.ttft_ms += if first { values[2] } else { self.options.alpha * (values[2] - known.ttft_ms) };
        let before = known.means.of;
        known.means.add(values);
        let after = known.means.of;
        // Welford: a deviation from the mean before times one from the mean after.
        let product = |i: usize, j: usize| (values[i] - before[i]) * (values[j] - after[j]);
        for (sum, (i, j)) in self.products.iter_mut().zip([(0, 0), (0, 1), (1, 1), (0, 2), (1, 2)]) {
            *sum += product(i, j);
        }
        self.all.add(values);
        self.slopes = least_squares(self.products);
        now.since(at)
    }
    /// The attempt of this number came to nothing before its first token.
    pub fn lost(&mut self, number: u32) {
        self.free.push(number);
    }
    /// An attempt that had its first token is over.
    pub fn finished(&mut self, now: SimTime, target: TargetId) {
        let rate = self.finished_per_s(now, target) + 1.0 / self.options.memory.as_secs_f64();
        let known = &mut self.known[target.0 as usize];
        (known.rate, known.rate_at) = (rate, now);
    }
    /// Requests of this gateway that the target finishes in a second.
    pub fn finished_per_s(&self, now: SimTime, target: TargetId) -> f64 {
        let known = &self.known[target.0 as usize];
        let age = now.since(known.rate_at).as_secs_f64() / self.options.memory.as_secs_f64();
        if known.rate == 0.0 { 0.0 } else { known.rate * libm::exp(-age) }
    }
    /// The moving mean of its times to first token, in milliseconds; 0 while none is back, so that everybody is tried.
    pub fn ttft_ms(&self, target: TargetId) -> f64 {
        self.known[target.0 as usize].ttft_ms
    }
    /// The time to first token that is predicted for a request of so many uncached tokens behind so many queued ones, in
    /// milliseconds, 0 or more. A target of which none is back is as all are together; 0 while nothing is back at all.
    pub fn predicted_ms(&self, target: TargetId, uncached: u32, queued: u64) -> f64 {
        let means = &self.known[target.0 as usize].means;
        let means = if means.count > 0.0 { means } else { &self.all };
        let [per_uncached, per_queued] = self.slopes;
        (means.intercept(self.slopes) + per_uncached * f64::from(uncached) + per_queued * queued as f64)
            .max(0.0)
    }
}

/// The slopes, none below 0, that leave the least squares: from sums of products uu, uq, qq, uy, qy.
fn least_squares([uu, uq, qq, uy, qy]: [f64; 5]) -> [f64; 2] {
    let determinant = uu * qq - uq * uq;
    // Columns that all but agree say nothing of which of them it is.
    if determinant > 1e-9 * uu * qq {
        let both = [(uy * qq - qy * uq) / determinant, (qy * uu - uy * uq) / determinant];
        if both[0] >= 0.0 && both[1] >= 0.0 {
            return both;
        }
    }
    // One alone: whichever explains more, uy² / uu or qy² / qq.
    let explains = |xy: f64, xx: f64| if xx > 0.0 && xy > 0.0 { xy * xy / xx } else { 0.0 };
    let (by_uncached, by_queued) = (explains(uy, uu), explains(qy, qq));
    if by_uncached == 0.0 && by_queued == 0.0 {
        [0.0; 2]
    } else if by_uncached >= by_queued {
        [uy / uu, 0.0]
    } else {
        [0.0, qy / qq]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> SimTime {
        SimTime::ZERO + Span::from_ms(ms)
    }
    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-6
    }
    const A: TargetId = TargetId(0);
    const B: TargetId = TargetId(1);

    fn answer(learner: &mut Learner, target: TargetId, uncached: u32, queued: u64, ttft_ms: u64) {
        let number = learner.sent(at(0), uncached, queued);
        learner.first_token(at(ttft_ms), target, number);
    }

    #[test]
    fn a_moving_mean_begins_with_the_first_and_moves_by_its_weight() {
        let mut learner = Learner::new(LearnOptions { alpha: 0.25, ..LearnOptions::default() }, 2);
        // 100; 100 + 0.25 · (200 − 100) = 125; 125 + 0.25 · (25 − 125) = 100.
        for (ttft, expected) in [(100, 100.0), (200, 125.0), (25, 100.0)] {
            answer(&mut learner, A, 10, 0, ttft);
            assert_eq!(learner.ttft_ms(A), expected);
        }
        assert_eq!(learner.ttft_ms(B), 0.0);
    }

    #[test]
    fn what_is_linear_is_found_exactly() {
        // A: 20 + 0.1 u + 0.05 q; B: 50 more. Three answers of A tell both slopes and its intercept, one of B its own.
        let mut learner = Learner::new(LearnOptions::default(), 3);
        assert_eq!(learner.predicted_ms(A, 1_000, 1_000), 0.0);
        for (uncached, queued, ttft) in [(0, 0, 20), (1_000, 0, 120), (0, 2_000, 120)] {
            answer(&mut learner, A, uncached, queued, ttft);
        }
        answer(&mut learner, B, 500, 400, 140);
        assert!(near(learner.predicted_ms(A, 300, 600), 20.0 + 30.0 + 30.0));
        assert!(near(learner.predicted_ms(B, 300, 600), 70.0 + 30.0 + 30.0));
        // The third is as all four are: means u 375, q 600, TTFT 100: 100 − 37.5 − 30 = 32.5.
        assert!(near(learner.predicted_ms(TargetId(2), 0, 0), 32.5));
    }

    #[test]
    fn no_slope_is_below_zero() {
        // More uncached tokens, less time; queued tokens say the rest: 100 + 0.1 q.
        let mut learner = Learner::new(LearnOptions::default(), 1);
        for (uncached, queued, ttft) in [(900, 0, 10), (0, 900, 100), (450, 450, 55)] {
            answer(&mut learner, A, uncached, queued, ttft);
        }
        // The two columns are one line: which of them it is cannot be told, and the one that goes up is it.
        assert!(
            near(learner.predicted_ms(A, 0, 900), 100.0) && near(learner.predicted_ms(A, 900, 900), 100.0)
        );
        assert_eq!(least_squares([4.0, 0.0, 1.0, -2.0, -3.0]), [0.0, 0.0]);
        assert_eq!(least_squares([4.0, 0.0, 1.0, 2.0, -3.0]), [0.5, 0.0]);
        assert_eq!(least_squares([0.0; 5]), [0.0; 2]);
    }

    #[test]
    fn a_rate_rises_with_each_end_and_falls_by_e_in_its_memory() {
        let mut learner =
            Learner::new(LearnOptions { memory: Span::from_secs(4), ..LearnOptions::default() }, 1);
        assert_eq!(learner.finished_per_s(at(5_000), A), 0.0);
        learner.finished(at(0), A);
        assert_eq!(learner.finished_per_s(at(0), A), 0.25);
        assert!(near(learner.finished_per_s(at(4_000), A), 0.25 / std::f64::consts::E));
        learner.finished(at(4_000), A);
        assert!(near(learner.finished_per_s(at(4_000), A), 0.25 / std::f64::consts::E + 0.25));
        // Two a second, for long: 1 / (4 · (1 − e^(−1/8))) = 2.127 at an end, 2 on average.
        let mut steady =
            Learner::new(LearnOptions { memory: Span::from_secs(4), ..LearnOptions::default() }, 1);
        (0..200).for_each(|n| steady.finished(at(500 * n), A));
        let expected = 0.25 / (1.0 - libm::exp(-0.125));
        assert!(near(steady.finished_per_s(at(500 * 199), A), expected));
    }

    #[test]
    fn what_was_lost_teaches_nothing_and_numbers_are_used_again() {
        let mut learner = Learner::new(LearnOptions::default(), 1);
        let first = learner.sent(at(0), 5, 5);
        learner.lost(first);
        assert_eq!((learner.ttft_ms(A), learner.sent(at(1), 1, 1)), (0.0, first));
    }

    proptest! {
        /// The definition: least squares over deviations from each target's means, in two passes.
        #[test]
        fn sums_are_kept_as_two_passes_find_them(
            answers in prop::collection::vec((0u32..2, 0u32..5_000, 0u64..5_000, 1u64..5_000), 2..60),
        ) {
            let mut learner = Learner::new(LearnOptions::default(), 2);
            for &(target, uncached, queued, ttft) in &answers {
                answer(&mut learner, TargetId(target), uncached, queued, ttft);
            }
            let mut sums = [0.0; 5];
            for target in 0..2 {
                let rows: Vec<[f64; 3]> = answers.iter().filter(|row| row.0 == target)
                    .map(|row| [f64::from(row.1), row.2 as f64, row.3 as f64]).collect();
                let mean = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64;
                for (sum, (i, j)) in sums.iter_mut().zip([(0, 0), (0, 1), (1, 1), (0, 2), (1, 2)]) {
                    *sum += rows.iter().map(|row| (row[i] - mean(i)) * (row[j] - mean(j))).sum::<f64>();
                }
            }
            for (kept, sum) in learner.products.iter().zip(sums) {
                prop_assert!((kept - sum).abs() <= 1e-6 * (1.0 + sum.abs()) + 1e-3, "{} {}", kept, sum);
            }
        }
    }
}
