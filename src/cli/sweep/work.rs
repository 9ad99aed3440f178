//! The cells of a shard, run and written down as they end.

use super::super::exit::Failure;
use super::super::interrupt;
use super::super::progress::Progress;
use super::How;
use super::ask::Asked;
use super::folder::Journal;
use crate::observe::{Observation, Observer};
use crate::report::summarise_cell;
use crate::report::taken::taken;
use crate::run::Prepared;
use crate::sweep::{Cell, Shard, play};
use crate::time::SimTime;
use std::cell::RefCell;
use std::panic;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics where it is asked to.
struct Planted(bool);

impl Observer for Planted {
    fn observe(&mut self, _: SimTime, _: &Observation<'_>) {
        assert!(!self.0, "planted");
    }
}

/// Runs what of `cells` is the shard's and is not in the journal.
pub(super) fn run(
    asked: &Asked,
    cells: &[Cell],
    journal: &mut Journal,
    shard: Shard,
    how: &How,
    out: &Path,
) -> Result<(), Failure> {
    let own: Vec<&Cell> = cells.iter().filter(|cell| shard.has(cell.number)).collect();
    let left: Vec<&Cell> = own.iter().copied().filter(|cell| !journal.has(cell.number)).collect();
    let progress = Progress::of_cells(own.len(), own.len() - left.len(), how.quiet);
    interrupt::begin_kept("cell", own.len() - left.len(), Some(own.len()), out.display().to_string());
    let journal = Mutex::new((journal, Ok(())));
    // A cell that panics is a row, not a message; the row says where.
    let before = panic::take_hook();
    panic::set_hook(Box::new(|info| {
        PLACE.with_borrow_mut(|place| *place = info.location().map(ToString::to_string));
    }));
    play(
        &asked.points,
        &left,
        &|point| asked.plan(point).map(Prepared::of).map_err(|found| found.render(false)),
        &|cell| Planted(how.plant_panic == Some(cell.number)),
        &|result| taken(&summarise_cell(result)),
        &|_, run| {
            #[expect(clippy::disallowed_methods, reason = "how long a cell took stands apart from results")]
            let begun = Instant::now();
            let mut row = run();
            if let (Some(reason), Some(place)) = (&mut row.reason, PLACE.take()) {
                *reason = format!("{reason}, at {place}");
            }
            progress.cell_done();
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            let written = journal.0.push(&row, begun.elapsed());
            let fine = written.is_ok();
            if fine {
                interrupt::one_done();
            }
            if journal.1.is_ok() {
                journal.1 = written;
            }
            fine
        },
    );
    panic::set_hook(before);
    progress.finish();
    let (_, written) = journal.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(written?)
}
