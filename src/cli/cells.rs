//! Cells side by side, for commands that want their summaries and no files.

use super::exit::Failure;
use super::interrupt;
use super::progress::Progress;
use crate::gate::{Metric, Sample};
use crate::report::{CellSummary, summarise_cell};
use crate::run::{Prepared, run_cell};
use crate::world::PolicyParams;
use anyhow::anyhow;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cell to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'p> {
    /// The plan it is of.
    pub prepared: &'p Prepared,
    /// How it routes.
    pub policy: &'p PolicyParams,
    /// Its seed.
    pub seed: u64,
}

/// Runs them all for a command and summarises each, in their order, whatever the number of threads (all cores where `None`).
pub(super) fn run(
    command: &'static str,
    cells: &[Cell<'_>],
    threads: Option<u32>,
    quiet: bool,
) -> Result<Vec<CellSummary>, Failure> {
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(count) = threads {
        pool = pool.num_threads(count as usize);
    }
    let progress = Progress::new(cells.len(), quiet);
    let left = AtomicUsize::new(cells.len());
    interrupt::begin_answer(command, cells.len());
    let results: Result<Vec<CellSummary>, _> = pool.build()?.install(|| {
        let one = |cell: &Cell<'_>| {
            let input = cell.prepared.cell(cell.policy, cell.seed);
            let summary = run_cell(&input, None, progress.watcher()).map(|result| summarise_cell(&result));
            interrupt::one_done();
            progress.left(left.fetch_sub(1, Ordering::Relaxed) - 1);
            summary
        };
        cells.par_iter().map(one).collect()
    });
    progress.finish();
    Ok(results?)
}

/// What verdicts need of them. A group that a metric names must be one of the cell's.
pub(super) fn sample(cells: &[CellSummary], asked: &[&Metric]) -> Result<Vec<Sample>, Failure> {
    for cell in cells {
        for metric in asked {
            if let Some((name, known)) = metric.missing_group(cell) {
                let known = known.join(", ");
                return Err(Failure::usage(anyhow!("{metric}: there is no `{name}`; there are {known}")));
            }
        }
    }
    Ok(cells.iter().map(|cell| Sample::of(cell, asked.iter().copied())).collect())
}
