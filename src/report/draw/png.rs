//! A drawing as PNG, by the same marks as its SVG: black on white, at twice the pixels, text in the embedded font.
//! Knows marks; must not know what they mean.

use super::{Anchor, DASHES, Ink, Mark, Point, SERIES, Scene, marker};
use crate::report::plots::PlotError;
use tiny_skia::{FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// Latin letters and signs of DejaVu Sans; see the folder's README.
const FONT: &[u8] = include_bytes!("../fonts/dejavu-sans-latin.ttf");

/// Pixels of the picture for one of the drawing.
const SCALE: f32 = 2.0;

/// The colour of text where a drawing stands alone, as in its SVG.
const TEXT: (u8, u8, u8) = (0x1a, 0x1a, 0x1a);

fn paint(ink: Ink) -> Paint<'static> {
    let (colour, strength) = match ink {
        Ink::Text => (TEXT, 1.0),
        Ink::Muted => (TEXT, 0.72),
        Ink::Axis => (TEXT, 0.55),
        Ink::Grid => (TEXT, 0.13),
        Ink::Shade => (TEXT, 0.1),
        Ink::Paper => ((255, 255, 255), 1.0),
        Ink::Series(index) => (SERIES[usize::from(index) % SERIES.len()].unwrap_or(TEXT), 1.0),
        Ink::Fixed(red, green, blue) => ((red, green, blue), 1.0),
    };
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(colour.0, colour.1, colour.2, (strength * 255.0_f32).round() as u8);
    paint
}

fn real(value: f64) -> f32 {
    if value.is_finite() { value.clamp(-1e6, 1e6) as f32 } else { 0.0 }
}

fn add(builder: &mut PathBuilder, points: &[Point], closed: bool) {
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            builder.move_to(real(x), real(y));
        } else {
            builder.line_to(real(x), real(y));
        }
    }
    if closed {
        builder.close();
    }
}

/// A canvas and the font.
struct Canvas<'f> {
    map: Pixmap,
    face: Face<'f>,
}

impl Canvas<'_> {
    fn fill(&mut self, path: Option<Path>, ink: Ink) {
        if let Some(path) = path {
            self.map.fill_path(
                &path,
                &paint(ink),
                FillRule::Winding,
                Transform::from_scale(SCALE, SCALE),
                None,
            );
        }
    }
    fn stroke(&mut self, path: Option<Path>, ink: Ink, width: f64, dash: u8) {
        let parts: Vec<f32> = DASHES[usize::from(dash) % 4].iter().map(|&part| real(part)).collect();
        let dash = if parts.is_empty() { None } else { StrokeDash::new(parts, 0.0) };
        let line_join = LineJoin::Round;
        let stroke = Stroke { width: real(width), dash, line_join, ..Stroke::default() };
        if let Some(path) = path {
            self.map.stroke_path(&path, &paint(ink), &stroke, Transform::from_scale(SCALE, SCALE), None);
        }
    }
    fn words(&self, mark: &Mark) -> Option<Path> {
        let Mark::Text { at, anchor, words, size, upwards, .. } = mark else { return None };
        let unit = real(*size) / f32::from(self.face.units_per_em());
        // What the font lacks is a box.
        let glyphs: Vec<_> =
            words.chars().map(|c| self.face.glyph_index(c).unwrap_or(ttf_parser::GlyphId(0))).collect();
        let advance = |glyph| f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0)) * unit;
        let whole: f32 = glyphs.iter().map(|&glyph| advance(glyph)).sum();
        let mut x = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -whole / 2.0,
            Anchor::End => -whole,
        };
        let mut outline =
            Outline { builder: PathBuilder::new(), unit, x, at: (real(at.0), real(at.1)), upwards: *upwards };
        for glyph in glyphs {
            outline.x = x;
            self.face.outline_glyph(glyph, &mut outline);
            x += advance(glyph);
        }
        outline.builder.finish()
    }
}

/// Puts a glyph's outline into the picture.
struct Outline {
    builder: PathBuilder,
    unit: f32,
    x: f32,
    at: (f32, f32),
    upwards: bool,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        let (along, up) = (self.x + x * self.unit, y * self.unit);
        if self.upwards { (self.at.0 - up, self.at.1 - along) } else { (self.at.0 + along, self.at.1 - up) }
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.builder.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.builder.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        self.builder.close();
    }
}

/// Draws the picture.
pub(crate) fn png(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let face = Face::parse(FONT, 0).map_err(|error| PlotError::new(&error.to_string()))?;
    let pixels = |size: f64| (real(size).max(1.0) * SCALE).ceil() as u32;
    let map = Pixmap::new(pixels(scene.size.0), pixels(scene.size.1))
        .ok_or_else(|| PlotError::new("it is too large"))?;
    let mut canvas = Canvas { map, face };
    canvas.map.fill(tiny_skia::Color::WHITE);
    for mark in &scene.marks {
        draw(&mut canvas, mark);
    }
    canvas.map.encode_png().map_err(|error| PlotError::new(&error.to_string()))
}

fn draw(canvas: &mut Canvas<'_>, mark: &Mark) {
    match mark {
        Mark::Lines { lines, ink, width, dash } => {
            let mut builder = PathBuilder::new();
            lines.iter().for_each(|line| add(&mut builder, line, false));
            canvas.stroke(builder.finish(), *ink, *width, *dash);
        }
        Mark::Rect { at, size, ink, .. } => {
            let rect = Rect::from_xywh(real(at.0), real(at.1), real(size.0), real(size.1));
            canvas.fill(rect.map(PathBuilder::from_rect), *ink);
        }
        Mark::Dot { at, style, .. } => {
            let (corners, hollow) = marker(style.marker, *at);
            let path = if corners.is_empty() {
                PathBuilder::from_circle(real(at.0), real(at.1), 4.0)
            } else {
                let mut builder = PathBuilder::new();
                add(&mut builder, &corners, true);
                builder.finish()
            };
            if hollow { canvas.stroke(path, style.ink(), 1.6, 0) } else { canvas.fill(path, style.ink()) }
        }
        Mark::Text { ink, edged, .. } => {
            let path = canvas.words(mark);
            if *edged {
                canvas.stroke(path.clone(), Ink::Paper, 3.0, 0);
            }
            canvas.fill(path, *ink);
        }
    }
}
