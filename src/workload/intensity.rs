//! How fast sessions begin, over time, and when a given amount of them has begun. Knows rates; must not know what is
//! sent. The rate is a product of three things that each change at known times: a ladder of stages (constant or
//! ramps), the week's curve (steps) and bursts (on or off). Between two changes it is linear, its integral a
//! parabola, and the inverse of that one square root: a renewal process runs in the integrated rate (operational time)
//! and is carried over to the clock without thinning and without a step size.

use super::params::RateStage;
use crate::dist::Dist;
use crate::rng::{Key, Stream};
use crate::time::MAX_TIME;

/// Seconds of a week.
const WEEK_S: f64 = super::curve::WEEK_S as f64;

/// A rate over time, read forwards.
#[derive(Clone, Debug)]
pub(super) struct Intensity {
    /// Seconds since the start.
    now_s: f64,
    stages: Stages,
    week: Week,
    bursts: Option<Bursts>,
}

#[derive(Clone, Debug)]
struct Stages {
    /// Stages to come, the present one first: rate at its begin, slope per second, its begin and end in seconds.
    left: std::vec::IntoIter<(f64, f64, f64, f64)>,
    present: Option<(f64, f64, f64, f64)>,
}

#[derive(Clone, Debug)]
struct Week {
    /// Begin in seconds from the start of the week, and factor.
    steps: Vec<(f64, f64)>,
    index: usize,
    /// When the present week began, in seconds.
    began_s: f64,
}

#[derive(Clone, Debug)]
struct Bursts {
    stream: Stream,
    on: bool,
    ends_s: f64,
    /// Factors while off and on.
    factors: [f64; 2],
    /// Mean lengths of off and on, in seconds.
    means_s: [f64; 2],
}

impl Bursts {
    fn turn(&mut self) {
        self.on = !self.on;
        self.ends_s += Dist::Exponential { mean: self.means_s[self.on as usize] }.sample(&mut self.stream);
    }
}

/// Bursts as parameters: the share of time that is on, the rate while on over the mean rate, the mean length of on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BurstParams {
    pub on_fraction: f64,
    pub on_rate: f64,
    pub mean_on_s: f64,
}

impl BurstParams {
    /// The rate while off over the mean rate: what makes the mean 1.
    pub(super) fn off_rate(&self) -> f64 {
        ((1.0 - self.on_fraction * self.on_rate) / (1.0 - self.on_fraction)).max(0.0)
    }
}

impl Intensity {
    /// `stages` empty: `rate` for ever. `week` are steps of [`super::curve::together`].
    pub(super) fn new(
        rate: f64,
        stages: &[RateStage],
        week: &[(u32, f64)],
        bursts: Option<(BurstParams, Key)>,
    ) -> Intensity {
        let mut from = 0.0;
        let mut list: Vec<(f64, f64, f64, f64)> = Vec::new();
        for stage in stages {
            let lasts = stage.lasts.as_secs_f64();
            list.push((stage.from, (stage.to - stage.from) / lasts, from, from + lasts));
            from += lasts;
        }
        if list.is_empty() {
            list.push((rate, 0.0, 0.0, f64::INFINITY));
        }
        let mut left = list.into_iter();
        let present = left.next();
        let steps = match week {
            [] => vec![(0.0, 1.0)],
            steps => steps.iter().map(|&(from, factor)| (f64::from(from), factor)).collect(),
        };
        let bursts = bursts.map(|(params, key)| {
            let off_s = params.mean_on_s * (1.0 - params.on_fraction) / params.on_fraction;
            let mut stream = key.stream();
            // Begins in the long run: on with its share of time. Exponential lengths have no memory.
            let on = stream.unit() < params.on_fraction;
            let mut bursts = Bursts {
                stream,
                on: !on,
                ends_s: 0.0,
                factors: [params.off_rate(), params.on_rate],
                means_s: [off_s, params.mean_on_s],
            };
            bursts.turn();
            bursts
        });
        Intensity {
            now_s: 0.0,
            stages: Stages { left, present },
            week: Week { steps, index: 0, began_s: 0.0 },
            bursts,
        }
    }

    /// Goes on until `work` sessions' worth of the integrated rate has passed; the time in seconds, or `None` when the
    /// rate ends before.
    pub(super) fn advance(&mut self, mut work: f64) -> Option<f64> {
        loop {
            let (base, slope, from, stage_end) = self.stages.present?;
            let week = &self.week;
            let week_end = match week.steps.get(week.index + 1) {
                Some(next) => week.began_s + next.0,
                None if week.steps.len() == 1 => f64::INFINITY,
                None => week.began_s + WEEK_S,
            };
            let (burst, burst_end) = match &self.bursts {
                Some(bursts) => (bursts.factors[bursts.on as usize], bursts.ends_s),
                None => (1.0, f64::INFINITY),
            };
            let factor = week.steps[week.index].1 * burst;
            let (rate, slope) = ((base + slope * (self.now_s - from)).max(0.0) * factor, slope * factor);
            let end = stage_end.min(week_end).min(burst_end);
            let span = (end - self.now_s).max(0.0);
            let area =
                if span.is_finite() { (rate + 0.5 * slope * span).max(0.0) * span } else { f64::INFINITY };
            if work < area && rate + slope.max(0.0) > 0.0 {
                // rate·x + slope·x²/2 = work, in the form that does not cancel.
                let root = (rate * rate + 2.0 * slope * work).max(0.0).sqrt();
                let x = if work > 0.0 { 2.0 * work / (rate + root) } else { 0.0 };
                self.now_s += x.min(span);
                return Some(self.now_s);
            }
            if end > MAX_TIME.as_secs_f64() {
                return None;
            }
            work -= area;
            self.now_s = end;
            if end == stage_end {
                self.stages.present = self.stages.left.next();
            }
            if end == week_end {
                self.week.index += 1;
                if self.week.index == self.week.steps.len() {
                    self.week.index = 0;
                    self.week.began_s += WEEK_S;
                }
            }
            if end == burst_end
                && let Some(bursts) = &mut self.bursts
            {
                bursts.turn();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn stage(from: f64, to: f64, s: f64) -> RateStage {
        RateStage { from, to, lasts: Span::from_secs_f64(s) }
    }

    fn times(intensity: &mut Intensity, work: f64) -> Vec<f64> {
        std::iter::from_fn(|| intensity.advance(work)).collect()
    }

    #[test]
    fn a_ladder_is_inverted_exactly() {
        // 1/s for 4.5 s, 3/s for 2 s, nothing for 5 s, 2/s for 1.1 s: the fifth session has half its work done when the
        // second rung begins, the eleventh when the pause does.
        let stages = [stage(1.0, 1.0, 4.5), stage(3.0, 3.0, 2.0), stage(0.0, 0.0, 5.0), stage(2.0, 2.0, 1.1)];
        let found = times(&mut Intensity::new(0.0, &stages, &[], None), 1.0);
        let sixths = |n: f64| 4.5 + n / 6.0;
        let want = [
            1.0,
            2.0,
            3.0,
            4.0,
            sixths(1.0),
            sixths(3.0),
            sixths(5.0),
            sixths(7.0),
            sixths(9.0),
            sixths(11.0),
            11.75,
            12.25,
        ];
        assert_eq!(found.len(), want.len(), "{found:?}");
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn a_ramp_is_inverted_by_its_square_root() {
        // From 0, a session a second faster each second, for 9.9 s: n(t) = t²/2, so session n begins at √(2n). From
        // 10 down: n(t) = 10 t - t²/2. Both have 49 whole sessions, n(9.9) = 49.005 and 49.995.
        let up = times(&mut Intensity::new(0.0, &[stage(0.0, 9.9, 9.9)], &[], None), 1.0);
        assert_eq!(up.len(), 49);
        assert!(up.iter().enumerate().all(|(i, t)| (t - (2.0 * (i + 1) as f64).sqrt()).abs() < 1e-9));
        let down = times(&mut Intensity::new(0.0, &[stage(10.0, 0.1, 9.9)], &[], None), 1.0);
        assert_eq!(down.len(), 49);
        for (i, t) in down.iter().enumerate() {
            assert!((t - (10.0 - (100.0 - 2.0 * (i + 1) as f64).sqrt())).abs() < 1e-9);
        }
    }

    #[test]
    fn a_week_repeats() {
        // Twice the rate in the first half of the week, none in the second.
        let half = super::super::curve::WEEK_S / 2;
        let mut intensity = Intensity::new(1.0 / 3600.0, &[], &[(0, 2.0), (half, 0.0)], None);
        // 168 sessions a week, 84 h of 2 an hour: session n of week w begins at 168·w + n/2 hours.
        for n in 1..=3 * 168 {
            let hours = intensity.advance(1.0).unwrap() / 3600.0;
            let (week, within) = ((n - 1) / 168, (n - 1) % 168 + 1);
            let want = 168.0 * week as f64 + within as f64 / 2.0;
            // The last of a week falls on the very moment at which the rate goes to 0.
            let next_week = 168.0 * (week + 1) as f64;
            assert!(
                (hours - want).abs() < 1e-6 || within == 168 && (hours - next_week).abs() < 1e-6,
                "{n}: {hours}"
            );
        }
    }

    #[test]
    fn a_rate_of_nothing_ends() {
        assert_eq!(Intensity::new(0.0, &[], &[], None).advance(1.0), None);
        assert_eq!(Intensity::new(1.0, &[], &[(0, 0.0), (9, 0.0)], None).advance(1.0), None);
        assert_eq!(Intensity::new(1.0, &[stage(0.0, 0.0, 9.0)], &[], None).advance(1.0), None);
    }
}
