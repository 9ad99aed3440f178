//! What a figure is: a drawing with its name and how to read it. Knows nothing of how it is drawn.

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
