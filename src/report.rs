//! How results look: the terminal table, summary.json, CSV, plots. Knows finished cells; must not know the world or
//! run anything. One exporter a file; each writes to what it is given and carries no wall time, so equal results
//! give equal bytes.

pub mod atomic;
pub mod by;
pub mod calibration_plot;
mod curves;
pub mod decisions;
mod differences;
mod draw;
pub mod drawn;
pub mod evidence;
pub mod experiment;
pub mod explain;
pub mod figure;
pub mod figures;
mod followed;
pub mod frame;
pub mod gates;
pub mod grid;
mod groups;
pub mod landscape;
pub mod loaded;
pub mod manifest;
pub mod markdown;
pub mod measures;
mod money;
mod numbers;
pub mod page;
pub mod planned;
pub mod plots;
pub mod requests_csv;
mod routing;
pub mod scorecard;
pub mod series_csv;
pub mod setup;
pub mod staging;
pub mod summarise;
pub mod summary;
pub mod sweep_figures;
pub mod sweep_files;
pub mod sweep_plots;
pub mod sweep_table;
pub mod table;
pub mod taken;
pub mod trace_plots;
pub mod trace_table;
pub mod uncertainty;
mod warnings;

pub use frame::parquet;
pub use summarise::{summarise, summarise_cell};
pub use summary::{CellSummary, PolicySummary, Summary};

#[cfg(test)]
mod sample;
