//! The page of a sweep: each policy's best point, what moves it, every point.

use super::{Told, fact, figure, plots, plural, policy, provenance};
use crate::report::experiment::swept::Sweep;
use crate::report::figure::Figure;
use crate::report::figures::cast::slug;
use crate::report::measures::{self, Better, Measure};
use crate::report::numbers::rounded;
use crate::report::page::model::{
    Block, Cell, Column, Row, Section, Span, Table, cell, code, name, number, plain, strong, text, words,
};
use crate::report::page::result::head;
use crate::report::page::values::{Value, column, shown_unit, told};
use crate::stats::Moments;
use crate::sweep::{Best, Goal, Row as SweptRow, Status, best, effects};
use std::collections::BTreeMap;

/// Points and policies that the table shows: the best ones of more (our choice: what a browser sorts at once).
const SHOWN: usize = 400;
/// Failed cells that are listed.
const FAILED: usize = 50;
/// A point under a policy.
struct Group<'s> {
    policy: usize,
    rows: Vec<&'s SweptRow>,
}

impl Group<'_> {
    fn value(&self, measure: &str) -> Option<Value> {
        let own = self.rows.iter().filter_map(|row| row.value(measure));
        let moments = Moments::of(own);
        Some(Value {
            mean: moments.mean().map(rounded)?,
            half: moments.half_width(0.95).map(rounded),
            reliable: self.rows.iter().all(|row| row.unreliable.iter().all(|name| name != measure)),
        })
    }
}

pub(super) fn page(sweep: &Sweep, figures: &[Figure]) -> Told {
    let manifest = &sweep.manifest;
    let measure = sweep.objective;
    let goal = Goal { measure: measure.name.to_owned(), lower: measure.better != Better::Higher };
    let found = best(&sweep.rows, &goal);
    let failed: Vec<&SweptRow> = sweep.rows.iter().filter(|row| row.status == Status::Failed).collect();
    let mut blocks = vec![Block::Table { table: bests(sweep, &found) }];
    let moves = effects(&sweep.rows, &goal);
    if moves.iter().any(|effect| effect.by() > 0.0) {
        let shown = |value: f64| super::number(value, measure.unit);
        let rows = moves.iter().map(|effect| Row {
            cells: vec![
                Cell { head: true, ..name(&effect.setting) },
                cell(shown(effect.by())),
                cell(shown(effect.low.1)),
                name(&effect.low.0),
                cell(shown(effect.high.1)),
                name(&effect.high.0),
            ],
            ..Row::default()
        });
        let unit = shown_unit(measure.unit);
        let columns = vec![
            words("setting"),
            number("moves it by", unit, "the highest mean less the lowest"),
            number("lowest", unit, "the lowest mean over everything else that is varied"),
            words("at"),
            number("highest", unit, "the highest mean over everything else that is varied"),
            words("at"),
        ];
        let caption = format!("What moves {}", measure.name);
        blocks.push(Block::Table {
            table: Table { caption, columns, rows: rows.collect(), notes: Vec::new(), sortable: true },
        });
    }
    let mut sections = vec![Section { id: "result", title: "Result".to_owned(), blocks }];
    if !failed.is_empty() {
        sections.push(failures(&failed));
    }
    sections.extend(plots(figures.iter().map(|one| drawn(sweep, one)).collect()));
    sections.push(points(sweep, &goal));
    sections.push(provenance::section(
        vec![
            ("scenario", manifest.scenario.clone()),
            ("regionsim", manifest.tool.clone()),
            ("sweep", manifest.sweep.clone()),
            ("seeds", seeds(sweep)),
        ],
        vec![Block::Command { text: command(sweep) }],
    ));
    let cells = format!(
        "{} × {} × {}",
        plural(manifest.points, "point"),
        match manifest.policies.len() {
            1 => "1 policy".to_owned(),
            count => format!("{count} policies"),
        },
        plural(u64::from(manifest.seeds), "seed")
    );
    Told {
        title: format!("{}: {} settings", manifest.scenario, manifest.points),
        about: None,
        headline: vec![sentence(sweep, &found, &goal)],
        facts: vec![
            fact("cells", super::super::values::count(manifest.cells), cells),
            fact("failed", failed.len().to_string(), if failed.is_empty() { "" } else { "see below" }),
            fact("looked for", measure.name, if goal.lower { "less is better" } else { "more is better" }),
            fact("numbers", "modelled", ""),
        ],
        sections,
        policies: manifest.policies.clone(),
        source: "rows.csv",
    }
}

fn settings(of: &BTreeMap<String, String>) -> String {
    of.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>().join(", ")
}

/// Who is best of all, and that the best of many is also the luckiest.
fn sentence(sweep: &Sweep, found: &[Best], goal: &Goal) -> Vec<Span> {
    let key =
        |best: &&Best| best.value.mean().map_or(f64::INFINITY, |mean| if goal.lower { mean } else { -mean });
    let Some(first) = found.iter().min_by(|a, b| key(a).total_cmp(&key(b))) else {
        return vec![strong(format!("No cell has a value of {}.", sweep.objective.name))];
    };
    let mean = first.value.mean().unwrap_or_default();
    vec![
        code(&first.policy),
        plain(format!(" has the best {}: ", sweep.objective.name)),
        strong(told(mean, sweep.objective.unit)),
        plain(" at "),
        code(settings(&first.settings)),
        plain(
            ". The best of many points is also the luckiest: run it again with other seeds before you quote it.",
        ),
    ]
}

fn bests(sweep: &Sweep, found: &[Best]) -> Table {
    let measure = sweep.objective;
    let values: Vec<Option<Value>> = found
        .iter()
        .map(|best| {
            let half = best.value.half_width(0.95).map(rounded);
            Some(Value { mean: rounded(best.value.mean()?), half, reliable: true })
        })
        .collect();
    let rows = found.iter().zip(column(&values, measure.unit, measure.better)).map(|(best, value)| Row {
        policy: place(sweep, &best.policy),
        cells: vec![
            policy(place(sweep, &best.policy).unwrap_or(0), &best.policy),
            value,
            cell(super::number(best.worst, measure.unit)),
            cell(best.point.to_string()),
            name(settings(&best.settings)),
        ],
        ..Row::default()
    });
    let unit = shown_unit(measure.unit);
    Table {
        caption: format!("Each policy's best point by {}", measure.name),
        columns: vec![
            words("policy"),
            number("best", unit, "mean over the seeds at the policy's best point"),
            number("worst point", unit, "mean over the seeds at the policy's worst point"),
            number("point", "", "its number in points.jsonl"),
            words("at"),
        ],
        rows: rows.collect(),
        notes: vec!["± half of Student's 95 % interval over the seeds.".to_owned()],
        sortable: true,
    }
}

fn place(sweep: &Sweep, policy: &str) -> Option<usize> {
    sweep.manifest.policies.iter().position(|known| known == policy)
}

/// A map belongs to one policy, lines to all.
fn drawn(sweep: &Sweep, one: &Figure) -> Block {
    let policies = &sweep.manifest.policies;
    let map = one.id.contains("-map");
    let of = policies.iter().position(|policy| map && one.id.ends_with(&format!("-map-{}", slug(policy))));
    figure(one, of, !map)
}

fn every<'s>(sweep: &'s Sweep) -> Vec<Group<'s>> {
    let mut groups: Vec<Group<'s>> = Vec::new();
    let mut known: BTreeMap<(u64, &str), usize> = BTreeMap::new();
    for row in sweep.rows.iter().filter(|row| row.status == Status::Ok) {
        let at = *known.entry((row.point, &row.policy)).or_insert_with(|| {
            groups.push(Group { policy: place(sweep, &row.policy).unwrap_or(0), rows: Vec::new() });
            groups.len() - 1
        });
        groups[at].rows.push(row);
    }
    groups
}

/// The end of a path that no other has: heads are narrow.
fn short<'p>(path: &'p str, all: &[&String]) -> &'p str {
    let ends = path.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
    let mut tries = ends.map(|at| &path[at..]);
    let alone = |end: &&str| {
        let same = |other: &&&String| other.as_str() == *end || other.ends_with(&format!(".{end}"));
        all.iter().filter(same).count() == 1
    };
    tries.find(alone).unwrap_or(path)
}

/// Settings by policies, with the headline measures.
fn points(sweep: &Sweep, goal: &Goal) -> Section {
    let mut groups = every(sweep);
    let all = groups.len();
    if all > SHOWN {
        let key = |group: &Group<'_>| {
            group
                .value(&goal.measure)
                .map_or(f64::INFINITY, |value| if goal.lower { value.mean } else { -value.mean })
        };
        groups.sort_by(|a, b| key(a).total_cmp(&key(b)));
        groups.truncate(SHOWN);
    }
    let mut paths: Vec<&String> = groups.iter().flat_map(|group| group.rows[0].settings.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut columns = vec![words("policy"), number("point", "", "its number in points.jsonl")];
    columns.extend(paths.iter().map(|path| Column {
        head: short(path, &paths).to_owned(),
        about: (*path).clone(),
        number: true,
        ..Column::default()
    }));
    columns.push(number("seeds", "", "cells that ran to their end"));
    let mut rows: Vec<Row> = groups
        .iter()
        .map(|group| {
            let first = group.rows[0];
            let mut cells = vec![policy(group.policy, &first.policy), cell(first.point.to_string())];
            cells.extend(paths.iter().map(|path| name(first.settings.get(*path).map_or("", String::as_str))));
            cells.push(cell(group.rows.len().to_string()));
            Row { policy: Some(group.policy), cells, ..Row::default() }
        })
        .collect();
    let lists = [measures::LATENCY, measures::SERVICE, measures::MONEY, measures::ROUTING];
    let known: Vec<&Measure> = lists.into_iter().flatten().collect();
    let others = measures::REVIEWED.iter().filter(|name| **name != goal.measure);
    for wanted in std::iter::once(goal.measure.as_str()).chain(others.copied()) {
        let Some(measure) = known.iter().find(|measure| measure.name == wanted) else { continue };
        let values: Vec<Option<Value>> = groups.iter().map(|group| group.value(wanted)).collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        columns.push(number(&head(measure), shown_unit(measure.unit), wanted));
        let cells = column(&values, measure.unit, measure.better);
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.cells.push(cell));
    }
    let mut notes =
        vec!["Means over seeds, ± half of Student's 95 % interval; best of its column in bold.".to_owned()];
    if all > SHOWN {
        notes.push(format!("The {SHOWN} best of {all} by {}; rows.csv has every cell.", goal.measure));
    }
    let table = Table { caption: "Settings and policies".to_owned(), columns, rows, notes, sortable: true };
    Section { id: "points", title: "Every point".to_owned(), blocks: vec![Block::Table { table }] }
}

fn failures(failed: &[&SweptRow]) -> Section {
    let rows = failed.iter().take(FAILED).map(|row| Row {
        cells: vec![
            Cell { head: true, ..cell(row.cell.to_string()) },
            name(&row.policy),
            cell(row.seed.to_string()),
            name(settings(&row.settings)),
            cell(row.reason.clone().unwrap_or_default()),
        ],
        ..Row::default()
    });
    let table = Table {
        caption: "Cells that failed".to_owned(),
        columns: ["cell", "policy", "seed", "at", "why"].map(words).to_vec(),
        rows: rows.collect(),
        notes: Vec::new(),
        sortable: false,
    };
    let head = text(format!(
        "{} did not run to their end; they are in no mean.",
        plural(failed.len() as u64, "cell")
    ));
    Section { id: "failed", title: "Failed".to_owned(), blocks: vec![head, Block::Table { table }] }
}

fn seeds(sweep: &Sweep) -> String {
    let mut all: Vec<u64> = sweep.rows.iter().map(|row| row.seed).collect();
    all.sort_unstable();
    all.dedup();
    provenance::seeds(&all)
}

/// The command line that gives the same rows, but for the file's name.
fn command(sweep: &Sweep) -> String {
    let quoted = crate::report::page::reproduce::quoted;
    let manifest = &sweep.manifest;
    let mut words = vec!["regionsim".to_owned(), "sweep".to_owned(), format!("{}.toml", manifest.scenario)];
    for (flag, values) in
        [("--over", &manifest.over), ("--set", &manifest.overrides), ("--policy", &manifest.policies)]
    {
        words.extend(values.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
    }
    if let Some(random) = manifest.random {
        words.extend(["--random".to_owned(), random.to_string()]);
    }
    words.extend(["--seeds".to_owned(), manifest.seeds.to_string()]);
    words.join(" ")
}
