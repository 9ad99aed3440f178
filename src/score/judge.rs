//! What a simulation says beside what was published, and whether that is near enough. Knows formulas, numbers and bands; must
//! not know how cells are run or how a scorecard looks.

use super::expression::{Expression, Term};
use super::measures::MEASURES;
use super::observed::{Observed, Share};
use super::play::Played;
use super::suite::{Asked, Expectation, Rung, Suite};
use crate::stats::Moments;

/// How far apart two published numbers must lie for their order to be demanded: one tenth, because runs of one setup differ
/// by as much.
pub const SEPARATION: f64 = 0.10;

/// What is compared with what.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number with a number.
    Number {
        /// The simulated one.
        value: Expression,
        /// The published one.
        published: Option<f64>,
        /// Whether it is one as it is, and no ratio.
        absolute: bool,
    },
    /// The load from which on a formula lies beyond a limit.
    Knee {
        /// The formula.
        value: Expression,
        /// The limit.
        limit: f64,
        /// Whether beyond is above.
        above: bool,
        /// The published load; `None` where there was no knee.
        published: Option<f64>,
    },
    /// An order.
    Ordering {
        /// The formulas, the least first.
        order: Vec<Expression>,
        /// What was published of each; empty where that was the order alone.
        published: Vec<f64>,
    },
}

impl Kind {
    /// Its name in files.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Number { absolute: false, .. } => "ratio",
            Kind::Number { .. } => "absolute",
            Kind::Knee { .. } => "knee",
            Kind::Ordering { .. } => "ordering",
        }
    }
}

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accept {
    /// From and to.
    Band(Option<f64>, Option<f64>),
    /// That it holds.
    Holds,
}

impl Accept {
    fn takes(&self, value: f64) -> bool {
        // A hair, so that a bound that was computed takes itself.
        let hair = 1e-9 * value.abs();
        match self {
            Accept::Band(low, high) => {
                low.is_none_or(|low| value >= low - hair) && high.is_none_or(|high| value <= high + hair)
            }
            Accept::Holds => true,
        }
    }
}

/// What the simulation says.
#[derive(Clone, Debug, PartialEq)]
pub enum Simulated {
    /// A number.
    Number(f64),
    /// The first load beyond the limit; `None` where there is none.
    Knee(Option<f64>),
    /// The numbers in the published order, and how many of the pairs that count are the wrong way round.
    Order {
        /// The numbers.
        values: Vec<f64>,
        /// Pairs the wrong way round.
        inverted: u32,
        /// Pairs that count.
        pairs: u32,
    },
    /// Nothing was measured.
    Nothing,
}

/// How an expectation came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Near enough.
    Pass,
    /// Not near enough, or nothing was measured.
    Miss,
}

/// An expectation with what came of it.
#[derive(Clone, Debug)]
pub struct Scored<'s> {
    /// The expectation.
    pub expectation: &'s Expectation,
    /// What the simulation says.
    pub simulated: Simulated,
    /// Whether that is near enough.
    pub verdict: Verdict,
}

impl Scored<'_> {
    /// Simulated over published, less one, of numbers and knees.
    pub fn error(&self) -> Option<f64> {
        let (simulated, published) = match (&self.expectation.kind, &self.simulated) {
            (Kind::Number { published, .. }, Simulated::Number(value)) => (*value, (*published)?),
            (Kind::Knee { published, .. }, Simulated::Knee(Some(value))) => (*value, (*published)?),
            _ => return None,
        };
        (published != 0.0).then(|| simulated / published - 1.0)
    }
    /// Whether it makes `score` fail.
    pub fn fails(&self) -> bool {
        self.expectation.gate && self.verdict == Verdict::Miss
    }
}

/// Judges all expectations of a suite. `played` are its cells.
pub fn judge<'s>(suite: &'s Suite, played: &[Played]) -> Vec<Scored<'s>> {
    suite.expect.iter().map(|expectation| one(suite, expectation, played)).collect()
}

/// Where an `each` stands.
#[derive(Clone, Copy, Debug)]
enum Here {
    Nowhere,
    Run(usize),
    Rate(f64),
}

fn one<'s>(suite: &Suite, expectation: &'s Expectation, played: &[Played]) -> Scored<'s> {
    let value = |formula: &Expression, here: Here| {
        formula.value(&|term: &Term| measured(played, expectation.asked.get(&term.name)?, here))
    };
    let simulated = match &expectation.kind {
        Kind::Number { value: formula, .. } => value(formula, Here::Nowhere).map(Simulated::Number),
        Kind::Ordering { order, published } => {
            let values: Option<Vec<f64>> =
                order.iter().map(|formula| value(formula, Here::Nowhere)).collect();
            values.map(|values| ordered(values, published))
        }
        Kind::Knee { value: formula, limit, above, .. } => {
            let mut ladder = ladder(suite, expectation, played);
            ladder.sort_by(|one, other| one.0.total_cmp(&other.0));
            let beyond = |&(_, here): &(f64, Here)| {
                value(formula, here).map(|value| if *above { value > *limit } else { value < *limit })
            };
            // A load at which nothing completed is beyond any limit.
            let known = ladder.iter().any(|step| beyond(step).is_some());
            let knee = ladder.iter().find(|step| beyond(step).unwrap_or(true)).map(|step| step.0);
            known.then_some(Simulated::Knee(knee))
        }
    };
    let simulated = simulated.unwrap_or(Simulated::Nothing);
    let near = match (&simulated, &expectation.kind) {
        (Simulated::Number(value), _)
        | (Simulated::Knee(Some(value)), Kind::Knee { published: Some(_), .. }) => {
            expectation.accept.takes(*value)
        }
        (Simulated::Knee(knee), Kind::Knee { published, .. }) => knee.is_none() && published.is_none(),
        (Simulated::Order { inverted, .. }, _) => *inverted == 0,
        _ => false,
    };
    Scored { expectation, simulated, verdict: if near { Verdict::Pass } else { Verdict::Miss } }
}

/// The steps that `each` goes over, with their loads.
fn ladder(suite: &Suite, expectation: &Expectation, played: &[Played]) -> Vec<(f64, Here)> {
    if expectation.asked.values().any(|asked| asked.run.is_none()) {
        let levels = suite.runs.iter().enumerate().filter_map(|(at, run)| Some((run.level?, Here::Run(at))));
        return levels.collect();
    }
    let over = expectation.asked.values().find(|asked| asked.rung == Rung::Each);
    let cell = over.and_then(|asked| cells(played, asked, Here::Nowhere).next());
    let rungs = cell.into_iter().flat_map(Observed::measured_rungs);
    rungs.map(|rung| (rung.rate.0, Here::Rate(rung.rate.0))).collect()
}

/// The cells, one a seed, that are asked for.
fn cells<'p>(played: &'p [Played], asked: &'p Asked, here: Here) -> impl Iterator<Item = &'p Observed> + 'p {
    let run = asked.run.or(match here {
        Here::Run(run) => Some(run),
        _ => None,
    });
    let wanted = move |cell: &&Played| Some(cell.run) == run && cell.policy == asked.policy;
    played.iter().filter(wanted).map(|cell| &cell.observed)
}

/// A measure, mean over seeds; `None` where one of them has none.
fn measured(played: &[Played], asked: &Asked, here: Here) -> Option<f64> {
    let of = MEASURES[asked.measure].value;
    let share = |observed: &'_ Observed| -> Option<f64> {
        let share: Share<'_> = match (asked.rung, here) {
            (Rung::All, _) => observed.all(),
            (Rung::Rate(rate), _) | (Rung::Each, Here::Rate(rate)) => observed.rung(rate)?,
            (Rung::Each, _) => return None,
        };
        of(&share).filter(|value| value.is_finite())
    };
    let values: Option<Vec<f64>> = cells(played, asked, here).map(share).collect();
    Moments::of(values?).mean()
}

/// Which pairs that count are the wrong way round. Without published numbers all count that stand side by side.
fn ordered(values: Vec<f64>, published: &[f64]) -> Simulated {
    let (mut inverted, mut pairs) = (0, 0);
    for high in 1..values.len() {
        for low in 0..high {
            let counts = match (published.get(low), published.get(high)) {
                (Some(small), Some(large)) => large - small >= SEPARATION * small.abs(),
                _ => low + 1 == high,
            };
            pairs += u32::from(counts);
            inverted += u32::from(counts && values[low] >= values[high]);
        }
    }
    Simulated::Order { values, inverted, pairs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_counts_pairs_a_tenth_apart() {
        // 100 and 105 lie 5 % apart: their order is not demanded; 200 lies beyond both.
        let published = [100.0, 105.0, 200.0];
        let order = |values: [f64; 3]| match ordered(values.to_vec(), &published) {
            Simulated::Order { inverted, pairs, .. } => (inverted, pairs),
            other => panic!("{other:?}"),
        };
        assert_eq!(order([2.0, 1.0, 3.0]), (0, 2));
        assert_eq!(order([2.0, 3.0, 3.0]), (1, 2));
        assert_eq!(order([3.0, 2.0, 1.0]), (2, 2));
        // By the order alone: neighbours.
        let alone = ordered(vec![1.0, 3.0, 2.0], &[]);
        assert_eq!(alone, Simulated::Order { values: vec![1.0, 3.0, 2.0], inverted: 1, pairs: 2 });
    }

    #[test]
    fn a_band_takes_its_ends() {
        let band = Accept::Band(Some(0.9), Some(1.1));
        assert!(band.takes(0.9) && band.takes(1.1) && band.takes(1.1 + 1e-12));
        assert!(!band.takes(0.8999) && !band.takes(1.1001));
        assert!(Accept::Band(None, Some(1.0)).takes(-5.0));
    }
}
