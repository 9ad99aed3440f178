//! The rungs of a ladder of rates, and what each one achieved. Knows when rungs begin and end; must not know why.
//!
//! A request belongs to the rung in which it was sent. Two ways of accounting: *in the window*, a rung is charged its own
//! length and credited with what ended within it, so a rung that overloads leaves its work to the next one's
//! credit; *drained*, it is credited with all of its own requests and charged until the last of them has ended.

use super::params::{WorkloadKind, WorkloadParams};
use crate::time::SimTime;

/// A rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// Its number, from 0.
    pub number: u32,
    /// Sessions per second at its beginning and at its end.
    pub rate: (f64, f64),
    /// When it begins.
    pub from: SimTime,
    /// When it ends.
    pub to: SimTime,
}

/// How a rung's throughput is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounting {
    /// What ended within the rung, over the rung's length.
    Window,
    /// What was sent within the rung, over the time until the last of it ended (at least the rung's length).
    Drained,
}

/// What a rung achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Achieved {
    /// Requests sent within it.
    pub sent: u64,
    /// Requests credited to it.
    pub completed: u64,
    /// Seconds charged to it.
    pub seconds: f64,
}

impl Achieved {
    /// Completed requests per second.
    pub fn per_s(&self) -> f64 {
        self.completed as f64 / self.seconds
    }
}

/// The rungs of a workload, in order; none where it has no ladder.
pub fn rungs(params: &WorkloadParams) -> Vec<Rung> {
    let WorkloadKind::Synthetic(synthetic) = &params.kind else { return Vec::new() };
    let mut from = SimTime::ZERO + params.setting.shift;
    let rung = |(number, stage): (usize, &super::RateStage)| {
        let to = from + stage.lasts;
        let rung = Rung { number: number as u32, rate: (stage.from, stage.to), from, to };
        from = to;
        rung
    };
    synthetic.stages.iter().enumerate().map(rung).collect()
}

/// The rung in which something happened, by index.
pub fn rung_of(rungs: &[Rung], at: SimTime) -> Option<usize> {
    let index = rungs.partition_point(|rung| rung.to <= at);
    rungs.get(index).is_some_and(|rung| rung.from <= at).then_some(index)
}

/// What each rung achieved, from when requests were sent and, where they completed, when they ended.
pub fn achieved(
    rungs: &[Rung],
    accounting: Accounting,
    requests: impl IntoIterator<Item = (SimTime, Option<SimTime>)>,
) -> Vec<Achieved> {
    let seconds = |rung: &Rung| (rung.to - rung.from).as_secs_f64();
    let mut rows: Vec<Achieved> =
        rungs.iter().map(|rung| Achieved { seconds: seconds(rung), ..Achieved::default() }).collect();
    for (sent, ended) in requests {
        let own = rung_of(rungs, sent);
        if let Some(own) = own {
            rows[own].sent += 1;
        }
        let Some(ended) = ended else { continue };
        match accounting {
            Accounting::Window => {
                if let Some(index) = rung_of(rungs, ended) {
                    rows[index].completed += 1;
                }
            }
            Accounting::Drained => {
                if let Some(own) = own {
                    rows[own].completed += 1;
                    let lasted = (ended - rungs[own].from).as_secs_f64();
                    rows[own].seconds = rows[own].seconds.max(lasted);
                }
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use crate::workload::{RateStage, SyntheticParams};

    #[test]
    fn an_overloaded_rung_is_told_from_one_that_keeps_up() {
        let stage = |rate| RateStage { from: rate, to: rate, lasts: Span::from_secs(10) };
        let synthetic =
            SyntheticParams { stages: vec![stage(1.0), stage(3.0)], ..SyntheticParams::default() };
        let mut params = WorkloadParams::new("w", WorkloadKind::Synthetic(synthetic));
        params.setting.shift = Span::from_secs(100);
        let rungs = rungs(&params);
        let second = |s: u64| SimTime(s * 1_000_000_000);
        assert_eq!((rungs[1].from, rungs[1].to), (second(110), second(120)));
        let at = |s| rung_of(&rungs, second(s));
        assert_eq!(
            (at(99), at(100), at(109), at(110), at(119), at(120)),
            (None, Some(0), Some(0), Some(1), Some(1), None)
        );
        // Ten a second apart, served in 0.5 s; then thirty at once of a server of one a second.
        let slow = (0..10).map(|i| (second(100 + i), Some(second(100 + i) + Span::from_ms(500))));
        let fast = (0..30).map(|i| (second(110), Some(second(111 + i))));
        let lost = [(second(115), None)];
        let all: Vec<_> = slow.chain(fast).chain(lost).collect();
        let window = achieved(&rungs, Accounting::Window, all.iter().copied());
        assert_eq!((window[0].sent, window[0].completed, window[0].per_s()), (10, 10, 1.0));
        // Ends at 111 … 119 lie within the second rung: nine.
        assert_eq!((window[1].sent, window[1].completed, window[1].per_s()), (31, 9, 0.9));
        let drained = achieved(&rungs, Accounting::Drained, all);
        assert_eq!((drained[0].completed, drained[0].per_s()), (10, 1.0));
        // The last of the thirty ends at 140: 30 s.
        assert_eq!((drained[1].completed, drained[1].per_s()), (30, 1.0));
    }
}
