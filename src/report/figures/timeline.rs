//! Regions over time, a figure a policy: a row a region, a column a quantity, one scale a column, so that regions compare.

use super::cast::{Member, figure, members, slug};
use crate::report::draw::frame::{Place, Plane, frame};
use crate::report::draw::labels;
use crate::report::draw::scale::{Axis, percent};
use crate::report::draw::{Anchor, Ink, Point, SIZE, Scene, Style, elide, width};
use crate::report::figure::Drawing;
use crate::report::loaded::{CellSeries, EventMark, LoadedRun, SeriesPoint};
use crate::report::plots::PlotError;

/// The most points of a line: more could not be told apart in a panel.
const BINS: usize = 96;

/// What a panel's point is.
#[derive(Clone, Copy)]
enum Of {
    /// The sum of counts, a second.
    Rate(fn(&SeriesPoint) -> u64),
    /// The mean of counts.
    Mean(fn(&SeriesPoint) -> u64),
    /// The mean of what is known.
    Known(fn(&SeriesPoint) -> Option<f64>),
    /// The same, weighted by completed requests.
    Weighted(fn(&SeriesPoint) -> Option<f64>),
    /// The greatest of what is known.
    Greatest(fn(&SeriesPoint) -> Option<f64>),
    /// The least of what is known.
    Least(fn(&SeriesPoint) -> Option<f64>),
}

/// A column: its head, how its second line is called, its scale, its lines.
struct Column {
    head: &'static str,
    second: &'static str,
    scale: Scale,
    lines: &'static [Of],
}

#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Count,
    Share,
    Log,
}

const COLUMNS: [Column; 6] = [
    Column { head: "requests sent, 1/s", second: "", scale: Scale::Count, lines: &[Of::Rate(|p| p.sent)] },
    Column {
        head: "running",
        second: "waiting",
        scale: Scale::Count,
        lines: &[Of::Mean(|p| p.running), Of::Mean(|p| p.waiting)],
    },
    Column { head: "KV blocks in use", second: "", scale: Scale::Share, lines: &[Of::Known(|p| p.kv_use)] },
    Column {
        head: "cache hit rate",
        second: "",
        scale: Scale::Share,
        lines: &[Of::Weighted(|p| p.hit_rate)],
    },
    Column {
        head: "TTFT p50, ms",
        second: "p99",
        scale: Scale::Log,
        lines: &[Of::Weighted(|p| p.ttft_p50_ms), Of::Greatest(|p| p.ttft_p99_ms)],
    },
    Column {
        head: "replicas up",
        second: "",
        scale: Scale::Count,
        lines: &[Of::Least(|p| p.replicas.map(|up| up as f64))],
    },
];

/// How the first and second lines look.
const LOOKS: [Style; 2] = [Style { colour: 0, dash: 0, marker: 0 }, Style { colour: 1, dash: 2, marker: 1 }];

/// A figure a policy, of its first seed with a time line.
pub(super) fn timelines(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let mut found = Vec::new();
    for member in members(runs) {
        if let Some(cell) = member.run.series_of(&member.policy.policy).filter(|cell| !cell.points.is_empty())
        {
            found.push(one(&member, cell)?);
        }
    }
    Ok(found)
}

fn value(of: Of, points: &[&SeriesPoint], seconds: f64) -> Option<f64> {
    let sum = |count: fn(&SeriesPoint) -> u64| points.iter().map(|point| count(point)).sum::<u64>() as f64;
    let known = |get: fn(&SeriesPoint) -> Option<f64>| points.iter().filter_map(move |point| get(point));
    match of {
        Of::Rate(count) => (seconds > 0.0).then(|| sum(count) / seconds),
        Of::Mean(count) => (!points.is_empty()).then(|| sum(count) / points.len() as f64),
        Of::Known(get) => {
            let n = known(get).count();
            (n > 0).then(|| known(get).sum::<f64>() / n as f64)
        }
        Of::Weighted(get) => {
            let weighed =
                points.iter().filter_map(|point| Some((get(point)?, point.completed.max(1) as f64)));
            let (sum, weight) = weighed.fold((0.0, 0.0), |(sum, all), (value, n)| (sum + value * n, all + n));
            (weight > 0.0).then(|| sum / weight)
        }
        Of::Greatest(get) => known(get).max_by(f64::total_cmp),
        Of::Least(get) => known(get).min_by(f64::total_cmp),
    }
}

/// One region's points by bin: the middle of the bin and its windows.
fn bins(cell: &CellSeries, region: usize) -> Vec<(f64, f64, Vec<&SeriesPoint>)> {
    let own: Vec<&SeriesPoint> = cell.points.iter().filter(|point| point.region == region).collect();
    let each = own.len().div_ceil(BINS).max(1);
    let window = if cell.window_s > 0.0 { cell.window_s } else { 1.0 };
    own.chunks(each)
        .map(|chunk| {
            let seconds = window * chunk.len() as f64;
            (chunk[0].start_s + seconds / 2.0, seconds, chunk.to_vec())
        })
        .collect()
}

fn event_words(event: &EventMark) -> String {
    let clock = |s: f64| if s >= 60.0 { format!("{:.1} min", s / 60.0) } else { format!("{s:.0} s") };
    let until = event.until_s.map_or("the end".to_owned(), clock);
    format!("{} {} from {} to {until}", event.target, event.kind.replace('_', " "), clock(event.at_s))
}

fn one(member: &Member<'_>, cell: &CellSeries) -> Result<Drawing, PlotError> {
    let name = member.name();
    let title = format!("Regions over time: {name}");
    let with_replicas = cell.points.iter().any(|point| point.replicas.is_some());
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| with_replicas || column.head != "replicas up").collect();
    let (left, top, high, foot) = (96.0, 74.0, 74.0, 34.0);
    let wide = 150.0;
    let size =
        (left + wide * columns.len() as f64 + 14.0, top + high * cell.regions.len() as f64 + foot + 8.0);
    let mut scene = Scene::new(size.0, size.1, &title);
    labels::title(&mut scene, &title);
    let binned: Vec<_> = (0..cell.regions.len()).map(|region| bins(cell, region)).collect();
    let window = if cell.window_s > 0.0 { cell.window_s } else { 1.0 };
    let end = cell.points.iter().map(|point| point.start_s + window).fold(0.0f64, f64::max);
    for (row, region) in cell.regions.iter().enumerate() {
        let middle = top + (row as f64 + 0.5) * high;
        scene.text((16.0, middle), Anchor::Start, elide(region, SIZE, left - 22.0), SIZE, Ink::Text);
    }
    let mut marked: Vec<(Point, String)> = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        let lines: Vec<Vec<Vec<(f64, Option<f64>)>>> = binned
            .iter()
            .map(|bins| {
                let line =
                    |&of: &Of| bins.iter().map(|(at, s, points)| (*at, value(of, points, *s))).collect();
                column.lines.iter().map(line).collect()
            })
            .collect();
        let values: Vec<f64> = lines.iter().flatten().flatten().filter_map(|point| point.1).collect();
        let up = match column.scale {
            Scale::Count => Axis::linear("", values.iter().copied(), 2),
            // A whole scale tells nothing of a cache that is hardly used.
            Scale::Share => {
                let mut axis = Axis::linear("", values.iter().copied().chain([0.01]), 2);
                axis.ticks.iter_mut().for_each(|(at, words)| *words = percent(*at));
                axis
            }
            Scale::Log => Axis::log("", values.iter().copied(), 3),
        };
        let x = left + number as f64 * wide;
        head(&mut scene, column, x + 42.0, top - 10.0);
        for (row, lines) in lines.iter().enumerate() {
            let last = row + 1 == cell.regions.len();
            let below = if last { foot } else { 0.0 };
            let place = Place {
                at: (x, top + row as f64 * high),
                size: (wide - 6.0, high - 10.0 + below),
                left: 42.0,
                below,
            };
            let mut across = Axis::time("", (0.0, end), 2);
            if !last {
                across.title.clear();
            }
            let plane = frame(&mut scene, place, across, up.clone())?;
            happened(&mut scene, member, &plane, &cell.regions[row], number == 0, &mut marked);
            for (line, style) in lines.iter().zip(LOOKS).rev() {
                let drawn = plane.through(line.iter().copied());
                scene.series(drawn, style, if style.dash == 0 { 1.4 } else { 1.2 });
            }
        }
    }
    for (at, words) in marked {
        scene.label(at, Anchor::Start, words, SIZE - 2.0, Ink::Text);
    }
    let events: Vec<String> = member.run.events.iter().map(event_words).collect();
    let events = if events.is_empty() { String::new() } else { format!(" Shaded: {}.", events.join("; ")) };
    let caption = format!(
        "Under {name} (seed {}), each region's load, KV memory, cache, TTFT and replicas over simulated time, one scale a \
         column; a line that climbs from 0 in the column of hit rates is a cold cache warming up.{events}",
        cell.seed
    );
    Ok(figure(&format!("timeline-{}", slug(&name)), &title, &caption, &scene))
}

/// The head of a column, and the keys of its lines where there are two.
fn head(scene: &mut Scene, column: &Column, x: f64, y: f64) {
    let size = SIZE - 1.0;
    if column.second.is_empty() {
        scene.text((x, y), Anchor::Start, column.head, size, Ink::Text);
        return;
    }
    for (i, (words, style)) in [column.head, column.second].into_iter().zip(LOOKS).enumerate() {
        let above = y - if i == 0 { 14.0 } else { 0.0 };
        scene.series(vec![vec![(x, above - 4.0), (x + 18.0, above - 4.0)]], style, 1.4);
        scene.text((x + 23.0, above), Anchor::Start, elide(words, size, 100.0), size, Ink::Text);
    }
}

/// Marks the end of the warm-up and what was planned: shaded where it happens, an edge elsewhere.
fn happened(
    scene: &mut Scene,
    member: &Member<'_>,
    plane: &Plane,
    region: &str,
    first: bool,
    marked: &mut Vec<(Point, String)>,
) {
    let x = |s: f64| plane.at(s, f64::NAN).0;
    let warmup = member.first().map_or(0.0, |cell| cell.warmup_s);
    if warmup > 0.0 {
        scene.line((x(warmup), plane.y.0), (x(warmup), plane.y.1), Ink::Grid);
    }
    for event in &member.run.events {
        let (from, to) = (x(event.at_s), event.until_s.map_or(plane.x.1, x));
        if event.region.as_deref().is_none_or(|own| own == region) {
            scene.rect((from, plane.y.0), (to - from, plane.y.1 - plane.y.0), Ink::Shade, event_words(event));
            let words = event.kind.replace('_', " ");
            if first {
                let wide = width(&words, SIZE - 2.0);
                marked.push((((from + 3.0).min(plane.x.1 - wide), plane.y.0 + 10.0), words));
            }
        } else {
            for at in [from, to] {
                scene.line((at, plane.y.0), (at, plane.y.1), Ink::Grid);
            }
        }
    }
}
