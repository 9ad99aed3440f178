//! Axes and mesh, drawn by plotters into a scene through its own trait for backends, and where values lie between them.
//! Plotters counts whole pixels: it is given tenths. Knows axes; must not know what is drawn on them.

use super::scale::Axis;
use super::{Anchor, Ink, Mark, Point, SIZE, Scene, width};
use crate::report::plots::PlotError;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontTransform,
};
use std::convert::Infallible;

/// Plotters' pixels in one of ours.
const FINE: f64 = 10.0;

/// Plotters knows inks by these colours.
const AXIS: RGBColor = RGBColor(1, 0, 0);
const GRID: RGBColor = RGBColor(2, 0, 0);

/// Records what plotters draws.
struct Recorder<'s> {
    scene: &'s mut Scene,
}

fn ink(colour: BackendColor) -> Ink {
    match colour.rgb {
        (1, 0, 0) => Ink::Axis,
        (2, 0, 0) => Ink::Grid,
        _ => Ink::Muted,
    }
}

fn ours((x, y): BackendCoord) -> Point {
    (f64::from(x) / FINE, f64::from(y) / FINE)
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Recorder<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        ((self.scene.size.0 * FINE) as u32, (self.scene.size.1 * FINE) as u32)
    }
    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }
    fn present(&mut self) -> Drawn {
        Ok(())
    }
    fn draw_pixel(&mut self, _: BackendCoord, _: BackendColor) -> Drawn {
        Ok(())
    }
    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let (line, ink): (Vec<Point>, Ink) = (path.into_iter().map(ours).collect(), ink(style.color()));
        // Ticks and mesh come one by one: those of an ink become one mark.
        match self.scene.marks.last_mut() {
            Some(Mark::Lines { lines, ink: last, .. }) if *last == ink => lines.push(line),
            _ => self.scene.marks.push(Mark::Lines { lines: vec![line], ink, width: 1.0, dash: 0 }),
        }
        Ok(())
    }
    fn draw_text<S: BackendTextStyle>(&mut self, words: &str, style: &S, at: BackendCoord) -> Drawn {
        let (x, y) = ours(at);
        let size = style.size() / FINE;
        let pos = style.anchor();
        // From the edge of the line to its baseline: letters rise 0.73 of their size (DejaVu Sans, capitals).
        let down = match pos.v_pos {
            VPos::Top => 0.87 * size,
            VPos::Center => 0.36 * size,
            VPos::Bottom => -0.2 * size,
        };
        let upwards = matches!(style.transform(), FontTransform::Rotate270);
        let at = if upwards { (x + down, y) } else { (x, y + down) };
        let anchor = match pos.h_pos {
            HPos::Left => Anchor::Start,
            HPos::Center => Anchor::Middle,
            HPos::Right => Anchor::End,
        };
        let (words, ink) = (words.to_owned(), ink(style.color()));
        self.scene.marks.push(Mark::Text { at, anchor, words, size, ink, upwards, edged: false });
        Ok(())
    }
    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        words: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((width(words, style.size()) as u32, style.size() as u32))
    }
}

/// Where a chart stands, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    /// The upper left corner of it all, axes and their words with it.
    pub at: Point,
    /// Width and height of it all.
    pub size: (f64, f64),
    /// Room for the words at the left axis, none where it has none.
    pub left: f64,
    /// Room for the words at the lower axis.
    pub below: f64,
}

/// The plane between axes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    /// Its left and right edges.
    pub x: (f64, f64),
    /// Its upper and lower edges.
    pub y: (f64, f64),
    across: Axis,
    up: Axis,
}

impl Plane {
    /// Where a pair of values lies.
    pub(crate) fn at(&self, x: f64, y: f64) -> Point {
        let share = |axis: &Axis, value: f64| {
            let (from, to) = axis.range;
            (axis.position(value) - from) / (to - from)
        };
        let across = self.x.0 + share(&self.across, x) * (self.x.1 - self.x.0);
        (across, self.y.1 - share(&self.up, y) * (self.y.1 - self.y.0))
    }
    /// The lines through points, broken where there is no number, and outside of a logarithmic axis.
    pub(crate) fn through(&self, points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Vec<Vec<Point>> {
        let mut lines = vec![Vec::new()];
        for (x, y) in points {
            match y.filter(|y| y.is_finite() && x.is_finite() && (!self.up.log || *y > 0.0)) {
                Some(y) => {
                    lines.last_mut().into_iter().for_each(|line: &mut Vec<Point>| line.push(self.at(x, y)))
                }
                None => lines.push(Vec::new()),
            }
        }
        // A lone point is a short dash, so that it is seen.
        lines.retain(|line| !line.is_empty());
        for line in &mut lines {
            if let [(x, y)] = line[..] {
                *line = vec![(x - 1.0, y), (x + 1.0, y)];
            }
        }
        lines
    }
}

/// An axis as plotters knows it.
struct Ticked(Axis);

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, limit: (i32, i32)) -> i32 {
        let (from, to) = self.0.range;
        let share = (position - from) / (to - from);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }
    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The light lines between would be all of them again.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.0.ticks.iter().map(|tick| tick.0).collect()
    }
    fn range(&self) -> std::ops::Range<f64> {
        self.0.range.0..self.0.range.1
    }
}

/// Draws axes and mesh.
pub(crate) fn frame(scene: &mut Scene, place: Place, across: Axis, up: Axis) -> Result<Plane, PlotError> {
    let fine = |value: f64| (value * FINE).round() as i32;
    let error = |error: &dyn std::error::Error| PlotError::new(&error.to_string());
    let whole = Recorder { scene }.into_drawing_area();
    let corner = (fine(place.at.0), fine(place.at.1));
    let area = whole.shrink(corner, (fine(place.size.0).max(1) as u32, fine(place.size.1).max(1) as u32));
    let words = |axis: &Axis, at: f64| {
        let nearest = axis.ticks.iter().min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()));
        nearest.map_or_else(String::new, |tick| tick.1.clone())
    };
    let (x_words, y_words) = (|at: &f64| words(&across, *at), |at: &f64| words(&up, *at));
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(fine(place.below))
        .y_label_area_size(fine(place.left))
        .build_cartesian_2d(Ticked(across.clone()), Ticked(up.clone()))
        .map_err(|e| error(&e))?;
    let style = |size: f64| ("sans-serif", size * FINE).into_font().color(&BLACK);
    chart
        .configure_mesh()
        .set_all_tick_mark_size(fine(3.0))
        .axis_style(AXIS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .max_light_lines(0)
        .label_style(style(SIZE - 1.0))
        .axis_desc_style(style(SIZE))
        .x_label_formatter(&x_words)
        .y_label_formatter(&y_words)
        .x_labels(across.ticks.len().max(1))
        .y_labels(up.ticks.len().max(1))
        .x_desc(across.title.clone())
        .y_desc(up.title.clone())
        .draw()
        .map_err(|e| error(&e))?;
    let (x, y) = chart.plotting_area().get_pixel_range();
    let edges = |range: std::ops::Range<i32>| (f64::from(range.start) / FINE, f64::from(range.end) / FINE);
    Ok(Plane { x: edges(x), y: edges(y), across: across.clone(), up: up.clone() })
}
