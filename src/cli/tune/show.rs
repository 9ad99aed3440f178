//! What a search has found, as text.

use super::found::Found;
use super::judged::{Contender, Judged, PARTS};
use crate::gate::table::{self, Pairs};
use crate::report::grid;
use crate::tune::{Allowance, Candidate, Means};
use std::fmt::Write;

/// Candidates shown: our choice, enough to see whether the best ones lie together.
const BEST: usize = 5;

/// A measure's value, shares in per cent.
fn value(means: &Means, measure: &str, share: bool) -> String {
    means.get(measure).map_or("-".to_owned(), |&value| {
        let value = if share { value * 100.0 } else { value };
        let decimals = match value.abs() {
            x if x >= 1000.0 => 0,
            x if x >= 100.0 => 1,
            _ => 2,
        };
        format!("{value:.decimals$}")
    })
}

fn score(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

fn is_share(measure: &str) -> bool {
    measure.starts_with("slo.attainment") || measure.starts_with("load.") || measure.starts_with("cache.")
}

/// The whole text.
pub(super) fn render(found: &Found, colour: bool) -> String {
    let mut out = String::new();
    let limits: Vec<String> = found
        .objective
        .limits
        .iter()
        .map(|limit| match limit.allowance {
            Allowance::Relative(share) => format!("{} {} %", limit.measure, share * 100.0),
            Allowance::Absolute(amount) => format!("{} {amount}", limit.measure),
        })
        .collect();
    let _ = writeln!(out, "policy    {} of {}", found.policy, found.scenario);
    let _ = writeln!(
        out,
        "search    {}, {} candidates, {} runs, on {}",
        found.method,
        found.candidates.len(),
        found.runs,
        found.on
    );
    let _ = writeln!(out, "better    {}", found.objective.aim.measure);
    let _ = match limits.as_slice() {
        [] => writeln!(out, "kept      nothing"),
        limits => writeln!(out, "kept      {} (the search allows half)", limits.join(", ")),
    };
    out.push('\n');
    out += &candidates(found);
    if let Some(around) = found.around {
        out.push('\n');
        out += &beside(found, around);
    }
    out.push('\n');
    out += &judged(found, colour);
    // Weights of the scenario's own need no words on how to have them.
    if !found.judged.is_unchanged() {
        let sets: Vec<String> = found.set.iter().map(|set| format!("--set {set}")).collect();
        let _ = writeln!(out, "\nto use them: {}", sets.join(" "));
    }
    out
}

fn candidates(found: &Found) -> String {
    let measures: Vec<&str> = std::iter::once(found.objective.aim.measure.as_str())
        .chain(["ttft.p95", "e2e.p95", "tpot.p95", "throughput.output_tokens", "load.top_replica"])
        .enumerate()
        .filter(|(at, measure)| *at == 0 || *measure != found.objective.aim.measure)
        .map(|(_, measure)| measure)
        .collect();
    let name = |measure: &str| match measure {
        "throughput.output_tokens" => "output/s".to_owned(),
        "load.top_replica" => "busiest %".to_owned(),
        other => other.to_owned(),
    };
    let mut head: Vec<String> = vec![String::new()];
    head.extend(found.parameters.iter().map(|parameter| parameter.name.clone()));
    head.push("score".to_owned());
    head.extend(measures.iter().map(|measure| name(measure)));
    head.push("breaks".to_owned());
    let row = |name: &str, candidate: &Candidate| {
        let mut row = vec![name.to_owned()];
        row.extend(candidate.point.iter().map(ToString::to_string));
        row.push(score(candidate.score.value));
        row.extend(measures.iter().map(|measure| value(&candidate.means, measure, is_share(measure))));
        row.push(candidate.score.broken.join(", "));
        row
    };
    let mut order: Vec<&Candidate> = found.candidates.iter().collect();
    order.sort_by(|a, b| a.score.key().total_cmp(&b.score.key()));
    let mut rows = vec![row("start", &found.candidates[0])];
    let shown: Vec<&Candidate> = order.iter().copied().filter(|c| c.number > 0).take(BEST).collect();
    let name = |candidate: &Candidate| if candidate.number == found.best { "tuned" } else { "" };
    rows.extend(shown.iter().map(|candidate| row(name(candidate), candidate)));
    // What the aim alone would have taken.
    let aim = &found.objective.aim;
    let aimed = |candidate: &&Candidate| candidate.means.contains_key(&aim.measure);
    let key = |candidate: &Candidate| match aim.better {
        crate::tune::Sense::Lower => candidate.means[&aim.measure],
        crate::tune::Sense::Higher => -candidate.means[&aim.measure],
    };
    let tempting = found.candidates.iter().filter(aimed).min_by(|a, b| key(a).total_cmp(&key(b)));
    let tempting = tempting.filter(|candidate| !candidate.score.broken.is_empty());
    let mut names = "on what was searched:\n".to_owned();
    if let Some(tempting) = tempting.filter(|one| shown.iter().all(|other| other.number != one.number)) {
        rows.push(row("refused", tempting));
    }
    names += &grid::render(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    if tempting.is_some() {
        let _ = writeln!(names, "refused: the best {} of all, bought with what it breaks", aim.measure);
    }
    names
}

fn beside(found: &Found, around: u32) -> String {
    let centre = &found.candidates[around as usize];
    let at = |end: &Option<(f64, Option<f64>)>| {
        end.map_or(["-".to_owned(), "-".to_owned()], |(at, found)| [at.to_string(), score(found)])
    };
    let rows = found.beside.iter().zip(&centre.point).map(|(beside, here)| {
        let ([less, less_score], [more, more_score]) = (at(&beside.less), at(&beside.more));
        vec![
            beside.name.clone(),
            less,
            less_score,
            here.to_string(),
            score(centre.score.value),
            more,
            more_score,
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    "scores beside the best, one parameter at a time:\n".to_owned()
        + &grid::render(&["", "less", "score", "best", "score", "more", "score"], &rows)
}

fn weights(found: &Found, point: &[f64]) -> String {
    let each = found.parameters.iter().zip(point);
    each.map(|(parameter, value)| format!("{} {value}", parameter.name)).collect::<Vec<_>>().join(", ")
}

fn judged(found: &Found, colour: bool) -> String {
    let judged = &found.judged;
    let mut out = format!("judged on {}\n", judged.on);
    let aim = &found.objective.aim.measure;
    if judged.is_unchanged() {
        let _ = writeln!(
            out,
            "nothing better than the start was found: its weights stand ({})",
            weights(found, &found.candidates[0].point)
        );
    }
    for contender in &judged.contenders {
        let Some(comparison) = &contender.tuned_against else { continue };
        if contender.name == "start" {
            out += "before: start, after: tuned\n\n";
            let pairs = if judged.pairs == PARTS { Pairs::Parts } else { Pairs::Seeds };
            out += &table::render_pairs(comparison, colour, pairs);
            out += &shares(judged);
            continue;
        }
        out += &line(found, contender, aim);
    }
    if found.parameters.iter().all(|parameter| parameter.published == Some(parameter.start)) {
        out += "the start has the published weights\n";
    }
    if let Some(oracle) = &judged.oracle {
        let regret = |of: Option<f64>| of.map_or("-".to_owned(), |of| format!("{:.2} %", of * 100.0));
        let _ = writeln!(
            out,
            "oracle: of {} candidates run there {} is best, score {}",
            oracle.tried,
            weights(found, &oracle.point),
            score(oracle.score.value),
        );
        let own = found.parameters.iter().all(|parameter| parameter.published == Some(parameter.start));
        let each = judged.contenders.iter().map(|contender| {
            let name = match contender.name.as_str() {
                "start" if own => "start, as published,".to_owned(),
                name @ ("start" | "tuned" | "published") => name.to_owned(),
                given => format!("`{given}`"),
            };
            format!("of {name} {}", regret(contender.regret))
        });
        let each = each.collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "regret, as a share of the start's {aim}: {each}");
    }
    out
}

/// How much the busiest replica takes.
fn shares(judged: &Judged) -> String {
    let share = |contender: Option<&Contender>| {
        contender.map_or("-".to_owned(), |contender| value(&contender.means, "load.top_replica", true))
    };
    let (start, tuned) = (share(judged.contenders.first()), share(judged.contenders.get(1)));
    format!(
        "the busiest replica serves {start} % of all with the start's weights, {tuned} % with the tuned ones\n"
    )
}

/// The tuned weights against others, in a line.
fn line(found: &Found, contender: &Contender, aim: &str) -> String {
    let Some(comparison) = &contender.tuned_against else { return String::new() };
    let name = match contender.name.as_str() {
        "published" => "published weights",
        _ => "given weights",
    };
    let change = comparison.changes.iter().find(|change| change.metric == aim);
    let share = |of: f64, before: f64| 100.0 * of / before.abs();
    let change = change.filter(|change| change.before != 0.0).map_or(String::new(), |change| {
        let interval = change.interval.map_or(String::new(), |(low, high)| {
            format!(" ({:+.2} … {:+.2})", share(low, change.before), share(high, change.before))
        });
        format!(" {aim} {:+.2} %{interval},", share(change.difference, change.before))
    });
    let verdict = comparison.verdict.map_or("none".to_owned(), |verdict| verdict.to_string());
    format!("against the {name} ({}):{change} verdict: {verdict}\n", weights(found, &contender.point))
}
