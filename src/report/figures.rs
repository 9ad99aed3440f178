//! The figures of a report: one file a figure, one line each here, in the order in which a reader wants them. Knows loaded
//! runs; must not run anything.

mod cache;
pub(super) mod cast;
pub(super) mod cost;
pub(super) mod flows;
mod legs;
mod percentiles;
mod timeline;
mod ttft;

use super::figure::{Drawing, Figure};
use super::loaded::LoadedRun;
use super::plots::PlotError;

type Draw = fn(&[LoadedRun]) -> Result<Vec<Drawing>, PlotError>;

/// Every figure, in the order of a report.
const FIGURES: &[(&str, Draw)] = &[
    ("ttft-percentiles", percentiles::percentiles),
    ("ttft-cdf", ttft::cdf),
    ("ttft-tail", ttft::tail),
    ("ttft-legs", legs::legs),
    ("ttft-legs-by-rank", legs::by_rank),
    ("cache", cache::cache),
    ("flows", flows::flows),
    ("timeline", timeline::timelines),
    ("cost-p99", cost::cost_p99),
];

/// The names of all kinds of figures; one drawn for each policy or region adds its name behind.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    FIGURES.iter().map(|(kind, _)| *kind)
}

/// Every figure that these runs have data for.
///
/// # Errors
/// When a drawing fails, which is a fault of this program.
pub fn figures(runs: &[LoadedRun]) -> Result<Vec<Figure>, PlotError> {
    Ok(drawings(runs)?.into_iter().map(|drawing| drawing.figure).collect())
}

/// The same, with what other pictures can be made of.
///
/// # Errors
/// As `figures`.
pub fn drawings(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let mut all: Vec<Drawing> = Vec::new();
    for (_, draw) in FIGURES {
        for mut drawing in draw(runs)? {
            // Names that differ only in what an id cannot hold.
            let (id, mut number) = (drawing.figure.id.clone(), 2);
            while all.iter().any(|known| known.figure.id == drawing.figure.id) {
                drawing.figure.id = format!("{id}-{number}");
                number += 1;
            }
            all.push(drawing);
        }
    }
    Ok(all)
}

#[cfg(test)]
pub(super) mod tests;
