//! Names at their lines where there is room, a legend under the drawing where there is not. Knows boxes and lines; must
//! not know what the lines mean.

use super::{Anchor, Ink, Mark, Point, SIZE, Scene, Style, elide, width};

/// The longest name that is written out, pixels: about forty letters.
const LONGEST: f64 = 280.0;
/// From line to line of a legend.
const ROW: f64 = 18.0;
/// What stands before a name in a legend.
const KEY: f64 = 34.0;

/// A name and how its series looks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    /// The name.
    pub name: String,
    /// The look.
    pub style: Style,
}

/// Upper left and lower right corner.
pub(crate) type Box2 = (Point, Point);

pub(crate) fn overlap(a: Box2, b: Box2) -> bool {
    a.0.0 < b.1.0 && b.0.0 < a.1.0 && a.0.1 < b.1.1 && b.0.1 < a.1.1
}

/// Whether a line passes through a box: its parts are walked in steps of at most three pixels.
fn crosses(line: &[Point], ((left, top), (right, bottom)): Box2) -> bool {
    let inside = |(x, y): Point| x > left && x < right && y > top && y < bottom;
    line.windows(2).any(|pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if x0.max(x1) < left || x0.min(x1) > right || y0.max(y1) < top || y0.min(y1) > bottom {
            return false;
        }
        let steps = ((x1 - x0).abs().max((y1 - y0).abs()) / 3.0).ceil().clamp(1.0, 2_000.0) as u32;
        (0..=steps).any(|i| {
            let share = f64::from(i) / f64::from(steps);
            inside((x0 + (x1 - x0) * share, y0 + (y1 - y0) * share))
        })
    })
}

/// The box of words at a place.
pub(crate) fn words_box((x, y): Point, anchor: Anchor, words: &str, size: f64) -> Box2 {
    let wide = width(words, size);
    let left = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - wide / 2.0,
        Anchor::End => x - wide,
    };
    ((left, y - 0.78 * size), (left + wide, y + 0.24 * size))
}

/// Writes each name at its line, where one place for all of them is found: on no other line, name or edge. Otherwise
/// nothing is written and the answer is false.
pub(crate) fn at_lines(
    scene: &mut Scene,
    lines: &[(Named, Vec<Vec<Point>>)],
    within: Box2,
    taken: &[Box2],
) -> bool {
    let mut placed: Vec<(Point, Anchor, String, Ink)> = Vec::new();
    let mut boxes = taken.to_vec();
    for (named, own) in lines {
        let words = elide(&named.name, SIZE, LONGEST);
        let points: Vec<Point> = own.iter().flatten().copied().collect();
        if points.is_empty() {
            continue;
        }
        // Places at the line, the end first; beside it at both sides, a bit above and below.
        let tries = (0..40usize).map(|i| points[(points.len() - 1) * (40 - i) / 40]);
        let tries = tries.flat_map(|(x, y)| {
            [(7.0, 4.0), (7.0, 13.0), (-7.0, -6.0), (-7.0, 4.0), (7.0, -6.0), (-7.0, 13.0)].map(|(dx, dy)| {
                let anchor = if dx > 0.0 { Anchor::Start } else { Anchor::End };
                ((x + dx, y + dy), anchor)
            })
        });
        let free = |&(at, anchor): &(Point, Anchor)| {
            let one = words_box(at, anchor, &words, SIZE);
            let wider = ((one.0.0 - 2.0, one.0.1 - 1.0), (one.1.0 + 2.0, one.1.1 + 1.0));
            one.0.0 >= within.0.0
                && one.1.0 <= within.1.0
                && one.0.1 >= within.0.1
                && one.1.1 <= within.1.1
                && !boxes.iter().any(|&other| overlap(wider, other))
                && !lines.iter().any(|(_, lines)| lines.iter().any(|line| crosses(line, one)))
        };
        let Some((at, anchor)) = tries.into_iter().find(free) else { return false };
        boxes.push(words_box(at, anchor, &words, SIZE));
        placed.push((at, anchor, words, named.style.ink()));
    }
    for (at, anchor, words, ink) in placed {
        scene.label(at, anchor, words, SIZE, ink);
    }
    true
}

/// Writes names at points, each where there is room around its own; those without room are left to the legend. The answer
/// is whether all are written.
pub(crate) fn at_points(scene: &mut Scene, points: &[(Named, Point)], within: Box2) -> bool {
    let around = |(x, y): Point| ((x - 6.0, y - 6.0), (x + 6.0, y + 6.0));
    let mut boxes: Vec<Box2> = points.iter().map(|(_, at)| around(*at)).collect();
    let mut all = true;
    let mut marks = Vec::new();
    for (named, (x, y)) in points {
        let words = elide(&named.name, SIZE, LONGEST);
        let tries = [
            ((x + 9.0, y + 4.0), Anchor::Start),
            ((x - 9.0, y + 4.0), Anchor::End),
            ((*x, y - 10.0), Anchor::Middle),
            ((*x, y + 19.0), Anchor::Middle),
            ((x + 8.0, y - 8.0), Anchor::Start),
            ((x + 8.0, y + 16.0), Anchor::Start),
            ((x - 8.0, y - 8.0), Anchor::End),
            ((x - 8.0, y + 16.0), Anchor::End),
        ];
        let free = tries.into_iter().find(|&(at, anchor)| {
            let one = words_box(at, anchor, &words, SIZE);
            one.0.0 >= within.0.0
                && one.1.0 <= within.1.0
                && one.0.1 >= within.0.1
                && one.1.1 <= within.1.1
                && !boxes.iter().any(|&other| overlap(one, other))
        });
        match free {
            Some((at, anchor)) => {
                boxes.push(words_box(at, anchor, &words, SIZE));
                marks.push((at, anchor, words, named.style.ink()));
            }
            None => all = false,
        }
    }
    for (at, anchor, words, ink) in marks {
        scene.label(at, anchor, words, SIZE, ink);
    }
    all
}

/// How many columns a legend has in this width, and how wide one is.
fn columns(names: &[Named], room: f64) -> (usize, f64) {
    let widest = names.iter().map(|named| width(&named.name, SIZE).min(LONGEST)).fold(0.0f64, f64::max);
    let one = widest + KEY + 18.0;
    (((room / one) as usize).clamp(1, names.len().max(1)), one)
}

/// The height of a legend.
pub(crate) fn legend_height(names: &[Named], room: f64) -> f64 {
    names.len().div_ceil(columns(names, room).0) as f64 * ROW
}

/// Draws a legend: down its columns, the first at `at`.
pub(crate) fn legend(scene: &mut Scene, names: &[Named], at: Point, room: f64, lines: bool) {
    let (count, one) = columns(names, room);
    let rows = names.len().div_ceil(count);
    for (i, named) in names.iter().enumerate() {
        let (x, y) = (at.0 + (i / rows) as f64 * one, at.1 + (i % rows) as f64 * ROW + ROW / 2.0);
        if lines {
            scene.series(vec![vec![(x, y), (x + 26.0, y)]], named.style, 2.0);
        }
        scene.dot((x + 13.0, y), named.style, "");
        let words = elide(&named.name, SIZE, (room - KEY).min(LONGEST));
        scene.text((x + KEY, y + 4.0), Anchor::Start, words, SIZE, Ink::Text);
    }
}

/// The keys of fills, in a row that wraps; the height they take.
pub(crate) fn fills(scene: &mut Scene, names: &[(String, Ink)], at: Point, room: f64) -> f64 {
    let (mut x, mut y) = at;
    for (name, ink) in names {
        let wide = 18.0 + width(name, SIZE) + 16.0;
        if x > at.0 && x + wide > at.0 + room {
            (x, y) = (at.0, y + ROW);
        }
        scene.rect((x, y + 3.0), (12.0, 12.0), *ink, "");
        scene.text((x + 18.0, y + 13.0), Anchor::Start, name.clone(), SIZE, Ink::Text);
        x += wide;
    }
    y + ROW - at.1
}

/// Every line of words with its box, for tests.
#[cfg(test)]
pub(crate) fn boxes(scene: &Scene) -> Vec<(String, Box2)> {
    let one = |mark: &Mark| match mark {
        Mark::Text { at, anchor, words, size, upwards: false, .. } => {
            Some((words.clone(), words_box(*at, *anchor, words, *size)))
        }
        _ => None,
    };
    scene.marks.iter().filter_map(one).collect()
}

/// The title of a drawing, upper left.
pub(crate) fn title(scene: &mut Scene, words: &str) {
    let words = elide(words, 15.0, scene.size.0 - 32.0);
    scene.marks.push(Mark::Text {
        at: (16.0, 26.0),
        anchor: Anchor::Start,
        words,
        size: 15.0,
        ink: Ink::Text,
        upwards: false,
        edged: false,
    });
}
