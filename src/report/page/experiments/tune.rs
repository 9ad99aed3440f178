//! The page of tuned weights: what was found, whether it holds where nobody looked, how it was found.

use super::{Told, change, comparison, fact, figure, plots, plural, provenance};
use crate::report::experiment::tuned::{Candidate, Tuned};
use crate::report::figure::Figure;
use crate::report::page::model::{
    Block, Cell, Row, Section, Span, Table, cell, code, name, number, plain, strong, text, words,
};
use crate::report::page::reproduce::quoted;
use crate::report::page::values::fixed;

pub(super) fn page(tuned: &Tuned, figures: &[Figure]) -> Told {
    let sets = || tuned.set.iter().map(|set| format!("--set {}", quoted(set))).collect::<Vec<_>>().join(" ");
    let mut result = vec![Block::Table { table: weights(tuned) }];
    result.push(text("To use them:"));
    result.push(Block::Command { text: format!("regionsim run {}.toml {}", tuned.scenario, sets()) });
    let mut sections = vec![Section { id: "result", title: "Result".to_owned(), blocks: result }];
    let mut judged = vec![text(format!("Judged on {}, which the search has not seen.", tuned.judged.on))];
    for contender in &tuned.judged.contenders {
        let Some(of) = &contender.tuned_against else { continue };
        let weights = match contender.name.as_str() {
            "start" => "the start".to_owned(),
            "published" => "the published weights".to_owned(),
            given => format!("`{given}`"),
        };
        judged.push(Block::Heading { text: format!("Tuned against {}", weights.replace('`', "")) });
        judged.extend(comparison(&format!("Before: {}, after: tuned", weights.replace('`', "")), of));
    }
    if let Some(oracle) = &tuned.judged.oracle {
        let shown = |regret: Option<f64>| {
            regret.map_or("–".to_owned(), |regret| format!("{} %", fixed(regret * 100.0, 2)))
        };
        judged.push(text(format!(
            "Of {} weights that were run there the best are {}: the tuned ones' regret is {}, the start's {} of the start's {}.",
            oracle.tried,
            point(tuned, &oracle.point),
            shown(oracle.tuned_regret),
            shown(oracle.start_regret),
            tuned.objective.aim.measure
        )));
    }
    sections.push(Section { id: "judged", title: "On worlds it has not seen".to_owned(), blocks: judged });
    sections.extend(plots(figures.iter().map(|one| figure(one, None, false)).collect()));
    let all = Block::Table { table: candidates(tuned) };
    sections.push(Section { id: "candidates", title: "Every candidate".to_owned(), blocks: vec![all] });
    sections.push(provenance::section(
        vec![
            ("scenario", tuned.scenario.clone()),
            ("policy", tuned.policy.clone()),
            ("regionsim", tuned.provenance.tool_version.clone()),
            ("scenario hash", tuned.provenance.scenario_hash.clone()),
            ("workload hashes", provenance::workloads(&tuned.provenance)),
            ("searched on", tuned.on.clone()),
            ("judged on", tuned.judged.on.clone()),
            ("method", tuned.method.clone()),
        ],
        Vec::new(),
    ));
    let kept: Vec<&str> = tuned.objective.limits.iter().map(|limit| limit.measure.as_str()).collect();
    Told {
        title: format!("Weights of {} in {}", tuned.policy, tuned.scenario),
        about: None,
        headline: vec![sentence(tuned)],
        facts: vec![
            fact("candidates", tuned.candidates.len().to_string(), plural(tuned.runs, "run")),
            fact("method", tuned.method.clone(), format!("on {}", tuned.on)),
            fact("better", tuned.objective.aim.measure.clone(), ""),
            fact("kept", kept.len().to_string(), kept.join(", ")),
        ],
        sections,
        policies: Vec::new(),
        source: "tune.json",
    }
}

fn point(tuned: &Tuned, values: &[f64]) -> String {
    let each =
        tuned.parameters.iter().zip(values).map(|(parameter, value)| format!("{} {value}", parameter.name));
    each.collect::<Vec<_>>().join(", ")
}

fn sentence(tuned: &Tuned) -> Vec<Span> {
    let found: Vec<f64> = tuned.parameters.iter().map(|parameter| parameter.tuned).collect();
    let mut spans =
        vec![code(point(tuned, &found)), plain(" against the start, on worlds that were not searched: ")];
    let start = tuned.judged.contenders.first().and_then(|start| start.tuned_against.as_ref());
    let Some(of) = start else {
        return vec![strong("Nothing better than the start was found.")];
    };
    spans.push(strong(of.verdict.map_or("no verdict".to_owned(), |verdict| verdict.to_string())));
    if let Some(aim) = change(of, &tuned.objective.aim.measure)
        && let Some(value) = aim.shown(aim.difference)
    {
        let ends = aim.interval.and_then(|(low, high)| Some((aim.shown(low)?, aim.shown(high)?)));
        let ends = ends.map_or(String::new(), |(low, high)| {
            format!(" ({} … {})", super::signed(low), super::signed(high))
        });
        spans.push(plain("; "));
        spans.push(code(&aim.metric));
        spans.push(plain(format!(" {} {}{ends}", super::signed(value), aim.shown_unit())));
    }
    spans.push(plain("."));
    spans
}

fn weights(tuned: &Tuned) -> Table {
    let rows = tuned.parameters.iter().map(|parameter| Row {
        cells: vec![
            Cell { head: true, ..name(&parameter.name) },
            cell(parameter.start.to_string()),
            Cell { best: true, ..cell(parameter.tuned.to_string()) },
            cell(parameter.low.to_string()),
            cell(parameter.high.to_string()),
            cell(&parameter.scale),
        ],
        ..Row::default()
    });
    Table {
        caption: "The weights".to_owned(),
        columns: vec![
            words("parameter"),
            number("start", "", "the scenario's value"),
            number("tuned", "", "the value that was found"),
            number("from", "", "the least of its range"),
            number("to", "", "the most of its range"),
            words("scale"),
        ],
        rows: rows.collect(),
        notes: Vec::new(),
        sortable: true,
    }
}

fn candidates(tuned: &Tuned) -> Table {
    let mut columns = vec![number("candidate", "", "0 is the start"), words("why")];
    columns.extend(tuned.parameters.iter().map(|parameter| number(&parameter.name, "", "")));
    columns.push(number("score", "", "less is better; the start has 1"));
    columns.push(words("breaks"));
    let best = |candidate: &Candidate| candidate.number == tuned.best;
    let rows = tuned.candidates.iter().map(|candidate| {
        let mut cells = vec![cell(candidate.number.to_string()), cell(&candidate.phase)];
        cells.extend(candidate.point.iter().map(|value| cell(value.to_string())));
        let score = candidate.score.value.map_or("–".to_owned(), |score| fixed(score, 4));
        cells.push(Cell { best: best(candidate), ..cell(score) });
        cells.push(cell(candidate.score.broken.join(", ")));
        Row { cells, ..Row::default() }
    });
    Table {
        caption: "Candidates, as they were tried".to_owned(),
        columns,
        rows: rows.collect(),
        notes: vec!["The best one in bold.".to_owned()],
        sortable: true,
    }
}
