//! Verdicts: is a change better, the same, worse, or can nobody tell. Knows summaries of cells and the statistics of
//! pairs; must not know how cells are run, nor the world. Two sides are compared seed by seed, each pair on the same
//! world, so that what both share cancels.
//!
//! `compare` judges two sides; `suite` says what a repository of scenarios is held to, `baseline` what it was before,
//! `judge` what became of it; `junit`, `markdown` and `table` show it.

pub mod baseline;
pub mod compare;
pub mod held;
pub mod judge;
pub mod junit;
pub mod markdown;
pub mod metric;
pub mod sample;
pub mod suite;
pub mod table;
pub mod threshold;
pub mod tolerance;

pub use baseline::{Baseline, Recorded};
pub use compare::{Change, Comparison, Intervals, Rules, compare};
pub use judge::{Judged, Standing, judge};
pub use metric::{Metric, MetricError};
pub use sample::Sample;
pub use suite::{Entry, Suite};
pub use threshold::Threshold;
pub use tolerance::{Margin, Tolerance};
