//! Scenario files: TOML with positions → what is written → the resolved plan, and every diagnostic on the way. Knows
//! files, names and defaults; must not know how anything runs.
//!
//! The way of a file: `overrides` changes the text, `document` parses it and remembers places, `check` compares it to
//! the schema and cuts out what is broken, serde reads the rest into `raw`, `resolve` looks names up and fills
//! defaults in. Mistakes of all steps after parsing are gathered and shown together.

pub mod check;
pub mod diagnostic;
pub mod document;
mod located;
pub mod nearest;
pub mod overrides;
pub mod plan;
pub mod planning;
pub mod raw;
pub mod reference;
pub mod resolve;
pub mod schema;
mod schema_parts;
pub mod tuning;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use plan::{Facts, Gate, Plan, PoolFacts, RegionFacts};
pub use planning::{Contingency, PlannedPool, Planning, Supply};
pub use schema::scenario_schema;
pub use tuning::Tuning;

use crate::workload::Shelf;
use document::Document;
use std::path::Path;

/// Reads the scenario file at `path`, with `--set` overrides, into a plan. With any mistake, all of them.
pub fn load(path: &Path, overrides: &[String]) -> Result<Plan, Diagnostics> {
    let stem = path.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    parse(&path.display().to_string(), &read(path)?, folder, &stem, overrides)
}

/// The text of a scenario's file.
///
/// # Errors
/// When there is none that can be read.
pub fn read(path: &Path) -> Result<String, Diagnostics> {
    let file = path.display().to_string();
    let unreadable = |title: String, help: &str| Diagnostics {
        file: file.clone(),
        text: String::new(),
        items: vec![Diagnostic::error_of_file(title).help(help)],
    };
    let bytes = std::fs::read(path).map_err(|error| {
        unreadable(
            format!("a scenario is a file that can be read: {error}"),
            "check the path; `scenarios/` has examples",
        )
    })?;
    if bytes.len() > document::MAX_BYTES {
        let title =
            format!("a scenario has at most {} bytes; this file has {}", document::MAX_BYTES, bytes.len());
        return Err(unreadable(title, "is this a trace? name it in `[workloads.NAME.trace]`"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unreadable(
            format!("a scenario is UTF-8 text; byte {at} is not"),
            "save the file as UTF-8, or check the path",
        )
    })
}

/// Reads a scenario's text. `file` is how messages call it, `folder` where its paths start, `stem` its default name.
pub fn parse(
    file: &str,
    text: &str,
    folder: &Path,
    stem: &str,
    overrides: &[String],
) -> Result<Plan, Diagnostics> {
    parse_with(file, text, folder, stem, overrides, &Shelf::default())
}

/// The same for several plans of one scenario: traces on `shelf` are not read again.
pub fn parse_with(
    file: &str,
    text: &str,
    folder: &Path,
    stem: &str,
    overrides: &[String],
    shelf: &Shelf,
) -> Result<Plan, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let gathered = |text: &str, mut items: Vec<Diagnostic>| {
        // A setting for all pools is one mistake, however many pools have it.
        let mut once = std::collections::BTreeSet::new();
        items.retain(|item| once.insert((item.place.as_ref().map(|place| place.start), item.title.clone())));
        items.sort_by_key(|item| (item.severity, item.place.as_ref().map_or(0, |place| place.start)));
        Diagnostics { file: file.to_owned(), text: text.to_owned(), items }
    };
    // Syntax first, in the user's own text: an override is written into a text that parses.
    Document::parse(text).map_err(|items| gathered(text, items))?;
    let (changed, mut found) = overrides::apply(text, overrides);
    let document = Document::parse(&changed).map_err(|items| gathered(&changed, items))?;
    let mut pruned = document.clone();
    check::check(scenario_schema(), pruned.root_mut(), &mut found);
    let raw = match pruned.read() {
        Ok(raw) => raw,
        Err(item) => {
            found.push(item.help("`regionsim schema` describes the file"));
            return Err(gathered(&changed, found));
        }
    };
    match resolve::resolve(&document, &raw, folder, stem, shelf, found) {
        Ok(mut plan) => {
            plan.notices = gathered(&changed, plan.notices.items);
            Ok(plan)
        }
        Err(items) => Err(gathered(&changed, items)),
    }
}
