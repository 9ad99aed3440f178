//! What a drawing is made of: marks in pixels, each with an ink. Knows shapes, inks and how wide text is; must not know
//! what is drawn, nor whether it becomes SVG or PNG: one description serves both, so that both look alike.

pub(crate) mod frame;
pub(crate) mod labels;
#[cfg(feature = "png")]
pub(crate) mod png;
pub(crate) mod scale;
pub(crate) mod svg;
#[cfg(test)]
pub(crate) mod tests;
mod text;

pub(crate) use text::{SIZE, elide, width};

/// A point, pixels from the upper left corner.
pub(crate) type Point = (f64, f64);

/// What a mark is drawn with. Words, axes and the eighth series are of the colour of text wherever the drawing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ink {
    /// Words.
    Text,
    /// Words that may stand back.
    Muted,
    /// Axes.
    Axis,
    /// Lines behind the data.
    Grid,
    /// The background.
    Paper,
    /// What marks a span of time.
    Shade,
    /// A series, by its place among all.
    Series(u8),
    /// Always this colour: fills with words on them.
    Fixed(u8, u8, u8),
}

/// Colours of series. Okabe and Ito, "Color Universal Design", 2008, which colour-blind readers tell apart, without the
/// yellow, which is too light for lines; a grey instead. Its black is the colour of text.
pub(crate) const SERIES: [Option<(u8, u8, u8)>; 8] = [
    Some((0, 114, 178)),
    Some((213, 94, 0)),
    Some((0, 158, 115)),
    Some((204, 121, 167)),
    Some((86, 180, 233)),
    Some((230, 159, 0)),
    Some((128, 128, 128)),
    None,
];

/// Dashes and gaps of lines, pixels.
pub(crate) const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.0], &[9.0, 2.5, 2.0, 2.5]];

/// How a series looks: its colour, and what tells it apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Which of `SERIES`.
    pub colour: u8,
    /// Which of `DASHES`.
    pub dash: u8,
    /// The shape of its points.
    pub marker: u8,
}

impl Style {
    /// The look of a series by its place: sixteen are told apart by colour and dash, and by dash and marker alone.
    pub(crate) fn of(index: usize) -> Style {
        let (first, round) = (index % 8, index / 8);
        Style {
            colour: first as u8,
            dash: ((first + 2 * round) % 4) as u8,
            marker: ((first + round) % 8) as u8,
        }
    }
    /// Its ink.
    pub(crate) fn ink(self) -> Ink {
        Ink::Series(self.colour)
    }
}

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// One mark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// Lines, each through its points.
    Lines {
        /// The lines.
        lines: Vec<Vec<Point>>,
        /// Their ink.
        ink: Ink,
        /// Their width.
        width: f64,
        /// Which of `DASHES`.
        dash: u8,
    },
    /// A filled rectangle.
    Rect {
        /// Its upper left corner.
        at: Point,
        /// Its width and height.
        size: (f64, f64),
        /// Its ink.
        ink: Ink,
        /// What it says when it is pointed at.
        says: String,
    },
    /// The point of a series.
    Dot {
        /// Its centre.
        at: Point,
        /// How it looks.
        style: Style,
        /// What it says when it is pointed at.
        says: String,
    },
    /// A line of words.
    Text {
        /// Where its baseline begins, has its middle or ends.
        at: Point,
        /// Which.
        anchor: Anchor,
        /// The words.
        words: String,
        /// The size of the font.
        size: f64,
        /// Its ink.
        ink: Ink,
        /// Whether it reads upwards.
        upwards: bool,
        /// Whether it stands on other marks: then it has an edge of paper.
        edged: bool,
    },
}

/// A drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scene {
    /// Its width and height.
    pub size: (f64, f64),
    /// What it shows, for readers who cannot see it.
    pub title: String,
    /// From back to front.
    pub marks: Vec<Mark>,
}

impl Scene {
    /// An empty one.
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Scene {
        Scene { size: (width, height), title: title.to_owned(), marks: Vec::new() }
    }
    /// A thin line.
    pub(crate) fn line(&mut self, from: Point, to: Point, ink: Ink) {
        self.marks.push(Mark::Lines { lines: vec![vec![from, to]], ink, width: 1.0, dash: 0 });
    }
    /// The line of a series; gaps where there is none.
    pub(crate) fn series(&mut self, lines: Vec<Vec<Point>>, style: Style, width: f64) {
        self.marks.push(Mark::Lines { lines, ink: style.ink(), width, dash: style.dash });
    }
    /// A rectangle.
    pub(crate) fn rect(&mut self, at: Point, size: (f64, f64), ink: Ink, says: impl Into<String>) {
        self.marks.push(Mark::Rect { at, size: (size.0.max(0.0), size.1.max(0.0)), ink, says: says.into() });
    }
    /// The point of a series.
    pub(crate) fn dot(&mut self, at: Point, style: Style, says: impl Into<String>) {
        self.marks.push(Mark::Dot { at, style, says: says.into() });
    }
    /// Words.
    pub(crate) fn text(&mut self, at: Point, anchor: Anchor, words: impl Into<String>, size: f64, ink: Ink) {
        let words = words.into();
        self.marks.push(Mark::Text { at, anchor, words, size, ink, upwards: false, edged: false });
    }
    /// Words on other marks.
    pub(crate) fn label(&mut self, at: Point, anchor: Anchor, words: impl Into<String>, size: f64, ink: Ink) {
        let words = words.into();
        self.marks.push(Mark::Text { at, anchor, words, size, ink, upwards: false, edged: true });
    }
}

/// The corners of a marker around its centre, or none for a circle, and whether it is hollow.
pub(crate) fn marker(marker: u8, (x, y): Point) -> (Vec<Point>, bool) {
    let r = 4.2;
    let around = |corners: &[Point]| corners.iter().map(|&(dx, dy)| (x + dx * r, y + dy * r)).collect();
    let corners = match marker % 8 {
        1 => around(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
        2 => around(&[(0.0, -1.1), (1.05, 0.8), (-1.05, 0.8)]),
        3 => around(&[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)]),
        5 => around(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
        6 => around(&[(0.0, 1.1), (1.05, -0.8), (-1.05, -0.8)]),
        7 => around(&[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)]),
        _ => Vec::new(),
    };
    (corners, matches!(marker % 8, 4 | 5 | 7))
}

/// Black or white: what is read better on this colour. Relative luminance as in WCAG 2, its exponent 2.2 taken for 2.
pub(crate) fn on((red, green, blue): (u8, u8, u8)) -> Ink {
    let part = |value: u8| (f64::from(value) / 255.0) * (f64::from(value) / 255.0);
    let light = 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
    if light > 0.22 { Ink::Fixed(0, 0, 0) } else { Ink::Fixed(255, 255, 255) }
}
