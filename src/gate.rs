//! Verdicts: is a change better, the same, worse, or can nobody tell. Knows summaries of cells and the statistics of
//! pairs; must not know how cells are run, nor the world. Two sides are compared seed by seed, each pair on the same
//! world, so that what both share cancels.

pub mod compare;
pub mod metric;
pub mod table;
pub mod tolerance;

pub use compare::{Change, Comparison, Rules, compare};
pub use metric::Metric;
pub use tolerance::{Margin, Tolerance};
