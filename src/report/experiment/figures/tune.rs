//! What a search for weights has seen: the score as it went, the score over the weights.

use super::super::tuned::{Candidate, Parameter, Tuned};
use super::ring;
use crate::report::draw::frame::{Place, Plane, frame};
use crate::report::draw::labels::{self, Named, at_points, fills};
use crate::report::draw::scale::{Axis, short};
use crate::report::draw::{Anchor, Ink, Mark, Point, SIZE, Scene, Style, on};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{WIDE, figure, slug, under};
use crate::report::figures::flows::shade;
use crate::report::plots::PlotError;

/// Maps of two parameters each: the first pairs (our choice, what a page bears).
const MAPS: usize = 3;
/// From this ratio of the worst score to the best on, scores are on a logarithmic axis (our choice).
const WIDE_SCORES: f64 = 3.0;

/// A candidate's kind: whether limits hold.
fn look(candidate: &Candidate) -> Named {
    let (name, colour, marker) =
        if candidate.score.broken.is_empty() { ("limits hold", 2, 0) } else { ("a limit is broken", 1, 5) };
    Named { name: name.to_owned(), style: Style { colour, dash: 0, marker } }
}

/// Those that have a score, and it.
fn scored(tuned: &Tuned) -> Vec<(&Candidate, f64)> {
    let value =
        |candidate: &Candidate| candidate.score.value.filter(|value| value.is_finite() && *value > 0.0);
    tuned.candidates.iter().filter_map(|candidate| Some((candidate, value(candidate)?))).collect()
}

fn scores(all: &[(&Candidate, f64)]) -> Axis {
    let values = || all.iter().map(|one| one.1);
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0f64, f64::max));
    if high > low * WIDE_SCORES {
        return Axis::log("score, less is better (logarithmic)", values(), 7);
    }
    let room = ((high - low) * 0.06).max(high * 0.005);
    Axis::between("score, less is better; the start has 1", (low - room, high + room), 7)
}

fn axis(parameter: &Parameter) -> Axis {
    if parameter.is_log() {
        Axis::log(&format!("{} (logarithmic)", parameter.name), [parameter.low, parameter.high], 8)
    } else {
        let room = (parameter.high - parameter.low) * 0.03;
        Axis::between(&parameter.name, (parameter.low - room, parameter.high + room), 8)
    }
}

fn weights(tuned: &Tuned, candidate: &Candidate) -> String {
    let each = tuned.parameters.iter().zip(&candidate.point);
    let score = candidate.score.value.map_or("no score".to_owned(), |score| format!("score {score:.4}"));
    let broken = if candidate.score.broken.is_empty() {
        String::new()
    } else {
        format!("\nbreaks {}", candidate.score.broken.join(", "))
    };
    let each: Vec<String> = each.map(|(parameter, value)| format!("{} {value}", parameter.name)).collect();
    format!("candidate {}: {}\n{score}{broken}", candidate.number, each.join(", "))
}

/// All of them.
pub(super) fn drawings(tuned: &Tuned) -> Result<Vec<Drawing>, PlotError> {
    let all = scored(tuned);
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut drawn = vec![search(tuned, &all)?];
    let places = 0..tuned.parameters.len();
    let pairs = places.clone().flat_map(|x| (x + 1..tuned.parameters.len()).map(move |y| (x, y)));
    for (x, y) in pairs.take(MAPS) {
        drawn.push(map(tuned, &all, x, y)?);
    }
    for x in places {
        drawn.push(along(tuned, &all, x)?);
    }
    Ok(drawn)
}

/// A key for the kinds of candidates that there are.
fn keys(scene: &mut Scene, all: &[(&Candidate, f64)]) {
    let mut keys: Vec<Named> = Vec::new();
    for (candidate, _) in all {
        let key = look(candidate);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    under(scene, &keys, false);
}

/// The score as the search went.
fn search(tuned: &Tuned, all: &[(&Candidate, f64)]) -> Result<Drawing, PlotError> {
    let title = format!("The search: score by candidate, {} of {}", tuned.policy, tuned.scenario);
    let mut best: Vec<(f64, Option<f64>)> = Vec::new();
    for (candidate, score) in all {
        let number = f64::from(candidate.number);
        let least = best.last().and_then(|last| last.1);
        best.extend(least.map(|least| (number, Some(least))));
        best.push((number, Some(least.map_or(*score, |least| least.min(*score)))));
    }
    let last = tuned.candidates.iter().map(|candidate| candidate.number).max().unwrap_or(1).max(1);
    let room = f64::from(last) * 0.02;
    let mut across = Axis::between("candidate", (-room, f64::from(last) + room), 10);
    across.ticks.retain(|(value, _)| value.fract() == 0.0);
    let mut scene = Scene::new(WIDE, 420.0, &title);
    labels::title(&mut scene, &title);
    let place = Place { at: (8.0, 38.0), size: (WIDE - 34.0, 374.0), left: 66.0, below: 44.0 };
    let plane = frame(&mut scene, place, across, scores(all))?;
    scene.series(plane.through(best), Style { colour: 0, dash: 0, marker: 0 }, 2.0);
    dots(&mut scene, &plane, tuned, all, |candidate| f64::from(candidate.number));
    keys(&mut scene, all);
    let caption = format!(
        "Each mark is a candidate, run on {}; 1 is the start, and the line the best up to there. Scores are of {} with what breaks \
         a limit added.",
        tuned.on, tuned.objective.aim.measure
    );
    Ok(figure("search", &title, &caption, &scene))
}

fn dots(
    scene: &mut Scene,
    plane: &Plane,
    tuned: &Tuned,
    all: &[(&Candidate, f64)],
    x: impl Fn(&Candidate) -> f64,
) {
    for (candidate, score) in all {
        scene.dot(plane.at(x(candidate), *score), look(candidate).style, weights(tuned, candidate));
    }
}

/// The score over one parameter.
fn along(tuned: &Tuned, all: &[(&Candidate, f64)], x: usize) -> Result<Drawing, PlotError> {
    let parameter = &tuned.parameters[x];
    let title = format!("Score by {}, {} of {}", parameter.name, tuned.policy, tuned.scenario);
    let mut scene = Scene::new(WIDE, 392.0, &title);
    labels::title(&mut scene, &title);
    let place = Place { at: (8.0, 62.0), size: (WIDE - 34.0, 322.0), left: 66.0, below: 44.0 };
    let plane = frame(&mut scene, place, axis(parameter), scores(all))?;
    let mut marks = [("start", parameter.start), ("tuned", parameter.tuned)];
    // Beside each other, left and right, so that their names do not meet.
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    let same = parameter.start == parameter.tuned;
    let mut before: Option<(f64, Anchor)> = None;
    for (number, (name, value)) in marks.into_iter().enumerate().skip(usize::from(same)) {
        let at = plane.at(value, 0.0).0;
        scene.line((at, plane.y.0), (at, plane.y.1), Ink::Axis);
        let words = if same { "start and tuned".to_owned() } else { name.to_owned() };
        let words = format!("{words} {}", short(value));
        let anchor = match (same, number) {
            (true, _) => Anchor::Middle,
            (_, 0) => Anchor::End,
            _ => Anchor::Start,
        };
        // A name at the edge would be cut.
        let near = 90.0;
        let anchor = if at < plane.x.0 + near {
            Anchor::Start
        } else if at > plane.x.1 - near {
            Anchor::End
        } else {
            anchor
        };
        // Two on one side of their lines stand above each other.
        let close = before.is_some_and(|(other, side)| side == anchor && (at - other).abs() < 220.0);
        let y = plane.y.0 - if close { 17.0 } else { 4.0 };
        scene.text((at, y), anchor, words, SIZE - 1.0, Ink::Text);
        before = Some((at, anchor));
    }
    dots(&mut scene, &plane, tuned, all, |candidate| candidate.point[x]);
    keys(&mut scene, all);
    let others =
        if tuned.parameters.len() > 1 { " The other parameters differ from mark to mark." } else { "" };
    let caption = format!(
        "Each mark is a candidate. Low ones far apart mean that this parameter matters little; a best one at the edge of the range, \
         that the range ends too early.{others}"
    );
    Ok(figure(&format!("landscape-{}", slug(&parameter.name)), &title, &caption, &scene))
}

/// The score over two parameters.
fn map(tuned: &Tuned, all: &[(&Candidate, f64)], x: usize, y: usize) -> Result<Drawing, PlotError> {
    let (first, second) = (&tuned.parameters[x], &tuned.parameters[y]);
    let title =
        format!("Score over {} and {}, {} of {}", first.name, second.name, tuned.policy, tuned.scenario);
    let mut scene = Scene::new(WIDE, 470.0, &title);
    labels::title(&mut scene, &title);
    let place = Place { at: (8.0, 38.0), size: (WIDE - 34.0, 424.0), left: 66.0, below: 44.0 };
    let plane = frame(&mut scene, place, axis(first), axis(second))?;
    // Colours go from the best to the three quarters: the worst are far away and would take all of them.
    let mut sorted: Vec<f64> = all.iter().map(|one| one.1).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[0], sorted[(sorted.len() - 1) * 3 / 4]);
    let share = |score: f64| if high > low { ((score - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
    // The best on top.
    let mut order: Vec<&(&Candidate, f64)> = all.iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let spot = |candidate: &Candidate| plane.at(candidate.point[x], candidate.point[y]);
    for (candidate, score) in order {
        let (at, colour) = (spot(candidate), shade(share(*score)));
        scene.rect((at.0 - 8.0, at.1 - 8.0), (16.0, 16.0), Ink::Axis, "");
        let says = weights(tuned, candidate);
        scene.rect((at.0 - 7.0, at.1 - 7.0), (14.0, 14.0), Ink::Fixed(colour.0, colour.1, colour.2), says);
        if !candidate.score.broken.is_empty() {
            let (left, right, up, down) = (at.0 - 3.5, at.0 + 3.5, at.1 - 3.5, at.1 + 3.5);
            let cross = vec![vec![(left, up), (right, down)], vec![(left, down), (right, up)]];
            scene.marks.push(Mark::Lines { lines: cross, ink: on(colour), width: 1.6, dash: 0 });
        }
    }
    let mut named: Vec<(Named, Point)> = Vec::new();
    for (name, number) in [("start", 0), ("tuned", tuned.best)] {
        let Some((candidate, score)) = all.iter().find(|(candidate, _)| candidate.number == number) else {
            continue;
        };
        let at = spot(candidate);
        if named.iter().all(|(_, other)| *other != (at.0 + 4.0, at.1)) {
            ring(&mut scene, at);
            named.push((
                Named { name: format!("{name}, {score:.3}"), style: Style::of(0) },
                (at.0 + 4.0, at.1),
            ));
        }
    }
    let within = ((plane.x.0 + 1.0, plane.y.0 + 1.0), (plane.x.1 - 1.0, plane.y.1 - 1.0));
    // The others have no name, but are not to be written on.
    named.extend(
        all.iter()
            .map(|(candidate, _)| (Named { name: String::new(), style: Style::of(0) }, spot(candidate))),
    );
    at_points(&mut scene, &named, within);
    scene.marks.retain(|mark| !matches!(mark, Mark::Text { words, .. } if words.is_empty()));
    let keys: Vec<(String, Ink)> = (0..5)
        .map(|i| {
            let part = f64::from(i) / 4.0;
            let (red, green, blue) = shade(part);
            let more = if i == 4 && sorted[sorted.len() - 1] > high { " and more" } else { "" };
            (format!("{:.3}{more}", low + part * (high - low)), Ink::Fixed(red, green, blue))
        })
        .collect();
    let at = (74.0, scene.size.1);
    let tall = fills(&mut scene, &keys, at, WIDE - 90.0);
    scene.size.1 += tall + 10.0;
    let caption = "Each square is a candidate, the lighter, the better; a cross breaks a limit, start and tuned have a frame. Where light ones lie together the best \
                   is no lucky needle.";
    let id = format!("landscape-{}-{}", slug(&first.name), slug(&second.name));
    Ok(figure(&id, &title, caption, &scene))
}
