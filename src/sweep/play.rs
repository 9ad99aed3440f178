//! Cells side by side. Knows how a cell is run and that one that panics must not end the others; must not know files or
//! clocks. Cells are begun in their order, and what a point's cells share lives no longer than they do.

use super::cells::Cell;
use super::point::Point;
use super::row::{GroupRow, Row, Status, histograms};
use crate::observe::Observer;
use crate::run::{Prepared, RunResult, run_cell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the caller takes from a finished cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// Measures in their order.
    pub measures: Vec<(String, f64)>,
    /// Those that stand on too few samples.
    pub unreliable: Vec<String>,
    /// The same of groups.
    pub groups: Vec<GroupRow>,
}

/// Where the cells of a point find what they share: the plan, and how many of them are still to come.
type Shared = Mutex<(Option<Arc<Prepared>>, usize)>;

/// Runs `cells` on as many threads as the current pool has. `around` is called for each with a function that runs it; what it
/// returns says whether to go on.
pub fn play<O: Observer>(
    points: &[Point],
    cells: &[&Cell],
    prepare: &(dyn Fn(&Point) -> Result<Prepared, String> + Sync),
    watcher: &(dyn Fn(&Cell) -> O + Sync),
    take: &(dyn Fn(&RunResult) -> Taken + Sync),
    around: &(dyn Fn(&Cell, &mut dyn FnMut() -> Row) -> bool + Sync),
) {
    let mut shared: BTreeMap<usize, Shared> = BTreeMap::new();
    for cell in cells {
        let place = shared.entry(cell.point).or_default();
        place.get_mut().unwrap_or_else(PoisonError::into_inner).1 += 1;
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    rayon::broadcast(|_| {
        while !stop.load(Ordering::Relaxed) {
            let Some(&cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let (Some(point), Some(place)) = (points.get(cell.point), shared.get(&cell.point)) else {
                continue;
            };
            let mut run = || row(point, cell, place, prepare, watcher, take);
            if !around(cell, &mut run) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
}

fn row<O: Observer>(
    point: &Point,
    cell: &Cell,
    place: &Shared,
    prepare: &(dyn Fn(&Point) -> Result<Prepared, String> + Sync),
    watcher: &(dyn Fn(&Cell) -> O + Sync),
    take: &(dyn Fn(&RunResult) -> Taken + Sync),
) -> Row {
    // Everything a panic could leave half done is the cell's own and dropped with it.
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let prepared = {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            match &place.0 {
                Some(prepared) => prepared.clone(),
                None => place.0.insert(Arc::new(prepare(point)?)).clone(),
            }
        };
        let policy = prepared.plan.policies.iter().find(|policy| policy.name == cell.policy);
        let policy = policy.ok_or_else(|| format!("the point has no policy `{}`", cell.policy))?;
        let watcher = watcher(cell);
        let result =
            run_cell(&prepared.cell(policy, cell.seed), None, watcher).map_err(|error| error.to_string())?;
        if result.conservation.violations > 0 {
            let first = result.conservation.first.first().map_or_else(String::new, ToString::to_string);
            return Err(format!("requests were lost or made up: {first}; please report it"));
        }
        Ok((take(&result), histograms(&result), format!("{:016x}", result.outcome_digest)))
    }));
    {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.1 = place.1.saturating_sub(1);
        if place.1 == 0 {
            place.0 = None;
        }
    }
    let mut row = Row {
        cell: cell.number,
        id: format!("{:016x}", cell.id),
        point: cell.point as u64,
        settings: point.settings.iter().cloned().collect(),
        policy: cell.policy.clone(),
        seed: cell.seed,
        ..Row::default()
    };
    let failure = match ran {
        Ok(Ok((taken, histograms, digest))) => {
            row.outcome_digest = digest;
            row.histograms = histograms;
            (row.measures, row.unreliable, row.groups) = (taken.measures, taken.unreliable, taken.groups);
            return row;
        }
        Ok(Err(reason)) => reason,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            format!("panicked: {}", text.unwrap_or_else(|| "without a word".to_string()))
        }
    };
    row.status = Status::Failed;
    row.reason = Some(failure);
    row
}
