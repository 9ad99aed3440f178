//! Round trips from CSV: a header `from,<region>,…`, then one row a region with milliseconds; an empty cell or a dash
//! states nothing. Knows text and line numbers; must not know which regions there are.

use super::matrix::Override;
use crate::time::Span;
use std::collections::BTreeSet;

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct MatrixCsvError {
    /// Line number, from 1.
    pub line: u64,
    /// What is wrong, and what it should be.
    pub problem: String,
}

/// The longest round trip a file may state, ms: a minute. Longer ones are mistaken units.
const MAX_MS: f64 = 60_000.0;

/// The stated round trips of a matrix file, one way each.
pub fn parse(text: &str) -> Result<Vec<Override>, MatrixCsvError> {
    let fail = |line: u64, problem: String| Err(MatrixCsvError { line, problem });
    let mut header: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut overrides = Vec::new();
    // Line by line: the reader's own positions start before the comments and blank lines that it skips.
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let record = match reader.records().next() {
            Some(Ok(record)) => record,
            Some(Err(error)) => return fail(line, error.to_string()),
            None => continue,
        };
        let mut cells = record.iter();
        let from = cells.next().unwrap_or_default();
        if header.is_empty() {
            if from != "from" || record.len() < 2 {
                return fail(line, format!("the header starts with {from:?}; it must be `from,<region>,…`"));
            }
            header = cells.map(str::to_owned).collect();
            let mut names = BTreeSet::new();
            if let Some(name) = header.iter().find(|name| name.is_empty() || !names.insert(name.as_str())) {
                return fail(
                    line,
                    format!("column {name:?} is empty or stands twice; every region has one column"),
                );
            }
            continue;
        }
        if record.len() != header.len() + 1 {
            let (have, want) = (record.len(), header.len() + 1);
            return fail(line, format!("row {from:?} has {have} cells; the header has {want}"));
        }
        if from.is_empty() || !seen.insert(from.to_owned()) {
            return fail(
                line,
                format!("row {from:?} is without a name or stands twice; every region has one row"),
            );
        }
        for (to, cell) in header.iter().zip(cells) {
            if cell.is_empty() || cell == "-" || cell == "–" {
                continue;
            }
            match cell.parse::<f64>() {
                Ok(ms) if (0.0..=MAX_MS).contains(&ms) => overrides.push(Override {
                    from: from.to_owned(),
                    to: to.clone(),
                    rtt: Span::from_ms_f64(ms),
                    both_ways: false,
                }),
                _ => {
                    let rule = "a number of milliseconds from 0 to 60000, or an empty cell";
                    return fail(line, format!("{from:?} to {to:?} is {cell:?}; it must be {rule}"));
                }
            }
        }
    }
    if header.is_empty() {
        return fail(1, "the file is empty; it must start with `from,<region>,…`".to_owned());
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_reads_with_gaps_comments_and_fractions() {
        let read = parse("# measured at home\nfrom,eu,us\neu,,80.5\nus, 81 ,-\n").unwrap();
        let stated = |from: &str, to: &str, us: u64| Override {
            from: from.into(),
            to: to.into(),
            rtt: Span::from_us(us),
            both_ways: false,
        };
        assert_eq!(read, [stated("eu", "us", 80_500), stated("us", "eu", 81_000)]);
    }

    #[test]
    fn errors_name_the_line_the_cell_and_the_rule() {
        let cases = [
            ("", 1, "empty"),
            ("to,eu\neu,1\n", 1, "from,<region>"),
            ("from,eu,eu\neu,1,1\n", 1, "stands twice"),
            ("from,eu,us\neu,1\n", 2, "has 2 cells"),
            ("from,eu,us\neu,1,80\neu,1,80\n", 3, "stands twice"),
            ("from,eu,us\n# note\neu,1,fast\n", 3, "\"fast\""),
            ("from,eu,us\neu,1,-80\n", 2, "\"-80\""),
            ("from,eu,us\neu,1,NaN\n", 2, "\"NaN\""),
            ("from,eu,us\neu,1,80000\n", 2, "0 to 60000"),
        ];
        for (text, line, part) in cases {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
    }
}
