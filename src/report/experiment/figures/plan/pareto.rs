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

/// Places on each stair that no name may cover: every few pixels of the longest.
const STEPS: u32 = 60;

/// A fleet that was played, and whether it is its policy's plan.
struct Played {
    point: Point,
    is_plan: bool,
}

/// Those of the folder, and the plans that are not among them: confirmation may have moved on from what the search played. They
/// stand where their confirmation puts them, in the cases without a region's loss.
fn played(plan: &Plan) -> Vec<Played> {
    let mut all: Vec<Played> =
        plan.points.iter().map(|point| Played { point: point.clone(), is_plan: false }).collect();
    for planned in &plan.answer.plans {
        let Some(found) = &planned.found else { continue };
        let count =
            |offer: &String| found.lots.iter().find(|lot| lot.offer == *offer).map_or(0, |lot| lot.replicas);
        let counts: Vec<u32> = plan.answer.offers.iter().map(count).collect();
        let there =
            all.iter_mut().find(|one| one.point.policy == planned.policy && one.point.counts == counts);
        if let Some(there) = there {
            there.is_plan = true;
            continue;
        }
        let usual = || found.confirmation.lines.iter().filter(|line| !line.scene.ends_with(" gone"));
        if usual().next().is_none() {
            continue;
        }
        let point = Point {
            policy: planned.policy.clone(),
            counts,
            cost: found.cost,
            ttft_p99_ms: usual().map(|line| line.ttft_p99_ms).fold(0.0, f64::max),
            attainment: usual().map(|line| line.attainment).fold(1.0, f64::min),
            frontier: false,
        };
        all.push(Played { point, is_plan: true });
    }
    all
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
    all: &[Played],
    (id, title, caption): (&str, &str, &str),
    up: Axis,
    value: impl Fn(&Point) -> f64,
    lower: bool,
    target: &[f64],
) -> Result<Drawing, PlotError> {
    let mut scene = Scene::new(WIDE, 420.0, title);
    labels::title(&mut scene, title);
    let costs = || all.iter().map(|one| one.point.cost);
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
    // What no name is to be written on.
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (number, planned) in plan.answer.plans.iter().enumerate() {
        let own: Vec<&Played> = all.iter().filter(|one| one.point.policy == planned.policy).collect();
        let style = Style::of(number);
        let values: Vec<(f64, f64)> = own
            .iter()
            .map(|one| (one.point.cost, if lower { value(&one.point) } else { -value(&one.point) }))
            .collect();
        let best = front(&values);
        let stairs: Vec<(f64, f64)> = best
            .windows(2)
            .flat_map(|pair| {
                let at = |i: usize| plane.at(own[i].point.cost, value(&own[i].point));
                let (a, b) = (at(pair[0]), at(pair[1]));
                [a, (b.0, a.1), b]
            })
            .collect();
        for pair in stairs.windows(2) {
            taken.extend((0..=STEPS).map(|step| {
                let share = f64::from(step) / f64::from(STEPS);
                (pair[0].0 + share * (pair[1].0 - pair[0].0), pair[0].1 + share * (pair[1].1 - pair[0].1))
            }));
        }
        if !stairs.is_empty() {
            scene.series(vec![stairs], style, 1.2);
        }
        for Played { point, is_plan } in own {
            let at = plane.at(point.cost, value(point));
            scene.dot(at, style, says(plan, point));
            taken.push(at);
            if *is_plan {
                marked.push((planned.policy.clone(), at, point.cost));
            }
        }
    }
    let several = plan.answer.plans.len() > 1;
    let mut named = Vec::new();
    for (policy, at, cost) in marked {
        ring(&mut scene, at);
        taken.extend(
            [(-6.0, -6.0), (6.0, -6.0), (-6.0, 6.0), (6.0, 6.0)].map(|(dx, dy)| (at.0 + dx, at.1 + dy)),
        );
        let name = if several { format!("the plan of {policy}, ") } else { "the plan, ".to_owned() };
        // A bit lower: the stairs go on to the right.
        let name = name + &plan.answer.money(cost);
        named.push((Named { name, style: RING }, (at.0 + 4.0, at.1 + 14.0)));
    }
    let within = ((plane.x.0 + 1.0, plane.y.0 + 1.0), (plane.x.1 - 1.0, plane.y.1 - 1.0));
    let mut keys = Vec::new();
    if several {
        let plans = plan.answer.plans.iter().enumerate();
        let drawn = plans.filter(|(_, planned)| all.iter().any(|one| one.point.policy == planned.policy));
        keys.extend(drawn.map(|(at, planned)| Named { name: planned.policy.clone(), style: Style::of(at) }));
    }
    named.extend(taken.into_iter().map(|at| (Named { name: String::new(), style: RING }, at)));
    let left = at_points(&mut scene, &named, within);
    scene.marks.retain(|mark| !matches!(mark, Mark::Text { words, .. } if words.is_empty()));
    keys.extend(left.into_iter().filter(|named| !named.name.is_empty()));
    if !keys.is_empty() {
        under(&mut scene, &keys, true);
    }
    Ok(figure(id, title, caption, &scene))
}

/// Cost against p99 TTFT.
pub(super) fn p99(plan: &Plan) -> Result<Option<Drawing>, PlotError> {
    let all = played(plan);
    if all.is_empty() {
        return Ok(None);
    }
    let title = format!("Cost against p99 of time to first token, {}", plan.answer.scenario);
    let up =
        Axis::log("p99 TTFT at the client, ms (logarithmic)", all.iter().map(|one| one.point.ttft_p99_ms), 8);
    let caption = "Every fleet that was played to its end in the usual cases: left is cheaper, down is faster. The square is the \
                   plan; stairs join fleets that no other beats in one without losing in the other. A cheaper one than the plan \
                   does not keep what is asked, be it in another case or under fresh seeds.";
    points(plan, &all, ("pareto-p99", &title, caption), up, |point| point.ttft_p99_ms, true, &[]).map(Some)
}

/// Cost against attainment.
pub(super) fn attainment(plan: &Plan) -> Result<Option<Drawing>, PlotError> {
    let all = played(plan);
    if all.is_empty() {
        return Ok(None);
    }
    let title = format!("Cost against attainment, {}", plan.answer.scenario);
    let lines = plan.answer.plans.iter().filter_map(|planned| planned.found.as_ref());
    let mut targets: Vec<f64> =
        lines.flat_map(|found| found.confirmation.lines.iter().map(|line| line.target * 100.0)).collect();
    targets.sort_by(f64::total_cmp);
    targets.dedup();
    let values = all.iter().map(|one| one.point.attainment * 100.0).chain(targets.iter().copied());
    let low = values.fold(100.0, f64::min);
    let room = ((100.0 - low) * 0.06).max(0.02);
    let up =
        Axis::between("least attainment over cases and classes, %", ((low - room).max(0.0), 100.0 + room), 7);
    let caption = "Every fleet that was played to its end in the usual cases: left is cheaper, up is better; the broken line is \
                   what is asked, the square the plan.";
    points(
        plan,
        &all,
        ("pareto-attainment", &title, caption),
        up,
        |point| point.attainment * 100.0,
        false,
        &targets,
    )
    .map(Some)
}
