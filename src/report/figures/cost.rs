//! Cost against p99, with those that nobody beats in both.

use super::cast::{Member, about, figure, members, nothing, under};
use crate::report::draw::frame::{Place, frame};
use crate::report::draw::labels::{self, Named, at_points};
use crate::report::draw::scale::{Axis, short};
use crate::report::draw::{Ink, Mark, Scene};
use crate::report::figure::Drawing;
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;

/// What a member costs: dollars where every run has prices, GPU-hours otherwise; means over seeds.
fn cost(member: &Member<'_>, dollars: bool) -> Option<f64> {
    let cells = &member.policy.cells;
    let one = |cell: &crate::report::CellSummary| {
        if dollars { cell.cost.usd.as_ref().map(|usd| usd.total) } else { Some(cell.cost.gpu_hours) }
    };
    let all: Vec<f64> = cells.iter().filter_map(one).filter(|cost| cost.is_finite()).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

/// The places of the points that no other beats in one and equals in the other, by cost.
pub(crate) fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let beaten =
        |&(x, y): &(f64, f64)| points.iter().any(|&(ox, oy)| ox <= x && oy <= y && (ox < x || oy < y));
    let mut kept: Vec<usize> = (0..points.len()).filter(|&i| !beaten(&points[i])).collect();
    kept.sort_by(|&a, &b| points[a].0.total_cmp(&points[b].0).then(a.cmp(&b)));
    kept
}

/// A point a policy and run.
pub(super) fn cost_p99(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let all = members(runs);
    let priced = !all.is_empty() && all.iter().all(|member| cost(member, true).is_some());
    let points: Vec<(Named, (f64, f64))> = all
        .iter()
        .filter_map(|member| {
            let (p99, ..) = member.measure("ttft.p99")?;
            Some((member.named(), (cost(member, priced)?, p99)))
        })
        .filter(|(_, (cost, _))| *cost > 0.0)
        .collect();
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let title = format!("Cost against p99 of time to first token, {}", about(runs));
    let unit = if priced { "cost of the run, US$" } else { "provisioned GPU-hours of the run" };
    let xs = || points.iter().map(|(_, (x, _))| *x);
    let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(0.0f64, f64::max));
    let room = ((high - low) * 0.12).max(high * 0.06);
    let across = Axis::between(unit, ((low - room).max(0.0), high + room), 7);
    let up = Axis::log("p99 TTFT at the client, ms (logarithmic)", points.iter().map(|(_, (_, y))| *y), 8);
    let mut scene = Scene::new(860.0, 420.0, &title);
    labels::title(&mut scene, &title);
    let place = Place { at: (8.0, 38.0), size: (836.0, 374.0), left: 66.0, below: 44.0 };
    let plane = frame(&mut scene, place, across, up)?;
    let values: Vec<(f64, f64)> = points.iter().map(|point| point.1).collect();
    let best = front(&values);
    let stairs: Vec<(f64, f64)> = best
        .windows(2)
        .flat_map(|pair| {
            let (a, b) = (
                plane.at(values[pair[0]].0, values[pair[0]].1),
                plane.at(values[pair[1]].0, values[pair[1]].1),
            );
            [a, (b.0, a.1), b]
        })
        .collect();
    if !stairs.is_empty() {
        scene.marks.push(Mark::Lines { lines: vec![stairs], ink: Ink::Axis, width: 1.5, dash: 0 });
    }
    let mut drawn = Vec::new();
    for (i, (named, (x, y))) in points.iter().enumerate() {
        let at = plane.at(*x, *y);
        let mark = if best.contains(&i) { ", on the front" } else { "" };
        scene.dot(at, named.style, format!("{}: {}, p99 {} ms{mark}", named.name, short(*x), short(*y)));
        drawn.push((named.clone(), at));
    }
    let within = ((plane.x.0 + 1.0, plane.y.0 + 1.0), (plane.x.1 - 1.0, plane.y.1 - 1.0));
    if !at_points(&mut scene, &drawn, within) {
        let names: Vec<Named> = drawn.iter().map(|(named, _)| named.clone()).collect();
        under(&mut scene, &names, false);
    }
    if drawn.is_empty() {
        nothing(&mut scene, &plane);
    }
    let caption = "Each policy of each run: left is cheaper, down is faster; the stairs join those that no other beats in one \
                   without losing in the other.";
    Ok(vec![figure("cost-p99", &title, caption, &scene)])
}
