//! The plots, as they were drawn. Of those that are drawn for each policy, the one of the policy with the lowest p99 TTFT is
//! shown and the others are folded.

use super::model::{Block, Section, marked};
use super::sides::{Runs, Side};
use crate::report::figure::Figure;
use crate::report::figures::cast::slug;

/// Kinds that are drawn for each policy, and what the folded ones are called.
const BY_POLICY: [(&str, &str); 2] = [
    ("flows", "Which regions served which origins, under the other policies"),
    ("timeline", "Time lines of the other policies"),
];
/// Figures whose lines and points are policies.
const SERIES: [&str; 3] = ["ttft-cdf", "ttft-tail", "cost-p99"];

pub(super) fn section(runs: &Runs<'_>, figures: &[Figure]) -> Option<Section> {
    let best = |a: &&Side<'_>, b: &&Side<'_>| p99(a).total_cmp(&p99(b));
    let best = runs.sides.iter().min_by(best).map(|side| side.place);
    let mut blocks: Vec<Block> = Vec::new();
    let mut folded: [Vec<Block>; 2] = Default::default();
    for figure in figures {
        let kind = BY_POLICY.iter().position(|(kind, _)| figure.id.starts_with(&format!("{kind}-")));
        let policy = kind.and_then(|kind| about(runs, figure, BY_POLICY[kind].0));
        let block = Block::Figure {
            id: figure.id.clone(),
            title: figure.title.clone(),
            caption: marked(&figure.caption),
            svg: figure.svg.clone(),
            policy,
            series: SERIES.contains(&figure.id.as_str()),
        };
        match kind {
            Some(kind) if policy != best => folded[kind].push(block),
            _ => blocks.push(block),
        }
    }
    for ((_, title), blocks_of) in BY_POLICY.iter().zip(folded) {
        if !blocks_of.is_empty() {
            blocks.push(Block::Fold { title: (*title).to_owned(), blocks: blocks_of });
        }
    }
    (!blocks.is_empty()).then(|| Section { id: "plots", title: "Plots".to_owned(), blocks })
}

/// One that has none comes last.
fn p99(side: &Side<'_>) -> f64 {
    let found = side.policy.measures.iter().find(|measure| measure.name == "ttft.p99");
    found.and_then(|measure| measure.mean).unwrap_or(f64::INFINITY)
}

/// The policy that a figure was drawn for.
fn about(runs: &Runs<'_>, figure: &Figure, kind: &str) -> Option<usize> {
    let named = |side: &&Side<'_>| {
        let policy = &side.policy.policy;
        let name =
            if runs.several() { format!("{} · {policy}", runs.runs[side.run].name) } else { policy.clone() };
        figure.id == format!("{kind}-{}", slug(&name))
    };
    runs.sides.iter().find(named).map(|side| side.place)
}
