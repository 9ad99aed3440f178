//! `query`: the cells of runs and sweeps, grouped.

use super::exit::{Exit, Failure};
use super::{Outcome, no_such, print};
use crate::report::frame::group::{Aggregate, Group, available, group};
use crate::report::frame::table::Table;
use crate::report::manifest::Manifest;
use crate::report::taken::taken;
use crate::report::{Summary, grid};
use anyhow::{Context, anyhow};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Requests are grouped by these; a cell has a row for each group of one kind.
const KINDS: [&str; 3] = ["region", "origin", "class"];
/// How deep runs are looked for below a folder that is none: our choice, a folder of folders of runs.
const DEPTH: usize = 3;

/// Group the cells of runs and sweeps, one or thousands.
///
/// A folder of a run, of a sweep, or of such folders. Every cell is a row with its run, scenario, policy, seed, overrides and
/// headline measures; grouped by region, origin or class, it is a row for each of them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim query reports/three-regions --group-by policy,region --agg ttft_p99,cost
  regionsim query sweep --group-by regions.eu.pools.main.replicas,policy --agg mean:ttft.p99,sd:ttft.p99,slo.attainment
  regionsim query reports --group-by run --agg max:ttft.p99 --where policy=gorgo --csv

Aggregates are mean (where none is named), min, max, sum, median and sd. In names, _ may stand for a dot; `cost` is dollars
where there are prices, else GPU-hours.")]
pub struct Args {
    /// Folders.
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Columns whose values make a group; all rows are one where none is named.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    group_by: Vec<String>,
    /// Measures, with what is made of them: ttft.p99, max:ttft.p99.
    #[arg(
        long,
        value_name = "MEASURES",
        value_delimiter = ',',
        default_value = "ttft.p50,ttft.p99,slo.attainment,cost"
    )]
    agg: Vec<String>,
    /// Only rows with this value; may be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    only: Vec<String>,
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV.
    #[arg(long)]
    csv: bool,
}

/// Runs `query`.
pub fn run(args: &Args) -> Outcome {
    available().map_err(Failure::usage)?;
    let only = args.only.iter().map(|text| {
        let rule =
            || Failure::usage(anyhow!("--where {text}: write a column and a value, such as policy=gorgo"));
        text.split_once('=')
            .map(|(column, value)| (column.trim().to_owned(), value.trim().to_owned()))
            .ok_or_else(rule)
    });
    let only = only.collect::<Result<Vec<_>, _>>()?;
    let named = || args.group_by.iter().chain(only.iter().map(|(column, _)| column));
    let mut kinds: Vec<&str> = KINDS.into_iter().filter(|kind| named().any(|name| name == kind)).collect();
    kinds.dedup();
    if let [first, second, ..] = kinds[..] {
        let rule = "a request is in one of each, and rows are of one kind of group";
        return Err(Failure::usage(anyhow!("`{first}` and `{second}`: {rule}; name one of them")));
    }
    let mut table = Table::default();
    for folder in &args.runs {
        let mut found = Vec::new();
        folders(folder, DEPTH, &mut found)?;
        if found.is_empty() {
            let next = "`run` writes one (summary.json), and `sweep` (sweep.json)";
            return Err(Failure::usage(anyhow!(
                "{} is no folder of a run or a sweep; {next}",
                folder.display()
            )));
        }
        for folder in found {
            table.append(rows(&folder, kinds.first().copied())?);
        }
    }
    for (column, value) in &only {
        let name = find(&table, column, "--where: there is no column")?;
        let equal = |own: &str| own == value || same_number(own, value);
        table.retain(|table, row| table.column(&name).is_some_and(|values| equal(&values[row])));
    }
    let by = args.group_by.iter().map(|name| find(&table, name, "--group-by: there is no column"));
    let by = by.collect::<Result<Vec<_>, _>>()?;
    let of = args.agg.iter().map(|text| aggregate(&table, text)).collect::<Result<Vec<_>, _>>()?;
    let groups = group(&table, &by, &of)?;
    show(args, &by, &of, &groups)?;
    Ok(Exit::Ok)
}

fn same_number(a: &str, b: &str) -> bool {
    matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// The folders of runs and sweeps at or below one, by name.
fn folders(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if folder.join("sweep.json").is_file() || folder.join("summary.json").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder `{}`", folder.display()))
        .map_err(Failure::usage)?;
    let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    inside.retain(|path| path.is_dir());
    inside.sort();
    for path in inside.iter().filter(|_| depth > 0) {
        folders(path, depth - 1, found)?;
    }
    Ok(())
}

/// The rows of one folder.
fn rows(folder: &Path, kind: Option<&str>) -> Result<Table, Failure> {
    let run = folder.display().to_string();
    if !folder.join("sweep.json").is_file() {
        return of_run(folder, &run, kind);
    }
    let name = if kind.is_some() { "groups.csv" } else { "rows.csv" };
    let path = folder.join(name);
    let none = || format!("`{}` cannot be read; `regionsim sweep merge {run}` writes it", path.display());
    let file = fs::File::open(&path).with_context(none).map_err(Failure::usage)?;
    let mut table = Table::read_csv(std::io::BufReader::new(file)).with_context(none)?;
    let height = table.height();
    if let Some(kind) = kind {
        table.retain(|table, row| table.column("by").is_some_and(|by| by[row] == kind));
        table.columns.retain(|(name, _)| name != "by");
        if let Some((name, _)) = table.columns.iter_mut().find(|(name, _)| name == "name") {
            kind.clone_into(name);
        }
    }
    let height = height.min(table.height());
    table.columns.push(("run".to_owned(), vec![run; height]));
    Ok(table)
}

fn of_run(folder: &Path, run: &str, kind: Option<&str>) -> Result<Table, Failure> {
    let read = |name: &str| {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()));
        text.map_err(Failure::usage)
    };
    let wrong = || format!("{run}/summary.json is none that this version can read; run the scenario again");
    let summary: Summary =
        serde_json::from_str(&read("summary.json")?).with_context(wrong).map_err(Failure::usage)?;
    let manifest = read("manifest.json").ok().and_then(|text| serde_json::from_str::<Manifest>(&text).ok());
    let overrides = manifest.map(|manifest| manifest.overrides).unwrap_or_default();
    let mut table = Table::default();
    for policy in &summary.policies {
        for cell in &policy.cells {
            let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let mut head = vec![
                text("run", run),
                text("scenario", &summary.scenario),
                text("policy", &policy.policy),
                text("seed", &cell.seed.to_string()),
            ];
            head.extend(
                overrides.iter().filter_map(|set| set.split_once('=')).map(|(path, value)| text(path, value)),
            );
            let taken = taken(cell);
            let numbers = |measures: &[(String, f64)]| -> Vec<(String, String)> {
                measures.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
            };
            match kind {
                None => table.push(&[head, numbers(&taken.measures)].concat()),
                Some(kind) => {
                    for group in taken.groups.iter().filter(|group| group.by == kind) {
                        let own = vec![text(kind, &group.name)];
                        table.push(&[head.clone(), own, numbers(&group.measures)].concat());
                    }
                }
            }
        }
    }
    Ok(table)
}

/// A column by its name, in which `_` may stand for a dot.
fn find(table: &Table, name: &str, rule: &str) -> Result<String, Failure> {
    let plain = |text: &str| text.trim().replace('.', "_");
    let names = || table.columns.iter().map(|(name, _)| name.as_str());
    let exact = names().find(|own| *own == name.trim());
    let cost = || {
        ["cost.usd", "cost.gpu_hours"].into_iter().find(|own| name == "cost" && names().any(|n| n == *own))
    };
    let found = exact.or_else(|| names().find(|own| plain(own) == plain(name))).or_else(cost);
    found.map(ToOwned::to_owned).ok_or_else(|| no_such(rule, name, names()))
}

fn aggregate(table: &Table, text: &str) -> Result<(Aggregate, String), Failure> {
    let (made, name) = match text.split_once(':') {
        Some((made, name)) => (made.trim(), name),
        None => ("mean", text),
    };
    let known = || Aggregate::ALL.iter().map(|(name, _)| *name);
    let made = Aggregate::ALL.iter().find(|(own, _)| *own == made).map(|(_, of)| *of);
    let made = made.ok_or_else(|| {
        no_such("--agg: there is no aggregate", text.split(':').next().unwrap_or(""), known())
    })?;
    let name = find(table, name, "--agg: there is no measure")?;
    if table.numbers(&name).is_none() {
        return Err(Failure::usage(anyhow!("--agg {text}: `{name}` is no measure; group by it instead")));
    }
    Ok((made, name))
}

fn show(args: &Args, by: &[String], of: &[(Aggregate, String)], groups: &[Group]) -> Result<(), Failure> {
    let head = |(aggregate, name): &(Aggregate, String)| match aggregate {
        Aggregate::Mean => name.clone(),
        other => format!("{}:{name}", other.name()),
    };
    let heads: Vec<String> = of.iter().map(head).collect();
    if args.json {
        let rows = groups.iter().map(|group| {
            let key = by.iter().cloned().zip(group.key.iter().map(|key| json!(key)));
            let numbers = heads.iter().cloned().zip(group.numbers.iter().map(|number| json!(number)));
            let rows = std::iter::once(("rows".to_owned(), json!(group.rows)));
            Value::Object(key.chain(rows).chain(numbers).collect::<Map<_, _>>())
        });
        let rows: Vec<Value> = rows.collect();
        return Ok(print(&(serde_json::to_string_pretty(&rows)? + "\n"))?);
    }
    let all: Vec<&str> =
        by.iter().map(String::as_str).chain(["rows"]).chain(heads.iter().map(String::as_str)).collect();
    let row = |group: &Group, number: &dyn Fn(Option<f64>) -> String| -> Vec<String> {
        let numbers = group.numbers.iter().map(|value| number(*value));
        group.key.iter().cloned().chain([group.rows.to_string()]).chain(numbers).collect()
    };
    if args.csv {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(&all)?;
        for group in groups {
            csv.write_record(row(group, &|value| value.map_or_else(String::new, |value| value.to_string())))?;
        }
        let bytes = csv.into_inner().map_err(|error| anyhow!("{error}"))?;
        return Ok(print(&String::from_utf8_lossy(&bytes))?);
    }
    // Six digits that mean something.
    let shown = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 1_000.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.4}"),
    };
    let rows: Vec<Vec<String>> = groups.iter().map(|group| row(group, &shown)).collect();
    Ok(print(&grid::render(&all, &rows))?)
}
