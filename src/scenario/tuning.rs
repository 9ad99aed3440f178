//! What `tune` is asked for: which parameters of which policy, what better means, and which worlds. Knows policies as their
//! parameters are written; must not know how anything is searched or run.

mod axis;
mod cut;
mod knob;
mod strategy;

pub use axis::{Axis, Scale};
pub use cut::{Cut, WindowError};
pub use knob::{Knob, KnobError, Wrong};
pub use strategy::Strategy;

use crate::measure::Selector;
use crate::scenario::nearest::suggest;
use serde::Serialize;

/// What is made better where nothing is named: as GORGO's tuner (atoniolo76/GORGO at f624302, gorgo/tuner.py).
pub const OBJECTIVE: &str = "ttft.p95";
/// The most runs of a search: our choice, fifty candidates of four seeds.
pub const BUDGET: u32 = 200;
/// Candidates that are run on the judged worlds: our choice, an eighth of the budget.
pub const ORACLE: u32 = 24;
/// How sure intervals and verdicts are.
pub const CONFIDENCE: f64 = 0.95;
/// In `keep`, all that is kept by default.
pub const DEFAULT: &str = "default";

/// What `tune` is asked for. What is `None` depends on the workload, or on the command line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuning {
    /// The policy; `None` where the scenario has several and names none.
    pub policy: Option<String>,
    /// Parameters and their ranges, as written.
    pub over: Vec<(String, String)>,
    /// How to search.
    pub method: Strategy,
    /// What is made better.
    pub objective: Option<String>,
    /// What must not be lost, and by how much it may be, as written.
    pub keep: Vec<(String, String)>,
    /// The most runs that the search may take.
    pub budget: u32,
    /// Seeds of a candidate.
    pub seeds: Option<u32>,
    /// Seeds to judge on.
    pub judge_seeds: Option<u32>,
    /// The part of a trace to search on, as written.
    pub train: Option<String>,
    /// The part of a trace to judge on, as written.
    pub judge: Option<String>,
    /// Weights to be held against, as written.
    pub against: Vec<String>,
    /// Candidates that are run on the judged worlds.
    pub oracle: u32,
    /// Of intervals and verdicts, 0 to 1.
    pub confidence: f64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            policy: None,
            over: Vec::new(),
            method: Strategy::default(),
            objective: None,
            keep: Vec::new(),
            budget: BUDGET,
            seeds: None,
            judge_seeds: None,
            train: None,
            judge: None,
            against: Vec::new(),
            oracle: ORACLE,
            confidence: CONFIDENCE,
        }
    }
}

/// A measure that is better for more or for less, of no policy: what can be made better, or lost.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn directed(text: &str) -> Result<Selector, String> {
    let hint = |name: &str, known: &[&str]| suggest(name, "known", known.iter().copied());
    let selector = Selector::parse(text, hint).map_err(|error| error.0)?;
    if selector.policy.is_some() {
        return Err(format!("`{text}` names a policy, which is chosen elsewhere here; leave `policy` out"));
    }
    if selector.known.fact {
        return Err(format!(
            "`{text}` is neither better for more nor for less; choose another, such as {OBJECTIVE}"
        ));
    }
    Ok(selector)
}
