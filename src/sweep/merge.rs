//! Shards put together. Knows their lines and what must agree; must not know where they lie. Rows are taken over as they
//! are written, so that what comes out depends on the cells alone.

use super::cells::{Manifest, SCHEMA_VERSION, TOOL};
use super::row::Row;
use super::shard::Shard;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many findings of a kind are told.
const SHOWN: usize = 5;

/// The first line of a shard's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Of the lines.
    pub schema_version: u32,
    /// The tool and its version.
    pub tool: String,
    /// The sweep's hash.
    pub sweep: String,
    /// Which shard, from 0.
    pub shard: u32,
    /// Of how many.
    pub of: u32,
}

impl Header {
    /// Of a shard of a sweep.
    pub fn of(manifest: &Manifest, shard: Shard) -> Header {
        Header {
            schema_version: SCHEMA_VERSION,
            tool: TOOL.to_string(),
            sweep: manifest.sweep.clone(),
            shard: shard.index,
            of: shard.of,
        }
    }
}

/// A row as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The row.
    pub row: Row,
    /// Its text, without the end of the line.
    pub text: String,
}

/// Reads a shard's file. A last line without its end was torn when the process was killed, and is dropped; how many bytes
/// are whole comes back too. `None` where not even the header is whole.
///
/// # Errors
/// When a whole line is not what this version writes.
pub fn read_shard(name: &str, text: &str) -> Result<Option<(Header, Vec<Line>, usize)>, String> {
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    let mut lines = text[..whole].lines().enumerate();
    let Some((_, first)) = lines.next() else { return Ok(None) };
    let wrong = |line: usize, error: serde_json::Error| {
        format!("{name}:{}: not a row of a sweep: {error}; run the shard again with --restart", line + 1)
    };
    let header: Header = serde_json::from_str(first).map_err(|error| wrong(0, error))?;
    let rows = lines.map(|(at, text)| {
        let row = serde_json::from_str(text).map_err(|error| wrong(at, error))?;
        Ok(Line { row, text: text.to_owned() })
    });
    Ok(Some((header, rows.collect::<Result<_, String>>()?, whole)))
}

/// A shard's file as it is kept: its rows in the order of their cells.
pub fn written(header: &Header, mut lines: Vec<Line>) -> serde_json::Result<String> {
    lines.sort_by_key(|line| line.row.cell);
    let mut text = serde_json::to_string(header)? + "\n";
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    Ok(text)
}

/// All rows of a sweep, in the order of their cells, from its shards by their names. Shards of several divisions may lie side
/// by side: what is there twice must be equal.
///
/// # Errors
/// Everything that does not fit, at once.
pub fn merge(
    manifest: &Manifest,
    shards: Vec<(String, Header, Vec<Line>)>,
) -> Result<Vec<Line>, Vec<String>> {
    let mut wrong = Vec::new();
    if manifest.schema_version != SCHEMA_VERSION || manifest.tool != TOOL {
        wrong.push(format!(
            "the sweep is of {} (schema {}), this is {TOOL} (schema {SCHEMA_VERSION}): merge it with the version that ran it",
            manifest.tool, manifest.schema_version
        ));
    }
    let mut rows: BTreeMap<u64, (Line, String)> = BTreeMap::new();
    let mut seen: Vec<Shard> = Vec::new();
    let mut differing = Vec::new();
    for (name, header, lines) in shards {
        let whose = |what: &str, own: &str, other: &str| {
            format!(
                "{name}: its {what} is {own}, the sweep's is {other}: it belongs to another one; take it away"
            )
        };
        if header.sweep != manifest.sweep {
            wrong.push(whose("sweep", &header.sweep, &manifest.sweep));
            continue;
        }
        if header.tool != manifest.tool || header.schema_version != manifest.schema_version {
            wrong.push(whose("tool", &header.tool, &manifest.tool));
            continue;
        }
        seen.push(Shard { index: header.shard, of: header.of });
        for line in lines {
            let cell = line.row.cell;
            if cell >= manifest.cells {
                wrong.push(format!(
                    "{name}: there is no cell {cell} among {}; take the file away",
                    manifest.cells
                ));
            } else if let Some((other, first)) = rows.get(&cell) {
                if other.text != line.text {
                    differing.push(format!("cell {cell}, in {first} and in {name}"));
                }
            } else {
                rows.insert(cell, (line, name.clone()));
            }
        }
    }
    let mut by_id: BTreeMap<&str, &Row> = BTreeMap::new();
    for (line, _) in rows.values() {
        let first = by_id.entry(&line.row.id).or_insert(&line.row);
        if first.outcome() != line.row.outcome() {
            differing
                .push(format!("cells {} and {}, which are made from the same", first.cell, line.row.cell));
        }
    }
    if !differing.is_empty() {
        wrong.push(format!(
            "the same was run twice with different results, which must not be: {}{}; please report it",
            differing[..differing.len().min(SHOWN)].join("; "),
            more(differing.len())
        ));
    }
    let missing: Vec<u64> = (0..manifest.cells).filter(|cell| !rows.contains_key(cell)).collect();
    if let (Some(first), true) = (missing.first(), wrong.is_empty()) {
        wrong.push(format!(
            "{} of {} cells are missing, the first is cell {first}: {}",
            missing.len(),
            manifest.cells,
            lacking(&seen, &missing),
        ));
    }
    if wrong.is_empty() { Ok(rows.into_values().map(|(line, _)| line).collect()) } else { Err(wrong) }
}

fn more(count: usize) -> String {
    if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() }
}

/// Which shards to run, where the division is known.
fn lacking(seen: &[Shard], missing: &[u64]) -> String {
    let Some(of) = seen.iter().map(|shard| shard.of).max() else { return "run its shards".to_owned() };
    let mut which: Vec<u64> = missing.iter().map(|cell| cell % u64::from(of)).collect();
    which.sort_unstable();
    which.dedup();
    let named: Vec<String> = which.iter().take(SHOWN).map(|index| format!("--shard {index}/{of}")).collect();
    format!("run {}{} with --resume", named.join(", "), more(which.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(cells: u64) -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            tool: TOOL.into(),
            sweep: "00000000000000aa".into(),
            cells,
            ..Manifest::default()
        }
    }
    fn line(cell: u64, id: &str, value: f64) -> Line {
        let row = Row { cell, id: id.into(), measures: vec![("ttft.p99".into(), value)], ..Row::default() };
        let text = serde_json::to_string(&row).unwrap();
        Line { row, text }
    }
    fn shard(of: u32, index: u32, lines: Vec<Line>) -> (String, Header, Vec<Line>) {
        let shard = Shard { index, of };
        (shard.file(), Header::of(&manifest(0), shard), lines)
    }
    fn all(count: u64) -> Vec<Line> {
        (0..count).map(|cell| line(cell, &format!("{cell:x}"), cell as f64)).collect()
    }

    #[test]
    fn any_division_in_any_order_gives_the_same() {
        let whole = merge(&manifest(10), vec![shard(1, 0, all(10))]).unwrap();
        for of in 2..6u32 {
            let part = |index: u32| {
                let own = Shard { index, of };
                shard(of, index, all(10).into_iter().filter(|line| own.has(line.row.cell)).rev().collect())
            };
            let parts: Vec<_> = (0..of).rev().map(part).collect();
            assert_eq!(merge(&manifest(10), parts).unwrap(), whole, "{of} shards");
        }
        // Two divisions side by side, equal where both have a cell.
        let both = vec![shard(1, 0, all(10)), shard(3, 1, vec![line(1, "1", 1.0), line(4, "4", 4.0)])];
        assert_eq!(merge(&manifest(10), both).unwrap(), whole);
    }

    #[test]
    fn what_is_missing_differs_or_is_of_another_sweep_is_told() {
        let told = |shards: Vec<_>| merge(&manifest(3), shards).unwrap_err().join("\n");
        let missing = told(vec![shard(3, 0, vec![line(0, "0", 0.0)])]);
        assert!(
            missing.contains("2 of 3 cells") && missing.contains("--shard 1/3, --shard 2/3"),
            "{missing}"
        );
        let twice = told(vec![shard(1, 0, all(3)), shard(3, 1, vec![line(1, "1", 1.5)])]);
        assert!(twice.contains("cell 1, in shard-000-of-001.jsonl and in shard-001-of-003.jsonl"), "{twice}");
        let same = told(vec![shard(1, 0, vec![line(0, "a", 1.0), line(1, "b", 1.0), line(2, "a", 2.0)])]);
        assert!(same.contains("cells 0 and 2, which are made from the same"), "{same}");
        let mut other = shard(1, 0, all(3));
        other.1.sweep = "00000000000000bb".into();
        assert!(told(vec![other]).contains("belongs to another one"));
        assert!(told(vec![shard(1, 0, all(4))]).contains("no cell 3"));
        assert!(told(vec![]).contains("3 of 3 cells"));
        let old = Manifest { tool: "regionsim 0.0.1".into(), ..manifest(0) };
        assert!(merge(&old, vec![]).unwrap_err()[0].contains("regionsim 0.0.1"));
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_a_broken_one_before_it_told() {
        let (_, header, lines) = shard(1, 0, all(3));
        let text = written(&header, lines.clone()).unwrap();
        let read = read_shard("s", &text).unwrap().unwrap();
        assert_eq!((&read.0, &read.1, read.2), (&header, &lines, text.len()));
        let cut = &text[..text.len() - 7];
        let (_, rows, whole) = read_shard("s", cut).unwrap().unwrap();
        assert_eq!((rows.as_slice(), &text[whole..whole + 9]), (&lines[..2], "{\"cell\":2"));
        assert!(read_shard("s", "{\"schema_ver").unwrap().is_none());
        assert!(read_shard("s", "").unwrap().is_none());
        let broken = text.replace("\"cell\":1", "\"cell\":");
        assert!(read_shard("s", &broken).unwrap_err().starts_with("s:3: "));
    }
}
