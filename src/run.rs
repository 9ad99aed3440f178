//! One cell: a scenario, a policy and a seed, run once. Knows what observers must keep of a run and what a finished
//! run is; must not know how results look (report) or what a verdict is (gate). Keeps of every request what percentiles need,
//! and no whole rows: percentiles are exact because nothing is binned.

pub mod audit;
pub mod book;
pub mod cell;
pub mod conservation;
pub mod explain;
pub mod export;
pub mod followed;
pub mod prepared;
pub mod result;
pub mod routed;
pub mod rows;
pub mod series;
pub mod spent;
pub mod totals;
pub mod twice;
pub mod uncertainty;
pub mod warning;

pub use audit::{Audit, AuditReport};
pub use book::{Book, Entry};
pub use cell::{CellInput, labels, run_cell, run_cell_twice};
pub use conservation::{Conservation, ConservationReport, Violation};
pub use explain::{Explained, explain_cell};
pub use export::{SentRows, export};
pub use followed::{Climbed, FollowSink, Followed, Pair};
pub use prepared::Prepared;
pub use result::{
    CapacityLine, DataTable, Labels, PoolLabel, Provenance, ReplicaLabel, ReplicaTotals, RunResult, met,
};
pub use routed::{Routed, Runs};
pub use rows::{RowSink, RowWriter};
pub use series::{SeriesRow, SeriesSink};
pub use spent::{Lane, Moved, Spent, SpentSink, TokenTime};
pub use totals::Totals;
pub use twice::{Difference, lockstep};
pub use warning::Warning;
