//! What was played: cost against p99 TTFT and against attainment, with the plan and with those that nobody beats.

use super::super::super::planned::{Plan, Point};
use super::super::ring;
use crate::report::draw::frame::{Place, frame};
use crate::report::draw::labels::{self, Named, at_points};
use crate::report::draw::scale::{Axis, short};
use crate::report::draw::{Ink, Mark, Scene, Style};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{WIDE, figure, under};
use crate::report::figures::cost::front;
use crate::report::plots::PlotError;

/// The plan has this mark around it.
const RING: Style = Style { colour: 7, dash: 0, marker: 5 };

/// Whether a point is its policy's plan.
fn is_plan(plan: &Plan, point: &Point) -> bool {
    let found = plan.answer.plans.iter().find(|planned| planned.policy == point.policy);
    let Some(found) = found.and_then(|planned| planned.found.as_ref()) else { return false };
    let count =
        |offer: &String| found.lots.iter().find(|lot| lot.offer == *offer).map_or(0, |lot| lot.replicas);
    plan.answer.offers.iter().map(count).eq(point.counts.iter().copied())
}

fn says(plan: &Plan, point: &Point) -> String {
    let counts =
        plan.answer.offers.iter().zip(&point.counts).map(|(offer, count)| format!("{offer} {count}"));
    format!(
        "{}: {}\n{} {}, p99 TTFT {} ms, attainment {:.2} %",
        point.policy,
        counts.collect::<Vec<_>>().join(", "),
        plan.answer.money(point.cost),
        plan.answer.cost_unit(),
        short(point.ttft_p99_ms),
        point.attainment * 100.0
    )
}

/// Points over cost; `value` is what stands upright, of which less is better where `lower`.
fn points(
    plan: &Plan,
    (id, title, caption): (&str, &str, &str),
    up: Axis,
    value: impl Fn(&Point) -> f64,
    lower: bool,
    target: &[f64],
) -> Result<Drawing, PlotError> {
    let mut scene = Scene::new(WIDE, 420.0, title);
    labels::title(&mut scene, title);
    let costs = || plan.points.iter().map(|point| point.cost);
    let (low, high) = (costs().fold(f64::MAX, f64::min), costs().fold(0.0f64, f64::max));
    let room = ((high - low) * 0.06).max(high * 0.03);
    let across =
        Axis::between(&format!("cost, {}", plan.answer.cost_unit()), ((low - room).max(0.0), high + room), 9);
    let place = Place { at: (8.0, 38.0), size: (WIDE - 34.0, 374.0), left: 66.0, below: 44.0 };
    let plane = frame(&mut scene, place, across, up)?;
    for &target in target {
        let y = plane.at(low, target).1;
        let line = vec![vec![(plane.x.0, y), (plane.x.1, y)]];
        scene.marks.push(Mark::Lines { lines: line, ink: Ink::Text, width: 1.2, dash: 1 });
    }
    let mut marked = Vec::new();
    for (number, planned) in plan.answer.plans.iter().enumerate() {
        let own: Vec<&Point> = plan.points.iter().filter(|point| point.policy == planned.policy).collect();
        let style = Style::of(number);
        let values: Vec<(f64, f64)> =
            own.iter().map(|point| (point.cost, if lower { value(point) } else { -value(point) })).collect();
        let best = front(&values);
        let stairs: Vec<(f64, f64)> = best
            .windows(2)
            .flat_map(|pair| {
                let at = |i: usize| plane.at(own[i].cost, value(own[i]));
                let (a, b) = (at(pair[0]), at(pair[1]));
                [a, (b.0, a.1), b]
            })
            .collect();
        if !stairs.is_empty() {
            scene.series(vec![stairs], style, 1.2);
        }
        for point in &own {
            let at = plane.at(point.cost, value(point));
            scene.dot(at, style, says(plan, point));
            if is_plan(plan, point) {
                marked.push((planned.policy.clone(), at, point.cost));
            }
        }
    }
    let several = plan.answer.plans.len() > 1;
    let mut named = Vec::new();
    for (policy, at, cost) in marked {
        ring(&mut scene, at);
        let name = if several { format!("the plan of {policy}, ") } else { "the plan, ".to_owned() };
        // A bit lower: the stairs go on to the right.
        let name = name + &plan.answer.money(cost);
        named.push((Named { name, style: RING }, (at.0 + 4.0, at.1 + 14.0)));
    }
    let within = ((plane.x.0 + 1.0, plane.y.0 + 1.0), (plane.x.1 - 1.0, plane.y.1 - 1.0));
    let mut keys = Vec::new();
    if several {
        let all = plan.answer.plans.iter().enumerate();
        let drawn = all.filter(|(_, planned)| plan.points.iter().any(|point| point.policy == planned.policy));
        keys.extend(drawn.map(|(at, planned)| Named { name: planned.policy.clone(), style: Style::of(at) }));
    }
    keys.extend(at_points(&mut scene, &named, within));
    if !keys.is_empty() {
        under(&mut scene, &keys, true);
    }
    Ok(figure(id, title, caption, &scene))
}

/// Cost against p99 TTFT.
pub(super) fn p99(plan: &Plan) -> Result<Option<Drawing>, PlotError> {
    if plan.points.is_empty() {
        return Ok(None);
    }
    let title = format!("Cost against p99 of time to first token, {}", plan.answer.scenario);
    let up = Axis::log(
        "p99 TTFT at the client, ms (logarithmic)",
        plan.points.iter().map(|point| point.ttft_p99_ms),
        8,
    );
    let caption = "Every fleet that was played to its end in the usual cases: left is cheaper, down is faster. The square is the \
                   plan; stairs join fleets that no other beats in one without losing in the other. A cheaper one than the plan \
                   does not keep what is asked.";
    points(plan, ("pareto-p99", &title, caption), up, |point| point.ttft_p99_ms, true, &[]).map(Some)
}

/// Cost against attainment.
pub(super) fn attainment(plan: &Plan) -> Result<Option<Drawing>, PlotError> {
    if plan.points.is_empty() {
        return Ok(None);
    }
    let title = format!("Cost against attainment, {}", plan.answer.scenario);
    let lines = plan.answer.plans.iter().filter_map(|planned| planned.found.as_ref());
    let mut targets: Vec<f64> =
        lines.flat_map(|found| found.confirmation.lines.iter().map(|line| line.target * 100.0)).collect();
    targets.sort_by(f64::total_cmp);
    targets.dedup();
    let values = plan.points.iter().map(|point| point.attainment * 100.0).chain(targets.iter().copied());
    let low = values.fold(100.0, f64::min);
    let room = ((100.0 - low) * 0.06).max(0.02);
    let up =
        Axis::between("least attainment over cases and classes, %", ((low - room).max(0.0), 100.0 + room), 7);
    let caption = "Every fleet that was played to its end in the usual cases: left is cheaper, up is better; the broken line is \
                   what is asked, the square the plan.";
    points(
        plan,
        ("pareto-attainment", &title, caption),
        up,
        |point| point.attainment * 100.0,
        false,
        &targets,
    )
    .map(Some)
}
