//! Interrupts: Ctrl-C and SIGTERM take away what is not whole, say what is missing and end the process; a failure says the
//! same. Knows how far this process is and what of it is on the disk; must not know what it is. Where there are no such signals, a
//! killed process leaves hidden files that the next run takes over.

use super::exit::Exit;
use super::{Outcome, terminal};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most policies that are named.
const NAMED: usize = 8;

/// The runs of this process.
#[derive(Debug, Default)]
struct Running {
    /// The folder they are written to; none where there are no files.
    folder: Option<String>,
    /// Each policy, how many of its runs have finished, and of how many.
    policies: Vec<(String, usize, usize)>,
}

/// What this process is at.
#[derive(Debug)]
enum Work {
    /// Runs that are kept together or not at all.
    Runs(Running),
    /// Work that is written down piece by piece: what a piece is, how many there are, of how many, and where.
    Kept { what: &'static str, done: usize, of: Option<usize>, file: String },
    /// Work of a command that writes nothing before it is done.
    Answer { command: &'static str, done: usize, of: usize },
}

static RUNNING: Mutex<Option<Work>> = Mutex::new(None);

fn running() -> MutexGuard<'static, Option<Work>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs begin: each policy with the number of its runs.
pub(super) fn begin(folder: Option<String>, policies: impl Iterator<Item = (String, usize)>) {
    let policies = policies.map(|(name, runs)| (name, 0, runs)).collect();
    *running() = Some(Work::Runs(Running { folder, policies }));
}

/// Work begins that is written down in `file`, piece by piece; `done` of them are there already.
pub(super) fn begin_kept(what: &'static str, done: usize, of: Option<usize>, file: String) {
    *running() = Some(Work::Kept { what, done, of, file });
}

/// Work begins of a command that writes nothing before it is done: so many runs, or so many more.
pub(super) fn begin_answer(command: &'static str, more: usize) {
    let mut running = running();
    match running.as_mut() {
        Some(Work::Answer { of, .. }) => *of += more,
        _ => *running = Some(Work::Answer { command, done: 0, of: more }),
    }
}

/// Says what is kept of work that failed on its way; not where the command line was wrong.
pub(super) fn told(outcome: Outcome) -> Outcome {
    let kept =
        running().as_ref().filter(|work| matches!(work, Work::Kept { done: 1.., .. })).map(Work::missing);
    if let (Err(failure), Some(kept)) = (&outcome, kept)
        && failure.exit == Exit::Failed
        && !failure.is_broken_pipe()
    {
        terminal::warning(&kept);
    }
    outcome
}

/// One more piece is written down, or one more run done.
pub(super) fn one_done() {
    if let Some(Work::Kept { done, .. } | Work::Answer { done, .. }) = running().as_mut() {
        *done += 1;
    }
}

/// One run of this policy has finished.
pub(super) fn finished(policy: &str) {
    if let Some(Work::Runs(all)) = running().as_mut()
        && let Some((_, done, _)) = all.policies.iter_mut().find(|(name, ..)| name == policy)
    {
        *done += 1;
    }
}

/// All files are in their places: nothing is missing any more.
pub(super) fn end() {
    *running() = None;
}

/// What is missing, if runs have begun.
pub(super) fn missing() -> Option<String> {
    running().as_ref().map(Work::missing)
}

impl Work {
    fn missing(&self) -> String {
        match self {
            Work::Runs(runs) => runs.missing(),
            Work::Kept { what, done: 0, .. } => format!("no {what} was done; begin again"),
            Work::Kept { what, done, of, file } => {
                let of = of.map_or(String::new(), |of| format!(" of {of}"));
                format!("{done}{of} {what}s are kept in {file}; the same command with --resume goes on")
            }
            Work::Answer { command, done, of } => {
                format!(
                    "{done} of {of} runs were done; {command} keeps none of them and has written nothing: begin again"
                )
            }
        }
    }
}

impl Running {
    fn missing(&self) -> String {
        let list = |names: Vec<String>| {
            let more = names.len().saturating_sub(NAMED);
            let some = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            if more > 0 { format!("{some} and {more} more") } else { some }
        };
        let whole = self.policies.iter().filter(|(_, done, runs)| done == runs);
        let whole: Vec<String> = whole.map(|(name, ..)| name.clone()).collect();
        let parts = self.policies.iter().filter(|(_, done, runs)| done < runs).map(|(name, done, runs)| {
            if *runs > 1 { format!("{name} ({done} of {runs} seeds)") } else { name.clone() }
        });
        let parts: Vec<String> = parts.collect();
        let finished = if whole.is_empty() {
            "no policy had finished".into()
        } else {
            format!("finished: {}", list(whole))
        };
        let open = if parts.is_empty() { String::new() } else { format!("; not finished: {}", list(parts)) };
        let files = match &self.folder {
            Some(folder) => {
                format!("; no file of this run was kept, the summary neither: {folder} is as it was")
            }
            None => String::new(),
        };
        format!("{finished}{open}{files}")
    }
}

/// Listens for the rest of the process.
#[cfg(unix)]
#[allow(clippy::exit)] // The signals' own thread is the one that ends the process; nobody else may go on.
pub(super) fn listen() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        // What is being put in place is first; after that, nothing is.
        let _held = crate::report::atomic::abandon();
        let missing = missing().map_or_else(String::new, |missing| format!(": {missing}"));
        terminal::clear_line();
        terminal::warning(&format!("interrupted{missing}"));
        // As shells say it: 130 and 143.
        std::process::exit(128 + signal);
    });
}

/// Nothing to listen to.
#[cfg(not(unix))]
pub(super) fn listen() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_by_policy() {
        let policy = |name: &str, done, runs| (name.to_string(), done, runs);
        let running = Running {
            folder: Some("reports/x".into()),
            policies: vec![policy("a", 2, 2), policy("b", 1, 2), policy("c", 0, 2)],
        };
        assert_eq!(
            running.missing(),
            "finished: a; not finished: b (1 of 2 seeds), c (0 of 2 seeds); no file of this run was kept, the summary \
             neither: reports/x is as it was"
        );
        let kept = |done, of| Work::Kept { what: "cell", done, of, file: "x.part".into() }.missing();
        assert_eq!(
            kept(3, Some(8)),
            "3 of 8 cells are kept in x.part; the same command with --resume goes on"
        );
        assert_eq!(kept(3, None), "3 cells are kept in x.part; the same command with --resume goes on");
        assert_eq!(kept(0, Some(8)), "no cell was done; begin again");
        let answer = Work::Answer { command: "compare", done: 3, of: 20 }.missing();
        assert_eq!(
            answer,
            "3 of 20 runs were done; compare keeps none of them and has written nothing: begin again"
        );
        let many = (0..10).map(|i| policy(&i.to_string(), 0, 1)).collect();
        let running = Running { folder: None, policies: many };
        assert_eq!(
            running.missing(),
            "no policy had finished; not finished: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
        );
    }
}
