//! The files of a finished sweep: rows.csv, groups.csv and histograms.jsonl. Knows rows in the order of their cells; must not know
//! where they come from. Equal rows give equal bytes.

use super::numbers::rounded;
use crate::stats::Histogram;
use crate::sweep::row::Row;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The columns that every row has, before settings and measures.
const FIXED: [&str; 8] = ["cell", "point", "id", "policy", "seed", "status", "reason", "outcome_digest"];

/// The percentiles of pooled histograms.
const POOLED: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

/// The column of a setting: its path, or `set.` before it where that is a column of another kind.
fn column(path: &str, measures: &[String]) -> String {
    let taken = FIXED.contains(&path) || ["by", "name", "unreliable"].contains(&path);
    if taken || measures.iter().any(|measure| measure == path) {
        format!("set.{path}")
    } else {
        path.to_owned()
    }
}

/// The names that come up, in the order in which they do.
fn names<'r>(all: impl Iterator<Item = &'r Vec<(String, f64)>>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in all.flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn settings(rows: &[Row]) -> Vec<&String> {
    let mut paths: Vec<&String> = rows.iter().flat_map(|row| row.settings.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| rounded(value).to_string())
}

fn find(measures: &[(String, f64)], name: &str) -> Option<f64> {
    measures.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
}

/// rows.csv: one row a cell, one column a setting and a measure. What is not there is empty.
pub fn rows_csv(out: impl Write, rows: &[Row]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let (paths, measures) = (settings(rows), names(rows.iter().map(|row| &row.measures)));
    let head = FIXED.iter().map(ToString::to_string);
    let head = head.chain(paths.iter().map(|path| column(path, &measures)));
    csv.write_record(head.chain(measures.iter().cloned()).chain(["unreliable".to_string()]))?;
    for row in rows {
        let fixed = [
            row.cell.to_string(),
            row.point.to_string(),
            row.id.clone(),
            row.policy.clone(),
            row.seed.to_string(),
            row.status.name().to_string(),
            row.reason.clone().unwrap_or_default(),
            row.outcome_digest.clone(),
        ];
        let set = paths.iter().map(|path| row.settings.get(*path).cloned().unwrap_or_default());
        let values = measures.iter().map(|name| number(row.value(name)));
        csv.write_record(fixed.into_iter().chain(set).chain(values).chain([row.unreliable.join(" ")]))?;
    }
    csv.flush()
}

/// groups.csv: one row a cell and region, origin or class.
pub fn groups_csv(out: impl Write, rows: &[Row]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let groups = rows.iter().flat_map(|row| &row.groups);
    let (paths, measures) = (settings(rows), names(groups.map(|group| &group.measures)));
    let head = ["cell", "point", "policy", "seed"].map(String::from).into_iter();
    let head = head.chain(paths.iter().map(|path| column(path, &measures)));
    csv.write_record(head.chain(["by", "name"].map(String::from)).chain(measures.iter().cloned()))?;
    for row in rows {
        for group in &row.groups {
            let fixed =
                [row.cell.to_string(), row.point.to_string(), row.policy.clone(), row.seed.to_string()];
            let set = paths.iter().map(|path| row.settings.get(*path).cloned().unwrap_or_default());
            let values = measures.iter().map(|name| number(find(&group.measures, name)));
            let named = [group.by.clone(), group.name.clone()];
            csv.write_record(fixed.into_iter().chain(set).chain(named).chain(values))?;
        }
    }
    csv.flush()
}

/// How many seeds, and their histograms by name.
type Pooled<'r> = (u64, BTreeMap<&'r str, Histogram>);

/// histograms.jsonl: of each point and policy the distributions over all its seeds, with percentiles that are at most
/// 0.4 % off. A histogram that cannot be read is left out.
pub fn histograms_jsonl(mut out: impl Write, rows: &[Row]) -> io::Result<()> {
    // In the order of the first cell.
    let mut order: Vec<(u64, &str)> = Vec::new();
    let mut pooled: BTreeMap<(u64, &str), Pooled<'_>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.histograms.is_empty()) {
        let key = (row.point, row.policy.as_str());
        let (seeds, all) = pooled.entry(key).or_insert_with(|| {
            order.push(key);
            Default::default()
        });
        *seeds += 1;
        for (name, text) in &row.histograms {
            if let Ok(histogram) = text.parse::<Histogram>() {
                all.entry(name).or_default().merge(&histogram);
            }
        }
    }
    for key in order {
        let Some((seeds, all)) = pooled.get(&key) else { continue };
        let mut line = Map::new();
        line.insert("point".into(), json!(key.0));
        line.insert("policy".into(), json!(key.1));
        line.insert("seeds".into(), json!(seeds));
        for (name, histogram) in all {
            let mut one = Map::new();
            one.insert("n".into(), json!(histogram.count()));
            for p in POOLED {
                let ms = histogram.quantile(p / 100.0).map(|ns| rounded(ns / 1e6));
                one.insert(format!("p{p}_ms"), json!(ms));
            }
            one.insert("bins_ns".into(), json!(histogram.to_string()));
            line.insert((*name).to_owned(), Value::Object(one));
        }
        writeln!(out, "{}", Value::Object(line))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::row::{GroupRow, Status};

    fn rows() -> Vec<Row> {
        let row = |cell: u64, seed: u64, value: &str| Row {
            cell,
            id: format!("{cell:016x}"),
            settings: [("seed".to_string(), value.to_string()), ("a.b".to_string(), "x,y".to_string())]
                .into(),
            policy: "p".into(),
            seed,
            outcome_digest: "0f".into(),
            measures: vec![("ttft.p50".into(), 1.5), ("cost".into(), 2.0)],
            groups: vec![GroupRow {
                by: "region".into(),
                name: "us".into(),
                measures: vec![("ttft.p50".into(), 1.0)],
            }],
            histograms: [("ttft".to_string(), Histogram::of([1_000_000 * seed, 2_000_000]).to_string())]
                .into(),
            ..Row::default()
        };
        let failed =
            Row { cell: 2, status: Status::Failed, reason: Some("panicked: \"x\"".into()), ..Row::default() };
        vec![row(0, 1, "4"), row(1, 3, "4"), failed]
    }

    #[test]
    fn a_row_a_cell_and_a_column_a_setting_and_a_measure() {
        let mut out = Vec::new();
        rows_csv(&mut out, &rows()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "cell,point,id,policy,seed,status,reason,outcome_digest,a.b,set.seed,ttft.p50,cost,unreliable"
        );
        assert_eq!(lines[1], "0,0,0000000000000000,p,1,ok,,0f,\"x,y\",4,1.5,2,");
        assert_eq!(lines[3], "2,0,,,0,failed,\"panicked: \"\"x\"\"\",,,,,,");
        let mut out = Vec::new();
        groups_csv(&mut out, &rows()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().nth(1), Some("0,0,p,1,\"x,y\",4,region,us,1"));
    }

    #[test]
    fn seeds_are_pooled() {
        let mut out = Vec::new();
        histograms_jsonl(&mut out, &rows()).unwrap();
        let line: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&line["seeds"], &line["ttft"]["n"]), (&json!(2), &json!(4)));
        // 1, 2, 2 and 3 ms: the median is 2 ms, to 0.4 %.
        let median = line["ttft"]["p50_ms"].as_f64().unwrap();
        assert!((median - 2.0).abs() <= 2.0 * crate::stats::RELATIVE_ERROR, "{median}");
        assert_eq!(line["ttft"]["bins_ns"].as_str().unwrap().parse::<Histogram>().unwrap().count(), 4);
    }
}
