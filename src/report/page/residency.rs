//! Residency: the rules, and the evidence that they were kept, where the run wrote it.

use super::model::{Block, Cell, Row, Section, Table, cell, name, number, plain, strong, text, words};
use super::sides::Runs;
use super::values::count;
use crate::report::evidence::{self, Evidence};
use crate::report::setup::SetupRule;

pub(super) fn section(runs: &Runs<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    let rules: Vec<(usize, &SetupRule)> = (runs.runs.iter().enumerate())
        .flat_map(|(at, run)| {
            run.setup.iter().flat_map(move |setup| setup.rules.iter().map(move |rule| (at, rule)))
        })
        .collect();
    let evidence: Vec<(usize, &Evidence)> =
        runs.runs.iter().enumerate().filter_map(|(at, run)| Some((at, run.evidence.as_ref()?))).collect();
    (!rules.is_empty() || evidence.iter().any(|(_, evidence)| evidence.violations > 0)).then_some(())?;
    if !rules.is_empty() {
        blocks.push(Block::Table { table: rule_table(runs, &rules) });
    }
    if evidence.is_empty() {
        blocks.push(text(format!(
            "The folder holds no evidence. `regionsim run … --audit DIR/{}` writes it into the run's folder.",
            evidence::FILE
        )));
    } else {
        let violations: u64 = evidence.iter().map(|(_, evidence)| evidence.violations).sum();
        let told = match violations {
            0 => "Nothing was read, sent or served where a required rule forbids it.".to_owned(),
            _ => format!("{} reads or tries were on paths that a required rule forbids.", count(violations)),
        };
        let from =
            plain(" Counted from the record of every request, apart from the code that enforces the rules.");
        blocks.push(Block::Text { spans: vec![strong(told), from] });
        blocks.push(Block::Table { table: kept(runs, &evidence) });
        let paths = Block::Table { table: paths(runs, &evidence) };
        blocks.push(Block::Fold { title: "Every path of data under a rule".to_owned(), blocks: vec![paths] });
    }
    Some(Section { id: "residency", title: "Residency".to_owned(), blocks })
}

fn run_column(runs: &Runs<'_>) -> Vec<super::model::Column> {
    if runs.several() { vec![words("run")] } else { Vec::new() }
}

fn run_cell(runs: &Runs<'_>, at: usize) -> Option<Cell> {
    runs.several().then(|| cell(&runs.labels[at]))
}

fn rule_table(runs: &Runs<'_>, rules: &[(usize, &SetupRule)]) -> Table {
    let mut columns = run_column(runs);
    columns.extend(
        ["data class", "holds", "process in", "decrypt in", "send through", "cache in", "index in", "log in"]
            .map(words),
    );
    let set = |set: &Option<Vec<String>>| {
        cell(match set {
            None => "anywhere".to_owned(),
            Some(regions) if regions.is_empty() => "nowhere".to_owned(),
            Some(regions) => regions.join(", "),
        })
    };
    let rows = rules.iter().map(|&(at, rule)| {
        let cells = [
            Cell { head: true, ..name(&rule.name) },
            cell(if rule.required { "always" } else { "while it can" }),
            set(&rule.process_in),
            set(&rule.decrypt_in),
            set(&rule.transit_via),
            set(&rule.cache_in),
            set(&rule.index_in),
            set(&rule.store_in),
        ];
        Row { cells: run_cell(runs, at).into_iter().chain(cells).collect(), ..Row::default() }
    });
    let caption = "Where each data class may be".to_owned();
    Table { caption, columns, rows: rows.collect(), notes: Vec::new(), sortable: false }
}

fn place(runs: &Runs<'_>, policy: &str) -> Option<usize> {
    runs.policies.iter().position(|known| known == policy)
}

/// By policy and class, over the seeds.
fn kept(runs: &Runs<'_>, evidence: &[(usize, &Evidence)]) -> Table {
    let mut columns = run_column(runs);
    columns.extend([
        words("policy"),
        words("data class"),
        words("rule"),
        number("ended", "requests", "requests of the class that ended, warm-up included"),
        number("refused", "requests", "of those, because no region may and can serve them"),
        number("violations", "tries", "reads and tries on paths that a required rule forbids"),
        number("outside", "tries", "outside of a preferred rule, which gives way"),
    ]);
    let mut rows: Vec<Row> = Vec::new();
    for &(at, evidence) in evidence {
        let mut sums: Vec<(&str, &str, &str, [u64; 4])> = Vec::new();
        for cell in &evidence.cells {
            for class in &cell.classes {
                let add = [class.requests, class.no_region, class.violations, class.outside];
                match sums.iter_mut().find(|sum| (sum.0, sum.1) == (&cell.policy, &class.class)) {
                    Some(sum) => sum.3.iter_mut().zip(add).for_each(|(sum, add)| *sum += add),
                    None => sums.push((&cell.policy, &class.class, &class.mode, add)),
                }
            }
        }
        for (policy, class, mode, sums) in sums {
            let words = [Cell { head: true, ..name(policy) }, name(class), cell(mode)];
            let counts = sums.map(|sum| cell(count(sum)));
            rows.push(Row {
                policy: place(runs, policy),
                region: None,
                cells: run_cell(runs, at).into_iter().chain(words).chain(counts).collect(),
            });
        }
    }
    let caption = "The evidence, by policy and data class".to_owned();
    Table { caption, columns, rows, notes: Vec::new(), sortable: true }
}

/// The paths of data classes that have a rule; those of others show nothing.
fn paths(runs: &Runs<'_>, evidence: &[(usize, &Evidence)]) -> Table {
    let mut columns = run_column(runs);
    columns.extend(["policy", "data class", "try", "client near", "read in", "served in"].map(words));
    columns.push(number("count", "tries", "tries, or requests that were only read, over all seeds"));
    columns.push(words("forbidden by"));
    let mut rows: Vec<Row> = Vec::new();
    for &(at, evidence) in evidence {
        let ruled = |class: &str| {
            runs.runs[at].setup.as_ref().is_none_or(|setup| setup.rules.iter().any(|rule| rule.name == class))
        };
        let mut sums: Vec<([&str; 6], &[String], u64)> = Vec::new();
        for cell in &evidence.cells {
            for class in &cell.classes {
                for path in &class.paths {
                    if !ruled(&class.class) && path.forbidden_by.is_empty() {
                        continue;
                    }
                    let served = path.served_in.as_deref().unwrap_or("–");
                    let key = [&cell.policy, &class.class, &path.way, &path.from, &path.gateway]
                        .map(String::as_str);
                    let key = [key[0], key[1], key[2], key[3], key[4], served];
                    match sums.iter_mut().find(|sum| sum.0 == key) {
                        Some(sum) => sum.2 += path.count,
                        None => sums.push((key, &path.forbidden_by, path.count)),
                    }
                }
            }
        }
        for (key, forbidden, sum) in sums {
            let words = key.into_iter().map(name);
            let by = if forbidden.is_empty() { "–".to_owned() } else { forbidden.join(", ") };
            rows.push(Row {
                policy: place(runs, key[0]),
                region: runs.region(key[5]),
                cells: run_cell(runs, at)
                    .into_iter()
                    .chain(words)
                    .chain([cell(count(sum)), cell(by)])
                    .collect(),
            });
        }
    }
    let caption = "Every path of data under a rule".to_owned();
    Table { caption, columns, rows, notes: Vec::new(), sortable: true }
}
