//! The figures of a report: one file a figure, one line each here, in the order in which a reader wants them. Knows loaded
//! runs; must not run anything.

use super::figure::Figure;
use super::loaded::LoadedRun;
use super::plots::PlotError;

type Draw = fn(&[LoadedRun]) -> Result<Vec<Figure>, PlotError>;

/// Every figure, in the order of a report.
const FIGURES: &[(&str, Draw)] = &[];

/// The names of all kinds of figures; one drawn for each policy or region adds its name behind.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    FIGURES.iter().map(|(kind, _)| *kind)
}

/// Every figure that these runs have data for.
///
/// # Errors
/// When a drawing fails, which is a fault of this program.
pub fn figures(runs: &[LoadedRun]) -> Result<Vec<Figure>, PlotError> {
    let mut all = Vec::new();
    for (_, draw) in FIGURES {
        all.extend(draw(runs)?);
    }
    Ok(all)
}
