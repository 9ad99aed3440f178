//! Published benchmarks, and what a simulation of them says: suites of expectations, each with its source, tolerance and
//! trust; and the same for a user's own measured requests. Knows scenarios and finished cells; must not know how a
//! scorecard looks (report). What was published is data in `scenarios/published/`; no number of a benchmark is in here.
//!
//! The way of a suite: `raw` is what is written, `suite` checks it and loads its scenarios, `play` runs the cells, `observed`
//! keeps of each cell what `measures` are taken from, `expression` puts measures together, `judge` holds them against what
//! was published.

mod expression;
mod judge;
mod measured;
mod measures;
mod observed;
mod play;
mod raw;
mod suite;

pub use expression::{Expression, Term};
pub use judge::{Accept, Kind, Scored, Simulated, Verdict, judge};
pub use measured::{Agreement, MeasuredPolicy, MeasuredTimes, Ordering, Quantity, compare, read_measured};
pub use measures::{MEASURES, Measure, measure};
pub use observed::{Observed, PlayError, Seen, Share};
pub use play::{Played, play};
pub use raw::{RawSuite, Trust, suite_schema};
pub use suite::{Asked, Expectation, Run, Source, Suite, load};
