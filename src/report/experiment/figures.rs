//! The figures of experiments: one file a figure, one arm a kind of experiment. Knows what was read back; must not read files.

mod bounds;
mod forest;
mod pairs;
mod plan;
mod tune;

use super::Experiment;
use super::compared::{Comparison, Pair};
use crate::report::draw::labels::Named;
use crate::report::draw::{Ink, Point, Scene, Style};
use crate::report::figure::Drawing;
use crate::report::figures::cast::slug;
use crate::report::plots::PlotError;
use crate::report::sweep_figures::sweep_figures;
use crate::stats::Verdict;

/// The names of all kinds of figures; most are drawn several times and add a name behind.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    [
        "sweep",
        "change",
        "pairs",
        "bounds",
        "pareto",
        "fleet",
        "attainment",
        "region-gone",
        "headroom",
        "search",
        "landscape",
        "held-out",
    ]
    .into_iter()
}

/// Every figure, in the order in which a reader wants them.
pub(super) fn drawings(experiment: &Experiment) -> Result<Vec<Drawing>, PlotError> {
    let mut all: Vec<Drawing> = Vec::new();
    match experiment {
        Experiment::Sweep(sweep) => all = sweep_figures(&sweep.manifest, &sweep.rows, sweep.objective)?,
        Experiment::Compare(compared) => {
            for (at, comparison) in compared.comparisons.iter().enumerate() {
                let number =
                    if compared.comparisons.len() > 1 { format!("-{}", at + 1) } else { String::new() };
                all.extend(changes(&number, comparison, &compared.pairs, at + 1, &compared.set)?);
            }
        }
        Experiment::Check(checked) => {
            all.extend(bounds::bounds(checked)?);
            for (at, judged) in checked.policies.iter().enumerate() {
                // What is equal to the last nanosecond has nothing to show.
                let Some(comparison) = judged.comparison.as_ref().filter(|one| !one.is_equal()) else {
                    continue;
                };
                let name = format!("-{}", slug(&format!("{} {}", judged.scenario, judged.policy)));
                all.extend(changes(&name, comparison, &checked.pairs, at + 1, &[])?);
            }
        }
        Experiment::Plan(plan) => all = plan::drawings(plan)?,
        Experiment::Tune(tuned) => {
            all = tune::drawings(tuned)?;
            for contender in &tuned.judged.contenders {
                let Some(comparison) = &contender.tuned_against else { continue };
                let id = format!("held-out-{}", slug(&contender.name));
                let weights = match contender.name.as_str() {
                    "start" => "the start".to_owned(),
                    "published" => "the published weights".to_owned(),
                    given => given.to_owned(),
                };
                let title = format!("Tuned against {weights}, on {}", tuned.judged.on);
                all.extend(forest::forest(&id, &title, comparison)?);
            }
        }
    }
    // Names that differ only in what an id cannot hold.
    for at in 1..all.len() {
        let (id, mut number) = (all[at].figure.id.clone(), 2);
        while all[..at].iter().any(|known| known.figure.id == all[at].figure.id) {
            all[at].figure.id = format!("{id}-{number}");
            number += 1;
        }
    }
    Ok(all)
}

/// What a comparison has: its forest, and its pairs.
fn changes(
    name: &str,
    comparison: &Comparison,
    pairs: &[Pair],
    number: usize,
    set: &[String],
) -> Result<Vec<Drawing>, PlotError> {
    let title = comparison.title(set);
    let mut all: Vec<Drawing> =
        forest::forest(&format!("change{name}"), &title, comparison)?.into_iter().collect();
    let own: Vec<&Pair> = pairs.iter().filter(|pair| pair.comparison == number).collect();
    all.extend(pairs::pairs(&format!("pairs{name}"), &format!("By seed: {title}"), comparison, &own)?);
    Ok(all)
}

/// How a verdict looks, told by its mark as well as by its colour; a measure that does not decide is a hollow grey one.
fn look(verdict: Option<Verdict>) -> Named {
    let (name, colour, marker) = match verdict {
        Some(Verdict::Better) => ("better", 2, 2),
        Some(Verdict::Same) => ("same", 0, 0),
        Some(Verdict::Inconclusive) => ("inconclusive", 5, 4),
        Some(Verdict::Worse) => ("worse", 1, 1),
        None => ("does not decide", 6, 7),
    };
    Named { name: name.to_owned(), style: Style { colour, dash: 0, marker } }
}

/// A square around a mark, so that it is found without its colour.
fn ring(scene: &mut Scene, at: Point) {
    let (half, thick) = (9.5, 1.8);
    let (whole, inner) = (2.0 * half, half - thick);
    for (dx, dy, size) in [
        (-half, -half, (whole, thick)),
        (-half, inner, (whole, thick)),
        (-half, -half, (thick, whole)),
        (inner, -half, (thick, whole)),
    ] {
        scene.rect((at.0 + dx, at.1 + dy), size, Ink::Text, "");
    }
}

/// A number with its sign and two decimals.
fn signed(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    let zero = text.bytes().all(|digit| matches!(digit, b'0' | b'.'));
    let sign = if value < 0.0 && !zero { '−' } else { '+' };
    format!("{sign}{text}")
}

/// How far an axis goes to either side: to the farthest end, but to no more than eight times the middle one, so that one wild
/// measure does not press all others onto the zero line.
fn reach(far: impl IntoIterator<Item = f64>) -> f64 {
    let mut far: Vec<f64> =
        far.into_iter().map(f64::abs).filter(|far| far.is_finite() && *far > 0.0).collect();
    far.sort_by(f64::total_cmp);
    match far.as_slice() {
        [] => 1.0,
        all => all[all.len() - 1].min(8.0 * all[all.len() / 2]),
    }
}
