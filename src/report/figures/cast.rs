//! Who is drawn: every policy of every run with its name and look, one assignment for all figures of a report. Also what
//! figures of lines and of rows share.

use crate::report::draw::frame::{Place, Plane, frame};
use crate::report::draw::labels::{self, Named, at_lines, legend, legend_height};
use crate::report::draw::scale::{Axis, short};
use crate::report::draw::svg::svg;
use crate::report::draw::{Anchor, Ink, Point, SIZE, Scene, Style, elide, width};
use crate::report::figure::{Drawing, Figure};
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;
use crate::report::summary::{CellSummary, PolicySummary};

/// A policy in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'r> {
    pub run: &'r LoadedRun,
    pub policy: &'r PolicySummary,
    pub style: Style,
    /// Whether there is another run to tell it from.
    several: bool,
}

impl Member<'_> {
    /// The policy, with its run's name where there are several runs.
    pub(super) fn name(&self) -> String {
        if self.several {
            format!("{} · {}", self.run.name, self.policy.policy)
        } else {
            self.policy.policy.clone()
        }
    }
    pub(super) fn named(&self) -> Named {
        Named { name: self.name(), style: self.style }
    }
    /// Its first seed.
    pub(super) fn first(&self) -> Option<&CellSummary> {
        self.policy.cells.first()
    }
    /// The mean of a headline measure over the seeds, half of its interval, and whether it stands on enough samples.
    pub(super) fn measure(&self, name: &str) -> Option<(f64, Option<f64>, bool)> {
        let measure = self.policy.measures.iter().find(|measure| measure.name == name)?;
        Some((measure.mean.filter(|mean| mean.is_finite())?, measure.half_width_95, measure.reliable))
    }
}

/// Everybody, by run and then policy. Colours and markers are given by the order of policies over all runs; runs after the
/// first have other dashes.
pub(super) fn members(runs: &[LoadedRun]) -> Vec<Member<'_>> {
    let mut known: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        for policy in &run.summary.policies {
            let index = known.iter().position(|name| *name == policy.policy).unwrap_or_else(|| {
                known.push(&policy.policy);
                known.len() - 1
            });
            let mut style = Style::of(index);
            style.dash = ((usize::from(style.dash) + number) % 4) as u8;
            all.push(Member { run, policy, style, several: runs.len() > 1 });
        }
    }
    all
}

/// A name as a part of an id: lower case, digits and `-`.
pub(crate) fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_matches('-').to_owned();
    if out.is_empty() { "unnamed".to_owned() } else { out }
}

/// What a title says of the runs: the scenario where there is one.
pub(super) fn about(runs: &[LoadedRun]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.summary.scenario.as_str()).collect();
    names.dedup();
    match names.as_slice() {
        [name] => (*name).to_owned(),
        names => format!("{} runs", names.len()),
    }
}

/// A finished figure.
pub(crate) fn figure(id: &str, title: &str, caption: &str, scene: &Scene) -> Drawing {
    let figure =
        Figure { id: id.to_owned(), title: title.to_owned(), caption: caption.to_owned(), svg: svg(scene) };
    Drawing { figure, scene: scene.clone() }
}

/// The width of figures: a column of a page.
pub(in crate::report) const WIDE: f64 = 860.0;

/// A line of a chart: whose it is, where it goes, and the part of it that stands on few samples.
pub(crate) struct Line {
    pub named: Named,
    pub points: Vec<(f64, Option<f64>)>,
    /// Points after this one are drawn thin.
    pub sure: usize,
    /// Whether each point is marked.
    pub dots: bool,
}

/// A chart of lines with their names at them, or under it. The plane is given to who wants to add to it before the lines
/// are drawn.
pub(crate) fn lines(
    title: &str,
    across: Axis,
    up: Axis,
    lines: &[Line],
    behind: impl FnOnce(&mut Scene, &Plane),
) -> Result<Scene, PlotError> {
    let mut scene = Scene::new(WIDE, 460.0, title);
    labels::title(&mut scene, title);
    let place = Place { at: (8.0, 38.0), size: (WIDE - 34.0, 414.0), left: 66.0, below: 44.0 };
    let plane = frame(&mut scene, place, across, up)?;
    behind(&mut scene, &plane);
    let mut drawn: Vec<(Named, Vec<Vec<Point>>)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let cut = line.sure.min(line.points.len());
        let (sure, rest) = line.points.split_at(cut);
        let sure = plane.through(sure.iter().copied());
        scene.series(sure.clone(), line.named.style, 2.0);
        let rest = if rest.is_empty() {
            Vec::new()
        } else {
            plane.through(line.points[cut.saturating_sub(1)..].iter().copied())
        };
        if !rest.is_empty() {
            scene.series(rest.clone(), line.named.style, 0.9);
        }
        let points: Vec<Point> = sure.iter().flatten().copied().collect();
        if line.dots {
            for &(x, y) in &line.points {
                if let Some(y) = y {
                    let says = format!("{}: {}, {}", line.named.name, short(x), short(y));
                    scene.dot(plane.at(x, y), line.named.style, says);
                }
            }
        } else if lines.len() > 4 {
            // Markers along the line, at other places than those of its neighbours.
            let far = |a: Point, b: Point| (a.0 - b.0).hypot(a.1 - b.1);
            let mut walked = 20.0 + 60.0 * (number as f64 * 0.37).fract();
            for pair in points.windows(2) {
                walked += far(pair[0], pair[1]);
                if walked > 110.0 {
                    scene.dot(pair[1], line.named.style, "");
                    walked = 0.0;
                }
            }
        }
        drawn.push((line.named.clone(), sure.into_iter().chain(rest).collect()));
    }
    let within = ((plane.x.0 + 2.0, plane.y.0 + 2.0), (plane.x.1 - 2.0, plane.y.1 - 2.0));
    let taken: Vec<_> = labels::boxes(&scene).into_iter().map(|(_, taken)| taken).collect();
    if !lines.is_empty() && !at_lines(&mut scene, &drawn, within, &taken) {
        let names: Vec<Named> = drawn.into_iter().map(|(named, _)| named).collect();
        under(&mut scene, &names, true);
    }
    if lines.iter().all(|line| line.points.iter().all(|point| point.1.is_none())) {
        nothing(&mut scene, &plane);
    }
    Ok(scene)
}

/// A legend under everything.
pub(in crate::report) fn under(scene: &mut Scene, names: &[Named], lines: bool) {
    let room = scene.size.0 - 90.0;
    let at = (74.0, scene.size.1);
    scene.size.1 += legend_height(names, room) + 12.0;
    legend(scene, names, at, room, lines);
}

/// Says that there is nothing to see.
pub(in crate::report) fn nothing(scene: &mut Scene, plane: &Plane) {
    let middle = (f64::midpoint(plane.x.0, plane.x.1), f64::midpoint(plane.y.0, plane.y.1));
    scene.label(middle, Anchor::Middle, "no data", SIZE, Ink::Muted);
}

/// A drawing of rows, their names at the left: what each row holds is drawn by the caller.
pub(in crate::report) struct Rows {
    /// The drawing.
    pub scene: Scene,
    /// Left and right edges of what stands beside the names.
    pub x: (f64, f64),
    /// The upper edge of the first row.
    pub top: f64,
    /// From row to row.
    pub step: f64,
}

/// Rows with these names and looks. `right` is kept free for words behind the bars.
pub(in crate::report) fn rows(
    title: &str,
    names: &[Named],
    step: f64,
    head: f64,
    right: f64,
    below: f64,
) -> Rows {
    let longest = names.iter().map(|named| width(&named.name, SIZE)).fold(0.0f64, f64::max);
    let left = (longest + 44.0).clamp(90.0, 330.0);
    let top = 40.0 + head;
    let mut scene = Scene::new(WIDE, top + names.len() as f64 * step + below, title);
    labels::title(&mut scene, title);
    for (i, named) in names.iter().enumerate() {
        let y = top + (i as f64 + 0.5) * step;
        scene.dot((20.0, y), named.style, "");
        scene.text((32.0, y + 4.0), Anchor::Start, elide(&named.name, SIZE, left - 40.0), SIZE, Ink::Text);
    }
    Rows { scene, x: (left, WIDE - right), top, step }
}

impl Rows {
    /// An axis under the rows, its mesh behind them.
    pub(in crate::report) fn across(&mut self, axis: Axis, rows: usize) -> Result<Plane, PlotError> {
        let up = Axis { title: String::new(), log: false, range: (0.0, 1.0), ticks: Vec::new() };
        let size = (self.x.1 - self.x.0, rows as f64 * self.step + 44.0);
        let place = Place { at: (self.x.0, self.top), size, left: 0.0, below: 44.0 };
        frame(&mut self.scene, place, axis, up)
    }
    /// The middle of a row.
    pub(in crate::report) fn middle(&self, row: usize) -> f64 {
        self.top + (row as f64 + 0.5) * self.step
    }
}
