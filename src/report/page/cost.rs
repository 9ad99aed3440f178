//! What the fleet costs: GPU-hours by region, dollars where the scenario has prices, the same tokens at an API.

use super::groups::mean;
use super::model::{Block, Cell, Column, Row, Section, Table, cell, name, number, text, words};
use super::sides::{Runs, Side};
use super::values::{Value, column, fixed, shown_unit};
use crate::report::measures::Better;
use crate::report::summary::{ApiCost, CellSummary, EgressLink, FleetCost, MissCost, ShareCost, UsdCost};

/// A column: its head, unit, what it means, which way is better, and its value.
type Figure = (&'static str, &'static str, &'static str, Better, fn(&CellSummary) -> Option<f64>);

fn usd(cell: &CellSummary) -> Option<&UsdCost> {
    cell.cost.usd.as_ref()
}

/// A version without egress had GPUs alone.
fn gpus(cell: &CellSummary) -> Option<f64> {
    usd(cell).map(|usd| if usd.gpus > 0.0 { usd.gpus } else { usd.total })
}

fn api(cell: &CellSummary) -> Option<&ApiCost> {
    cell.cost.api.as_ref()
}

const DOLLARS: [Figure; 9] = [
    (
        "whole run",
        "USD",
        "GPUs, and bytes where their price is known, warm-up included",
        Better::Lower,
        |cell| Some(usd(cell)?.total),
    ),
    ("GPUs", "USD", "provisioned GPU time, busy or not", Better::Lower, |cell| gpus(cell)),
    (
        "of these idle",
        "USD",
        "GPU time outside of engine steps, and GPUs that no replica has",
        Better::Lower,
        |cell| Some((gpus(cell)? - usd(cell)?.busy).max(0.0)),
    ),
    ("egress", "USD", "bytes between regions and to the internet", Better::Lower, |cell| usd(cell)?.egress),
    ("fleet", "USD/h", "the fleet for an hour", Better::Lower, |cell| Some(usd(cell)?.fleet_per_hour)),
    ("1M input tokens", "USD", "for a million prompt tokens, cached ones with them", Better::Lower, |cell| {
        usd(cell)?.per_1m_input_tokens
    }),
    ("1M output tokens", "USD", "for a million output tokens", Better::Lower, |cell| {
        usd(cell)?.per_1m_output_tokens
    }),
    ("request", "USD", "for a completed request", Better::Lower, |cell| usd(cell)?.per_request),
    ("request in SLO", "USD", "for a request that met its SLO", Better::Lower, |cell| {
        usd(cell)?.per_good_request
    }),
];

const API: [Figure; 4] = [
    ("bill", "USD", "for completed, measured requests, with the cache as it was", Better::Lower, |cell| {
        Some(api(cell)?.total)
    }),
    ("without a cache", "USD", "if nothing had been cached", Better::Neither, |cell| {
        Some(api(cell)?.without_cache)
    }),
    ("saved by the cache", "USD", "the difference", Better::Higher, |cell| {
        Some((api(cell)?.without_cache - api(cell)?.total).max(0.0))
    }),
    (
        "missed",
        "USD",
        "what prompt tokens that were not cached cost more than cached ones",
        Better::Lower,
        |cell| Some(api(cell)?.missed),
    ),
];

#[expect(clippy::unnecessary_wraps, reason = "all sections have one type")]
pub(super) fn section(runs: &Runs<'_>) -> Option<Section> {
    let mut blocks = vec![Block::Table { table: hours(runs) }];
    let has = |of: fn(&CellSummary) -> bool| runs.sides.iter().flat_map(|side| &side.policy.cells).any(of);
    if has(|cell| cell.cost.usd.is_some()) {
        blocks.push(Block::Table { table: figures(runs, "What the run costs in US dollars", &DOLLARS) });
        let more = [fleet(runs), shares(runs), misses(runs), egress(runs)].into_iter().flatten();
        let more: Vec<Block> = more.chain(prices(runs)).map(|table| Block::Table { table }).collect();
        let title = "Whose the bill is, what misses and bytes cost, and the prices".to_owned();
        blocks.push(Block::Fold { title, blocks: more });
    } else {
        blocks.push(text("The scenario has no prices, so there are no dollars: `[prices]` adds them."));
    }
    if has(|cell| cell.cost.api.is_some()) {
        blocks.push(Block::Table { table: figures(runs, "The same tokens at an API", &API) });
        blocks.extend(missed(runs).map(|table| Block::Table { table }));
    }
    Some(Section { id: "cost", title: "Cost".to_owned(), blocks })
}

fn add(
    columns: &mut Vec<Column>,
    rows: &mut [Row],
    head: Column,
    values: &[Option<Value>],
    unit: &str,
    better: Better,
) {
    if values.iter().all(Option::is_none) {
        return;
    }
    columns.push(head);
    rows.iter_mut().zip(column(values, unit, better)).for_each(|(row, cell)| row.cells.push(cell));
}

fn values(runs: &Runs<'_>, of: impl Fn(&CellSummary) -> Option<f64>) -> Vec<Option<Value>> {
    runs.sides.iter().map(|side| mean(side, &of)).collect()
}

fn start(runs: &Runs<'_>) -> (Vec<Column>, Vec<Row>) {
    (runs.who(), runs.sides.iter().map(|side: &Side<'_>| runs.row(side)).collect())
}

/// GPU-hours by region, and what they yield.
fn hours(runs: &Runs<'_>) -> Table {
    let (mut columns, mut rows) = start(runs);
    let all = values(runs, |cell| Some(cell.cost.gpu_hours));
    add(
        &mut columns,
        &mut rows,
        number("all", "GPU-h", "provisioned, busy or not"),
        &all,
        "GPU-h",
        Better::Lower,
    );
    for (at, region) in runs.regions.iter().enumerate() {
        let of = |cell: &CellSummary| {
            cell.cost.regions.iter().find(|cost| cost.region == *region).map(|cost| cost.gpu_hours)
        };
        let head = Column { region: Some(at), ..number(region, "GPU-h", "provisioned in this region") };
        add(&mut columns, &mut rows, head, &values(runs, of), "GPU-h", Better::Neither);
    }
    let yielded = values(runs, |cell| cell.cost.output_tokens_per_gpu_hour);
    let head = number("output", "tokens / GPU-h", "output tokens of completed requests for each GPU-hour");
    add(&mut columns, &mut rows, head, &yielded, "", Better::Higher);
    let caption = "Provisioned GPU-hours of the whole run, warm-up included".to_owned();
    Table { caption, columns, rows, notes: Vec::new(), sortable: true }
}

fn figures(runs: &Runs<'_>, caption: &str, figures: &[Figure]) -> Table {
    let (mut columns, mut rows) = start(runs);
    for &(head, unit, about, better, of) in figures {
        add(&mut columns, &mut rows, number(head, shown_unit(unit), about), &values(runs, of), unit, better);
    }
    Table { caption: caption.to_owned(), columns, rows, notes: Vec::new(), sortable: true }
}

/// What misses cost, by reason; where that was asked for.
fn missed(runs: &Runs<'_>) -> Option<Table> {
    let (mut columns, mut rows) = start(runs);
    let first = columns.len();
    let mut reasons: Vec<&str> = Vec::new();
    for (reason, _) in runs
        .sides
        .iter()
        .flat_map(|side| &side.policy.cells)
        .filter_map(api)
        .flat_map(|api| &api.missed_by_reason)
    {
        if !reasons.contains(&reason.as_str()) {
            reasons.push(reason);
        }
    }
    for reason in reasons {
        let of = |cell: &CellSummary| {
            api(cell)?.missed_by_reason.iter().find(|(known, _)| known == reason).map(|(_, usd)| *usd)
        };
        add(&mut columns, &mut rows, number(reason, "US$", ""), &values(runs, of), "USD", Better::Neither);
    }
    (columns.len() > first).then(|| {
        let caption = "What misses cost at the API, by reason".to_owned();
        Table { caption, columns, rows, notes: Vec::new(), sortable: true }
    })
}

/// The words that name an entry, and the entry.
type Entry<'r, T> = (Vec<String>, &'r T);
/// Head, unit, what it means, value.
type ListedColumn<T> = (&'static str, &'static str, &'static str, fn(&T) -> Option<f64>);

/// A list of a cell, by name: its values over seeds as rows of one table.
struct Listed<'r, T: 'static> {
    caption: &'static str,
    /// What a row is beside its policy.
    what: &'static [&'static str],
    of: fn(&'r CellSummary) -> Vec<Entry<'r, T>>,
    columns: &'static [ListedColumn<T>],
}

/// `None` where no cell has an entry. An entry that a seed lacks is 0 there: it cost nothing.
fn listed<'r, T>(runs: &Runs<'r>, list: &Listed<'r, T>) -> Option<Table> {
    let mut columns = runs.who();
    columns.extend(list.what.iter().map(|head| words(head)));
    let mut rows: Vec<Row> = Vec::new();
    let mut found: Vec<Vec<Option<Value>>> = vec![Vec::new(); list.columns.len()];
    for side in &runs.sides {
        let mut keys: Vec<Vec<String>> = Vec::new();
        for (key, _) in side.policy.cells.iter().flat_map(list.of) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for key in keys {
            let mut row = runs.row(side);
            row.region = key.first().and_then(|name| runs.region(name));
            row.cells.extend(key.iter().map(name));
            rows.push(row);
            for (values, (.., of)) in found.iter_mut().zip(list.columns) {
                values.push(super::values::over(&side.policy.cells, |cell| {
                    let entry = (list.of)(cell).into_iter().find(|(other, _)| *other == key);
                    entry.map_or(Some(0.0), |(_, entry)| of(entry))
                }));
            }
        }
    }
    (!rows.is_empty()).then_some(())?;
    for ((head, unit, about, _), values) in list.columns.iter().zip(&found) {
        add(&mut columns, &mut rows, number(head, shown_unit(unit), about), values, unit, Better::Neither);
    }
    Some(Table { caption: list.caption.to_owned(), columns, rows, notes: Vec::new(), sortable: true })
}

/// Provisioned against busy, by region and GPU.
fn fleet(runs: &Runs<'_>) -> Option<Table> {
    listed(
        runs,
        &Listed {
            caption: "Provisioned against busy GPUs",
            what: &["region", "GPU"],
            of: |cell| {
                let fleet = usd(cell).map_or(&[][..], |usd| &usd.fleet);
                fleet.iter().map(|line| (vec![line.region.clone(), line.gpu.clone()], line)).collect()
            },
            columns: &[
                ("provisioned", "GPU-h", "of replicas, busy or not", |line: &FleetCost| Some(line.gpu_hours)),
                ("in steps", "GPU-h", "of these, in engine steps", |line| Some(line.busy_gpu_hours)),
                ("spare", "GPU-h", "of whole instances, that no replica has", |line| {
                    Some(line.spare_gpu_hours)
                }),
                ("cost", "USD", "of replicas and spare GPUs", |line| Some(line.usd)),
                ("of these busy", "USD", "what the hours in steps come to", |line| Some(line.busy_usd)),
            ],
        },
    )
}

/// Whose the bill is: by class, and by tenant where there are several.
fn shares(runs: &Runs<'_>) -> Option<Table> {
    listed(
        runs,
        &Listed {
            caption: "Whose the bill is",
            what: &["by", "who"],
            of: |cell| {
                let classes = usd(cell).map_or(&[][..], |usd| &usd.classes);
                let tenants = usd(cell).map_or(&[][..], |usd| &usd.tenants);
                let named = |by: &str, share: &ShareCost| {
                    let of = if share.of > 1 { format!(" ({})", share.of) } else { String::new() };
                    vec![by.to_owned(), format!("{}{of}", share.name)]
                };
                let classes = classes.iter().map(|share| (named("class", share), share));
                classes.chain(tenants.iter().map(|share| (named("tenant", share), share))).collect()
            },
            columns: &[
                ("ended", "requests", "requests that ended, however they did", |share: &ShareCost| {
                    Some(share.requests as f64)
                }),
                ("prompt", "tokens computed", "prompt tokens that were computed for them", |share| {
                    Some(share.computed_tokens as f64)
                }),
                ("output", "tokens", "output tokens", |share| Some(share.output_tokens as f64)),
                ("GPUs", "USD", "by engine time; idle time in proportion", |share| Some(share.gpus)),
                ("egress", "USD", "their bytes", |share| share.egress),
                ("all", "USD", "both", |share| Some(share.total)),
            ],
        },
    )
}

/// What misses come to in GPU time, by reason.
fn misses(runs: &Runs<'_>) -> Option<Table> {
    listed(
        runs,
        &Listed {
            caption: "What cache misses cost in GPU time, by reason",
            what: &["reason"],
            of: |cell| {
                let misses = usd(cell).map_or(&[][..], |usd| &usd.misses);
                misses.iter().map(|miss| (vec![miss.reason.clone()], miss)).collect()
            },
            columns: &[
                ("missed", "tokens", "prompt tokens of completed measured requests", |miss: &MissCost| {
                    Some(miss.tokens as f64)
                }),
                ("to compute", "GPU-s", "GPU-seconds of computing them, in full steps", |miss| {
                    Some(miss.gpu_s)
                }),
                ("cost", "USD", "what these are paid with", |miss| Some(miss.usd)),
            ],
        },
    )
}

/// Bytes by link.
fn egress(runs: &Runs<'_>) -> Option<Table> {
    listed(
        runs,
        &Listed {
            caption: "Bytes between regions, and to and from the internet",
            what: &["from", "to"],
            of: |cell| {
                let links = cell.cost.egress.as_ref().map_or(&[][..], |egress| &egress.links);
                links.iter().map(|link| (vec![link.from.clone(), link.to.clone()], link)).collect()
            },
            columns: &[
                ("moved", "MB", "millions of bytes", |link: &EgressLink| Some(link.bytes as f64 / 1e6)),
                ("cost", "USD", "nothing where the price is not known", |link| link.usd),
            ],
        },
    )
}

/// Where prices come from.
fn prices(runs: &Runs<'_>) -> Option<Table> {
    let several = runs.several().then(|| words("run"));
    let columns = several.into_iter().chain([
        words("pool"),
        number("price", "US$ / GPU-h", "discounts taken off"),
        words("source"),
    ]);
    let mut rows = Vec::new();
    for (at, run) in runs.runs.iter().enumerate() {
        for price in &run.summary.provenance.prices {
            let label = runs.several().then(|| cell(&runs.labels[at]));
            let cells = [
                Cell { head: true, ..name(&price.pool) },
                cell(fixed(price.gpu_hour().usd(), 2)),
                cell(&price.source),
            ];
            rows.push(Row { cells: label.into_iter().chain(cells).collect(), ..Row::default() });
        }
    }
    let caption = "Prices and where they are from".to_owned();
    (!rows.is_empty()).then(|| Table {
        caption,
        columns: columns.collect(),
        rows,
        notes: Vec::new(),
        sortable: false,
    })
}
