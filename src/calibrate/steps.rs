//! Measured engine steps: one row a step, its shape and how long it took. Knows the columns; must not know who measured.
//! `scripts/measure-steps.py` writes them.

use super::measured::{Hardware, Measured, Quantity};
use super::sample::{Sample, What};
use super::table::{Findings, Table};
use crate::timing::BatchShape;

/// The columns that must be there.
pub const NEEDED: [&str; 4] = ["tokens", "sequences", "context_tokens", "step_us"];
/// The most tokens or sequences of a step, and of its context: far beyond any.
const MOST: u32 = 100_000_000;
const MOST_CONTEXT: u64 = 10_000_000_000;

/// Whether a table is one of steps.
pub fn is(table: &Table) -> bool {
    table.has("step_us")
}

/// Reads the rows; `hardware` names what a row ran on.
pub fn read(
    table: &Table,
    mut hardware: impl FnMut(u64, &[String], &mut Findings) -> Option<Hardware>,
    source: &str,
) -> Result<Vec<Sample>, Findings> {
    table.needs(&NEEDED)?;
    let (mut samples, mut findings) = (Vec::new(), Vec::new());
    for (line, cells) in &table.rows {
        let row = (*line, cells.as_slice());
        let before = findings.len();
        let found = hardware(*line, cells, &mut findings);
        let tokens = table.number(row, "tokens", (1, MOST), &mut findings);
        let sequences = table.number(row, "sequences", (1, MOST), &mut findings);
        let context = table.number(row, "context_tokens", (0, MOST_CONTEXT), &mut findings);
        let prefills = table.number(row, "prefills", (0, MOST), &mut findings);
        let pairs2 = table.number(row, "prefill_pairs2", (0, u64::MAX / 4), &mut findings);
        let step_us = table.number(row, "step_us", (1e-3, 3.6e9), &mut findings);
        let (Some(hardware), Some(tokens), Some(sequences), Some(context), Some(step_us)) =
            (found, tokens, sequences, context, step_us)
        else {
            if findings.len() == before {
                findings.push(format!("line {line}: one of {} is empty", NEEDED.join(", ")));
            }
            continue;
        };
        // A step with more tokens than sequences has prefills, one of whose prompts is all of the surplus.
        let prefills = prefills.unwrap_or(u32::from(tokens > sequences));
        if sequences > tokens || prefills > sequences || (prefills == 0 && tokens > sequences) {
            findings.push(format!(
                "line {line}: {tokens} tokens in {sequences} sequences, {prefills} of which prefill, cannot be; a \
                 decode has one token, a prefill at least one"
            ));
            continue;
        }
        let prompt_tokens = tokens - (sequences - prefills);
        let chunk = prompt_tokens.checked_div(prefills).unwrap_or(0);
        let pairs2 = pairs2.unwrap_or(u64::from(prompt_tokens) * (u64::from(chunk) + 1));
        let shape = BatchShape {
            tokens,
            sequences,
            prefills,
            prefill_pairs2: if prefills > 0 { pairs2 } else { 0 },
            context_tokens: context,
        };
        samples.push(Sample {
            hardware,
            source: source.to_owned(),
            input_tokens: chunk,
            concurrency: sequences,
            what: What::Step(shape),
            measured: vec![Measured { quantity: Quantity::Step, ms: step_us / 1e3, weight: 1.0 }],
        });
    }
    if findings.is_empty() { Ok(samples) } else { Err(findings) }
}
