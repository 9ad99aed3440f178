//! Progress on stderr: how many cells are done and how many requests have ended. Silent where stderr is no
//! terminal or quiet is asked for; its clock never reaches a result.

use crate::observe::{Observation, Observer};
use crate::time::SimTime;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A progress line for all cells.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A line for so many cells.
    pub fn new(cells: usize, quiet: bool) -> Progress {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{spinner} {human_pos} requests simulated, {msg} [{elapsed}]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(format!("{cells} cells to go"));
        if shown {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Progress { bar }
    }
    /// A line that counts cells, some of them done already, and says how long the rest may take.
    pub fn of_cells(cells: usize, done: usize, quiet: bool) -> Progress {
        let progress = Progress::new(cells, quiet);
        progress.bar.set_length(cells as u64);
        progress.bar.set_position(done as u64);
        progress.bar.reset_eta();
        let template = "{bar:24} {human_pos} of {human_len} cells [{elapsed}, {eta} left]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.bar.set_style(style);
        }
        progress
    }
    /// A cell is done.
    pub fn cell_done(&self) {
        self.bar.inc(1);
    }
    /// So many cells are still to do.
    pub fn left(&self, cells: usize) {
        self.bar.set_message(format!("{cells} cells to go"));
    }
    /// How far it is, in words.
    pub fn say(&self, text: String) {
        self.bar.set_message(text);
    }
    /// An observer that counts the requests of one cell.
    pub fn watcher(&self) -> Watcher {
        Watcher { bar: self.bar.clone(), pending: 0 }
    }
    /// A line for a search, of which nobody knows how many cells it takes.
    pub fn of_search(quiet: bool) -> Progress {
        let progress = Progress::new(0, quiet);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} cells played [{elapsed}]") {
            progress.bar.set_style(style);
        }
        progress
    }
    /// One more cell of a search.
    pub fn cell(&self) {
        self.bar.inc(1);
    }
    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Counts ended requests for the progress line, a few hundred at a time.
#[derive(Debug)]
pub struct Watcher {
    bar: ProgressBar,
    pending: u64,
}

impl Observer for Watcher {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        if let Observation::Ended(_) = observation {
            self.pending += 1;
            if self.pending == 256 {
                self.bar.inc(std::mem::take(&mut self.pending));
            }
        }
    }
}
