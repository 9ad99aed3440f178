//! Measurements as CSV: a header and rows, every mistake told with its line. Knows cells; must not know what they mean.

use std::str::FromStr;

/// A CSV file with a header.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    /// Line number, from 1, and cells.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Mistakes of a file, each with its line.
pub type Findings = Vec<String>;

impl Table {
    /// Reads `text`; lines that begin with `#` are skipped.
    pub fn parse(text: &str) -> Result<Table, Findings> {
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader.headers().map_err(|error| vec![format!("line 1: {error}")])?;
        let header: Vec<String> = header.iter().map(str::to_owned).collect();
        let (mut rows, mut findings) = (Vec::new(), Vec::new());
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    rows.push((line, record.iter().map(str::to_owned).collect()));
                }
                Err(error) => findings.push(error.to_string()),
            }
        }
        if rows.is_empty() && findings.is_empty() {
            findings.push("line 2: there are no rows under the header".to_owned());
        }
        if findings.is_empty() { Ok(Table { header, rows }) } else { Err(findings) }
    }
    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.header.iter().any(|name| name == column)
    }
    /// A cell's text; empty when there is no such column.
    pub fn text<'a>(&self, cells: &'a [String], column: &str) -> &'a str {
        let place = self.header.iter().position(|name| name == column);
        place.and_then(|place| cells.get(place)).map_or("", String::as_str)
    }
    /// A number; `None` when the cell is empty or there is no such column. A mistake is added to `findings`.
    pub fn number<T: FromStr + PartialOrd + Copy + std::fmt::Display>(
        &self,
        (line, cells): (u64, &[String]),
        column: &str,
        (least, most): (T, T),
        findings: &mut Findings,
    ) -> Option<T> {
        let text = self.text(cells, column);
        if text.is_empty() {
            return None;
        }
        // `1024.0` is how some tools write a whole number.
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let value = text.parse::<T>().or_else(|_| whole.parse::<T>()).ok();
        let inside = value.filter(|value| *value >= least && *value <= most);
        if inside.is_none() {
            findings.push(format!(
                "line {line}: {column} is `{text}`, but must be a number from {least} to {most}"
            ));
        }
        inside
    }
    /// What columns are missing, as a finding.
    pub fn needs(&self, columns: &[&str]) -> Result<(), Findings> {
        let missing: Vec<&str> = columns.iter().copied().filter(|column| !self.has(column)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (missing, header) = (missing.join(", "), self.header.join(","));
        Err(vec![format!("line 1: the columns {missing} are missing; the header is {header}")])
    }
}

/// At most so many findings, and how many more there are.
pub fn shorten(mut findings: Findings, most: usize) -> Findings {
    let more = findings.len().saturating_sub(most);
    findings.truncate(most);
    if more > 0 {
        findings.push(format!("and {more} more"));
    }
    findings
}
