//! Interrupts: Ctrl-C and SIGTERM take away what is not whole, say what is missing and end the process; a failure says the
//! same. Knows which runs of this process have finished; must not know what they are. Where there are no such signals, a
//! killed process leaves hidden files that the next run takes over.

use super::terminal;
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

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// What is said of a search that is interrupted.
type Said = Box<dyn Fn() -> String + Send>;

static SEARCH: Mutex<Option<Said>> = Mutex::new(None);

/// A search begins: `left` says what an interrupt leaves of it.
pub(super) fn searching(left: impl Fn() -> String + Send + 'static) {
    *SEARCH.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(left));
}

fn running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs begin: each policy with the number of its runs.
pub(super) fn begin(folder: Option<String>, policies: impl Iterator<Item = (String, usize)>) {
    let policies = policies.map(|(name, runs)| (name, 0, runs)).collect();
    *running() = Some(Running { folder, policies });
}

/// One run of this policy has finished.
pub(super) fn finished(policy: &str) {
    if let Some((_, done, _)) =
        running().as_mut().and_then(|all| all.policies.iter_mut().find(|(name, ..)| name == policy))
    {
        *done += 1;
    }
}

/// All files are in their places: nothing is missing any more.
pub(super) fn end() {
    *running() = None;
    *SEARCH.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// What is missing, if runs have begun.
pub(super) fn missing() -> Option<String> {
    running().as_ref().map(Running::missing)
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
        let search = SEARCH.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = missing().or_else(|| search.as_ref().map(|left| left()));
        let missing = missing.map_or_else(String::new, |missing| format!(": {missing}"));
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
        let many = (0..10).map(|i| policy(&i.to_string(), 0, 1)).collect();
        let running = Running { folder: None, policies: many };
        assert_eq!(
            running.missing(),
            "no policy had finished; not finished: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
        );
    }
}
