//! Step time from measured steps. Knows a complete grid of (tokens, context) and interpolates in it: linear in tokens,
//! then linear in context, split at the measured contexts; must not know how the steps were measured. Beyond the grid
//! the last segment goes on, and `extrapolates` says so.

use super::params::{MAX_SLOPE_PS, TableParams, TableRow, TimingError};
use super::{BatchShape, Line, StepTime};
use std::collections::BTreeMap;

/// A grid of measured steps.
#[derive(Clone, Debug)]
pub struct Table {
    tokens: Vec<u32>,
    contexts: Vec<u64>,
    /// Picoseconds by `[tokens][context]`.
    step_ps: Vec<Vec<i64>>,
}

impl Table {
    /// Sorts the rows into a grid; refuses holes, duplicates and times that are not positive.
    pub fn new(params: &TableParams) -> Result<Table, TimingError> {
        let mut cells = BTreeMap::new();
        for row in &params.rows {
            if !(row.step_us > 0.0 && row.step_us <= MAX_STEP_US) {
                let rule = "above 0 and at most an hour".to_owned();
                return Err(TimingError::OutOfRange {
                    field: "step_us",
                    value: row.step_us.to_string(),
                    rule,
                });
            }
            if row.context_tokens > MAX_CONTEXT {
                let (value, rule) = (row.context_tokens.to_string(), format!("at most {MAX_CONTEXT}"));
                return Err(TimingError::OutOfRange { field: "context_tokens", value, rule });
            }
            let TableRow { tokens, context_tokens, step_us } = *row;
            if cells.insert((tokens, context_tokens), ((step_us * 1e6).round() as i64).max(1)).is_some() {
                return Err(TimingError::DuplicateRow { tokens, context_tokens });
            }
        }
        let sorted = |mut values: Vec<u64>| {
            values.sort_unstable();
            values.dedup();
            values
        };
        let contexts = sorted(cells.keys().map(|&(_, context)| context).collect());
        let tokens = sorted(cells.keys().map(|&(tokens, _)| u64::from(tokens)).collect());
        if contexts.len() < 2 {
            return Err(TimingError::TooFewRows { contexts: contexts.len(), tokens: tokens.len() });
        }
        let tokens: Vec<u32> = tokens.into_iter().map(|tokens| tokens as u32).collect();
        let mut step_ps = Vec::with_capacity(tokens.len());
        for &tokens in &tokens {
            let row: Result<Vec<i64>, TimingError> = contexts
                .iter()
                .map(|&context_tokens| {
                    let cell = cells.get(&(tokens, context_tokens));
                    cell.copied().ok_or(TimingError::MissingRow { tokens, context_tokens })
                })
                .collect();
            step_ps.push(row?);
        }
        for times in &step_ps {
            for knot in 1..contexts.len() {
                let gap = (contexts[knot] - contexts[knot - 1]) as i64;
                if (times[knot] - times[knot - 1]).abs() / gap >= MAX_SLOPE_PS {
                    return Err(TimingError::OutOfRange {
                        field: "step_us",
                        value: format!("{} at context {}", times[knot] as f64 / 1e6, contexts[knot]),
                        rule: "less than 100 us from the row before for each token of context between them"
                            .to_owned(),
                    });
                }
            }
        }
        Ok(Table { tokens, contexts, step_ps })
    }

    /// The measured rows of a CSV file with columns `tokens`, `context_tokens` and `step_us`, in any order; lines that
    /// start with `#` are comments.
    pub fn parse_csv(text: &str) -> Result<Vec<TableRow>, TimingError> {
        let fail = |line, problem| Err(TimingError::Csv { line, problem });
        let mut lines = (1u64..)
            .zip(text.lines())
            .filter(|(_, text)| !text.trim().is_empty() && !text.starts_with('#'))
            .map(|(line, text)| (line, text.split(',').map(str::trim).collect::<Vec<_>>()));
        let Some((line, header)) = lines.next() else {
            return fail(1, format!("the file is empty; its header must be {}", COLUMNS.join(",")));
        };
        let position = |column: &str| header.iter().position(|name| *name == column);
        let (Some(tokens), Some(context), Some(step), 3) =
            (position(COLUMNS[0]), position(COLUMNS[1]), position(COLUMNS[2]), header.len())
        else {
            return fail(
                line,
                format!("the header is {}; it must be {}", header.join(","), COLUMNS.join(",")),
            );
        };
        let mut rows = Vec::new();
        for (line, cells) in lines {
            if cells.len() != 3 {
                return fail(line, format!("{} cells; the header has 3", cells.len()));
            }
            let read = |index: usize, rule: &str| TimingError::Csv {
                line,
                problem: format!("{} is {:?}; it must be {rule}", header[index], cells[index]),
            };
            rows.push(TableRow {
                tokens: cells[tokens].parse().map_err(|_| read(tokens, "a whole number"))?,
                context_tokens: cells[context].parse().map_err(|_| read(context, "a whole number"))?,
                step_us: cells[step]
                    .parse()
                    .ok()
                    .filter(|&us| us > 0.0 && us <= MAX_STEP_US)
                    .ok_or_else(|| read(step, "a number of microseconds above 0 and at most an hour"))?,
            });
        }
        Ok(rows)
    }

    /// The time at a measured context, in between or beyond the measured numbers of tokens.
    #[inline]
    fn at_knot(&self, tokens: u32, context: usize) -> i64 {
        if self.tokens.len() == 1 {
            return self.step_ps[0][context];
        }
        let lower = segment(&self.tokens, tokens);
        let (x0, x1) = (i128::from(self.tokens[lower]), i128::from(self.tokens[lower + 1]));
        let (y0, y1) =
            (i128::from(self.step_ps[lower][context]), i128::from(self.step_ps[lower + 1][context]));
        (y0 + (y1 - y0) * (i128::from(tokens) - x0) / (x1 - x0)).clamp(1, MAX_KNOT_PS) as i64
    }
}

/// The columns of a table's file.
const COLUMNS: [&str; 3] = ["tokens", "context_tokens", "step_us"];
/// The longest step a table may hold, µs: an hour.
const MAX_STEP_US: f64 = 3.6e9;
/// The largest context a table may hold: keeps products of slope and context inside 64 bits.
const MAX_CONTEXT: u64 = 10_000_000_000;
/// Where a time extrapolated over tokens ends, picoseconds: a thousand hours.
const MAX_KNOT_PS: i128 = 3_600_000_000_000_000_000;

/// The index of the segment's lower knot; the first and the last segment reach on.
#[inline]
fn segment<T: PartialOrd>(knots: &[T], value: T) -> usize {
    knots.partition_point(|knot| *knot < value).saturating_sub(1).min(knots.len() - 2)
}

impl StepTime for Table {
    #[inline]
    fn line(&self, shape: &BatchShape) -> Line {
        let lower = segment(&self.contexts, shape.context_tokens);
        let (x0, x1) = (self.contexts[lower] as i64, self.contexts[lower + 1] as i64);
        let (y0, y1) = (self.at_knot(shape.tokens, lower), self.at_knot(shape.tokens, lower + 1));
        // Rounded down: a line never ends above the knot where the next one starts, so a table that grows stays so.
        let slope_ps = (y1 - y0).div_euclid(x1 - x0).clamp(-MAX_SLOPE_PS, MAX_SLOPE_PS);
        let last = lower + 2 == self.contexts.len();
        let until_context = if last { u64::MAX } else { self.contexts[lower + 1] };
        Line { base_ps: y0 - slope_ps * x0, slope_ps, until_context }
    }
    fn extrapolates(&self, shape: &BatchShape) -> bool {
        let within = |value: u64, first: u64, last: u64| (first..=last).contains(&value);
        let (tokens, contexts) = (&self.tokens, &self.contexts);
        !within(u64::from(shape.tokens), u64::from(tokens[0]), u64::from(tokens[tokens.len() - 1]))
            || !within(shape.context_tokens, contexts[0], contexts[contexts.len() - 1])
    }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
