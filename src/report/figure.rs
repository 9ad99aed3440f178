//! What a figure is: a drawing with its name and how to read it. Knows nothing of what is drawn.

use super::draw::Scene;
use super::plots::PlotError;

/// A figure, ready for a file or a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name in files and addresses: lower case, digits and `-`; unique among the figures of a report.
    pub id: String,
    /// Its title.
    pub title: String,
    /// One sentence: what it shows and how to read it.
    pub caption: String,
    /// The drawing: one `<svg>` element with its own styles. Alone it is black on white; inside a page whose `svg` has a
    /// `color` it takes text and axes from there, and it has no background of its own.
    pub svg: String,
}

/// A figure and the marks it is made of, of which other pictures can be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The figure.
    pub figure: Figure,
    #[cfg_attr(not(any(feature = "png", test)), expect(dead_code, reason = "only other pictures need it"))]
    pub(super) scene: Scene,
}

impl Drawing {
    /// The same as PNG, black on white, two pixels for one of the SVG's.
    ///
    /// # Errors
    /// When the picture would be too large, or this program was built without the feature `png`.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        #[cfg(feature = "png")]
        return super::draw::png::png(&self.scene);
        #[cfg(not(feature = "png"))]
        Err(PlotError::new(
            "this regionsim was built without the feature `png`: build it with default features",
        ))
    }
}

/// Whether PNG can be made at all.
pub const PNG: bool = cfg!(feature = "png");
