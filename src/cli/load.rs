//! From a scenario file to what commands need of it, with its mistakes shown as they are.

use super::exit::{Exit, Failure, Invalid};
use super::terminal;
use crate::run::Prepared;
use crate::scenario::{self, Plan};
use std::io::Read;
use std::path::Path;

/// Reads a scenario with overrides; `-` is stdin.
pub fn plan(file: &str, set: &[String]) -> Result<Plan, Failure> {
    let found = if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(Failure::usage)?;
        scenario::parse("<stdin>", &text, Path::new("."), "stdin", set)
    } else {
        scenario::load(Path::new(file), set)
    };
    found.map_err(|diagnostics| Failure { exit: Exit::Usage, error: Invalid(diagnostics).into() })
}

/// Reads a scenario and makes it ready for its cells; tells what to know about it.
pub fn load(file: &str, set: &[String], quiet: bool) -> Result<Prepared, Failure> {
    let plan = plan(file, set)?;
    tell(&plan, quiet);
    Ok(Prepared::of(plan))
}

/// Shows a plan's notices.
pub fn tell(plan: &Plan, quiet: bool) {
    if !quiet && !plan.notices.items.is_empty() {
        terminal::plain(&plan.notices.render(terminal::stderr_colour()));
    }
}
