//! What the plots of traces and of calibrations share: SVG with text left to the viewer's fonts, so that nothing is needed
//! on the machine that draws.
//! Colours are those of Okabe and Ito, "Color Universal Design", 2008, which colour-blind readers tell apart;
//! every second line is dashed as well.

use plotters::prelude::*;

/// Okabe and Ito's palette without its yellow, which is too light for lines on white.
pub(super) const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// A plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot: {0}")]
pub struct PlotError(String);

impl PlotError {
    pub(super) fn new(reason: &str) -> PlotError {
        PlotError(reason.to_owned())
    }
}
