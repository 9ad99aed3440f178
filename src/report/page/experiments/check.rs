//! The page of a checked suite: what passes and what does not.

use super::{Told, change, change_cell, comparison, fact, figure, plots, provenance};
use crate::report::experiment::checked::{Checked, Judged, Standing};
use crate::report::figure::Figure;
use crate::report::figures::cast::slug;
use crate::report::gates::shown;
use crate::report::page::model::{
    Block, Cell, Row, Section, Table, cell, name, number, plain, strong, text, words,
};

/// A standing with a mark of its own.
fn standing(of: Standing) -> &'static str {
    match of {
        Standing::Pass => "✓ pass",
        Standing::Inconclusive => "○ inconclusive",
        Standing::NotComparable => "? not comparable",
        Standing::Fail => "✗ fail",
    }
}

pub(super) fn page(checked: &Checked, figures: &[Figure]) -> Told {
    let all = &checked.policies;
    let count = |of: Standing| all.iter().filter(|judged| judged.standing == of).count();
    let passed = count(Standing::Pass);
    let mut blocks = vec![Block::Table { table: gates(all) }];
    if all.iter().any(|judged| !judged.thresholds.is_empty()) {
        blocks.push(Block::Table { table: bounds(all) });
    }
    let mut sections = vec![Section { id: "result", title: "Result".to_owned(), blocks }];
    let (mut shown, mut folded) = (Vec::new(), Vec::new());
    for one in figures {
        let own = all.iter().filter(|judged| judged.standing == Standing::Pass);
        let of_pass = own.map(|judged| slug(&format!("{} {}", judged.scenario, judged.policy)));
        let passes = of_pass
            .into_iter()
            .any(|slug| one.id == format!("change-{slug}") || one.id == format!("pairs-{slug}"));
        if passes { folded.push(figure(one, None, false)) } else { shown.push(figure(one, None, false)) }
    }
    if !folded.is_empty() {
        shown.push(Block::Fold { title: "What passes".to_owned(), blocks: folded });
    }
    sections.extend(plots(shown));
    sections.extend(comparisons(all));
    let first = all.iter().find_map(|judged| judged.comparison.as_ref());
    sections.push(provenance::section(
        vec![
            ("suite", checked.suite.clone()),
            ("regionsim", checked.tool_version.clone()),
            ("seeds of the first", first.map(|one| provenance::seeds(&one.seeds)).unwrap_or_default()),
        ],
        Vec::new(),
    ));
    let worst = match count(Standing::Fail) {
        0 if passed == all.len() => strong(format!("All {} policies pass.", all.len())),
        0 => strong(format!("{passed} of {} policies pass, none fails.", all.len())),
        failed => strong(format!("{failed} of {} policies fail.", all.len())),
    };
    let held = all.iter().flat_map(|judged| &judged.thresholds);
    let broken = held.clone().filter(|held| !held.holds).count();
    Told {
        title: format!("Policy quality: {}", checked.suite),
        about: None,
        headline: vec![vec![worst, plain("")]],
        facts: vec![
            fact("policies", all.len().to_string(), format!("{passed} pass")),
            fact(
                "fail",
                count(Standing::Fail).to_string(),
                "a bound broken, a measure worse, an outcome changed",
            ),
            fact(
                "cannot be told",
                (count(Standing::NotComparable) + count(Standing::Inconclusive)).to_string(),
                format!("{} not comparable", count(Standing::NotComparable)),
            ),
            fact("bounds", held.count().to_string(), format!("{broken} broken")),
        ],
        sections,
        policies: Vec::new(),
        source: "check.json",
    }
}

fn gates(all: &[Judged]) -> Table {
    let row = |judged: &Judged| {
        let shown = |metric| {
            judged.comparison.as_ref().and_then(|of| change(of, metric)).map_or(cell("–"), change_cell)
        };
        let held = judged.thresholds.iter().filter(|held| held.holds).count();
        let bounds = match judged.thresholds.len() {
            0 => "–".to_owned(),
            all => format!("{held} of {all}"),
        };
        let equal = judged
            .comparison
            .as_ref()
            .is_some_and(super::super::super::experiment::compared::Comparison::is_equal);
        let why = match judged.reasons.as_slice() {
            [] if equal => "outcomes are those of the baseline".to_owned(),
            reasons => reasons.join("; "),
        };
        Row {
            cells: vec![
                Cell { head: true, ..name(&judged.scenario) },
                name(&judged.policy),
                cell(standing(judged.standing)),
                shown("ttft.p99"),
                shown("throughput.output_tokens"),
                cell(bounds),
                cell(why),
            ],
            ..Row::default()
        }
    };
    Table {
        caption: "Gates".to_owned(),
        columns: vec![
            words("scenario"),
            words("policy"),
            words("result"),
            number("TTFT p99", "%", "change of ttft.p99 against the baseline"),
            number("output tokens", "%", "change of throughput.output_tokens against the baseline"),
            words("bounds held"),
            words("why"),
        ],
        rows: all.iter().map(row).collect(),
        notes: Vec::new(),
        sortable: true,
    }
}

fn bounds(all: &[Judged]) -> Table {
    let rows = all.iter().flat_map(|judged| {
        judged.thresholds.iter().map(|held| Row {
            cells: vec![
                Cell { head: true, ..name(&judged.scenario) },
                name(&judged.policy),
                name(&held.bound),
                cell(
                    held.value.map_or("no request has a value".to_owned(), |value| shown(value, &held.unit)),
                ),
                cell(if held.holds { "✓ holds" } else { "✗ broken" }),
            ],
            ..Row::default()
        })
    });
    Table {
        caption: "Bounds, by the mean over the seeds".to_owned(),
        columns: ["scenario", "policy", "bound", "value", "result"].map(words).to_vec(),
        rows: rows.collect(),
        notes: Vec::new(),
        sortable: true,
    }
}

/// Every comparison with the baseline, folded.
fn comparisons(all: &[Judged]) -> Option<Section> {
    let blocks: Vec<Block> = all
        .iter()
        .filter_map(|judged| {
            let of = judged.comparison.as_ref()?;
            let title = format!("{} {}: {}", judged.scenario, judged.policy, standing(judged.standing));
            Some(Block::Fold { title, blocks: comparison("Against the baseline: what decides", of) })
        })
        .collect();
    if blocks.is_empty() {
        return None;
    }
    let head = text("Each policy against what the baseline has of it, paired by seed.");
    Some(Section {
        id: "comparisons",
        title: "Comparisons".to_owned(),
        blocks: std::iter::once(head).chain(blocks).collect(),
    })
}
