//! By region, class and origin: for each measure a matrix of policies and groups, and all of it in one folded table.

use super::model::{Block, Cell, Column, Row, Section, Table, name, number, words};
use super::sides::{Runs, Side};
use super::values::{Value, column, over, over_sure, shown_unit, tints};
use crate::report::measures::Better;
use crate::report::summary::{CellSummary, Group, NamedGroup};

/// A measure of a group.
struct Measure {
    head: &'static str,
    unit: &'static str,
    about: &'static str,
    better: Better,
    value: fn(&Group) -> Option<(f64, bool)>,
    /// Whether it has a matrix of its own.
    matrix: bool,
}

fn percentile(distribution: &crate::report::summary::Distribution, p: f64) -> Option<(f64, bool)> {
    distribution.at(p).map(|found| (found.ms, found.reliable))
}

const MEASURES: [Measure; 7] = [
    Measure {
        head: "Requests",
        unit: "measured",
        about: "measured requests",
        better: Better::Neither,
        value: |group| Some((group.arrivals as f64, true)),
        matrix: false,
    },
    Measure {
        head: "Within SLO",
        unit: "share",
        about: "measured requests that met their class's SLO, of all of them",
        better: Better::Higher,
        value: |group| group.attainment.map(|value| (value, true)),
        matrix: true,
    },
    Measure {
        head: "TTFT p50",
        unit: "ms",
        about: "median time to first token at the client",
        better: Better::Lower,
        value: |group| percentile(&group.ttft, 50.0),
        matrix: false,
    },
    Measure {
        head: "TTFT p99",
        unit: "ms",
        about: "99th percentile of the time to first token at the client",
        better: Better::Lower,
        value: |group| percentile(&group.ttft, 99.0),
        matrix: true,
    },
    Measure {
        head: "TPOT p50",
        unit: "ms",
        about: "median time per output token",
        better: Better::Lower,
        value: |group| percentile(&group.tpot, 50.0),
        matrix: false,
    },
    Measure {
        head: "E2E p99",
        unit: "ms",
        about: "99th percentile of the end-to-end latency at the client",
        better: Better::Lower,
        value: |group| percentile(&group.e2e, 99.0),
        matrix: false,
    },
    Measure {
        head: "Cache hits",
        unit: "share",
        about: "cached prompt tokens, of all",
        better: Better::Higher,
        value: |group| group.hit_rate.map(|value| (value, true)),
        matrix: true,
    },
];

type Groups = fn(&CellSummary) -> &[NamedGroup];

/// By the region that served.
pub(super) fn regions(runs: &Runs<'_>) -> Option<Section> {
    section(runs, "regions", "Regions", "serving region", |cell| &cell.regions, true)
}

/// By SLO class; a single class is the whole.
pub(super) fn classes(runs: &Runs<'_>) -> Option<Section> {
    section(runs, "classes", "Classes", "class", |cell| &cell.classes, false)
}

/// By origin.
pub(super) fn origins(runs: &Runs<'_>) -> Option<Section> {
    section(runs, "origins", "Origins", "origin", |cell| &cell.origins, false)
}

fn section(
    runs: &Runs<'_>,
    id: &'static str,
    title: &str,
    what: &str,
    groups: Groups,
    are_regions: bool,
) -> Option<Section> {
    let mut names: Vec<&str> = Vec::new();
    for group in runs.sides.iter().flat_map(|side| &side.policy.cells).flat_map(groups) {
        if !names.contains(&group.name.as_str()) {
            names.push(&group.name);
        }
    }
    (names.len() > 1 || (are_regions && names.len() == 1) || (id == "classes" && promised(runs)))
        .then_some(())?;
    let place = |name: &str| if are_regions { runs.region(name) } else { None };
    let matrices = MEASURES.iter().filter(|measure| measure.matrix && names.len() > 1);
    let matrices: Vec<Table> =
        matrices.filter_map(|measure| matrix(runs, measure, what, groups, &names, &place)).collect();
    let mut blocks: Vec<Block> =
        if matrices.is_empty() { Vec::new() } else { vec![Block::Beside { tables: matrices }] };
    if id == "classes" {
        blocks.splice(0..0, promises(runs).map(|table| Block::Table { table }));
    }
    let all = Block::Table { table: everything(runs, what, groups, &names, &place) };
    blocks.push(Block::Fold { title: format!("All measures by {what}"), blocks: vec![all] });
    Some(Section { id, title: title.to_owned(), blocks })
}

fn value(side: &Side<'_>, groups: Groups, name: &str, measure: &Measure) -> Option<Value> {
    over_sure(&side.policy.cells, |cell| {
        let found = groups(cell).iter().find(|group| group.name == name)?;
        if found.group.arrivals == 0 && measure.unit != "measured" {
            return None;
        }
        (measure.value)(&found.group)
    })
}

/// Policies down, groups across.
fn matrix(
    runs: &Runs<'_>,
    measure: &Measure,
    what: &str,
    groups: Groups,
    names: &[&str],
    place: &impl Fn(&str) -> Option<usize>,
) -> Option<Table> {
    let mut columns = runs.who();
    let mut rows: Vec<Row> = runs.sides.iter().map(|side| runs.row(side)).collect();
    let first = columns.len();
    let mut means: Vec<Vec<Option<f64>>> = vec![Vec::new(); rows.len()];
    for name in names {
        let values: Vec<Option<Value>> =
            runs.sides.iter().map(|side| value(side, groups, name, measure)).collect();
        let about = format!("{} of the {what} {name}", measure.about);
        let head = number(name, shown_unit(measure.unit), &about);
        columns.push(Column { region: place(name), ..head });
        let cells = column(&values, measure.unit, measure.better);
        for ((row, cell), (means, value)) in rows.iter_mut().zip(cells).zip(means.iter_mut().zip(&values)) {
            row.cells.push(Cell { half: None, ..cell });
            means.push(value.map(|value| value.mean));
        }
    }
    means.iter().flatten().any(Option::is_some).then_some(())?;
    let better = measure.better;
    let flip = |mean: f64| if better == Better::Higher { -mean } else { mean };
    let means = means.into_iter().flatten().map(|mean| mean.map(flip));
    tints(rows.iter_mut().flat_map(|row| row.cells.iter_mut().skip(first)).zip(means));
    let caption = format!("{} by {what}", measure.head);
    let tinted = rows.iter().flat_map(|row| &row.cells).any(|cell| cell.tint.is_some());
    let notes = if tinted {
        vec!["Best of its column in bold; the darker, the worse.".to_owned()]
    } else {
        Vec::new()
    };
    Some(Table { caption, columns, rows, notes, sortable: true })
}

/// One row a policy and group.
fn everything(
    runs: &Runs<'_>,
    what: &str,
    groups: Groups,
    names: &[&str],
    place: &impl Fn(&str) -> Option<usize>,
) -> Table {
    let mut columns = runs.who();
    columns.push(words(what));
    let mut rows = Vec::new();
    for side in &runs.sides {
        for group in names {
            let mut row = runs.row(side);
            row.region = place(group);
            row.cells.push(name(*group));
            rows.push(row);
        }
    }
    for measure in &MEASURES {
        let values: Vec<Option<Value>> = (runs.sides.iter())
            .flat_map(|side| names.iter().map(move |name| value(side, groups, name, measure)))
            .collect();
        columns.push(number(measure.head, shown_unit(measure.unit), measure.about));
        let mut cells = column(&values, measure.unit, Better::Neither);
        if measure.unit == "measured" {
            cells.iter_mut().zip(&values).for_each(|(cell, value)| {
                cell.text = value.map_or("–".into(), |value| super::values::fixed(value.mean, 0));
                cell.half = None;
            });
        }
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.cells.push(cell));
    }
    Table { caption: format!("All measures by {what}"), columns, rows, notes: Vec::new(), sortable: true }
}

fn promised(runs: &Runs<'_>) -> bool {
    promises(runs).is_some()
}

/// What each class is promised; where all runs promise the same.
fn promises(runs: &Runs<'_>) -> Option<Table> {
    let setup = runs.runs[0].setup.as_ref()?;
    let same =
        runs.runs.iter().all(|run| run.setup.as_ref().is_some_and(|other| other.classes == setup.classes));
    let any = setup.classes.iter().any(|class| class.ttft_ms.or(class.itl_ms).or(class.e2e_ms).is_some());
    (same && any).then_some(())?;
    let limit = |limit: Option<f64>| {
        super::model::cell(limit.map_or_else(|| "–".to_owned(), |ms| super::values::fixed(ms, 0)))
    };
    let rows = setup.classes.iter().map(|class| Row {
        cells: vec![
            Cell { head: true, ..name(&class.name) },
            limit(class.ttft_ms),
            limit(class.itl_ms),
            limit(class.e2e_ms),
        ],
        ..Row::default()
    });
    let columns = vec![
        words("class"),
        number("TTFT", "ms", "the longest time to first token at the client"),
        number("ITL", "ms", "the longest mean time between output tokens of a request"),
        number("E2E", "ms", "the longest end-to-end latency at the client"),
    ];
    Some(Table {
        caption: "What each class is promised".to_owned(),
        columns,
        rows: rows.collect(),
        notes: vec!["A request is within SLO if all of its class's limits were kept.".to_owned()],
        sortable: false,
    })
}

/// A mean over seeds of what a cell has, for other sections.
pub(super) fn mean(side: &Side<'_>, of: impl Fn(&CellSummary) -> Option<f64>) -> Option<Value> {
    over(&side.policy.cells, of)
}
