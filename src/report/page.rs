//! The report page: one HTML file that needs no network, for reviews and for paper. Knows loaded runs and their figures;
//! must not run or judge anything: every number is one of summary.json. What a run did not write has no section. Templates,
//! style and script lie in `page/`; everything is readable without the script.

mod assumptions;
mod cost;
mod events;
mod experiments;
mod figures;
mod fleet;
mod groups;
mod headline;
mod map;
mod model;
mod reproduce;
mod residency;
mod result;
mod sides;
mod values;
mod warnings;

pub use experiments::experiment_page;

use super::figure::Figure;
use super::loaded::LoadedRun;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use model::{Section, Span};
use serde::Serialize;
use sides::Runs;

/// The page could not be written, which is a fault of this program.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the page: {0}")]
pub struct PageError(#[from] minijinja::Error);

/// The colour of a policy, as in the figures.
fn colour(place: usize) -> String {
    let hex = |(red, green, blue): (u8, u8, u8)| format!("#{red:02x}{green:02x}{blue:02x}");
    let ink = super::draw::SERIES[place % super::draw::SERIES.len()];
    ink.map_or_else(|| "currentColor".to_owned(), hex)
}

/// What stands in the head of every page and tells who made it; the version follows.
pub(super) const MARK: &str = "name=\"generator\" content=\"regionsim ";

type Make = fn(&Runs<'_>, &[Figure]) -> Option<Section>;

/// Every section, in the order of the page.
const SECTIONS: &[Make] = &[
    |runs, _| Some(result::section(runs)),
    |runs, _| warnings::section(runs),
    |runs, figures| figures::section(runs, figures),
    |runs, _| fleet::section(runs),
    |runs, _| groups::regions(runs),
    |runs, _| groups::classes(runs),
    |runs, _| groups::origins(runs),
    |runs, _| cost::section(runs),
    |runs, _| residency::section(runs),
    |runs, _| events::section(runs),
    |runs, _| Some(assumptions::section(runs)),
    |runs, _| Some(reproduce::section(runs)),
];

/// A fact at the top.
#[derive(Debug, Serialize)]
struct Fact {
    label: &'static str,
    value: String,
    note: String,
}

/// What the template is given.
#[derive(Debug, Serialize)]
struct Page {
    title: String,
    about: Option<String>,
    headline: Vec<Vec<Span>>,
    facts: Vec<Fact>,
    sections: Vec<Section>,
    /// With their colours.
    policies: Vec<(String, String)>,
    regions: Vec<String>,
    /// Where its numbers are from.
    source: String,
    version: &'static str,
    style: &'static str,
    script: &'static str,
}

/// The page of these runs, at least one, with their figures. `title` is the heading; the scenarios' names where there is none.
///
/// # Errors
/// When a template is broken.
pub fn page(runs: &[LoadedRun], figures: &[Figure], title: Option<&str>) -> Result<String, PageError> {
    let runs = Runs::of(runs);
    let page = Page {
        title: title.map_or_else(|| heading(&runs), ToOwned::to_owned),
        about: about(&runs),
        headline: headline::sentences(&runs),
        facts: facts(&runs),
        sections: SECTIONS.iter().filter_map(|make| make(&runs, figures)).collect(),
        policies: runs.policies.iter().enumerate().map(|(at, name)| (name.clone(), colour(at))).collect(),
        regions: runs.regions.clone(),
        source: "summary.json in the run's folder".to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        style: include_str!("page/style.css"),
        script: include_str!("page/script.js"),
    };
    render(page)
}

fn render(page: Page) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("blocks.html", include_str!("page/blocks.html"))?;
    environment.add_template("page.html", include_str!("page/page.html"))?;
    Ok(environment.get_template("page.html")?.render(Serde(page))? + "\n")
}

fn heading(runs: &Runs<'_>) -> String {
    let mut names: Vec<&str> = runs.runs.iter().map(|run| run.summary.scenario.as_str()).collect();
    names.dedup();
    names.join(", ")
}

/// What the scenario says it is about, where all runs say the same.
fn about(runs: &Runs<'_>) -> Option<String> {
    let about = |run: &LoadedRun| run.setup.as_ref().map(|setup| setup.description.clone());
    let first = about(&runs.runs[0])?;
    let same = runs.runs.iter().all(|run| about(run).as_ref() == Some(&first));
    Some(first).filter(|text| same && !text.is_empty())
}

/// What was played, in figures; of the first run, where all are alike.
fn facts(runs: &Runs<'_>) -> Vec<Fact> {
    let run = &runs.runs[0];
    let mut facts = Vec::new();
    let mut add = |label, value: String, note: String| facts.push(Fact { label, value, note });
    let alike = |of: &dyn Fn(&LoadedRun) -> Option<String>| {
        let first = of(run)?;
        runs.runs.iter().all(|run| of(run).as_ref() == Some(&first)).then_some(first)
    };
    let cell =
        |run: &LoadedRun| run.summary.policies.first().and_then(|policy| policy.cells.first()).cloned();
    if let Some(requests) =
        alike(&|run| cell(run).map(|cell| values::count(cell.conservation.total.arrivals)))
    {
        let measured = cell(run).map(|cell| values::count(cell.all.arrivals)).unwrap_or_default();
        add("requests", requests, format!("{measured} measured"));
    }
    if let Some(time) = alike(&|run| cell(run).map(|cell| values::seconds(cell.end_s))) {
        let warmup = cell(run).map_or(0.0, |cell| cell.warmup_s);
        let note =
            if warmup > 0.0 { format!("warm-up {}", values::seconds(warmup)) } else { "no warm-up".into() };
        add("simulated", time, note);
    }
    if let Some(setup) = &run.setup
        && runs.runs.iter().all(|other| other.setup.as_ref().is_some_and(|other| other.pools == setup.pools))
    {
        let replicas: u32 = setup.pools.iter().map(|pool| pool.replicas).sum();
        let gpus: u32 = setup.pools.iter().map(|pool| pool.replicas * pool.gpus_per_replica).sum();
        add(
            "fleet",
            format!("{gpus} GPUs"),
            format!("{replicas} replicas in {} regions", setup.regions.len()),
        );
    }
    if let Some(seeds) = alike(&|run| Some(sides::seeds(&run.summary.seeds))) {
        let many = run.summary.seeds.len() > 1;
        let note = if many { "means ± 95 % intervals" } else { "no intervals" };
        add("randomness", seeds, note.to_owned());
    }
    let status = alike(&|run| Some(run.summary.provenance.profile_status?.to_string()));
    add(
        "numbers",
        "modelled".to_owned(),
        status.map_or_else(String::new, |status| format!("step times {status}")),
    );
    facts
}

#[cfg(test)]
mod tests;
