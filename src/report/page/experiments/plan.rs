//! The page of a capacity plan: what to have where, what holds it up, what it would stand.

use super::{Told, fact, figure, plots, policy, provenance};
use crate::report::experiment::planned::{Answer, Found, Infeasible, Plan};
use crate::report::figure::Figure;
use crate::report::page::model::{
    Block, Cell, Row, Section, Span, Table, cell, code, marked, name, number, plain, strong, text, words,
};
use crate::report::page::values::fixed;

/// Figures whose lines and marks are policies.
const SERIES: [&str; 2] = ["pareto-p99", "pareto-attainment"];

pub(super) fn page(plan: &Plan, figures: &[Figure]) -> Told {
    let answer = &plan.answer;
    let several = answer.plans.len() > 1;
    let mut blocks = vec![Block::Table { table: overview(answer) }];
    for notice in &answer.notices {
        blocks.push(text(notice));
    }
    let mut sections = vec![Section { id: "result", title: "Result".to_owned(), blocks }];
    let series = |one: &Figure| SERIES.contains(&one.id.as_str());
    sections.extend(plots(figures.iter().map(|one| figure(one, None, series(one))).collect()));
    let mut blocks = Vec::new();
    for planned in &answer.plans {
        if several {
            blocks.push(Block::Heading { text: format!("Policy {}", planned.policy) });
        }
        if let Some(found) = &planned.found {
            blocks.extend(details(answer, found));
        }
        if let Some(why) = &planned.infeasible {
            blocks.extend(infeasible(why));
        }
    }
    sections.push(Section { id: "plans", title: "What holds it up".to_owned(), blocks });
    let (search, confirm) = (answer.search_seeds, answer.confirm_seeds);
    sections.push(provenance::section(
        vec![
            ("scenario", answer.scenario.clone()),
            ("regionsim", answer.tool_version.clone()),
            ("scenario hash", answer.scenario_hash.clone()),
            ("seeds of the search", format!("{} from {}", search.1, search.0)),
            ("seeds of the confirmation", format!("at most {} from {}", confirm.1, confirm.0)),
            ("cases", answer.cases.join(", ")),
        ],
        Vec::new(),
    ));
    Told {
        title: format!("Capacity plan: {}", answer.scenario),
        about: Some(answer.kind.clone()),
        headline: answer.plans.iter().map(|planned| sentence(answer, planned, several)).collect(),
        facts: vec![
            fact("cases", answer.cases.len().to_string(), answer.cases.join(", ")),
            match answer.plans.as_slice() {
                [only] => {
                    let headroom = only.found.as_ref().and_then(|found| found.headroom);
                    let stands =
                        headroom.map_or("–".to_owned(), |headroom| format!("{:.2} ×", headroom.stands));
                    fact("headroom", stands, "the traffic that it was seen to stand")
                }
                several => fact("policies", several.len().to_string(), ""),
            },
            fact(
                "confidence",
                format!("{} %", answer.confidence * 100.0),
                format!("at most {} fresh seeds", confirm.1),
            ),
            fact("fleets played", plan.points.len().to_string(), "to their ends, in the usual cases"),
        ],
        sections,
        policies: answer.plans.iter().map(|planned| planned.policy.clone()).collect(),
        source: "plan.json",
    }
}

fn sentence(
    answer: &Answer,
    planned: &crate::report::experiment::planned::Planned,
    several: bool,
) -> Vec<Span> {
    let mut spans = Vec::new();
    if several {
        spans.extend([code(&planned.policy), plain(": ")]);
    }
    match (&planned.found, &planned.infeasible) {
        (Some(found), _) => {
            spans.push(strong(format!("{} {}", answer.money(found.cost), answer.cost_unit())));
            spans.push(plain(" with "));
            let had: Vec<&_> = found.lots.iter().filter(|lot| lot.replicas > 0).collect();
            for (at, lot) in had.iter().enumerate() {
                let between = if at + 1 == had.len() { "" } else { ", " };
                spans.extend([plain(format!("{} × ", lot.replicas)), code(&lot.offer), plain(between)]);
            }
            spans.push(plain("."));
        }
        (None, Some(why)) => {
            spans.push(strong(format!("There is no plan: {}.", why.reason)));
            spans.push(plain(format!(" {}.", why.shown_by)));
        }
        (None, None) => spans.push(strong("There is no plan.")),
    }
    spans
}

fn percent(share: f64) -> String {
    fixed(share * 100.0, 2)
}

fn between((mean, low, high): (f64, f64, f64)) -> String {
    format!("{} ({} … {})", percent(mean), percent(low), percent(high))
}

fn overview(answer: &Answer) -> Table {
    let unit = answer.cost_unit();
    let rows = answer.plans.iter().enumerate().map(|(at, planned)| {
        let dash = || cell("–");
        let mut cells = vec![policy(at, &planned.policy)];
        match &planned.found {
            None => {
                cells.push(cell("no plan"));
                cells.extend((0..6).map(|_| dash()));
            }
            Some(found) => {
                let lines = &found.confirmation.lines;
                let least = lines.iter().map(|line| line.attainment).fold(1.0, f64::min);
                let p99 = lines.iter().map(|line| line.ttft_p99_ms).fold(0.0, f64::max);
                let gpus: u32 = found.lots.iter().map(|lot| lot.gpus).sum();
                let replicas: u32 = found.lots.iter().map(|lot| lot.replicas).sum();
                let had = found.lots.iter().filter(|lot| lot.replicas > 0);
                cells.push(cell(
                    had.map(|lot| format!("{} {}", lot.offer, lot.replicas)).collect::<Vec<_>>().join(", "),
                ));
                cells.push(cell(answer.money(found.cost)));
                cells.push(cell(replicas.to_string()));
                cells.push(cell(gpus.to_string()));
                cells.push(cell(percent(least)));
                cells.push(cell(fixed(p99, 0)));
                cells.push(found.headroom.map_or_else(dash, |headroom| cell(fixed(headroom.stands, 2))));
            }
        }
        Row { policy: Some(at), cells, ..Row::default() }
    });
    Table {
        caption: "The plan of each policy".to_owned(),
        columns: vec![
            words("policy"),
            words("replicas by pool"),
            number("cost", &unit, "what all of it costs"),
            number("replicas", "", "in all pools"),
            number("GPUs", "", "in all pools"),
            number("least attainment", "%", "over all cases and classes, as confirmed"),
            number("p99 TTFT", "ms", "the highest over all cases, as confirmed"),
            number("headroom", "× traffic", "the largest factor at which it was seen to stand"),
        ],
        rows: rows.collect(),
        notes: Vec::new(),
        sortable: true,
    }
}

fn plain_table(caption: &str, columns: Vec<crate::report::page::model::Column>, rows: Vec<Row>) -> Block {
    Block::Table {
        table: Table { caption: caption.to_owned(), columns, rows, notes: Vec::new(), sortable: true },
    }
}

fn row(head: Cell, rest: Vec<Cell>) -> Row {
    Row { cells: std::iter::once(Cell { head: true, ..head }).chain(rest).collect(), ..Row::default() }
}

fn verdict(of: &str) -> String {
    match of {
        "holds" => "✓ holds".to_owned(),
        "fails" => "✗ fails".to_owned(),
        "open" => "○ too near to tell".to_owned(),
        other => other.to_owned(),
    }
}

fn details(answer: &Answer, found: &Found) -> Vec<Block> {
    let unit = answer.cost_unit();
    let mut blocks = Vec::new();
    let lots = found.lots.iter().map(|lot| {
        row(
            name(&lot.offer),
            vec![
                cell(&lot.region),
                cell(&lot.gpu),
                cell(lot.replicas.to_string()),
                cell(lot.gpus.to_string()),
                cell(answer.money(lot.cost)),
            ],
        )
    });
    blocks.push(plain_table(
        "What it has",
        vec![
            words("pool"),
            words("region"),
            words("GPU"),
            number("replicas", "", ""),
            number("GPUs", "", ""),
            number("cost", &unit, "of all of them"),
        ],
        lots.collect(),
    ));
    let lines = found.confirmation.lines.iter().map(|line| {
        row(
            cell(&line.scene),
            vec![
                name(&line.group),
                cell(percent(line.target)),
                cell(between((line.attainment, line.interval.0, line.interval.1))),
                cell(fixed(line.ttft_p99_ms, 0)),
                cell(line.seeds.to_string()),
                cell(verdict(&line.verdict)),
            ],
        )
    });
    blocks.push(plain_table(
        "Confirmed, attainment over all arrivals",
        vec![
            words("case"),
            words("class"),
            number("asked", "%", "the share that must be within its SLO"),
            number("reached", "%", "with its interval over all looks"),
            number("p99 TTFT", "ms", ""),
            number("seeds", "", "fresh ones"),
            words("verdict"),
        ],
        lines.collect(),
    ));
    if !found.binding.is_empty() {
        let rows = found
            .binding
            .iter()
            .map(|one| row(name(&one.region), vec![cell(&one.constraint), cell(&one.shown_by)]));
        blocks.push(plain_table(
            "What binds",
            ["region", "constraint", "shown by"].map(words).to_vec(),
            rows.collect(),
        ));
    }
    if !found.lost.is_empty() {
        let rows = found.lost.iter().map(|lost| {
            row(
                name(&lost.region),
                vec![
                    cell(between(lost.attainment)),
                    cell(fixed(lost.ttft_p99_ms, 0)),
                    cell(fixed(lost.served_elsewhere * 100.0, 1)),
                    cell(fixed(lost.unserved * 100.0, 1)),
                    cell(lost.asked.map_or("nothing".to_owned(), percent)),
                ],
            )
        });
        let columns = vec![
            words("region gone"),
            number("attainment", "%", "the least over cases and classes"),
            number("p99 TTFT", "ms", "the highest over cases"),
            number("elsewhere", "%", "of requests, served away from home"),
            number("unserved", "%", "of requests"),
            number("asked", "%", "what it must reach"),
        ];
        blocks.push(plain_table("With a region gone", columns, rows.collect()));
    }
    if !found.neighbours.is_empty() {
        let rows = found.neighbours.iter().map(|one| {
            row(
                name(&one.change),
                vec![
                    cell(answer.money(one.cost)),
                    cell(verdict(&one.verdict)),
                    cell(&one.tightest),
                    cell(between(one.attainment)),
                ],
            )
        });
        let columns = vec![
            words("change"),
            number("cost", &unit, "of the whole fleet"),
            words("says"),
            words("at its tightest"),
            number("attainment", "%", "there, with its interval"),
        ];
        let table = plain_table("One replica more or less", columns, rows.collect());
        blocks.push(Block::Fold { title: "Neighbours".to_owned(), blocks: vec![table] });
    }
    if let Some(residency) = &found.residency {
        blocks.push(text(match (residency.price, residency.cost_without) {
            (Some(price), Some(without)) => format!(
                "The residency rules cost {} {unit}: without them it is {}.",
                answer.money(price),
                answer.money(without)
            ),
            _ => "There is no plan without the residency rules either.".to_owned(),
        }));
    }
    blocks
}

fn infeasible(why: &Infeasible) -> Vec<Block> {
    let mut blocks = vec![text(format!("There is no plan, for {}: {}.", why.reason, why.shown_by))];
    if !why.relaxations.is_empty() {
        blocks.push(text("What would help, each by itself:"));
        blocks.push(Block::List { items: why.relaxations.iter().map(|one| marked(one)).collect() });
    }
    blocks
}
